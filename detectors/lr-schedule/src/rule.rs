//! The rule, for one series of one rank.

use runwatch_detector::Parameters;
use runwatch_detector::state::{Move, Progress};
use serde::{Deserialize, Serialize};

/// Printed for "not set".
const NOT_SET: f64 = -1.0;
/// A jump is one only after so many values without one: a schedule with few
/// rows per cycle jumps all the time.
const SMOOTH: usize = 32;
/// A jump upwards is one only when it had not risen for so many values: it is
/// no warm-up then.
const LEVEL: usize = 8;
/// A step schedule divides by 10 sharp, give or take its rounding.
const ROUNDING: f64 = 1.05;
/// A fall that begins below this part of the largest rate is the end of a decay.
const LATE: f64 = 0.1;
/// After so many values without another jump the new rate is the usual one.
const SETTLE: usize = 64;

/// The parameters.
#[derive(Debug, Clone)]
pub struct Settings {
    jump: f64,
    pub(crate) zero_rows: usize,
}

impl Settings {
    /// Reads the parameters.
    ///
    /// # Errors
    /// When one is missing.
    pub fn new(parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            jump: parameters.number("jump")? * ROUNDING,
            zero_rows: parameters.count("zero-rows")?,
        })
    }
}

/// News of one of the three troubles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum News {
    /// The rate is negative.
    Negative,
    /// It is no longer.
    NotNegative,
    /// The rate has been zero for `zero-rows` values.
    Zero {
        /// The last one that was not, and its step.
        last: f64,
        /// The step of the first zero.
        since: i64,
    },
    /// One or more zeros are over, reported or not.
    NotZero,
    /// The rate has jumped.
    Jump {
        /// The value before.
        from: f64,
        /// The largest value so far.
        largest: f64,
    },
    /// The new rate is the usual one.
    NoJump,
}

/// What is remembered of a series.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Watch {
    progress: Progress,
    last: Option<f64>,
    /// The largest rate so far, and the last one above zero.
    largest: f64,
    positive: f64,
    /// How many zeros in a row, and the step of the first.
    zeros: usize,
    since: i64,
    /// How many values in a row without a jump, and without a rise.
    smooth: usize,
    level: usize,
    negative: bool,
    zero: bool,
    jumped: bool,
}

impl Watch {
    /// Looks at the next value; there may be several news.
    #[inline]
    pub fn look(&mut self, settings: &Settings, step: i64, value: f64, news: &mut Vec<News>) {
        if !value.is_finite() || value == NOT_SET {
            self.progress.pass(step);
            return;
        }
        if !self.progress.goes_on(step) && self.progress.advance(step) == Move::Resumed {
            self.resume(news);
        }
        if self.last == Some(value) && value > 0.0 && !self.jumped {
            self.smooth = self.smooth.saturating_add(1);
            self.level = self.level.saturating_add(1);
            return;
        }
        self.change(settings, step, value, news);
    }

    /// Whether nothing is learned at this rate.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.last.is_none_or(|last| last == 0.0)
    }

    /// Another training, or the same one from a checkpoint: its rates are new.
    #[inline(never)]
    fn resume(&mut self, news: &mut Vec<News>) {
        let over = [
            (self.negative, News::NotNegative),
            (self.zeros > 0, News::NotZero),
            (self.jumped, News::NoJump),
        ];
        news.extend(over.iter().filter(|over| over.0).map(|over| over.1));
        *self = Self {
            progress: self.progress,
            ..Self::default()
        };
    }

    fn change(&mut self, settings: &Settings, step: i64, value: f64, news: &mut Vec<News>) {
        if (value < 0.0) != self.negative {
            self.negative = value < 0.0;
            news.push(if self.negative {
                News::Negative
            } else {
                News::NotNegative
            });
        }
        if value == 0.0 {
            self.take_zero(settings, step, news);
        } else {
            self.zero = false;
            if std::mem::take(&mut self.zeros) > 0 {
                news.push(News::NotZero);
            }
        }
        if value > 0.0 {
            self.take_positive(settings, value, news);
        }
        self.last = Some(value);
    }

    fn take_zero(&mut self, settings: &Settings, step: i64, news: &mut Vec<News>) {
        if self.zeros == 0 {
            self.since = step;
        }
        self.zeros = self.zeros.saturating_add(1);
        // Zero from the start: a frozen group, or one that has not begun.
        if self.zeros >= settings.zero_rows
            && self.largest > 0.0
            && !self.zero
            && !self.is_rounded()
        {
            self.zero = true;
            news.push(News::Zero {
                last: self.positive,
                since: self.since,
            });
        }
    }

    /// Whether the last rate above zero has one digit, such as 0.000001: what
    /// followed may be smaller than what is printed.
    fn is_rounded(&self) -> bool {
        let digit = self.positive / 10f64.powf(self.positive.log10().floor());
        self.positive < self.largest && (digit - digit.round()).abs() < 1e-6
    }

    fn take_positive(&mut self, settings: &Settings, value: f64, news: &mut Vec<News>) {
        let before = std::mem::replace(&mut self.positive, value);
        let largest = self.largest;
        self.largest = largest.max(value);
        if before == 0.0 {
            return;
        }
        let leaps = value > settings.jump * before || before > settings.jump * value;
        // Up to where it was before is a restart, as of a cosine.
        let is_new = value > settings.jump * largest && self.level >= LEVEL;
        let is_cliff = before > settings.jump * value && before >= LATE * largest;
        let counts = leaps && self.smooth >= SMOOTH && (is_new || is_cliff);
        self.level = if value > before {
            0
        } else {
            self.level.saturating_add(1)
        };
        self.smooth = if leaps {
            0
        } else {
            self.smooth.saturating_add(1)
        };
        if counts && !self.jumped {
            self.jumped = true;
            news.push(News::Jump {
                from: before,
                largest,
            });
        } else if self.jumped && self.smooth >= SETTLE {
            self.jumped = false;
            news.push(News::NoJump);
        }
    }
}
