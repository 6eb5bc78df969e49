//! `runwatch diagnose`: what is to be said of a run, on one page.

use clap::{Args as ClapArgs, ValueEnum};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::Outcome;
use super::delivery::Looked;
use super::get::heading;
use super::json::document;
use super::output::{count, number, print};
use super::scope::{self, Scope, unreadable};
use super::table::{Column, Table};
use crate::alert::{Severity, State};
use crate::deliver::text::clean;
use crate::exit::{Ending, Failure};
use crate::ledger::Ledger;
use crate::ledger::history::Window;
use crate::view::{self, Alert, Number, Run, Time};

/// Sum a run up: how healthy it is, its alerts, its metrics
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    /// The project; all of them, if it is left out
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// The run; the newest, if it is left out
    #[arg(long, value_name = "NAME")]
    run: Option<String>,
    /// A page to read, or JSON in the shape that rlwatch gives to it
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    format: Format,
    #[command(flatten)]
    looked: Looked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// rlwatch's metrics, in its order and by its names, with ours.
const RLWATCH: &[(&str, &str)] = &[
    ("entropy", "entropy"),
    ("kl_divergence", "kl"),
    ("reward_mean", "reward_mean"),
    ("reward_std", "reward_std"),
    ("advantage_std", "advantage_std"),
    ("loss", "loss"),
    ("grad_norm", "grad_norm"),
];

/// What is to be said of a run.
pub(crate) struct Diagnosis {
    run: Run,
    /// Those that fired, by step.
    alerts: Vec<Alert>,
    resolved: u64,
    summaries: Vec<(String, Summary)>,
}

/// A metric in a few numbers. All but the first and the last are of the finite
/// values alone.
#[derive(Debug, Serialize)]
struct Summary {
    min: Option<f64>,
    max: Option<f64>,
    mean: Option<f64>,
    std: Option<f64>,
    first: Number,
    last: Number,
    /// `decreasing`, `increasing`, `flat`; null where an end is NaN.
    trend: Option<&'static str>,
    rows: u64,
    nonfinite: u64,
    /// Mean and standard deviation are of fewer values than there were: those
    /// that the history has kept.
    thinned: bool,
}

pub(super) fn run(args: &Args) -> Outcome {
    let ledger = args.looked.open()?;
    let run = chosen(args, &ledger)?;
    let diagnosis = diagnose(&ledger, run)?;
    print(&match args.format {
        Format::Json => document(&diagnosis)?,
        Format::Text => diagnosis.text(),
    });
    Ok(Ending::Fine)
}

/// The run that is named, or the newest.
fn chosen(args: &Args, ledger: &Ledger) -> Result<Run, Failure> {
    let mut scope = Scope {
        project: args.project.clone(),
        run: args.run.clone(),
    };
    if scope.run.is_none() {
        let project = match &scope.project {
            Some(_) => scope.project(ledger)?,
            None => None,
        };
        let runs = view::runs(ledger, project.as_deref()).map_err(|error| unreadable(&error))?;
        if let Some(newest) = runs.into_iter().next() {
            return Ok(newest);
        }
        scope.run = None;
    }
    scope.the_run(ledger)
}

/// Sums a run up.
pub(crate) fn diagnose(ledger: &Ledger, run: Run) -> Result<Diagnosis, Failure> {
    let filter = view::Filter {
        project: Some(run.project.clone()),
        run: Some(run.run.clone()),
        state: Some(State::Firing),
        ..view::Filter::default()
    };
    let (mut alerts, _) =
        view::alerts(ledger, &filter, usize::MAX).map_err(|error| unreadable(&error))?;
    alerts.sort_by_key(|it| (it.alert.step, it.seq));
    Ok(Diagnosis {
        summaries: summaries(ledger, &run)?,
        resolved: run.alerts.resolved,
        alerts,
        run,
    })
}

/// The metrics that rlwatch knows, and then the others as they appeared. Of
/// several that mean the same, the first.
fn summaries(ledger: &Ledger, run: &Run) -> Result<Vec<(String, Summary)>, Failure> {
    let metrics = scope::metrics(ledger, run)?;
    let known = |canonical: &str| RLWATCH.iter().any(|(_, ours)| *ours == canonical);
    let theirs = RLWATCH.iter().filter_map(|(name, ours)| {
        let metric = metrics.iter().find(|it| it.canonical == *ours)?;
        Some(((*name).to_owned(), metric))
    });
    let others = metrics.iter().filter(|it| !known(&it.canonical));
    let others = others.map(|metric| (metric.canonical.clone(), metric));
    let mut found: Vec<(String, Summary)> = Vec::new();
    for (name, metric) in theirs.chain(others) {
        if found.iter().all(|(known, _)| *known != name) {
            found.push((name, summary(ledger, run, metric)?));
        }
    }
    Ok(found)
}

fn summary(ledger: &Ledger, run: &Run, metric: &view::Metric) -> Result<Summary, Failure> {
    let points = ledger
        .points(&run.project, &run.run, &metric.name, &Window::default())
        .map_err(|error| unreadable(&error))?
        .unwrap_or_default();
    let finite = || points.iter().map(|it| it.value).filter(|it| it.is_finite());
    let number = finite().count() as f64;
    let (low, high) = (finite().reduce(f64::min), finite().reduce(f64::max));
    // Between them, which rounding must not change.
    let mean = low.zip(high).map(|(low, high)| {
        let mean = finite().sum::<f64>() / number;
        mean.max(low).min(high)
    });
    let std = mean.map(|mean| {
        let squares: f64 = finite().map(|value| (value - mean).powi(2)).sum();
        (squares / number).sqrt()
    });
    let (first, last) = (metric.first.0, metric.last.0);
    Ok(Summary {
        min: metric.min,
        max: metric.max,
        mean,
        std: std.filter(|std| std.is_finite()),
        first: metric.first,
        last: metric.last,
        trend: match last.partial_cmp(&first) {
            Some(std::cmp::Ordering::Less) => Some("decreasing"),
            Some(std::cmp::Ordering::Greater) => Some("increasing"),
            Some(std::cmp::Ordering::Equal) => Some("flat"),
            None => None,
        },
        rows: metric.rows,
        nonfinite: metric.nonfinite,
        thinned: (points.len() as u64) < metric.rows,
    })
}

/// An alert as rlwatch has it, and what it has no room for.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    run_id: &'a str,
    step: Option<i64>,
    /// Seconds since 1970.
    timestamp: Option<f64>,
    detector: &'a str,
    severity: Severity,
    message: &'a str,
    metric_values_json: String,
    recommendation: &'a str,
    title: &'a str,
    key: &'a str,
    count: u64,
}

impl<'a> Row<'a> {
    fn new(of: &'a Alert) -> Self {
        let alert = &of.alert;
        let values: serde_json::Map<String, serde_json::Value> = alert
            .values
            .iter()
            .map(|(name, value)| (name.clone(), serde_json::json!(Number(*value))))
            .collect();
        Self {
            id: &alert.id,
            run_id: &alert.run,
            step: alert.step,
            timestamp: of.made.map(|made| made.0 as f64 / 1000.0),
            detector: &alert.detector,
            severity: alert.severity,
            message: &alert.message,
            metric_values_json: serde_json::Value::Object(values).to_string(),
            recommendation: &alert.recommendation,
            title: &alert.title,
            key: &alert.key,
            count: alert.count,
        }
    }
}

impl Serialize for Diagnosis {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let run = &self.run;
        let (health, assessment) = self.health();
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("run_id", &run.run)?;
        map.serialize_entry("framework", "unknown")?;
        map.serialize_entry("started_at", &run.created)?;
        map.serialize_entry("total_steps", &run.rows)?;
        map.serialize_entry("total_alerts", &self.alerts.len())?;
        map.serialize_entry("critical_alerts", &self.number(Severity::Critical))?;
        map.serialize_entry("warning_alerts", &self.number(Severity::Warning))?;
        map.serialize_entry("detectors_triggered", &self.detectors(Severity::Info))?;
        let rows: Vec<Row<'_>> = self.alerts.iter().map(Row::new).collect();
        map.serialize_entry("alerts", &rows)?;
        for (name, summary) in &self.summaries {
            map.serialize_entry(&format!("{name}_summary"), summary)?;
        }
        map.serialize_entry("health", health)?;
        map.serialize_entry("assessment", &assessment)?;
        map.serialize_entry("project", &run.project)?;
        map.serialize_entry("info_alerts", &self.number(Severity::Info))?;
        map.serialize_entry("resolved_alerts", &self.resolved)?;
        map.serialize_entry("muted_findings", &run.muted)?;
        map.serialize_entry("first_step", &run.first_step)?;
        map.serialize_entry("last_step", &run.last_step)?;
        map.serialize_entry("last_activity", &run.last_activity)?;
        map.serialize_entry("state", run.state)?;
        map.end()
    }
}

impl Diagnosis {
    fn number(&self, severity: Severity) -> usize {
        let such = self
            .alerts
            .iter()
            .filter(|it| it.alert.severity == severity);
        such.count()
    }

    /// The detectors of alerts that are at least so severe, by name.
    fn detectors(&self, severity: Severity) -> Vec<&str> {
        let such = self
            .alerts
            .iter()
            .filter(|it| it.alert.severity >= severity);
        let mut names: Vec<&str> = such.map(|it| it.alert.detector.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// A word and a sentence, as rlwatch has them.
    fn health(&self) -> (&'static str, String) {
        let of = |severity| self.detectors(severity).join(", ");
        if self.number(Severity::Critical) > 0 {
            let detectors = of(Severity::Critical);
            (
                "critical",
                format!("Critical instabilities detected: {detectors}."),
            )
        } else if self.number(Severity::Warning) > 0 {
            let detectors = of(Severity::Warning);
            (
                "warning",
                format!("Warning-level issues detected: {detectors}."),
            )
        } else {
            (
                "healthy",
                "No instabilities detected during this run.".to_owned(),
            )
        }
    }

    fn text(&self) -> String {
        let (health, assessment) = self.health();
        let mut text = heading(&self.run);
        text.push_str(&format!("Health  {health}: {assessment}\n"));
        for severity in [Severity::Critical, Severity::Warning, Severity::Info] {
            self.told(severity, &mut text);
        }
        if !self.summaries.is_empty() {
            text.push_str(&format!("\n{}", self.table()));
        }
        text
    }

    /// The alerts of a severity, each with what to do about it.
    fn told(&self, severity: Severity, text: &mut String) {
        let such = || {
            self.alerts
                .iter()
                .filter(|it| it.alert.severity == severity)
        };
        let number = such().count() as u64;
        if number == 0 {
            return;
        }
        let (one, many) = match severity {
            Severity::Critical => ("critical", "criticals"),
            Severity::Warning => ("warning", "warnings"),
            Severity::Info => ("info", "infos"),
        };
        text.push_str(&format!("\n{}\n", count(number, one, many)));
        for it in such() {
            let alert = &it.alert;
            let at = match (alert.step, it.made) {
                (Some(step), _) => format!("step {step}"),
                (None, Some(Time(made))) => super::times::show(made),
                (None, None) => String::new(),
            };
            let id = alert.id.get(..8).unwrap_or(&alert.id);
            let entry = format!(
                "  {at}, {}: {} ({id})\n    {}\n    What to do: {}\n",
                alert.detector, alert.title, alert.message, alert.recommendation
            );
            text.push_str(&clean(&entry));
        }
    }

    fn table(&self) -> String {
        let mut table = Table::new([
            Column::text("metric"),
            Column::number("values"),
            Column::number("min"),
            Column::number("max"),
            Column::number("mean"),
            Column::number("std"),
            Column::number("first"),
            Column::number("last"),
            Column::number("not finite"),
        ]);
        let some = |value: Option<f64>| value.map(number).unwrap_or_default();
        for (name, it) in &self.summaries {
            table.row([
                name.clone(),
                it.rows.to_string(),
                some(it.min),
                some(it.max),
                some(it.mean),
                some(it.std),
                number(it.first.0),
                number(it.last.0),
                match it.nonfinite {
                    0 => String::new(),
                    number => number.to_string(),
                },
            ]);
        }
        table.text()
    }
}
