//! The rule, for one series of one rank.

use runwatch_detector::show::number;
use runwatch_detector::state::{Begin, Ended, Move, Progress, Recovery};
use runwatch_detector::stats::{RollingMedian, sort};
use runwatch_detector::{Parameters, Severity};
use serde::{Deserialize, Serialize};

/// A norm below this is zero.
const ZERO: f64 = 1e-12;
/// An explosion that has not come back ends after this many windows without a
/// hit.
const SETTLE_WINDOWS: usize = 4;

/// So many values must be known for one alone to be critical.
const LEAST_KNOWN: usize = 3;

/// The parameters.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) window: usize,
    pub(crate) warmup: usize,
    pub(crate) warning: f64,
    pub(crate) critical: f64,
    pub(crate) single: f64,
    pub(crate) single_warning: f64,
    pub(crate) hold: usize,
    pub(crate) zero_rows: usize,
}

impl Settings {
    /// Reads and checks the parameters.
    ///
    /// # Errors
    /// When they contradict each other.
    pub fn new(parameters: &Parameters) -> Result<Self, String> {
        let (window, warmup) = (parameters.count("window")?, parameters.count("warmup")?);
        let warning = parameters.number("warning-ratio")?;
        let critical = parameters.number("critical-ratio")?;
        let single = parameters.number("single-ratio")?;
        let single_warning = parameters.number("single-warning-ratio")?;
        if warmup > window {
            return Err(format!(
                "`warmup` ({warmup}) must not be more than `window` ({window})"
            ));
        }
        if warning > critical || critical > single {
            return Err(format!(
                "`warning-ratio` ({warning}), `critical-ratio` ({critical}) and `single-ratio` \
                 ({single}) must not fall",
                warning = number(warning),
                critical = number(critical),
                single = number(single)
            ));
        }
        let (hold, zero_rows) = (parameters.count("hold")?, parameters.count("zero-rows")?);
        Ok(Self {
            window,
            warmup,
            warning,
            critical,
            single,
            single_warning,
            hold,
            zero_rows,
        })
    }
}

/// A norm far above its median.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Blast {
    /// The median before.
    pub median: f64,
    /// How many values that is the median of.
    pub seen: usize,
    /// How many times the median.
    pub ratio: f64,
    /// How bad that is.
    pub severity: Severity,
}

/// News of an explosion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Explosion {
    /// It begins.
    Began(Blast),
    /// It has become critical.
    Worse(Blast),
    /// It is over; `None` if that is because the run resumed.
    Over(Blast, Option<Ended>),
}

/// News of zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zero {
    /// The norm has become zero.
    Began,
    /// The norm has been zero from the start.
    NeverLogged,
    /// The norm is no longer zero.
    Over,
    /// The norm, zero from the start, is no longer.
    LoggedNow,
}

/// What is remembered of a series.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Watch {
    progress: Progress,
    begin: Begin,
    window: RollingMedian,
    /// The last three values, one bit each: at least `warning-ratio` or not.
    warnings: u8,
    /// The same for `critical-ratio`.
    criticals: u8,
    open: Option<(Blast, Recovery)>,
    /// How many zeros in a row.
    zeros: usize,
    /// Whether a norm other than zero was ever seen.
    moved: bool,
    /// The limit below which a value needs no look: `warning-ratio`.
    warning: f64,
}

impl Watch {
    /// A series of which nothing is known.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            progress: Progress::default(),
            begin: Begin::default(),
            window: RollingMedian::new(settings.window),
            warnings: 0,
            criticals: 0,
            open: None,
            zeros: 0,
            moved: false,
            warning: settings.warning,
        }
    }

    /// The common case in a few nanoseconds: takes a value in if it is certain
    /// that [`look`](Self::look) would find nothing, and says whether it did.
    #[inline]
    pub fn surely_quiet(&mut self, step: i64, value: f64) -> bool {
        // The bound is NaN until the first look after the warm-up.
        let quiet = value >= ZERO
            && value < self.warning * self.window.at_least()
            && self.zeros == 0
            && self.open.is_none()
            && self.progress.goes_on(step);
        if quiet {
            self.warnings <<= 1;
            self.criticals <<= 1;
            self.window.push(value);
        }
        quiet
    }

    /// Looks at the next value.
    pub fn look(
        &mut self,
        set: &Settings,
        step: i64,
        value: f64,
    ) -> (Option<Zero>, Option<Explosion>) {
        // A norm is not negative: that is a mark for "not computed".
        if !value.is_finite() || value < 0.0 {
            self.progress.pass(step);
            return (None, None);
        }
        let mut over = None;
        if self.progress.advance(step) == Move::Resumed {
            over = self
                .open
                .take()
                .map(|(blast, _)| Explosion::Over(blast, None));
            self.window.clear();
            self.begin = Begin::RESUMED;
            (self.warnings, self.criticals) = (0, 0);
        }
        self.begin.advance(step, self.window.len());
        if value < ZERO {
            // Left out of the baseline, where zeros would make a ratio of
            // infinity out of the first ordinary norm.
            return (self.zero(set), over);
        }
        let zero = self.no_zero(set);
        (zero, over.or_else(|| self.norm(set, value)))
    }

    fn zero(&mut self, settings: &Settings) -> Option<Zero> {
        self.zeros += 1;
        let kind = if self.moved {
            Zero::Began
        } else {
            Zero::NeverLogged
        };
        (self.zeros == settings.zero_rows).then_some(kind)
    }

    fn no_zero(&mut self, settings: &Settings) -> Option<Zero> {
        let zeros = std::mem::take(&mut self.zeros);
        let moved = std::mem::replace(&mut self.moved, true);
        let kind = if moved { Zero::Over } else { Zero::LoggedNow };
        (zeros >= settings.zero_rows).then_some(kind)
    }

    fn norm(&mut self, settings: &Settings, value: f64) -> Option<Explosion> {
        if self.window.len() < settings.warmup {
            return self.early(settings, value);
        }
        let (seen, median) = (self.window.len(), self.window.median());
        let ratio = value / median;
        // Clipped, not skipped: a new level becomes the baseline in time, and
        // one wild value does not.
        self.window.push(value.min(settings.warning * median));

        let hit = self.count(ratio >= settings.warning, ratio >= settings.critical);
        let severity = if ratio >= settings.single || twice(self.criticals) {
            Some(Severity::Critical)
        } else {
            let enough = twice(self.warnings) || ratio >= settings.single_warning;
            enough.then_some(Severity::Warning)
        };
        let blast = severity.map(|severity| Blast {
            median,
            seen,
            ratio,
            severity,
        });
        self.report(settings, value, hit, blast)
    }

    /// Notes what the newest value is.
    fn count(&mut self, warning: bool, critical: bool) -> bool {
        self.warnings = self.warnings << 1 | u8::from(warning);
        self.criticals = self.criticals << 1 | u8::from(critical);
        warning
    }

    /// The first values of a log that begins in the middle of a run, compared
    /// with the few before them, of whose two middle ones the lower counts: the
    /// explosion may have begun with the log.
    fn early(&mut self, settings: &Settings, value: f64) -> Option<Explosion> {
        if !self.begin.is_pickup() {
            self.window.push(value);
            return None;
        }
        let mut known = self.window.values().to_vec();
        sort(&mut known);
        let highest = known.last().copied();
        let median = known.get(known.len().saturating_sub(1) / 2).copied();
        let ratio = median.map_or(1.0, |median| value / median);
        let hit = ratio >= settings.critical;
        // Clipped to what is known, so that a second one is as surprising.
        let limit = highest.filter(|_| hit).unwrap_or(value);
        self.window.push(value.min(limit));
        self.count(hit, hit);
        let severity = if ratio >= settings.single && known.len() >= LEAST_KNOWN {
            Severity::Critical
        } else {
            Severity::Warning
        };
        let fires = hit && (twice(self.criticals) || severity == Severity::Critical);
        let blast = Blast {
            median: median.unwrap_or(value),
            seen: known.len(),
            ratio,
            severity,
        };
        self.report(settings, value, hit, fires.then_some(blast))
    }

    fn report(
        &mut self,
        set: &Settings,
        value: f64,
        hit: bool,
        blast: Option<Blast>,
    ) -> Option<Explosion> {
        let Some((first, recovery)) = &mut self.open else {
            let blast = blast?;
            self.open = Some((blast, Recovery::default()));
            return Some(Explosion::Began(blast));
        };
        if let Some(blast) = blast.filter(|blast| blast.severity > first.severity) {
            first.severity = blast.severity;
            *recovery = Recovery::default();
            return Some(Explosion::Worse(blast));
        }
        let back = value < set.warning * first.median;
        let how = recovery.watch(hit, back, set.hold, SETTLE_WINDOWS * set.window)?;
        let first = *first;
        self.open = None;
        Some(Explosion::Over(first, Some(how)))
    }
}

/// Whether the newest value is a hit, and so was one of the two before it.
fn twice(hits: u8) -> bool {
    hits & 1 == 1 && (hits & 0b111).count_ones() >= 2
}
