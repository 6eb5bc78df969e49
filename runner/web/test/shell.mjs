// Fills the shell as runwatch does: once for the dashboard, once for a report.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";

const read = (path) => readFile(new URL(`../${path}`, import.meta.url), "utf8");

export const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

export async function dashboardPage(data) {
  return fill(await read("index.html"), {
    head: '<link rel="stylesheet" href="/app.css">',
    data: embed(data),
    script: '<script src="/app.js"></script>',
  });
}

export async function reportPage(data) {
  const [shell, js, css] = await Promise.all(["index.html", "dist/app.js", "dist/app.css"].map(read));
  const csp = `default-src 'none'; script-src '${hash(js)}'; style-src '${hash(css)}'; img-src data:; connect-src 'none'; font-src 'none'; base-uri 'none'; form-action 'none'`;
  return fill(shell, {
    head: `<meta http-equiv="Content-Security-Policy" content="${csp}">\n<style>${css}</style>`,
    data: embed(data),
    script: `<script>${js}</script>`,
  });
}

function fill(shell, parts) {
  // Replaced by function: what is put in may hold `$&`.
  return shell.replace(/^<!--(head|data|script)-->$/gm, (_, name) => parts[name]);
}

function embed(data) {
  return `<script type="application/json" id="runwatch-data">${JSON.stringify(data).replaceAll("<", "\\u003c")}</script>`;
}

function hash(text) {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
