//! The spread of the rewards leaps, for one rank.

use runwatch_detector::Parameters;
use runwatch_detector::state::{Ended, Recovery};
use runwatch_detector::stats::LogWindow;
use serde::{Deserialize, Serialize};

/// How many previous values make the baseline, and from how many on it is one.
const WINDOW: usize = 128;
const WARMUP: usize = 32;
/// Robust deviations of the logarithm that a hit is away, and their least size.
const Z: f64 = 6.0;
const FLOOR: f64 = 0.05;
/// A value that fires alone is so many times further out in either respect.
const ALONE: f64 = 2.0;
/// A leap that has not come back ends after so many values without a hit.
const SETTLE: usize = 4 * WINDOW;

/// The parameters.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Half the logarithm of the ratio of variances: that of deviations.
    log_ratio: f64,
    pub(crate) hold: usize,
}

impl Settings {
    pub(crate) fn new(parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            log_ratio: parameters.number("variance-ratio")?.ln() / 2.0,
            hold: parameters.count("hold")?,
        })
    }
}

/// A leap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Leap {
    /// The median deviation before.
    pub(crate) before: f64,
    /// How many times the variance before.
    pub(crate) ratio: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Seen {
    Nothing,
    Leapt(Leap),
    Over(Leap, Ended),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Variance {
    window: LogWindow,
    /// The last three values, one bit each: hit or not.
    hits: u8,
    open: Option<(Leap, Recovery)>,
}

impl Default for Variance {
    fn default() -> Self {
        Self {
            window: LogWindow::new(WINDOW, Z, FLOOR),
            hits: 0,
            open: None,
        }
    }
}

impl Variance {
    /// The leap that is open.
    pub(crate) fn leap(&self) -> Option<Leap> {
        self.open.map(|(leap, _)| leap)
    }

    /// Looks at the next standard deviation.
    #[inline]
    pub(crate) fn look(&mut self, settings: &Settings, std: f64) -> Seen {
        // A deviation of zero has no logarithm; `advantage-variance` reports it.
        if !(std >= f64::MIN_POSITIVE && std.is_finite()) {
            return Seen::Nothing;
        }
        if self.open.is_none() && self.window.len() >= WARMUP && self.window.surely_within(std) {
            self.hits <<= 1;
            self.window.push(std);
            return Seen::Nothing;
        }
        self.look_closely(settings, std)
    }

    #[inline(never)]
    fn look_closely(&mut self, settings: &Settings, std: f64) -> Seen {
        if self.window.len() < WARMUP {
            self.window.push(std);
            return Seen::Nothing;
        }
        let level = self.window.level();
        let above = std.ln() - level.centre;
        let z = above / level.sd;
        let limit = (level.centre + Z * level.sd).exp();
        // Clipped, not skipped: a new level becomes the baseline in time.
        self.window.push(std.min(limit).max(f64::MIN_POSITIVE));
        let hit = z >= Z && above > settings.log_ratio;
        self.hits = self.hits << 1 | u8::from(hit);
        let again = (self.hits & 0b111).count_ones() >= 2;
        let alone = z >= ALONE * Z && above > ALONE * settings.log_ratio;
        let Some((leap, recovery)) = &mut self.open else {
            if !(hit && (again || alone)) {
                return Seen::Nothing;
            }
            let leap = Leap {
                before: level.centre.exp(),
                ratio: (2.0 * above).exp(),
            };
            self.open = Some((leap, Recovery::default()));
            return Seen::Leapt(leap);
        };
        let back = (std / leap.before).ln() <= settings.log_ratio;
        let leap = *leap;
        match recovery.watch(hit, back, settings.hold, SETTLE) {
            Some(how) => {
                self.open = None;
                Seen::Over(leap, how)
            }
            None => Seen::Nothing,
        }
    }
}
