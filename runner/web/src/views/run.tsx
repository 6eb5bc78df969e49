// One run, live.
import { useMemo, useState } from "preact/hooks";
import { get, useFetched } from "../api";
import { count, step } from "../format";
import { useLive, useThrottled } from "../live";
import { AlertExtra } from "../parts/alert-extra";
import { Badge, Loading, Problem } from "../parts/bits";
import { RunBody } from "../parts/run-body";
import { RunSummary } from "../parts/run-summary";
import { link } from "../router";
import { servedSource } from "../series";
import type { Alert, Muted, RunDetail } from "../types";

/** A run has at most a hundred alerts that fire, and as many resolved. */
const most = 500;

interface Props {
  project: string;
  run: string;
  named: string | null;
  writable: boolean;
}

export function RunView({ project, run, named, writable }: Props) {
  const source = useMemo(() => servedSource(project, run), [project, run]);
  const detail = useFetched("run", (signal) => get<RunDetail>("/api/run", { project, run }, signal));
  const found = useFetched("alerts", (signal) => get<{ alerts: Alert[]; more: boolean }>("/api/alerts", { project, run, limit: most }, signal));
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  const reloadDetail = useThrottled(detail.reload, 1000);
  const reloadAlerts = useThrottled(found.reload, 500);
  useLive("runs", (rows) => {
    if (rows.some((row) => row.project === project && row.run === run)) reloadDetail();
  });
  useLive("alerts", (alerts) => {
    const mine = alerts.filter((alert) => alert.project === project && alert.run === run);
    if (mine.length === 0) return;
    setFresh((old) => new Set([...old, ...mine.map((alert) => alert.id)]));
    reloadAlerts();
    reloadDetail();
  });
  useLive("other", reloadAlerts);
  useLive("back", () => {
    reloadDetail();
    reloadAlerts();
  });
  const alerts = useMemo(() => [...(found.data?.alerts ?? [])].reverse(), [found.data]);

  const row = detail.data;
  const problem = detail.error ?? found.error;
  return (
    <>
      <p class="crumbs">
        <a href={link([])}>Runs</a> / {project}
      </p>
      <h1>{run}</h1>
      {problem && <Problem error={problem} retry={() => (detail.reload(), found.reload())} />}
      {!row && !problem && <Loading what="the run" />}
      {row && (
        <>
          <RunSummary row={row} />
          {found.data && (
            <RunBody
              row={row}
              source={source}
              metrics={row.metrics_list}
              alerts={alerts}
              linked
              level={2}
              fresh={fresh}
              named={named}
              page={50}
              extra={(alert) => <AlertExtra alert={alert} writable={writable} onChange={found.reload} />}
            />
          )}
          {row.muted_list.length > 0 && <MutedPart muted={row.muted_list} />}
        </>
      )}
    </>
  );
}

function MutedPart({ muted }: { muted: Muted[] }) {
  return (
    <section class="part">
      <details>
        <summary>
          <h2>
            Muted findings <span class="heading-count">{count(muted.reduce((sum, entry) => sum + entry.count, 0))}</span>
          </h2>
        </summary>
        <p class="quiet">What detectors reported and did not become an alert, by trouble and reason.</p>
        <table class="cards">
          <thead>
            <tr>
              <th scope="col">severity</th>
              <th scope="col">last title</th>
              <th scope="col">detector</th>
              <th scope="col">reason</th>
              <th scope="col" class="number">
                count
              </th>
              <th scope="col">steps</th>
            </tr>
          </thead>
          <tbody>
            {muted.map((entry) => (
              <tr key={`${entry.detector}\n${entry.key}\n${entry.reason}`}>
                <td data-label="severity">
                  <Badge severity={entry.severity} />
                </td>
                <td data-label="last title">{entry.title}</td>
                <td data-label="detector">
                  {entry.detector}, {entry.key}
                </td>
                <td data-label="reason">{entry.reason}</td>
                <td data-label="count" class="number">
                  {count(entry.count)}
                </td>
                <td data-label="steps">
                  {step(entry.first_step)} to {step(entry.last_step)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </section>
  );
}
