//! The rule, for one series of one rank.

use runwatch_detector::state::{Move, Progress};
use runwatch_detector::stats::{Ring, median};
use runwatch_detector::{Parameters, Severity};
use serde::{Deserialize, Serialize};

/// How many last values are compared by their median.
const RECENT: usize = 5;
/// So many times a limit, one value is enough.
const SINGLE: f64 = 8.0;

/// What the distance is from and what it is summed over, which says how much of
/// it is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// From the policy before the update, per token or action: `approx_kl`.
    Update,
    /// From the reference policy, per token: `kl` of GRPO.
    Reference,
    /// From the reference policy, summed over the response: `objective/kl`.
    Sequence,
}

impl Kind {
    /// The kind by the name that the job prints.
    #[must_use]
    pub fn of(source: &str) -> Self {
        let source = source.to_ascii_lowercase();
        if source.contains("approx") || source.contains("ppo_kl") {
            Self::Update
        } else if source.contains("objective/kl") {
            Self::Sequence
        } else {
            Self::Reference
        }
    }
}

/// The parameters.
#[derive(Debug, Clone)]
pub struct Settings {
    ratio: f64,
    single_ratio: f64,
    critical: f64,
    update: f64,
    reference: f64,
    sequence: f64,
    start: usize,
    warmup: usize,
    pub(crate) hold: usize,
}

impl Settings {
    /// Reads and checks the parameters.
    ///
    /// # Errors
    /// When the warm-up is longer than the start.
    pub fn new(parameters: &Parameters) -> Result<Self, String> {
        let (start, warmup) = (parameters.count("start")?, parameters.count("warmup")?);
        if warmup > start {
            return Err(format!(
                "`warmup` ({warmup}) must not be more than `start` ({start})"
            ));
        }
        Ok(Self {
            ratio: parameters.number("ratio")?,
            single_ratio: parameters.number("single-ratio")?,
            critical: parameters.number("critical")?,
            update: parameters.number("update-limit")?,
            reference: parameters.number("reference-limit")?,
            sequence: parameters.number("sequence-limit")?,
            start,
            warmup,
            hold: parameters.count("hold")?,
        })
    }

    fn floor(&self, kind: Kind) -> f64 {
        match kind {
            Kind::Update => self.update,
            Kind::Reference => self.reference,
            Kind::Sequence => self.sequence,
        }
    }
}

/// An explosion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blast {
    /// The median of the last five values, or the value that is enough alone.
    pub level: f64,
    /// Whether one value was enough.
    pub alone: bool,
    /// The median of the first values.
    pub start: f64,
    /// What it is above.
    pub limit: f64,
    /// How bad that is.
    pub severity: Severity,
}

/// What one value shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen {
    /// Nothing to report.
    Nothing,
    /// An explosion begins.
    Began(Blast),
    /// It has become critical.
    Worse(Blast),
    /// It is over.
    Over {
        /// Because the run resumed.
        resumed: bool,
    },
}

/// What is remembered of a series.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Watch {
    kind: Kind,
    progress: Progress,
    /// The first values, until there are enough of them.
    first: Vec<f64>,
    /// Their median, once there are enough to judge by.
    start: f64,
    /// What is too much, and what is too much for one value.
    limit: f64,
    single: f64,
    /// The step at which the last of the first values came.
    learned: i64,
    recent: Ring,
    /// For so many more values one above the limit is among the recent ones.
    hot: u8,
    open: Option<Severity>,
    /// Values in a row that were below the limit.
    calm: usize,
}

impl Watch {
    /// A series of which nothing is known.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            progress: Progress::default(),
            first: Vec::new(),
            start: f64::NAN,
            limit: f64::NAN,
            single: f64::NAN,
            learned: i64::MIN,
            recent: Ring::new(RECENT),
            hot: 0,
            open: None,
            calm: 0,
        }
    }

    /// Looks at the next value.
    #[inline]
    pub fn look(&mut self, settings: &Settings, step: i64, value: f64) -> Seen {
        let usual = self.first.is_empty()
            && value <= self.limit
            && value.is_finite()
            && self.hot == 0
            && self.open.is_none()
            && self.progress.goes_on(step);
        if usual {
            self.recent.push(value);
            return Seen::Nothing;
        }
        self.look_closely(settings, step, value)
    }

    #[inline(never)]
    fn look_closely(&mut self, settings: &Settings, step: i64, value: f64) -> Seen {
        if !value.is_finite() {
            self.progress.pass(step);
            return Seen::Nothing;
        }
        let mut over = Seen::Nothing;
        if self.progress.advance(step) == Move::Resumed {
            if self.open.take().is_some() {
                over = Seen::Over { resumed: true };
            }
            self.resume(step);
        }
        let known = self.limit;
        self.learn(settings, step, value);
        self.recent.push(value);
        if known.is_nan() {
            return over;
        }
        let above = value > self.limit;
        (self.hot, self.calm) = if above {
            (RECENT as u8, 0)
        } else {
            (self.hot.saturating_sub(1), self.calm.saturating_add(1))
        };
        match over {
            Seen::Nothing => self.judge(settings, value),
            over => over,
        }
    }

    /// A run that goes on from a checkpoint has the start it had; one that goes
    /// back to its start learns it again.
    fn resume(&mut self, step: i64) {
        self.recent.clear();
        (self.hot, self.calm) = (0, 0);
        if step <= self.learned || !self.first.is_empty() || self.limit.is_nan() {
            *self = Self {
                progress: self.progress,
                ..Self::new(self.kind)
            };
        }
    }

    fn learn(&mut self, settings: &Settings, step: i64, value: f64) {
        if self.learned > i64::MIN && self.first.is_empty() {
            return;
        }
        // Clipped: what explodes early does not make its own baseline.
        self.first.push(value.min(if self.limit.is_nan() {
            f64::INFINITY
        } else {
            self.limit
        }));
        self.learned = step;
        if self.first.len() >= settings.warmup {
            self.start = median(&self.first);
            let floor = settings.floor(self.kind);
            self.limit = (settings.ratio * self.start).max(floor);
            self.single = (settings.single_ratio * self.start).max(SINGLE * floor);
        }
        if self.first.len() >= settings.start {
            self.first = Vec::new();
        }
    }

    fn judge(&mut self, settings: &Settings, value: f64) -> Seen {
        if self.open.is_some() && self.calm >= settings.hold {
            self.open = None;
            return Seen::Over { resumed: false };
        }
        let values = self.recent.values();
        let middle = if values.len() < RECENT || self.hot == 0 {
            f64::NEG_INFINITY
        } else {
            median(values)
        };
        let alone = value > self.single && middle <= self.limit;
        let severity = if middle > settings.critical * self.limit {
            Severity::Critical
        } else if middle > self.limit || alone {
            Severity::Warning
        } else {
            return Seen::Nothing;
        };
        let blast = Blast {
            level: if alone { value } else { middle },
            alone,
            start: self.start,
            limit: if alone { self.single } else { self.limit },
            severity,
        };
        match self.open {
            None => {
                self.open = Some(severity);
                Seen::Began(blast)
            }
            Some(before) if severity > before => {
                self.open = Some(severity);
                Seen::Worse(blast)
            }
            Some(_) => Seen::Nothing,
        }
    }
}
