//! `/metrics`: for Prometheus and all that read OpenMetrics.
//!
//! A label's value costs whoever collects these, so that they are bounded: runs
//! of the last day, so many of them, and so many metrics of each. What is left
//! out is counted.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::extract::State;
use axum::http::Uri;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::App;
use super::answer::Problem;
use super::asked::Asked;
use crate::deliver::post::wall_clock;
use crate::ledger::{Ledger, Result};
use crate::view::{self, Time};

const FORM: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How long a run is told after its last sign of life, in milliseconds.
const DAY: i64 = 24 * 3_600_000;
/// Runs that are told.
const RUNS: usize = 100;
/// Metrics of a run that are told.
const METRICS: usize = 200;
/// Detectors that are told, of all watches.
const DETECTORS: usize = 2000;

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;
type Counters = Family<Labels, Counter<f64, AtomicU64>>;

pub(super) async fn metrics(
    State(app): State<Arc<App>>,
    uri: Uri,
) -> std::result::Result<Response, Problem> {
    Asked::of(&uri, &[])?;
    let look = |ledger: Option<&Ledger>| {
        let told = Told::default();
        if let Some(ledger) = ledger {
            told.gather(ledger, wall_clock())?;
        }
        let mut text = String::new();
        // Writing into a text does not fail.
        let _ = encode(&mut text, &told.registry());
        Ok(text)
    };
    let text = app.readers.look(look).await?;
    Ok(([(CONTENT_TYPE, FORM)], text).into_response())
}

/// All that is told.
#[derive(Default)]
pub(super) struct Told {
    last: Gauges,
    step: Gauges,
    rows: Gauges,
    left_out: Gauges,
    firing: Gauges,
    alerts: Counters,
    deliveries: Gauges,
    seconds: Counters,
    faults: Counters,
    memory: Gauges,
    behind: Gauges,
    rows_left_out: Counters,
}

impl Told {
    /// Looks at the ledger at this time, in milliseconds since 1970.
    pub(super) fn gather(&self, ledger: &Ledger, now: i64) -> Result<()> {
        let since = Time(now.saturating_sub(DAY));
        let mut runs = view::runs(ledger, None)?;
        runs.retain(|run| run.last_activity >= Some(since));
        let mut left_out = [runs.len().saturating_sub(RUNS), 0];
        runs.truncate(RUNS);
        let mut told = HashSet::new();
        for run in runs {
            left_out[1] += self.run(ledger, &run)?;
            told.insert((run.project, run.run));
        }
        for (what, number) in ["runs", "metrics"].into_iter().zip(left_out) {
            let labels = vec![("what", what.to_owned())];
            set(&self.left_out, &labels, number as f64);
        }
        for trouble in ledger.troubles()? {
            let severity = ("severity", trouble.severity.name().to_owned());
            let about = (trouble.project, trouble.run);
            if told.contains(&about) {
                let labels = vec![("project", about.0), ("run", about.1), severity];
                set(&self.firing, &labels, trouble.number as f64);
            }
        }
        for count in ledger.delivery_counts()? {
            let labels = vec![("sink", count.sink), ("state", count.state)];
            set(&self.deliveries, &labels, count.number as f64);
        }
        for detector in ledger.detectors(DETECTORS)? {
            if detector.updated >= Some(since) {
                let labels = vec![("detector", detector.name), ("watch", detector.owner)];
                add(&self.seconds, &labels, detector.time_ms / 1000.0);
                add(&self.faults, &labels, detector.faults as f64);
                set(&self.memory, &labels, detector.memory_bytes as f64);
                set(&self.behind, &labels, detector.behind as f64);
                add(&self.rows_left_out, &labels, detector.left_out as f64);
            }
        }
        Ok(())
    }

    /// Tells of one run; returns how many of its metrics are left out.
    fn run(&self, ledger: &Ledger, run: &view::Run) -> Result<usize> {
        let labels = || vec![("project", run.project.clone()), ("run", run.run.clone())];
        if let Some(step) = run.last_step {
            set(&self.step, &labels(), step as f64);
        }
        set(&self.rows, &labels(), run.rows as f64);
        let counts = &run.alerts;
        for (severity, number) in [
            ("critical", counts.critical),
            ("warning", counts.warning),
            ("info", counts.info),
        ] {
            let mut labels = labels();
            labels.push(("severity", severity.to_owned()));
            add(&self.alerts, &labels, number as f64);
        }
        let metrics = ledger.metrics(&run.project, &run.run)?;
        let left_out = metrics.len().saturating_sub(METRICS);
        for metric in metrics.into_iter().take(METRICS) {
            let mut labels = labels();
            labels.push(("metric", metric.source));
            set(&self.last, &labels, metric.last);
        }
        Ok(left_out)
    }

    pub(super) fn registry(self) -> Registry {
        let mut all = Registry::with_prefix("runwatch");
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        all.register("build", "The program", Info::new(version));
        all.register("metric_last", "The last value of a metric", self.last);
        all.register("run_last_step", "The highest step of a run", self.step);
        all.register("run_rows", "Records of a run", self.rows);
        let help = "Runs and metrics that are not told here because there are too many";
        all.register("left_out", help, self.left_out);
        all.register("alerts_firing", "Troubles that are there now", self.firing);
        all.register("alerts", "Alerts that fired", self.alerts);
        let help = "Deliveries by where they stand";
        all.register("deliveries", help, self.deliveries);
        let help = "What the calls of a detector took";
        all.register_with_unit("detector", help, Unit::Seconds, self.seconds);
        let help = "How often a detector failed";
        all.register("detector_faults", help, self.faults);
        let help = "The most memory that a detector had";
        all.register_with_unit("detector_memory", help, Unit::Bytes, self.memory);
        let help = "Rows that wait for a detector that has a thread of its own";
        all.register("detector_rows_behind", help, self.behind);
        let help = "Rows that were not given to a detector because it could not keep up";
        all.register("detector_rows_left_out", help, self.rows_left_out);
        all
    }
}

fn set(family: &Gauges, labels: &Labels, value: f64) {
    family.get_or_create(labels).set(value);
}

fn add(family: &Counters, labels: &Labels, value: f64) {
    // A counter never goes down, and nothing in the ledger is below 0.
    family.get_or_create(labels).inc_by(value.max(0.0));
}
