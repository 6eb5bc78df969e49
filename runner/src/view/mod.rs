//! What is known of runs, in the form in which programs and pages get it: the
//! report, the dashboard and agents all read these.
//!
//! JSON knows no NaN and no infinity: such a value is the text `"NaN"`,
//! `"Infinity"` or `"-Infinity"`. Times are RFC 3339 in UTC.

mod alerts;
mod runs;
mod silences;
#[cfg(test)]
mod tests;

use std::fmt;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::alert;
use crate::downsample::extremes;
use crate::ledger::history::{self, Point};
use crate::record::{NO_RANK, known_rank};

pub use self::alerts::{Filter, alert, alerts};
pub use self::runs::{run, runs};
pub use self::silences::{Silence, silences};

/// A number that may be none of JSON's.
#[derive(Debug, Clone, Copy)]
pub struct Number(pub f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            value if value.is_nan() => to.serialize_str("NaN"),
            f64::INFINITY => to.serialize_str("Infinity"),
            f64::NEG_INFINITY => to.serialize_str("-Infinity"),
            value => to.serialize_f64(value),
        }
    }
}

/// A moment, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub i64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::from_millisecond(self.0).unwrap_or_default();
        fmt::Display::fmt(&time, f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// A run in a list of runs.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// The project.
    pub project: String,
    /// The run.
    pub run: String,
    /// When the ledger heard of it first.
    pub created: Option<Time>,
    /// When the ledger heard of it last.
    pub last_activity: Option<Time>,
    /// The lowest step.
    pub first_step: Option<i64>,
    /// The highest step.
    pub last_step: Option<i64>,
    /// How many records it had.
    pub rows: u64,
    /// How many metrics.
    pub metrics: u64,
    /// Its alerts.
    pub alerts: Counts,
    /// Findings that did not become alerts.
    pub muted: u64,
    /// `live`, `ended` or `unknown`.
    pub state: &'static str,
}

/// Alerts, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Criticals that fired.
    pub critical: u64,
    /// Warnings that fired.
    pub warning: u64,
    /// Infos that fired.
    pub info: u64,
    /// Troubles that were over.
    pub resolved: u64,
}

/// What is known of a metric without its values.
#[derive(Debug, Clone, Serialize)]
pub struct Metric {
    /// The name as the job printed it, which is its only one within the run.
    pub name: String,
    /// The name that detectors ask for, or the printed one.
    pub canonical: String,
    /// How many values it had.
    pub rows: u64,
    /// How many of them were not finite.
    pub nonfinite: u64,
    /// The lowest step.
    pub first_step: i64,
    /// The highest step.
    pub last_step: i64,
    /// The first value.
    pub first: Number,
    /// The last value.
    pub last: Number,
    /// The lowest finite value.
    pub min: Option<f64>,
    /// The highest finite value.
    pub max: Option<f64>,
}

impl From<history::Metric> for Metric {
    fn from(metric: history::Metric) -> Self {
        let (min, max) = metric.range.unzip();
        Self {
            name: metric.source,
            canonical: metric.name,
            rows: metric.rows,
            nonfinite: metric.nonfinite,
            first_step: metric.steps.0,
            last_step: metric.steps.1,
            first: Number(metric.first),
            last: Number(metric.last),
            min,
            max,
        }
    }
}

/// Values of a metric as columns, in the order in which they were written.
#[derive(Debug, Clone, Serialize)]
pub struct Series {
    /// The metric.
    pub metric: String,
    /// How many values there are.
    pub rows: usize,
    /// Whether fewer are given. The extremes of every stretch are among them.
    pub thinned: bool,
    /// The steps.
    pub steps: Vec<i64>,
    /// Seconds since 1970, where known.
    pub times: Vec<Option<f64>>,
    /// The ranks, if any line named one.
    pub ranks: Option<Vec<Option<u32>>>,
    /// The values.
    pub values: Vec<Number>,
}

/// Ranks that are thinned each by itself; more are taken together.
const RANKS: usize = 64;

impl Series {
    /// About `wanted` of these points, or all if there are no more.
    #[must_use]
    pub fn new(metric: String, points: &[Point], wanted: usize) -> Self {
        let kept: Vec<&Point> = kept(points, wanted)
            .into_iter()
            .filter_map(|at| points.get(at))
            .collect();
        let ranks: Vec<Option<u32>> = kept.iter().map(|point| known_rank(point.rank)).collect();
        Self {
            metric,
            rows: points.len(),
            thinned: kept.len() < points.len(),
            steps: kept.iter().map(|point| point.step).collect(),
            times: kept
                .iter()
                .map(|point| (!point.time.is_nan()).then_some(point.time))
                .collect(),
            ranks: ranks.iter().any(Option::is_some).then_some(ranks),
            values: kept.iter().map(|point| Number(point.value)).collect(),
        }
    }

    /// Of a whole run: counts the values, too, that the ledger has thinned away.
    pub fn count_forgotten(&mut self, metrics: &[history::Metric]) {
        let named = |it: &&history::Metric| it.source == self.metric;
        let canonical = |it: &&history::Metric| it.name == self.metric;
        let metric = metrics.iter().find(named);
        let Some(metric) = metric.or_else(|| metrics.iter().find(canonical)) else {
            return;
        };
        self.rows = self
            .rows
            .max(usize::try_from(metric.rows).unwrap_or(usize::MAX));
        self.thinned |= self.values.len() < self.rows;
    }
}

/// The places of the points to keep. The extremes are those of each rank: one
/// rank's highest value must not hide what another does.
fn kept(points: &[Point], wanted: usize) -> Vec<usize> {
    if points.len() <= wanted {
        return (0..points.len()).collect();
    }
    let mut by_rank: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (at, point) in points.iter().enumerate() {
        by_rank.entry(point.rank).or_default().push(at);
    }
    if by_rank.len() > RANKS {
        by_rank = BTreeMap::from([(NO_RANK, (0..points.len()).collect())]);
    }
    let share = wanted / by_rank.len().max(1);
    let mut all: Vec<usize> = Vec::new();
    for places in by_rank.values() {
        let points = places.iter().filter_map(|at| points.get(*at));
        let values: Vec<f64> = points.map(|point| point.value).collect();
        let kept = extremes(&values, share);
        all.extend(kept.into_iter().filter_map(|at| places.get(at)));
    }
    all.sort_unstable();
    all
}

/// An alert with what the ledger knows of it.
#[derive(Debug, Clone, Serialize)]
pub struct Alert {
    /// The alert, see `docs/alert.md`.
    #[serde(flatten)]
    pub alert: alert::Alert,
    /// Rises with each alert that is written.
    pub seq: i64,
    /// When it was written down; none in a review.
    pub made: Option<Time>,
    /// Who knows of it, if anybody said so.
    pub acknowledged: Option<Acknowledged>,
}

/// That somebody knows of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Acknowledged {
    /// Who, as they said.
    pub by: String,
    /// When.
    pub at: Time,
    /// What they said about it.
    pub comment: String,
    /// The silence that keeps its reminders back.
    pub silence: String,
}
