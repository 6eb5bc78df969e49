//! The rule, for one series of one rank.

use runwatch_detector::show::number;
use runwatch_detector::state::{Ended, Move, Progress};
use runwatch_detector::stats::Ewma;
use runwatch_detector::{Parameters, Severity};
use serde::{Deserialize, Serialize};

/// A loss below this is zero: its logarithm is meaningless.
const LEAST: f64 = f64::MIN_POSITIVE;
/// A value that is not positive counts this much, a positive one takes 1 back;
/// from the limit on the loss is one that changes its sign, and is not watched.
const SIGN_WEIGHT: u8 = 8;
const SIGN_LIMIT: u8 = 64;
/// The furthest that one value counts from the moving mean: a factor of e.
const REACH: f64 = 1.0;
/// The noise is measured over so many spans.
const NOISE_SPANS: usize = 4;
/// A loss that has not risen further for this many times `rows` has settled.
const SETTLE: usize = 16;

/// The parameters.
#[derive(Debug, Clone)]
pub struct Settings {
    span: usize,
    /// Rises on the log scale.
    log_rise: f64,
    critical_log_rise: f64,
    /// Standard deviations of one value times this make the least rise.
    noise: f64,
    pub(crate) rows: usize,
    warmup: usize,
}

impl Settings {
    /// Reads and checks the parameters.
    ///
    /// # Errors
    /// When the rises contradict each other.
    pub fn new(parameters: &Parameters) -> Result<Self, String> {
        let (rise, critical) = (
            parameters.number("rise")?,
            parameters.number("critical-rise")?,
        );
        if critical < rise {
            return Err(format!(
                "`critical-rise` ({critical}) must not be less than `rise` ({rise})",
                critical = number(critical),
                rise = number(rise)
            ));
        }
        let span = parameters.count("span")?;
        // The deviation of a moving mean: sd * sqrt(a / (2 - a)), a = 2 / (span + 1).
        let of_mean = (span.max(1) as f64).sqrt();
        Ok(Self {
            span,
            log_rise: rise.ln_1p(),
            critical_log_rise: critical.ln_1p(),
            noise: parameters.number("noise")? / of_mean,
            rows: parameters.count("rows")?,
            warmup: parameters.count("warmup")?,
        })
    }
}

/// A loss that has left its best level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// The moving mean now.
    pub mean: f64,
    /// The least moving mean before.
    pub best: f64,
    /// The step of that.
    pub best_step: i64,
    /// How far above it: 0.1 is 10 %.
    pub rise: f64,
    /// Critical from `critical-rise` on.
    pub severity: Severity,
}

/// What one value shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen {
    /// Nothing to report.
    Nothing,
    /// The loss has left its best level.
    Began(Drift),
    /// It has become critical.
    Worse(Drift),
    /// It is over; `None` if that is because the run resumed.
    Over(Drift, Option<Ended>),
}

/// What is remembered of a series.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Watch {
    progress: Progress,
    /// Of the logarithm.
    mean: Ewma,
    /// Of the distance of a value from the mean before it.
    residual: Ewma,
    signs: u8,
    /// The least mean, on the log scale; NaN during the warm-up.
    best: f64,
    best_step: i64,
    /// How many values in a row the mean was above the limits.
    above: usize,
    critical: usize,
    open: Option<Open>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Open {
    severity: Severity,
    /// The largest mean, and how many values ago that was.
    worst: f64,
    since: usize,
}

impl Watch {
    /// A series of which nothing is known.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            progress: Progress::default(),
            mean: Ewma::new(settings.span),
            residual: Ewma::new(NOISE_SPANS * settings.span),
            signs: 0,
            best: f64::NAN,
            best_step: 0,
            above: 0,
            critical: 0,
            open: None,
        }
    }

    /// Looks at the next value.
    #[inline]
    pub fn look(&mut self, settings: &Settings, step: i64, value: f64) -> Seen {
        if !value.is_finite() {
            self.progress.pass(step);
            return Seen::Nothing;
        }
        if !self.progress.goes_on(step) && self.progress.advance(step) == Move::Resumed {
            return self.resume(settings, value);
        }
        if !self.take(value) || self.mean.len() < settings.warmup {
            return Seen::Nothing;
        }
        let mean = self.mean.mean();
        if self.best.is_nan() || mean < self.best {
            (self.best, self.best_step) = (mean, step);
        }
        if mean - self.best <= settings.log_rise && self.open.is_none() {
            (self.above, self.critical) = (0, 0);
            return Seen::Nothing;
        }
        self.judge(settings, step, mean)
    }

    /// Takes a value into mean and noise, unless its sign forbids it.
    #[inline]
    fn take(&mut self, value: f64) -> bool {
        if value < LEAST {
            self.signs = (self.signs + SIGN_WEIGHT).min(2 * SIGN_LIMIT);
            return false;
        }
        self.signs = self.signs.saturating_sub(1);
        if self.signs >= SIGN_LIMIT {
            return false;
        }
        let log = value.ln();
        if self.mean.is_empty() {
            self.mean.push(log);
            return true;
        }
        let residual = (log - self.mean.mean()).clamp(-REACH, REACH);
        self.mean.push(self.mean.mean() + residual);
        self.residual.push(residual);
        true
    }

    #[inline(never)]
    fn resume(&mut self, settings: &Settings, value: f64) -> Seen {
        let open = self.open;
        let over = open.map(|open| self.drift(self.mean.mean(), open.severity));
        *self = Self {
            progress: self.progress,
            signs: self.signs,
            ..Self::new(settings)
        };
        self.take(value);
        over.map_or(Seen::Nothing, |drift| Seen::Over(drift, None))
    }

    fn drift(&self, mean: f64, severity: Severity) -> Drift {
        Drift {
            mean: mean.exp(),
            best: self.best.exp(),
            best_step: self.best_step,
            rise: (mean - self.best).exp_m1(),
            severity,
        }
    }

    #[inline(never)]
    fn judge(&mut self, settings: &Settings, step: i64, mean: f64) -> Seen {
        let rise = mean - self.best;
        let noise = settings.noise * self.residual.sd();
        let limit = settings.log_rise.max(noise);
        let count = |count: usize, is_above: bool| if is_above { count + 1 } else { 0 };
        self.above = count(self.above, rise > limit);
        let critical_limit = settings.critical_log_rise.max(2.0 * noise);
        self.critical = count(self.critical, rise > critical_limit);
        let severity = if self.critical >= settings.rows {
            Severity::Critical
        } else {
            Severity::Warning
        };
        let drift = self.drift(mean, severity);
        let Some(open) = &mut self.open else {
            if self.above < settings.rows {
                return Seen::Nothing;
            }
            self.open = Some(Open {
                severity,
                worst: mean,
                since: 0,
            });
            return Seen::Began(drift);
        };
        open.since += 1;
        if mean > open.worst {
            (open.worst, open.since) = (mean, 0);
        }
        if severity > open.severity {
            open.severity = severity;
            return Seen::Worse(drift);
        }
        if rise <= limit / 2.0 {
            (self.open, self.above, self.critical) = (None, 0, 0);
            return Seen::Over(drift, Some(Ended::Recovered));
        }
        if open.since >= SETTLE * settings.rows {
            (self.open, self.above, self.critical) = (None, 0, 0);
            (self.best, self.best_step) = (mean, step);
            return Seen::Over(drift, Some(Ended::Settled));
        }
        Seen::Nothing
    }
}
