// The report: one file, opened from the disk.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { chartOf, openBrowser, openPage } from "./browser.mjs";
import { hostile } from "./data.mjs";
import { emptyReport, reportData } from "./report-data.mjs";
import { reportPage } from "./shell.mjs";

let browser;
let folder;
let files = 0;

before(async () => {
  browser = await openBrowser();
  folder = await mkdtemp(join(tmpdir(), "runwatch-report-"));
});

after(async () => {
  await browser.close();
  await rm(folder, { recursive: true });
});

async function report(data, options = {}) {
  const path = join(folder, `${(files += 1)}.html`);
  await writeFile(path, await reportPage(data));
  const driver = await openPage(browser, pathToFileURL(path).href, options);
  await driver.page.waitForSelector("h1, .empty");
  return driver;
}

test("a run: charts, timeline, alerts, exceptions, what was skipped", async () => {
  const driver = await report(reportData({ runs: 1, total: 1_000_000 }));
  const loss = chartOf(driver, "loss");
  await loss.drawn();
  assert.match(await loss.note(), /1,000,000 values, [\d,]+ shown; extremes are kept/);
  assert.equal(await driver.count(".alert"), 40);
  assert.ok((await driver.count(".timeline .bar")) > 10);
  assert.equal(await driver.count("[data-act=acknowledge], [data-act=silence], [data-act=resend]"), 0);
  assert.equal(await driver.page.$eval(".exceptions details", (details) => details.open), false);
  await driver.click(".exceptions summary");
  assert.match((await driver.texts(".exceptions pre"))[0], /model_29\.py/);
  assert.match((await driver.texts("#inputs"))[0], /line 211: not JSON/);
  assert.match((await driver.texts("#inputs"))[0], /Left out of this report: 12 runs, 340 metrics/);
  assert.deepEqual(driver.account.requests.length, 1, "the file, and nothing else");
  await driver.clean();
});

test("zoom changes the scale, and a report says that it has no more", async () => {
  const driver = await report(reportData({ runs: 1, total: 1_000_000 }));
  const loss = chartOf(driver, "loss");
  await loss.drawn();
  const whole = await loss.print();
  await loss.drag(0.3, 0.6);
  await driver.until(() => !document.querySelector("[data-act=reset-all]").disabled);
  assert.notDeepEqual(await loss.sight(), [0, 3999]);
  assert.match(await loss.note(), /holds no more/);
  await loss.press("[data-act=reset]");
  await driver.until(() => document.querySelector("[data-act=reset-all]").disabled);
  assert.deepEqual(await loss.sight(), [0, 3999]);
  await driver.page.mouse.move(2, 2);
  await driver.until(() => document.querySelector("figure.chart .readings").innerText.startsWith("last"));
  assert.equal(await loss.print(), whole);
  await driver.clean();
});

test("alerts are filtered, and stay text", async () => {
  const driver = await report(reportData({ runs: 1 }));
  await driver.choose("[data-filter=level]", "critical");
  await driver.until(() => document.querySelectorAll(".alert").length === 3);
  await driver.choose("[data-filter=detector]", "exception");
  await driver.until(() => document.querySelectorAll(".alert").length === 1);
  await driver.click(".alert-line");
  assert.ok((await driver.texts(".alert-body"))[0].includes(hostile));
  await driver.click(".alert-body summary");
  assert.ok((await driver.texts(".alert-body pre"))[0].includes("out of memory"));
  assert.equal(await driver.count("main img, main script"), 0);
  await driver.clean();
});

test("several runs: an index, a part each, and one over the other", async () => {
  const driver = await report(reportData({ runs: 4, length: 500 }));
  assert.equal(await driver.count("section.run"), 4);
  await driver.click("#runs tbody tr:nth-child(1) input");
  await driver.click("#runs tbody tr:nth-child(2) input");
  const loss = chartOf(driver, "loss");
  await loss.drawn();
  assert.match(await loss.reading(), /gpt-small-seed0 [\d.]+ gpt-small-seed1 [\d.]+/);
  await driver.clean();
});

test("thirty runs of many metrics: only what is near is drawn", async () => {
  const driver = await report(reportData({ runs: 30, length: 400 }));
  assert.equal(await driver.count("section.run"), 30);
  await driver.page.evaluate(() => document.getElementById("run-1").scrollIntoView());
  await driver.page.waitForSelector("#run-1 canvas");
  assert.ok((await driver.count("canvas")) < 40);
  await driver.page.evaluate(() => document.getElementById("run-30").scrollIntoView());
  await driver.until(() => document.querySelector("#run-30 canvas"));
  assert.ok((await driver.count("canvas")) < 60);
  await driver.clean();
});

test("series of 4000 values each are drawn and zoomed", async () => {
  const driver = await report(reportData({ runs: 1, length: 4000 }));
  const loss = chartOf(driver, "loss");
  await loss.drawn();
  await loss.drag(0.1, 0.9);
  await driver.until(() => !document.querySelector("[data-act=reset-all]").disabled);
  await driver.clean();
});

test("paper is light, without filters, with all charts and open details", async () => {
  const driver = await report(reportData({ runs: 1, length: 300 }), { dark: true });
  await chartOf(driver, "loss").drawn();
  const charts = await driver.count(".lazy");
  await driver.page.evaluate(() => dispatchEvent(new Event("beforeprint")));
  await driver.until((charts) => document.querySelectorAll("canvas").length === charts, charts);
  assert.equal(await driver.page.evaluate(() => document.documentElement.dataset.theme), "light");
  assert.equal(await driver.page.$eval(".exceptions details", (details) => details.open), true);
  await driver.page.emulateMediaType("print");
  assert.equal(await driver.page.$eval(".filters", (filters) => getComputedStyle(filters).display), "none");
  await driver.page.emulateMediaType("screen");
  await driver.page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
  await driver.page.evaluate(() => dispatchEvent(new Event("afterprint")));
  assert.equal(await driver.page.evaluate(() => document.documentElement.dataset.theme), "dark");
  assert.equal(await driver.page.$eval(".exceptions details", (details) => details.open), false);
  await driver.clean();
});

test("odd series do no harm", async () => {
  const data = reportData({ runs: 1, metrics: ["loss"], length: 10 });
  const [run] = data.runs;
  const odd = {
    "only NaN": ["NaN", "NaN", "NaN"],
    "one value": [3],
    "no value": [],
    "nothing finite": ["Infinity", "-Infinity", null],
    "below zero": [-1, -1e30, -5e-324, 0],
    huge: [1.7e308, -1.7e308, 1],
    constructor: [1, 2],
  };
  run.series = Object.assign(JSON.parse('{"__proto__":{"metric":"__proto__","rows":1,"thinned":false,"steps":[4],"times":null,"ranks":null,"values":[7]}}'), run.series);
  for (const [name, values] of Object.entries(odd)) {
    run.series[name] = { metric: name, rows: values.length, thinned: false, steps: values.map((_, at) => at * 1e12), times: null, ranks: null, values };
  }
  run.metrics_list = Object.keys(run.series).map((name) => ({ ...run.metrics_list[0], name, canonical: name }));
  const driver = await report(data);
  for (const name of run.metrics_list.map((metric) => metric.name)) {
    await driver.type("[data-filter=metric]", name);
    await driver.until((name) => [...document.querySelectorAll(".chart-name")].some((title) => title.textContent === name), name);
    const chart = chartOf(driver, name);
    await chart.drawn();
    await chart.press(".tool");
    await chart.drawn();
    await chart.focus();
    for (const key of ["End", "ArrowLeft", "+", "+", "-", "n", "Escape"]) await driver.page.keyboard.press(key);
  }
  assert.match(await chartOf(driver, "constructor").reading(), /./);
  await driver.clean();
});

test("a report of nothing says why", async () => {
  const driver = await report(emptyReport);
  assert.match((await driver.texts(".empty"))[0], /No runs in what was read/);
  assert.match((await driver.texts("#inputs"))[0], /notes\.txt/);
  await driver.clean();
});

test("a report is not wider than a phone", async () => {
  const driver = await report(reportData({ runs: 3, length: 200 }), { width: 390, height: 844 });
  await driver.page.evaluate(() => document.getElementById("run-1").scrollIntoView());
  await driver.page.waitForSelector("canvas");
  assert.ok((await driver.overflows()) <= 0);
  await driver.clean();
});
