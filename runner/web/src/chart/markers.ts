// Alerts on a chart: a line on the canvas and a button above it.
import type uPlot from "uplot";
import { colour, isPrinting } from "../theme";
import { visible } from "../visible";
import type { Alert, Severity } from "../types";

export interface Marker {
  step: number;
  severity: Severity;
  resolved: boolean;
  title: string;
  alert: string;
}

const rank: Record<Severity, number> = { info: 0, warning: 1, critical: 2 };

export function markersOf(alerts: Alert[]): Marker[] {
  return alerts
    .filter((alert): alert is Alert & { step: number } => alert.step !== null)
    .map((alert) => ({
      step: alert.step,
      severity: alert.severity,
      resolved: alert.state === "resolved",
      title: alert.title,
      alert: alert.id,
    }))
    .sort((a, b) => a.step - b.step);
}

/** Draws the vertical lines; called before the series are drawn. */
export function paintMarkers(u: uPlot, markers: Marker[]): void {
  const { ctx } = u;
  const { top, height } = u.bbox;
  const { min, max } = u.scales["x"] ?? {};
  if (min == null || max == null) return;
  ctx.save();
  ctx.lineWidth = devicePixelRatio;
  for (const marker of markers) {
    if (marker.step < min || marker.step > max) continue;
    const x = Math.round(u.valToPos(marker.step, "x", true)) + 0.5;
    ctx.strokeStyle = colour(marker.resolved ? "--good" : `--${marker.severity}`);
    ctx.globalAlpha = marker.resolved ? 0.35 : 0.55;
    ctx.setLineDash(marker.resolved ? [3 * devicePixelRatio, 3 * devicePixelRatio] : []);
    ctx.beginPath();
    ctx.moveTo(x, top - 4 * devicePixelRatio);
    ctx.lineTo(x, top + height);
    ctx.stroke();
    if (isPrinting()) paintShape(ctx, marker, x, top - 8 * devicePixelRatio);
  }
  ctx.restore();
}

/** The shape of the button that there is on the screen. */
function paintShape(ctx: CanvasRenderingContext2D, marker: Marker, x: number, y: number): void {
  const r = 4.5 * devicePixelRatio;
  const corners = { critical: 4, warning: 3, info: 24 }[marker.severity];
  ctx.globalAlpha = 1;
  ctx.setLineDash([]);
  ctx.fillStyle = ctx.strokeStyle;
  ctx.beginPath();
  for (let corner = 0; corner < (marker.resolved ? 24 : corners); corner += 1) {
    const angle = (2 * Math.PI * corner) / (marker.resolved ? 24 : corners) - Math.PI / 2;
    ctx.lineTo(x + r * Math.cos(angle), y + r * Math.sin(angle));
  }
  ctx.closePath();
  if (marker.resolved) ctx.stroke();
  else ctx.fill();
}

/** Puts a button on each alert, or on several that are too close to tell apart. */
export function placeMarkers(u: uPlot, place: HTMLElement, markers: Marker[], open: (alert: string) => void): void {
  const { min, max } = u.scales["x"] ?? {};
  place.replaceChildren();
  if (min == null || max == null) return;
  let group: Marker[] = [];
  let start = -Infinity;
  const flush = () => {
    if (group.length > 0) place.append(button(group, start, open));
    group = [];
  };
  for (const marker of markers) {
    if (marker.step < min || marker.step > max) continue;
    const left = u.valToPos(marker.step, "x");
    if (left - start > 9) {
      flush();
      start = left;
    }
    group.push(marker);
  }
  flush();
}

function button(group: Marker[], left: number, open: (alert: string) => void): HTMLElement {
  const firing = group.filter((marker) => !marker.resolved);
  const worst = (firing.length > 0 ? firing : group).reduce((a, b) => (rank[b.severity] > rank[a.severity] ? b : a));
  const made = document.createElement("button");
  made.type = "button";
  made.tabIndex = -1;
  made.className = `marker ${worst.resolved ? "resolved" : worst.severity}`;
  made.style.left = `${left}px`;
  const lines = group.slice(0, 12).map((marker) => `${marker.resolved ? "resolved" : marker.severity} at step ${marker.step}: ${marker.title}`).map(visible);
  if (group.length > 12) lines.push(`and ${group.length - 12} more`);
  made.title = lines.join("\n");
  made.setAttribute("aria-label", lines.join("; "));
  made.dataset["alert"] = worst.alert;
  if (group.length > 1) made.dataset["count"] = String(group.length);
  // The chart below would take this for the start of a zoom.
  made.addEventListener("mousedown", (event) => event.stopPropagation());
  made.addEventListener("dblclick", (event) => event.stopPropagation());
  made.addEventListener("click", (event) => {
    event.stopPropagation();
    open(worst.alert);
  });
  return made;
}
