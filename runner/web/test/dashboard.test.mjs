// The dashboard in a real browser, on made-up data.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { chartOf, openBrowser, openPage } from "./browser.mjs";
import { hostile } from "./data.mjs";
import { startMock } from "./mock.mjs";

let browser;
let open = [];

before(async () => {
  browser = await openBrowser();
});

after(() => browser.close());

afterEach(async () => {
  for (const close of open) await close();
  open = [];
});

async function dashboard(hash = "", options = {}, mockOptions = {}) {
  const mock = await startMock(mockOptions);
  const driver = await openPage(browser, `${mock.url}${hash}`, options);
  open.push(
    () => driver.page.close(),
    () => mock.close(),
  );
  await driver.page.waitForSelector("h1, .empty");
  return { mock, ...driver };
}

const runHash = (project, run) => `#/run/${encodeURIComponent(project)}/${encodeURIComponent(run)}`;
const main = runHash("pretrain", "gpt-small-lr3e-4");

test("runs are listed, filtered and opened", async () => {
  const { page, texts, type, choose, until, count, clean } = await dashboard();
  await page.waitForSelector(".runs tbody tr");
  assert.equal(await count(".runs tbody tr"), 7);
  await type("[data-filter=text]", "lr1e");
  await until(() => document.querySelectorAll(".runs tbody tr").length === 1);
  assert.match((await texts(".runs tbody tr"))[0], /gpt-small-lr1e-3/);
  await type("[data-filter=text]", " ");
  await choose("[data-filter=project]", "rlhf");
  await until(() => document.querySelectorAll(".runs tbody tr").length === 3);
  await page.click(".runs tbody tr:first-child a");
  await until(() => document.querySelector("h1").textContent === "resumed twice");
  await clean();
});

test("charts are drawn, zoomed by dragging and reset by a double click", async () => {
  const driver = await dashboard(main);
  const loss = chartOf(driver, "loss");
  const lr = chartOf(driver, "lr");
  await loss.drawn();
  assert.deepEqual(await loss.sight(), [0, 19_999]);
  assert.match(await loss.note(), /20,000 values, [\d,]+ shown; extremes are kept/);
  await lr.drawn();
  const whole = await loss.print();
  await loss.drag(0.4, 0.5);
  await driver.until(() => !document.querySelector("[data-act=reset-all]").disabled);
  const [from, to] = await loss.sight();
  assert.ok(from > 7000 && to < 11_000, `${from} to ${to}`);
  assert.deepEqual(await lr.sight(), [from, to], "all charts zoom together");
  assert.notEqual(await loss.print(), whole);
  // The stretch is fetched anew, with every value that it has.
  await driver.until(() => ![...document.querySelectorAll("figure.chart")][0].innerText.includes("20,000 values"));
  await loss.doubleClick();
  await driver.until(() => document.querySelector("[data-act=reset-all]").disabled);
  assert.deepEqual(await loss.sight(), [0, 19_999]);
  await driver.clean();
});

test("charts zoom alone if they are not tied together", async () => {
  const driver = await dashboard(main);
  const loss = chartOf(driver, "loss");
  await loss.drawn();
  await driver.click(".filters .check input");
  await loss.drag(0.2, 0.4);
  await driver.until(() => !document.querySelector("figure.chart [data-act=reset]").disabled);
  assert.notDeepEqual(await loss.sight(), [0, 19_999]);
  assert.deepEqual(await chartOf(driver, "grad_norm").sight(), [0, 19_999]);
  await driver.clean();
});

test("a chart can be used by keyboard alone", async () => {
  const driver = await dashboard(main);
  const loss = chartOf(driver, "loss");
  await loss.drawn();
  await loss.focus();
  await driver.page.keyboard.press("Home");
  await driver.until(() => document.querySelector("figure.chart [aria-live]").textContent.startsWith("Step 0:"));
  await driver.page.keyboard.press("n");
  await driver.until(() => document.querySelector("figure.chart [aria-live]").textContent.includes("loss jumped to 9.75"));
  assert.match(await loss.reading(), /step 8,6\d\d/);
  await driver.page.keyboard.press("+");
  await driver.until(() => !document.querySelector("[data-act=reset-all]").disabled);
  const [from, to] = await loss.sight();
  assert.ok(to - from < 11_000);
  await driver.page.keyboard.press("Escape");
  await driver.until(() => document.querySelector("[data-act=reset-all]").disabled);
  await driver.page.keyboard.press("Enter");
  await driver.until(() => document.querySelector(".alert.is-open .alert-title")?.textContent.includes("loss jumped to 9.75"));
  assert.equal(await driver.page.evaluate(() => document.activeElement.className.includes("alert-line")), true);
  await driver.clean();
});

test("markers and bars of the timeline open their alert", async () => {
  const driver = await dashboard(main);
  await chartOf(driver, "loss").drawn();
  await driver.click("figure.chart .marker.critical");
  await driver.until(() => document.querySelector(".alert.is-open .alert-title")?.textContent.includes("loss is NaN"));
  await driver.until(() => document.activeElement.closest(".alert.is-open"));
  await driver.page.mouse.move(2, 2);
  await driver.page.focus('.timeline [aria-label*="grad_norm is 512.5"]');
  await driver.until(() => document.querySelector(".timeline-key").innerText.includes("critical: grad_norm is 512.5, firing since step 14,000"));
  await driver.click('.timeline [aria-label*="grad_norm is 512.5"]');
  await driver.until(() => [...document.querySelectorAll(".alert.is-open .alert-title")].some((title) => title.textContent.includes("512.5")));
  await driver.click(".alert.is-open [data-act=show]");
  await driver.until(() => !document.querySelector("[data-act=reset-all]").disabled);
  await driver.clean();
});

test("a logarithmic scale, and the metrics that are shown", async () => {
  const driver = await dashboard(main);
  const grad = chartOf(driver, "grad_norm");
  await grad.drawn();
  const linear = await grad.print();
  await grad.press(".tool");
  await driver.until(() => document.querySelector('.tool[aria-pressed="true"]'));
  await grad.drawn();
  assert.notEqual(await grad.print(), linear);
  assert.match(await grad.note(), /infinite, marked/);
  await driver.type("[data-filter=metric]", "constant");
  await driver.until(() => document.querySelectorAll(".charts > *").length === 1);
  await chartOf(driver, "constant").drawn();
  await driver.clean();
});

test("ranks have a line each, many ranks a band, and a run that went back shows both", async () => {
  const driver = await dashboard(runHash("pretrain", "eight ranks"));
  await chartOf(driver, "loss").drawn();
  assert.match(await chartOf(driver, "loss").reading(), /rank 0.*rank 7/);
  await driver.visit(runHash("pretrain", "sixty-four ranks"));
  await driver.until(() => document.querySelector("h1").textContent === "sixty-four ranks");
  await chartOf(driver, "loss").drawn();
  assert.match(await chartOf(driver, "loss").note(), /64 ranks/);
  await driver.visit(runHash("rlhf", "resumed twice"));
  await driver.until(() => document.querySelector("h1").textContent === "resumed twice");
  await chartOf(driver, "loss").drawn();
  assert.match(await chartOf(driver, "loss").note(), /Steps went back once/);
  await driver.clean();
});

test("a new alert appears at the top without a reload, and is announced", async () => {
  const driver = await dashboard("#/alerts");
  await driver.page.waitForSelector(".alert");
  await driver.page.evaluate(() => {
    window.here = true;
  });
  const made = driver.mock.alert({ title: "entropy collapsed", detector: "entropy", severity: "critical" });
  await driver.until((id) => document.querySelector(".alert")?.dataset.alert === id, made.id);
  assert.equal(await driver.page.evaluate(() => window.here), true);
  await driver.until(() => [...document.querySelectorAll("[aria-live]")].some((place) => place.textContent.includes("New alert, critical: entropy collapsed")));
  await driver.page.waitForSelector(".alert.fresh");
  await driver.visit("#/runs");
  await driver.page.waitForSelector(".runs tbody tr");
  driver.mock.alert({ title: "again" });
  await driver.until(() => document.querySelector(".unseen")?.textContent.startsWith("1"));
  await driver.clean();
});

test("charts grow without a reload, and fetch no more than is new", async () => {
  const driver = await dashboard(runHash("pretrain", "gpt-small-lr1e-3"));
  const loss = chartOf(driver, "loss");
  await loss.drawn();
  await driver.page.waitForNetworkIdle();
  const before = driver.account.requests.length;
  driver.mock.records("gpt-small-lr1e-3", 50, () => 7.25);
  await driver.until(() => document.querySelector("figure.chart .readings").innerText.includes("7.25"));
  assert.deepEqual(await loss.sight(), [0, 4049]);
  const asked = driver.account.requests.slice(before).filter((url) => url.includes("/api/series") && url.includes("metric=loss&"));
  assert.equal(asked.length, 1);
  assert.match(asked[0], /from=4000/);
  await driver.clean();
});

test("alerts are filtered by level, detector, run, state and text, here and by the address", async () => {
  const driver = await dashboard("#/alerts");
  await driver.page.waitForSelector(".alert");
  await driver.choose("[data-filter=level]", "critical");
  await driver.until(() => document.querySelectorAll(".alert").length === 6);
  assert.equal(await driver.count(".alert.critical"), 6);
  await driver.type("[data-filter=text]", "nan");
  await driver.until(() => document.querySelectorAll(".alert").length === 2);
  assert.match(await driver.page.evaluate(() => location.hash), /level=critical/);
  const made = driver.mock.alert({ title: "does not pass", message: "no", severity: "critical" });
  driver.mock.alert({ title: "NaN again", severity: "critical" });
  await driver.until(() => document.querySelector(".alert").textContent.includes("NaN again"));
  assert.equal(await driver.count(`[data-alert="${made.id}"]`), 0);
  await driver.page.reload();
  await driver.until(() => document.querySelectorAll(".alert").length === 3);
  await driver.choose("[data-filter=run]", JSON.stringify(["pretrain", "gpt-small-lr1e-3"]));
  await driver.until(() => document.querySelectorAll(".alert").length === 1);
  await driver.clean();
});

test("more alerts are fetched page by page", async () => {
  const driver = await dashboard("#/alerts");
  await driver.until(() => document.querySelectorAll(".alert").length === 50);
  await driver.click("[data-act=more]");
  await driver.until(() => document.querySelectorAll(".alert").length === 81);
  assert.equal(await driver.count("[data-act=more]"), 0);
  await driver.clean();
});

test("an alert tells all there is, and is acknowledged and silenced", async () => {
  const driver = await dashboard("#/alerts?text=512.5");
  await driver.click(".alert-line");
  await driver.page.waitForSelector(".alert-deliveries");
  const [body] = await driver.texts(".alert-body");
  for (const part of ["Clip gradients at 1.0", "512.5", "logs/train.log:", "fingerprint"]) assert.ok(body.includes(part), part);
  await driver.click("[data-act=acknowledge]");
  await driver.page.waitForSelector("dialog[open]");
  await driver.type("dialog input[name=comment]", "on it");
  await driver.click("dialog .primary");
  await driver.until(() => document.querySelector(".acknowledged")?.textContent.includes("on it"));
  await driver.click("[data-act=silence]");
  await driver.page.waitForSelector("dialog[open] select");
  await driver.click("dialog input[name=key]");
  await driver.choose("dialog select", "8h");
  await driver.type("dialog input[name=comment]", "known");
  await driver.click("dialog .primary");
  await driver.until(() => !document.querySelector("dialog"));
  const silence = driver.mock.posts.find((post) => post.path === "/api/silence");
  assert.deepEqual(silence.body, { project: "pretrain", run: "gpt-small-lr3e-4", detector: "grad-norm", for: "8h", comment: "known" });
  await driver.visit("#/silences");
  await driver.until(() => document.querySelector("tbody tr")?.textContent.includes("known"));
  await driver.click("[data-act=unsilence]");
  await driver.until(() => document.querySelector("tbody tr").textContent.includes("ended"));
  await driver.clean();
});

test("dead letters are found and sent again", async () => {
  const driver = await dashboard("#/deliveries");
  await driver.page.waitForSelector("[data-delivery]");
  await driver.choose("[data-filter=state]", "dead");
  await driver.until(() => document.querySelectorAll("[data-delivery]").length === 3);
  assert.ok((await driver.texts("[data-delivery]")).every((row) => row.includes("503")));
  await driver.click("[data-delivery] [data-act=resend]");
  await driver.until(() => document.querySelectorAll("[data-delivery]").length === 2);
  await driver.click('[data-sink="team-chat"] [data-act=resend-all]');
  await driver.until(() => document.querySelectorAll("[data-delivery]").length === 0);
  await driver.clean();
});

test("a page that may not write has no buttons for it", async () => {
  const driver = await dashboard("#/alerts", {}, { writable: false });
  await driver.click(".alert-line");
  await driver.page.waitForSelector(".alert-deliveries table, .alert-deliveries .quiet");
  await driver.visit("#/deliveries");
  await driver.page.waitForSelector("[data-delivery]");
  assert.equal(await driver.count("[data-act=acknowledge], [data-act=silence], [data-act=resend], [data-act=resend-all]"), 0);
  await driver.clean();
});

test("runs are compared", async () => {
  const driver = await dashboard();
  await driver.page.waitForSelector(".runs tbody tr");
  await driver.click(".runs tbody tr:nth-child(1) input");
  await driver.click(".runs tbody tr:nth-child(2) input");
  await driver.click("[data-act=compare]");
  await driver.until(() => document.querySelector("h1").textContent === "Compare");
  const loss = chartOf(driver, "loss");
  await loss.drawn();
  assert.match(await loss.reading(), /gpt-small-lr3e-4 [\d.]+ gpt-small-lr1e-3 [\d.]+/);
  await loss.drag(0.1, 0.3);
  await driver.until(() => document.querySelectorAll("figure.chart [data-act=reset]:not(:disabled)").length > 1);
  await driver.page.waitForNetworkIdle();
  const fetched = driver.account.requests.filter((url) => url.includes("metric=loss&") && url.includes("from="));
  assert.equal(fetched.length, 2, "of each run the stretch is fetched anew");
  await driver.clean();
});

test("detectors show what they cost and what went wrong", async () => {
  const driver = await dashboard("#/detectors");
  await driver.page.waitForSelector("[data-detector]");
  const [first] = await driver.texts("[data-detector=user-detector]");
  for (const part of ["2,210", "quarantined", "trap: unreachable executed"]) assert.ok(first.includes(part), part);
  await driver.clean();
});

test("hostile text stays text in every view", async () => {
  const driver = await dashboard();
  for (const hash of ["#/runs", runHash("rlhf", hostile), "#/alerts", "#/deliveries", "#/detectors", "#/silences"]) {
    await driver.visit(hash);
    await driver.until((text) => document.querySelector("main").innerText.includes(text), hostile);
    assert.equal(await driver.count("main img, main script"), 0);
  }
  await driver.clean();
});

test("characters that are hidden or turn the writing are shown", async () => {
  const driver = await dashboard(`#/alert/${"4a".padStart(32, "0")}`);
  await driver.page.waitForSelector(".alert-message");
  assert.ok((await driver.texts(".alert-message"))[0].includes('onerror=alert(1)>\\u{202e} and "quotes"'));
  await driver.page.waitForSelector(".connection.open");
  driver.mock.alert({ title: "one\u200btwo\u001b[31m\u2066three" });
  await driver.visit("#/alerts");
  await driver.until(() => document.querySelector(".alert-title")?.textContent === "one\\u{200b}two\\x1b[31m\\u{2066}three");
  await driver.clean();
});

test("a lost connection is told, and what was missed is fetched when it is back", async () => {
  const driver = await dashboard("#/alerts", { expected: ["ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION"] });
  await driver.page.waitForSelector(".connection.open");
  await driver.page.evaluate(() => {
    window.lost = [];
    new MutationObserver(() => window.lost.push(document.querySelector(".connection").textContent)).observe(document.querySelector(".top"), { subtree: true, childList: true, characterData: true });
  });
  driver.mock.drop();
  const made = driver.mock.alert({ title: "while nobody listened" });
  await driver.until(() => window.lost.includes("connection lost, retrying"));
  await driver.page.waitForSelector(".connection.open");
  await driver.until((id) => document.querySelector(".alert")?.dataset.alert === id, made.id);
  await driver.clean();
});

test("with nothing to show, every view says what to do", async () => {
  const driver = await dashboard("", {}, { empty: true });
  for (const [hash, words] of [["#/runs", "No runs yet."], ["#/alerts", "No alerts."], ["#/deliveries", "No sinks."], ["#/detectors", "No detector was seen yet."], ["#/silences", "Nothing is silenced."]]) {
    await driver.visit(hash);
    await driver.until((words) => document.querySelector(".empty")?.innerText.startsWith(words), words);
  }
  await driver.clean();
});

test("what is not there is said plainly", async () => {
  const driver = await dashboard(runHash("x", "nope"), { expected: ["404"] });
  await driver.page.waitForSelector(".problem");
  assert.match((await driver.texts(".problem"))[0], /There is no \/api\/run/);
  await driver.visit("#/nowhere");
  await driver.until(() => document.querySelector(".empty")?.innerText.includes("There is no such view."));
  await driver.clean();
});

test("no view is wider than a phone", async () => {
  const driver = await dashboard("", { width: 390, height: 844 });
  for (const hash of ["#/runs", main, "#/alerts", "#/deliveries", "#/detectors", "#/silences"]) {
    await driver.visit(hash);
    await driver.page.waitForSelector("tbody tr, .alert, figure.chart canvas");
    await driver.page.waitForNetworkIdle({ concurrency: 1 });
    assert.ok((await driver.overflows()) <= 0, hash);
  }
  await driver.clean();
});

test("light and dark: by the system, or as chosen and kept", async () => {
  const driver = await dashboard("", { dark: true });
  assert.equal(await driver.page.evaluate(() => document.documentElement.dataset.theme), "dark");
  await driver.click(".theme");
  await driver.until(() => document.documentElement.dataset.theme === "light");
  await driver.page.reload();
  await driver.page.waitForSelector("h1");
  assert.equal(await driver.page.evaluate(() => document.documentElement.dataset.theme), "light");
  await driver.clean();
});
