// Where the reader is, in the part of the address after the hash.
import { useEffect, useState } from "preact/hooks";

export interface Place {
  /** The parts of the path, decoded: ["run", "default", "train"]. */
  path: string[];
  query: URLSearchParams;
}

export function usePlace(): Place {
  const [place, setPlace] = useState(read);
  useEffect(() => {
    const listen = () => setPlace(read());
    addEventListener("hashchange", listen);
    return () => removeEventListener("hashchange", listen);
  }, []);
  return place;
}

export function link(path: string[], query: Record<string, string> | URLSearchParams = {}): string {
  const text = new URLSearchParams(query).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

export const runLink = (project: string, run: string, query: Record<string, string> = {}) => link(["run", project, run], query);

/** Changes the query without a new entry in the history. */
export function replaceQuery(place: Place, changes: Record<string, string | null>): void {
  const query = new URLSearchParams(place.query);
  for (const [name, value] of Object.entries(changes)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  const url = link(place.path, query);
  history.replaceState(null, "", url);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

function read(): Place {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  return { path: path.split("/").filter(Boolean).map(decode), query: new URLSearchParams(query) };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
