/**
 * Breaks the contract in every way that JavaScript can, on request.
 *
 * The parameter `does` names the misdeed and `when` the step at which `observe`
 * strikes. Until then, and with `does = nothing`, it is a well-behaved
 * detector: it reports every value above ten.
 */

import { Detector, Finding, Interest, Parameter, Refused } from "./runwatch.js";

const good = (row) =>
  Finding.warning("high", row, {
    title: "High",
    message: "high",
    recommendation: "Look at it.",
  });

const recurse = (depth) => recurse(depth + 1) + depth;

function lookup(key) {
  return { a: { b: 1 } }[key].b;
}

export default class Hostile extends Detector {
  static description = {
    name: "hostile-js",
    version: "0.1.0",
    summary: "Breaks the contract on request",
    parameters: [
      Parameter.text("does", "nothing", { doc: "See tests/hostile." }),
      Parameter.integer("when", 0, { doc: "The step." }),
    ],
  };

  constructor(run, parameters) {
    super(run, parameters);
    this.does = parameters.does;
    this.when = parameters.when;
    if (this.does === "refuse") throw new Refused("I cannot use these parameters");
    if (this.does === "raise-open") throw new RangeError("not even begun");
  }

  interests() {
    return [Interest.metric("*")];
  }

  *observe(batch) {
    for (const point of batch.points()) {
      if (point.value > 10) yield good(point.row);
      if (point.step === this.when) yield* this.strike(point);
    }
  }

  *strike(point) {
    const { row } = point;
    switch (this.does) {
      case "loop":
        for (;;);
      case "memory": {
        const eaten = [];
        for (;;) eaten.push(new Uint8Array(1 << 20).fill(1));
      }
      case "recurse":
        recurse(0);
        break;
      case "raise":
        console.log("about to fail:", point.value);
        lookup("b");
        break;
      case "throw-text":
        throw "no error at all";
      case "no-recommendation":
        yield Finding.warning("high", row, { title: "High", message: "high" });
        break;
      case "bad-row":
        yield good(17);
        break;
      case "wrong-type":
        yield { ...good(row), title: 5 };
        break;
      case "missing":
        yield { key: "x" };
        break;
      case "flood":
        for (let i = 0; i < 1000; i += 1) yield good(row);
        break;
      case "print":
        console.log("a number", 1, "and", { a: [1, "b"] });
        console.error("two\nlines");
        throw new Error();
      case "look-around":
        yield Finding.warning("seen", row, {
          title: "Seen",
          message: `time ${Date.now()}, ${new Date().toISOString()}, dice ${Math.random()}`,
          recommendation: "Look at it.",
        });
        break;
    }
  }
}
