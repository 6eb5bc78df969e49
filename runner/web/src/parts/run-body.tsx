// What report and dashboard show of a run alike: charts, timeline, alerts.
import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { fit, type Range } from "../chart/range";
import { plural } from "../format";
import type { Source } from "../series";
import type { Alert, Metric, RunRow } from "../types";
import { isFiltered, noFilter, passes } from "./alert-filter";
import { AlertFilters } from "./alert-filters";
import { AlertList } from "./alert-list";
import { Empty } from "./bits";
import { Charts } from "./charts";
import { Timeline } from "./timeline";

interface Props {
  row: RunRow;
  source: Source;
  metrics: Metric[];
  /** In order of time. */
  alerts: Alert[];
  linked: boolean;
  level: 2 | 3;
  fresh?: ReadonlySet<string>;
  /** The alert that the address names. */
  named?: string | null;
  extra?: (alert: Alert) => ComponentChildren;
  /** So many alerts at first, the rest on demand. */
  page: number;
}

export function RunBody({ row, source, metrics, alerts, linked, level, fresh, named, extra, page }: Props) {
  const [range, setRange] = useState<Range | null>(null);
  const [selected, setSelected] = useState<{ alert: string; turn: number } | null>(null);
  const [filter, setFilter] = useState(noFilter);
  const [shown, setShown] = useState(page);
  const charts = useRef<HTMLElement>(null);
  const whole = useMemo(() => wholeOf(row, metrics), [row.first_step, row.last_step, metrics]);
  const newest = useMemo(() => [...alerts].reverse(), [alerts]);
  const passing = newest.filter((alert) => passes(alert, filter));
  const place = passing.findIndex((alert) => alert.id === selected?.alert);
  const detectors = useMemo(() => [...new Set(alerts.map((alert) => alert.detector))], [alerts]);

  const open = useCallback((alert: string) => {
    setFilter(noFilter);
    setSelected((old) => ({ alert, turn: (old?.turn ?? 0) + 1 }));
  }, []);
  useEffect(() => {
    if (named) open(named);
  }, [named]);
  const show = (alert: Alert) => {
    if (alert.step === null) return;
    const room = Math.max(20, (whole.to - whole.from) * 0.04);
    setRange(fit({ from: (alert.first_step ?? alert.step) - room, to: alert.step + room }, whole));
    charts.current?.scrollIntoView({ block: "start" });
  };

  const Heading = level === 2 ? "h2" : "h3";
  return (
    <>
      <section class="part">
        <Heading>Timeline</Heading>
        <Timeline alerts={alerts} whole={whole} range={range} onAlert={open} />
      </section>
      <section class="part" ref={charts}>
        <Heading>Metrics</Heading>
        <Charts source={source} metrics={metrics} alerts={alerts} whole={whole} range={range} onZoom={setRange} onAlert={open} />
      </section>
      <section class="part">
        <Heading>
          Alerts <span class="heading-count">{isFiltered(filter) ? `${passing.length} of ${alerts.length}` : alerts.length}</span>
        </Heading>
        {alerts.length === 0 ? (
          <Empty title="No alerts in this run.">
            <p>{row.muted > 0 ? `${plural(row.muted, "finding was", "findings were")} muted.` : "The detectors found nothing to tell."}</p>
          </Empty>
        ) : (
          <>
            <AlertFilters label={`Alerts of ${row.run}`} filter={filter} onFilter={setFilter} detectors={detectors} runs={null} />
            {passing.length === 0 && <Empty title="No alert passes these filters." />}
            <AlertList
              alerts={passing.slice(0, Math.max(shown, place + 1))}
              selected={selected}
              {...(fresh ? { fresh } : {})}
              named={false}
              linked={linked}
              {...(extra ? { extra } : {})}
              onShow={show}
            />
            {passing.length > Math.max(shown, place + 1) && (
              <p class="more">
                <button type="button" onClick={() => setShown(passing.length)}>
                  Show all {passing.length}
                </button>
              </p>
            )}
          </>
        )}
      </section>
    </>
  );
}

function wholeOf(row: RunRow, metrics: Metric[]): Range {
  const firsts = [row.first_step, ...metrics.map((metric) => metric.first_step)].filter((n): n is number => n !== null);
  const lasts = [row.last_step, ...metrics.map((metric) => metric.last_step)].filter((n): n is number => n !== null);
  if (firsts.length === 0 || lasts.length === 0) return { from: 0, to: 1 };
  return { from: Math.min(...firsts), to: Math.max(...lasts) };
}
