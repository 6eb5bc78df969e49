// Where the values of a run's metrics come from: the report's own data, or the dashboard.
import { get } from "./api";
import type { Range } from "./chart/range";
import type { ReportRun, Series } from "./types";

/** About how many values a chart asks for. */
const points = 2000;
/** Grown beyond this, a series is fetched anew. */
const most = 6000;

export interface Source {
  /** What is there already, without asking. */
  peek(metric: string): Series | null;
  load(metric: string, signal: AbortSignal): Promise<Series>;
  /** What there is since `peek`, added to it; null if this cannot be. */
  grow: ((metric: string, signal: AbortSignal) => Promise<Series>) | null;
  /** A stretch as exactly as it can be had; null if there is no more than what was loaded. */
  detail: ((metric: string, range: Range, signal: AbortSignal) => Promise<Series>) | null;
}

export function fixedSource(run: ReportRun): Source {
  const peek = (metric: string) => (Object.hasOwn(run.series, metric) ? (run.series[metric] as Series) : null);
  return {
    peek,
    load: async (metric) => {
      const series = peek(metric);
      if (!series) throw new Error("The report holds no values of this metric.");
      return series;
    },
    grow: null,
    detail: null,
  };
}

export function servedSource(project: string, run: string): Source {
  const known = new Map<string, Series>();
  const ask = (metric: string, range: Partial<Range>, signal: AbortSignal) =>
    get<Series>("/api/series", { project, run, metric, from: range.from ?? null, to: range.to ?? null, points }, signal);
  const keep = (metric: string, series: Series) => {
    known.set(metric, series);
    return series;
  };
  const load = async (metric: string, signal: AbortSignal) => keep(metric, await ask(metric, {}, signal));
  return {
    peek: (metric) => known.get(metric) ?? null,
    load,
    grow: async (metric, signal) => {
      const old = known.get(metric);
      const from = old && nextStep(old);
      if (!old || from === null || from === undefined || old.values.length > most) return load(metric, signal);
      const fresh = await ask(metric, { from }, signal);
      return keep(metric, joined(old, fresh));
    },
    detail: (metric, range, signal) => ask(metric, { from: Math.floor(range.from), to: Math.ceil(range.to) }, signal),
  };
}

/** The first step that some rank may not have written yet. */
function nextStep(series: Series): number | null {
  const last = new Map<number | null, number>();
  series.steps.forEach((step, at) => last.set(series.ranks?.[at] ?? null, step));
  if (last.size === 0) return null;
  // With one rank what follows is new. With several, one may lag behind: ask from the
  // slowest, and leave out what is known.
  return last.size === 1 ? ([...last.values()][0] as number) + 1 : Math.min(...last.values());
}

function joined(old: Series, fresh: Series): Series {
  const last = new Map<number | null, number>();
  old.steps.forEach((step, at) => last.set(old.ranks?.[at] ?? null, step));
  const made: Series = {
    ...old,
    steps: old.steps.slice(),
    values: old.values.slice(),
    times: old.times && fresh.times ? old.times.slice() : null,
    ranks: old.ranks || fresh.ranks ? (old.ranks ?? old.steps.map(() => null)).slice() : null,
    thinned: old.thinned || fresh.thinned,
  };
  fresh.steps.forEach((step, at) => {
    const rank = fresh.ranks?.[at] ?? null;
    if (step <= (last.get(rank) ?? -Infinity)) return;
    made.steps.push(step);
    made.values.push(fresh.values[at] ?? null);
    made.times?.push(fresh.times?.[at] ?? null);
    made.ranks?.push(rank);
    made.rows += 1;
  });
  return made.steps.length === old.steps.length ? old : made;
}
