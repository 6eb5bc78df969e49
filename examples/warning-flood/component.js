/**
 * The component's side of the contract in `wit/`. Nothing here is for you to
 * change: your rule is in `detector.js`.
 */

import log from "runwatch:detector/log@0.1.0";

import Rule from "./detector.js";
import { Batch, Refused } from "./runwatch.js";

/** Frames told of an exception, from the innermost. */
const FRAMES = 10;

/** Stream time, in seconds since 1970: the last that a row or tick had. */
let now = 0;

const show = (thing) => {
  if (typeof thing === "string") return thing;
  if (thing instanceof Error) return `${thing}\n${thing.stack}`;
  try {
    return JSON.stringify(thing) ?? String(thing);
  } catch {
    return String(thing);
  }
};

const line =
  (level) =>
  (...things) =>
    log.log(level, things.map(show).join(" "));

globalThis.console = {
  debug: line("debug"),
  log: line("info"),
  info: line("info"),
  warn: line("warn"),
  error: line("error"),
};

// The real clock does not exist in there.
const RealDate = Date;
globalThis.Date = class Date extends RealDate {
  constructor(...given) {
    super(...(given.length === 0 ? [now * 1000] : given));
  }

  static now() {
    return now * 1000;
  }
};
globalThis.performance = { now: () => now * 1000 };

/** An exception in the form that runwatch shows as a fault's cause. */
function report(error) {
  const isError = error instanceof Error;
  const text = isError ? `${error.name}: ${error.message}` : show(error);
  const frames = (isError ? (error.stack ?? "") : "")
    .split("\n")
    .map((frame) => frame.trim().replace("(/", "("))
    // The engine's frames and the glue's help nobody.
    .filter((frame) => frame.startsWith("at ") && !/\(native\)|component\.js/.test(frame));
  if (frames.length > FRAMES) {
    frames.splice(FRAMES, Infinity, `at ${frames.length - FRAMES} more`);
  }
  const head = `Uncaught ${text.replaceAll(/\s+/g, " ").trim()}`;
  log.log("error", [head, ...frames.map((frame) => `    ${frame}`)].join("\n"));
}

/** A call from runwatch: an exception that leaves it is told and ends it. */
function guarded(call) {
  try {
    return call();
  } catch (error) {
    report(error);
    throw error;
  }
}

const findings = (found) => guarded(() => Array.from(found() ?? [], checked));

/** Checked here, where it can be said: what does not fit ends the call. */
function checked(finding) {
  const texts = ["key", "severity", "state", "title", "message", "recommendation"];
  const is = (kind, what, value) => {
    if (typeof value !== kind) throw new TypeError(`${what} is ${show(value)}, not a ${kind}`);
  };
  for (const name of texts) is("string", `\`${name}\` of a finding`, finding[name]);
  is("number", "`row` of a finding", finding.row);
  for (const [name, value] of finding.values) is("number", `value \`${name}\``, value);
  return finding;
}

/** For the functions that may say no: what they throw is a text for the user. */
const refusal = (error) => (error instanceof Refused ? error.message : String(error));

class Monitor {
  constructor(rule) {
    this.rule = rule;
    this.series = new Map();
  }

  static open(run, parameters) {
    const kinds = new Map((Rule.description.parameters ?? []).map((it) => [it.name, it]));
    const given = parameters.map(([name, value]) => [name, kinds.get(name).parse(value)]);
    try {
      return new Monitor(new Rule(Object.fromEntries(run), Object.fromEntries(given)));
    } catch (error) {
      if (error instanceof Refused) throw refusal(error);
      report(error);
      // Anything thrown would be a refusal; what is no monitor ends the call.
      return undefined;
    }
  }

  interests() {
    return guarded(() => this.rule.interests());
  }

  define(series) {
    for (const one of series) this.series.set(one.index, one);
  }

  observe(steps, times, ranks, indices, rows, values, texts) {
    const last = times[times.length - 1];
    if (Number.isFinite(last)) now = last;
    const batch = new Batch(steps, times, ranks, indices, rows, values, texts, this.series);
    return findings(() => this.rule.observe(batch));
  }

  tick(time) {
    now = time;
    return findings(() => this.rule.tick(time));
  }

  finish(outcome) {
    return findings(() => this.rule.finish(outcome));
  }

  save() {
    return guarded(() => {
      const state = this.rule.save();
      return state === undefined || state === null ? null : encode(JSON.stringify(state));
    });
  }

  restore(state) {
    try {
      this.rule.restore(JSON.parse(decode(state)));
    } catch (error) {
      throw refusal(error);
    }
  }
}

// QuickJS has no TextEncoder. JSON may escape whatever is not ASCII.
function encode(json) {
  const ascii = json.replaceAll(
    /[\u0080-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return Uint8Array.from(ascii, (char) => char.charCodeAt(0));
}

function decode(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

export const detector = {
  describe() {
    return guarded(() => {
      const { name, version, summary, doc, parameters = [] } = Rule.description;
      return {
        name,
        version,
        summary,
        parameters: parameters.map((it) => ({ ...it })),
        facts: doc === undefined ? [] : [["doc", doc]],
      };
    });
  },

  Monitor,
};
