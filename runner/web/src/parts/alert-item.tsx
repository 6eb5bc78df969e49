// One alert: a line, and all there is to know about it when it is open.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { count, step, value } from "../format";
import { link, runLink } from "../router";
import type { Alert } from "../types";
import { Badge, Facts, Time } from "./bits";
import { Sparkline } from "./sparkline";

interface Props {
  alert: Alert;
  open: boolean;
  onOpen: (open: boolean) => void;
  /** Just arrived. */
  fresh?: boolean;
  /** Go to it when it is opened from elsewhere. */
  focus?: boolean;
  /** Name the run in the line. */
  named: boolean;
  /** The dashboard has a page for each alert and run. */
  linked: boolean;
  /** Buttons, deliveries: what the dashboard adds. */
  extra?: () => ComponentChildren;
  onShow?: (() => void) | undefined;
}

export function AlertItem(props: Props) {
  const { alert, open, onOpen, named } = props;
  const place = useRef<HTMLLIElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!props.focus) return;
    place.current?.scrollIntoView({ block: "center" });
    button.current?.focus({ preventScroll: true });
  }, [props.focus]);
  const resolved = alert.state === "resolved";
  return (
    <li ref={place} class={`alert ${resolved ? "resolved" : alert.severity}${open ? " is-open" : ""}${props.fresh ? " fresh" : ""}`} data-alert={alert.id}>
      <button type="button" ref={button} class={`alert-line${named ? " named" : ""}`} aria-expanded={open} onClick={() => onOpen(!open)}>
        <Badge severity={alert.severity} resolved={resolved} />
        <span class="alert-title">
          {alert.title}
          {props.fresh && <span class="tag new">new</span>}
          {alert.acknowledged && <span class="tag">acknowledged</span>}
          {alert.count > 1 && <span class="tag" title="How often the detector has reported it in this episode">×{count(alert.count)}</span>}
        </span>
        {named && (
          <span class="alert-run">
            {alert.project} / {alert.run}
          </span>
        )}
        <span class="alert-detector">{alert.detector}</span>
        <span class="alert-step">{alert.step === null ? "" : `step ${step(alert.step)}`}</span>
        <span class="alert-time">
          <Time at={alert.time ?? alert.made} />
        </span>
      </button>
      {open && <Details {...props} />}
    </li>
  );
}

function Details({ alert, linked, extra, onShow }: Props) {
  const values = Object.entries(alert.values);
  return (
    <div class="alert-body">
      <p class="alert-message">{alert.message}</p>
      <div class="recommendation">
        <span class="recommendation-head">What to do</span>
        <p>{alert.recommendation}</p>
      </div>
      {alert.evidence && (
        <details>
          <summary>What was found, {count(alert.evidence.trimEnd().split("\n").length)} lines</summary>
          <pre tabIndex={0}>{alert.evidence}</pre>
        </details>
      )}
      <div class="alert-columns">
        {alert.recent && <Sparkline recent={alert.recent} />}
        {values.length > 0 && (
          <div>
            <p class="label">Values</p>
            <Facts facts={values.map(([name, raw]) => [name, <span class="figure">{raw === null ? "not a finite number" : value(raw)}</span>])} />
          </div>
        )}
        <div>
          <p class="label">Where</p>
          <Facts facts={where(alert, linked)} />
        </div>
      </div>
      {alert.acknowledged && (
        <p class="acknowledged">
          Acknowledged{alert.acknowledged.by ? ` by ${alert.acknowledged.by}` : ""}, <Time at={alert.acknowledged.at} />
          {alert.acknowledged.comment ? `: ${alert.acknowledged.comment}` : ""}
        </p>
      )}
      {onShow && alert.step !== null && (
        <p class="actions">
          <button type="button" onClick={onShow} data-act="show">
            Show on the charts
          </button>
        </p>
      )}
      {extra?.()}
      <p class="ids">
        alert {linked ? <a href={link(["alert", alert.id])}>{alert.id}</a> : alert.id}
        <span>
          fingerprint {alert.fingerprint}, episode {count(alert.episode)}
        </span>
      </p>
    </div>
  );
}

function where(alert: Alert, linked: boolean): [string, ComponentChildren][] {
  const { location } = alert;
  const name = `${alert.project} / ${alert.run}`;
  const facts: [string, ComponentChildren][] = [["run", linked ? <a href={runLink(alert.project, alert.run, { alert: alert.id })}>{name}</a> : name]];
  facts.push(["detector", `${alert.detector}, ${alert.key}`]);
  if (alert.step !== null) {
    const since = alert.first_step !== null && alert.first_step !== alert.step ? `, since ${step(alert.first_step)}` : "";
    facts.push(["step", `${step(alert.step)}${since}`]);
  }
  if (alert.ranks.length > 0) facts.push([alert.ranks.length > 1 ? "ranks" : "rank", alert.ranks.join(", ")]);
  if (location) facts.push(["line", `${location.input}${location.line === null ? "" : `:${location.line}`}`]);
  if (alert.host) facts.push(["host", alert.host]);
  if (alert.time) facts.push(["time", <Time at={alert.time} />]);
  if (alert.route) facts.push(["route", alert.route]);
  return facts;
}
