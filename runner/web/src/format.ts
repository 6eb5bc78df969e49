// Numbers and times as text.
import type { Instant, Num } from "./types";

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** A value from JSON as a number; null stays null. */
export function toNumber(value: Num | null | undefined): number | null {
  if (value === null || value === undefined) return null;
  return typeof value === "number" ? value : Number(value);
}

/** The other way round. */
export function fromNumber(n: number | null): Num | null {
  if (n === null || Number.isFinite(n)) return n;
  return Number.isNaN(n) ? "NaN" : n > 0 ? "Infinity" : "-Infinity";
}

/** An integer with separators: 1,000,000. */
export function count(n: number): string {
  return grouped.format(n);
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** A step, or a dash where there is none. */
export function step(n: number | null): string {
  return n === null ? "–" : count(n);
}

/** A measured number with at most six digits that matter. */
export function value(raw: Num | null | undefined, digits = 6): string {
  const n = toNumber(raw);
  if (n === null) return "–";
  if (Number.isNaN(n)) return "NaN";
  if (!Number.isFinite(n)) return n > 0 ? "+Infinity" : "−Infinity";
  if (n === 0) return "0";
  const size = Math.abs(n);
  if (Number.isInteger(n) && size < 1e9) return minus(count(n));
  if (size < 1e-4 || size >= 1e9) return minus(shortExponent(n.toExponential(Math.min(digits - 1, 4))));
  return minus(size >= 10 ** digits ? count(n) : n.toLocaleString("en-US", { maximumSignificantDigits: digits }));
}

/** Labels for the ticks of an axis, all with the same number of decimals. */
export function ticks(splits: (number | null)[]): string[] {
  const known = splits.filter((n): n is number => n !== null);
  const largest = Math.max(...known.map(Math.abs), 0);
  const gap = known.length > 1 ? Math.abs((known[1] as number) - (known[0] as number)) : largest || 1;
  const exponent = largest >= 1e6 || (largest > 0 && largest < 1e-3);
  const digits = Math.max(0, Math.min(12, Math.ceil(Math.log10(Math.max(largest, gap) / gap) - 1e-9)));
  const decimals = decimalsOf(gap);
  return splits.map((n) => {
    if (n === null) return "";
    if (n === 0) return "0";
    return minus(exponent ? shortExponent(n.toExponential(Math.min(digits, 4))) : decimals === 0 ? count(n) : fixed(n, decimals));
  });
}

/** So many decimals write the number exactly, if twelve are enough. */
function decimalsOf(n: number): number {
  for (let decimals = 0; decimals < 12; decimals += 1) {
    const shifted = n * 10 ** decimals;
    if (shifted > 0.5 && Math.abs(shifted - Math.round(shifted)) < 1e-6 * shifted) return decimals;
  }
  return 12;
}

/** Labels for the ticks of a logarithmic axis. */
export function logTicks(splits: (number | null)[]): string[] {
  return splits.map((n) => {
    if (n === null) return "";
    const size = Math.abs(n);
    return size >= 1e4 || size < 1e-3 ? shortExponent(n.toExponential(0)) : value(n, 3);
  });
}

/** Labels for the ticks of a step axis: 1,500 or 1.5M. */
export function stepTicks(splits: (number | null)[]): string[] {
  const largest = Math.max(...splits.map((n) => Math.abs(n ?? 0)), 0);
  return splits.map((n) => {
    if (n === null || !Number.isInteger(n)) return "";
    if (largest < 100_000) return count(n);
    const [unit, name] = largest >= 1e9 ? [1e9, "G"] : largest >= 1e6 ? [1e6, "M"] : [1e3, "k"];
    return n === 0 ? "0" : `${trimZeros((n / unit).toFixed(3))}${name}`;
  });
}

function fixed(n: number, decimals: number): string {
  return n.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

function trimZeros(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

function shortExponent(text: string): string {
  return text.replace(/\.?0*e\+?/, "e");
}

function minus(text: string): string {
  return text.startsWith("-") ? `−${text.slice(1)}` : text;
}

const two = (n: number) => String(n).padStart(2, "0");

/** A time in the reader's zone: 2026-11-22 18:00:00. */
export function localTime(at: Instant): string {
  // Browsers read times into all sorts of words.
  const d = new Date(/^\d{4}-\d\d-\d\dT/.test(at) ? at : "");
  if (Number.isNaN(d.getTime())) return at;
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** How long: 240 ms, 3.2 s, 12 min. */
export function duration(ms: number): string {
  if (ms < 1000) return `${value(ms, 3)} ms`;
  if (ms < 60_000) return `${value(ms / 1000, 3)} s`;
  if (ms < 3_600_000) return `${value(ms / 60_000, 3)} min`;
  return `${value(ms / 3_600_000, 3)} h`;
}

export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (n >= 1024 && at < units.length - 1) {
    n /= 1024;
    at += 1;
  }
  return `${value(n, 3)} ${units[at]}`;
}
