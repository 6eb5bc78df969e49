//! The rule, for one series of one rank.

use runwatch_detector::state::{Move, Progress};
use runwatch_detector::stats::{Ewma, median};
use runwatch_detector::{Parameters, Severity};
use serde::{Deserialize, Serialize};

/// The first values, whose median is the start.
const START: usize = 20;
/// The fall must be so many standard deviations of single values around the
/// moving mean. Noise alone moves a mean of 20 by a fifth of one, and from the
/// luckiest stretch of a long run to an unlucky one by more than one.
const FALL_SD: f64 = 2.0;

/// The parameters.
#[derive(Debug, Clone)]
pub struct Settings {
    fall: f64,
    span: usize,
    pub(crate) hold: usize,
    warmup: usize,
    gain_sd: f64,
}

impl Settings {
    /// Reads the parameters.
    ///
    /// # Errors
    /// When one is missing or malformed.
    pub fn new(parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            fall: parameters.number("fall")?,
            span: parameters.count("span")?,
            hold: parameters.count("hold")?.max(1),
            warmup: parameters.count("warmup")?.max(START),
            gain_sd: parameters.number("gain-sd")?,
        })
    }
}

/// A collapse.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Collapse {
    /// The moving mean now.
    pub mean: f64,
    /// Its best.
    pub best: f64,
    /// Where that was.
    pub best_step: i64,
    /// The median of the first values.
    pub start: f64,
}

impl Collapse {
    /// The part of the gain that is lost: 1 is all of it.
    #[must_use]
    pub fn lost(&self) -> f64 {
        (self.best - self.mean) / (self.best - self.start)
    }

    /// Critical when the policy is no better than at its start.
    #[must_use]
    pub fn severity(&self) -> Severity {
        if self.mean <= self.start {
            Severity::Critical
        } else {
            Severity::Warning
        }
    }
}

/// What one value shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen {
    /// Nothing to report.
    Nothing,
    /// The reward has collapsed.
    Collapsed(Collapse),
    /// Nothing of the gain is left.
    Worse(Collapse),
    /// It is over.
    Over {
        /// Because the run resumed.
        resumed: bool,
    },
}

/// What is remembered of a series.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Watch {
    progress: Progress,
    /// The first values, until there are enough of them.
    first: Vec<f64>,
    /// Their median and standard deviation.
    start: Option<(f64, f64)>,
    mean: Ewma,
    /// How far single values are from the moving mean.
    noise: Ewma,
    best: f64,
    best_step: i64,
    /// Values in a row that are low, at the start or below, and back.
    low: usize,
    worst: usize,
    back: usize,
    open: Option<Severity>,
}

impl Watch {
    /// A series of which nothing is known.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            progress: Progress::default(),
            first: Vec::new(),
            start: None,
            mean: Ewma::new(settings.span),
            noise: Ewma::new(5 * settings.span),
            best: f64::NEG_INFINITY,
            best_step: 0,
            low: 0,
            worst: 0,
            back: 0,
            open: None,
        }
    }

    /// Looks at the next value.
    pub fn look(&mut self, settings: &Settings, step: i64, value: f64) -> Seen {
        if !value.is_finite() {
            self.progress.pass(step);
            return Seen::Nothing;
        }
        if self.progress.advance(step) == Move::Resumed {
            let open = self.open.is_some();
            let progress = self.progress;
            *self = Self {
                progress,
                ..Self::new(settings)
            };
            self.take(settings, step, value);
            return if open {
                Seen::Over { resumed: true }
            } else {
                Seen::Nothing
            };
        }
        self.take(settings, step, value);
        let Some((start, sd)) = self.start else {
            return Seen::Nothing;
        };
        self.judge(settings, start, sd)
    }

    fn take(&mut self, settings: &Settings, step: i64, value: f64) {
        if !self.mean.is_empty() {
            self.noise.push(value - self.mean.mean());
        }
        self.mean.push(value);
        if self.start.is_none() {
            self.first.push(value);
            if self.first.len() >= START {
                self.start = Some((median(&self.first), sd(&self.first)));
                self.first = Vec::new();
            }
        }
        // Before that a few lucky episodes make the best.
        if self.mean.len() >= settings.warmup && self.mean.mean() > self.best {
            self.best = self.mean.mean();
            self.best_step = step;
        }
    }

    fn judge(&mut self, settings: &Settings, start: f64, sd: f64) -> Seen {
        let (mean, gain) = (self.mean.mean(), self.best - start);
        let fall = self.best - mean;
        let is_low = fall > settings.fall * gain;
        if !is_low && self.open.is_none() {
            (self.low, self.worst) = (0, 0);
            return Seen::Nothing;
        }
        let has_learned = gain > settings.gain_sd * sd;
        let is_real = fall > FALL_SD * self.noise.sd();
        let counts = is_low && has_learned && is_real;
        self.low = if counts {
            self.low.saturating_add(1)
        } else {
            0
        };
        self.worst = if counts && mean <= start {
            self.worst.saturating_add(1)
        } else {
            0
        };
        let is_back = fall < settings.fall / 2.0 * gain;
        self.back = if is_back {
            self.back.saturating_add(1)
        } else {
            0
        };
        let collapse = Collapse {
            mean,
            best: self.best,
            best_step: self.best_step,
            start,
        };
        match self.open {
            None if self.low >= settings.hold => {
                self.back = 0;
                self.open = Some(collapse.severity());
                Seen::Collapsed(collapse)
            }
            Some(Severity::Warning) if self.worst >= settings.hold => {
                self.open = Some(Severity::Critical);
                Seen::Worse(collapse)
            }
            Some(_) if self.back >= settings.hold => {
                (self.low, self.worst, self.back, self.open) = (0, 0, 0, None);
                Seen::Over { resumed: false }
            }
            _ => Seen::Nothing,
        }
    }
}

/// The sample standard deviation.
fn sd(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let spread: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (spread / (count - 1.0)).sqrt()
}
