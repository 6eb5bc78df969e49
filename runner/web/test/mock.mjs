// A server with the interface of `runwatch serve` and made-up data. Tests drive it
// (`alert`, `records`, `drop`); `npm run mock` serves it for a look.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { countAlerts, describe, detectors, hostile, makeAlert, makeAlerts, makeSeries, names, thin, time } from "./data.mjs";
import { dashboardPage, policy } from "./shell.mjs";

const levels = { info: 0, warn: 1, warning: 1, error: 2, critical: 2 };

export async function startMock({ empty = false, writable = true, port = 0 } = {}) {
  const state = empty ? nothing() : everything();
  const streams = new Set();
  const posts = [];
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => send(response, 500, { error: String(error), hint: null }));
  });

  async function answer(request, response) {
    const url = new URL(request.url, "http://localhost");
    response.setHeader("Content-Security-Policy", policy);
    if (request.method === "POST") return change(url.pathname, request, response);
    if (url.pathname === "/events") return stream(request, response);
    if (url.pathname === "/app.js" || url.pathname === "/app.css") {
      const type = url.pathname.endsWith("js") ? "text/javascript" : "text/css";
      response.setHeader("Content-Type", `${type}; charset=utf-8`);
      return response.end(await readFile(new URL(`../dist${url.pathname}`, import.meta.url)));
    }
    if (!url.pathname.startsWith("/api/")) {
      response.setHeader("Content-Type", "text/html; charset=utf-8");
      return response.end(await dashboardPage({ kind: "serve", version: "0.1.0", writable }));
    }
    const found = look(url.pathname.slice(5), Object.fromEntries(url.searchParams));
    return found ? send(response, 200, found) : send(response, 404, { error: `There is no ${url.pathname}.`, hint: null });
  }

  function look(what, query) {
    const limit = Number(query.limit ?? 100);
    const run = state.runs.find((run) => run.row.project === query.project && run.row.run === query.run);
    switch (what) {
      case "runs":
        return { runs: state.runs.map((run) => rowOf(run)).filter((row) => !query.project || row.project === query.project) };
      case "run":
        return run && { ...rowOf(run), metrics_list: [...run.series].map(([name, series]) => describe(name, series)), muted_list: run.muted };
      case "series": {
        const series = run?.series.get(query.metric);
        const range = { from: query.from === undefined ? undefined : Number(query.from), to: query.to === undefined ? undefined : Number(query.to), points: Number(query.points ?? 2000) };
        return series && thin(query.metric, series, range);
      }
      case "alerts": {
        const all = state.alerts.filter((alert) => wanted(alert, query)).reverse();
        return { alerts: all.slice(0, limit), more: all.length > limit };
      }
      case "alert": {
        const alert = state.alerts.find((alert) => alert.id === query.id);
        return alert && { alert, deliveries: state.deliveries.filter((delivery) => delivery.alert === alert.id) };
      }
      case "deliveries": {
        const all = state.deliveries.filter((delivery) => (!query.state || delivery.state === query.state) && (!query.sink || delivery.sink === query.sink)).reverse();
        return { deliveries: all.slice(0, limit), more: all.length > limit };
      }
      case "sinks":
        return { sinks: state.sinks.map((sink) => ({ ...sink, dead: state.deliveries.filter((delivery) => delivery.sink === sink.name && delivery.state === "dead").length })) };
      case "silences":
        return { silences: state.silences };
      case "detectors":
        return { detectors: state.detectors };
    }
    return null;
  }

  function rowOf({ row, series }) {
    const first = series.values().next().value;
    const mine = state.alerts.filter((alert) => alert.project === row.project && alert.run === row.run);
    return { ...row, rows: first?.values.length ?? 0, metrics: series.size, first_step: first?.steps[0] ?? null, last_step: first ? first.steps.reduce((a, b) => Math.max(a, b), 0) : null, alerts: countAlerts(mine) };
  }

  async function change(path, request, response) {
    let text = "";
    for await (const chunk of request) text += chunk;
    const body = JSON.parse(text);
    posts.push({ path, body });
    if (!writable) return send(response, 403, { error: "This dashboard is read only.", hint: "Start `runwatch serve` with --writable." });
    switch (path) {
      case "/api/acknowledge": {
        const alert = state.alerts.find((alert) => alert.id === body.alert);
        if (!alert) return send(response, 404, { error: "There is no such alert.", hint: null });
        alert.acknowledged = { by: "ada", at: new Date().toISOString(), comment: body.comment || null, silence: "s-9" };
        break;
      }
      case "/api/silence":
        if (!body.comment) return send(response, 400, { error: "A silence needs a comment.", hint: "Say why." });
        state.silences.unshift({ id: `s-${state.silences.length + 10}`, matchers: ["project", "run", "detector", "key"].flatMap((part) => (body[part] ? [`${part}=${JSON.stringify(body[part])}`] : [])).join(", "), from: new Date().toISOString(), until: new Date(Date.now() + 7.2e6).toISOString(), comment: body.comment, by: "ada", state: "active" });
        break;
      case "/api/unsilence":
        for (const silence of state.silences) if (silence.id === body.id) silence.state = "ended";
        break;
      case "/api/resend":
        for (const delivery of state.deliveries) {
          if (["dead", "expired"].includes(delivery.state) && (delivery.sink === body.sink || delivery.id === body.delivery)) delivery.state = "pending";
        }
        break;
      default:
        return send(response, 404, { error: `There is no ${path}.`, hint: null });
    }
    tell("other", {});
    return send(response, 200, {});
  }

  function stream(request, response) {
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    response.write("retry: 200\n\n");
    streams.add(response);
    request.on("close", () => streams.delete(response));
  }

  function tell(event, data) {
    for (const response of streams) response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    state,
    posts,
    /** Writes a new alert and tells the pages. */
    alert(changes) {
      const made = makeAlert(state.alerts.length, { made: new Date().toISOString(), time: new Date().toISOString(), ...changes });
      state.alerts.push(made);
      tell("alerts", { alerts: [made] });
      return made;
    },
    /** Adds records to a run and tells the pages. */
    records(name, count, value = () => 1.5) {
      const run = state.runs.find((run) => run.row.run === name);
      for (const series of run.series.values()) {
        for (let n = 0; n < count; n += 1) {
          series.steps.push(series.steps.at(-1) + 1);
          series.times.push(series.times.at(-1) + 1.7);
          series.ranks?.push(0);
          series.values.push(value(n));
        }
      }
      run.row.last_activity = new Date().toISOString();
      tell("runs", { runs: [rowOf(run)] });
    },
    /** Cuts every stream. */
    drop() {
      for (const response of streams) response.destroy();
    },
    async close() {
      for (const response of streams) response.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function wanted(alert, query) {
  const text = query.text?.toLowerCase();
  return (
    (!query.project || alert.project === query.project) &&
    (!query.run || alert.run === query.run) &&
    (!query.detector || alert.detector === query.detector) &&
    (!query.level || levels[alert.severity] >= levels[query.level]) &&
    (!query.state || alert.state === query.state) &&
    (!query.before || alert.seq < Number(query.before)) &&
    (!text || [alert.title, alert.message, alert.detector, alert.run].some((part) => part.toLowerCase().includes(text)))
  );
}

function send(response, status, body) {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify(body));
}

function nothing() {
  return { runs: [], alerts: [], deliveries: [], sinks: [], silences: [], detectors: [] };
}

function everything() {
  const runs = [
    makeRun("pretrain", "gpt-small-lr3e-4", "live", { length: 20_000, seed: 1 }),
    makeRun("pretrain", "gpt-small-lr1e-3", "ended", { length: 4000, seed: 2, drift: 0.2 }),
    makeRun("pretrain", "eight ranks", "live", { length: 900, seed: 3, ranks: 8 }, names.slice(0, 6)),
    makeRun("pretrain", "sixty-four ranks", "ended", { length: 300, seed: 4, ranks: 64 }, names.slice(0, 3)),
    makeRun("rlhf", "resumed twice", "ended", { length: 3000, seed: 5, back: true }, names.slice(0, 8)),
    makeRun("rlhf", hostile, "unknown", { length: 500, seed: 6 }, names.slice(0, 2)),
    makeRun("rlhf", "nothing-yet", "live", { length: 0 }, []),
  ];
  const alerts = [...makeAlerts("gpt-small-lr1e-3", 4000, 0), ...makeAlerts("gpt-small-lr3e-4", 20_000, 40)];
  alerts.push(makeAlert(80, { run: hostile, project: "rlhf", title: hostile, step: 250, first_step: 250, acknowledged: { by: "ada", at: time(9000), comment: hostile, silence: 3 } }));
  const deliveries = alerts.slice(-24).flatMap((alert, n) => [makeDelivery(2 * n, alert, "team-chat", n % 9 === 4 ? "dead" : n % 9 === 7 ? "accepted" : "delivered"), makeDelivery(2 * n + 1, alert, "pager", n > 20 ? "pending" : n % 5 ? "suppressed" : n % 2 ? "expired" : "held")]);
  return {
    runs,
    alerts,
    deliveries,
    sinks: [
      { name: "team-chat", waiting: 0, dead: 3, delivered: 121, blocked_until: null, broken: null, failures: 0 },
      { name: "pager", waiting: 3, dead: 0, delivered: 5, blocked_until: time(9200), broken: null, failures: 4 },
      { name: "old-webhook", waiting: 0, dead: 0, delivered: 0, blocked_until: null, broken: "It answered with a redirect to https://example.com/. Redirects are not followed: put the new address into [sinks.old-webhook].", failures: 1 },
    ],
    silences: [
      { id: "s-1", matchers: 'detector="kl-drift", run=~"gpt-.*"', from: time(2000), until: time(90_000), comment: "known, see the run book", by: "ada", state: "active" },
      { id: "s-2", matchers: 'fingerprint="feed01"', from: time(2000), until: "resolved", comment: hostile, by: null, state: "active" },
      { id: "s-3", matchers: 'project="rlhf"', from: time(100), until: time(400), comment: "maintenance", by: "grace", state: "ended" },
    ],
    detectors,
  };
}

function makeRun(project, run, state, options, metrics = names) {
  return {
    row: { project, run, created: options.length ? time(0) : null, last_activity: options.length ? time(options.length * 1.7) : null, muted: options.length ? 312 : 0, state },
    series: new Map(metrics.map((name) => [name, makeSeries(name, options)])),
    muted: options.length ? [{ detector: "grad-norm", key: "grad_norm", severity: "warning", title: "grad_norm is 2.1", reason: "cooldown", count: 240, first_step: 100, last_step: 2900, first: time(170), last: time(5000) }, { detector: "kl-drift", key: "kl", severity: "info", title: hostile, reason: "cap", count: 72, first_step: null, last_step: null, first: null, last: null }] : [],
  };
}

function makeDelivery(n, alert, sink, state) {
  const dead = state === "dead";
  return {
    id: n + 1,
    alert: alert.id,
    project: alert.project,
    run: alert.run,
    detector: alert.detector,
    severity: alert.severity,
    title: alert.title,
    sink,
    notice: alert.state === "resolved" ? "ended" : "new",
    state,
    reason: { suppressed: "silence s-1", held: "silence s-1", expired: "too old" }[state] ?? null,
    made: alert.made,
    done: ["pending", "held"].includes(state) ? null : alert.made,
    error: dead ? "status 503 Service Unavailable, five times" : null,
    attempts: ["suppressed", "held", "expired"].includes(state) ? [] : Array.from({ length: dead ? 5 : 1 }, (_, k) => ({ at: alert.made, took_ms: 84 + k * 220, outcome: dead || state === "pending" ? "failed" : "delivered", error: dead ? "status 503 Service Unavailable" : null })),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const mock = await startMock({ port: Number(process.env.PORT ?? 8844) });
  console.log(mock.url);
  setInterval(() => mock.records("gpt-small-lr3e-4", 5, () => 0.9 + Math.random() / 10), 1000);
}
