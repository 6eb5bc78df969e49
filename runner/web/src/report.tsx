// The self-contained report: all runs on one page, and no network.
import { useMemo, useState } from "preact/hooks";
import { count, plural } from "./format";
import { Empty, Time } from "./parts/bits";
import { type Compared, Comparison } from "./parts/comparison";
import { DetectorTable } from "./parts/detector-table";
import { Exceptions } from "./parts/exceptions";
import { RunBody } from "./parts/run-body";
import { RunSummary } from "./parts/run-summary";
import { SkippedTable } from "./parts/skipped";
import { ThemeButton } from "./parts/theme-button";
import { fixedSource } from "./series";
import type { ReportData, ReportRun } from "./types";
import { RunTable, runKey } from "./views/runs";

const anchor = (at: number) => `run-${at + 1}`;

export function Report({ data }: { data: ReportData }) {
  const { runs, skipped, detectors } = data;
  const many = runs.length > 1;
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header class="top">
        <span class="wordmark">runwatch</span>
        <nav aria-label="Parts of the report">
          {many && <a href="#runs">Runs</a>}
          {runs.length === 1 && <a href={`#${anchor(0)}`}>Run</a>}
          {skipped.length > 0 && <a href="#inputs">Inputs</a>}
          {detectors.length > 0 && <a href="#detectors">Detectors</a>}
        </nav>
        <span class="top-end">
          <ThemeButton />
        </span>
      </header>
      <main id="main" tabIndex={-1}>
        <p class="crumbs">
          Report{data.made && <> of <Time at={data.made} /></>}, {plural(runs.length, "run")}
        </p>
        {runs.length === 0 && (
          <Empty title="No runs in what was read.">
            <p>No line was understood as a record. See below what was skipped, and docs/formats.md for what is understood.</p>
          </Empty>
        )}
        {many && <Index runs={runs} />}
        {runs.map((run, at) => (
          <RunSection key={at} run={run} at={at} many={many} />
        ))}
        {skipped.length > 0 && (
          <section class="part" id="inputs">
            <h2>Inputs and what was skipped</h2>
            <SkippedTable skipped={skipped} />
          </section>
        )}
        {detectors.length > 0 && (
          <section class="part" id="detectors">
            <h2>Detectors</h2>
            <DetectorTable detectors={detectors} seen={false} />
          </section>
        )}
      </main>
      <footer>
        runwatch {data.version}, {count(runs.reduce((sum, run) => sum + run.rows, 0))} records
      </footer>
    </>
  );
}

/** All runs, and those that are ticked over each other. */
function Index({ runs }: { runs: ReportRun[] }) {
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const compared = useMemo(
    () =>
      runs.flatMap((row, at): Compared[] =>
        picked.has(runKey(row)) ? [{ row, metrics: row.metrics_list, source: fixedSource(row), href: `#${anchor(at)}` }] : [],
      ),
    [runs, picked],
  );
  const pick = (key: string, on: boolean) => {
    const next = new Set(picked);
    if (on) next.add(key);
    else next.delete(key);
    setPicked(next);
  };
  return (
    <section class="part first" id="runs">
      <h1>Runs</h1>
      <RunTable runs={runs} picked={picked} onPick={pick} href={(_row, at) => `#${anchor(at)}`} />
      {compared.length < 2 ? <p class="quiet screen-only">Tick two or more runs to see them over each other.</p> : <Comparison runs={compared} level={2} />}
    </section>
  );
}

function RunSection({ run, at, many }: { run: ReportRun; at: number; many: boolean }) {
  const source = useMemo(() => fixedSource(run), [run]);
  return (
    <section class="run" id={anchor(at)} aria-label={`Run ${run.run}`}>
      <p class="crumbs">{run.project}</p>
      {many ? <h2 class="run-title">{run.run}</h2> : <h1>{run.run}</h1>}
      <RunSummary row={run} inputs={run.inputs} />
      <RunBody row={run} source={source} metrics={run.metrics_list} alerts={run.alerts_list} linked={false} level={many ? 3 : 2} page={many ? 10 : 100} />
      {run.exceptions.length > 0 && <Exceptions exceptions={run.exceptions} level={many ? 3 : 2} />}
    </section>
  );
}
