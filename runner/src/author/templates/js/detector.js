/**
 * `{{name}}`: the evaluation loss goes up again and again.
 *
 * This is the example that every new project begins with. Change what it is
 * (`description`), what it wants to be told (`interests`) and what it looks for
 * (`observe`).
 */

import { Detector, Finding, Interest, Keyed, Parameter, number } from "./runwatch.js";

/** One series of one rank. */
const watch = () => ({ last: /** @type {number | null} */ (null), rises: 0, reported: false });

export default class Rule extends Detector {
  static description = {
    name: "{{name}}",
    version: "0.1.0",
    summary: "The evaluation loss goes up again and again",
    doc: `Fires when the evaluation loss rises several evaluations in a row, and
resolves when it falls again.`,
    parameters: [
      Parameter.integer("times", 3, {
        unit: "evaluations",
        min: 1,
        max: 100,
        doc: "How many rises in a row are too many.",
      }),
    ],
  };

  /**
   * @param {Record<string, string>} run
   * @param {{times: number}} parameters
   */
  constructor(run, parameters) {
    super(run, parameters);
    // The host has checked the value against what is said above.
    this.times = parameters.times;
    // All state belongs in here: one program watches many runs.
    this.watches = new Keyed(watch);
  }

  interests() {
    // Canonical names: it may be printed as `eval/loss` or `val_loss`.
    return [Interest.metric("eval_loss")];
  }

  /** @param {import("./runwatch.js").Batch} batch */
  *observe(batch) {
    for (const point of batch.points()) {
      // NaN is data, but it is the business of another detector, and nothing
      // can be compared with it.
      if (!Number.isFinite(point.value)) continue;
      const seen = this.watches.of(point);
      const rose = seen.last !== null && point.value > seen.last;
      seen.rises = rose ? seen.rises + 1 : 0;
      seen.last = point.value;
      if (seen.rises >= this.times && !seen.reported) {
        // Reported once per episode: cooldown is runwatch's business.
        seen.reported = true;
        yield Finding.warning("rising", point.row, {
          title: "Evaluation loss keeps rising",
          message:
            `eval_loss has risen ${seen.rises} times in a row, ` +
            `to ${number(point.value)} at step ${point.step}.`,
          recommendation:
            "Compare with the training loss: if that still falls, the model overfits. " +
            "Stop here, or go back to the best checkpoint.",
          values: { eval_loss: point.value, rises: seen.rises },
        });
      } else if (!rose && seen.reported) {
        seen.reported = false;
        yield Finding.resolved("rising", point.row, {
          title: "Evaluation loss falls again",
          message: `eval_loss is ${number(point.value)} at step ${point.step}.`,
        });
      }
    }
  }

  // State is optional. With it, a restart goes on where it was.

  save() {
    return this.watches;
  }

  /** @param {[number, ReturnType<typeof watch>][]} state */
  restore(state) {
    this.watches = new Keyed(watch, state);
  }
}
