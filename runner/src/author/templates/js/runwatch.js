/**
 * Write a runwatch detector in plain JavaScript.
 *
 * A detector is a class that extends {@link Detector}, says in
 * `static description` what it is, and has a few methods that runwatch calls.
 * One object of the class watches one run; whatever it remembers belongs into
 * the object.
 *
 * Nothing in this file knows about WebAssembly: Node can import it and your
 * rule, so that the rule can be tried and tested there.
 */

/** The rank of a row whose line names none. */
export const NO_RANK = 4294967295;

/** The row of a finding that belongs to no row (from `tick` and `finish`). */
export const NO_ROW = 4294967295;

/**
 * Thrown in the constructor or in `restore`: a sentence for the user that says
 * why these parameters, or this state, cannot be used.
 */
export class Refused extends Error {
  name = "Refused";
}

/**
 * One setting of a detector. The user's value is checked against it before a
 * monitor is opened.
 *
 * @typedef {object} Options
 * @property {string} [unit] for people: `rows`, `s`, `ratio`
 * @property {string} [doc] one sentence that says what it does
 * @property {number} [min] the smallest valid value
 * @property {number} [max] the largest valid value
 * @property {string[]} [choices] the only valid values
 */
export class Parameter {
  /**
   * @param {string} name
   * @param {"number" | "integer" | "boolean" | "text" | "list"} kind
   * @param {string} initial the default, as the user would write it
   * @param {Options} options
   */
  constructor(name, kind, initial, { unit = "", doc = "", ...limits }) {
    this.name = name;
    this.kind = kind;
    this.default = initial;
    this.unit = unit;
    this.doc = doc;
    this.limits = Object.entries(limits).map(([key, value]) => [
      key,
      typeof value === "number" ? number(value) : String(value),
    ]);
  }

  /** A whole number. @param {string} name @param {number} initial @param {Options} options */
  static integer(name, initial, options = {}) {
    return new Parameter(name, "integer", number(initial), options);
  }

  /** A finite number. @param {string} name @param {number} initial @param {Options} options */
  static number(name, initial, options = {}) {
    return new Parameter(name, "number", number(initial), options);
  }

  /** A switch. @param {string} name @param {boolean} initial @param {Options} options */
  static boolean(name, initial, options = {}) {
    return new Parameter(name, "boolean", String(initial), options);
  }

  /** A text. @param {string} name @param {string} initial @param {Options} options */
  static text(name, initial, options = {}) {
    return new Parameter(name, "text", initial, options);
  }

  /** Texts. @param {string} name @param {string[]} initial @param {Options} options */
  static list(name, initial, options = {}) {
    return new Parameter(name, "list", initial.join(","), options);
  }

  /** The value as JavaScript has it. @param {string} value */
  parse(value) {
    switch (this.kind) {
      case "integer":
      case "number":
        return Number(value);
      case "boolean":
        return value === "true";
      case "list":
        return value
          .split(",")
          .map((part) => part.trim())
          .filter((part) => part !== "");
      default:
        return value;
    }
  }
}

/** What a monitor wants to be told. Nothing else is sent to it. */
export class Interest {
  /** @param {string} kind @param {string} pattern @param {[string, string][]} options */
  constructor(kind, pattern, options = []) {
    this.kind = kind;
    this.pattern = pattern;
    this.options = options;
  }

  /**
   * Numbers of the metrics whose canonical name matches; `*` stands for
   * anything. With `edges` only the first value, every value that is not
   * finite, and the first finite one after it.
   *
   * @param {string} pattern
   * @param {{edges?: boolean}} options
   */
  static metric(pattern, { edges = false } = {}) {
    return new Interest("metric", pattern, edges ? [["values", "edges"]] : []);
  }

  /** Texts of the labels whose name matches. @param {string} pattern */
  static label(pattern) {
    return new Interest("label", pattern);
  }

  /** Plain lines that contain `needle`. @param {string} needle */
  static text(needle) {
    return new Interest("text", needle);
  }

  /** Exceptions whose type matches. @param {string} pattern */
  static exception(pattern = "*") {
    return new Interest("exception", pattern);
  }

  /** What a line says that happened: `cuda-oom`, `killed`, … @param {string} pattern */
  static event(pattern) {
    return new Interest("event", pattern);
  }

  /** Every row, whatever is in it. */
  static row() {
    return new Interest("row", "*");
  }

  /**
   * A call of `tick` every so many seconds of stream time; with `after` only
   * while no row has come for so long.
   *
   * @param {number} seconds
   * @param {{after?: number}} options
   */
  static tick(seconds, { after } = {}) {
    const options = after === undefined ? [] : [["after", number(after)]];
    return new Interest("tick", number(seconds), options);
  }
}

/**
 * A claim about a run, which runwatch checks and turns into an alert.
 *
 * The key says what is wrong, not how much: the same trouble has the same key.
 *
 * @typedef {object} Claim
 * @property {string} title a few words
 * @property {string} [message] what happened, with numbers
 * @property {string} [recommendation] what to do; required while it fires
 * @property {Record<string, number>} [values] the numbers by name
 * @property {string} [route] the route that it should take
 * @property {string} [halt] why the run should stop: only a wish
 * @property {boolean} [gather] all ranks may say this: make one alert of it
 */
export class Finding {
  /**
   * @param {string} severity
   * @param {string} state
   * @param {string} key
   * @param {number} row
   * @param {Claim} claim
   */
  constructor(severity, state, key, row, claim) {
    const { title = "", message = "", recommendation = "", values = {} } = claim;
    this.key = key;
    this.severity = severity;
    this.state = state;
    this.row = row;
    this.title = title;
    this.message = message;
    this.recommendation = recommendation;
    this.values = Object.entries(values);
    this.facts = [];
    if (claim.gather) this.facts.push(["ranks", "gather"]);
    if (claim.route !== undefined) this.facts.push(["route", claim.route]);
    if (claim.halt !== undefined) this.facts.push(["halt", claim.halt]);
  }

  /** Worth knowing. @param {string} key @param {number} row @param {Claim} claim */
  static info(key, row, claim) {
    return new Finding("info", "firing", key, row, claim);
  }

  /** Look when you can. @param {string} key @param {number} row @param {Claim} claim */
  static warning(key, row, claim) {
    return new Finding("warning", "firing", key, row, claim);
  }

  /** Look now. @param {string} key @param {number} row @param {Claim} claim */
  static critical(key, row, claim) {
    return new Finding("critical", "firing", key, row, claim);
  }

  /** The trouble has ended. @param {string} key @param {number} row @param {Claim} claim */
  static resolved(key, row, claim) {
    return new Finding("info", "resolved", key, row, claim);
  }
}

/**
 * One value with all that belongs to it.
 *
 * @typedef {object} Point
 * @property {number} step the training step
 * @property {number} time seconds since 1970, NaN when unknown
 * @property {number} rank the process, or NO_RANK
 * @property {number} series the index of the series; state hangs on it and on the rank
 * @property {string} name the canonical name of the series
 * @property {number} value the value, which may be NaN or infinite
 * @property {number} row the row in this batch, for findings
 */

/**
 * A text that an interest asked for.
 *
 * @typedef {object} Text
 * @property {"label" | "text" | "exception" | "event"} kind
 * @property {string} name the label's name, the needle, the exception's type, the event's name
 * @property {string} content the label's value, the line, or the exception's message
 * @property {Record<string, string>} fields more, by kind: for exceptions `frame`, `traceback`
 * @property {number} step
 * @property {number} time
 * @property {number} rank
 * @property {number} row
 */

/**
 * A metric of this run.
 *
 * @typedef {object} Series
 * @property {number} index the number that stands for it
 * @property {string} name the canonical name, such as `loss`, or the printed one
 * @property {string} source the name as the job printed it
 */

/**
 * Some rows of one run, as columns: `steps`, `times` and `ranks` have an entry
 * per row; `indices`, `rows` and `values` an entry per value, ordered by row.
 */
export class Batch {
  /**
   * @param {ArrayLike<number>} steps
   * @param {ArrayLike<number>} times
   * @param {ArrayLike<number>} ranks
   * @param {ArrayLike<number>} indices
   * @param {ArrayLike<number>} rows
   * @param {ArrayLike<number>} values
   * @param {{row: number, kind: string, name: string, content: string, fields: [string, string][]}[]} texts
   * @param {Map<number, Series>} series every series announced so far, by index
   */
  constructor(steps, times, ranks, indices, rows, values, texts, series) {
    this.steps = steps;
    this.times = times;
    this.ranks = ranks;
    this.indices = indices;
    this.rows = rows;
    this.values = values;
    this.rawTexts = texts;
    this.series = series;
  }

  /** The values in the order in which the job printed them. @returns {Point[]} */
  points() {
    // An array and not a generator, which takes twice the time.
    const { steps, times, ranks, indices, rows, values } = this;
    const points = new Array(values.length);
    let known = -1;
    let name = "";
    for (let at = 0; at < points.length; at += 1) {
      const row = rows[at];
      const series = indices[at];
      if (series !== known) {
        known = series;
        name = this.series.get(series)?.name ?? "";
      }
      points[at] = {
        step: steps[row],
        time: times[row],
        rank: ranks[row],
        series,
        name,
        value: values[at],
        row,
      };
    }
    return points;
  }

  /** The texts in the order in which the job printed them. @returns {Text[]} */
  texts() {
    return this.rawTexts.map(({ row, kind, name, content, fields }) => ({
      kind,
      name,
      content,
      fields: Object.fromEntries(fields),
      step: this.steps[row],
      time: this.times[row],
      rank: this.ranks[row],
      row,
    }));
  }
}

/**
 * What a detector is.
 *
 * @typedef {object} Description
 * @property {string} name lower-case words joined by `-`
 * @property {string} version the detector's own version
 * @property {string} summary one line: what it finds
 * @property {string} [doc] the rule, in Markdown
 * @property {Parameter[]} [parameters] in the order in which they are shown
 */

/** A rule that watches one run. */
export class Detector {
  /** @type {Description} */
  static description = { name: "", version: "0.1.0", summary: "" };

  /**
   * Starts watching a run. Throw `Refused` when the parameters contradict each
   * other.
   *
   * @param {Record<string, string>} run facts: `project`, `run`, `host`
   * @param {Record<string, any>} parameters a valid value for every parameter
   */
  // eslint-disable-next-line no-unused-vars
  constructor(run, parameters) {}

  /**
   * What this monitor wants to be told. Asked once; the answer may depend on
   * the parameters and on nothing else.
   *
   * @returns {Interest[]}
   */
  interests() {
    throw new Error("a detector needs `interests`");
  }

  /**
   * Looks at new rows. How they are grouped into calls depends on how fast they
   * arrive and must not change what is found. Make it a generator (`*observe`)
   * that yields findings, or return an array, or nothing.
   *
   * @param {Batch} _batch
   * @returns {Iterable<Finding> | void}
   */
  observe(_batch) {}

  /**
   * Time passed, if an `Interest.tick` asked for it.
   *
   * @param {number} _now seconds since 1970, of the stream's clock
   * @returns {Iterable<Finding> | void}
   */
  tick(_now) {}

  /**
   * The run ended.
   *
   * @param {"completed" | "crashed" | "killed" | "unknown"} _outcome
   * @returns {Iterable<Finding> | void}
   */
  finish(_outcome) {}

  /**
   * The state, as anything that JSON can hold, so that a restart goes on where
   * it was; nothing if the detector keeps none.
   *
   * @returns {any}
   */
  save() {}

  /**
   * Takes back what `save` gave. An error means "not mine": the monitor then
   * starts without it.
   *
   * @param {any} _state
   */
  restore(_state) {
    throw new Refused("this detector keeps no state");
  }
}

/**
 * A state for each series and rank, made when its first point arrives. `save`
 * may give it back as it is: JSON knows how.
 *
 * @template State
 */
export class Keyed {
  /**
   * @param {() => State} make
   * @param {[number, State][]} saved what became of it in `save`
   */
  constructor(make, saved = []) {
    this.make = make;
    this.states = new Map(saved);
  }

  /** The state for a point. @param {{series: number, rank: number}} point @returns {State} */
  of({ series, rank }) {
    // One number, which a double holds exactly: texts as keys take longer.
    const key = series * 4294967296 + rank;
    let state = this.states.get(key);
    if (state === undefined) {
      state = this.make();
      this.states.set(key, state);
    }
    return state;
  }

  toJSON() {
    return [...this.states];
  }
}

/** Remembers whether a finding is out, so that an episode is reported once. */
export class Latch {
  constructor(isSet = false) {
    this.isSet = isSet;
  }

  /** Sets the latch; true if it was not set before: time to report. */
  set() {
    const wasSet = this.isSet;
    this.isSet = true;
    return !wasSet;
  }

  /** Clears the latch; true if it was set: time to report the end. */
  clear() {
    const wasSet = this.isSet;
    this.isSet = false;
    return wasSet;
  }
}

/**
 * A number for a message: as many digits as it has, and never an exponent.
 *
 * @param {number} value
 */
export function number(value) {
  if (!Number.isFinite(value)) {
    return Number.isNaN(value) ? "NaN" : value > 0 ? "inf" : "-inf";
  }
  if (Object.is(value, -0)) return "-0";
  const [mantissa, exponent] = String(value).split("e");
  if (exponent === undefined) return mantissa;
  const sign = value < 0 ? "-" : "";
  const [whole, fraction = ""] = mantissa.replace("-", "").split(".");
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  return point <= 0
    ? `${sign}0.${"0".repeat(-point)}${digits}`
    : sign + digits.padEnd(point, "0");
}
