// The alerts of all runs, the newest first; new ones come in at the top.
import { useEffect, useRef, useState } from "preact/hooks";
import { asFailure, type Failure, get, useFetched } from "../api";
import { useLive } from "../live";
import { AlertExtra } from "../parts/alert-extra";
import { type Filter, isFiltered, passes } from "../parts/alert-filter";
import { AlertFilters } from "../parts/alert-filters";
import { AlertList } from "../parts/alert-list";
import { Empty, Loading, Problem } from "../parts/bits";
import { type Place, replaceQuery } from "../router";
import type { Alert, Detector, RunRow } from "../types";

const page = 50;

interface Answer {
  alerts: Alert[];
  more: boolean;
}

export function AlertsView({ place, writable }: { place: Place; writable: boolean }) {
  const filter = filterOf(place.query);
  const setFilter = (next: Filter) => replaceQuery(place, { ...next });
  const list = useAlerts(filter);
  const runs = useFetched("runs", (signal) => get<{ runs: RunRow[] }>("/api/runs", {}, signal)).data?.runs ?? [];
  const detectors = useFetched("detectors", (signal) => get<{ detectors: Detector[] }>("/api/detectors", {}, signal)).data?.detectors ?? [];
  const names = [...new Set([...detectors.map((detector) => detector.name), ...(list.alerts ?? []).map((alert) => alert.detector)])];
  return (
    <>
      <h1>Alerts</h1>
      <AlertFilters label="Alerts" filter={filter} onFilter={setFilter} detectors={names} runs={runs} />
      {list.error && <Problem error={list.error} retry={list.reload} />}
      {!list.alerts && !list.error && <Loading what="alerts" />}
      {list.alerts?.length === 0 && <None filter={filter} />}
      {list.alerts && list.alerts.length > 0 && (
        <AlertList alerts={list.alerts} fresh={list.fresh} named linked extra={(alert) => <AlertExtra alert={alert} writable={writable} onChange={list.reload} />} />
      )}
      {list.more && (
        <p class="more">
          <button type="button" onClick={list.fetchMore} disabled={list.busy} data-act="more">
            More
          </button>
        </p>
      )}
    </>
  );
}

function None({ filter }: { filter: Filter }) {
  if (isFiltered(filter)) return <Empty title="No alert passes these filters." />;
  return (
    <Empty title="No alerts.">
      <p>
        Nothing was found so far. To see that alerts reach their sinks, try <code>runwatch sink test</code>.
      </p>
    </Empty>
  );
}

function filterOf(query: URLSearchParams): Filter {
  const part = (name: keyof Filter) => query.get(name) ?? "";
  return {
    project: part("project"),
    run: part("run"),
    detector: part("detector"),
    level: part("level") as Filter["level"],
    state: part("state") as Filter["state"],
    text: part("text"),
  };
}

/** The alerts that pass, page by page, and those that come in. */
function useAlerts(filter: Filter) {
  const key = JSON.stringify(filter);
  const [state, setState] = useState<{ key: string; alerts: Alert[]; more: boolean } | null>(null);
  const [error, setError] = useState<Failure | null>(null);
  const [busy, setBusy] = useState(false);
  const [turn, setTurn] = useState(0);
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  const length = useRef(page);
  useEffect(() => {
    length.current = page;
  }, [key]);
  useEffect(() => {
    const stop = new AbortController();
    // Typing is waited out.
    const timer = setTimeout(
      () =>
        ask(filter, { limit: length.current }, stop.signal).then(
          (answer) => {
            setState((old) => ({ key, more: answer.more, alerts: [...since(answer.alerts, old?.key === key ? old.alerts : []), ...answer.alerts] }));
            setError(null);
          },
          (failed: unknown) => !stop.signal.aborted && setError(asFailure(failed)),
        ),
      state && state.key !== key ? 150 : 0,
    );
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [key, turn]);
  const reload = () => setTurn((n) => n + 1);
  useLive("alerts", (arrived) => {
    const mine = arrived.filter((alert) => passes(alert, filter)).reverse();
    if (mine.length === 0) return;
    setFresh((old) => new Set([...old, ...mine.map((alert) => alert.id)]));
    setState((old) => old && { ...old, alerts: [...mine, ...old.alerts.filter((alert) => !mine.some((other) => other.id === alert.id))] });
  });
  useLive("other", reload);
  useLive("back", reload);
  const fetchMore = async () => {
    const last = state?.alerts[state.alerts.length - 1];
    if (!last) return;
    setBusy(true);
    try {
      const answer = await ask(filter, { limit: page, before: last.seq });
      setState((old) => old && { ...old, alerts: [...old.alerts, ...answer.alerts], more: answer.more });
      length.current += page;
    } catch (failed) {
      setError(asFailure(failed));
    }
    setBusy(false);
  };
  return { alerts: state?.alerts ?? null, more: state?.more ?? false, error, busy, fresh, reload, fetchMore };
}

/** What came in while the answer was on its way. */
function since(fetched: Alert[], known: Alert[]): Alert[] {
  const newest = fetched[0]?.seq ?? -1;
  return known.filter((alert) => alert.seq > newest);
}

function ask(filter: Filter, paging: { limit: number; before?: number }, signal?: AbortSignal): Promise<Answer> {
  return get<Answer>("/api/alerts", { ...filter, ...paging }, signal);
}
