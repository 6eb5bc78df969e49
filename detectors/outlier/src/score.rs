//! How strange a value is, given all before it, for a series of which nothing
//! else is known.
//!
//! A value is strange when it is a record, the more so the further it lies
//! outside of everything seen so far and the longer nothing has. With e the
//! distance to the old record in units of the range so far and n the number of
//! values, the surprise is e·√n: a series that only drifts, or swings between
//! the same limits, stays near 0 for ever, and the unit, the offset and (within
//! reason) the noise of the series do not matter, so that one threshold serves
//! all. Two readings are asked for records: the value itself, and its *level*,
//! a short moving mean of what is unusual about it for the time of day.

use serde::{Deserialize, Serialize};

use crate::season::Season;

/// So many values make a reading's first idea of its range.
const WARMUP: u32 = 100;
/// Weight of a value in the level: a memory of about 60 values.
const LEVEL_WEIGHT: f64 = 1.0 / 32.0;
/// So many values make a level: before that its first values weigh too much.
const SMOOTH: u32 = 64;
/// The limits move to the mean by this share with each value: a record is
/// forgotten by half within 8700 values.
const FORGET: f64 = 8e-5;
/// So a longer series is no longer surprised by more than its memory.
const MEMORY: f64 = 1.0 / FORGET;
/// The least weight of a value in the mean that the limits move to.
const MEAN_WEIGHT: f64 = 1e-3;
/// A range below this share of the values is rounding, not noise.
const LEAST_RANGE: f64 = 1e-9;
/// A range of the level below this share of the range of the values is no news.
const LEAST_LEVEL_RANGE: f64 = 0.01;
/// One record counts no more than this many ranges.
const MOST_RANGES: f64 = 10.0;
/// What one strange value takes from the next ones: with 100 values most of it
/// has faded. A climb is one event and not as many as it has values.
const FADE: f64 = 0.99;
/// What follows must be so much stranger to count while that has not faded.
const STRANGER: f64 = 1.25;
/// Values are cut to this, so that no sum or difference of them overflows.
const LARGEST: f64 = 1e150;

/// Which reading of a series left its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reading {
    /// The value itself.
    Value,
    /// The moving mean of the values.
    Level,
    /// The moving mean of how far the values are from what is usual at their
    /// times of day.
    Season,
}

/// A reading and the range it had before.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Which one.
    pub reading: Reading,
    /// What it is now.
    pub now: f64,
    /// Its lower limit before.
    pub low: f64,
    /// Its upper limit before.
    pub high: f64,
    /// Its mean before.
    pub mean: f64,
}

/// What one value shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// How strange it is: 0 for nothing new, below 1.
    pub score: f64,
    /// What made it so, if the score is not 0.
    pub record: Option<Record>,
}

/// The anomaly score of one series: one pass, no look-ahead, less than 1 KiB.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Score {
    value: Limits,
    level: Limits,
    /// The moving mean that `level` holds the limits of.
    smooth: f64,
    /// How many values are in it.
    smoothed: u32,
    /// Made when the first time of day is known.
    season: Option<Season>,
    /// Whether `smooth` is of differences from the season.
    seasonal: bool,
    /// The surprise that has not faded yet.
    recent: f64,
}

impl Score {
    /// A series of which nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The score of the next value, in [0, 1). `time` is in seconds since 1970,
    /// NaN if unknown. A value that is not finite scores 0 and changes nothing.
    pub fn score(&mut self, time: f64, value: f64) -> f64 {
        self.look(time, value).score
    }

    /// The same, with what made the score.
    pub fn look(&mut self, time: f64, value: f64) -> Look {
        let nothing = Look {
            score: 0.0,
            record: None,
        };
        if !value.is_finite() {
            return nothing;
        }
        let value = value.clamp(-LARGEST, LARGEST);
        let (of_value, limits) = self.value.take(value, 0.0);
        let (of_level, level_limits) = self.take_level(time, value);
        // Nothing is reported before the values themselves are known a little.
        let surprise = if self.value.is_warm() {
            of_value.max(of_level)
        } else {
            0.0
        };
        self.recent *= FADE;
        let counts = surprise > STRANGER * self.recent;
        self.recent = self.recent.max(surprise);
        if !counts {
            return nothing;
        }
        let (reading, now, limits) = match (of_value >= of_level, self.seasonal) {
            (true, _) => (Reading::Value, value, limits),
            (false, false) => (Reading::Level, self.smooth, level_limits),
            (false, true) => (Reading::Season, self.smooth, level_limits),
        };
        Look {
            score: surprise / (1.0 + surprise),
            record: Some(Record {
                reading,
                now,
                low: limits.low,
                high: limits.high,
                mean: limits.mean,
            }),
        }
    }

    /// A reading as it is after the last value.
    pub(crate) fn reading(&self, reading: Reading, value: f64) -> f64 {
        match reading {
            Reading::Value => value,
            Reading::Level | Reading::Season => self.smooth,
        }
    }

    /// The mean of the values.
    pub(crate) fn mean(&self) -> f64 {
        self.value.mean
    }

    /// How many values it has seen.
    pub(crate) fn len(&self) -> u32 {
        self.value.count
    }

    fn take_level(&mut self, time: f64, value: f64) -> (f64, Limits) {
        if time.is_finite() {
            let season = self.season.get_or_insert_with(|| Season::new(time));
            let usual = season.usual(time);
            season.learn(time, value);
            match usual {
                Some(usual) if self.seasonal => return self.smooth_in(value - usual),
                Some(usual) => {
                    // From here on the level is one of differences.
                    self.seasonal = true;
                    self.level = Limits::default();
                    self.smoothed = 0;
                    return self.smooth_in(value - usual);
                }
                None => {}
            }
        }
        if self.seasonal {
            return (0.0, self.level);
        }
        self.smooth_in(value)
    }

    fn smooth_in(&mut self, value: f64) -> (f64, Limits) {
        self.smoothed = self.smoothed.saturating_add(1);
        let weight = LEVEL_WEIGHT.max(1.0 / f64::from(self.smoothed));
        self.smooth += weight * (value - self.smooth);
        if self.smoothed < SMOOTH {
            return (0.0, self.level);
        }
        let least = LEAST_LEVEL_RANGE * (self.value.high - self.value.low);
        let (surprise, before) = self.level.take(self.smooth, least);
        let known = if self.level.is_warm() { surprise } else { 0.0 };
        (known, before)
    }
}

/// Between what limits a reading has been.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Limits {
    low: f64,
    high: f64,
    mean: f64,
    count: u32,
}

impl Limits {
    fn is_warm(&self) -> bool {
        self.count > WARMUP
    }

    /// Takes a reading in: its surprise e·√n, and the limits before it.
    fn take(&mut self, reading: f64, least_range: f64) -> (f64, Self) {
        let before = *self;
        self.count = self.count.saturating_add(1);
        if before.count == 0 {
            (self.low, self.high, self.mean) = (reading, reading, reading);
            return (0.0, before);
        }
        let beyond = if reading > self.high {
            reading - self.high
        } else {
            (self.low - reading).max(0.0)
        };
        self.high = reading.max(self.high - FORGET * (self.high - self.mean));
        self.low = reading.min(self.low + FORGET * (self.mean - self.low));
        let weight = MEAN_WEIGHT.max(1.0 / f64::from(self.count));
        self.mean += weight * (reading - self.mean);
        if beyond == 0.0 {
            return (0.0, before);
        }
        let size = before.low.abs().max(before.high.abs());
        let range = (before.high - before.low)
            .max(least_range)
            .max(LEAST_RANGE * size);
        // After nothing but zeros the range is 0, and the quotient infinite.
        let ranges = (beyond / range).min(MOST_RANGES);
        (ranges * f64::from(self.count).min(MEMORY).sqrt(), before)
    }
}
