//! What the detectors share under `rule = "rlwatch"`: the arithmetic of rlwatch
//! 0.5.1, number for number.
//!
//! It is there for those who come from rlwatch and want the findings they know.
//! Its habits are kept, the bad ones too: a NaN poisons a baseline, warm-up
//! samples are a part of it, and a constant metric makes any change infinite.
//! The only addition is the end of an episode, which rlwatch does not know.

use std::collections::VecDeque;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Detector;
use crate::batch::{Batch, Point};
use crate::describe::{Description, Facts, Interest, Parameter, Parameters};
use crate::finding::Finding;
use crate::show::{number, place};
use crate::state::{self, Episode, Keyed, Latch};

/// The least standard deviation, and the least mean that a ratio divides by.
pub const FLOOR: f64 = 1e-8;
/// The longest window that can be set: 4 kB a series.
pub const LONGEST: usize = 500;
/// A baseline of fewer samples is none.
const LEAST_SAMPLES: usize = 10;

/// The parameter that chooses between our rule and rlwatch's.
#[must_use]
pub fn rule() -> Parameter {
    Parameter::text("rule", "robust")
        .unit("name")
        .choices(&["robust", "rlwatch"])
        .doc(
            "`rlwatch` decides exactly as rlwatch 0.5.1 does, by the parameters `rlwatch-…` alone.",
        )
}

/// A detector that decides by its own rule, or as rlwatch did when [`rule`] says
/// so. Its description is the own one's.
pub enum Choice<D, R> {
    /// The rule of ours.
    Own(D),
    /// That of rlwatch.
    Rlwatch(R),
}

/// What rlwatch did in a detector's place.
pub trait Instead: Sized + 'static {
    /// Begins to watch a run.
    ///
    /// # Errors
    /// When a parameter is missing or malformed.
    fn open(parameters: &Parameters) -> Result<Self, String>;

    /// What it wants to be told.
    fn interests(&self) -> Vec<Interest>;

    /// Looks at new rows.
    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>);

    /// The state.
    fn save(&self) -> Option<Vec<u8>>;

    /// Takes the state back.
    ///
    /// # Errors
    /// When the bytes are something else.
    fn restore(&mut self, state: &[u8]) -> Result<(), String>;
}

impl<D: Detector, R: Instead> Detector for Choice<D, R> {
    fn describe() -> Description {
        D::describe()
    }

    fn open(run: &Facts, parameters: &Parameters) -> Result<Self, String> {
        // What contradicts itself is refused whichever rule is chosen.
        let own = D::open(run, parameters)?;
        Ok(match parameters.text("rule")? {
            "rlwatch" => Self::Rlwatch(R::open(parameters)?),
            _ => Self::Own(own),
        })
    }

    fn interests(&self) -> Vec<Interest> {
        match self {
            Self::Own(own) => own.interests(),
            Self::Rlwatch(rule) => rule.interests(),
        }
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        match self {
            Self::Own(own) => own.observe(batch, findings),
            Self::Rlwatch(rule) => rule.observe(batch, findings),
        }
    }

    fn save(&self) -> Option<Vec<u8>> {
        match self {
            Self::Own(own) => own.save(),
            Self::Rlwatch(rule) => rule.save(),
        }
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        match self {
            Self::Own(own) => own.restore(state),
            Self::Rlwatch(rule) => rule.restore(state),
        }
    }
}

/// The parameter `rlwatch-warmup`.
#[must_use]
pub fn warmup(default: i64) -> Parameter {
    Parameter::integer("rlwatch-warmup", default)
        .unit("values")
        .min(0)
        .max(1_000_000)
        .doc("Under rule `rlwatch`: the number of the first value that is judged.")
}

/// The parameter `rlwatch-window`.
#[must_use]
pub fn window(default: i64) -> Parameter {
    Parameter::integer("rlwatch-window", default)
        .unit("values")
        .min(2)
        .max(LONGEST as u32)
        .doc("Under rule `rlwatch`: the window of the baseline, the current value included.")
}

/// The parameter `rlwatch-baseline`.
#[must_use]
pub fn baseline(default: &str) -> Parameter {
    Parameter::text("rlwatch-baseline", default)
        .unit("name")
        .choices(&["rolling", "frozen"])
        .doc("Under rule `rlwatch`: the values just before, or the first full window for ever.")
}

/// A parameter of rule `rlwatch` that multiplies something.
#[must_use]
pub fn multiplier(name: &str, default: f64, unit: &str, doc: &str) -> Parameter {
    Parameter::number(name, default)
        .unit(unit)
        .min(0)
        .max(1e6)
        .doc(doc)
}

/// The last samples in their order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct History(VecDeque<f64>);

impl History {
    /// Takes a sample in and keeps the last `size`.
    pub fn push(&mut self, size: usize, value: f64) {
        self.0.push_back(value);
        while self.0.len() > size {
            self.0.pop_front();
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = f64> + Clone + '_ {
        self.0.iter().copied()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0 = VecDeque::new();
    }
}

/// The mean, summed from left to right; NaN of nothing.
#[must_use]
pub fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// A mean and a population standard deviation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// The mean.
    pub mean: f64,
    /// The standard deviation, without a floor.
    pub sd: f64,
}

impl Level {
    /// Of some values; NaN of none.
    #[must_use]
    pub fn of(values: impl ExactSizeIterator<Item = f64> + Clone) -> Self {
        let mean = mean(values.clone());
        let count = values.len() as f64;
        let squares: f64 = values.map(|value| (value - mean) * (value - mean)).sum();
        Self {
            mean,
            sd: (squares / count).sqrt(),
        }
    }

    /// The standard deviation, but not less than [`FLOOR`]. NaN stays NaN.
    #[must_use]
    pub fn floored_sd(&self) -> f64 {
        at_least(self.sd, FLOOR)
    }
}

/// `value`, or `least` if it is less. NaN stays NaN, unlike with [`f64::max`].
#[must_use]
pub fn at_least(value: f64, least: f64) -> f64 {
    if value < least { least } else { value }
}

/// The settings of a [`Baseline`].
#[derive(Debug, Clone)]
pub struct Window {
    warmup: u64,
    size: usize,
    frozen: bool,
}

impl Window {
    /// Reads [`warmup`], [`window`] and [`baseline`].
    ///
    /// # Errors
    /// When one is missing or malformed.
    pub fn new(parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            warmup: parameters.count("rlwatch-warmup")? as u64,
            size: parameters.count("rlwatch-window")?,
            frozen: parameters.text("rlwatch-baseline")? == "frozen",
        })
    }
}

/// What values are compared with: the previous ones, or the first full window
/// for ever, which holds the value that filled it and those of the warm-up.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Baseline {
    history: History,
    seen: u64,
    frozen: Option<Level>,
}

impl Baseline {
    /// Takes a value in and says what to compare it with, if it is to be judged.
    pub fn push(&mut self, window: &Window, value: f64) -> Option<Level> {
        self.seen = self.seen.saturating_add(1);
        if self.frozen.is_none() {
            self.history.push(window.size, value);
        }
        if self.seen < window.warmup {
            return None;
        }
        if window.frozen && self.frozen.is_none() && self.history.len() >= window.size {
            self.frozen = Some(Level::of(self.history.iter()));
            self.history.clear();
        }
        if self.frozen.is_some() {
            return self.frozen;
        }
        let before = self.history.len().saturating_sub(1);
        (self.history.len() >= LEAST_SAMPLES)
            .then(|| Level::of(self.history.0.range(..before).copied()))
    }
}

/// What a value shows.
#[derive(Debug)]
pub enum Seen {
    /// Nothing new.
    Nothing,
    /// A finding of rlwatch.
    Fires(Finding),
    /// rlwatch has nothing against this value: what was found is over.
    Clear,
}

/// One of rlwatch's rules for one series of one rank.
pub trait Watch: Default + Serialize + DeserializeOwned {
    /// Its parameters.
    type Settings;
    /// The key of its findings.
    const KEY: &'static str;

    /// Reads its parameters.
    ///
    /// # Errors
    /// When one is missing or malformed.
    fn settings(parameters: &Parameters) -> Result<Self::Settings, String>;

    /// What it wants to be told.
    fn interests(settings: &Self::Settings) -> Vec<Interest>;

    /// Looks at the next value.
    fn look(&mut self, settings: &Self::Settings, point: &Point) -> Seen;
}

/// Findings as rlwatch makes them, and the ends of what they say.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Ends {
    members: Keyed<Latch>,
    episode: Episode,
}

impl Ends {
    /// Reports what a value shows.
    pub fn report(&mut self, key: &str, point: &Point, seen: Seen, findings: &mut Vec<Finding>) {
        match seen {
            Seen::Nothing => {}
            Seen::Fires(finding) => {
                if self.members.of(point, Latch::default).set() {
                    self.episode.join(finding.severity);
                }
                findings.push(finding);
            }
            Seen::Clear => {
                if self.members.of(point, Latch::default).clear() && self.episode.leave() {
                    findings.push(over(key, point));
                }
            }
        }
    }
}

fn over(key: &str, point: &Point) -> Finding {
    Finding::resolved(key, point.row)
        .title("Over, by rlwatch's rule")
        .message(format!(
            "The value at {} is {}, against which rlwatch's rule has nothing.",
            place(point),
            number(point.value)
        ))
}

/// A rule over every series of a detector that looks at one metric.
pub struct Rule<W: Watch> {
    settings: W::Settings,
    watches: Keyed<W>,
    ends: Ends,
}

impl<W: Watch> Rule<W> {
    /// Looks at one value.
    pub fn look(&mut self, point: &Point, findings: &mut Vec<Finding>) {
        let watch = self.watches.of(point, W::default);
        let seen = watch.look(&self.settings, point);
        self.ends.report(W::KEY, point, seen, findings);
    }
}

impl<W: Watch + 'static> Instead for Rule<W> {
    fn open(parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            settings: W::settings(parameters)?,
            watches: Keyed::default(),
            ends: Ends::default(),
        })
    }

    fn interests(&self) -> Vec<Interest> {
        W::interests(&self.settings)
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        for point in batch.points() {
            self.look(&point, findings);
        }
    }

    fn save(&self) -> Option<Vec<u8>> {
        state::save(&(&self.watches, &self.ends))
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), String> {
        (self.watches, self.ends) = state::restore(bytes)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
