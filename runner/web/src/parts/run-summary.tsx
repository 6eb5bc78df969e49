// A run in one line.
import type { ComponentChildren } from "preact";
import { count, step } from "../format";
import type { RunRow } from "../types";
import { AlertCounts, Facts, RunState, Time } from "./bits";

export function RunSummary({ row, inputs = [] }: { row: RunRow; inputs?: string[] }) {
  const facts: [string, ComponentChildren][] = [];
  if (row.state !== "unknown") facts.push(["state", <RunState state={row.state} />]);
  facts.push(["alerts", <AlertCounts alerts={row.alerts} />]);
  facts.push(["steps", row.first_step === null ? "none" : `${step(row.first_step)} to ${step(row.last_step)}`]);
  facts.push(["records", count(row.rows)]);
  facts.push(["metrics", count(row.metrics)]);
  facts.push(["muted findings", count(row.muted)]);
  if (row.created) facts.push(["began", <Time at={row.created} />]);
  if (row.last_activity) facts.push(["last activity", <Time at={row.last_activity} />]);
  if (inputs.length > 0) facts.push([inputs.length === 1 ? "input" : "inputs", inputs.join(", ")]);
  return (
    <div class="summary">
      <Facts facts={facts} />
    </div>
  );
}
