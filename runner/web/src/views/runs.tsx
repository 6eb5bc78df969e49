// All runs, the newest first.
import { useEffect, useState } from "preact/hooks";
import { get, useFetched } from "../api";
import { count, plural, step } from "../format";
import { useLive, useThrottled } from "../live";
import { AlertCounts, Empty, Loading, Problem, RunState, Time } from "../parts/bits";
import { link, type Place, replaceQuery, runLink } from "../router";
import type { RunRow } from "../types";

export const runKey = (row: { project: string; run: string }) => JSON.stringify([row.project, row.run]);

export function RunsView({ place }: { place: Place }) {
  const { data, error, reload } = useFetched("runs", (signal) => get<{ runs: RunRow[] }>("/api/runs", {}, signal));
  const [changed, setChanged] = useState<ReadonlyMap<string, RunRow>>(new Map());
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const again = useThrottled(reload, 1000);
  // What was fetched is newer than what was told before.
  useEffect(() => setChanged(new Map()), [data]);
  useLive("runs", (rows) => {
    setChanged((old) => new Map([...old, ...rows.map((row): [string, RunRow] => [runKey(row), row])]));
    const known = new Set(data?.runs.map(runKey));
    if (rows.some((row) => !known.has(runKey(row)))) again();
  });
  useLive("alerts", again);
  useLive("back", again);

  const text = place.query.get("text") ?? "";
  const project = place.query.get("project") ?? "";
  if (!data) return error ? <Problem error={error} retry={reload} /> : <Loading what="runs" />;
  const runs = data.runs.map((row) => changed.get(runKey(row)) ?? row);
  const projects = [...new Set(runs.map((row) => row.project))].sort();
  const part = text.trim().toLowerCase();
  const shown = runs.filter((row) => (!project || row.project === project) && (!part || `${row.project} ${row.run}`.toLowerCase().includes(part)));
  const compare = new URLSearchParams(shown.filter((row) => picked.has(runKey(row))).map((row): [string, string] => ["run", runKey(row)]));
  const pick = (key: string, on: boolean) =>
    setPicked((old) => {
      const next = new Set(old);
      if (on) next.add(key);
      else next.delete(key);
      return next;
    });

  return (
    <>
      <h1>
        Runs <span class="heading-count">{shown.length === runs.length ? count(runs.length) : `${count(shown.length)} of ${count(runs.length)}`}</span>
      </h1>
      {error && <Problem error={error} retry={reload} />}
      {runs.length === 0 ? (
        <Empty title="No runs yet.">
          <p>
            Watch one: <code>python -u train.py 2&gt;&amp;1 | runwatch</code>. It appears here with its first records.
          </p>
        </Empty>
      ) : (
        <>
          <form class="filters" role="search" aria-label="Runs" onSubmit={(event) => event.preventDefault()}>
            <label>
              Text <input type="search" value={text} placeholder="project or run" onInput={(event) => replaceQuery(place, { text: event.currentTarget.value })} data-filter="text" />
            </label>
            <label>
              Project{" "}
              <select value={project} onChange={(event) => replaceQuery(place, { project: event.currentTarget.value })} data-filter="project">
                <option value="">all</option>
                {projects.map((name) => (
                  <option value={name} key={name}>
                    {name}
                  </option>
                ))}
              </select>
            </label>
            <Compare query={compare} />
          </form>
          {shown.length === 0 && <Empty title="No run passes these filters." />}
          {shown.length > 0 && <RunTable runs={shown} picked={picked} onPick={pick} href={(row) => runLink(row.project, row.run)} />}
        </>
      )}
    </>
  );
}

function Compare({ query }: { query: URLSearchParams }) {
  const runs = query.getAll("run").length;
  if (runs < 2) return <span class="quiet filters-end">{runs === 1 ? "Tick another run to compare." : "Tick runs to compare them."}</span>;
  return (
    <a class="button filters-end" href={link(["compare"], query)} data-act="compare">
      Compare {plural(runs, "run")}
    </a>
  );
}

interface TableProps {
  runs: RunRow[];
  picked: ReadonlySet<string>;
  onPick: ((key: string, on: boolean) => void) | null;
  href: (row: RunRow, at: number) => string;
}

export function RunTable({ runs, picked, onPick, href }: TableProps) {
  // Of runs in a report it is never known.
  const told = runs.some((run) => run.state !== "unknown");
  return (
    <table class="cards runs">
      <thead>
        <tr>
          {onPick && (
            <th scope="col">
              <span class="hidden">compare</span>
            </th>
          )}
          <th scope="col">run</th>
          {told && <th scope="col">state</th>}
          <th scope="col">alerts</th>
          <th scope="col" class="number">
            last step
          </th>
          <th scope="col" class="number">
            records
          </th>
          <th scope="col" class="number">
            metrics
          </th>
          <th scope="col">last activity</th>
        </tr>
      </thead>
      <tbody>
        {runs.map((row, at) => {
          const key = runKey(row);
          return (
            <tr key={key} data-run={row.run}>
              {onPick && (
                <td class="pick">
                  <input type="checkbox" aria-label={`Compare ${row.run}`} checked={picked.has(key)} onChange={(event) => onPick(key, event.currentTarget.checked)} />
                </td>
              )}
              <th scope="row" class="run-name">
                <a href={href(row, at)}>
                  <span class="quiet">{row.project} / </span>
                  {row.run}
                </a>
              </th>
              {told && (
                <td data-label="state">
                  <RunState state={row.state} />
                </td>
              )}
              <td data-label="alerts">
                <AlertCounts alerts={row.alerts} />
              </td>
              <td data-label="last step" class="number">
                {step(row.last_step)}
              </td>
              <td data-label="records" class="number">
                {count(row.rows)}
              </td>
              <td data-label="metrics" class="number">
                {count(row.metrics)}
              </td>
              <td data-label="last activity">
                <Time at={row.last_activity} />
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
