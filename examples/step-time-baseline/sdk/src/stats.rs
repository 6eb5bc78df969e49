//! Streaming statistics with small constant memory.
//!
//! The windows here are *exact*: they give the median of the values they hold,
//! not an estimate. They are cheap because the exact answer is computed only
//! when a bound, kept by counting, says that it could matter: the median of a
//! window is at least `low` for as long as fewer than half of its values are
//! below `low`, and counting those takes two comparisons per value.

use serde::{Deserialize, Serialize};

mod logs;
mod order;

pub use logs::{Level, LogWindow, MAD_TO_SD};
pub use order::{select, sort};

/// The longest window.
pub const LONGEST: usize = 256;

/// The last few values.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ring {
    values: Vec<f64>,
    size: usize,
    /// Where the next value goes once the ring is full: the oldest value.
    next: usize,
}

impl Ring {
    /// A ring for `size` values, at most [`LONGEST`].
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self {
            values: Vec::new(),
            size: size.clamp(1, LONGEST),
            next: 0,
        }
    }

    /// The values, in no useful order.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Takes a value in and returns the one that had to go.
    #[inline]
    pub fn push(&mut self, value: f64) -> Option<f64> {
        let Some(slot) = self.values.get_mut(self.next) else {
            self.values.push(value);
            self.next = self.values.len() % self.size;
            return None;
        };
        self.next += 1;
        if self.next == self.size {
            self.next = 0;
        }
        Some(std::mem::replace(slot, value))
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.values.clear();
        self.next = 0;
    }
}

/// The median of at most [`LONGEST`] values, NaN if there are none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let (a, b) = middle(values.iter().copied());
    a + (b - a) / 2.0
}

/// The two middle values: the same value twice if their number is odd, NaN if
/// it is 0. Their mean is the median.
fn middle(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let mut keys = [0; LONGEST];
    let mut used = 0;
    for (key, value) in keys.iter_mut().zip(values) {
        *key = to_key(value);
        used += 1;
    }
    if used == 0 {
        return (f64::NAN, f64::NAN);
    }
    let keys = &mut keys[..used];
    let upper = select(keys, used / 2, i64::lt).unwrap_or_default();
    let lower = keys[..used / 2].iter().copied().max();
    let lower = lower.filter(|_| used.is_multiple_of(2));
    (from_key(lower.unwrap_or(upper)), from_key(upper))
}

/// The value with `rank` values before it in order, NaN if there are fewer.
fn ranked(values: &[f64], rank: usize) -> f64 {
    let mut keys = [0; LONGEST];
    for (key, value) in keys.iter_mut().zip(values) {
        *key = to_key(*value);
    }
    let keys = &mut keys[..values.len().min(LONGEST)];
    select(keys, rank, i64::lt).map_or(f64::NAN, from_key)
}

/// Integers in the order of the values: selecting among them is faster.
fn to_key(value: f64) -> i64 {
    let bits = value.to_bits() as i64;
    bits ^ (bits >> 63 & i64::MAX)
}

fn from_key(key: i64) -> f64 {
    f64::from_bits((key ^ (key >> 63 & i64::MAX)) as u64)
}

/// The median of the last few values.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RollingMedian {
    ring: Ring,
    /// A level that the median is not below, while fewer than half of the
    /// values are below it. NaN (nothing is below it) forces a new one.
    #[serde(skip, default = "nan")]
    low: f64,
    #[serde(skip)]
    below: usize,
}

fn nan() -> f64 {
    f64::NAN
}

impl RollingMedian {
    /// The median of the last `size` values.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self {
            ring: Ring::new(size),
            low: f64::NAN,
            below: 0,
        }
    }

    /// How many values it holds.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.values.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.values.is_empty()
    }

    /// The values it holds, in the order they came in until it is full.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.ring.values
    }

    /// Takes a value in. It must be finite.
    #[inline]
    pub fn push(&mut self, value: f64) {
        let gone = self.ring.push(value);
        self.below += usize::from(value < self.low);
        self.below -= usize::from(gone.is_some_and(|gone| gone < self.low));
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::new(self.ring.size);
    }

    /// Something the median is not below: cheap, and seldom far below it. NaN
    /// until [`median`](Self::median) was called once.
    #[inline]
    #[must_use]
    pub fn at_least(&self) -> f64 {
        if 2 * self.below < self.ring.values.len() {
            self.low
        } else {
            f64::NAN
        }
    }

    /// Whether the median is at most this, by counting: cheaper than the median.
    #[must_use]
    pub fn is_at_most(&self, limit: f64) -> bool {
        let values = &self.ring.values;
        2 * count(values, |value| value > limit) < values.len()
    }

    /// The median, NaN if the window is empty.
    pub fn median(&mut self) -> f64 {
        let median = median(&self.ring.values);
        // Slack, so that the bound holds for hundreds of rows; what is compared
        // with it is several times larger. A quarter of the median is slack for
        // a norm that drifts, an eighth of the window for one that jumps
        // between few values.
        let values = &self.ring.values;
        self.low = (median - median.abs() / 4.0).min(ranked(values, values.len() * 3 / 8));
        self.below = values.iter().filter(|&&value| value < self.low).count();
        median
    }
}

fn count(values: &[f64], is_counted: impl Fn(f64) -> bool) -> usize {
    values
        .iter()
        .map(|&value| usize::from(is_counted(value)))
        .sum()
}

/// Exponentially weighted mean and variance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ewma {
    weight: f64,
    count: u32,
    mean: f64,
    variance: f64,
}

impl Ewma {
    /// With about as long a memory as a window of `span` values.
    #[must_use]
    pub fn new(span: usize) -> Self {
        Self {
            weight: 2.0 / (span as f64 + 1.0),
            count: 0,
            mean: 0.0,
            variance: 0.0,
        }
    }

    /// Takes a value in. It must be finite.
    #[inline]
    pub fn push(&mut self, value: f64) {
        self.count = self.count.saturating_add(1);
        // The first values count alike: the mean starts as an ordinary one.
        // After them there is nothing to divide.
        let count = f64::from(self.count);
        let weight = if self.weight * count < 2.0 {
            self.weight.max(1.0 / count)
        } else {
            self.weight
        };
        let delta = value - self.mean;
        self.mean += weight * delta;
        self.variance = (1.0 - weight) * (self.variance + weight * delta * delta);
    }

    /// How many values it has seen.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether it has seen none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The mean.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The standard deviation.
    #[must_use]
    pub fn sd(&self) -> f64 {
        self.variance.sqrt()
    }
}
