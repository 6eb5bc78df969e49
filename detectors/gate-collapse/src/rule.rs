//! The rule, for the gates of one rank.

use runwatch_detector::state::{Move, Progress};
use runwatch_detector::{Parameters, Severity};
use serde::{Deserialize, Serialize};

/// The parameters.
#[derive(Debug, Clone)]
pub struct Settings {
    entropy: f64,
    max_gate: f64,
    collapsed: f64,
    rows: usize,
    critical_rows: usize,
    hold: usize,
}

impl Settings {
    /// Reads and checks the parameters.
    ///
    /// # Errors
    /// When they contradict each other.
    pub fn new(parameters: &Parameters) -> Result<Self, String> {
        let (rows, critical_rows) = (
            parameters.count("rows")?,
            parameters.count("critical-rows")?,
        );
        if critical_rows < rows {
            return Err(format!(
                "`critical-rows` ({critical_rows}) must not be less than `rows` ({rows})"
            ));
        }
        Ok(Self {
            entropy: parameters.number("entropy")?,
            max_gate: parameters.number("max-gate")?,
            collapsed: parameters.number("collapsed")?,
            rows,
            critical_rows,
            hold: parameters.count("hold")?,
        })
    }
}

/// What a metric tells of the gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sign {
    /// The mean entropy of the gates: low is bad.
    Entropy,
    /// The weight of the strongest gate: high is bad.
    MaxGate,
    /// The share of gates that have collapsed: high is bad.
    Collapsed,
}

impl Sign {
    /// What a metric with this name tells; none for any other.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "gate_entropy_mean" => Some(Self::Entropy),
            "gate_max_gate" => Some(Self::MaxGate),
            "gate_collapse_frac" => Some(Self::Collapsed),
            _ => None,
        }
    }

    /// Its limit.
    #[must_use]
    pub fn limit(self, settings: &Settings) -> f64 {
        match self {
            Self::Entropy => settings.entropy,
            Self::MaxGate => settings.max_gate,
            Self::Collapsed => settings.collapsed,
        }
    }

    fn is_bad(self, settings: &Settings, value: f64) -> bool {
        match self {
            Self::Entropy => value < self.limit(settings),
            Self::MaxGate | Self::Collapsed => value > self.limit(settings),
        }
    }
}

/// What one value shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Nothing to report.
    Nothing,
    /// The gates have collapsed for so many rows.
    Collapsed(usize, Severity),
    /// They have stayed so for so many.
    Worse(usize, Severity),
    /// It is over.
    Over,
}

/// What is remembered of one sign of one rank.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Watch {
    sign: Sign,
    progress: Progress,
    /// Rows in a row that are bad, and that are not.
    bad: usize,
    good: usize,
    open: Option<Severity>,
}

impl Watch {
    /// Nothing is known.
    #[must_use]
    pub fn new(sign: Sign) -> Self {
        Self {
            sign,
            progress: Progress::default(),
            bad: 0,
            good: 0,
            open: None,
        }
    }

    /// What it watches.
    #[must_use]
    pub fn sign(&self) -> Sign {
        self.sign
    }

    /// Looks at the next value.
    pub fn look(&mut self, settings: &Settings, step: i64, value: f64) -> Seen {
        if !value.is_finite() {
            self.progress.pass(step);
            return Seen::Nothing;
        }
        if self.progress.advance(step) == Move::Resumed && self.went_back() {
            return Seen::Over;
        }
        if self.sign.is_bad(settings, value) {
            self.bad = self.bad.saturating_add(1);
            self.good = 0;
            return self.judge(settings);
        }
        self.bad = 0;
        self.good = self.good.saturating_add(1);
        if self.open.is_some() && self.good >= settings.hold {
            self.open = None;
            return Seen::Over;
        }
        Seen::Nothing
    }

    /// True if something was reported that is over now.
    fn went_back(&mut self) -> bool {
        (self.bad, self.good) = (0, 0);
        self.open.take().is_some()
    }

    fn judge(&mut self, settings: &Settings) -> Seen {
        let severity = if self.bad >= settings.critical_rows {
            Severity::Critical
        } else if self.bad >= settings.rows {
            Severity::Warning
        } else {
            return Seen::Nothing;
        };
        match self.open.replace(severity) {
            None => Seen::Collapsed(self.bad, severity),
            Some(before) if before < severity => Seen::Worse(self.bad, severity),
            Some(before) => {
                self.open = Some(before);
                Seen::Nothing
            }
        }
    }
}
