// Deliveries and dead letters, and how the sinks stand.
import { useState } from "preact/hooks";
import { asFailure, type Failure, get, post, useFetched } from "../api";
import { count } from "../format";
import { useLive, useThrottled } from "../live";
import { Empty, Loading, Problem, Time } from "../parts/bits";
import { Deliveries } from "../parts/deliveries";
import { deliveryStates } from "../parts/delivery-state";
import { type Place, replaceQuery } from "../router";
import type { Delivery, Sink } from "../types";

const page = 100;

export function DeliveriesView({ place, writable }: { place: Place; writable: boolean }) {
  const state = place.query.get("state") ?? "";
  const sink = place.query.get("sink") ?? "";
  const [limit, setLimit] = useState(page);
  const [failed, setFailed] = useState<Failure | null>(null);
  const sinks = useFetched("sinks", (signal) => get<{ sinks: Sink[] }>("/api/sinks", {}, signal));
  const found = useFetched(`${state}\n${sink}\n${limit}`, (signal) => get<{ deliveries: Delivery[]; more: boolean }>("/api/deliveries", { state, sink, limit }, signal), true);
  const again = useThrottled(() => {
    sinks.reload();
    found.reload();
  }, 500);
  useLive("other", again);
  useLive("alerts", again);
  useLive("back", again);
  const resend = async (body: { sink: string } | { delivery: Delivery["id"] }) => {
    try {
      await post("/api/resend", body);
      setFailed(null);
      again();
    } catch (error) {
      setFailed(asFailure(error));
    }
  };
  return (
    <>
      <h1>Deliveries</h1>
      {failed && <Problem error={failed} />}
      <section class="part">
        <h2>Sinks</h2>
        {sinks.error && !sinks.data && <Problem error={sinks.error} retry={sinks.reload} />}
        {!sinks.data && !sinks.error && <Loading what="sinks" />}
        {sinks.data?.sinks.length === 0 && (
          <Empty title="No sinks.">
            <p>
              A sink is where alerts go: a chat, a mailbox, a webhook. Add one to the configuration, then try it with <code>runwatch sink test</code>.
            </p>
          </Empty>
        )}
        {sinks.data && sinks.data.sinks.length > 0 && <Sinks sinks={sinks.data.sinks} onResend={writable ? (name) => void resend({ sink: name }) : null} />}
      </section>
      <section class="part">
        <h2>Deliveries</h2>
        <form class="filters" role="search" aria-label="Deliveries" onSubmit={(event) => event.preventDefault()}>
          <label>
            State{" "}
            <select value={state} onChange={(event) => replaceQuery(place, { state: event.currentTarget.value })} data-filter="state">
              <option value="">all</option>
              {deliveryStates.map((name) => (
                <option value={name} key={name}>
                  {name === "dead" ? "dead (dead letters)" : name}
                </option>
              ))}
            </select>
          </label>
          <label>
            Sink{" "}
            <select value={sink} onChange={(event) => replaceQuery(place, { sink: event.currentTarget.value })} data-filter="sink">
              <option value="">all</option>
              {[...new Set([...(sinks.data?.sinks ?? []).map(({ name }) => name), ...(sink ? [sink] : [])])].map((name) => (
                <option value={name} key={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        </form>
        {found.error && <Problem error={found.error} retry={found.reload} />}
        {!found.data && !found.error && <Loading what="deliveries" />}
        {found.data?.deliveries.length === 0 && <Empty title={state || sink ? "No delivery passes these filters." : "Nothing was sent yet."} />}
        {found.data && found.data.deliveries.length > 0 && <Deliveries deliveries={found.data.deliveries} brief={false} onResend={writable ? (delivery) => void resend({ delivery: delivery.id }) : null} />}
        {found.data?.more && (
          <p class="more">
            <button type="button" onClick={() => setLimit((n) => n + page)}>
              More
            </button>
          </p>
        )}
      </section>
    </>
  );
}

function Sinks({ sinks, onResend }: { sinks: Sink[]; onResend: ((name: string) => void) | null }) {
  return (
    <table class="cards">
      <thead>
        <tr>
          <th scope="col">sink</th>
          <th scope="col">standing</th>
          <th scope="col" class="number">
            waiting
          </th>
          <th scope="col" class="number">
            delivered
          </th>
          <th scope="col" class="number">
            dead
          </th>
          {onResend && (
            <th scope="col">
              <span class="hidden">act</span>
            </th>
          )}
        </tr>
      </thead>
      <tbody>
        {sinks.map((sink) => (
          <tr key={sink.name} data-sink={sink.name}>
            <th scope="row">{sink.name}</th>
            <td data-label="standing">
              <Standing sink={sink} />
            </td>
            <td data-label="waiting" class="number">
              {count(sink.waiting)}
            </td>
            <td data-label="delivered" class="number">
              {count(sink.delivered)}
            </td>
            <td data-label="dead" class="number">
              {count(sink.dead)}
            </td>
            {onResend && (
              <td class="act">
                {sink.dead > 0 && (
                  <button type="button" onClick={() => onResend(sink.name)} data-act="resend-all">
                    Send dead letters again
                  </button>
                )}
              </td>
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Standing({ sink }: { sink: Sink }) {
  if (sink.broken) {
    return (
      <>
        <span class="delivery bad">broken</span> <span class="note">{sink.broken}</span>
      </>
    );
  }
  if (sink.blocked_until) {
    return (
      <>
        <span class="delivery waiting">waits</span>{" "}
        <span class="note">
          until <Time at={sink.blocked_until} />, {count(sink.failures)} failures in a row
        </span>
      </>
    );
  }
  return (
    <>
      <span class="delivery good">works</span>
      {sink.failures > 0 && <span class="note">{count(sink.failures)} failures in a row</span>}
    </>
  );
}
