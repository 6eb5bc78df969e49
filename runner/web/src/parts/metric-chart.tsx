// A chart of one metric of one run, with its values fetched as they are needed.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { asFailure, type Failure } from "../api";
import { Chart } from "../chart/chart";
import { drawSeries } from "../chart/lines";
import { markersOf } from "../chart/markers";
import { type Range, same } from "../chart/range";
import { count } from "../format";
import type { Source } from "../series";
import type { Alert, Metric, Series } from "../types";
import { Problem } from "./bits";

interface Props {
  source: Source;
  metric: Metric;
  alerts: Alert[];
  /** All steps of the run. */
  whole: Range;
  range: Range | null;
  onZoom: (range: Range | null) => void;
  onAlert: (alert: string) => void;
  sync: string;
}

export function MetricChart(props: Props) {
  const { source, metric, alerts, whole, range } = props;
  const [log, setLog] = useState(false);
  const { series, error, retry } = useWhole(source, metric);
  const detail = useDetail(source, metric, series, range);
  const shown = detail ?? series;
  const drawing = useMemo(() => shown && drawSeries(shown, metric.name, log), [shown, metric.name, log]);
  const markers = useMemo(() => markersOf(alerts), [alerts]);
  const notes = useMemo(() => thinnedNote(shown, detail !== null, range !== null, source), [shown, detail, range === null, source]);
  if (!drawing) {
    return (
      <figure class="chart">
        <figcaption>
          <span class="chart-name">{metric.name}</span>
        </figcaption>
        {error ? <Problem error={error} retry={retry} /> : <p class="loading">Fetching values …</p>}
      </figure>
    );
  }
  return (
    <Chart
      name={metric.name}
      aside={
        metric.source !== metric.name && (
          <span class="chart-source" title={`printed as ${metric.source}`}>
            {metric.source}
          </span>
        )
      }
      drawing={drawing}
      whole={whole}
      range={range}
      onZoom={props.onZoom}
      log={log}
      onLog={setLog}
      markers={markers}
      onAlert={props.onAlert}
      sync={props.sync}
      notes={notes}
    />
  );
}

/** The whole series; grows when the run's list of metrics says that there is more. */
function useWhole(source: Source, metric: Metric): { series: Series | null; error: Failure | null; retry: () => void } {
  const [series, setSeries] = useState(() => source.peek(metric.name));
  const [error, setError] = useState<Failure | null>(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    fetchWhole(source, metric, stop.signal).then(
      (found) => {
        if (stop.signal.aborted) return;
        setSeries(found);
        setError(null);
      },
      (failed: unknown) => !stop.signal.aborted && setError(asFailure(failed)),
    );
    return () => stop.abort();
  }, [source, metric.name, metric.rows, turn]);
  return { series, error, retry: () => setTurn((n) => n + 1) };
}

async function fetchWhole(source: Source, metric: Metric, signal: AbortSignal): Promise<Series> {
  const known = source.peek(metric.name);
  if (!known || !source.grow) return known ?? source.load(metric.name, signal);
  if (known.rows >= metric.rows) return known;
  const grown = await source.grow(metric.name, signal);
  // Fewer than there should be: steps went back, or a rank fell behind.
  return grown.rows >= metric.rows ? grown : source.load(metric.name, signal);
}

/** The stretch looked at, at full resolution, where the whole is thinned. */
function useDetail(source: Source, metric: Metric, series: Series | null, range: Range | null): Series | null {
  const [detail, setDetail] = useState<{ range: Range; series: Series } | null>(null);
  const wanted = range && series?.thinned && source.detail ? range : null;
  const fetch = useRef(source.detail);
  fetch.current = source.detail;
  useEffect(() => {
    if (!wanted || !fetch.current) return setDetail(null);
    const stop = new AbortController();
    fetch.current(metric.name, wanted, stop.signal).then(
      (series) => !stop.signal.aborted && setDetail({ range: wanted, series }),
      () => undefined, // What is there already is shown on.
    );
    return () => stop.abort();
  }, [metric.name, wanted?.from, wanted?.to, series]);
  return detail && same(detail.range, range) ? detail.series : null;
}

function thinnedNote(series: Series | null, exact: boolean, zoomed: boolean, source: Source): string[] {
  if (!series?.thinned) return [];
  const told = `${count(series.rows)} values${exact ? " here" : ""}, ${count(series.values.length)} shown; extremes are kept.`;
  if (!zoomed) return [told];
  if (exact) return [told];
  return source.detail ? [told] : [told, "The report holds no more than these."];
}
