//! The rule, for one series of evaluation losses.

use runwatch_detector::Parameters;
use runwatch_detector::state::{Move, Progress};
use runwatch_detector::stats::Ewma;
use serde::{Deserialize, Serialize};

/// About how many values the mean of the training loss is of.
const TRAIN_SPAN: usize = 32;
/// Fewer values than these are no mean.
const TRAIN_LEAST: usize = 4;
/// An evaluation loss that once recovered from a rise must rise by this many
/// times as much.
const SETBACKS: f64 = 1.5;

/// The parameters.
#[derive(Debug, Clone)]
pub struct Settings {
    rise: f64,
    pub(crate) evaluations: usize,
}

impl Settings {
    /// Reads the parameters.
    ///
    /// # Errors
    /// When one is missing.
    pub fn new(parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            rise: parameters.number("rise")?,
            evaluations: parameters.count("evaluations")?,
        })
    }
}

/// The mean of the training loss.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Train {
    progress: Progress,
    /// The series that came first; others are parts of the loss.
    series: Option<u32>,
    mean: Ewma,
}

impl Default for Train {
    fn default() -> Self {
        Self {
            progress: Progress::default(),
            series: None,
            mean: Ewma::new(TRAIN_SPAN),
        }
    }
}

impl Train {
    /// Takes a training loss in.
    #[inline]
    pub fn take(&mut self, series: u32, step: i64, value: f64) {
        if !value.is_finite() || *self.series.get_or_insert(series) != series {
            return;
        }
        if !self.progress.goes_on(step) && self.progress.advance(step) == Move::Resumed {
            self.mean = Ewma::new(TRAIN_SPAN);
        }
        self.mean.push(value);
    }

    /// The mean, if enough values are known.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.mean.len() >= TRAIN_LEAST).then(|| self.mean.mean())
    }
}

/// An evaluation loss that rises while the training loss falls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overfitting {
    /// The best evaluation loss.
    pub best: f64,
    /// The step of that.
    pub best_step: i64,
    /// How far above it: 0.1 is 10 %.
    pub rise: f64,
    /// The mean of the training loss then and now.
    pub train: (f64, f64),
}

/// What one evaluation shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen {
    /// Nothing to report.
    Nothing,
    /// The model overfits.
    Began(Overfitting),
    /// The evaluation loss is back.
    Over {
        /// The best one before.
        best: f64,
    },
    /// The run resumed.
    Resumed,
}

/// What is remembered of a series of evaluation losses.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Watch {
    progress: Progress,
    best: Option<Best>,
    /// The largest rise above a best that was followed by a better one, and the
    /// largest since the best.
    setback: f64,
    rise: f64,
    /// How many evaluations in a row were too high.
    high: usize,
    open: bool,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Best {
    value: f64,
    step: i64,
    train: Option<f64>,
}

impl Watch {
    /// Looks at the next evaluation loss, given the mean of the training loss.
    pub fn look(&mut self, settings: &Settings, step: i64, value: f64, train: Option<f64>) -> Seen {
        // A ratio of losses that are not positive says nothing.
        if !value.is_finite() || value <= 0.0 {
            return Seen::Nothing;
        }
        if self.progress.advance(step) == Move::Resumed {
            let open = self.open;
            *self = Self {
                progress: self.progress,
                best: Some(Best { value, step, train }),
                ..Self::default()
            };
            return if open { Seen::Resumed } else { Seen::Nothing };
        }
        let best = match self.best {
            Some(best) if value >= best.value => best,
            before => {
                self.best = Some(Best { value, step, train });
                self.setback = self.setback.max(self.rise);
                (self.high, self.rise) = (0, 0.0);
                return self.close(before.map_or(value, |best| best.value));
            }
        };
        let rise = value / best.value - 1.0;
        self.rise = self.rise.max(rise);
        if rise <= settings.rise / 2.0 {
            self.high = 0;
            return self.close(best.value);
        }
        let limit = settings.rise.max(SETBACKS * self.setback);
        self.high = if rise > limit { self.high + 1 } else { 0 };
        match best.train.zip(train) {
            Some((then, now)) if now < then && self.high >= settings.evaluations && !self.open => {
                self.open = true;
                Seen::Began(Overfitting {
                    best: best.value,
                    best_step: best.step,
                    rise,
                    train: (then, now),
                })
            }
            _ => Seen::Nothing,
        }
    }

    fn close(&mut self, best: f64) -> Seen {
        if std::mem::take(&mut self.open) {
            Seen::Over { best }
        } else {
            Seen::Nothing
        }
    }
}
