// The dashboard and the report of the program itself, in a real browser: a job
// is watched, its history served, its log reviewed. RUNWATCH names the program;
// without it there is nothing to test.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { chartOf, openBrowser, openPage } from "./browser.mjs";

const program = process.env.RUNWATCH;
const skip = program ? false : "RUNWATCH does not name the program";
const hostile = '<img src=x onerror=alert(1)>';

let browser;
let folder;
let environment;
const children = [];

before(async () => {
  if (skip) return;
  folder = mkdtempSync(join(tmpdir(), "runwatch-pages-"));
  environment = { ...process.env, HOME: folder, XDG_STATE_HOME: join(folder, "state"), XDG_CACHE_HOME: process.env.RUNWATCH_CACHE ?? join(folder, "cache") };
  browser = await openBrowser();
});

after(async () => {
  for (const child of children) child.kill("SIGKILL");
  await browser?.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

function start(...words) {
  const child = spawn(program, words, { cwd: folder, env: environment, stdio: ["pipe", "ignore", "pipe"] });
  children.push(child);
  child.said = "";
  child.stderr.on("data", (text) => {
    child.said += text;
  });
  return child;
}

/** Waits until a program has said what fits. */
async function heard(child, pattern) {
  const end = Date.now() + 60_000;
  while (Date.now() < end) {
    const found = child.said.match(pattern);
    if (found) return found;
    assert.equal(child.exitCode, null, child.said);
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
  return assert.fail(`never said ${pattern}: ${child.said}`);
}

const row = (step, more = {}) => `${JSON.stringify({ step, loss: 2 / (1 + step / 200) + 0.01 * Math.sin(step), lr: 1e-3, grad_norm: 1 + 0.1 * Math.cos(step), [hostile]: step % 7, ...more })}\n`;
const rows = (from, to) => Array.from({ length: to - from }, (_, at) => row(from + at)).join("");
/** JSON has no NaN; Python prints it all the same. */
const strange = (step) => `{"step": ${step}, "loss": NaN, "lr": 0.001}\n`;

test("a run is seen while it goes on, and its alert without a reload", { skip }, async () => {
  const job = start("--run", "job", "--plain");
  job.stdin.write(rows(0, 600));
  const server = start("serve", "--listen", "127.0.0.1:0");
  const [, url] = await heard(server, /(http:\/\/127\.0\.0\.1:\d+\/)/);
  const driver = await openPage(browser, url);
  await driver.until(() => document.querySelectorAll(".runs tbody tr").length === 1);
  await driver.visit("#/run/default/job");
  const loss = chartOf(driver, "loss");
  await loss.drawn();
  await driver.until(() => document.querySelector("figure.chart .plot").getAttribute("aria-label").includes("to 599"));
  const before = await loss.print();

  job.stdin.write(rows(600, 700) + strange(700));
  await driver.until(() => [...document.querySelectorAll(".alert .alert-title")].some((title) => title.textContent.includes("loss is NaN")));
  await driver.until(() => /to (699|700)/.test(document.querySelector("figure.chart .plot").getAttribute("aria-label")));
  assert.notEqual(await loss.print(), before);

  await loss.drag(0.3, 0.6);
  await driver.until(() => !document.querySelector("[data-act=reset-all]").disabled);
  const [from, to] = await loss.sight();
  assert.ok(from > 150 && to < 480, `${from} to ${to}`);
  await loss.doubleClick();
  await driver.until(() => document.querySelector("[data-act=reset-all]").disabled);

  await driver.visit("#/alerts");
  await driver.until(() => document.querySelectorAll(".alert").length > 0);
  await driver.choose("[data-filter=level]", "critical");
  await driver.type("[data-filter=text]", "no such words");
  await driver.until(() => document.querySelectorAll(".alert").length === 0);
  for (const view of ["", "#/deliveries", "#/detectors", "#/silences"]) {
    await driver.visit(view);
    await driver.page.waitForSelector("h1, .empty");
    assert.equal(await driver.overflows(), 0, view);
  }
  await driver.clean();
  await driver.page.close();
  job.stdin.end();
});

test("an alert of a run that goes on is acknowledged from the page", { skip }, async () => {
  const job = start("--run", "other", "--plain");
  job.stdin.write(rows(0, 10) + strange(10));
  await heard(job, /loss is NaN/);
  const server = start("serve", "--listen", "127.0.0.1:0");
  const [, url] = await heard(server, /(http:\/\/127\.0\.0\.1:\d+\/)/);
  const driver = await openPage(browser, `${url}#/alerts`);
  await driver.until(() => document.querySelector(".alert")?.innerText.includes("other"));
  await driver.click(".alert .alert-line");
  await driver.click(".alert.is-open [data-act=acknowledge]");
  await driver.until(() => document.querySelector("dialog[open]") || document.querySelector(".alert.is-open")?.innerText.match(/acknowledged/i));
  if (await driver.count("dialog[open]")) await driver.click("dialog[open] [type=submit]");
  await driver.until(() => /acknowledged/i.test(document.querySelector(".alert.is-open").innerText));
  await driver.clean();
  await driver.page.close();
  const list = spawnSync(program, ["silence", "list"], { cwd: folder, env: environment, encoding: "utf8" });
  assert.match(list.stdout, /until resolved/);
});

test("a report is whole in one file, on a narrow screen too", { skip }, async () => {
  writeFileSync(join(folder, "train.log"), rows(0, 1200) + strange(1200) + "Traceback (most recent call last):\n  File \"train.py\", line 7, in <module>\n    step()\nValueError: loss is nan\n");
  const review = spawnSync(program, ["review", "--quiet", "--html", "report.html", "train.log"], { cwd: folder, env: environment, encoding: "utf8" });
  assert.equal(review.status, 0, review.stderr);
  for (const width of [1440, 390]) {
    const driver = await openPage(browser, pathToFileURL(join(folder, "report.html")).href, { width, dark: width === 390 });
    const loss = chartOf(driver, "loss");
    await loss.drawn();
    await driver.until(() => document.body.innerText.includes("loss is NaN"));
    assert.ok(await driver.page.evaluate(() => document.body.textContent.includes("ValueError")));
    await loss.drag(0.2, 0.5);
    await driver.until(() => !document.querySelector("[data-act=reset-all]").disabled);
    assert.equal(await driver.overflows(), 0);
    await driver.clean();
    await driver.page.close();
  }
});
