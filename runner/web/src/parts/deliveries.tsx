// Where an alert went, and what became of it.
import { duration, plural } from "../format";
import { link } from "../router";
import type { Delivery } from "../types";
import { Badge, Time } from "./bits";
import { canResend, State } from "./delivery-state";

interface Props {
  deliveries: Delivery[];
  /** The alert is given: only the sinks are named. */
  brief: boolean;
  onResend: ((delivery: Delivery) => void) | null;
}

export function Deliveries({ deliveries, brief, onResend }: Props) {
  return (
    <div class="scroll">
      <table class="cards">
        <thead>
          <tr>
            <th scope="col">state</th>
            <th scope="col">sink</th>
            {!brief && <th scope="col">alert</th>}
            <th scope="col">notice</th>
            <th scope="col">made</th>
            <th scope="col">done</th>
            <th scope="col">attempts</th>
            {onResend && (
              <th scope="col">
                <span class="hidden">act</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {deliveries.map((delivery) => (
            <tr key={delivery.id} data-delivery={delivery.id}>
              <td data-label="state">
                <State state={delivery.state} />
                {delivery.reason && <span class="note">{delivery.reason}</span>}
              </td>
              <td data-label="sink" class="name">{delivery.sink}</td>
              {!brief && (
                <td data-label="alert" class="wide bare">
                  <span class="stack">
                    <a href={link(["alert", delivery.alert])}>{delivery.title}</a>
                    <span class="note">
                      <Badge severity={delivery.severity} /> {delivery.project} / {delivery.run}, {delivery.detector}
                    </span>
                  </span>
                </td>
              )}
              <td data-label="notice">{delivery.notice}</td>
              <td data-label="made">
                <Time at={delivery.made} />
              </td>
              <td data-label="done">
                <Time at={delivery.done} />
              </td>
              <td data-label="attempts">
                <Attempts delivery={delivery} />
              </td>
              {onResend && (
                <td class="act">
                  {canResend(delivery.state) && (
                    <button type="button" onClick={() => onResend(delivery)} data-act="resend">
                      Send again
                    </button>
                  )}
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Attempts({ delivery }: { delivery: Delivery }) {
  const { attempts, error } = delivery;
  if (attempts.length === 0) return error ? <span class="note">{error}</span> : <span class="quiet">{delivery.done ? "none" : "none yet"}</span>;
  return (
    <details class="attempts">
      <summary>
        {plural(attempts.length, "attempt")}
        {error && <span class="note">{error}</span>}
      </summary>
      <ol>
        {attempts.map((attempt, at) => (
          <li key={at}>
            <Time at={attempt.at} /> {attempt.outcome}
            {attempt.took_ms !== null && <span class="quiet">, {duration(attempt.took_ms)}</span>}
            {attempt.error && <span class="note">{attempt.error}</span>}
          </li>
        ))}
      </ol>
    </details>
  );
}
