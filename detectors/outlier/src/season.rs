//! What is usual at a time of day.

use serde::{Deserialize, Serialize};

/// Seconds in a day.
const DAY: f64 = 86_400.0;
/// Parts of a day that have a mean of their own: a quarter of an hour each.
const PARTS: usize = 96;
/// A part's mean remembers about this many values.
const MEMORY: u8 = 12;

/// A mean for every quarter of an hour of the day (UTC; which zone does not
/// matter as long as it stays the same).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Season {
    /// The first time seen.
    start: f64,
    /// Mean and number of values (up to [`MEMORY`]) of each part. Single
    /// precision: half the memory, and what is rounded off is no anomaly.
    parts: Vec<(f32, u8)>,
}

impl Season {
    /// Knows nothing before a day has gone by.
    pub(crate) fn new(start: f64) -> Self {
        Self {
            start,
            parts: vec![(0.0, 0); PARTS],
        }
    }

    /// The mean of the values at this time of earlier days.
    pub(crate) fn usual(&self, time: f64) -> Option<f64> {
        let &(mean, count) = self.parts.get(part(time))?;
        (count > 0 && time - self.start > DAY).then_some(f64::from(mean))
    }

    /// Takes in what is seen now.
    pub(crate) fn learn(&mut self, time: f64, value: f64) {
        let Some((mean, count)) = self.parts.get_mut(part(time)) else {
            return;
        };
        // A larger number would become infinite in single precision.
        let limit = f64::from(f32::MAX) / 4.0;
        let value = value.clamp(-limit, limit) as f32;
        *count = (*count + 1).min(MEMORY);
        *mean += (value - *mean) / f32::from(*count);
    }
}

fn part(time: f64) -> usize {
    (time.rem_euclid(DAY) / DAY * PARTS as f64) as usize
}
