//! Rewards that do not differ teach nothing. For one series of one rank.

use runwatch_detector::Severity;
use runwatch_detector::state::{Move, Progress};
use serde::{Deserialize, Serialize};

use super::Settings;

/// A deviation below this is zero.
const ZERO: f64 = 1e-12;

/// What a series tells of whether rewards differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The deviation of the rewards.
    Std,
    /// The share of groups whose rewards are all the same.
    ZeroShare,
    /// The mean reward, which does not change when no reward does.
    Mean,
}

/// Rewards that do not differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flat {
    /// What says so.
    pub kind: Kind,
    /// Whether it was so from the first value on.
    pub always: bool,
    /// How bad that is.
    pub severity: Severity,
}

/// What one value shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Seen {
    /// Nothing to report.
    Nothing,
    /// Rewards do not differ.
    Flat(Flat),
    /// They do again, or the run resumed.
    Over,
}

/// What is remembered of a series.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    kind: Kind,
    progress: Progress,
    last: Option<f64>,
    best: f64,
    /// Values in a row that were flat.
    flat: usize,
    /// Whether any value was not.
    moved: bool,
    open: bool,
}

impl Line {
    /// A series of which nothing is known.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            progress: Progress::default(),
            last: None,
            best: f64::NEG_INFINITY,
            flat: 0,
            moved: false,
            open: false,
        }
    }

    /// Looks at the next value.
    pub(super) fn look(&mut self, set: &Settings, step: i64, value: f64) -> Seen {
        if !value.is_finite() {
            self.progress.pass(step);
            return Seen::Nothing;
        }
        if self.progress.advance(step) == Move::Resumed {
            let open = self.open;
            *self = Self {
                progress: self.progress,
                ..Self::new(self.kind)
            };
            self.take(set, value);
            return if open { Seen::Over } else { Seen::Nothing };
        }
        if !self.take(set, value) {
            self.flat = 0;
            self.moved = true;
            return if std::mem::take(&mut self.open) {
                Seen::Over
            } else {
                Seen::Nothing
            };
        }
        if self.flat < set.rows || self.open || self.has_converged(value) {
            return Seen::Nothing;
        }
        self.open = true;
        // A reward of 0 from the start may just not have been found yet.
        let none_yet = self.kind == Kind::Mean && !self.moved && value == 0.0;
        Seen::Flat(Flat {
            kind: self.kind,
            always: !self.moved,
            severity: if none_yet {
                Severity::Info
            } else {
                Severity::Warning
            },
        })
    }

    /// Takes a value in and says whether it is flat.
    fn take(&mut self, set: &Settings, value: f64) -> bool {
        self.best = self.best.max(value);
        let last = self.last.replace(value);
        let flat = match self.kind {
            Kind::Std => value.abs() < ZERO,
            Kind::ZeroShare => value >= set.zero_share,
            Kind::Mean => last.is_none_or(|last| last == value),
        };
        if flat {
            self.flat = self.flat.saturating_add(1);
        }
        flat
    }

    /// A mean reward that stays at the best there was has reached the top.
    fn has_converged(&self, value: f64) -> bool {
        self.kind == Kind::Mean && self.moved && value >= self.best
    }
}
