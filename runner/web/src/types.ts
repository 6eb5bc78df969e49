// The JSON between runwatch and its pages.

/** A number, or one that JSON cannot hold, as text. */
export type Num = number | "NaN" | "Infinity" | "-Infinity";

export type Severity = "info" | "warning" | "critical";
/** RFC 3339 in UTC. */
export type Instant = string;

export interface Acknowledged {
  by: string | null;
  at: Instant | null;
  comment: string | null;
  silence: string | number | null;
}

export interface Alert {
  seq: number;
  id: string;
  fingerprint: string;
  episode: number;
  project: string;
  run: string;
  rank: number | null;
  ranks: number[];
  host: string;
  detector: string;
  key: string;
  severity: Severity;
  state: "firing" | "resolved";
  step: number | null;
  time: Instant | null;
  title: string;
  message: string;
  recommendation: string;
  values: Record<string, Num | null>;
  location: { input: string; line: number | null } | null;
  first_step: number | null;
  count: number;
  route: string | null;
  recent: { metric: string; values: (Num | null)[] } | null;
  halt: string | null;
  evidence: string | null;
  made: Instant | null;
  acknowledged: Acknowledged | null;
}

export interface RunRow {
  project: string;
  run: string;
  created: Instant | null;
  last_activity: Instant | null;
  first_step: number | null;
  last_step: number | null;
  rows: number;
  metrics: number;
  alerts: { critical: number; warning: number; info: number; resolved: number };
  muted: number;
  state: "live" | "ended" | "unknown";
}

export interface Metric {
  /** As the job printed it: its only one within the run. */
  name: string;
  /** The name that detectors ask for, or the printed one. */
  canonical: string;
  rows: number;
  first_step: number | null;
  last_step: number | null;
  first: Num | null;
  last: Num | null;
  min: Num | null;
  max: Num | null;
  nonfinite: number;
}

export interface Series {
  metric: string;
  rows: number;
  thinned: boolean;
  steps: number[];
  /** Seconds since 1970. */
  times: (number | null)[] | null;
  ranks: (number | null)[] | null;
  values: (Num | null)[];
}

export interface Muted {
  detector: string;
  key: string;
  severity: Severity;
  title: string;
  reason: string;
  count: number;
  first_step: number | null;
  last_step: number | null;
  first: Instant | null;
  last: Instant | null;
}

export interface RunDetail extends RunRow {
  metrics_list: Metric[];
  muted_list: Muted[];
}

export interface Exception {
  rank: number | null;
  step: number | null;
  line: number | null;
  input: string | null;
  type: string;
  message: string;
  traceback: string | null;
}

export interface Skipped {
  input: string;
  lines: number;
  records: number;
  malformed: number;
  first_malformed: { line: number; problem: string } | null;
  left_out?: unknown;
}

export interface Delivery {
  id: string | number;
  alert: string;
  project: string;
  run: string;
  detector: string;
  severity: Severity;
  title: string;
  sink: string;
  notice: string;
  state: string;
  reason: string | null;
  made: Instant | null;
  done: Instant | null;
  error: string | null;
  attempts: { at: Instant | null; took_ms: number | null; outcome: string; error: string | null }[];
}

export interface Sink {
  name: string;
  waiting: number;
  dead: number;
  delivered: number;
  blocked_until: Instant | null;
  broken: string | null;
  failures: number;
}

export interface Silence {
  id: string | number;
  matchers: string;
  from: Instant | null;
  until: Instant | null;
  comment: string | null;
  by: string | null;
  state: "active" | "pending" | "ended";
}

export interface Detector {
  name: string;
  version: string;
  digest: string;
  summary: string;
  project: string | null;
  run: string | null;
  calls: number;
  rows: number;
  time_ms: number;
  memory_bytes: number;
  faults: number;
  last_fault: string | null;
  quarantined: boolean;
  /** Rows that wait for it. */
  behind: number;
  /** Rows that were not given to it, because it could not keep up. */
  left_out: number;
  updated: Instant | null;
}

export interface ReportRun extends RunRow {
  inputs: string[];
  metrics_list: Metric[];
  series: Record<string, Series>;
  alerts_list: Alert[];
  exceptions: Exception[];
}

export interface ReportData {
  kind: "report";
  version: string;
  made: Instant | null;
  runs: ReportRun[];
  skipped: Skipped[];
  detectors: Detector[];
  /** What there was no room for, each kind in a sentence. */
  left_out: string[];
}

export interface ServeData {
  kind: "serve";
  version: string;
  writable: boolean;
}

export type PageData = ReportData | ServeData;
