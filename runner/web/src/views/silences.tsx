// Silences: what is not sent, until when, and why.
import { useState } from "preact/hooks";
import { asFailure, type Failure, get, post, useFetched } from "../api";
import { useLive } from "../live";
import { Empty, Loading, Problem, Time } from "../parts/bits";
import { State } from "../parts/delivery-state";
import { localTime } from "../format";
import type { Silence } from "../types";

export function SilencesView({ writable }: { writable: boolean }) {
  const { data, error, reload } = useFetched("silences", (signal) => get<{ silences: Silence[] }>("/api/silences", {}, signal));
  const [failed, setFailed] = useState<Failure | null>(null);
  useLive("other", reload);
  useLive("back", reload);
  const end = async (id: Silence["id"]) => {
    try {
      await post("/api/unsilence", { id });
      setFailed(null);
      reload();
    } catch (error) {
      setFailed(asFailure(error));
    }
  };
  return (
    <>
      <h1>Silences</h1>
      {failed && <Problem error={failed} />}
      {error && <Problem error={error} retry={reload} />}
      {!data && !error && <Loading what="silences" />}
      {data?.silences.length === 0 && (
        <Empty title="Nothing is silenced.">
          <p>Open an alert to silence what it is about, or use runwatch silence.</p>
        </Empty>
      )}
      {data && data.silences.length > 0 && (
        <table class="cards">
          <thead>
            <tr>
              <th scope="col">state</th>
              <th scope="col">silenced</th>
              <th scope="col">from</th>
              <th scope="col">until</th>
              <th scope="col">why</th>
              <th scope="col">by</th>
              {writable && (
                <th scope="col">
                  <span class="hidden">act</span>
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {data.silences.map((silence) => (
              <tr key={silence.id} class={silence.state} data-silence={silence.id}>
                <td data-label="state">
                  <State state={silence.state} />
                </td>
                <td data-label="silenced" class="wide bare figure">
                  {silence.matchers}
                </td>
                <td data-label="from">
                  <Time at={silence.from} />
                </td>
                <td data-label="until">
                  <Until until={silence.until} />
                </td>
                <td data-label="why">{silence.comment || <span class="quiet">–</span>}</td>
                <td data-label="by">{silence.by || <span class="quiet">–</span>}</td>
                {writable && (
                  <td class="act">
                    {silence.state !== "ended" && (
                      <button type="button" onClick={() => void end(silence.id)} data-act="unsilence">
                        End now
                      </button>
                    )}
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

/** A time, or words such as "resolved" or "step 5000". */
function Until({ until }: { until: string | null }) {
  if (until && localTime(until) === until) return <>{until}</>;
  return <Time at={until} />;
}
