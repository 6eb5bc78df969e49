// The values under the cursor, a swatch and a number per line. Written straight
// into the page: the cursor moves too often for anything else.
import type { RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { step as stepText, value as valueText } from "../format";
import type { Drawing } from "./lines";
import { Swatch } from "./swatch";

export interface Reading {
  show: (index: number | null) => void;
}

export function Readings({ drawing, handle }: { drawing: Drawing; handle: RefObject<Reading | null> }) {
  const step = useRef<HTMLSpanElement>(null);
  const values = useRef<(HTMLSpanElement | null)[]>([]);
  const now = useRef<number | null>(null);
  const show = (index: number | null) => {
    now.current = index;
    const steps = drawing.data[0];
    const at = index ?? steps.length - 1;
    const x = steps[at];
    if (step.current) step.current.textContent = x === undefined ? "no values" : `${index === null ? "last, step" : "step"} ${stepText(x)}`;
    drawing.lines.forEach((_, line) => {
      const place = values.current[line];
      if (place) place.textContent = x === undefined ? "" : shown(drawing, line, at);
    });
  };
  useLayoutEffect(() => {
    handle.current = { show };
    show(now.current !== null && now.current < drawing.data[0].length ? now.current : null);
  });
  return (
    <div class="readings">
      <span class="reading-step" ref={step} />
      {drawing.lines.map((line, at) => (
        <span class="reading" key={at}>
          {(drawing.lines.length > 1 || line.old) && (
            <>
              <Swatch hue={line.hue} old={line.old} /> <span class="reading-label">{line.old ? `${line.label}, before` : line.label}</span>
            </>
          )}
          <span
            class="reading-value"
            ref={(place) => {
              values.current[at] = place;
            }}
          />
        </span>
      ))}
    </div>
  );
}

/** The line's value at the place, or else the last one before it. */
function shown(drawing: Drawing, line: number, at: number): string {
  const column = drawing.data[line + 1] ?? [];
  for (let index = at; index >= 0 && index > at - 64; index -= 1) {
    const value = column[index];
    if (value === null) return oddAt(drawing, drawing.data[0][index]);
    if (value !== undefined) return valueText(value);
  }
  return "–";
}

function oddAt(drawing: Drawing, step: number | undefined): string {
  const found = drawing.odd.find((odd) => odd.step === step)?.value;
  if (found === undefined) return "–";
  return Number.isNaN(found) ? "NaN" : found > 0 ? "+Infinity" : "−Infinity";
}
