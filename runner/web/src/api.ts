// Talking to `runwatch serve`.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

type Params = Record<string, string | number | null | undefined>;

/** What went wrong, in words, and what to do about it. */
export class Failure extends Error {
  constructor(
    message: string,
    readonly hint: string | null = null,
  ) {
    super(message);
  }
}

export function get<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<T> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return ask<T>(text ? `${path}?${text}` : path, signal ? { signal } : {});
}

export function post<T>(path: string, body: Record<string, unknown>): Promise<T> {
  return ask<T>(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

async function ask<T>(url: string, init: RequestInit): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(url, { credentials: "same-origin", ...init });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Failure("runwatch does not answer.", "Is `runwatch serve` still running?");
  }
  if (answer.ok) return (await answer.json()) as T;
  throw await failure(answer);
}

async function failure(answer: Response): Promise<Failure> {
  if (answer.status === 401) {
    return new Failure("The token is missing or no longer valid.", "Open the address that `runwatch serve` printed again.");
  }
  try {
    const told = (await answer.json()) as { error?: unknown; hint?: unknown };
    if (typeof told.error === "string") {
      return new Failure(told.error, typeof told.hint === "string" ? told.hint : null);
    }
  } catch {
    // Not JSON: the status has to do.
  }
  return new Failure(`runwatch answered with status ${answer.status}.`);
}

export interface Fetched<T> {
  data: T | null;
  error: Failure | null;
  reload: () => void;
}

/** Fetches when `key` changes or `reload` is called; old data stays until new data is there. */
export function useFetched<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Fetched<T> {
  const [state, setState] = useState<{ key: string; data: T | null; error: Failure | null }>({ key, data: null, error: null });
  const [turn, setTurn] = useState(0);
  const latest = useRef(load);
  latest.current = load;
  useEffect(() => {
    const stop = new AbortController();
    latest.current(stop.signal).then(
      (data) => !stop.signal.aborted && setState({ key, data, error: null }),
      (error: unknown) => {
        if (stop.signal.aborted) return;
        setState((old) => ({ key, data: old.key === key ? old.data : null, error: asFailure(error) }));
      },
    );
    return () => stop.abort();
  }, [key, turn]);
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  return { data: state.key === key ? state.data : null, error: state.error, reload };
}

export function asFailure(error: unknown): Failure {
  return error instanceof Failure ? error : new Failure(error instanceof Error ? error.message : String(error));
}
