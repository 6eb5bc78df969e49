//! The rule, for one rank.

use runwatch_detector::show::number;
use runwatch_detector::state::{Move, Progress};
use runwatch_detector::stats::{Ring, median};
use runwatch_detector::{Parameters, Severity};
use serde::{Deserialize, Serialize};

/// Rows whose median share counts: one bit each.
const WINDOW: u32 = u32::BITS;
/// Rows that must be known before anything is judged.
const WARMUP: u32 = 16;
/// Rows that make the baseline.
const BASELINE: usize = 64;
/// A step that is said to take less than this part of its waiting for data is
/// in another unit.
const OTHER_UNIT: f64 = 0.01;

/// The parameters.
#[derive(Debug, Clone)]
pub struct Settings {
    share: f64,
    critical_share: f64,
    factor: f64,
    least_share: f64,
}

impl Settings {
    /// Reads and checks the parameters.
    ///
    /// # Errors
    /// When they contradict each other.
    pub fn new(parameters: &Parameters) -> Result<Self, String> {
        let (share, critical_share) = (
            parameters.number("share")?,
            parameters.number("critical-share")?,
        );
        if critical_share < share {
            return Err(format!(
                "`critical-share` ({critical_share}) must not be less than `share` ({share})",
                critical_share = number(critical_share),
                share = number(share)
            ));
        }
        Ok(Self {
            share,
            critical_share,
            factor: parameters.number("factor")?,
            least_share: parameters.number("least-share")?,
        })
    }
}

/// The share of a step that goes into waiting for data. Some jobs count the
/// waiting as part of the step, some do not. None if the units differ.
#[must_use]
pub fn share(data: f64, step: f64) -> Option<f64> {
    let usable = data >= 0.0 && step > 0.0 && data.is_finite() && step.is_finite();
    if !usable || step < OTHER_UNIT * data {
        return None;
    }
    Some(if data <= step {
        data / step
    } else {
        data / (data + step)
    })
}

/// Waiting for data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stall {
    /// The median share of the last rows is above this, …
    pub limit: f64,
    /// … and it used to be this; NaN when it is not known.
    pub before: f64,
    /// How bad that is.
    pub severity: Severity,
}

/// What one row shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen {
    /// Nothing to report.
    Nothing,
    /// Training waits for data.
    Stall(Stall),
    /// It waits even more.
    Worse(Stall),
    /// It no longer does.
    Over,
}

/// What is remembered of a rank.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Watch {
    progress: Progress,
    /// The row before, for jobs that print no step time.
    last: Option<(i64, f64)>,
    /// Up to [`WINDOW`].
    rows: u32,
    /// The last rows, one bit each: above the limit for a warning, for a
    /// critical.
    high: u32,
    higher: u32,
    first: Option<Ring>,
    /// The median of the first rows; NaN until it is known.
    baseline: f64,
    open: Option<Severity>,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            progress: Progress::default(),
            last: None,
            rows: 0,
            high: 0,
            higher: 0,
            first: Some(Ring::new(BASELINE)),
            baseline: f64::NAN,
            open: None,
        }
    }
}

impl Watch {
    /// The seconds of a step by the times of the rows.
    pub fn clock(&mut self, step: i64, time: f64) -> Option<f64> {
        let (last_step, last_time) = self.last.replace((step, time))?;
        let steps = step.saturating_sub(last_step);
        (steps > 0).then(|| (time - last_time) / steps as f64)
    }

    /// Looks at a row of which the share is not known.
    pub fn pass(&mut self, step: i64) {
        self.progress.pass(step);
    }

    /// Looks at the next row's share.
    pub fn look(&mut self, settings: &Settings, step: i64, share: f64) -> Seen {
        if self.progress.advance(step) == Move::Resumed {
            let was_open = self.open.is_some();
            *self = Self {
                progress: self.progress,
                last: self.last,
                ..Self::default()
            };
            if was_open {
                return Seen::Over;
            }
        }
        // What is normal for a job may be much less than the absolute limit.
        let relative = (settings.factor * self.baseline).max(settings.least_share);
        let limit = if self.baseline.is_finite() {
            settings.share.min(relative)
        } else {
            settings.share
        };
        self.rows = (self.rows + 1).min(WINDOW);
        self.high = self.high << 1 | u32::from(share > limit);
        self.higher = self.higher << 1 | u32::from(share > settings.critical_share);
        self.learn(share);
        if self.rows < WARMUP {
            return Seen::Nothing;
        }
        let stall = |severity| Stall {
            limit,
            before: self.baseline,
            severity,
        };
        // What waits from the start is slow, but nothing has broken.
        let got_worse = self.baseline < settings.share;
        // The median is above a limit when more than half of the values are.
        if got_worse && 2 * self.higher.count_ones() > self.rows {
            self.fire(stall(Severity::Critical))
        } else if 2 * self.high.count_ones() > self.rows {
            self.fire(stall(Severity::Warning))
        } else if 4 * self.high.count_ones() < self.rows && self.open.take().is_some() {
            Seen::Over
        } else {
            Seen::Nothing
        }
    }

    fn learn(&mut self, share: f64) {
        let Some(first) = &mut self.first else {
            return;
        };
        first.push(share);
        if first.values().len() == BASELINE {
            self.baseline = median(first.values());
            self.first = None;
        }
    }

    fn fire(&mut self, stall: Stall) -> Seen {
        match self.open {
            None => {
                self.open = Some(stall.severity);
                Seen::Stall(stall)
            }
            Some(before) if before < stall.severity => {
                self.open = Some(stall.severity);
                Seen::Worse(stall)
            }
            Some(_) => Seen::Nothing,
        }
    }
}
