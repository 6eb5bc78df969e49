// Generated runs, metrics and alerts: the same every time, hostile where logs may be.

export const hostile = "<img src=x onerror=alert(1)>";
const start = Date.parse("2026-11-22T09:00:00Z");

export const time = (seconds) => new Date(start + seconds * 1000).toISOString();
const id = (n) => n.toString(16).padStart(32, "0");

export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const normal = (next) => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());

const shapes = {
  loss: (x, n) => 0.9 + 3.1 * Math.exp(-x * 5) + 0.05 * n,
  eval_loss: (x, n) => 1.0 + 3.0 * Math.exp(-x * 5) + 0.01 * n,
  grad_norm: (x, n) => 0.4 + 1.6 * Math.exp(-x * 8) + 0.1 * Math.abs(n),
  lr: (x) => 3e-4 * Math.min(1, x * 20) * (0.55 + 0.45 * Math.cos(Math.PI * x)),
  throughput: (x, n) => 41_200 + 600 * n - (x > 0.62 && x < 0.66 ? 23_000 : 0),
  reward_mean: (x, n) => 0.2 + 0.6 * (1 - Math.exp(-x * 3)) + 0.03 * n,
  kl: (x, n) => 0.02 + 0.05 * x + 0.004 * Math.abs(n),
  entropy: (x, n) => 2.4 - 1.9 * x + 0.02 * n,
  tokens_seen: (x) => Math.round(x * 4.2e9),
  step_time: (x, n) => 0.412 + 0.008 * n,
  loss_scale: (x) => 2 ** (10 + Math.floor(x * 6)),
  "eval/accuracy": (x, n) => 0.31 + 0.5 * (1 - Math.exp(-x * 4)) + 0.005 * n,
  gpu_memory: (x, n) => 62.1 + 0.02 * n,
  reward_std: (x, n) => 0.31 - 0.1 * x + 0.01 * n,
  clip_fraction: (x, n) => 0.12 + 0.02 * n,
  [`odd/${hostile}`]: (x, n) => n,
  constant: () => 0.25,
  "actor/advantages_of_a_rather_long_name/percentile_99_over_ranks": (x, n) => 1 + n * 0.2,
};

/** All values of one metric: `{steps, times, ranks, values}` in order of writing. */
export function makeSeries(name, { length, first = 0, stride = 1, ranks = 1, seed = 1, drift = 0, back = false }) {
  const next = random(seed * 7919 + [...name].reduce((sum, c) => sum + c.charCodeAt(0), 0));
  const shape = shapes[name] ?? shapes.loss;
  const made = { steps: [], times: [], ranks: ranks > 1 ? [] : null, values: [] };
  let step = first;
  for (let at = 0; at < length; at += 1) {
    if (back && at === Math.floor(length * 0.6)) step -= Math.floor(length * 0.15) * stride;
    for (let rank = 0; rank < ranks; rank += 1) {
      const x = (step - first) / (length * stride);
      let value = shape(x, normal(next)) * (1 + drift * x) + (ranks > 1 ? rank * 0.02 : 0);
      if (name === "loss" && !back && at === Math.floor(length * 0.71)) value = "NaN";
      if (name === "grad_norm" && at % Math.floor(length / 4) === 11) value = at % 2 ? "Infinity" : "NaN";
      if (name === "grad_norm" && at === Math.floor(length * 0.7)) value = 512.5;
      if (name === "loss" && at === Math.floor(length * 0.43)) value = 9.75;
      made.steps.push(step);
      made.times.push((start + at * 1700) / 1000);
      made.ranks?.push(rank);
      made.values.push(typeof value === "number" ? Number(value.toPrecision(7)) : value);
    }
    step += stride;
  }
  return made;
}

export const number = (value) => (typeof value === "number" ? value : Number(value));

/** The entry of `metrics_list` for a series. */
export function describe(name, series) {
  const finite = series.values.map(number).filter(Number.isFinite);
  return {
    name,
    canonical: name === "train/loss" ? "loss" : name === "learning_rate" ? "lr" : name,
    rows: series.values.length,
    first_step: series.steps[0] ?? null,
    last_step: series.steps.length ? Math.max(...series.steps) : null,
    first: series.values[0] ?? null,
    last: series.values.at(-1) ?? null,
    min: finite.length ? finite.reduce((a, b) => Math.min(a, b)) : null,
    max: finite.length ? finite.reduce((a, b) => Math.max(a, b)) : null,
    nonfinite: series.values.length - finite.length,
  };
}

/**
 * A series with about `points` values a rank: of each rank the first and the last,
 * the extremes of each stretch, and all that are no numbers.
 */
export function thin(name, series, { from = -Infinity, to = Infinity, points = 2000 } = {}) {
  const inside = series.steps.flatMap((step, at) => (step >= from && step <= to ? [at] : []));
  const byRank = new Map();
  for (const at of inside) {
    const rank = series.ranks?.[at] ?? null;
    if (!byRank.has(rank)) byRank.set(rank, []);
    byRank.get(rank).push(at);
  }
  const keep = new Set([...byRank.values()].flatMap((places) => extremes(series, places, points)));
  const chosen = inside.filter((at) => keep.has(at));
  const pick = (column) => column && chosen.map((at) => column[at]);
  return {
    metric: name,
    rows: inside.length,
    thinned: chosen.length < inside.length,
    steps: pick(series.steps),
    times: pick(series.times),
    ranks: pick(series.ranks),
    values: pick(series.values),
  };
}

function extremes(series, places, points) {
  if (places.length <= points) return places;
  const keep = [places[0], places.at(-1)];
  const width = Math.ceil(places.length / (points / 2));
  for (let start = 0; start < places.length; start += width) {
    const stretch = places.slice(start, start + width);
    const finite = stretch.filter((at) => Number.isFinite(number(series.values[at])));
    keep.push(...stretch.filter((at) => !finite.includes(at)));
    if (finite.length === 0) continue;
    keep.push(finite.reduce((a, b) => (number(series.values[b]) < number(series.values[a]) ? b : a)));
    keep.push(finite.reduce((a, b) => (number(series.values[b]) > number(series.values[a]) ? b : a)));
  }
  return keep;
}

export function makeAlert(seq, changes) {
  const run = changes.run ?? "gpt-small-lr3e-4";
  return {
    seq,
    id: id(seq + 1),
    schema: 1,
    fingerprint: id(0xabc000 + seq),
    episode: 1,
    project: "pretrain",
    rank: null,
    ranks: [],
    host: "gpu-7",
    detector: "loss-spike",
    key: "loss",
    severity: "warning",
    state: "firing",
    step: 1720,
    time: time(1720 * 1.7),
    title: "loss jumped to 9.75",
    message: "loss was 1.31 over the last 200 steps and is 9.75 at step 1720, 42 times its usual spread above.",
    recommendation: "Look at the batch of this step. If it does not come down within 50 steps, go back to the last checkpoint and skip the batch.",
    values: { loss: 9.75, usual: 1.31, spread: 0.2 },
    location: { input: "logs/train.log", line: 1722 },
    first_step: 1720,
    count: 1,
    route: null,
    recent: { metric: "loss", values: [1.32, 1.3, 1.29, 1.35, 1.31, 1.28, 1.33, 1.3, 9.75] },
    halt: null,
    evidence: null,
    made: time(1720 * 1.7 + 0.4),
    acknowledged: null,
    ...changes,
    run,
  };
}

/** Forty alerts of one run of `length` steps, in order of time. */
export function makeAlerts(run, length, firstSeq = 0, project = "pretrain") {
  const made = [];
  const add = (changes) => made.push({ run, project, ...changes });
  const at = (part) => Math.floor(length * part);
  const trouble = (n) => ({ fingerprint: id(0xfeed00 + n), episode: 1 });
  const spike = { detector: "loss-spike", key: "loss", ...trouble(1) };
  add({ ...spike, step: at(0.43), first_step: at(0.43) });
  add({ ...spike, state: "resolved", step: at(0.45), first_step: at(0.43), title: "loss is back at 1.3", message: "loss has been at 1.3 for 50 steps.", count: 3 });
  add({ detector: "grad-norm", key: "grad_norm", ...trouble(2), severity: "critical", step: at(0.7), first_step: at(0.7), title: "grad_norm is 512.5", message: "grad_norm was 0.51 and is 512.5.", recommendation: "Clip gradients at 1.0 and lower the learning rate.", values: { grad_norm: 512.5 }, recent: { metric: "grad_norm", values: [0.5, 0.52, 0.49, null, 0.5, 512.5] } });
  add({ detector: "non-finite", key: "loss", ...trouble(3), severity: "critical", step: at(0.71), first_step: at(0.71), title: "loss is NaN", message: `loss was 1.01 at step ${at(0.71) - 1} and is NaN at step ${at(0.71)}.`, recommendation: "Stop the run, go back to the last good checkpoint, and lower the learning rate.", values: { loss: null, last: 1.01 }, recent: { metric: "loss", values: [1.02, 1.0, 1.01, null] } });
  add({ detector: "throughput", key: "throughput", ...trouble(4), severity: "warning", step: at(0.63), first_step: at(0.62), title: "throughput fell by 55 %", message: "throughput fell from 41,200 to 18,300 tokens a second.", values: { throughput: 18300 }, recent: { metric: "throughput", values: [41200, 41000, 18300] } });
  add({ detector: "throughput", key: "throughput", ...trouble(4), state: "resolved", step: at(0.66), first_step: at(0.62), title: "throughput is back", message: "throughput is back at 41,000.", recent: { metric: "throughput", values: [18300, 41000] } });
  add({ detector: "runwatch", key: "alert-cap", ...trouble(5), severity: "info", step: at(0.9), first_step: at(0.9), title: "Further warnings are withheld", message: "The run has made 50 alerts.", recommendation: "Look at grad-norm, the noisiest detector.", values: {}, recent: null });
  add({ detector: "exception", key: hostile, ...trouble(6), severity: "critical", step: null, first_step: null, title: hostile, message: `A worker died: ${hostile}\u202e and "quotes" & <script>alert(2)</script>`, recommendation: hostile, ranks: [0, 1, 2, 3], location: { input: "logs/rank-0.log", line: 99_301 }, values: {}, recent: null, route: "oncall", evidence: `== last lines of stdout\n${hostile}\n== host\nout of memory\n` });
  for (let n = 0; made.length < 40; n += 1) {
    const step = at(0.05 + n * 0.028);
    const info = n % 3 === 0;
    add({ detector: info ? "lr-schedule" : "kl-drift", key: info ? "lr" : "kl", ...trouble(100 + (n % 7)), episode: 1 + Math.floor(n / 7), severity: info ? "info" : "warning", step, first_step: step - 5, title: info ? "lr changed by more than a tenth" : `kl is ${(0.05 + n * 0.003).toFixed(3)}`, message: info ? "lr went from 3e-4 to 2.6e-4 within ten steps." : "kl rises slowly above what it was.", values: info ? { lr: 2.6e-4 } : { kl: 0.05 + n * 0.003 }, recent: { metric: info ? "lr" : "kl", values: [0.02, 0.03, 0.031, 0.05] }, state: n % 7 === 4 ? "resolved" : "firing", count: 1 + (n % 5) * 13 });
  }
  made.sort((a, b) => (a.step ?? length * 0.8) - (b.step ?? length * 0.8));
  return made.map((changes, n) => makeAlert(firstSeq + n, { ...changes, time: time((changes.step ?? length * 0.8) * 1.7), made: time((changes.step ?? length * 0.8) * 1.7 + 0.3), location: changes.location ?? { input: "logs/train.log", line: (changes.step ?? 0) + 2 } }));
}

export function countAlerts(alerts) {
  const counts = { critical: 0, warning: 0, info: 0, resolved: 0 };
  for (const alert of alerts) counts[alert.state === "resolved" ? "resolved" : alert.severity] += 1;
  return counts;
}

export const names = Object.keys(shapes);

export const detectors = [
  ["loss-spike", "A loss far above what it was.", 610, 0, null],
  ["non-finite", "NaN and infinite values in any metric.", 120, 0, null],
  ["grad-norm", "Gradient norms that explode or vanish.", 480, 0, null],
  ["kl-drift", "KL that rises slowly.", 905, 2, "time-limit: the call took longer than 1 s"],
  ["user-detector", hostile, 2210, 5, `trap: unreachable executed\n${hostile}`],
].map(([name, summary, ms, faults, last_fault], n) => ({
  name,
  version: `0.${n + 1}.0`,
  digest: id(0xd19e57 + n),
  summary,
  project: "pretrain",
  run: "gpt-small-lr3e-4",
  calls: 4000 * (n + 1),
  rows: 1_000_000,
  time_ms: ms,
  memory_bytes: (n + 1) * 1_310_720,
  faults,
  last_fault,
  quarantined: faults > 3,
  behind: faults > 3 ? 120 : 0,
  left_out: faults > 3 ? 4096 : 0,
  updated: time(7000),
}));
