//! The rule, for one rank.

use std::collections::VecDeque;

use runwatch_detector::state::{Move, Progress};
use runwatch_detector::stats::median;
use runwatch_detector::{Parameters, Severity};
use serde::{Deserialize, Serialize};

/// The first values, whose median is the baseline.
const BASE: usize = 50;
/// The last values, whose median is compared with it, and with that of as many
/// before them.
const LAST: usize = 10;
/// Rewards that are compared: the first so many with the last so many.
const REWARDS: usize = 20;
/// A share of cut-off answers is judged when it is this far above its baseline:
/// a model that has not learned to stop begins with a high one.
const CLIPPED_RISE: f64 = 0.2;

/// The parameters.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) growth: f64,
    pub(crate) clipped: f64,
    hold: usize,
}

impl Settings {
    /// Reads the parameters.
    ///
    /// # Errors
    /// When one is missing or malformed.
    pub fn new(parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            growth: parameters.number("growth")?,
            clipped: parameters.number("clipped")?,
            hold: parameters.count("hold")?.max(1),
        })
    }
}

/// What grew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// The median of the last values.
    pub now: f64,
    /// The median of the first.
    pub base: f64,
    /// The mean reward at the start and now, if it is logged.
    pub reward: Option<(f64, f64)>,
}

impl Growth {
    /// Only a reward that has not risen says that the length is for nothing.
    #[must_use]
    pub fn severity(&self) -> Severity {
        if self.reward.is_some() {
            Severity::Warning
        } else {
            Severity::Info
        }
    }
}

/// What one value shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen {
    /// Nothing to report.
    Nothing,
    /// It has grown.
    Grown(Growth),
    /// It is over.
    Over {
        /// Because the run resumed.
        resumed: bool,
    },
}

/// What is remembered of the rewards of a rank.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Rewards {
    first: Vec<f64>,
    last: VecDeque<f64>,
}

impl Rewards {
    /// Takes the next reward in.
    pub fn push(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        if self.first.len() < REWARDS {
            self.first.push(value);
        }
        push(&mut self.last, value, REWARDS);
    }

    /// The mean at the start and now, and whether that is a rise: of a standard
    /// deviation of single values, three standard errors of the difference.
    fn compare(&self) -> Option<(f64, f64, bool)> {
        if self.first.len() < REWARDS {
            return None;
        }
        let mean = |sum: f64| sum / REWARDS as f64;
        let before = mean(self.first.iter().sum());
        let spread: f64 = self
            .first
            .iter()
            .map(|value| (value - before).powi(2))
            .sum();
        let sd = (spread / (REWARDS - 1) as f64).sqrt();
        let now = mean(self.last.iter().sum());
        Some((before, now, now > before + sd))
    }
}

/// What is remembered of a series.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Watch {
    progress: Progress,
    first: Vec<f64>,
    base: Option<f64>,
    last: VecDeque<f64>,
    /// Whether each of the last values was above the limit, a bit each.
    above: u16,
    back: usize,
    open: bool,
}

impl Watch {
    /// Looks at the next mean length.
    pub fn length(
        &mut self,
        settings: &Settings,
        step: i64,
        value: f64,
        rewards: &Rewards,
    ) -> Seen {
        if !(value.is_finite() && value >= 0.0) {
            self.progress.pass(step);
            return Seen::Nothing;
        }
        let limit = |base: f64| settings.growth * base;
        let Some(base) = self.take(step, value, limit) else {
            return self.began();
        };
        // Fewer than half are above the limit: so is the median not.
        if !self.open && (self.above & 0x3ff).count_ones() < 5 || base <= 0.0 {
            return Seen::Nothing;
        }
        let (before, now) = self.medians();
        let (reward, has_risen) = match rewards.compare() {
            Some((start, now, risen)) => (Some((start, now)), risen),
            None => (None, false),
        };
        let growth = Growth { now, base, reward };
        let fires = now > limit(base) && now > before && !has_risen;
        // Half of the growth is gone, or it has come to be worth its while.
        let is_back = has_risen || now < base + (limit(base) - base) / 2.0;
        self.latch(settings, fires, is_back, growth)
    }

    /// Looks at the next share of answers that were cut off.
    pub fn clipped(&mut self, settings: &Settings, step: i64, value: f64) -> Seen {
        if !(0.0..=1.0).contains(&value) {
            self.progress.pass(step);
            return Seen::Nothing;
        }
        let limit = |base: f64| settings.clipped.max(base + CLIPPED_RISE);
        let Some(base) = self.take(step, value, limit) else {
            return self.began();
        };
        if !self.open && (self.above & 0x3ff).count_ones() < 5 {
            return Seen::Nothing;
        }
        let (_, now) = self.medians();
        let growth = Growth {
            now,
            base,
            reward: None,
        };
        let is_back = now < base + (limit(base) - base) / 2.0;
        self.latch(settings, now > limit(base), is_back, growth)
    }

    /// Takes a value in; gives the baseline if it is known and the run goes on.
    fn take(&mut self, step: i64, value: f64, limit: impl Fn(f64) -> f64) -> Option<f64> {
        if self.progress.advance(step) == Move::Resumed {
            *self = Self {
                progress: self.progress,
                open: self.open,
                ..Self::default()
            };
        }
        push(&mut self.last, value, 2 * LAST);
        let Some(base) = self.base else {
            self.first.push(value);
            if self.first.len() >= BASE {
                self.base = Some(median(&self.first));
                self.first = Vec::new();
            }
            return None;
        };
        self.above = self.above << 1 | u16::from(value > limit(base));
        Some(base)
    }

    /// Nothing is known yet; what was open before a resume is over.
    fn began(&mut self) -> Seen {
        if std::mem::take(&mut self.open) {
            Seen::Over { resumed: true }
        } else {
            Seen::Nothing
        }
    }

    /// The medians of the last values and of those before them.
    fn medians(&mut self) -> (f64, f64) {
        let values = self.last.make_contiguous();
        let (before, last) = values.split_at(values.len().saturating_sub(LAST));
        (median(before), median(last))
    }

    fn latch(&mut self, settings: &Settings, fires: bool, is_back: bool, growth: Growth) -> Seen {
        if !self.open {
            (self.open, self.back) = (fires, 0);
            return if fires {
                Seen::Grown(growth)
            } else {
                Seen::Nothing
            };
        }
        self.back = if is_back { self.back + 1 } else { 0 };
        if self.back < settings.hold {
            return Seen::Nothing;
        }
        self.open = false;
        Seen::Over { resumed: false }
    }
}

fn push(values: &mut VecDeque<f64>, value: f64, most: usize) {
    if values.len() >= most {
        values.pop_front();
    }
    values.push_back(value);
}
