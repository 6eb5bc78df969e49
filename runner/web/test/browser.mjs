// Drives Chromium, whatever serves the page, and keeps account of what must not
// happen: errors, requests to elsewhere, breaches of the policy.
import assert from "node:assert/strict";
import puppeteer from "puppeteer-core";

const deadline = 20_000;

export async function openBrowser() {
  return puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--force-color-profile=srgb"],
  });
}

/** Opens a page at an address, or on the HTML of a file. */
export async function openPage(browser, url, { width = 1440, height = 900, dark = false, expected = [] } = {}) {
  const page = await browser.newPage();
  page.setDefaultTimeout(deadline);
  const account = { console: [], requests: [], breaches: [], dialogs: [] };
  page.on("console", (message) => {
    if (["error", "warn", "assert"].includes(message.type())) account.console.push(`${message.text()} ${message.location()?.url ?? ""}`);
  });
  page.on("pageerror", (error) => account.console.push(String(error)));
  page.on("request", (request) => account.requests.push(request.url()));
  page.on("dialog", (dialog) => {
    account.dialogs.push(dialog.message());
    void dialog.dismiss();
  });
  await page.evaluateOnNewDocument(() => {
    window.breaches = [];
    document.addEventListener("securitypolicyviolation", (event) => window.breaches.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.setViewport({ width, height });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }, { name: "prefers-reduced-motion", value: "reduce" }]);
  await page.goto(url);
  return {
    page,
    account,
    /** Fails if anything went wrong that a reader would not see. */
    async clean() {
      const breaches = await page.evaluate(() => window.breaches);
      const origin = url.startsWith("http") ? new URL(url).origin : url;
      const elsewhere = account.requests.filter((request) => !request.startsWith(origin) && !request.startsWith("data:"));
      const errors = account.console.filter((line) => !expected.some((part) => line.includes(part)));
      assert.deepEqual({ errors, breaches, elsewhere, dialogs: account.dialogs }, { errors: [], breaches: [], elsewhere: [], dialogs: [] });
    },
    /** Waits until a function in the page is true. */
    until: (test, ...args) => page.waitForFunction(test, { timeout: deadline, polling: 50 }, ...args),
    /** The texts of all elements that match. */
    texts: (selector) => page.$$eval(selector, (found) => found.map((element) => element.innerText)),
    count: (selector) => page.$$eval(selector, (found) => found.length),
    /** Goes to a view of the dashboard. */
    async visit(hash) {
      await page.evaluate((hash) => {
        location.hash = hash;
      }, hash);
    },
    async choose(selector, value) {
      await page.waitForSelector(selector);
      await page.select(selector, value);
    },
    async type(selector, text) {
      await page.waitForSelector(selector);
      await page.$eval(selector, (field) => {
        field.value = "";
        field.dispatchEvent(new Event("input", { bubbles: true }));
      });
      await page.type(selector, text);
    },
    async click(selector) {
      await page.waitForSelector(selector);
      await page.$eval(selector, (element) => element.scrollIntoView({ block: "center" }));
      await page.click(selector);
    },
    /** Whether the page as a whole is wider than the window. */
    overflows: () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
  };
}

/** Works with one chart, by the name of its metric. */
export function chartOf({ page, until }, name) {
  const find = `[...document.querySelectorAll("figure.chart")].find((chart) => chart.querySelector(".chart-name").textContent === ${JSON.stringify(name)})`;
  const handle = async () => (await page.evaluateHandle(find)).asElement();
  const plot = async () => (await (await handle()).$(".u-over"));
  return {
    handle,
    async drawn() {
      await until(`(() => { const canvas = ${find}?.querySelector("canvas"); if (!canvas) return false; ${inked} return inked(canvas) > 200; })()`);
    },
    /** How many pixels of the canvas are not empty. */
    async ink() {
      return page.evaluate(`(() => { ${inked} return inked(${find}.querySelector("canvas")); })()`);
    },
    /** A number for what is painted now. */
    async print() {
      return page.evaluate(`(() => { ${pixels} const data = pixels(${find}.querySelector("canvas")); let sum = 0; for (let i = 0; i < data.length; i += 1) sum = (sum * 31 + data[i]) | 0; return sum; })()`);
    },
    /** The stretch of steps in sight, as it is told to screen readers. */
    async sight() {
      const label = await page.evaluate(`${find}.querySelector(".plot").getAttribute("aria-label")`);
      return label.match(/steps (\S+) to ([^\s.]+)\./).slice(1).map((text) => Number(text.replaceAll(",", "")));
    },
    async drag(from, to) {
      const place = await plot();
      await place.evaluate((element) => element.scrollIntoView({ block: "center" }));
      const box = await place.boundingBox();
      const y = box.y + box.height / 2;
      await page.mouse.move(box.x + box.width * from, y);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width * ((from + to) / 2), y, { steps: 4 });
      await page.mouse.move(box.x + box.width * to, y, { steps: 4 });
      await page.mouse.up();
    },
    async doubleClick(part = 0.5) {
      const box = await (await plot()).boundingBox();
      await page.mouse.click(box.x + box.width * part, box.y + box.height / 2, { count: 2 });
    },
    async press(act) {
      await (await (await handle()).$(act)).click();
    },
    async focus() {
      await (await (await handle()).$(".plot")).focus();
    },
    reading: async () => (await page.evaluate(`${find}.querySelector(".readings").innerText`)).replaceAll(/\s+/g, " "),
    note: () => page.evaluate(`${find}.querySelector(".chart-notes")?.innerText ?? ""`),
    said: () => page.evaluate(`${find}.querySelector("[aria-live]").textContent`),
  };
}

// Read from a copy: reading a canvas that is drawn on makes the browser complain.
const pixels = `const pixels = (canvas) => { const copy = document.createElement("canvas"); copy.width = canvas.width; copy.height = canvas.height; const ink = copy.getContext("2d", { willReadFrequently: true }); ink.drawImage(canvas, 0, 0); return ink.getImageData(0, 0, copy.width, copy.height).data; };`;
const inked = `${pixels} const inked = (canvas) => { const data = pixels(canvas); let count = 0; for (let i = 3; i < data.length; i += 4) if (data[i] > 0) count += 1; return count; };`;
