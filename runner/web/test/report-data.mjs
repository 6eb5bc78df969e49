// A report as `runwatch review --html` would fill it: some runs, or many.
import { countAlerts, describe, detectors, hostile, makeAlerts, makeSeries, names, thin, time } from "./data.mjs";

export function reportData({ runs = 3, metrics = names, length = 4000, total = length } = {}) {
  return {
    kind: "report",
    version: "0.1.0",
    made: "2026-11-22T18:00:00.123Z",
    runs: Array.from({ length: runs }, (_, n) => reportRun(n, metrics, length, total)),
    skipped: [
      { input: "logs/train.log", lines: 4103, records: 4000, malformed: 3, first_malformed: { line: 211, problem: `not JSON: ${hostile}` }, left_out: null },
      { input: "logs/rank-0.log", lines: 99_301, records: 90_000, malformed: 0, first_malformed: null, left_out: null },
    ],
    detectors: detectors.map((detector) => ({ ...detector, project: null, run: null, updated: null })),
  };
}

export const emptyReport = { kind: "report", version: "0.1.0", made: null, runs: [], skipped: [{ input: "notes.txt", lines: 12, records: 0, malformed: 0, first_malformed: null, left_out: null }], detectors: [] };

function reportRun(n, metrics, length, total) {
  const run = n === 2 ? `trial ${hostile}` : `gpt-small-seed${n}`;
  const alerts = n === 1 ? [] : makeAlerts(run, length).map((alert) => ({ ...alert, made: null }));
  const series = {};
  const list = [];
  for (const name of metrics) {
    const whole = makeSeries(name, { length, seed: n + 1, drift: n * 0.05, ranks: n === 3 ? 4 : 1, back: n === 4 });
    list.push({ ...describe(name, whole), rows: total });
    series[name] = { ...thin(name, whole, { points: 4000 }), rows: total, thinned: total > length };
  }
  return {
    project: "pretrain",
    run,
    created: time(0),
    last_activity: time(length * 1.7),
    first_step: 0,
    last_step: length - 1,
    rows: total,
    metrics: list.length,
    alerts: countAlerts(alerts),
    muted: n === 1 ? 0 : 312,
    state: "ended",
    inputs: ["logs/train.log", `logs/${run}.jsonl`],
    metrics_list: list,
    series,
    alerts_list: alerts,
    exceptions: n === 1 ? [] : [
      { rank: 3, step: 2841, line: 99_301, input: "logs/rank-3.log", type: "torch.cuda.OutOfMemoryError", message: "CUDA out of memory. Tried to allocate 2.00 GiB", traceback: ["Traceback (most recent call last):", ...Array.from({ length: 30 }, (_, k) => `  File "/opt/train/model_${k}.py", line ${k * 7 + 3}, in forward\n    return self.layer_${k}(x)`), "torch.cuda.OutOfMemoryError: CUDA out of memory."].join("\n") },
      { rank: null, step: null, line: null, input: "stdin", type: hostile, message: hostile, traceback: null },
    ],
  };
}
