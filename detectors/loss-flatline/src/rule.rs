//! The rule, for one series of one rank.

use runwatch_detector::Parameters;
use runwatch_detector::state::{Move, Progress};
use serde::{Deserialize, Serialize};

/// Equal values say something only about a loss of so many of the smallest
/// differences it is printed with.
const QUANTA: f64 = 20.0;
/// A streak must be less likely than this, given how often two values in a row
/// were equal before.
const LEAST_LIKELY: f64 = 1e-7;
/// … and this many times as long as any before.
const TIMES_LONGEST: usize = 3;
/// A loss that never differed may be printed coarsely: so many times `rows`.
const NEVER_DIFFERED: usize = 5;

/// The parameters.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) rows: usize,
}

impl Settings {
    /// Reads the parameters.
    ///
    /// # Errors
    /// When one is missing.
    pub fn new(parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            rows: parameters.count("rows")?,
        })
    }
}

/// What one value shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen {
    /// Nothing to report.
    Nothing,
    /// The loss has not moved for `rows` values, since a step.
    Stuck {
        /// How many values are equal.
        rows: usize,
        /// The step of the first.
        since: i64,
        /// The last value that was different, if there ever was one.
        before: Option<f64>,
    },
    /// It moves again.
    Moves {
        /// Or the run resumed.
        resumed: bool,
    },
}

/// What is remembered of a series.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Watch {
    progress: Progress,
    last: Option<f64>,
    before: Option<f64>,
    since: i64,
    /// How many values in a row are equal to the last, itself included.
    streak: usize,
    /// The longest streak that was let pass.
    longest: usize,
    /// Neighbours, and equal ones among them, before this streak.
    pairs: u64,
    equal: u64,
    /// The smallest difference between neighbours.
    quantum: Option<f64>,
    open: bool,
}

impl Watch {
    /// Looks at the next value.
    #[inline]
    pub fn look(&mut self, settings: &Settings, step: i64, value: f64) -> Seen {
        if !value.is_finite() {
            self.progress.pass(step);
            return Seen::Nothing;
        }
        let equal = self.last == Some(value);
        if !self.progress.goes_on(step) {
            match self.progress.advance(step) {
                // The same row in another place of the log.
                Move::Same if equal => return Seen::Nothing,
                Move::Resumed => return self.resume(step, value),
                Move::Same | Move::On => {}
            }
        }
        if equal {
            self.streak += 1;
            if self.streak < settings.rows || self.open {
                return Seen::Nothing;
            }
            return self.judge(settings);
        }
        self.differ(step, value)
    }

    fn resume(&mut self, step: i64, value: f64) -> Seen {
        let open = self.open;
        *self = Self {
            progress: self.progress,
            last: Some(value),
            since: step,
            streak: 1,
            ..Self::default()
        };
        if open {
            Seen::Moves { resumed: true }
        } else {
            Seen::Nothing
        }
    }

    #[inline]
    fn differ(&mut self, step: i64, value: f64) -> Seen {
        if let Some(last) = self.last {
            let gap = (value - last).abs();
            self.quantum = Some(self.quantum.map_or(gap, |quantum| quantum.min(gap)));
        }
        // What was reported is not taken for usual.
        if !self.open {
            self.longest = self.longest.max(self.streak);
            self.pairs += self.streak as u64;
            self.equal += self.streak.saturating_sub(1) as u64;
        }
        self.before = self.last.replace(value);
        (self.since, self.streak) = (step, 1);
        if std::mem::take(&mut self.open) {
            Seen::Moves { resumed: false }
        } else {
            Seen::Nothing
        }
    }

    #[inline(never)]
    fn judge(&mut self, settings: &Settings) -> Seen {
        let value = self.last.unwrap_or(0.0).abs();
        // A loss that drops to exactly 0 was something before.
        let level = match self.before {
            Some(before) if value == 0.0 => before.abs(),
            _ => value,
        };
        let is_large = match self.quantum {
            Some(quantum) => level > QUANTA * quantum,
            None => level > 0.0,
        };
        if !is_large || self.streak < self.needed(settings) {
            return Seen::Nothing;
        }
        self.open = true;
        Seen::Stuck {
            rows: self.streak,
            since: self.since,
            before: self.before,
        }
    }

    /// How long a streak must be, given those before it.
    fn needed(&self, settings: &Settings) -> usize {
        if self.quantum.is_none() {
            return NEVER_DIFFERED * settings.rows;
        }
        let likely = (self.equal + 1) as f64 / (self.pairs + 2) as f64;
        let rare = (LEAST_LIKELY.ln() / likely.ln()).ceil() as usize;
        settings.rows.max(TIMES_LONGEST * self.longest).max(rare)
    }
}
