// A chart with its title, tools, readings and words for those who cannot see it.
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { count, fromNumber, step as stepText, value as valueText } from "../format";
import { useThemeVersion } from "../theme";
import { Hidden } from "../parts/bits";
import type { Drawing } from "./lines";
import type { Marker } from "./markers";
import { Plot } from "./plot";
import { fit, type Range, same, scale } from "./range";
import { Readings, type Reading } from "./readings";
import { Summary } from "./summary";

interface Props {
  name: string;
  /** Beside the name: as printed, or what else tells it apart. */
  aside?: ComponentChildren;
  drawing: Drawing;
  /** All steps there are. */
  whole: Range;
  range: Range | null;
  onZoom: (range: Range | null) => void;
  log: boolean;
  onLog: (log: boolean) => void;
  markers: Marker[];
  onAlert: (alert: string) => void;
  sync: string;
  /** Said below the chart. */
  notes: string[];
  height?: number;
}

export function Chart(props: Props) {
  const { name, drawing, whole, range, log, markers, height = 190 } = props;
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const readings = useRef<Reading>(null);
  const latest = useRef(props);
  latest.current = props;
  const theme = useThemeVersion();
  const [said, say] = useState("");
  const shape = `${drawing.band} ${drawing.lines.map((line) => `${line.label} ${line.hue} ${line.old}`).join("\n")}`;

  const zoom = (next: Range | null) => {
    const { whole, range, onZoom } = latest.current;
    const fitted = next && fit(next, whole);
    if (!same(fitted, range)) onZoom(fitted);
  };

  useLayoutEffect(() => {
    const box = place.current;
    if (!box) return;
    const made = new Plot(box, latest.current.drawing, latest.current.range ?? latest.current.whole, {
      width: Math.max(box.clientWidth, 120),
      height,
      log,
      sync: props.sync,
      markers: () => latest.current.markers,
      onZoom: zoom,
      onCursor: (index) => readings.current?.show(index),
      onAlert: (alert) => latest.current.onAlert(alert),
    });
    plot.current = made;
    const watch = new ResizeObserver(() => box.clientWidth > 0 && made.resize(box.clientWidth, height));
    watch.observe(box);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [theme, log, shape, height, props.sync]);

  const fed = useRef(drawing);
  useLayoutEffect(() => {
    const sight = range ?? whole;
    if (fed.current !== drawing) plot.current?.feed(drawing, sight);
    else plot.current?.look(sight);
    fed.current = drawing;
  }, [drawing, range?.from, range?.to, whole.from, whole.to]);
  useLayoutEffect(() => plot.current?.repaint(), [markers]);

  const keys = (event: KeyboardEvent) => {
    const act = key(event.key, event.shiftKey);
    if (!act || event.ctrlKey || event.metaKey || event.altKey || !plot.current) return;
    event.preventDefault();
    const told = act(plot.current, latest.current, zoom);
    if (told) say(told);
  };

  const zoomBy = (factor: number) => {
    const sight = plot.current?.sight();
    if (sight) zoom(scale(sight, factor, (sight.from + sight.to) / 2));
  };

  const notes = useMemo(() => [...props.notes, ...drawing.notes, ...oddNote(drawing, log)], [props.notes, drawing, log]);

  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-name" title={name}>
          {name}
        </span>
        {props.aside}
        <span class="chart-tools">
          <button type="button" class="tool" aria-pressed={log} onClick={() => props.onLog(!log)} title="Logarithmic scale">
            log
          </button>
          <button type="button" class="tool" onClick={() => zoomBy(0.5)} title="Zoom in" aria-label={`Zoom in on ${name}`}>
            +
          </button>
          <button type="button" class="tool" onClick={() => zoomBy(2)} disabled={!range} title="Zoom out" aria-label={`Zoom out of ${name}`}>
            −
          </button>
          <button type="button" class="tool" data-act="reset" onClick={() => zoom(null)} disabled={!range} title="Show all steps (Esc)">
            all
          </button>
        </span>
      </figcaption>
      <Readings handle={readings} drawing={drawing} />
      <div
        class="plot"
        ref={place}
        tabIndex={0}
        role="application"
        aria-roledescription="chart"
        aria-label={`${name}, steps ${stepText(range ? Math.round(range.from) : whole.from)} to ${stepText(range ? Math.round(range.to) : whole.to)}. Left and right move the cursor, plus and minus zoom, Escape shows all, N and P go to the next and the previous alert, Enter opens it.`}
        onKeyDown={keys}
      />
      {notes.length > 0 && <p class="chart-notes">{notes.join(" ")}</p>}
      <Hidden live>{said}</Hidden>
      <Summary name={name} drawing={drawing} alerts={markers.length} />
    </figure>
  );
}

function oddNote(drawing: Drawing, log: boolean): string[] {
  const notes: string[] = [];
  const nan = drawing.odd.filter((odd) => Number.isNaN(odd.value)).length;
  const infinite = drawing.odd.length - nan;
  if (nan > 0) notes.push(`${count(nan)} NaN, marked × on the axis.`);
  if (infinite > 0) notes.push(`${count(infinite)} infinite, marked ▲ or ▼ on the axis.`);
  if (log && drawing.unloggable > 0) notes.push(`${count(drawing.unloggable)} of zero or less, which a logarithmic scale cannot show.`);
  return notes;
}

type Act = (plot: Plot, props: Props, zoom: (range: Range | null) => void) => string | null;

/** What a key does; answers with what to say about it. */
function key(name: string, shift: boolean): Act | null {
  switch (name) {
    case "ArrowLeft":
      return move(shift ? -10 : -1);
    case "ArrowRight":
      return move(shift ? 10 : 1);
    case "Home":
      return move(-Infinity);
    case "End":
      return move(Infinity);
    case "+":
    case "=":
      return zoomAtCursor(0.5);
    case "-":
      return zoomAtCursor(2);
    case "0":
    case "Escape":
      return (_plot, _props, zoom) => (zoom(null), "All steps");
    case "n":
      return toAlert(1);
    case "p":
      return toAlert(-1);
    case "Enter":
      return openAlert;
    default:
      return null;
  }
}

function move(by: number): Act {
  return (plot, { drawing, range }) => {
    const steps = drawing.data[0];
    const low = range ? steps.findIndex((step) => step >= range.from) : 0;
    let high = steps.length - 1;
    while (range && high > low && (steps[high] as number) > range.to) high -= 1;
    const now = plot.cursor() ?? (by > 0 ? low - 1 : high + 1);
    const next = Math.min(high, Math.max(low, now + by));
    plot.point(next);
    return reading(drawing, next);
  };
}

function zoomAtCursor(factor: number): Act {
  return (plot, { drawing }, zoom) => {
    const sight = plot.sight();
    const at = plot.cursor();
    const step = at === null ? undefined : drawing.data[0][at];
    const next = scale(sight, factor, step ?? (sight.from + sight.to) / 2);
    zoom(next);
    return `Steps ${stepText(Math.round(next.from))} to ${stepText(Math.round(next.to))}`;
  };
}

function toAlert(by: 1 | -1): Act {
  return (plot, { drawing, markers }) => {
    const steps = drawing.data[0];
    const at = plot.cursor();
    const now = at === null ? (by > 0 ? -Infinity : Infinity) : (steps[at] ?? 0);
    const found = by > 0 ? markers.find((marker) => marker.step > now) : markers.findLast((marker) => marker.step < now);
    if (!found) return "No more alerts";
    plot.point(nearest(steps, found.step));
    return `${found.severity} at step ${stepText(found.step)}: ${found.title}`;
  };
}

const openAlert: Act = (plot, { drawing, markers, onAlert }) => {
  const at = plot.cursor();
  const step = at === null ? undefined : drawing.data[0][at];
  if (step === undefined || markers.length === 0) return "No alert here";
  const found = markers.reduce((a, b) => (Math.abs(b.step - step) < Math.abs(a.step - step) ? b : a));
  onAlert(found.alert);
  return null;
};

function nearest(steps: number[], step: number): number {
  const after = steps.findIndex((at) => at >= step);
  if (after <= 0) return after < 0 ? steps.length - 1 : 0;
  return step - (steps[after - 1] as number) < (steps[after] as number) - step ? after - 1 : after;
}

function reading(drawing: Drawing, index: number): string {
  const values = drawing.lines.map((line, at) => {
    const value = drawing.data[at + 1]?.[index];
    const label = drawing.lines.length > 1 ? `${line.label} ` : "";
    return value == null ? null : `${label}${valueText(value)}`;
  });
  const odd = drawing.odd.filter((odd) => odd.step === drawing.data[0][index]).map((odd) => valueText(fromNumber(odd.value)));
  return `Step ${stepText(drawing.data[0][index] ?? null)}: ${[...values.filter(Boolean), ...odd].join(", ") || "no value"}`;
}
