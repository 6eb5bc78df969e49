//! `non-finite`: a metric becomes NaN or infinite.
//!
//! It asks for the edges only, so that a healthy run costs nothing. The rule
//! for one metric is in `rule.rs`, that of rlwatch in `rlwatch.rs`; this file gathers what happens in one row
//! and says what people read.

use std::collections::BTreeMap;

use runwatch_detector::prelude::*;
use runwatch_detector::rlwatch as compat;
use runwatch_detector::show::{count, number, place};
use runwatch_detector::state::{self, Episode};

mod rlwatch;
mod rule;

pub use rule::{Kind, Metric, Seen};

/// Names whose NaN says nothing about the run: statistics that are not defined
/// yet, or not at all for this data.
const IGNORE: [&str; 12] = [
    "*explained_var*",
    "*zscore*",
    "*z_score*",
    "*_z",
    "bbox/*",
    "segm/*",
    "keypoints/*",
    "sem_seg/*",
    "*step_avg*",
    "*mfu*",
    "rewards/*",
    "completions/*",
];

const OTHER: &str = "non-finite/other";
/// What to do when a loss that was finite no longer is.
const STOP: &str = "Stop the run: after an update with this loss the weights are NaN too. Go back to the last \
     checkpoint before step {step} (check that its weights are finite), skip the batch of this step or \
     lower the learning rate, and look for overflow (use bf16, or loss scaling under fp16), log(0) or a \
     division by zero.";
/// How many names a message lists.
const NAMES: usize = 5;

/// Watches every metric of one run.
pub type NonFinite = compat::Choice<Robust, compat::Rule<rlwatch::Watch>>;

/// The rule of ours.
pub struct Robust {
    ignore: Vec<String>,
    rows: usize,
    state: State,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    metrics: BTreeMap<u32, Metric>,
    /// Loss and gradient norm: a job may print either under two names, and it
    /// is one trouble.
    episodes: BTreeMap<Kind, Episode>,
    /// How many of the metrics without a key of their own are reported.
    others: usize,
}

/// What happened to the metrics without a key of their own in one row.
#[derive(Default)]
struct Others<'a> {
    /// The last point of the row.
    at: Option<Point>,
    began: Vec<(&'a str, f64)>,
    worse: Vec<(&'a str, f64)>,
    over: Vec<&'a str>,
}

impl Detector for Robust {
    fn describe() -> Description {
        Description::new("non-finite", "0.1.0", "A metric becomes NaN or infinite")
            .parameter(compat::rule())
            .parameter(
                Parameter::integer("rows", 3)
                    .unit("values")
                    .min(2)
                    .max(10_000)
                    .doc("How many in a row are critical, for metrics other than loss and grad norm."),
            )
            .parameter(
                Parameter::list("ignore", &IGNORE)
                    .unit("names")
                    .doc("Metrics whose NaN raises nothing; `*` stands for any run of characters."),
            )
            .parameter(compat::warmup(0))
            .doc(include_str!("doc.md"))
    }

    fn open(_run: &Facts, parameters: &Parameters) -> Result<Self, String> {
        let ignore = parameters
            .list("ignore")?
            .into_iter()
            .map(str::to_owned)
            .collect();
        Ok(Self {
            ignore,
            rows: parameters.count("rows")?,
            state: State::default(),
        })
    }

    fn interests(&self) -> Vec<Interest> {
        vec![Interest::metric_edges("*")]
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        let Self {
            ignore,
            rows,
            state,
            ..
        } = self;
        let mut others = Others::default();
        for point in batch.points() {
            if others.at.is_some_and(|at| at.row != point.row) {
                state.report(std::mem::take(&mut others), findings);
            }
            let name = batch.name(point.series);
            let metric = state
                .metrics
                .entry(point.series)
                .or_insert_with(|| Metric::new(name, ignore));
            let seen = metric.look(&point, *rows);
            match (metric.kind, seen) {
                (_, Seen::Nothing) => {}
                (Kind::Loss | Kind::GradNorm, Seen::Began | Seen::Worse) => {
                    let episode = state.episodes.entry(metric.kind).or_default();
                    if episode.join(Severity::Critical) {
                        findings.push(began(&point, name, metric));
                    }
                }
                (Kind::Loss | Kind::GradNorm, Seen::Over) => {
                    let episode = state.episodes.entry(metric.kind).or_default();
                    if episode.leave() {
                        findings.push(over(&point, name));
                    }
                }
                (_, Seen::Began) => others.began.push((name, point.value)),
                (_, Seen::Worse) => others.worse.push((name, point.value)),
                (_, Seen::Over) => others.over.push(name),
            }
            others.at = Some(point);
        }
        state.report(others, findings);
    }

    fn save(&self) -> Option<Vec<u8>> {
        state::save(&self.state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        self.state = state::restore(state)?;
        Ok(())
    }
}

/// Loss or gradient norm.
fn began(point: &Point, name: &str, metric: &Metric) -> Finding {
    let (value, step) = (number(point.value), point.step);
    let again = match metric.episodes {
        0 | 1 => String::new(),
        episodes => format!(" It is the {episodes}th time in short order."),
    };
    let before = if metric.was_finite {
        "it was finite before"
    } else {
        "it has not been finite yet"
    };
    let recommendation = match (metric.kind, metric.was_finite) {
        (Kind::Loss, false) => {
            "Stop the run: nothing is being learned from its first step on. Look for an empty or \
             all-masked batch, a division by zero or log(0) in the loss, weights that did not load, and \
             try fp32 or bf16 for some steps to rule out overflow."
                .to_owned()
        }
        (Kind::Loss, true) => STOP.replace("{step}", &step.to_string()),
        _ => format!(
            "If this is fp16 with dynamic loss scaling and it is the only one, the step was skipped and \
             no harm done. Otherwise stop and go back to the last checkpoint before step {step}: turn on \
             gradient clipping, lower the learning rate, and look for overflow in the backward pass \
             (bf16, or anomaly detection for some steps, shows where)."
        ),
    };
    let finding = Finding::critical(&format!("non-finite/{name}"), point.row)
        .title(format!("{name} is {value}"))
        .message(format!(
            "`{name}` is {value} at {}; {before}.{again}",
            place(point)
        ))
        .recommendation(recommendation)
        .value(name, point.value)
        .value("step", step as f64);
    if metric.kind == Kind::Loss {
        finding.halt(&format!("the loss is {value}"))
    } else {
        finding
    }
}

fn over(point: &Point, name: &str) -> Finding {
    Finding::resolved(&format!("non-finite/{name}"), point.row)
        .title(format!("{name} is finite again"))
        .message(format!(
            "`{name}` is {} at {}.",
            number(point.value),
            place(point)
        ))
        .value(name, point.value)
}

impl State {
    /// At most one finding per row, however many metrics are in trouble.
    fn report(&mut self, others: Others<'_>, findings: &mut Vec<Finding>) {
        let Some(at) = others.at else { return };
        self.others = (self.others + others.began.len()).saturating_sub(others.over.len());
        let (severity, metrics) = if others.worse.is_empty() {
            (Severity::Warning, &others.began)
        } else {
            (Severity::Critical, &others.worse)
        };
        if !metrics.is_empty() {
            findings.push(others_began(&at, severity, metrics, self.others));
        } else if !others.over.is_empty() && self.others == 0 {
            findings.push(
                Finding::resolved(OTHER, at.row)
                    .title("Metrics are finite again")
                    .message(format!(
                        "{} finite again at {}.",
                        list(&others.over),
                        place(&at)
                    )),
            );
        }
    }
}

fn others_began(at: &Point, severity: Severity, metrics: &[(&str, f64)], open: usize) -> Finding {
    let names: Vec<&str> = metrics.iter().map(|&(name, _)| name).collect();
    let title = match metrics {
        [(name, value)] => format!("{name} is {}", number(*value)),
        _ => format!("{} metrics are not finite", metrics.len()),
    };
    let what = match metrics {
        [(name, value)] => format!("`{name}` is {}", number(*value)),
        _ => format!("{} not finite", list(&names)),
    };
    let how = match severity {
        Severity::Critical => {
            " after several values in a row that were not, and finite values before"
        }
        _ => "",
    };
    let more = if open > metrics.len() {
        format!(" {open} metrics are not finite by now.")
    } else {
        String::new()
    };
    let finding = Finding::firing(OTHER, severity, at.row)
        .title(title)
        .message(format!("{what} at {}{how}.{more}", place(at)))
        .recommendation(
            "Look whether loss and gradient norm are still finite. If they are, the trouble is in how \
             this metric is computed (an empty batch or class, a variance of one value, a division by \
             zero): fix it, or add it to `ignore` of `non-finite`. If not, treat that first.",
        )
        .value("metrics", metrics.len() as f64);
    metrics
        .iter()
        .take(NAMES)
        .fold(finding, |finding, (name, value)| {
            finding.value(name, *value)
        })
}

/// `` `a`, `b` and 3 more are``.
fn list(names: &[&str]) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(NAMES)
        .map(|name| format!("`{name}`"))
        .collect();
    let rest = names.len() - shown.len();
    let verb = if names.len() == 1 { "is" } else { "are" };
    match rest {
        0 => format!("{} {verb}", shown.join(", ")),
        _ => format!(
            "{} and {} {verb}",
            shown.join(", "),
            count(rest, "more metric")
        ),
    }
}

export!(NonFinite);

#[cfg(test)]
mod tests;
