//! `runwatch evaluate`: how right the detectors are on labelled runs.

use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use clap::Args as ClapArgs;

use super::Outcome;
use super::logs::{self, names_of};
use super::options::{self, Configured};
use super::output::{grouped, print, say};
use crate::alert::{Alert, State};
use crate::decode::Decoder;
use crate::evaluate::{Fired, History, Labels, PerDetector, Report, Verdict, nab, score};
use crate::exit::{Ending, Failure};
use crate::input::find::Found;
use crate::input::naming::Naming;
use crate::load::{BUILTIN, Loader, alone};
use crate::pipeline::{Pipeline, SEGMENT_ROWS};
use crate::sandbox::Limits;

/// Measure how right the detectors are, on runs with labels
///
/// Reads runs as `review` does, and holds the alerts against labels of what
/// really happened: found and missed incidents with the delay in rows, false
/// alerts per 10,000 healthy rows with the 95 % upper bound, and the share of
/// healthy runs with any alert. See docs/evaluate.md for the form of labels.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    /// What happened in which run: one JSON object a line
    #[arg(long, value_name = "PATH", required_unless_present = "nab")]
    labels: Option<PathBuf>,
    /// The runs: logs, folders of logs, patterns in quotes
    #[arg(required_unless_present = "nab", value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Write the scores of `outlier` for the data of the Numenta Anomaly Benchmark
    #[arg(long, num_args = 2, value_names = ["DIR", "OUT"], conflicts_with_all = ["labels", "runs", "json"])]
    nab: Option<Vec<PathBuf>>,
    /// Everything that was counted, as strict JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    configured: Configured,
}

/// Bytes read at once.
const CHUNK: usize = 256 << 10;

pub(super) fn run(args: &Args) -> Outcome {
    let failed = |error| Failure::new(Ending::Input, error);
    if let Some([data, out]) = args.nab.as_deref() {
        return run_nab(data, out);
    }
    let path = args.labels.as_deref().unwrap_or(Path::new("-"));
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the labels in `{shown}`"))
        .map_err(failed)?;
    let labels = Labels::parse(&text).map_err(|error| failed(anyhow!("{shown}: {error}")))?;
    let loaded = args.configured.load()?;
    let mut pipeline = options::pipeline(&loaded.config, 1, false, |_| {})?;
    let detectors: Vec<String> = pipeline
        .detectors()
        .iter()
        .map(ToString::to_string)
        .collect();
    let found = Found::all(&args.runs);
    let mut naming = Naming::with(&loaded.config.paths);
    naming.expect(found.files.iter().map(PathBuf::as_path));
    let mut reading = Reading {
        decoder: Decoder::new(options::decoding(&loaded.config, "-", "-", None, &pipeline)),
        pipeline: &mut pipeline,
        naming,
        histories: Vec::new(),
        alerts: Vec::new(),
    };
    let mut ending = Ending::Fine;
    let problems = found.problems.into_iter().map(|problem| anyhow!(problem));
    let read = found
        .files
        .iter()
        .filter_map(|path| reading.input(path).err());
    for problem in problems.chain(read.collect::<Vec<_>>()) {
        say(&failed(problem).to_string());
        ending = Ending::Input;
    }
    reading.pipeline.finish("unknown", &mut reading.alerts);
    // A name for rows that name no run is a run only if there are any.
    reading.histories.retain(|run| !run.steps.is_empty());
    let fired: Vec<Fired> = reading.alerts.iter().filter_map(fired).collect();
    let report = score(&labels, &reading.histories, &fired, &detectors);
    if args.json {
        let json = serde_json::to_string(&report).context("cannot write the report");
        print(&(json.map_err(failed)? + "\n"));
    } else {
        print(&table(&report));
    }
    Ok(ending)
}

fn run_nab(data: &Path, out: &Path) -> Outcome {
    let failed = |error| Failure::new(Ending::Detector, error);
    let loader = Loader::new().map_err(failed)?;
    let builtin = BUILTIN.iter().find(|(name, _)| *name == "outlier");
    let (_, bytes) = builtin.ok_or_else(|| failed(anyhow!("there is no detector `outlier`")))?;
    // A score for each row is what a benchmark wants and nobody else.
    let limits = Limits {
        output: 64 << 20,
        ..Limits::default()
    };
    let component = loader.component(bytes, &limits).map_err(failed)?;
    let start = || {
        alone(
            component.clone(),
            &[("metrics", "value"), ("scores", "true")],
        )
    };
    let (files, rows) =
        nab::score(data, out, &start).map_err(|error| Failure::new(Ending::Input, error))?;
    let rows = grouped(rows as u64);
    say(&format!(
        "runwatch: {rows} rows of {files} files scored into `{}`",
        out.display()
    ));
    Ok(Ending::Fine)
}

struct Reading<'a> {
    decoder: Decoder,
    pipeline: &'a mut Pipeline,
    naming: Naming,
    /// By run of the decoder.
    histories: Vec<History>,
    alerts: Vec<Alert>,
}

impl Reading<'_> {
    fn input(&mut self, path: &Path) -> Result<()> {
        let mut problem = None;
        let mut log = |log: Option<&Path>, bytes: &mut dyn Read| {
            if let Some(log) = log {
                problem = problem.take().or(self.log(log, bytes).err());
            }
            true
        };
        logs::each_of(path, |file| file, &mut log)?;
        problem.map_or(Ok(()), Err)
    }

    fn log(&mut self, path: &Path, bytes: &mut dyn Read) -> Result<()> {
        let (input, named) = names_of(path, &mut self.naming);
        self.decoder.begin(&input, &named.run, named.rank);
        let mut buffer = vec![0; CHUNK];
        loop {
            match bytes.read(&mut buffer) {
                Ok(0) => break,
                Ok(len) => self.decoder.push(&buffer[..len]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.decoder.break_off();
                    self.hand_over();
                    return Err(error).with_context(|| format!("cannot read `{input}`"));
                }
            }
            if self.decoder.rows() >= SEGMENT_ROWS {
                self.hand_over();
            }
        }
        self.decoder.finish();
        self.hand_over();
        Ok(())
    }

    fn hand_over(&mut self) {
        let segment = self.decoder.take();
        for batch in &segment.batches {
            let (id, run) = (batch.run as usize, &segment.runs[batch.run as usize]);
            if self.histories.len() <= id {
                self.histories.resize_with(id + 1, History::default);
            }
            self.histories[id].run = run.run.to_string();
            self.histories[id].steps.extend_from_slice(&batch.steps);
        }
        if let Some(spent) = self.pipeline.submit(segment, &mut self.alerts) {
            self.decoder.recycle(spent);
        }
    }
}

fn fired(alert: &Alert) -> Option<Fired> {
    (alert.state == State::Firing).then(|| Fired {
        run: alert.run.clone(),
        detector: alert.detector.clone(),
        severity: alert.severity,
        step: alert.step.unwrap_or(i64::MAX),
        title: alert.title.clone(),
    })
}

fn table(report: &Report) -> String {
    let mut text = format!(
        "{} runs with {} rows; {} runs are healthy, {} rows\n\n",
        report.runs,
        grouped(report.rows),
        report.healthy_runs,
        grouped(report.healthy_rows),
    );
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{:<20} {:>8} {:>10} {:>8}   {:>22}   {:>22}",
        "detector",
        "recall",
        "precision",
        "latency",
        "false warnings / 10k",
        "false criticals / 10k"
    );
    for (name, detector) in &report.detectors {
        let [_, warnings, criticals] = detector.wrong;
        let (precision, latency) = (precision(detector), median(&detector.latencies));
        let _ = writeln!(
            text,
            "{name:<20} {:>8} {precision:>10} {latency:>8}   {:>22}   {:>22}",
            recall(detector),
            rate(report, warnings),
            rate(report, criticals),
        );
    }
    let [infos, warnings, criticals] = report.wrong_by_severity();
    let found = report
        .incidents
        .iter()
        .filter(|incident| incident.alert.is_some());
    let fell = report.traps.iter().filter(|trap| trap.alert.is_some());
    let (share, bound) = report.disturbed_share();
    let _ = writeln!(
        text,
        "\nincidents found      {} of {}\ntraps fallen into    {} of {}\n\
         false infos          {infos}\nfalse warnings       {warnings}: {} per 10,000 healthy rows\n\
         false criticals      {criticals}: {} per 10,000 healthy rows\n\
         healthy runs with a warning or critical  {} of {}: {:.0} % (below {:.0} %)",
        found.count(),
        report.incidents.len(),
        fell.count(),
        report.traps.len(),
        rate(report, warnings),
        rate(report, criticals),
        report.disturbed[1],
        report.healthy_runs,
        100.0 * share,
        100.0 * bound,
    );
    list(&mut text, "incidents", &report.incidents, "missed");
    list(&mut text, "traps", &report.traps, "quiet");
    if !report.wrong.is_empty() {
        text.push_str("\nfalse alerts\n");
    }
    for alert in &report.wrong {
        let _ = writeln!(
            text,
            "  {:<8} {:<18} {} step {}: {}",
            alert.severity.name(),
            alert.detector,
            alert.run,
            alert.step,
            alert.title
        );
    }
    for run in &report.unread {
        let _ = writeln!(
            text,
            "\nnot read: `{run}` has labels, and is not among the runs"
        );
    }
    text
}

fn list(text: &mut String, heading: &str, verdicts: &[Verdict], none: &str) {
    if !verdicts.is_empty() {
        let _ = writeln!(text, "\n{heading}");
    }
    for verdict in verdicts {
        let told = verdict.alert.as_ref().map_or(none.to_owned(), |alert| {
            let rows = verdict.latency.unwrap_or_default();
            let (name, step) = (&alert.detector, alert.step);
            format!(
                "{} {name} at step {step}, {rows} rows on",
                alert.severity.name()
            )
        });
        let _ = writeln!(
            text,
            "  {:<22} {} step {}: {told}",
            verdict.kind, verdict.run, verdict.onset
        );
    }
}

/// `0.03 (< 0.11)`: the rate and its upper bound.
fn rate(report: &Report, wrong: u64) -> String {
    let (rate, bound) = report.rate(wrong);
    format!("{rate:.2} (< {bound:.2})")
}

/// `7 of 9`: the incidents that it told, of those that are its business.
fn recall(detector: &PerDetector) -> String {
    match detector.incidents {
        0 => "-".to_owned(),
        all => format!("{} of {all}", detector.found),
    }
}

fn precision(detector: &PerDetector) -> String {
    let wrong: u64 = detector.wrong.iter().skip(1).sum();
    match detector.right + wrong {
        0 => "-".to_owned(),
        all => format!("{:.0} %", 100.0 * detector.right as f64 / all as f64),
    }
}

fn median(latencies: &[u64]) -> String {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    match sorted.get(sorted.len() / 2) {
        Some(middle) => format!("{middle} rows"),
        None => "-".to_owned(),
    }
}
