// Several runs over each other, aligned by step.
import { useEffect, useId, useMemo, useState } from "preact/hooks";
import { asFailure, type Failure } from "../api";
import { Chart } from "../chart/chart";
import { drawLines, type Line, split } from "../chart/lines";
import { type Range, same } from "../chart/range";
import { Swatch } from "../chart/swatch";
import { count, step, value } from "../format";
import type { Source } from "../series";
import type { Metric, RunRow, Series } from "../types";
import { AlertCounts, Empty, Problem, RunState } from "./bits";
import { byImportance } from "./charts";
import { Lazy } from "./lazy";

export interface Compared {
  row: RunRow;
  metrics: Metric[];
  source: Source;
  href: string;
}

export function Comparison({ runs, level }: { runs: Compared[]; level: 2 | 3 }) {
  const [filter, setFilter] = useState("");
  const [shared, setShared] = useState(true);
  const [range, setRange] = useState<Range | null>(null);
  const sync = useId();
  const names = useMemo(() => labels(runs.map(({ row }) => row)), [runs]);
  const metrics = useMemo(() => inAny(runs), [runs]);
  const part = filter.trim().toLowerCase();
  const shown = metrics.filter((name) => name.toLowerCase().includes(part) && (!shared || having(runs, name).length === runs.length));
  const Heading = level === 2 ? "h2" : "h3";
  return (
    <>
      <table class="cards">
        <thead>
          <tr>
            <th scope="col">run</th>
            <th scope="col">state</th>
            <th scope="col">alerts</th>
            <th scope="col">steps</th>
            <th scope="col" class="number">
              records
            </th>
          </tr>
        </thead>
        <tbody>
          {runs.map(({ row, href }, at) => (
            <tr key={at}>
              <th scope="row">
                <Swatch hue={at} /> <a href={href}>{names[at]}</a>
              </th>
              <td data-label="state">
                <RunState state={row.state} />
              </td>
              <td data-label="alerts">
                <AlertCounts alerts={row.alerts} />
              </td>
              <td data-label="steps">{row.first_step === null ? "none" : `${step(row.first_step)} to ${step(row.last_step)}`}</td>
              <td data-label="records" class="number">
                {count(row.rows)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <section class="part">
        <Heading>Metrics by step</Heading>
        <div class="filters">
          <label>
            Metrics <input type="search" placeholder="part of a name" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} data-filter="metric" />
          </label>
          <label class="check">
            <input type="checkbox" checked={shared} onChange={(event) => setShared(event.currentTarget.checked)} /> only what all runs have
          </label>
          <button type="button" disabled={!range} onClick={() => setRange(null)}>
            Show all steps
          </button>
        </div>
        {shown.length === 0 && <Empty title="No metric passes." />}
        <div class="charts">
          {shown.map((name) => (
            <Lazy height={270} key={name}>
              {() => <Overlay name={name} runs={runs} names={names} range={range} onZoom={setRange} sync={sync} />}
            </Lazy>
          ))}
        </div>
      </section>
      <section class="part">
        <Heading>Last values</Heading>
        <LastValues metrics={shown} runs={runs} names={names} />
      </section>
    </>
  );
}

function LastValues({ metrics, runs, names }: { metrics: string[]; runs: Compared[]; names: string[] }) {
  return (
    <div class="scroll" tabIndex={0} role="region">
      <table>
        <thead>
          <tr>
            <th scope="col">metric</th>
            {runs.map((_, at) => (
              <th scope="col" class="number" key={at}>
                <Swatch hue={at} /> {names[at]}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {metrics.map((name) => (
            <tr key={name}>
              <th scope="row" class="figure">
                {name}
              </th>
              {runs.map((run, at) => {
                const metric = run.metrics.find((metric) => metric.name === name);
                return (
                  <td class="number" key={at}>
                    {metric ? value(metric.last) : "–"}
                    {metric && <span class="note">{`${value(metric.min)} to ${value(metric.max)}`}</span>}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface OverlayProps {
  name: string;
  runs: Compared[];
  names: string[];
  range: Range | null;
  onZoom: (range: Range | null) => void;
  sync: string;
}

function Overlay({ name, runs, names, range, onZoom, sync }: OverlayProps) {
  const [log, setLog] = useState(false);
  const { series, error } = useSeries(runs, name);
  const whole = useMemo(() => around(having(runs, name)), [runs, name]);
  const shown = useDetails(runs, name, series, range) ?? series;
  const drawing = useMemo(() => shown && drawLines(linesOf(shown, names), log), [shown, names, log]);
  const notes = useMemo(() => notesOf(shown ?? []), [shown]);
  if (!drawing) {
    return (
      <figure class="chart">
        <figcaption>
          <span class="chart-name">{name}</span>
        </figcaption>
        {error ? <Problem error={error} /> : <p class="loading">Fetching values …</p>}
      </figure>
    );
  }
  return <Chart name={name} drawing={drawing} whole={whole} range={range} onZoom={onZoom} log={log} onLog={setLog} markers={none} onAlert={() => undefined} sync={sync} notes={notes} />;
}

const none: never[] = [];

/** The series of each run; null for a run that has none. */
function useSeries(runs: Compared[], name: string): { series: (Series | null)[] | null; error: Failure | null } {
  const peeked = () => {
    const known = runs.map((run) => run.source.peek(name));
    return known.every((series, at) => series || !has(runs[at], name)) ? known : null;
  };
  const [series, setSeries] = useState<(Series | null)[] | null>(peeked);
  const [error, setError] = useState<Failure | null>(null);
  useEffect(() => {
    const stop = new AbortController();
    Promise.all(runs.map((run) => (has(run, name) ? (run.source.peek(name) ?? run.source.load(name, stop.signal)) : null))).then(
      (found) => !stop.signal.aborted && setSeries(found),
      (failed: unknown) => !stop.signal.aborted && setError(asFailure(failed)),
    );
    return () => stop.abort();
  }, [runs, name]);
  return { series, error };
}

/** The stretch looked at, at full resolution, of the runs whose series are thinned. */
function useDetails(runs: Compared[], name: string, series: (Series | null)[] | null, range: Range | null): (Series | null)[] | null {
  const [found, setFound] = useState<{ range: Range; series: (Series | null)[] } | null>(null);
  useEffect(() => {
    if (!range || !series?.some((one, at) => one?.thinned && runs[at]?.source.detail)) return setFound(null);
    const stop = new AbortController();
    Promise.all(series.map((one, at) => (one?.thinned ? (runs[at]?.source.detail?.(name, range, stop.signal) ?? one) : one))).then(
      (series) => !stop.signal.aborted && setFound({ range, series }),
      () => undefined, // What is there already is shown on.
    );
    return () => stop.abort();
  }, [runs, name, series, range?.from, range?.to]);
  return found && same(found.range, range) ? found.series : null;
}

/** One line per run: of several ranks the first, of a run that went back the latest stretch. */
function linesOf(series: (Series | null)[], names: string[]): Line[] {
  return series.flatMap((series, at) => {
    if (!series) return [];
    const { lines } = split(series, names[at] ?? "");
    const line = lines.find((line) => !line.old);
    return line ? [{ ...line, label: names[at] ?? "", hue: at }] : [];
  });
}

function notesOf(series: (Series | null)[]): string[] {
  const notes: string[] = [];
  if (series.some((series) => series?.thinned)) notes.push("Fewer values than there are; extremes are kept.");
  if (series.some((series) => series?.ranks && new Set(series.ranks).size > 1)) notes.push("Of runs with several ranks the first is drawn.");
  return notes;
}

function has(run: Compared | undefined, name: string): boolean {
  return run?.metrics.some((metric) => metric.name === name) ?? false;
}

function having(runs: Compared[], name: string): Metric[] {
  return runs.flatMap((run) => run.metrics.find((metric) => metric.name === name) ?? []);
}

function inAny(runs: Compared[]): string[] {
  const found = new Map<string, Metric>();
  for (const run of runs) for (const metric of run.metrics) if (!found.has(metric.name)) found.set(metric.name, metric);
  return byImportance([...found.values()]).map((metric) => metric.name);
}

function around(metrics: Metric[]): Range {
  const firsts = metrics.flatMap((metric) => metric.first_step ?? []);
  const lasts = metrics.flatMap((metric) => metric.last_step ?? []);
  if (firsts.length === 0 || lasts.length === 0) return { from: 0, to: 1 };
  return { from: Math.min(...firsts), to: Math.max(...lasts) };
}

/** The run's name, with its project where that is needed to tell runs apart. */
function labels(rows: RunRow[]): string[] {
  const one = new Set(rows.map((row) => row.project)).size === 1;
  return rows.map((row) => (one ? row.run : `${row.project} / ${row.run}`));
}
