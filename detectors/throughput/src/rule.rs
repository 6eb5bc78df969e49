//! The rule for standing still, for one series of one rank.

use runwatch_detector::{Parameters, Severity};
use serde::{Deserialize, Serialize};

/// A counter that has stood still and moved again is one that is seldom
/// refreshed: it must stand still this many times longer.
const LONGER: usize = 2;
/// The same for a counter that looks rounded, since it stands still ten times
/// longer with each new digit.
const ROUNDED_LONGER: usize = 12;
/// And such a counter must stand still for at least so many reports.
const ROUNDED_ROWS: usize = 50;

/// The parameters.
#[derive(Debug, Clone)]
pub struct Settings {
    rows: usize,
    critical_rows: usize,
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
            rows,
            critical_rows,
        })
    }
}

/// What a series counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Tokens or samples per second.
    Rate,
    /// Tokens or samples so far.
    Counter,
}

impl Kind {
    /// The kind of a canonical metric; none for the time of a step.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "throughput" => Some(Self::Rate),
            "step_time" => None,
            _ => Some(Self::Counter),
        }
    }
}

/// A flatline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flat {
    /// Of what.
    pub kind: Kind,
    /// For how many reports.
    pub reports: usize,
}

/// What one value shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Nothing to report.
    Nothing,
    /// Nothing goes through.
    Flat(Flat, Severity),
    /// Nothing has gone through for long.
    Worse(Flat),
    /// It moves again.
    Over,
}

/// What is remembered of a series.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Watch {
    kind: Kind,
    last: Option<(i64, f64)>,
    /// Whether it ever moved: a rate that was above zero, a counter that grew.
    moved: bool,
    /// For how many reports there was no progress.
    still: usize,
    /// The longest such time that ended.
    longest: usize,
    reported: bool,
    worse: bool,
}

impl Watch {
    /// A series of which nothing is known.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            last: None,
            moved: false,
            still: 0,
            longest: 0,
            reported: false,
            worse: false,
        }
    }

    /// Looks at the next value.
    pub fn look(&mut self, settings: &Settings, step: i64, value: f64) -> Seen {
        if !value.is_finite() {
            return Seen::Nothing;
        }
        let Some((last_step, last)) = self.last.replace((step, value)) else {
            self.moved = self.kind == Kind::Rate && value > 0.0;
            return Seen::Nothing;
        };
        if step < last_step {
            return self.went_back(value);
        }
        let progress = match self.kind {
            Kind::Rate => value != 0.0,
            Kind::Counter => value != last,
        };
        if progress {
            return self.moves();
        }
        // Several rows of one step, such as an evaluation, show one count. A
        // rate of zero counts each time: a job that stands still may go on
        // reporting the same step.
        if self.moved && (self.kind == Kind::Rate || step > last_step) {
            self.still = self.still.saturating_add(1);
            return self.stands_still(settings, value);
        }
        Seen::Nothing
    }

    fn moves(&mut self) -> Seen {
        self.moved = true;
        self.longest = self.longest.max(std::mem::take(&mut self.still));
        self.end()
    }

    fn went_back(&mut self, value: f64) -> Seen {
        self.still = 0;
        self.moved = self.kind == Kind::Rate && value > 0.0;
        self.end()
    }

    fn end(&mut self) -> Seen {
        self.worse = false;
        if std::mem::take(&mut self.reported) {
            Seen::Over
        } else {
            Seen::Nothing
        }
    }

    fn stands_still(&mut self, settings: &Settings, value: f64) -> Seen {
        // A counter printed as 2.56e+5 shows progress only now and then.
        let (least, factor) = match self.kind {
            Kind::Rate => (0, 0),
            Kind::Counter if looks_rounded(value) => (ROUNDED_ROWS, ROUNDED_LONGER),
            Kind::Counter => (0, LONGER),
        };
        let needed = settings
            .rows
            .max(least)
            .max(self.longest.saturating_mul(factor));
        let flat = Flat {
            kind: self.kind,
            reports: self.still,
        };
        let critical = self.still >= needed.max(settings.critical_rows);
        if !self.reported && self.still >= needed {
            (self.reported, self.worse) = (true, critical);
            let severity = if critical {
                Severity::Critical
            } else {
                Severity::Warning
            };
            Seen::Flat(flat, severity)
        } else if self.reported && !self.worse && critical {
            self.worse = true;
            Seen::Worse(flat)
        } else {
            Seen::Nothing
        }
    }
}

/// Whether a count has at most four digits and then zeros, so that it may have
/// been rounded to them.
fn looks_rounded(value: f64) -> bool {
    let mut digits = value.abs();
    while digits >= 10.0 && digits % 10.0 == 0.0 {
        digits /= 10.0;
    }
    digits < 10_000.0 && digits < value.abs()
}
