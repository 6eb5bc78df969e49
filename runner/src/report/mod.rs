//! What a review found, as documents: a page, a comment, and the forms that CI
//! systems read.
//!
//! A [`Collector`] watches while the review runs and makes a [`Report`] at its
//! end; each form is made of that and of nothing else. There is no clock in it:
//! the same input gives the same bytes.

mod collect;
mod collected;
mod html;
mod junit;
mod markdown;
mod room;
mod sarif;
#[cfg(test)]
mod testing;
mod track;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

pub use self::collect::Collector;
pub use self::html::html;
pub use self::junit::junit;
pub use self::markdown::markdown;
pub use self::sarif::sarif;
use crate::alert::{Alert, Severity, State};
use crate::decode::Tally;
use crate::detect::Account;
use crate::view;

/// What a review found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The runs, in order of appearance.
    pub runs: Vec<Run>,
    /// The inputs, and what of them was not read.
    pub skipped: Vec<Skipped>,
    /// The detectors at work.
    pub detectors: Vec<Detector>,
    /// What there was no room for, each kind in a sentence.
    pub left_out: Vec<String>,
}

/// A run of a report.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// What is known of it.
    #[serde(flatten)]
    pub row: view::Run,
    /// Where it was read, the first hundred inputs.
    pub inputs: Vec<String>,
    /// Its metrics, in order of appearance; empty if there was no room for
    /// charts of this run.
    #[serde(rename = "metrics_list")]
    pub metrics: Vec<view::Metric>,
    /// Their values, thinned.
    #[serde(serialize_with = "by_metric")]
    pub series: Vec<view::Series>,
    /// Its alerts, in order.
    #[serde(rename = "alerts_list")]
    pub alerts: Vec<view::Alert>,
    /// Its first exceptions.
    pub exceptions: Vec<Exception>,
}

impl Run {
    /// The name with its project.
    fn name(&self) -> String {
        format!("{}/{}", self.row.project, self.row.run)
    }

    /// The alerts that something is wrong, not those that it is over.
    fn firing(&self) -> impl Iterator<Item = &Alert> {
        let alerts = self.alerts.iter().map(|alert| &alert.alert);
        alerts.filter(|alert| alert.state == State::Firing)
    }
}

/// An exception in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exception {
    /// The process, if the line named one.
    pub rank: Option<u32>,
    /// The step of the record before it.
    pub step: Option<i64>,
    /// The line on which the traceback begins, from 1.
    pub line: Option<u64>,
    /// The input.
    pub input: String,
    /// The type with its module.
    #[serde(rename = "type")]
    pub name: String,
    /// What it says.
    pub message: String,
    /// All lines, less the middle of many.
    pub traceback: Option<String>,
}

/// An input, and what of it was not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Its name.
    pub input: String,
    /// Lines read.
    pub lines: u64,
    /// Records among them.
    pub records: u64,
    /// Lines that look like a record and cannot be read.
    pub malformed: u64,
    /// The first of these.
    pub first_malformed: Option<Malformed>,
    /// What else was not kept; none if all was.
    pub left_out: Option<LeftOut>,
}

/// A line that looks like a record and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Malformed {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub problem: String,
}

/// What of an input was not kept. The names are for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Lines longer than the limit, of which only the beginning was read.
    #[serde(rename = "ends of long lines", skip_serializing_if = "is_zero")]
    pub too_long: u64,
    /// Fields with one metric name too many.
    #[serde(rename = "fields beyond max-metrics", skip_serializing_if = "is_zero")]
    pub fields: u64,
    /// Records of one run too many.
    #[serde(rename = "records beyond max-runs", skip_serializing_if = "is_zero")]
    pub records: u64,
    /// Why it was not read to its end.
    #[serde(rename = "the rest:", skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Skipped {
    /// What became of an input; `unread` says why it was not read to its end.
    #[must_use]
    pub fn new(input: String, tally: &Tally, unread: Option<String>) -> Self {
        let left_out = LeftOut {
            too_long: tally.too_long,
            fields: tally.refused_fields,
            records: tally.refused_records,
            unread,
        };
        let first = tally.first_malformed.clone();
        Self {
            input,
            lines: tally.lines,
            records: tally.records,
            malformed: tally.malformed,
            first_malformed: first.map(|(line, problem)| Malformed { line, problem }),
            left_out: (left_out != LeftOut::default()).then_some(left_out),
        }
    }

    /// Whether all of it was read and kept.
    fn is_whole(&self) -> bool {
        self.malformed == 0 && self.left_out.is_none()
    }

    /// Why it was not read to its end.
    fn unread(&self) -> Option<&str> {
        self.left_out.as_ref()?.unread.as_deref()
    }
}

/// A detector at work. What it cost depends on the machine and is not known here.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Detector {
    /// Its name.
    pub name: String,
    /// Its version, as it says.
    pub version: String,
    /// SHA-256 of the component.
    pub digest: String,
    /// What it looks for.
    pub summary: String,
    /// Always none: it is of the whole review.
    pub project: Option<String>,
    /// Always none.
    pub run: Option<String>,
    /// Always 0, not measured.
    pub calls: u64,
    /// Always 0, not measured.
    pub rows: u64,
    /// Always 0, not measured.
    pub time_ms: u64,
    /// Always 0, not measured.
    pub memory_bytes: u64,
    /// How many times it failed.
    pub faults: u64,
    /// What happened last.
    pub last_fault: Option<String>,
    /// Whether it was put aside, so that alerts may be missing.
    pub quarantined: bool,
    /// Always 0: a review waits for everybody.
    pub behind: u64,
    /// Always 0.
    pub left_out: u64,
    /// Always none.
    pub updated: Option<view::Time>,
}

impl From<Account> for Detector {
    fn from(account: Account) -> Self {
        let identity = account.identity;
        Self {
            name: account.name,
            version: identity.version,
            digest: identity.digest,
            summary: identity.summary,
            project: None,
            run: None,
            calls: 0,
            rows: 0,
            time_ms: 0,
            memory_bytes: 0,
            faults: account.faults,
            last_fault: account.last_fault,
            quarantined: account.quarantined,
            behind: account.behind,
            left_out: account.left_out,
            updated: None,
        }
    }
}

fn by_metric<S: Serializer>(series: &[view::Series], to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(series.len()))?;
    for series in series {
        map.serialize_entry(&series.metric, series)?;
    }
    map.end()
}

/// The severities from bad to good.
const WORST_FIRST: [Severity; 3] = [Severity::Critical, Severity::Warning, Severity::Info];

/// `1 alert`, `2 alerts`.
fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
