//! The rule, for one series of one rank.

use runwatch_detector::show::number;
use runwatch_detector::state::{Move, Progress};
use runwatch_detector::stats::{Ring, median};
use runwatch_detector::{Parameters, Severity};
use serde::{Deserialize, Serialize};

/// How many values the median is of.
const WINDOW: usize = 5;

/// The parameters.
#[derive(Debug, Clone)]
pub struct Settings {
    warning: f64,
    info: f64,
    hold: usize,
}

impl Settings {
    /// Reads and checks the parameters.
    ///
    /// # Errors
    /// When the limit of a warning is below that of an info.
    pub fn new(parameters: &Parameters) -> Result<Self, String> {
        let (warning, info) = (parameters.number("warning")?, parameters.number("info")?);
        if warning < info {
            return Err(format!(
                "`warning` ({warning}) must not be less than `info` ({info})",
                warning = number(warning),
                info = number(info)
            ));
        }
        let hold = parameters.count("hold")?.max(1);
        Ok(Self {
            warning,
            info,
            hold,
        })
    }
}

/// What one value shows; the number is the median.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen {
    /// Nothing to report.
    Nothing,
    /// Much is clipped.
    High(f64, Severity),
    /// More is clipped than was reported.
    Worse(f64, Severity),
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
    window: Ring,
    back: usize,
    open: Option<Severity>,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            progress: Progress::default(),
            window: Ring::new(WINDOW),
            back: 0,
            open: None,
        }
    }
}

impl Watch {
    /// Looks at the next value.
    pub fn look(&mut self, settings: &Settings, step: i64, value: f64) -> Seen {
        // Beyond 0 and 1 it is no fraction, but perhaps a percentage.
        if !(0.0..=1.0).contains(&value) {
            self.progress.pass(step);
            return Seen::Nothing;
        }
        if self.progress.advance(step) == Move::Resumed {
            let open = self.open.is_some();
            *self = Self {
                progress: self.progress,
                ..Self::default()
            };
            self.window.push(value);
            return if open {
                Seen::Over { resumed: true }
            } else {
                Seen::Nothing
            };
        }
        self.window.push(value);
        let values = self.window.values();
        let high = values
            .iter()
            .filter(|&&value| value > settings.info)
            .count();
        // Fewer than half: the median is not above it either.
        if high <= WINDOW / 2 && self.open.is_none() || values.len() < WINDOW {
            return Seen::Nothing;
        }
        let median = median(values);
        self.judge(settings, median)
    }

    fn judge(&mut self, settings: &Settings, median: f64) -> Seen {
        let severity = if median > settings.warning {
            Some(Severity::Warning)
        } else {
            (median > settings.info).then_some(Severity::Info)
        };
        match (self.open, severity) {
            (None, Some(severity)) => {
                (self.open, self.back) = (Some(severity), 0);
                Seen::High(median, severity)
            }
            (Some(before), Some(severity)) => {
                self.back = 0;
                if severity <= before {
                    return Seen::Nothing;
                }
                self.open = Some(severity);
                Seen::Worse(median, severity)
            }
            (Some(_), None) => {
                self.back += 1;
                if self.back < settings.hold {
                    return Seen::Nothing;
                }
                self.open = None;
                Seen::Over { resumed: false }
            }
            (None, None) => Seen::Nothing,
        }
    }
}
