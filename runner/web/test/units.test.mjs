// Numbers, lines and episodes, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";
import { build } from "esbuild";
import { makeAlert } from "./data.mjs";

async function load(path) {
  const { outputFiles } = await build({
    entryPoints: [new URL(`../src/${path}`, import.meta.url).pathname],
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
    jsx: "automatic",
    jsxImportSource: "preact",
    loader: { ".css": "empty" },
    // What touches the page when it is loaded.
    banner: { js: "globalThis.matchMedia ??= () => ({ addEventListener() {} }); globalThis.addEventListener ??= () => {};" },
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString("base64")}`);
}

test("numbers are compact and lose nothing that matters", async () => {
  const { value, ticks, logTicks, stepTicks, duration, bytes, localTime, count } = await load("format.ts");
  const shown = [0, 1, -1, 1234567, 0.1, 1 / 3, 41148.37, 3e-5, 1.25e-7, 2.5e12, "NaN", "Infinity", "-Infinity", null];
  assert.deepEqual(shown.map((n) => value(n)), ["0", "1", "−1", "1,234,567", "0.1", "0.333333", "41,148.4", "3e-5", "1.25e-7", "2.5e12", "NaN", "+Infinity", "−Infinity", "–"]);
  assert.deepEqual(ticks([0, 2.5, 5, 7.5]), ["0", "2.5", "5.0", "7.5"]);
  assert.deepEqual(ticks([0, 20_000, 40_000]), ["0", "20,000", "40,000"]);
  assert.deepEqual(ticks([0, 1e-4, 2e-4]), ["0", "1e-4", "2e-4"]);
  assert.deepEqual(ticks([0.25, 0.5, null]), ["0.25", "0.50", ""]);
  assert.deepEqual(logTicks([0.1, 1, 1e6, null]), ["0.1", "1", "1e6", ""]);
  assert.deepEqual(stepTicks([0, 500, 1000]), ["0", "500", "1,000"]);
  assert.deepEqual(stepTicks([0, 500_000, 1_500_000]), ["0", "0.5M", "1.5M"]);
  assert.deepEqual([12.3456, 1500, 90_000, 7.2e6].map(duration), ["12.3 ms", "1.5 s", "1.5 min", "2 h"]);
  assert.deepEqual([512, 1_310_720].map(bytes), ["512 B", "1.25 MiB"]);
  assert.equal(count(1_000_000), "1,000,000");
  assert.equal(localTime("step 5000"), "step 5000", "words are no time");
});

test("a line per rank, and one more for what a resumed run replaced", async () => {
  const { split, drawSeries } = await load("chart/lines.ts");
  const series = (steps, values, ranks = null) => ({ metric: "loss", rows: steps.length, thinned: false, steps, values, ranks, times: null });
  const { lines } = split(series([1, 2, 3, 2, 3, 4], [1, 2, 3, 20, 30, 40]), "loss");
  assert.deepEqual(lines.map(({ steps, values, old }) => ({ steps, values, old })), [
    { steps: [2, 3], values: [2, 3], old: true },
    { steps: [1, 2, 3, 4], values: [1, 20, 30, 40], old: false },
  ]);
  const ranks = split(series([1, 1, 2, 2], [1, 2, 3, 4], [1, 0, 1, 0]), "loss");
  assert.deepEqual(ranks.lines.map(({ label, values }) => [label, values]), [["rank 0", [2, 4]], ["rank 1", [1, 3]]]);
  const drawing = drawSeries(series([1, 2, 3], ["NaN", -1, 5]), "loss", true);
  assert.deepEqual(drawing.data, [[1, 2, 3], [null, null, 5]]);
  assert.deepEqual([drawing.odd, drawing.unloggable], [[{ step: 1, value: NaN }], 1]);
  const steps = Array.from({ length: 40 }, (_, at) => Math.floor(at / 20));
  const band = drawSeries(series(steps, steps.map((_, at) => at), steps.map((_, at) => at % 20)), "loss", false);
  assert.deepEqual(band.data, [[0, 1], [0, 20], [19, 39]]);
  assert.match(band.notes[0], /^20 ranks/);
});

test("an episode runs from firing to resolved, or until its trouble begins anew", async () => {
  const { episodesOf } = await load("parts/timeline.tsx");
  const alert = (changes) => makeAlert(0, { first_step: changes.step, ...changes });
  const rows = episodesOf(
    [
      alert({ id: "a", fingerprint: "x", episode: 1, step: 10, severity: "warning" }),
      alert({ id: "b", fingerprint: "x", episode: 1, step: 20, first_step: 10, severity: "critical" }),
      alert({ id: "c", fingerprint: "x", episode: 1, step: 30, first_step: 10, state: "resolved", severity: "critical" }),
      alert({ id: "d", fingerprint: "x", episode: 2, step: 50 }),
      alert({ id: "e", fingerprint: "x", episode: 3, step: 70 }),
      alert({ id: "f", fingerprint: "y", episode: 1, step: 15 }),
      alert({ id: "g", fingerprint: "z", episode: 1, step: null, first_step: null }),
    ],
    100,
  );
  assert.equal(rows.length, 1);
  const shown = rows[0].episodes.map(({ alert, severity, from, to, lane }) => [alert, severity, from, to, lane]);
  assert.deepEqual(shown, [
    ["b", "critical", 10, 30, 0],
    ["f", "warning", 15, null, 1],
    ["d", "warning", 50, 70, 0],
    ["e", "warning", 70, null, 0],
  ]);
});
