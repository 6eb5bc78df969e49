//! The rule, for one rank.

use runwatch_detector::state::{Move, Progress};
use runwatch_detector::stats::{Ewma, Ring};
use runwatch_detector::{Parameters, Severity};
use serde::{Deserialize, Serialize};

/// How many block means a trend is judged by.
const BLOCKS: usize = 16;
/// The levels at its ends are means of so many.
const ENDS: usize = 4;
/// The variance of Mann's and Kendall's S of 16 values: n (n − 1) (2n + 5) / 18.
const S_VARIANCE: f64 = 16.0 * 15.0 * 37.0 / 18.0;
/// The memory of the noise, in values.
const SPAN: usize = 100;
/// The memory of usual falls, in blocks: longer than any slow drift.
const LONG_SPAN: usize = 10_000;
/// A fall counts as usual only so many blocks later, lest a drift make itself
/// usual; and so many must be known.
const DELAY: usize = 64;
const LEAST_FALLS: usize = 8;
/// So many blocks in a row that are back end a drift; so many blocks without a
/// fall do as well.
const BACK: u8 = 2;
const SETTLED: u8 = 32;

/// The parameters.
#[derive(Debug, Clone)]
pub struct Settings {
    z: f64,
    noise: f64,
    usual: f64,
    share: f64,
    /// Values a block, for the info and for the warning.
    blocks: [u32; 2],
}

impl Settings {
    /// Reads and checks the parameters.
    ///
    /// # Errors
    /// When the windows contradict each other.
    pub fn new(parameters: &Parameters) -> Result<Self, String> {
        let (window, long) = (
            parameters.count("window")?,
            parameters.count("long-window")?,
        );
        if window >= long {
            return Err(format!(
                "`window` ({window}) must be less than `long-window` ({long})"
            ));
        }
        let block = |window: usize| (window / BLOCKS).max(1) as u32;
        Ok(Self {
            z: parameters.number("z")?,
            noise: parameters.number("noise")?,
            usual: parameters.number("usual")?,
            share: parameters.number("share")?,
            blocks: [block(window), block(long)],
        })
    }
}

/// A reward that falls slowly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// The level at the beginning of the window.
    pub from: f64,
    /// The level at its end.
    pub to: f64,
    /// How many values the window has.
    pub rows: usize,
    /// The fall as a share of all that the reward has gone so far.
    pub share: f64,
    /// How sure the fall is: Mann's and Kendall's Z, negative.
    pub z: f64,
    /// An info in the short window, a warning in the long one.
    pub severity: Severity,
}

/// What one value shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen {
    /// Nothing to report.
    Nothing,
    /// It drifts down.
    Began(Drift),
    /// It does so for long.
    Worse(Drift),
    /// It is over; back where it was, settled, or `None` if the run resumed.
    Over(Option<bool>),
}

/// The means of the last blocks of one size.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Trend {
    sum: f64,
    count: u32,
    means: Vec<f64>,
}

impl Trend {
    /// Takes a value in and says whether it completes a block.
    fn push(&mut self, block: u32, value: f64) -> bool {
        self.sum += value / f64::from(block);
        self.count += 1;
        if self.count < block {
            return false;
        }
        if self.means.len() >= BLOCKS {
            self.means.remove(0);
        }
        self.means.push(self.sum);
        (self.sum, self.count) = (0.0, 0);
        true
    }

    /// The levels at the beginning and at the end of the window, once it is full.
    fn ends(&self) -> Option<(f64, f64)> {
        if self.means.len() < BLOCKS {
            return None;
        }
        let from = self.means.iter().take(ENDS).sum::<f64>() / ENDS as f64;
        let to = self.means.iter().rev().take(ENDS).sum::<f64>() / ENDS as f64;
        Some((from, to))
    }

    /// Mann's and Kendall's Z of the blocks of a full window.
    fn z(&self) -> f64 {
        let pairs = self.means.iter().enumerate().flat_map(|(at, early)| {
            let later = self.means.iter().skip(at + 1);
            later.map(move |late| f64::from(i8::from(late > early) - i8::from(late < early)))
        });
        // Towards zero by one, since S is a whole number.
        (pairs.sum::<f64>() + 1.0).min(0.0) / S_VARIANCE.sqrt()
    }
}

/// What is remembered of a rank.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Watch {
    progress: Progress,
    /// Over the short and over the long window.
    trends: [Trend; 2],
    /// Squares of half the differences between values that follow each other:
    /// noise without the trend.
    noise: Ewma,
    last: Option<f64>,
    /// Squares of the falls over the short window: how far the reward goes down
    /// and up again anyway. The newest of them wait.
    usual: Ewma,
    waiting: Ring,
    /// The highest and the lowest block so far.
    highest: f64,
    lowest: f64,
    open: Option<Drift>,
    back: u8,
    calm: u8,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            progress: Progress::default(),
            trends: Default::default(),
            noise: Ewma::new(SPAN),
            last: None,
            usual: Ewma::new(LONG_SPAN),
            waiting: Ring::new(DELAY),
            highest: f64::NEG_INFINITY,
            lowest: f64::INFINITY,
            open: None,
            back: 0,
            calm: 0,
        }
    }
}

impl Watch {
    /// Looks at the next mean reward.
    pub fn look(&mut self, settings: &Settings, step: i64, value: f64) -> Seen {
        if !value.is_finite() {
            self.progress.pass(step);
            return Seen::Nothing;
        }
        let mut seen = Seen::Nothing;
        if self.progress.advance(step) == Move::Resumed {
            if self.open.is_some() {
                seen = Seen::Over(None);
            }
            *self = Self {
                progress: self.progress,
                ..Self::default()
            };
        }
        if let Some(last) = self.last.replace(value) {
            let half = (value - last) / 2.0;
            self.noise.push(2.0 * half * half);
        }
        let [short, long] = &mut self.trends;
        let complete = short.push(settings.blocks[0], value);
        let long_complete = long.push(settings.blocks[1], value);
        if complete && let Some(&mean) = short.means.last() {
            self.highest = self.highest.max(mean);
            self.lowest = self.lowest.min(mean);
            let fall = short
                .means
                .first()
                .map_or(0.0, |first| (first - mean).max(0.0));
            // Half of all moves are falls where there is no trend.
            if short.means.len() >= BLOCKS
                && let Some(old) = self.waiting.push(2.0 * fall * fall)
            {
                self.usual.push(old);
            }
        }
        // With what a resume ends nothing begins: the trends are empty.
        if complete || long_complete {
            seen = self.judge(settings, long_complete);
        }
        seen
    }

    fn judge(&mut self, settings: &Settings, long_complete: bool) -> Seen {
        let short = self.drift(settings, 0);
        let long = long_complete.then(|| self.drift(settings, 1)).flatten();
        let Some(open) = &mut self.open else {
            let Some(drift) = long.or(short) else {
                return Seen::Nothing;
            };
            self.open = Some(drift);
            (self.back, self.calm) = (0, 0);
            return Seen::Began(drift);
        };
        if let Some(drift) = long.filter(|drift| drift.severity > open.severity) {
            *open = drift;
            return Seen::Worse(drift);
        }
        let now = self.trends[0].means.last().copied().unwrap_or(open.to);
        let is_back = now > f64::midpoint(open.from, open.to);
        self.back = if is_back {
            self.back.saturating_add(1)
        } else {
            0
        };
        self.calm = if short.or(long).is_some() {
            0
        } else {
            self.calm.saturating_add(1)
        };
        if self.back < BACK && self.calm < SETTLED {
            return Seen::Nothing;
        }
        self.open = None;
        Seen::Over(Some(is_back))
    }

    fn drift(&self, settings: &Settings, which: usize) -> Option<Drift> {
        let trend = self.trends.get(which)?;
        let (from, to) = trend.ends()?;
        let fall = from - to;
        let share = fall / (self.highest - self.lowest);
        if self.usual.len() < LEAST_FALLS {
            return None;
        }
        let noise = settings.noise * self.noise.mean().sqrt();
        let usual = settings.usual * self.usual.mean().sqrt();
        if !(fall > noise && fall > usual && share >= settings.share) {
            return None;
        }
        let z = trend.z();
        (z <= -settings.z).then(|| Drift {
            from,
            to,
            rows: BLOCKS
                * settings
                    .blocks
                    .get(which)
                    .map_or(1, |block| *block as usize),
            share,
            z,
            severity: if which == 0 {
                Severity::Info
            } else {
                Severity::Warning
            },
        })
    }
}
