// From a series, in order of writing, to lines that a chart can draw.
import { count, toNumber } from "../format";
import type { Series } from "../types";

/** At most so many lines are drawn one by one. */
export const MOST_LINES = 16;

export interface Line {
  label: string;
  steps: number[];
  /** NaN and infinities as they are; null where the log had nothing. */
  values: (number | null)[];
  /** Which colour of the palette. */
  hue: number;
  /** Drawn faint: what was logged before a run went back to a checkpoint. */
  old: boolean;
}

export interface Odd {
  step: number;
  value: number;
}

export interface Drawing {
  /** Rising steps, then a column per line. `undefined`: this line has nothing at this step. */
  data: [number[], ...(number | null | undefined)[][]];
  lines: Line[];
  /** The first two columns are the least and the greatest value. */
  band: boolean;
  odd: Odd[];
  /** Values that a logarithmic scale cannot show. */
  unloggable: number;
  /** What the reader should know about how this is drawn. */
  notes: string[];
  /** When a step was, in seconds since 1970, where that is known. */
  clock?: ReadonlyMap<number, number>;
}

/**
 * The lines of a series: one per rank. Where steps went back, what had been logged
 * from that step on is cut off and becomes a line of its own.
 */
export function split(series: Series, label: string, hue = 0): { lines: Line[]; ranks: number } {
  const open = new Map<number | null, Line>();
  const cut: Line[] = [];
  series.steps.forEach((step, at) => {
    const rank = series.ranks?.[at] ?? null;
    const line = open.get(rank) ?? { label: rank === null ? label : `rank ${rank}`, steps: [], values: [], hue, old: false };
    open.set(rank, line);
    if (step < (line.steps[line.steps.length - 1] ?? -Infinity)) cut.push(cutOff(line, step));
    line.steps.push(step);
    line.values.push(toNumber(series.values[at]));
  });
  const ranks = [...open.keys()].sort((a, b) => (a ?? -1) - (b ?? -1));
  const lines = [...cut, ...ranks.map((rank) => open.get(rank) as Line)];
  if (ranks.length > 1) {
    const hues = new Map(ranks.map((rank, at) => [open.get(rank)?.label, at]));
    for (const line of lines) line.hue = hues.get(line.label) ?? 0;
    lines.sort((a, b) => a.hue - b.hue);
  }
  return { lines, ranks: ranks.length };
}

/** Takes from a line what it has from a step on. */
function cutOff(line: Line, step: number): Line {
  const found = line.steps.findIndex((known) => known >= step);
  return { ...line, steps: line.steps.splice(found), values: line.values.splice(found), old: true };
}

/** What to draw of one metric of one run. */
export function drawSeries(series: Series, label: string, log: boolean): Drawing {
  const { lines, ranks } = split(series, label);
  const notes: string[] = [];
  if (ranks > MOST_LINES) {
    notes.push(`${count(ranks)} ranks: drawn are the least and the greatest value of each step.`);
    return { ...drawBand(lines, log), notes, clock: clockOf(series) };
  }
  const back = lines.filter((line) => line.old).length;
  const kept = newest(lines);
  if (back > 0) {
    const left = lines.length - kept.length;
    notes.push(`Steps went back ${back === 1 ? "once" : `${count(back)} times`}; what that replaced is drawn faint${left > 0 ? `, the oldest ${count(left)} stretches not at all` : ""}.`);
  }
  return { ...drawLines(kept, log), notes, clock: clockOf(series) };
}

/** Of several times for a step the last one. */
function clockOf(series: Series): Map<number, number> {
  const clock = new Map<number, number>();
  series.times?.forEach((time, at) => {
    if (time !== null) clock.set(series.steps[at] as number, time);
  });
  return clock;
}

/** Lines side by side over the steps of all of them. */
export function drawLines(lines: Line[], log: boolean): Drawing {
  const only = lines.length === 1 ? lines[0] : undefined;
  const steps = only ? only.steps : union(lines);
  const at = only ? null : new Map(steps.map((step, index) => [step, index]));
  const odd: Odd[] = [];
  let unloggable = 0;
  const columns = lines.map((line) => {
    const column: (number | null | undefined)[] = only ? [] : new Array<undefined>(steps.length).fill(undefined);
    line.steps.forEach((step, index) => {
      const value = line.values[index] ?? null;
      if (value !== null && !Number.isFinite(value)) odd.push({ step, value });
      const shown = value !== null && Number.isFinite(value) && !(log && value <= 0);
      if (log && value !== null && value <= 0 && Number.isFinite(value)) unloggable += 1;
      column[at ? (at.get(step) as number) : index] = shown ? value : null;
    });
    return column;
  });
  return { data: [steps, ...columns], lines, band: false, odd, unloggable, notes: [] };
}

function drawBand(lines: Line[], log: boolean): Drawing {
  const least = new Map<number, number>();
  const most = new Map<number, number>();
  const odd: Odd[] = [];
  let unloggable = 0;
  for (const line of lines) {
    line.steps.forEach((step, index) => {
      const value = line.values[index] ?? null;
      if (value === null) return;
      if (!Number.isFinite(value)) odd.push({ step, value });
      else if (log && value <= 0) unloggable += 1;
      else {
        least.set(step, Math.min(least.get(step) ?? value, value));
        most.set(step, Math.max(most.get(step) ?? value, value));
      }
    });
  }
  const steps = union(lines);
  const column = (of: Map<number, number>) => steps.map((step) => of.get(step) ?? null);
  const edge = (label: string, of: Map<number, number>): Line => ({ label, steps, values: column(of), hue: 0, old: false });
  const edges = [edge("least", least), edge("greatest", most)];
  return { data: [steps, ...edges.map((line) => line.values)], lines: edges, band: true, odd, unloggable, notes: [] };
}

function newest(lines: Line[]): Line[] {
  if (lines.length <= MOST_LINES) return lines;
  const room = MOST_LINES - lines.filter((line) => !line.old).length;
  const old = lines.filter((line) => line.old).slice(-Math.max(room, 0));
  const keep = new Set(room > 0 ? old : []);
  return lines.filter((line) => !line.old || keep.has(line));
}

function union(lines: Line[]): number[] {
  const all = new Set<number>();
  for (const line of lines) for (const step of line.steps) all.add(step);
  return [...all].sort((a, b) => a - b);
}
