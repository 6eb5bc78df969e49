//! The rule, for one series of evaluation losses.

use runwatch_detector::Parameters;
use runwatch_detector::state::{Move, Progress};
use runwatch_detector::stats::{Ewma, Ring, median};
use serde::{Deserialize, Serialize};

/// About how many values the mean of the training loss is of.
const TRAIN_SPAN: usize = 32;
/// Fewer values than these are no mean.
const TRAIN_LEAST: usize = 4;
/// How many changes of direction tell the noise of the evaluations.
const BENDS: usize = 8;
/// A rise must be this many times as large as the usual change of direction.
const NOISE: f64 = 2.0;

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
        if !value.is_finite() {
            if self.series == Some(series) {
                self.progress.pass(step);
            }
            return;
        }
        if *self.series.get_or_insert(series) != series {
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

/// An evaluation that is over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluation {
    /// Its last step.
    pub step: i64,
    /// The mean of its values.
    pub value: f64,
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
}

/// What is remembered of a series of evaluation losses.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Watch {
    progress: Progress,
    /// Sum and number of the values of the evaluation that is going on, and the
    /// mean of the training loss before it.
    sum: f64,
    count: u32,
    train: Option<f64>,
    step: i64,
    /// The last value as it was printed.
    printed: Option<f64>,
    best: Option<Best>,
    /// The logarithms of the last two evaluations, newest first.
    last: [Option<f64>; 2],
    /// How much each evaluation was off the line through the two before it.
    bends: Ring,
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

impl Default for Watch {
    fn default() -> Self {
        Self {
            progress: Progress::default(),
            sum: 0.0,
            count: 0,
            train: None,
            step: 0,
            printed: None,
            best: None,
            last: [None; 2],
            bends: Ring::new(BENDS),
            high: 0,
            open: false,
        }
    }
}

impl Watch {
    /// Takes the next value in, given the mean of the training loss; true if the
    /// run resumed while it was overfitting. An evaluation may print a value per
    /// batch; it ends with the next training loss.
    pub fn take(&mut self, step: i64, value: f64, train: Option<f64>) -> bool {
        // A progress bar repeats the last evaluation until the next.
        let last = self.printed.replace(value).map(f64::to_bits);
        if last == Some(value.to_bits()) {
            return false;
        }
        // A ratio of losses that are not positive says nothing.
        if !value.is_finite() || value <= 0.0 {
            self.progress.pass(step);
            return false;
        }
        let mut resumed_open = false;
        if self.progress.advance(step) == Move::Resumed {
            resumed_open = self.open;
            *self = Self {
                progress: self.progress,
                printed: self.printed,
                ..Self::default()
            };
        }
        if self.count == 0 {
            (self.sum, self.train) = (0.0, train);
        }
        self.sum += value;
        self.count = self.count.saturating_add(1);
        self.step = step;
        resumed_open
    }

    /// Training goes on: judges the evaluation before, if there was one.
    pub fn end(&mut self, settings: &Settings) -> Option<(Evaluation, Seen)> {
        if self.count == 0 {
            return None;
        }
        let evaluation = Evaluation {
            step: self.step,
            value: self.sum / f64::from(std::mem::take(&mut self.count)),
        };
        Some((evaluation, self.judge(settings, evaluation)))
    }

    /// How far an evaluation may be off: the median change of direction.
    fn noise(&mut self, log: f64) -> Option<f64> {
        let [newest, before] = self.last;
        self.last = [Some(log), newest];
        if let Some((b, a)) = newest.zip(before) {
            self.bends.push((log - 2.0 * b + a).abs());
        }
        let bends = self.bends.values();
        (!bends.is_empty()).then(|| median(bends))
    }

    fn judge(&mut self, settings: &Settings, Evaluation { step, value }: Evaluation) -> Seen {
        let noise = self.noise(value.ln());
        let train = self.train;
        let best = match self.best {
            Some(best) if value >= best.value => best,
            before => {
                self.best = Some(Best { value, step, train });
                self.high = 0;
                return self.close(before.map_or(value, |best| best.value));
            }
        };
        let rise = value / best.value - 1.0;
        if rise <= settings.rise / 2.0 {
            self.high = 0;
            return self.close(best.value);
        }
        let clear = noise.is_some_and(|noise| rise.ln_1p() >= NOISE * noise);
        self.high = if rise > settings.rise {
            self.high + 1
        } else {
            0
        };
        let fires = clear && self.high >= settings.evaluations && !self.open;
        match best.train.zip(train) {
            Some((then, now)) if fires && now < then => {
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
