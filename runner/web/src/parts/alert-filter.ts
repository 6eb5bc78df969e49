// Which alerts the reader wants, the same way here as in `/api/alerts`.
import type { Alert, Severity } from "../types";

export interface Filter {
  project: string;
  run: string;
  detector: string;
  level: "" | Severity;
  state: "" | "firing" | "resolved";
  text: string;
}

export const noFilter: Filter = { project: "", run: "", detector: "", level: "", state: "", text: "" };

const order: Record<Severity, number> = { info: 0, warning: 1, critical: 2 };

export function passes(alert: Alert, filter: Filter): boolean {
  if (filter.project && alert.project !== filter.project) return false;
  if (filter.run && alert.run !== filter.run) return false;
  if (filter.detector && alert.detector !== filter.detector) return false;
  if (filter.level && order[alert.severity] < order[filter.level]) return false;
  if (filter.state && alert.state !== filter.state) return false;
  const text = filter.text.trim().toLowerCase();
  return !text || [alert.title, alert.message, alert.detector, alert.run].some((part) => part.toLowerCase().includes(text));
}

export function isFiltered(filter: Filter): boolean {
  return Object.values(filter).some((value) => value !== "");
}
