//! What decoding yields: rows of numbers and texts, grouped by run into columns.
//!
//! A [`Segment`] is a stretch of input. Within it every run has its own
//! [`RunBatch`] of columns, so that a monitor is fed slices and nothing is
//! copied per detector but the points that it asked for. Names cross as small
//! numbers: [`MetricId`] stands for a printed metric name in this process.

use std::sync::Arc;

/// The rank of a row whose line names none.
pub const NO_RANK: u32 = u32::MAX;

/// A rank, if the line named one.
#[must_use]
pub fn known_rank(rank: u32) -> Option<u32> {
    (rank != NO_RANK).then_some(rank)
}

/// A printed metric name of this process; an index into [`Segment::metrics`].
pub type MetricId = u32;

/// A run of this process; an index into [`Segment::runs`].
pub type RunId = u32;

/// Which detectors want a value: bit `n` stands for the `n`-th detector.
pub type Mask = u64;

/// The most detectors that can be enabled at once, one bit of a [`Mask`] each
/// but for the last.
pub const MAX_DETECTORS: usize = Mask::BITS as usize - 1;

/// The bit of a [`Mask`] that stands for the history, which wants every value.
pub const HISTORY: Mask = 1 << MAX_DETECTORS;

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

impl Run {
    /// The run of these names.
    #[must_use]
    pub fn new(project: &str, run: &str) -> Self {
        Self {
            project: project.into(),
            run: run.into(),
        }
    }
}

/// A text that some detector asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The row of the run's batch that it belongs to.
    pub row: u32,
    /// Which detectors want it.
    pub mask: Mask,
    /// `label`, `text`, `exception` or `event`.
    pub kind: &'static str,
    /// The label's name, the needle, the exception's type, or the event's name.
    pub name: String,
    /// The label's value, the line, or the exception's message.
    pub content: String,
    /// More, by kind.
    pub fields: Vec<(String, String)>,
}

/// One value of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Value {
    /// The metric.
    pub metric: MetricId,
    /// The row of the run's batch.
    pub row: u32,
    /// The value; NaN and infinities are data.
    pub value: f64,
    /// Which detectors want it.
    pub mask: Mask,
}

/// Where a row comes from, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line in the input, from 1.
    pub line: u64,
    /// The row's position in the segment, across runs: alerts go out in this order.
    pub order: u32,
    /// The row is no record of the training but stands beside its records: an
    /// evaluation, or the end of an epoch, in lines of another form.
    pub evaluation: bool,
}

/// Some rows of one run.
///
/// `steps`, `times` and `ranks` are columns, because detectors are fed slices
/// of them; they and `places` have one entry per row.
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
    /// Where the rows come from.
    pub places: Vec<Place>,
    /// The values that somebody wants, ordered by row.
    pub values: Vec<Value>,
    /// Texts, ordered by row.
    pub texts: Vec<Text>,
    /// Every detector that wants something of this batch.
    pub mask: Mask,
}

impl RunBatch {
    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.steps.clear();
        self.times.clear();
        self.ranks.clear();
        self.places.clear();
        self.values.clear();
        self.texts.clear();
        self.mask = 0;
    }

    /// Adds a row, and gives its number; `order` counts the segment's rows.
    #[inline]
    pub(crate) fn push(
        &mut self,
        step: i64,
        time: f64,
        rank: u32,
        line: u64,
        order: &mut u32,
    ) -> u32 {
        let row = self.steps.len() as u32;
        self.steps.push(step);
        self.times.push(time);
        self.ranks.push(rank);
        self.places.push(Place {
            line,
            order: *order,
            evaluation: false,
        });
        *order += 1;
        row
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

/// What is known of a run besides its rows, where it is watched live.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Word {
    /// Rows are to come: silence counts from now on, though there may be none yet.
    Expected,
    /// Its last row was written at this time, in seconds since 1970. If that is
    /// too long ago, it is over, and its silence means nothing before the next
    /// row. Negative infinity: no row is expected.
    Last(f64),
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
    /// What is known of runs at the end of the stretch, besides their rows.
    pub words: Vec<(RunId, Word)>,
    /// The stream's time at the end of the stretch, NaN when unknown.
    pub now: f64,
}
