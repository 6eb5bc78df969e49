//! The rule, for one rank.

use runwatch_detector::show::number;
use runwatch_detector::stats::{Ring, median};
use runwatch_detector::{Parameters, Severity};
use serde::{Deserialize, Serialize};

use super::rise::{Rise, Risen};

/// The first rewards, among which the best is looked for.
const FIRST_REWARDS: usize = 20;
/// The last rewards, whose mean is compared.
const LAST_REWARDS: usize = 10;
/// A start closer to zero than this is no start: the policy was dead already.
const LEAST_START: f64 = 1e-6;
/// With some rewards but too few to judge by, so many more rows are waited for.
const PATIENCE: usize = 20;

/// The parameters.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) fraction: f64,
    pub(crate) rows: usize,
    pub(crate) warning_fraction: f64,
    pub(crate) warning_rows: usize,
    pub(crate) rise: f64,
    pub(crate) rise_nats: f64,
    pub(crate) start: usize,
    pub(crate) reward_sd: f64,
}

impl Settings {
    /// Reads and checks the parameters.
    ///
    /// # Errors
    /// When they contradict each other.
    pub fn new(parameters: &Parameters) -> Result<Self, String> {
        let fraction = parameters.number("fraction")?;
        let warning_fraction = parameters.number("warning-fraction")?;
        if fraction > warning_fraction {
            return Err(format!(
                "`fraction` ({fraction}) must not be more than `warning-fraction` ({warning_fraction})",
                fraction = number(fraction),
                warning_fraction = number(warning_fraction)
            ));
        }
        Ok(Self {
            fraction,
            warning_fraction,
            warning_rows: parameters.count("warning-rows")?.max(1),
            rise: parameters.number("rise")?,
            rise_nats: parameters.number("rise-nats")?,
            rows: parameters.count("rows")?.max(1),
            start: parameters.count("start")?.max(1),
            reward_sd: parameters.number("reward-sd")?,
        })
    }
}

/// The reward's side of a collapse.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reward {
    /// The mean of the last rewards.
    pub now: f64,
    /// What it would have to be above.
    pub bar: f64,
    /// The best of the first rewards.
    pub best: f64,
}

/// A collapse.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Collapse {
    /// The entropy now.
    pub entropy: f64,
    /// The entropy at the start.
    pub start: f64,
    /// Whether it is below `fraction`, and not only long below
    /// `warning-fraction`.
    pub deep: bool,
    /// The reward, if there is one.
    pub reward: Option<Reward>,
}

impl Collapse {
    /// Only a reward that has not risen tells a collapse from convergence.
    #[must_use]
    pub fn severity(&self) -> Severity {
        if self.deep && self.reward.is_some() {
            Severity::Critical
        } else {
            Severity::Warning
        }
    }
}

/// What one row shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen {
    /// Nothing to report.
    Nothing,
    /// Entropy has collapsed.
    Collapsed(Collapse),
    /// By now the reward says that it is no convergence.
    Worse(Collapse),
    /// It is over.
    Over {
        /// Because the run went back.
        resumed: bool,
    },
}

/// What is remembered of a rank.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Watch {
    last_step: Option<i64>,
    /// The first entropies, until there are enough of them.
    first: Vec<f64>,
    start: Option<f64>,
    /// The step at which the start was known.
    start_step: i64,
    first_rewards: Vec<f64>,
    last_rewards: Ring,
    /// How many values in a row were below `fraction`.
    low: usize,
    /// How many values in a row were below `warning-fraction`, or not.
    dim: usize,
    high: usize,
    open: Option<Severity>,
    rise: Rise,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            last_step: None,
            first: Vec::new(),
            start: None,
            start_step: i64::MIN,
            first_rewards: Vec::new(),
            last_rewards: Ring::new(LAST_REWARDS),
            low: 0,
            dim: 0,
            high: 0,
            open: None,
            rise: Rise::default(),
        }
    }
}

impl Watch {
    /// Takes the next reward in.
    pub fn reward(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        if self.first_rewards.len() < FIRST_REWARDS {
            self.first_rewards.push(value);
        }
        self.last_rewards.push(value);
    }

    /// Looks at the next entropy. With `loss_sign` the job prints its negative.
    #[inline]
    pub fn entropy(
        &mut self,
        settings: &Settings,
        step: i64,
        value: f64,
        loss_sign: bool,
    ) -> (Seen, Risen) {
        let nothing = (Seen::Nothing, Risen::Nothing);
        // NaN neither continues nor ends a streak.
        if !value.is_finite() {
            return nothing;
        }
        if self.last_step.replace(step).is_some_and(|last| step < last) {
            return self.went_back(settings, step, value);
        }
        let Some(start) = self.start else {
            self.learn(settings, step, value);
            return nothing;
        };
        // Turned so that the start is positive; a negative start without the
        // name of a loss is a differential entropy, of which no part is a
        // floor.
        let (entropy, start) = if loss_sign && start < 0.0 {
            (-value, -start)
        } else {
            (value, start)
        };
        if start < LEAST_START {
            return nothing;
        }
        let seen = self.fall(settings, entropy, start);
        let (first, last) = (&self.first_rewards, &self.last_rewards);
        let fallen = || has_fallen(first, last.values(), settings.reward_sd);
        (seen, self.rise.look(settings, entropy, start, fallen))
    }

    #[inline]
    fn fall(&mut self, settings: &Settings, entropy: f64, start: f64) -> Seen {
        if entropy < settings.warning_fraction * start {
            let deep = entropy < settings.fraction * start;
            self.low = if deep { self.low.saturating_add(1) } else { 0 };
            self.dim = self.dim.saturating_add(1);
            self.high = 0;
        } else {
            self.high = self.high.saturating_add(1);
            (self.low, self.dim) = (0, 0);
        }
        if self.low < settings.rows && self.dim < settings.warning_rows && self.open.is_none() {
            return Seen::Nothing;
        }
        self.judge(settings, entropy, start)
    }

    #[inline(never)]
    fn learn(&mut self, settings: &Settings, step: i64, value: f64) {
        self.first.push(value);
        if self.first.len() >= settings.start {
            self.start = Some(median(&self.first));
            self.start_step = step;
            self.first = Vec::new();
        }
    }

    /// A run that resumes from a checkpoint has the same start as before: what
    /// it is at by now may be the collapse. One that starts over has not.
    #[inline(never)]
    fn went_back(&mut self, settings: &Settings, step: i64, value: f64) -> (Seen, Risen) {
        let (open, risen) = (self.open.is_some(), self.rise.restart());
        if step <= self.start_step || self.start.is_none() {
            *self = Self {
                last_step: self.last_step,
                ..Self::default()
            };
            self.learn(settings, step, value);
        }
        (self.low, self.dim, self.high, self.open) = (0, 0, 0, None);
        let seen = if open {
            Seen::Over { resumed: true }
        } else {
            Seen::Nothing
        };
        let risen = if risen {
            Risen::Over { resumed: true }
        } else {
            Risen::Nothing
        };
        (seen, risen)
    }

    #[inline(never)]
    fn judge(&mut self, settings: &Settings, entropy: f64, start: f64) -> Seen {
        if self.open.is_some() && self.high >= settings.rows {
            self.open = None;
            return Seen::Over { resumed: false };
        }
        let deep = self.low >= settings.rows;
        if !deep && self.dim < settings.warning_rows {
            return Seen::Nothing;
        }
        let reward = match self.compare_rewards(settings) {
            Some(reward) if reward.now > reward.bar => return Seen::Nothing,
            // So far down, a policy that converges looks the same.
            None if !deep => return Seen::Nothing,
            None if !self.first_rewards.is_empty() && self.low < settings.rows + PATIENCE => {
                return Seen::Nothing;
            }
            reward => reward,
        };
        let collapse = Collapse {
            entropy,
            start,
            deep,
            reward,
        };
        let severity = collapse.severity();
        match self.open.replace(severity) {
            None => Seen::Collapsed(collapse),
            Some(before) if severity > before => Seen::Worse(collapse),
            Some(before) => {
                self.open = Some(before);
                Seen::Nothing
            }
        }
    }

    fn compare_rewards(&self, settings: &Settings) -> Option<Reward> {
        let first = &self.first_rewards;
        let (_, sd) = first_level(first)?;
        let best = first.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(Reward {
            now: mean(self.last_rewards.values()),
            bar: best + settings.reward_sd * sd,
            best,
        })
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Mean and deviation of the first rewards, once there are enough.
fn first_level(first: &[f64]) -> Option<(f64, f64)> {
    if first.len() < FIRST_REWARDS {
        return None;
    }
    let middle = mean(first);
    let spread = first
        .iter()
        .map(|value| (value - middle).powi(2))
        .sum::<f64>();
    Some((middle, (spread / (first.len() - 1) as f64).sqrt()))
}

/// Whether the last rewards are that many deviations below the first.
fn has_fallen(first: &[f64], last: &[f64], deviations: f64) -> bool {
    first_level(first).is_some_and(|(middle, sd)| mean(last) < middle - deviations * sd)
}
