// Detector × step: a row per detector, a bar per episode from firing to resolved.
import { useMemo } from "preact/hooks";
import { fit, type Range } from "../chart/range";
import { plural, step as stepText, stepTicks } from "../format";
import type { Alert, Severity } from "../types";
import { Mark } from "./bits";

interface Episode {
  detector: string;
  alert: string;
  title: string;
  severity: Severity;
  from: number;
  /** null: still firing. */
  to: number | null;
  lane: number;
}

interface Row {
  detector: string;
  episodes: Episode[];
  lanes: number;
}

const order: Record<Severity, number> = { info: 0, warning: 1, critical: 2 };

/** Episodes of alerts given in order of time. */
export function episodesOf(alerts: Alert[], end: number): Row[] {
  const open = new Map<string, Episode>();
  for (const alert of alerts) {
    const at = alert.first_step ?? alert.step;
    if (at === null) continue;
    const key = `${alert.fingerprint} ${alert.episode}`;
    const known = open.get(key);
    const episode = known ?? { detector: alert.detector, alert: alert.id, title: alert.title, severity: alert.severity, from: at, to: null, lane: 0 };
    if (alert.state === "resolved") episode.to = alert.step ?? episode.from;
    else if (order[alert.severity] >= order[episode.severity]) {
      episode.severity = alert.severity;
      episode.title = alert.title;
      episode.alert = alert.id;
    }
    open.set(key, episode);
  }
  endWithTheNext([...open.entries()]);
  const rows = new Map<string, Row>();
  for (const episode of [...open.values()].sort((a, b) => a.from - b.from)) {
    const row = rows.get(episode.detector) ?? { detector: episode.detector, episodes: [], lanes: 1 };
    row.episodes.push(episode);
    rows.set(episode.detector, row);
  }
  for (const row of rows.values()) row.lanes = assignLanes(row.episodes, end);
  return [...rows.values()].sort((a, b) => worst(b) - worst(a) || a.detector.localeCompare(b.detector));
}

/** An episode that was not resolved is over when the same trouble begins anew. */
function endWithTheNext(episodes: [string, Episode][]): void {
  const last = new Map<string, Episode>();
  for (const [key, episode] of episodes) {
    const trouble = key.split(" ")[0] ?? key;
    const before = last.get(trouble);
    if (before && before.to === null && episode.from >= before.from) before.to = episode.from;
    last.set(trouble, episode);
  }
}

const worst = (row: Row) => Math.max(...row.episodes.map((episode) => order[episode.severity]));

/** Puts episodes that overlap below each other; answers how many lanes that takes. */
function assignLanes(episodes: Episode[], end: number): number {
  const ends: number[] = [];
  for (const episode of episodes) {
    const free = ends.findIndex((last) => last <= episode.from);
    episode.lane = Math.min(free < 0 ? ends.length : free, 7);
    ends[episode.lane] = episode.to ?? end;
  }
  return ends.length;
}

interface Props {
  alerts: Alert[];
  whole: Range;
  range: Range | null;
  onAlert: (alert: string) => void;
}

export function Timeline({ alerts, whole, range, onAlert }: Props) {
  const rows = useMemo(() => episodesOf(alerts, whole.to), [alerts, whole.to]);
  const without = alerts.filter((alert) => alert.step === null && alert.first_step === null).length;
  const sight = (range && fit(range, whole)) ?? (whole.to > whole.from ? whole : { from: whole.from - 1, to: whole.to + 1 });
  const at = (step: number) => (100 * (step - sight.from)) / (sight.to - sight.from);
  if (rows.length === 0) {
    return <p class="quiet">{alerts.length === 0 ? "No alerts, so nothing to place." : "No alert of this run names a step."}</p>;
  }
  return (
    <div class="timeline">
      {rows.map((row) => (
        <div class="timeline-row" key={row.detector} role="group" aria-label={`Detector ${row.detector}`}>
          <span class="timeline-name" title={row.detector}>
            {row.detector}
          </span>
          <div class="timeline-track" style={{ height: `${row.lanes * 16 + 6}px` }}>
            {row.episodes.map((episode) => (
              <Bar key={episode.alert} episode={episode} left={at(episode.from)} right={at(episode.to ?? whole.to)} onAlert={onAlert} />
            ))}
          </div>
        </div>
      ))}
      <Axis sight={sight} at={at} />
      <p class="timeline-key">
        {(["critical", "warning", "info"] as const).map((kind) => (
          <span key={kind}>
            <Mark kind={kind} /> {kind}
          </span>
        ))}
        <span>a bar runs from firing to resolved; an open end was never resolved</span>
        {without > 0 && <span>{plural(without, "alert")} without a step not shown</span>}
      </p>
    </div>
  );
}

function Bar({ episode, left, right, onAlert }: { episode: Episode; left: number; right: number; onAlert: (alert: string) => void }) {
  const from = Math.max(left, 0);
  const to = Math.min(right, 100);
  if (from > 100 || to < 0) return null;
  const words = `${episode.severity}: ${episode.title}, ${episode.to === null ? `firing since step ${stepText(episode.from)}` : `steps ${stepText(episode.from)} to ${stepText(episode.to)}`}`;
  return (
    <button
      type="button"
      class={`bar ${episode.severity}${episode.to === null ? " open" : ""}`}
      style={{ left: `${from}%`, width: `max(9px, ${Math.max(to - from, 0)}%)`, top: `${3 + episode.lane * 16}px` }}
      title={words}
      aria-label={words}
      onClick={() => onAlert(episode.alert)}
    >
      <Mark kind={episode.severity} />
      <span class="bar-title">{episode.title}</span>
    </button>
  );
}

function Axis({ sight, at }: { sight: Range; at: (step: number) => number }) {
  const steps = splits(sight);
  const labels = stepTicks(steps);
  return (
    <div class="timeline-row axis" aria-hidden="true">
      <span class="timeline-name">step</span>
      <div class="timeline-track">
        {steps.map((step, index) => (
          <span class="tick" key={step} style={{ left: `${at(step)}%` }}>
            {labels[index]}
          </span>
        ))}
      </div>
    </div>
  );
}

/** Five or so round steps. */
function splits({ from, to }: Range): number[] {
  const rough = (to - from) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const gap = Math.max(1, [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) ?? rough);
  const steps: number[] = [];
  for (let step = Math.ceil(from / gap) * gap; step <= to; step += gap) steps.push(Math.round(step));
  return steps;
}
