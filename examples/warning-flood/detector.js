/**
 * `warning-flood`: the same line again and again.
 *
 * A data loader that retries, a warning at each step: nobody reads a log with
 * ten thousand such lines, and each says that something costs time. This rule
 * looks at plain lines, not at metrics. Lines are the same if they differ in
 * their numbers only.
 */

import { Detector, Finding, Interest, Parameter, Refused } from "./runwatch.js";

/** The most lines that are remembered; the one not seen for longest goes. */
const MOST = 200;

/** The longest line that is told apart from others, and that is shown. */
const LONGEST = 160;

/**
 * A line that comes again and again.
 *
 * @typedef {object} Flood
 * @property {string} shape the line without its numbers
 * @property {number} count how often it came, without a pause of `within` rows
 * @property {number} first the step at which that began
 * @property {number} last the row of the run at which it came last
 * @property {boolean} reported
 */

export default class WarningFlood extends Detector {
  static description = {
    name: "warning-flood",
    version: "0.1.0",
    summary: "The same warning or retry again and again",
    doc: `Counts the lines that contain one of \`needles\`. Two lines are the same if they
differ in their numbers only. Fires when the same line has come \`times\` times
with no pause of \`within\` rows; resolves after such a pause.

A line that speaks of a retry is a warning; any other is for information.`,
    parameters: [
      Parameter.list("needles", ["Warning", "WARN", "warning:", "retry", "Retry"], {
        doc: "What a line must contain to be counted; capital letters matter.",
      }),
      Parameter.integer("times", 100, {
        unit: "lines",
        min: 2,
        max: 1000000,
        doc: "How often the same line is too often.",
      }),
      Parameter.integer("within", 1000, {
        unit: "rows",
        min: 1,
        max: 1000000,
        doc: "After so many rows without it, a line is counted from the beginning.",
      }),
    ],
  };

  /**
   * @param {Record<string, string>} run
   * @param {{needles: string[], times: number, within: number}} parameters
   */
  constructor(run, parameters) {
    super(run, parameters);
    this.needles = parameters.needles;
    this.times = parameters.times;
    this.within = parameters.within;
    if (this.needles.length === 0) throw new Refused("`needles` is empty: there is nothing to count");
    /** How many rows of the run came before this call. */
    this.rows = 0;
    /** @type {Flood[]} */
    this.floods = [];
  }

  interests() {
    // Every row as well, so that a pause can be counted in rows.
    return [Interest.row(), ...this.needles.map((needle) => Interest.text(needle))];
  }

  /** @param {import("./runwatch.js").Batch} batch */
  observe(batch) {
    const findings = [];
    let before = { row: -1, content: "" };
    for (const text of batch.texts()) {
      // A line with two of the needles comes twice.
      if (text.row === before.row && text.content === before.content) continue;
      before = text;
      findings.push(...this.count(text));
    }
    const rows = this.rows + batch.steps.length;
    for (const flood of this.floods) findings.push(...this.pause(flood, rows));
    this.rows = rows;
    // In the order of rows, however they were grouped into calls.
    return findings.sort((a, b) => a.row - b.row || compare(a.key, b.key));
  }

  /** One more line. @param {import("./runwatch.js").Text} text */
  *count(text) {
    const row = this.rows + text.row;
    const flood = this.flood(shapeOf(text.content));
    yield* this.pause(flood, row + 1);
    if (flood.count === 0 || row - flood.last > this.within) {
      flood.count = 0;
      flood.first = text.step;
    }
    flood.last = row;
    flood.count += 1;
    if (flood.count < this.times || flood.reported) return;
    flood.reported = true;
    const isRetry = /retry/i.test(flood.shape);
    const finding = isRetry ? Finding.warning : Finding.info;
    yield finding(keyOf(flood), text.row, {
      title: isRetry ? "Retries without end" : "The same warning again and again",
      message:
        `"${cut(text.content.trim())}" has come ${flood.count} times ` +
        `since step ${flood.first}, numbers aside.`,
      recommendation: isRetry
        ? "What is retried is slow or gone: look at the storage or the network behind it, " +
          "and compare the step time with that before."
        : "Mend what it warns of, or filter this one warning: it hides lines that matter.",
      values: { count: flood.count },
    });
  }

  /**
   * The end of a flood, if before the row `until` of the run it had its pause.
   *
   * @param {Flood} flood
   * @param {number} until
   */
  *pause(flood, until) {
    const end = flood.last + this.within + 1;
    if (!flood.reported || end >= until) return;
    flood.reported = false;
    flood.count = 0;
    yield Finding.resolved(keyOf(flood), end - this.rows, {
      title: "No more of it",
      message: `"${flood.shape}" has not come for ${this.within} rows.`,
    });
  }

  /** @param {string} shape @returns {Flood} */
  flood(shape) {
    const known = this.floods.find((it) => it.shape === shape);
    if (known !== undefined) return known;
    if (this.floods.length === MOST) {
      const quiet = this.floods.filter((it) => !it.reported);
      const oldest = (quiet.length > 0 ? quiet : this.floods).reduce((a, b) =>
        a.last <= b.last ? a : b,
      );
      this.floods.splice(this.floods.indexOf(oldest), 1);
    }
    const fresh = { shape, count: 0, first: 0, last: 0, reported: false };
    this.floods.push(fresh);
    return fresh;
  }

  save() {
    return { rows: this.rows, floods: this.floods };
  }

  /** @param {{rows: number, floods: Flood[]}} state */
  restore(state) {
    this.rows = state.rows;
    this.floods = state.floods;
  }
}

/** @param {string} a @param {string} b */
const compare = (a, b) => (a < b ? -1 : Number(a > b));

/** A line without what differs from one time to the next. @param {string} line */
function shapeOf(line) {
  const same = line.trim().replaceAll(/0x[0-9a-f]+|\d+/gi, "#");
  return cut(same.replaceAll(/\s+/g, " "));
}

/** @param {string} text */
const cut = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);

/** A key has at most 128 bytes. @param {Flood} flood */
const keyOf = (flood) => `repeats ${flood.shape.replaceAll(/[^ -~]/g, "?").slice(0, 110)}`;
