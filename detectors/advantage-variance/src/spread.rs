//! The spread of the advantages leaps, grows or vanishes, for one series of one
//! rank.

use runwatch_detector::state::{Ended, Move, Progress, Recovery};
use runwatch_detector::stats::{RollingMedian, median};
use serde::{Deserialize, Serialize};

use super::Settings;

/// How many previous values make the baseline, and from how many on it is one.
const WINDOW: usize = 128;
const WARMUP: usize = 32;
/// The median of so many first values is the start.
const START: usize = 50;
/// Every so many values the baseline is compared with the start.
const EVERY: u8 = 32;
/// A leap that has not come back ends after so many values without a hit.
const SETTLE: usize = 4 * WINDOW;

/// Far above where it was.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Leap {
    /// The median before, or that of the first values.
    pub before: f64,
    /// How many times as much.
    pub ratio: f64,
    /// Whether it has grown slowly.
    pub slow: bool,
}

/// What one value shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Seen {
    /// It leaps, or has grown.
    Leapt(Leap),
    /// It no longer does; `None` if that is because the run resumed.
    Over(Leap, Option<Ended>),
    /// It has vanished: now it is this part of what it was.
    Vanished(f64),
    /// It is back.
    Back,
}

/// What is remembered of a series.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spread {
    progress: Progress,
    window: RollingMedian,
    /// The first values, until there are enough of them.
    first: Vec<f64>,
    start: Option<f64>,
    /// Values since the baseline was compared with the start.
    since: u8,
    /// The last three values, one bit each: hit or not.
    hits: u8,
    open: Option<(Leap, Recovery)>,
    /// Values in a row next to nothing.
    low: usize,
    vanished: bool,
}

impl Default for Spread {
    fn default() -> Self {
        Self {
            progress: Progress::default(),
            window: RollingMedian::new(WINDOW),
            first: Vec::new(),
            start: None,
            since: 0,
            hits: 0,
            open: None,
            low: 0,
            vanished: false,
        }
    }
}

impl Spread {
    /// Looks at the next value; there may be an end and a beginning in it.
    pub(super) fn look(&mut self, set: &Settings, step: i64, value: f64) -> [Option<Seen>; 2] {
        if !value.is_finite() || value < 0.0 {
            self.progress.pass(step);
            return [None, None];
        }
        if self.progress.advance(step) == Move::Resumed {
            let over = self.open.map(|(leap, _)| Seen::Over(leap, None));
            let back = self.vanished.then_some(Seen::Back);
            *self = Self {
                progress: self.progress,
                ..Self::default()
            };
            self.learn(value);
            self.window.push(value);
            return [over, back];
        }
        self.learn(value);
        [self.low(set, value), self.high(set, value)]
    }

    fn learn(&mut self, value: f64) {
        if self.start.is_none() {
            self.first.push(value);
            if self.first.len() >= START {
                self.start = Some(median(&self.first));
                self.first = Vec::new();
            }
        }
    }

    fn low(&mut self, set: &Settings, value: f64) -> Option<Seen> {
        let start = self.start?;
        if value < set.collapse * start {
            self.low = self.low.saturating_add(1);
            if self.low >= set.rows && !self.vanished {
                self.vanished = true;
                return Some(Seen::Vanished(value / start));
            }
            return None;
        }
        self.low = 0;
        std::mem::take(&mut self.vanished).then_some(Seen::Back)
    }

    fn high(&mut self, set: &Settings, value: f64) -> Option<Seen> {
        if self.window.len() < WARMUP {
            self.window.push(value);
            return None;
        }
        let quiet = value < set.ratio * self.window.at_least();
        // Every value counts, lest it depend on how good the bound happens to be.
        let due = self.since >= EVERY;
        self.since = if due { 0 } else { self.since + 1 };
        if quiet && self.open.is_none() && !(due && self.may_have_grown(set)) {
            self.hits <<= 1;
            self.window.push(value);
            return None;
        }
        let before = self.window.median();
        let grown = due && self.start.is_some_and(|start| before > set.slow * start);
        // Zeros are no baseline, and no hit.
        let ratio = if before > 0.0 { value / before } else { 0.0 };
        self.window.push(if before > 0.0 {
            value.min(set.ratio * before)
        } else {
            value
        });
        let hit = ratio > set.ratio;
        self.hits = self.hits << 1 | u8::from(hit);
        let again = (self.hits & 0b111).count_ones() >= 2;
        let leap = if hit && (again || ratio > set.single) {
            Some(Leap {
                before,
                ratio,
                slow: false,
            })
        } else {
            let start = self.start.filter(|start| grown && *start > 0.0);
            start.map(|start| Leap {
                before: start,
                ratio: before / start,
                slow: true,
            })
        };
        self.report(set, value, hit, leap)
    }

    /// False only if the median is not that far above the start.
    #[inline(never)]
    fn may_have_grown(&self, set: &Settings) -> bool {
        let start = self.start.filter(|start| *start > 0.0);
        start.is_some_and(|start| !self.window.is_at_most(set.slow * start))
    }

    fn report(
        &mut self,
        set: &Settings,
        value: f64,
        hit: bool,
        leap: Option<Leap>,
    ) -> Option<Seen> {
        let Some((first, recovery)) = &mut self.open else {
            let leap = leap?;
            self.open = Some((leap, Recovery::default()));
            // A slow growth is reported once: from here on it is compared with
            // this level.
            if leap.slow {
                self.start = Some(leap.before * leap.ratio);
            }
            return Some(Seen::Leapt(leap));
        };
        let limit = if first.slow { set.slow } else { set.ratio };
        let back = value <= limit * first.before;
        let how = recovery.watch(hit, back, set.hold, SETTLE)?;
        let first = *first;
        self.open = None;
        Some(Seen::Over(first, Some(how)))
    }
}
