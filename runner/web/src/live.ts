// What `runwatch serve` tells as it happens: server-sent events.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Alert, RunRow } from "./types";

interface Events {
  alerts: Alert[];
  runs: RunRow[];
  other: null;
  /** The connection is back after a break: anything may have changed. */
  back: null;
}

type Kind = keyof Events;
export type Connection = "connecting" | "open" | "lost";

const listeners: { [K in Kind]: Set<(data: Events[K]) => void> } = {
  alerts: new Set(),
  runs: new Set(),
  other: new Set(),
  back: new Set(),
};
const watchers = new Set<(state: Connection) => void>();
let connection: Connection = "connecting";
let wait = 1000;

/** Connects, and again whenever the connection is lost. */
export function startLive(): void {
  const source = new EventSource("/events");
  source.onopen = () => {
    const back = connection === "lost";
    wait = 1000;
    become("open");
    if (back) tell("back", null);
  };
  source.onerror = () => {
    become("lost");
    if (source.readyState !== EventSource.CLOSED) return; // The browser tries again by itself.
    source.close();
    setTimeout(startLive, wait);
    wait = Math.min(wait * 2, 30_000);
  };
  source.addEventListener("alerts", (event) => tell("alerts", parsed<{ alerts: Alert[] }>(event).alerts));
  source.addEventListener("runs", (event) => tell("runs", parsed<{ runs: RunRow[] }>(event).runs));
  source.addEventListener("other", () => tell("other", null));
}

/** Calls `handle` for each event of a kind while the component is there. */
export function useLive<K extends Kind>(kind: K, handle: (data: Events[K]) => void): void {
  const latest = useRef(handle);
  latest.current = handle;
  useEffect(() => {
    const listen = (data: Events[K]) => latest.current(data);
    const set = listeners[kind] as Set<(data: Events[K]) => void>;
    set.add(listen);
    return () => void set.delete(listen);
  }, [kind]);
}

export function useConnection(): Connection {
  const [state, setState] = useState(connection);
  useEffect(() => {
    setState(connection);
    watchers.add(setState);
    return () => void watchers.delete(setState);
  }, []);
  return state;
}

/** Calls `act` at once, then at most once per `ms` however often it is asked to. */
export function useThrottled(act: () => void, ms: number): () => void {
  const latest = useRef(act);
  latest.current = act;
  const state = useRef<{ timer: number; last: number }>({ timer: 0, last: 0 });
  useEffect(() => () => clearTimeout(state.current.timer), []);
  return () => {
    const { timer, last } = state.current;
    if (timer) return;
    const run = () => {
      state.current = { timer: 0, last: performance.now() };
      latest.current();
    };
    const left = last + ms - performance.now();
    if (left <= 0 || last === 0) run();
    else state.current.timer = window.setTimeout(run, left);
  };
}

function parsed<T>(event: Event): T {
  return JSON.parse((event as MessageEvent<string>).data) as T;
}

function tell<K extends Kind>(kind: K, data: Events[K]): void {
  for (const listen of listeners[kind] as Set<(data: Events[K]) => void>) listen(data);
}

function become(next: Connection): void {
  connection = next;
  for (const watch of watchers) watch(next);
}
