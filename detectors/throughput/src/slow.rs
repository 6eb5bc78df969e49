//! The rule for slowing down, for one series of one rank.
//!
//! Everything is seconds per step, up to a factor: of a rate its inverse.

use runwatch_detector::show::number;
use runwatch_detector::state::{Move, Progress};
use runwatch_detector::stats::{MAD_TO_SD, Ring, median};
use runwatch_detector::{Parameters, Severity};
use serde::{Deserialize, Serialize};

/// Rows of the baseline, which ends `RECENT` rows ago.
const WINDOW: usize = 64;
/// Rows whose median is compared with it.
const RECENT: usize = 16;
/// Rows of the baseline from which more than a notice is given.
const WARMUP: usize = 32;
/// The baseline is looked at anew after so many rows.
const EVERY: u32 = 64;
/// The median must be above for so many rows, …
const HOLD: u32 = 16;
/// … and not be on its way back, below this share of the rise at first. One long
/// step pulls a moving average down for dozens of rows.
const STILL: f64 = 0.8;
/// Robust standard deviations of the baseline that it must be above, …
const Z: f64 = 3.0;
/// … and of the window by which it must be above the lowest one so far.
const Z_DRIFT: f64 = 2.0;
/// What stays slower for so long is how it is now.
const SETTLED: u32 = 512;

/// The rows at a start with which the rule for short histories deals.
const SHORT: usize = 8;
/// It needs so many known rows, …
const SHORT_KNOWN: usize = 3;
/// … no farther apart than this, …
const SHORT_SPREAD: f64 = 0.015;
/// … and two in a row that are so much above them, …
const SHORT_RISE: f64 = 0.04;
/// … and so many times farther than they are apart.
const SHORT_TIMES: f64 = 3.0;

/// The parameters.
#[derive(Debug, Clone)]
pub struct Settings {
    notice: f64,
    rise: f64,
    critical_rise: f64,
    drift: f64,
}

impl Settings {
    /// Reads and checks the parameters.
    ///
    /// # Errors
    /// When they contradict each other.
    pub fn new(parameters: &Parameters) -> Result<Self, String> {
        let (notice, rise, critical_rise) = (
            parameters.number("notice")?,
            parameters.number("rise")?,
            parameters.number("critical-rise")?,
        );
        if notice > rise || rise > critical_rise {
            return Err(format!(
                "`notice` ({notice}) must not be more than `rise` ({rise}), and that not more than \
                 `critical-rise` ({critical_rise})",
                notice = number(notice),
                rise = number(rise),
                critical_rise = number(critical_rise)
            ));
        }
        let drift = parameters.number("drift")?;
        Ok(Self {
            notice,
            rise,
            critical_rise,
            drift,
        })
    }

    fn severity(&self, rise: f64) -> Severity {
        if rise >= self.critical_rise {
            Severity::Critical
        } else if rise >= self.rise {
            Severity::Warning
        } else {
            Severity::Info
        }
    }
}

/// How it slowed down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum How {
    /// From one level to another.
    Jump,
    /// Little by little, compared with the fastest it has been.
    Drift,
    /// As far as a few rows after a start can tell.
    Early,
}

/// A slow-down.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Slow {
    /// How it came.
    pub how: How,
    /// The level before, as the metric has it.
    pub before: f64,
    /// The level now, as the metric has it.
    pub now: f64,
    /// How much longer a step takes: 0.1 is 10 %.
    pub rise: f64,
    /// How bad that is.
    pub severity: Severity,
}

/// What one value shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen {
    /// Nothing to report.
    Nothing,
    /// Steps take longer.
    Slow(Slow),
    /// Steps take much longer still.
    Worse(Slow),
    /// It is over: as fast as before, or settled, or the run resumed.
    Over(Slow, End),
}

/// How a slow-down ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As fast as before.
    Recovered,
    /// It stayed.
    Settled,
    /// The run resumed.
    Resumed,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Open {
    slow: Slow,
    /// Seconds per step before.
    base: f64,
    rows: u32,
}

/// What is remembered of a series.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Watch {
    is_rate: bool,
    progress: Progress,
    recent: Ring,
    window: Ring,
    /// The median of the window when it was last looked at; NaN before.
    base: f64,
    /// Above this a row is slow. NaN: nothing is.
    limit: f64,
    /// The lowest base so far.
    best: f64,
    /// The last rows, one bit each: slow or not.
    slow: u16,
    /// For how many rows most of the last ones were slow.
    streak: u32,
    /// The median when that began.
    first: f64,
    /// Rows since the window was looked at.
    since: u32,
    /// The last value, and whether one was ever not above the one before: if
    /// all were, it is the time since the start, and no time of a step.
    last: f64,
    is_level: bool,
    open: Option<Open>,
}

impl Watch {
    /// A series of which nothing is known; a rate is better when higher.
    #[must_use]
    pub fn new(is_rate: bool) -> Self {
        Self {
            is_rate,
            progress: Progress::default(),
            recent: Ring::new(RECENT),
            window: Ring::new(WINDOW),
            base: f64::NAN,
            limit: f64::NAN,
            best: f64::NAN,
            slow: 0,
            streak: 0,
            first: f64::NAN,
            since: 0,
            last: f64::NAN,
            is_level: false,
            open: None,
        }
    }

    /// Looks at the next value.
    pub fn look(&mut self, settings: &Settings, step: i64, value: f64) -> Seen {
        // What stands still, and what is not finite, is for others.
        let normal = value > 0.0 && value.is_finite();
        let time = if self.is_rate { 1.0 / value } else { value };
        if !normal || !time.is_finite() {
            self.progress.pass(step);
            return Seen::Nothing;
        }
        if !self.progress.goes_on(step) && self.progress.advance(step) == Move::Resumed {
            return self.resume(time);
        }
        let known = self.recent.values().len() + self.window.values().len();
        if known < SHORT && self.open.is_none() {
            return self.early(settings, time);
        }
        self.push(time);
        if self.open.is_some() {
            return self.go_on(settings);
        }
        if self.slow.count_ones() as usize > RECENT / 2 {
            self.streak += 1;
            if self.streak == 1 {
                self.first = self.level();
            }
            if self.streak >= HOLD {
                return self.hit(settings);
            }
        } else {
            self.streak = 0;
            if self.since >= EVERY && self.window.values().len() >= WARMUP {
                return self.learn(settings);
            }
        }
        Seen::Nothing
    }

    /// Most of the last rows have been slow for a while: is it real?
    fn hit(&mut self, settings: &Settings) -> Seen {
        let (level, base) = (self.level(), self.base);
        let stays = level - base >= STILL * (self.first - base);
        if stays && self.is_level && level - base >= Z * self.noise() {
            return self.fire(settings, How::Jump, base, level);
        }
        // Asked again after as many rows.
        self.streak = 0;
        Seen::Nothing
    }

    /// The robust standard deviation of the window.
    fn noise(&self) -> f64 {
        let values = self.window.values();
        let away: Vec<f64> = values.iter().map(|it| (it - self.base).abs()).collect();
        MAD_TO_SD * median(&away)
    }

    fn push(&mut self, time: f64) {
        // The baseline stays as it was until it is over.
        if let Some(gone) = self.recent.push(time)
            && self.open.is_none()
        {
            self.window.push(gone);
        }
        self.is_level |= time <= self.last;
        self.last = time;
        self.slow = self.slow << 1 | u16::from(time > self.limit);
        self.since = self.since.saturating_add(1);
    }

    fn level(&self) -> f64 {
        median(self.recent.values())
    }

    /// Sets the baseline anew, and compares it with the fastest so far.
    fn learn(&mut self, settings: &Settings) -> Seen {
        self.since = 0;
        let values = self.window.values();
        self.base = median(values);
        let away: Vec<f64> = values.iter().map(|it| (it - self.base).abs()).collect();
        let noise = Z * MAD_TO_SD * median(&away);
        // A notice is given only on a full window.
        let full = values.len() == WINDOW;
        let rise = if full { settings.notice } else { settings.rise };
        self.limit = self.base + (self.base * rise).max(noise);
        self.best = self.best.min(self.base);
        let drifted = full && self.is_level && self.base >= self.best * (1.0 + settings.drift);
        if drifted && self.base - self.best >= Z_DRIFT * self.noise() {
            return self.fire(settings, How::Drift, self.best, self.base);
        }
        Seen::Nothing
    }

    fn fire(&mut self, settings: &Settings, how: How, base: f64, level: f64) -> Seen {
        let rise = level / base - 1.0;
        let severity = match how {
            How::Jump => settings.severity(rise),
            // What came little by little can wait until the morning.
            How::Drift => Severity::Warning,
            How::Early => Severity::Info,
        };
        let slow = Slow {
            how,
            before: self.as_printed(base),
            now: self.as_printed(level),
            rise,
            severity,
        };
        self.open = Some(Open {
            slow,
            base,
            rows: 0,
        });
        Seen::Slow(slow)
    }

    fn as_printed(&self, time: f64) -> f64 {
        if self.is_rate { 1.0 / time } else { time }
    }

    fn go_on(&mut self, settings: &Settings) -> Seen {
        let level = self.level();
        let now = self.as_printed(level);
        let Some(open) = &mut self.open else {
            return Seen::Nothing;
        };
        open.rows = open.rows.saturating_add(1);
        let (base, rows) = (open.base, open.rows);
        let rise = level / base - 1.0;
        open.slow.now = now;
        open.slow.rise = rise;
        let slow = open.slow;
        if rows >= RECENT as u32 {
            if rise < settings.notice / 2.0 {
                return self.end(slow, End::Recovered);
            }
            if rows >= SETTLED {
                return self.end(slow, End::Settled);
            }
            let severity = settings.severity(rise);
            if severity > slow.severity {
                open.slow.severity = severity;
                return Seen::Worse(open.slow);
            }
        }
        Seen::Nothing
    }

    fn end(&mut self, slow: Slow, end: End) -> Seen {
        self.open = None;
        self.slow = 0;
        self.streak = 0;
        if end == End::Settled {
            // The last rows stay: the rule for short histories is for starts.
            let recent = self.recent.clone();
            self.forget();
            self.recent = recent;
        }
        Seen::Over(slow, end)
    }

    /// What was known holds no longer.
    fn forget(&mut self) {
        *self = Self {
            progress: self.progress,
            ..Self::new(self.is_rate)
        };
    }

    fn resume(&mut self, time: f64) -> Seen {
        let open = self.open;
        self.forget();
        self.push(time);
        match open {
            Some(open) => Seen::Over(open.slow, End::Resumed),
            None => Seen::Nothing,
        }
    }

    /// The first rows after a start.
    fn early(&mut self, settings: &Settings, time: f64) -> Seen {
        let values = self.recent.values();
        let known = values.len() - self.streak as usize;
        // The ring is not full, so that it is in order: slow rows come last.
        let before = values.get(..known).unwrap_or_default();
        let base = median(before);
        let low = before.iter().copied().fold(f64::INFINITY, f64::min);
        let high = before.iter().copied().fold(0.0, f64::max);
        let spread = high - low;
        let stands_out = known >= SHORT_KNOWN
            && spread <= SHORT_SPREAD * base
            && time >= base * (1.0 + SHORT_RISE)
            && time - high >= (SHORT_TIMES * spread).max(SHORT_RISE / 2.0 * base);
        self.streak = if stands_out { self.streak + 1 } else { 0 };
        self.push(time);
        if self.streak >= 2 {
            self.streak = 0;
            return self.fire(settings, How::Early, base, time);
        }
        if self.recent.values().len() >= SHORT {
            self.streak = 0;
        }
        Seen::Nothing
    }
}
