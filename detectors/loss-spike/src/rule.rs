//! The rule, for one series of one rank.

use runwatch_detector::state::{Begin, Ended, Move, Progress, Recovery};
use runwatch_detector::stats::{Ewma, LogWindow};
use runwatch_detector::{Parameters, Severity};
use serde::{Deserialize, Serialize};

use crate::pickup::surprise;

/// The least standard deviation of the logarithm of a loss.
const FLOOR: f64 = 1e-3;
/// A loss below this is zero: its logarithm is meaningless.
const LEAST: f64 = f64::MIN_POSITIVE;
/// A value that is not positive counts this much, a positive one takes 1 back:
/// more than one in nine of them, and the loss is one that changes its sign.
const SIGN_WEIGHT: u8 = 8;
/// Where the count of signs has to get to.
const SIGN_LIMIT: u8 = 64;
/// A spike that has not come back ends after this many windows without a hit.
const SETTLE_WINDOWS: usize = 4;

/// The parameters.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) window: usize,
    pub(crate) warmup: usize,
    pub(crate) z: f64,
    pub(crate) rise: f64,
    /// Rises on the log scale.
    log_rise: f64,
    single_z: f64,
    single_log_rise: f64,
    critical_log_rise: f64,
    pickup_rise: f64,
    pub(crate) hold: usize,
}

impl Settings {
    /// Reads and checks the parameters.
    ///
    /// # Errors
    /// When the warm-up does not fit into the window.
    pub fn new(parameters: &Parameters) -> Result<Self, String> {
        let (window, warmup) = (parameters.count("window")?, parameters.count("warmup")?);
        if warmup > window {
            return Err(format!(
                "`warmup` ({warmup}) must not be more than `window` ({window})"
            ));
        }
        let rise = parameters.number("rise")?;
        Ok(Self {
            window,
            warmup,
            z: parameters.number("z")?,
            rise,
            log_rise: rise.ln_1p(),
            single_z: parameters.number("single-z")?,
            single_log_rise: parameters.number("single-rise")?.ln_1p(),
            critical_log_rise: parameters.number("critical-rise")?.ln_1p(),
            pickup_rise: parameters.number("pickup-rise")?,
            hold: parameters.count("hold")?,
        })
    }
}

/// A spike, as it looked when it was reported.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spike {
    /// The median before (the mean, for a loss that changes its sign).
    pub median: f64,
    /// How many values that is the median of.
    pub seen: usize,
    /// Robust standard deviations above it; NaN when too few values are known.
    pub z: f64,
    /// The least and the largest known value of a log that begins in the middle
    /// of a run, when no more are known.
    pub known: Option<(f64, f64)>,
    /// How far above it: 0.1 is 10 %.
    pub rise: f64,
    /// Critical when recovery is in doubt: twice in three values so far above.
    pub severity: Severity,
}

impl Spike {
    fn new(median: f64, seen: usize, z: f64, rise: f64) -> Self {
        Self {
            median,
            seen,
            z,
            known: None,
            rise,
            severity: Severity::Warning,
        }
    }
}

/// What one value shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen {
    /// Nothing to report.
    Nothing,
    /// A spike begins.
    Spike(Spike),
    /// The spike has become critical.
    Worse(Spike),
    /// The spike is over; `None` if that is because the run resumed.
    Over(Spike, Option<Ended>),
}

/// What is remembered of a series.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Watch {
    progress: Progress,
    begin: Begin,
    window: LogWindow,
    /// In use instead of the window while the loss changes its sign.
    signed: Option<Ewma>,
    signs: u8,
    /// The last three values, one bit each: hit or not.
    hits: u8,
    open: Option<(Spike, Recovery)>,
}

/// A value compared with those before it.
struct Judged {
    hit: bool,
    /// Far enough out to fire alone.
    alone: bool,
    /// Far enough out to be critical.
    large: bool,
    spike: Spike,
}

impl Watch {
    /// A series of which nothing is known.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            progress: Progress::default(),
            begin: Begin::default(),
            window: LogWindow::new(settings.window, settings.z, FLOOR),
            signed: None,
            signs: 0,
            hits: 0,
            open: None,
        }
    }

    /// The common case in a few nanoseconds: takes a value in if it is certain
    /// that [`look`](Self::look) would find nothing, and says whether it did.
    #[inline]
    pub fn surely_quiet(&mut self, step: i64, value: f64) -> bool {
        // A limit is known only after the warm-up, and NaN is within none.
        let quiet = value >= LEAST
            && self.window.surely_within(value)
            && self.signs == 0
            && self.open.is_none()
            && self.progress.goes_on(step);
        if quiet {
            self.hits <<= 1;
            self.window.push(value);
        }
        quiet
    }

    /// Looks at the next value.
    pub fn look(&mut self, settings: &Settings, step: i64, value: f64) -> Seen {
        if !value.is_finite() {
            self.progress.pass(step);
            return Seen::Nothing;
        }
        let moved = self.progress.advance(step);
        if moved == Move::Resumed {
            let open = self.open;
            *self = Self {
                progress: self.progress,
                begin: Begin::RESUMED,
                ..Self::new(settings)
            };
            self.take(settings, value);
            return open.map_or(Seen::Nothing, |(spike, ..)| Seen::Over(spike, None));
        }
        self.begin.advance(step, self.window.len());
        let judged = self.take(settings, value);
        let hit = judged.as_ref().is_some_and(|judged| judged.hit);
        self.hits = self.hits << 1 | u8::from(hit);
        let again = (self.hits & 0b111).count_ones() >= 2;
        // A second value of a step may be a summary: of the epoch, or of the run.
        let may_be_alone = moved != Move::Same;
        let fires = judged.filter(|judged| judged.hit && (again || judged.alone && may_be_alone));
        let spike = fires.map(
            |Judged {
                 large, mut spike, ..
             }| {
                // One batch alone may be that far out in a healthy run.
                if again && large {
                    spike.severity = Severity::Critical;
                }
                spike
            },
        );
        self.report(settings, value, hit, spike)
    }

    /// Compares a value with the baseline and lets it in.
    fn take(&mut self, settings: &Settings, value: f64) -> Option<Judged> {
        self.signs = if value >= LEAST {
            self.signs.saturating_sub(1)
        } else {
            self.signs.saturating_add(SIGN_WEIGHT).min(2 * SIGN_LIMIT)
        };
        match &mut self.signed {
            None if self.signs >= SIGN_LIMIT => {
                self.signed = Some(Ewma::new(settings.window));
                self.window.clear();
            }
            Some(_) if self.signs == 0 => self.signed = None,
            _ => {}
        }
        match &mut self.signed {
            Some(baseline) => take_signed(baseline, settings, value),
            // A rare loss of 0 (a batch without a target) is no spike, and has
            // no logarithm.
            None if value < LEAST => None,
            None => self.take_log(settings, value),
        }
    }

    fn take_log(&mut self, settings: &Settings, value: f64) -> Option<Judged> {
        if self.window.len() < settings.warmup {
            return self.take_early(settings, value);
        }
        let seen = self.window.len();
        let level = self.window.level();
        let above = value.ln() - level.centre;
        let z = above / level.sd;
        // Clipped, not skipped: a new level becomes the baseline in time, and
        // one wild value does not.
        let limit = (level.centre + settings.z * level.sd).exp().max(LEAST);
        self.window.push(if z > settings.z {
            value.min(limit)
        } else {
            value
        });
        Some(Judged {
            hit: z >= settings.z && above >= settings.log_rise,
            alone: z >= settings.single_z && above >= settings.single_log_rise,
            large: z >= settings.single_z && above >= settings.critical_log_rise,
            spike: Spike::new(level.centre.exp(), seen, z, above.exp_m1()),
        })
    }

    fn take_early(&mut self, settings: &Settings, value: f64) -> Option<Judged> {
        let known = self.window.values();
        let seen = known.len();
        let surprise = Some(known)
            .filter(|_| self.begin.is_pickup())
            .and_then(|known| surprise(known, value, settings.pickup_rise));
        // Clipped to what is known, so that a second one is as surprising.
        let limit = surprise.as_ref().map_or(value, |known| known.high);
        self.window.push(value.min(limit));
        surprise.map(|it| Judged {
            hit: true,
            alone: it.alone,
            large: it.large,
            spike: Spike {
                known: Some((it.low, it.high)),
                ..Spike::new(it.median, seen, f64::NAN, value / it.median - 1.0)
            },
        })
    }

    fn report(&mut self, settings: &Settings, value: f64, hit: bool, fires: Option<Spike>) -> Seen {
        let Some((first, recovery)) = &mut self.open else {
            let Some(spike) = fires else {
                return Seen::Nothing;
            };
            self.open = Some((spike, Recovery::default()));
            return Seen::Spike(spike);
        };
        if let Some(spike) = fires.filter(|spike| spike.severity > first.severity) {
            first.severity = spike.severity;
            *recovery = Recovery::default();
            return Seen::Worse(spike);
        }
        let back = value <= first.median + settings.rise * first.median.abs();
        let settle = SETTLE_WINDOWS * settings.window;
        match recovery.watch(hit, back, settings.hold, settle) {
            Some(how) => {
                let first = *first;
                self.open = None;
                Seen::Over(first, Some(how))
            }
            None => Seen::Nothing,
        }
    }
}

/// The same for a loss that changes its sign (a policy loss), where a logarithm
/// says nothing: a moving mean and deviation, and never on one value alone.
fn take_signed(baseline: &mut Ewma, settings: &Settings, value: f64) -> Option<Judged> {
    if baseline.len() < settings.warmup {
        baseline.push(value);
        return None;
    }
    let (mean, seen) = (baseline.mean(), baseline.len().min(settings.window));
    let sd = baseline.sd().max(FLOOR * mean.abs()).max(f64::MIN_POSITIVE);
    let above = value - mean;
    let z = above / sd;
    baseline.push(value.min(mean + settings.z * sd));
    let rise = above / mean.abs().max(f64::MIN_POSITIVE);
    Some(Judged {
        hit: z >= settings.z && rise >= settings.rise,
        alone: false,
        large: false,
        spike: Spike::new(mean, seen, z, rise),
    })
}
