// The charts of a run: which metrics, which alerts on them, and one zoom for all.
import { useId, useMemo, useRef, useState } from "preact/hooks";
import type { Range } from "../chart/range";
import { count } from "../format";
import type { Source } from "../series";
import type { Alert, Metric } from "../types";
import { Empty } from "./bits";
import { Lazy } from "./lazy";
import { MetricChart } from "./metric-chart";

/** So many are drawn before the reader asks for more. */
const first = 12;

const important = ["loss", "eval_loss", "grad_norm", "lr", "throughput", "reward_mean", "reward_std", "kl", "entropy", "clip_fraction"];

/** Those that are looked at first come first, then those for evaluation, then by name. */
export function byImportance(metrics: Metric[]): Metric[] {
  const place = (metric: Metric) => {
    const at = important.indexOf(metric.name);
    if (at >= 0) return at;
    return /^(eval|val)[_/]/.test(metric.name) ? important.length : important.length + 1;
  };
  return [...metrics].sort((a, b) => place(a) - place(b) || a.name.localeCompare(b.name));
}

type Which = "own" | "all" | "none";

interface Props {
  source: Source;
  metrics: Metric[];
  alerts: Alert[];
  whole: Range;
  range: Range | null;
  onZoom: (range: Range | null) => void;
  onAlert: (alert: string) => void;
}

export function Charts({ source, metrics, alerts, whole, range, onZoom, onAlert }: Props) {
  const sync = useId();
  const [filter, setFilter] = useState("");
  const [which, setWhich] = useState<Which>("own");
  const [together, setTogether] = useState(true);
  const [alone, setAlone] = useState<ReadonlyMap<string, Range | null>>(new Map());
  const [chosen, setChosen] = useState<Set<string> | null>(null);
  const sorted = useMemo(() => byImportance(metrics), [metrics]);
  const byMetric = useMemo(() => alertsByMetric(sorted, alerts, which), [sorted, alerts, which]);
  const picked = (metric: Metric, at: number) => (chosen ? chosen.has(metric.name) : at < first);
  const matching = sorted.filter((metric) => matches(metric, filter));
  const shown = filter ? matching : sorted.filter(picked);
  if (metrics.length === 0) {
    return (
      <Empty title="No metrics of this run are kept.">
        <p>runwatch keeps the metrics of live runs, unless it is started with --no-history.</p>
      </Empty>
    );
  }
  const choose = (name: string, on: boolean) => {
    const next = new Set(sorted.filter(picked).map((metric) => metric.name));
    if (on) next.add(name);
    else next.delete(name);
    setChosen(next);
  };
  return (
    <>
      <div class="filters">
        <label>
          Metrics <input type="search" placeholder="part of a name" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} data-filter="metric" />
        </label>
        <Chooser
          metrics={sorted}
          picked={picked}
          shown={shown.length}
          onChoose={choose}
          onAll={() => setChosen(new Set(sorted.map((metric) => metric.name)))}
          onFirst={() => setChosen(null)}
        />
        <label>
          Alerts{" "}
          <select value={which} onChange={(event) => setWhich(event.currentTarget.value as Which)} data-filter="markers">
            <option value="own">of the metric</option>
            <option value="all">all of the run</option>
            <option value="none">none</option>
          </select>
        </label>
        <label class="check">
          <input type="checkbox" checked={together} onChange={(event) => setTogether(event.currentTarget.checked)} /> zoom all together
        </label>
        <button type="button" disabled={!range} onClick={() => onZoom(null)} data-act="reset-all">
          Show all steps
        </button>
      </div>
      {shown.length === 0 && <Empty title={filter ? `No metric has “${filter}” in its name.` : "No metric is chosen."} />}
      <div class="charts">
        {shown.map((metric) => (
          <Lazy height={270} key={metric.name}>
            {() => (
              <MetricChart
                source={source}
                metric={metric}
                alerts={byMetric.get(metric.name) ?? []}
                whole={whole}
                range={together ? range : (alone.get(metric.name) ?? null)}
                onZoom={(next) => (together ? onZoom(next) : setAlone((old) => new Map(old).set(metric.name, next)))}
                onAlert={onAlert}
                sync={sync}
              />
            )}
          </Lazy>
        ))}
      </div>
      {!filter && shown.length < sorted.length && !chosen && (
        <p class="more">
          <button type="button" onClick={() => setChosen(new Set(sorted.map((metric) => metric.name)))}>
            Show the other {count(sorted.length - shown.length)} metrics
          </button>
        </p>
      )}
    </>
  );
}

interface ChooserProps {
  metrics: Metric[];
  picked: (metric: Metric, at: number) => boolean;
  shown: number;
  onChoose: (name: string, on: boolean) => void;
  onAll: () => void;
  onFirst: () => void;
}

/** A list that folds up again when the reader goes elsewhere. */
function Chooser({ metrics, picked, shown, onChoose, onAll, onFirst }: ChooserProps) {
  const place = useRef<HTMLDetailsElement>(null);
  const leave = (event: FocusEvent) => {
    if (place.current && !place.current.contains(event.relatedTarget as Node | null)) place.current.open = false;
  };
  const key = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !place.current) return;
    place.current.open = false;
    place.current.querySelector("summary")?.focus();
  };
  return (
    <details class="chooser" ref={place} onFocusOut={leave} onKeyDown={key}>
      <summary>
        {count(shown)} of {count(metrics.length)} shown
      </summary>
      <div class="chooser-list" tabIndex={-1}>
        <div class="chooser-buttons">
          <button type="button" onClick={onAll}>
            all
          </button>
          <button type="button" onClick={onFirst}>
            the first {first}
          </button>
        </div>
        {metrics.map((metric, at) => (
          <label key={metric.name}>
            <input type="checkbox" checked={picked(metric, at)} onChange={(event) => onChoose(metric.name, event.currentTarget.checked)} /> {metric.name}
          </label>
        ))}
      </div>
    </details>
  );
}

function matches(metric: Metric, filter: string): boolean {
  const part = filter.trim().toLowerCase();
  return metric.name.toLowerCase().includes(part) || metric.source.toLowerCase().includes(part);
}

/** The alerts to mark on each chart. One that is about no metric of the run goes on all. */
function alertsByMetric(metrics: Metric[], alerts: Alert[], which: Which): Map<string, Alert[]> {
  const none: Alert[] = [];
  if (which !== "own") return new Map(metrics.map((metric) => [metric.name, which === "all" ? alerts : none]));
  const names = new Map<string, string>();
  for (const metric of metrics) names.set(metric.source, metric.name);
  for (const metric of metrics) names.set(metric.name, metric.name);
  const found = new Map<string, Alert[]>(metrics.map((metric) => [metric.name, []]));
  for (const alert of alerts) {
    if (alert.detector === "runwatch") continue; // About runwatch itself.
    const about = names.get(alert.recent?.metric ?? "") ?? names.get(alert.key);
    for (const name of about ? [about] : metrics.map((metric) => metric.name)) found.get(name)?.push(alert);
  }
  return found;
}
