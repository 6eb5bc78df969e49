// Small pieces that every view uses.
import type { ComponentChildren } from "preact";
import type { Failure } from "../api";
import { localTime } from "../format";
import type { Instant, RunRow, Severity } from "../types";

/** For screen readers only; `live` has it read out when it changes. */
export function Hidden({ children, live = false }: { children: ComponentChildren; live?: boolean }) {
  return (
    <span class="hidden" {...(live ? { "aria-live": "polite" as const } : {})}>
      {children}
    </span>
  );
}

/** A time in the reader's zone, with the UTC at hand. */
export function Time({ at }: { at: Instant | null | undefined }) {
  if (!at) return <span class="quiet">–</span>;
  return (
    <time dateTime={at} title={`${at} (UTC)`}>
      {localTime(at)}
    </time>
  );
}

const shapes: Record<Severity | "resolved", string> = {
  critical: "M8 1 15 8 8 15 1 8z",
  warning: "M8 1.5 15 14H1z",
  info: "M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2z",
  resolved: "M2 8.5 6.2 12.7 14 4",
};

/** A severity has a shape and a colour; beside it there is always the word. */
export function Mark({ kind }: { kind: Severity | "resolved" }) {
  return (
    <svg class={`mark ${kind}`} viewBox="0 0 16 16" width="11" height="11" aria-hidden="true">
      <path d={shapes[kind]} />
    </svg>
  );
}

export function Badge({ severity, resolved = false }: { severity: Severity; resolved?: boolean }) {
  return (
    <span class={`badge ${resolved ? "resolved" : severity}`}>
      <Mark kind={resolved ? "resolved" : severity} />
      {resolved ? `resolved` : severity}
    </span>
  );
}

const counted: (Severity | "resolved")[] = ["critical", "warning", "info", "resolved"];

/** How many alerts of each severity, those that there are. */
export function AlertCounts({ alerts }: { alerts: RunRow["alerts"] }) {
  const there = counted.filter((kind) => alerts[kind] > 0);
  if (there.length === 0) return <span class="quiet">none</span>;
  return (
    <span class="counts">
      {there.map((kind) => (
        <span class={`pill ${kind}`} key={kind} title={`${alerts[kind]} ${kind}`}>
          <Mark kind={kind} />
          {alerts[kind]} <Hidden>{kind} </Hidden>
        </span>
      ))}
    </span>
  );
}

const states: Record<RunRow["state"], string> = { live: "live", ended: "ended", unknown: "not known" };

export function RunState({ state }: { state: RunRow["state"] }) {
  return <span class={`state ${state}`}>{states[state] ?? state}</span>;
}

/** Nothing to show, and what to do about that. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

export function Problem({ error, retry }: { error: Failure; retry?: () => void }) {
  return (
    <div class="problem" role="alert">
      <p>
        <strong>{error.message}</strong> {error.hint}
      </p>
      {retry && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Loading({ what }: { what: string }) {
  return (
    <p class="loading" role="status">
      Fetching {what} …
    </p>
  );
}

/** Label and value pairs. */
export function Facts({ facts }: { facts: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
