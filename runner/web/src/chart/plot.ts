// A uPlot chart of one metric: its scales, its looks, and how it is zoomed.
import uPlot from "uplot";
import { logTicks, stepTicks, ticks } from "../format";
import { colour } from "../theme";
import type { Drawing, Odd } from "./lines";
import { type Marker, paintMarkers, placeMarkers } from "./markers";
import type { Range } from "./range";

export interface PlotOptions {
  width: number;
  height: number;
  log: boolean;
  /** Charts with the same key share the cursor. */
  sync: string;
  /** Read anew at each painting, so that they may change without a new chart. */
  markers: () => Marker[];
  onZoom: (range: Range | null) => void;
  onCursor: (index: number | null) => void;
  onAlert: (alert: string) => void;
}

export class Plot {
  readonly #u: uPlot;
  #drawing: Drawing;

  constructor(place: HTMLElement, drawing: Drawing, range: Range, options: PlotOptions) {
    this.#drawing = drawing;
    const buttons = document.createElement("div");
    buttons.className = "markers";
    this.#u = new uPlot(settings(drawing, options, () => this.#drawing.odd, buttons), drawing.data as uPlot.AlignedData, place);
    this.#u.over.append(buttons);
    touch(this.#u);
    this.look(range);
  }

  /** Shows a stretch of steps. */
  look(range: Range): void {
    this.#u.setScale("x", { min: range.from, max: range.to });
  }

  /** Takes new data of the same lines. */
  feed(drawing: Drawing, range: Range): void {
    this.#drawing = drawing;
    this.#u.setData(drawing.data as uPlot.AlignedData, false);
    this.look(range);
  }

  resize(width: number, height: number): void {
    this.#u.setSize({ width, height });
  }

  repaint(): void {
    this.#u.redraw(false, false);
  }

  /** The stretch of steps in sight. */
  sight(): Range {
    const { min, max } = this.#u.scales["x"] ?? {};
    return { from: min ?? 0, to: max ?? 1 };
  }

  cursor(): number | null {
    return this.#u.cursor.idx ?? null;
  }

  /** Moves the cursor to a place in the data, as the mouse would. */
  point(index: number): void {
    const x = this.#drawing.data[0][index];
    if (x === undefined) return;
    moveCursor(this.#u, this.#u.valToPos(x, "x"), this.#u.over.clientHeight / 2);
  }

  destroy(): void {
    this.#u.destroy();
  }
}

function settings(drawing: Drawing, options: PlotOptions, odd: () => Odd[], buttons: HTMLElement): uPlot.Options {
  const axis = { stroke: colour("--quiet"), font: `11px ${fonts()}`, grid: { stroke: colour("--grid"), width: 1 }, ticks: { stroke: colour("--grid"), width: 1, size: 4 }, gap: 4 };
  return {
    width: options.width,
    height: options.height,
    padding: [14, 22, 0, 0],
    legend: { show: false },
    scales: {
      x: { time: false, range: (_u, min, max) => wide(min, max) },
      y: { distr: options.log ? 3 : 1, range: options.log ? logRange : linearRange },
    },
    axes: [
      { ...axis, size: 26, space: 64, values: (_u, splits) => stepTicks(splits) },
      {
        ...axis,
        space: 34,
        size: (_u, values) => Math.max(40, 14 + 6.6 * Math.max(0, ...(values ?? []).map((text) => text?.length ?? 0))),
        values: (_u, splits) => (options.log ? logTicks(splits) : ticks(splits)),
      },
    ],
    series: [{}, ...drawing.lines.map((line) => stroke(line.hue, line.old, drawing.lines.length))],
    ...(drawing.band ? { bands: [{ series: [2, 1] as [number, number], fill: colour("--band") }] } : {}),
    cursor: {
      sync: { key: options.sync, scales: ["x", null], setSeries: false, filters: { pub: onlyMoves, sub: onlyMoves } },
      drag: { x: true, y: false, setScale: false, dist: 4 },
      bind: { dblclick: () => () => (options.onZoom(null), null) },
      y: false,
      points: { size: 7 },
    },
    hooks: {
      drawAxes: [(u) => paintMarkers(u, options.markers())],
      draw: [
        (u) => {
          paintOdd(u, odd());
          placeMarkers(u, buttons, options.markers(), options.onAlert);
        },
      ],
      setCursor: [(u) => options.onCursor(u.cursor.idx ?? null)],
      setSelect: [
        (u) => {
          const { left, width } = u.select;
          if (width < 3) return;
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          options.onZoom({ from: u.posToVal(left, "x"), to: u.posToVal(left + width, "x") });
        },
      ],
    },
  };
}

/** Only the cursor is shared by way of uPlot: who shares the zoom is for the page to say. */
function onlyMoves(type: string): boolean {
  return type === "mousemove" || type === "mouseleave" || type === "mouseenter";
}

const dashes: (number[] | undefined)[] = [undefined, [6, 3], [2, 3], [8, 3, 2, 3]];

function stroke(hue: number, old: boolean, lines: number): uPlot.Series {
  const dash = old ? [3, 4] : dashes[Math.floor(hue / 8) % dashes.length];
  return {
    stroke: colour(`--line-${hue % 8}`),
    width: lines > 8 ? 1 : 1.5,
    alpha: old ? 0.45 : 1,
    ...(dash ? { dash } : {}),
    points: { show: lines <= 4 ? undefined : false, size: 4 } as uPlot.Series.Points,
  };
}

/** Values that are no numbers, on the axis: a cross for NaN, an arrow for an infinity. */
function paintOdd(u: uPlot, odd: Odd[]): void {
  const { ctx } = u;
  const { top, height } = u.bbox;
  const { min, max } = u.scales["x"] ?? {};
  if (min == null || max == null || odd.length === 0) return;
  const r = 3.5 * devicePixelRatio;
  const y = top + height - r - 2 * devicePixelRatio;
  const painted = new Set<string>();
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour("--odd");
  ctx.lineWidth = 1.75 * devicePixelRatio;
  for (const { step, value } of odd) {
    if (step < min || step > max) continue;
    const x = Math.round(u.valToPos(step, "x", true));
    const slot = `${Math.round(x / (2 * devicePixelRatio))} ${value}`;
    if (painted.has(slot)) continue;
    painted.add(slot);
    ctx.beginPath();
    if (Number.isNaN(value)) {
      ctx.moveTo(x - r, y - r);
      ctx.lineTo(x + r, y + r);
      ctx.moveTo(x - r, y + r);
      ctx.lineTo(x + r, y - r);
      ctx.stroke();
    } else {
      const up = value > 0 ? 1 : -1;
      ctx.moveTo(x - r, y + up * r);
      ctx.lineTo(x + r, y + up * r);
      ctx.lineTo(x, y - up * r);
      ctx.fill();
    }
  }
  ctx.restore();
}

function wide(min: number | null, max: number | null): [number, number] {
  if (min === null || max === null) return [0, 1];
  return min === max ? [min - 1, max + 1] : [min, max];
}

function linearRange(_u: uPlot, min: number | null, max: number | null): [number, number] {
  if (min === null || max === null) return [0, 1];
  if (min === max) {
    const room = Math.abs(min) * 0.05 || 1;
    return [min - room, max + room];
  }
  const room = (max - min) * 0.07;
  return [min - room, max + room];
}

function logRange(_u: uPlot, min: number | null, max: number | null): [number, number] {
  if (min === null || max === null || !(min > 0)) return [0.1, 10];
  return [10 ** Math.floor(Math.log10(min) - 1e-9), 10 ** Math.ceil(Math.log10(max) + 1e-9)];
}

function fonts(): string {
  return getComputedStyle(document.body).fontFamily;
}

/** A finger moves the cursor; up and down it scrolls the page. */
function touch(u: uPlot): void {
  const move = (event: PointerEvent) => {
    if (event.pointerType === "mouse") return;
    const box = u.over.getBoundingClientRect();
    moveCursor(u, event.clientX - box.left, event.clientY - box.top);
  };
  u.over.addEventListener("pointerdown", move);
  u.over.addEventListener("pointermove", move);
}

/** Moves the cursor here and in the charts that share it. uPlot's types do not name the last argument. */
function moveCursor(u: uPlot, left: number, top: number): void {
  const set = u.setCursor as (place: { left: number; top: number }, fire: boolean, publish: boolean) => void;
  set({ left, top }, true, true);
}
