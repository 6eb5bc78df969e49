//! Several runs in one stream, told apart where no field names them.
//!
//! A requeued job, a script that trains four times, a log that is appended to:
//! the steps go back to where they began. So they do in other cases, which are
//! no new run:
//!
//! - a resume from a checkpoint goes back to some earlier step, not to the
//!   beginning;
//! - batches that are counted within an epoch begin again with each: the epoch
//!   moves on, or nothing says that the counter is of the whole run;
//! - evaluations count their own batches, or print an epoch where training
//!   prints a step: their counter does not keep up with the training's;
//! - ranks take turns.
//!
//! When in doubt there is no new run: two runs in one are two series that meet,
//! but a run cut in pieces has no history at all.

use super::keys::{KeyId, START};
use super::row::Row;

/// Kinds of rows that are followed in a run and rank: training, evaluation, …
const MAX_KINDS: usize = 8;

/// The way of one rank through a run.
#[derive(Debug, Default)]
pub(super) struct Course {
    kinds: Vec<Kind>,
    /// The last step of any row.
    position: i64,
}

/// Rows that begin with the same metric.
#[derive(Debug)]
struct Kind {
    lead: KeyId,
    rows: u32,
    first: i64,
    second: i64,
    last: i64,
    highest: i64,
    epoch: f64,
    /// The step kept up with those of the other kinds.
    follows: bool,
    /// How often a step came twice in a row: ranks that are not told apart.
    repeats: u32,
}

/// How sure it is that the printed step counts through the whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counter {
    /// Nothing is known; the batches of an epoch are counted like this.
    Local,
    /// The name says nothing, but other things may.
    Unsure,
    /// It does.
    Global,
}

impl Course {
    /// Whether a row with this step is the first of a new run. `died` says that
    /// something fatal was printed since the last row.
    pub(super) fn restarts(&self, row: &Row, step: i64, counter: Counter, died: bool) -> bool {
        let Some(kind) = self.kinds.iter().find(|kind| kind.lead == row.lead) else {
            return false;
        };
        kind.is_behind(step) && kind.begins_again(row.progress, counter, died)
    }

    /// Takes note of a row of the run.
    pub(super) fn see(&mut self, row: &Row, step: i64) {
        let position = std::mem::replace(&mut self.position, step);
        if row.lead == START {
            return;
        }
        match self.kinds.iter_mut().position(|kind| kind.lead == row.lead) {
            Some(at) => {
                self.kinds[at].see(step, row.progress, position);
                // The next row is likely of the same kind.
                self.kinds.swap(0, at);
            }
            None if self.kinds.len() < MAX_KINDS => {
                let follows = self.kinds.is_empty() || step >= position;
                self.kinds.push(Kind::new(row, step, follows));
            }
            None => {}
        }
    }
}

impl Kind {
    fn new(row: &Row, step: i64, follows: bool) -> Self {
        Self {
            lead: row.lead,
            rows: 1,
            first: step,
            second: step,
            last: step,
            highest: step,
            epoch: row.progress.unwrap_or(f64::NAN),
            follows,
            repeats: 0,
        }
    }

    fn see(&mut self, step: i64, epoch: Option<f64>, position: i64) {
        self.rows = self.rows.saturating_add(1);
        if self.second == self.first {
            self.second = step;
        }
        if step >= self.last && step < position {
            self.follows = false;
        }
        self.repeats += u32::from(step == self.last);
        self.last = step;
        self.highest = self.highest.max(step);
        if let Some(epoch) = epoch {
            self.epoch = epoch;
        }
    }

    /// Whether a step is back where this kind began, after progress.
    #[inline]
    fn is_behind(&self, step: i64) -> bool {
        if step >= self.last || step > self.first.max(1) {
            return false;
        }
        // A log that begins in the middle of a run begins at a checkpoint.
        let interval = self.second.saturating_sub(self.first);
        let from_the_start = self.first <= interval.saturating_mul(2).max(1) || step <= 1;
        self.rows >= 2 && self.highest > self.first && from_the_start
    }

    fn begins_again(&self, epoch: Option<f64>, counter: Counter, died: bool) -> bool {
        if !self.follows {
            return false;
        }
        if let Some(epoch) = epoch
            && epoch != self.epoch
        {
            // An epoch goes back only in a new run: this is no checkpoint.
            return epoch < self.epoch;
        }
        let mixed = self.repeats > self.rows / 4;
        match counter {
            Counter::Local => false,
            Counter::Unsure => died,
            Counter::Global => died || !mixed,
        }
    }
}
