// The values under the cursor, a swatch and a number per line. Written straight
// into the page: the cursor moves too often for anything else.
import type { RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { fromNumber, localTime, step as stepText, value as valueText } from "../format";
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
    const x = index === null ? undefined : drawing.data[0][index];
    if (step.current) step.current.textContent = x === undefined ? atRest(drawing) : stepAndTime(drawing, x);
    drawing.lines.forEach((_, line) => {
      const place = values.current[line];
      if (place) place.textContent = index === null || x === undefined ? last(drawing, line) : shown(drawing, line, index);
    });
  };
  useLayoutEffect(() => {
    handle.current = { show };
    show(now.current !== null && now.current < drawing.data[0].length ? now.current : null);
  });
  return (
    <div class={`readings${drawing.lines.length > 1 ? " several" : ""}`}>
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

function stepAndTime({ clock }: Drawing, step: number): string {
  const at = clock?.get(step);
  return at === undefined ? `step ${stepText(step)}` : `step ${stepText(step)}, ${localTime(new Date(at * 1000).toISOString())}`;
}

function atRest(drawing: Drawing): string {
  const ends = new Set(drawing.lines.filter((line) => !line.old).map((line) => line.steps[line.steps.length - 1]));
  const [end] = ends;
  if (end === undefined) return "no values";
  return ends.size === 1 ? `last, step ${stepText(end)}` : "last of each";
}

/** The last value of a line. */
function last(drawing: Drawing, line: number): string {
  const values = drawing.lines[line]?.values ?? [];
  return valueText(fromNumber(values[values.length - 1] ?? null));
}

/** The line's value at the place, or else the last one before it. */
function shown(drawing: Drawing, line: number, at: number): string {
  const column = drawing.data[line + 1] ?? [];
  const { steps = [] } = drawing.lines[line] ?? {};
  const x = drawing.data[0][at] ?? 0;
  if (x > (steps[steps.length - 1] ?? -Infinity)) return "–";
  for (let index = at; index >= 0 && index > at - 64; index -= 1) {
    const value = column[index];
    if (value === null) return oddAt(drawing, drawing.data[0][index]);
    if (value !== undefined) return valueText(value);
  }
  return "–";
}

function oddAt(drawing: Drawing, step: number | undefined): string {
  return valueText(fromNumber(drawing.odd.find((odd) => odd.step === step)?.value ?? null));
}
