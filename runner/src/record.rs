//! What decoding yields: rows of numbers and texts, grouped by run into columns.
//!
//! A [`Segment`] is a stretch of input. Within it every run has its own
//! [`RunBatch`] of columns, so that a monitor is fed slices and nothing is
//! copied per detector but the points that it asked for. Names cross as small
//! numbers: [`MetricId`] stands for a printed metric name in this process.

use std::sync::Arc;

/// The rank of a row whose line names none.
pub const NO_RANK: u32 = u32::MAX;

/// A printed metric name of this process; an index into [`Metrics`].
pub type MetricId = u32;

/// A run of this process; an index into the list of runs.
pub type RunId = u32;

/// Which detectors want a value: bit `n` stands for the `n`-th detector.
pub type Mask = u64;

/// The most detectors that can be enabled at once, one bit of a [`Mask`] each.
pub const MAX_DETECTORS: usize = Mask::BITS as usize;

/// A metric's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// The canonical name that detectors ask for, or the printed one.
    pub name: Arc<str>,
    /// The name as the job printed it.
    pub source: Arc<str>,
}

/// A run's names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Run {
    /// The project.
    pub project: Arc<str>,
    /// The run within the project.
    pub run: Arc<str>,
}

/// A text that some detector asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The row of the run's batch that it belongs to.
    pub row: u32,
    /// Which detectors want it.
    pub mask: Mask,
    /// `label`, `text` or `exception`.
    pub kind: &'static str,
    /// The label's name, the needle, or the exception's type.
    pub name: String,
    /// The label's value, the line, or the exception's message.
    pub content: String,
    /// More, by kind.
    pub fields: Vec<(String, String)>,
}

/// Some rows of one run, as columns.
///
/// `steps` to `order` have one entry per row; `metrics` to `masks` one entry
/// per value, ordered by row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunBatch {
    /// The run.
    pub run: RunId,
    /// Training steps, or ordinals where the job prints none.
    pub steps: Vec<i64>,
    /// Seconds since 1970, NaN where unknown.
    pub times: Vec<f64>,
    /// Ranks, [`NO_RANK`] where the line names none.
    pub ranks: Vec<u32>,
    /// Line numbers in the input, from 1.
    pub lines: Vec<u64>,
    /// The rows' positions in the segment, across runs: alerts go out in this order.
    pub order: Vec<u32>,
    /// The metric of each value.
    pub metrics: Vec<MetricId>,
    /// The row of each value.
    pub rows: Vec<u32>,
    /// The values.
    pub values: Vec<f64>,
    /// Which detectors want each value.
    pub masks: Vec<Mask>,
    /// Texts, ordered by row.
    pub texts: Vec<Text>,
}

impl RunBatch {
    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.steps.clear();
        self.times.clear();
        self.ranks.clear();
        self.lines.clear();
        self.order.clear();
        self.metrics.clear();
        self.rows.clear();
        self.values.clear();
        self.masks.clear();
        self.texts.clear();
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// A stretch of one input, decoded.
#[derive(Debug, Clone, Default)]
pub struct Segment {
    /// The input's name, for locations.
    pub input: Arc<str>,
    /// One batch per run with rows in this stretch, in order of first appearance.
    pub batches: Vec<RunBatch>,
    /// The number of rows of all batches.
    pub rows: u32,
    /// Every metric known so far.
    pub metrics: Arc<Vec<Metric>>,
    /// Every run known so far.
    pub runs: Arc<Vec<Run>>,
    /// The stream's time at the end of the stretch, NaN when unknown.
    pub now: f64,
}
