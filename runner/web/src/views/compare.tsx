// Runs that the reader ticked, over each other.
import { get, useFetched } from "../api";
import { type Compared, Comparison } from "../parts/comparison";
import { Empty, Loading, Problem } from "../parts/bits";
import { link, type Place, runLink } from "../router";
import { servedSource } from "../series";
import type { RunDetail } from "../types";

export function CompareView({ place }: { place: Place }) {
  const keys = place.query.getAll("run");
  const { data, error, reload } = useFetched(keys.join("\n"), (signal) => Promise.all(keys.map((key) => load(key, signal))));
  return (
    <>
      <p class="crumbs">
        <a href={link([])}>Runs</a>
      </p>
      <h1>Compare</h1>
      {keys.length < 2 && (
        <Empty title="Nothing to compare.">
          <p>
            Tick two or more <a href={link([])}>runs</a>.
          </p>
        </Empty>
      )}
      {error && <Problem error={error} retry={reload} />}
      {!data && !error && <Loading what="the runs" />}
      {data && keys.length >= 2 && <Comparison runs={data} level={2} />}
    </>
  );
}

async function load(key: string, signal: AbortSignal): Promise<Compared> {
  const [project = "", run = ""] = parts(key);
  const { metrics_list, ...row } = await get<RunDetail>("/api/run", { project, run }, signal);
  return { row, metrics: metrics_list, source: servedSource(project, run), href: runLink(project, run) };
}

/** `["project","run"]`, as the list of runs writes it. */
function parts(key: string): string[] {
  try {
    const read: unknown = JSON.parse(key);
    return Array.isArray(read) ? read.map(String) : [];
  } catch {
    return [];
  }
}
