//! The rule, for one series of one rank.

use runwatch_detector::Parameters;
use runwatch_detector::state::{Move, Progress};
use runwatch_detector::stats::sort;
use serde::{Deserialize, Serialize};

/// Into so many blocks the window is divided.
const BLOCKS: usize = 32;
/// The window is at least this part of the run so far.
const LEAST_PART: u64 = 5;
/// It must look flat at the ends of so many blocks in a row: the windows
/// overlap, so that one unlucky block would count often.
const IN_A_ROW: u8 = 8;
/// One-sided 5 % of a normal distribution.
const SIGNIFICANT: f64 = -1.645;
/// A fall must be this many times `least-fall` to end a plateau, so that one at
/// the limit does not come and go.
const CLEARLY: f64 = 2.0;

/// The parameters.
#[derive(Debug, Clone)]
pub struct Settings {
    block: usize,
    pub(crate) least_fall: f64,
}

impl Settings {
    /// Reads the parameters.
    ///
    /// # Errors
    /// When one is missing.
    pub fn new(parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            block: (parameters.count("window")? / BLOCKS).max(1),
            least_fall: parameters.number("least-fall")?,
        })
    }
}

/// How the loss moved over the window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// Values in the window.
    pub values: usize,
    /// The step at which the window begins.
    pub from: i64,
    /// The mean of the newest block.
    pub level: f64,
    /// By which part the loss changed over the window (Theil–Sen); -0.01 is a
    /// fall of 1 %. NaN if it certainly falls and was not computed.
    pub change: f64,
    /// How surely it moves: the Mann–Kendall statistic, in standard deviations.
    pub z: f64,
}

/// What one value shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen {
    /// Nothing to report.
    Nothing,
    /// The loss does not fall.
    Flat(Trend),
    /// It falls again.
    Falls(Trend),
    /// The run resumed during a plateau.
    Resumed,
}

/// What is remembered of a series: 32 block means.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Watch {
    progress: Progress,
    /// Values per block.
    block: usize,
    /// Means of the blocks and the steps at which they begin, oldest first.
    means: Vec<(f64, i64)>,
    sum: f64,
    count: usize,
    from: i64,
    total: u64,
    /// How many times in a row the window looked flat.
    again: u8,
    flat: bool,
}

impl Watch {
    /// A series of which nothing is known.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            progress: Progress::default(),
            block: settings.block,
            means: Vec::new(),
            sum: 0.0,
            count: 0,
            from: 0,
            total: 0,
            again: 0,
            flat: false,
        }
    }

    /// Looks at the next value.
    #[inline]
    pub fn look(&mut self, settings: &Settings, step: i64, value: f64) -> Seen {
        if !value.is_finite() {
            self.progress.pass(step);
            return Seen::Nothing;
        }
        let resumed = !self.progress.goes_on(step) && self.progress.advance(step) == Move::Resumed;
        let was_flat = resumed && self.flat;
        if resumed {
            *self = Self {
                progress: self.progress,
                ..Self::new(settings)
            };
        }
        if self.count == 0 {
            self.from = step;
        }
        self.sum += value;
        self.count += 1;
        if was_flat {
            return Seen::Resumed;
        }
        if self.count < self.block {
            return Seen::Nothing;
        }
        self.end_block(settings)
    }

    #[inline(never)]
    fn end_block(&mut self, settings: &Settings) -> Seen {
        self.total += self.count as u64;
        self.means.push((self.sum / self.count as f64, self.from));
        (self.sum, self.count) = (0.0, 0);
        if self.total >= LEAST_PART * (self.block * BLOCKS) as u64 {
            self.widen();
        }
        if self.means.len() < BLOCKS {
            return Seen::Nothing;
        }
        let seen = self.judge(settings);
        self.means.remove(0);
        seen
    }

    /// Doubles the window: a late plateau is longer than an early one.
    fn widen(&mut self) {
        // The newest pairs; an odd one at the old end is dropped.
        let odd = self.means.len() % 2;
        let pairs = self.means[odd..].chunks_exact(2);
        let merge = |pair: &[(f64, i64)]| match *pair {
            [(a, from), (b, _)] => Some(((a + b) / 2.0, from)),
            _ => None,
        };
        self.means = pairs.filter_map(merge).collect();
        self.block *= 2;
    }

    fn judge(&mut self, settings: &Settings) -> Seen {
        let mut trend = Trend {
            values: self.block * BLOCKS,
            from: self.means.first().map_or(0, |first| first.1),
            level: self.means.last().map_or(f64::NAN, |last| last.0),
            change: f64::NAN,
            z: mann_kendall(&self.means),
        };
        if trend.z <= SIGNIFICANT && !self.flat {
            self.again = 0;
            return Seen::Nothing;
        }
        let slope = theil_sen(&self.means);
        let middle = self.means[BLOCKS / 2].0.abs().max(f64::MIN_POSITIVE);
        trend.change = slope * (BLOCKS - 1) as f64 / middle;
        let falls = |by: f64| trend.z <= SIGNIFICANT && -trend.change >= by;
        let looks_flat = trend.z > SIGNIFICANT && -trend.change < settings.least_fall;
        self.again = if looks_flat {
            self.again.saturating_add(1)
        } else {
            0
        };
        if self.again >= IN_A_ROW && !self.flat {
            self.flat = true;
            return Seen::Flat(trend);
        }
        if self.flat && falls(CLEARLY * settings.least_fall) {
            self.flat = false;
            return Seen::Falls(trend);
        }
        Seen::Nothing
    }
}

fn pairs(means: &[(f64, i64)]) -> impl Iterator<Item = (usize, f64)> {
    means.iter().enumerate().flat_map(move |(i, (a, _))| {
        let later = means.iter().skip(i + 1).enumerate();
        later.map(move |(gap, (b, _))| (gap + 1, b - a))
    })
}

/// Mann–Kendall: the sum of the signs of all differences over its deviation,
/// √(n (n − 1) (2 n + 5) / 18).
fn mann_kendall(means: &[(f64, i64)]) -> f64 {
    let sign = |difference: f64| f64::from(i8::from(difference > 0.0) - i8::from(difference < 0.0));
    let sum: f64 = pairs(means).map(|(_, difference)| sign(difference)).sum();
    let n = means.len() as f64;
    sum / (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt()
}

/// Theil–Sen: the median of the slopes of all pairs, per block.
fn theil_sen(means: &[(f64, i64)]) -> f64 {
    let mut slopes: Vec<f64> = pairs(means)
        .map(|(gap, difference)| difference / gap as f64)
        .collect();
    sort(&mut slopes);
    slopes.get(slopes.len() / 2).copied().unwrap_or(f64::NAN)
}
