//! Median and deviation of logarithms, exact when asked and bounded otherwise.

use serde::{Deserialize, Serialize};

use super::{Ring, count, middle};

/// A median absolute deviation times this is the standard deviation of
/// normally distributed values.
pub const MAD_TO_SD: f64 = 1.4826;

/// Where the logarithms of a window lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// The median of the logarithms.
    pub centre: f64,
    /// Their standard deviation, estimated by the median absolute deviation.
    pub sd: f64,
}

/// Median and median absolute deviation of the *logarithms* of the last few
/// values, which must be finite and at least [`f64::MIN_POSITIVE`].
///
/// It holds the values as they are: the order of logarithms is the order of
/// values, so that no logarithm is taken until [`level`](Self::level) needs it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogWindow {
    ring: Ring,
    reach: f64,
    floor: f64,
    /// Not saved: it only says when an exact answer can be skipped.
    #[serde(skip)]
    gate: Gate,
}

impl LogWindow {
    /// A window of `size` values. `reach` is the number of standard deviations
    /// that [`surely_within`](Self::surely_within) is about, and `floor` the
    /// least standard deviation.
    #[must_use]
    pub fn new(size: usize, reach: f64, floor: f64) -> Self {
        Self {
            ring: Ring::new(size),
            reach,
            floor,
            gate: Gate::default(),
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

    /// Takes a value in.
    #[inline]
    pub fn push(&mut self, value: f64) {
        let gone = self.ring.push(value);
        self.gate.exchange(value, gone);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.ring.clear();
        self.gate = Gate::default();
    }

    /// True only if `ln value <= centre + reach * sd`. False means "ask
    /// [`level`](Self::level)", which makes the next answers cheap again.
    #[inline]
    #[must_use]
    pub fn surely_within(&mut self, value: f64) -> bool {
        let holds = self.gate.holds(self.ring.values.len());
        holds && value <= self.gate.limit || self.within_at_second_look(holds, value)
    }

    #[inline(never)]
    fn within_at_second_look(&mut self, holds: bool, value: f64) -> bool {
        let Self {
            gate, ring, reach, ..
        } = self;
        (holds || gate.follow(&ring.values)) && gate.reaches(&ring.values, *reach, value)
    }

    /// Median and deviation, exactly. NaN if the window is empty.
    pub fn level(&mut self) -> Level {
        let values = || self.ring.values.iter().copied();
        let (a, b) = middle(values());
        let centre = (a.ln() + b.ln()) / 2.0;
        // |ln x - centre| is the logarithm of this ratio, and in the same order.
        let median = centre.exp();
        let (a, b) = middle(values().map(|value| value.max(median) / value.min(median)));
        let mad = (a.ln() + b.ln()) / 2.0;
        // A gate that holds stays: the value in question was just too large.
        if self.gate.limit.is_nan() || !self.gate.holds(self.ring.values.len()) {
            self.gate = Gate::new(&self.ring.values, median, mad, self.reach, self.floor);
        }
        Level {
            centre,
            sd: (MAD_TO_SD * mad).max(self.floor),
        }
    }
}

/// A lower bound of `centre + reach * sd` that holds while three counts do.
///
/// With `h = (n - 1) / 2`, rounded down:
/// - at most `h` values below `low`: the median is at least `low`;
/// - at most `h` values above `high`: the median is at most `high`;
/// - at most `h` values from `near_low` to `near_high`, which is `low..=high`
///   widened by `d` on the log scale: then at most `h` values are within `d` of
///   the median, wherever between `low` and `high` it is, so that the median
///   absolute deviation is at least `d`.
///
/// All three are exact counts, so that this holds at every moment; the limit
/// has a margin far above the rounding of logarithms.
#[derive(Debug, Clone)]
struct Gate {
    low: f64,
    high: f64,
    near_low: f64,
    near_high: f64,
    limit: f64,
    /// The factor by which the gate follows a median that falls out of it.
    down: f64,
    below: usize,
    above: usize,
    near: usize,
}

impl Default for Gate {
    /// Nothing is surely within.
    fn default() -> Self {
        Self {
            low: f64::NEG_INFINITY,
            high: f64::INFINITY,
            near_low: f64::INFINITY,
            near_high: f64::NEG_INFINITY,
            limit: f64::NAN,
            down: f64::NAN,
            below: 0,
            above: 0,
            near: 0,
        }
    }
}

impl Gate {
    /// How far `low` and `high` are from the median, in median deviations. More
    /// makes the bound looser, less makes it fail sooner.
    const SLACK: f64 = 0.25;
    /// The deviations `d` to try, in median deviations, widest first.
    const DEVIATIONS: [f64; 7] = [0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.15];
    /// The limit is smaller than the bound by this part.
    const MARGIN: f64 = 1e-9;

    fn new(values: &[f64], median: f64, mad: f64, reach: f64, floor: f64) -> Self {
        let slack = (Self::SLACK * mad).max(floor / 2.0);
        let (low, high) = (median * (-slack).exp(), median * slack.exp());
        let mut gate = Self {
            low,
            high,
            down: (-1.5 * slack).exp(),
            ..Self::default()
        };
        // Some room, so that the next few values do not make the count fail.
        let enough = values.len() * 7 / 16;
        let mut sd = floor;
        for d in Self::DEVIATIONS.map(|part| part * mad) {
            if MAD_TO_SD * d <= floor {
                break;
            }
            let wider = d.exp();
            let (near_low, near_high) = (low / wider, high * wider);
            if count(values, |value| value >= near_low && value <= near_high) <= enough {
                (gate.near_low, gate.near_high, sd) = (near_low, near_high, MAD_TO_SD * d);
                break;
            }
        }
        gate.limit = low * (reach * sd).exp() * (1.0 - Self::MARGIN);
        gate.recount(values);
        gate
    }

    fn recount(&mut self, values: &[f64]) {
        let Self {
            low,
            high,
            near_low,
            near_high,
            ..
        } = *self;
        self.below = count(values, |value| value < low);
        self.above = count(values, |value| value > high);
        self.near = count(values, |value| value >= near_low && value <= near_high);
    }

    #[inline]
    fn exchange(&mut self, value: f64, gone: Option<f64>) {
        let Self {
            low,
            high,
            near_low,
            near_high,
            ..
        } = *self;
        let near = |value: f64| usize::from((value >= near_low) & (value <= near_high));
        self.below += usize::from(value < low);
        self.above += usize::from(value > high);
        self.near += near(value);
        if let Some(gone) = gone {
            self.below -= usize::from(gone < low);
            self.above -= usize::from(gone > high);
            self.near -= near(gone);
        }
    }

    #[inline]
    fn holds(&self, len: usize) -> bool {
        2 * self.below.max(self.above).max(self.near) < len
    }

    /// Whether the deviation that would put a value within the limit can be
    /// shown by counting once more. Only asked while the gate holds.
    fn reaches(&self, values: &[f64], reach: f64, value: f64) -> bool {
        if value <= self.limit {
            return true;
        }
        let d = (value / self.low).ln() / (reach * MAD_TO_SD) + Self::MARGIN;
        let (near_low, near_high) = (self.low / d.exp(), self.high * d.exp());
        let near = count(values, |value| value >= near_low && value <= near_high);
        !self.limit.is_nan() && value.is_finite() && 2 * near < values.len()
    }

    /// Moves after a median that has left `low..=high`, as that of a falling
    /// loss does all the time; says whether it holds again.
    #[inline(never)]
    fn follow(&mut self, values: &[f64]) -> bool {
        let factor = if self.below > self.above {
            self.down
        } else {
            1.0 / self.down
        };
        for edge in [
            &mut self.low,
            &mut self.high,
            &mut self.near_low,
            &mut self.near_high,
        ] {
            *edge *= factor;
        }
        self.limit *= factor;
        self.recount(values);
        self.holds(values.len())
    }
}
