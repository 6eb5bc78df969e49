//! The reward rises, and something else says that it is not what was meant. For
//! one rank.

use runwatch_detector::stats::Ewma;
use runwatch_detector::{Parameters, Severity};
use serde::{Deserialize, Serialize};

/// The span of the moving means.
const SPAN: usize = 20;
/// So many snapshots cover the window.
const SNAPSHOTS: usize = 10;
/// Evaluations are averaged over at least so many rows.
const APART: u32 = 20;
/// How many evaluations are compared: the last is to be lower than the first,
/// and so is every one between.
const EVALUATIONS: usize = 3;
/// So many checks in a row without a sign end it.
const CALM: u8 = 5;

/// The parameters.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    every: u32,
    deviations: f64,
    evaluation_fall: f64,
    kl_ratio: f64,
    kl_limit: f64,
    length_ratio: f64,
}

impl Settings {
    pub(crate) fn new(parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            every: (parameters.count("window")? / SNAPSHOTS).max(1) as u32,
            deviations: parameters.number("reward-sd")?,
            evaluation_fall: parameters.number("evaluation-fall")?,
            kl_ratio: parameters.number("kl-ratio")?,
            kl_limit: parameters.number("kl-limit")?,
            length_ratio: parameters.number("length-ratio")?,
        })
    }
}

/// From what to what.
pub(crate) type Change = (f64, f64);

/// What speaks against a reward that rises.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Evidence {
    pub(crate) reward: Change,
    pub(crate) evaluation: Option<Change>,
    pub(crate) kl: Option<Change>,
    pub(crate) length: Option<Change>,
}

impl Evidence {
    /// A policy that learns leaves the reference and finds its own length: each
    /// alone is worth knowing, and no more. An evaluation that falls is what
    /// reward hacking means.
    pub(crate) fn severity(&self) -> Severity {
        if self.evaluation.is_some() || (self.kl.is_some() && self.length.is_some()) {
            Severity::Warning
        } else {
            Severity::Info
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Seen {
    Nothing,
    Began(Evidence),
    Worse(Evidence),
    Over,
}

/// Where everything was at one row.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Snapshot {
    reward: f64,
    kl: Option<f64>,
    length: Option<f64>,
}

/// The values of one row.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Values {
    pub(crate) reward: Option<f64>,
    pub(crate) evaluation: Option<f64>,
    pub(crate) kl: Option<f64>,
    pub(crate) length: Option<f64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Proxy {
    reward: Ewma,
    kl: Ewma,
    length: Ewma,
    last_reward: Option<f64>,
    /// Squares of half the differences between rewards that follow each other:
    /// noise without the trend.
    noise: Ewma,
    /// Rows with a reward since the last snapshot, and since the last
    /// evaluation that counted.
    since_snapshot: u32,
    since_evaluation: u32,
    snapshots: Vec<Snapshot>,
    evaluation: Ewma,
    /// The last evaluations, each with the reward there.
    evaluations: Vec<(f64, f64)>,
    pub(crate) open: Option<Severity>,
    calm: u8,
}

impl Default for Proxy {
    fn default() -> Self {
        let mean = Ewma::new(SPAN);
        Self {
            reward: mean,
            kl: mean,
            length: mean,
            last_reward: None,
            noise: Ewma::new(5 * SPAN),
            since_snapshot: 0,
            since_evaluation: APART,
            snapshots: Vec::new(),
            evaluation: mean,
            evaluations: Vec::new(),
            open: None,
            calm: 0,
        }
    }
}

impl Proxy {
    /// Looks at the next row.
    pub(crate) fn look(&mut self, settings: &Settings, values: Values) -> Seen {
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        for (mean, value) in [(&mut self.kl, values.kl), (&mut self.length, values.length)] {
            if let Some(value) = finite(value) {
                mean.push(value);
            }
        }
        if let Some(value) = finite(values.evaluation) {
            self.evaluation.push(value);
        }
        let mut is_due = false;
        if let Some(reward) = finite(values.reward) {
            self.reward.push(reward);
            if let Some(last) = self.last_reward.replace(reward) {
                self.noise.push((reward - last) * (reward - last) / 2.0);
            }
            self.since_snapshot = self.since_snapshot.saturating_add(1);
            self.since_evaluation = self.since_evaluation.saturating_add(1);
            is_due = self.since_snapshot >= settings.every;
        }
        let evaluated = self.evaluated();
        if !is_due && !evaluated {
            return Seen::Nothing;
        }
        let seen = self.check(settings);
        if is_due {
            self.since_snapshot = 0;
            self.snap();
        }
        seen
    }

    /// Whether there is a new evaluation that counts.
    fn evaluated(&mut self) -> bool {
        if self.since_evaluation < APART || self.evaluation.is_empty() || self.reward.is_empty() {
            return false;
        }
        self.since_evaluation = 0;
        let evaluation = std::mem::replace(&mut self.evaluation, Ewma::new(SPAN)).mean();
        if self.evaluations.len() >= EVALUATIONS {
            self.evaluations.remove(0);
        }
        self.evaluations.push((evaluation, self.reward.mean()));
        true
    }

    fn snap(&mut self) {
        if self.snapshots.len() >= SNAPSHOTS {
            self.snapshots.remove(0);
        }
        let known = |mean: &Ewma| (mean.len() >= SPAN).then(|| mean.mean());
        self.snapshots.push(Snapshot {
            reward: self.reward.mean(),
            kl: known(&self.kl),
            length: known(&self.length),
        });
    }

    fn check(&mut self, settings: &Settings) -> Seen {
        let Some(evidence) = self.evidence(settings) else {
            self.calm = self.calm.saturating_add(1);
            if self.open.is_some() && self.calm >= CALM {
                self.open = None;
                return Seen::Over;
            }
            return Seen::Nothing;
        };
        self.calm = 0;
        let severity = evidence.severity();
        match self.open {
            None => {
                self.open = Some(severity);
                Seen::Began(evidence)
            }
            Some(before) if severity > before => {
                self.open = Some(severity);
                Seen::Worse(evidence)
            }
            Some(_) => Seen::Nothing,
        }
    }

    fn evidence(&self, settings: &Settings) -> Option<Evidence> {
        let now = self.reward.mean();
        let risen = |from: f64, to: f64| {
            let noise = self.noise.mean().sqrt();
            to - from > settings.deviations * noise && to - from > 0.05 * from.abs()
        };
        let mut evidence = Evidence {
            reward: (now, now),
            evaluation: None,
            kl: None,
            length: None,
        };
        if let [first, between @ .., last] = self.evaluations.as_slice()
            && self.evaluations.len() >= EVALUATIONS
            && between.iter().all(|(evaluation, _)| *evaluation < first.0)
            && first.0 - last.0 > settings.evaluation_fall * first.0.abs()
            && risen(first.1, last.1)
        {
            evidence.reward = (first.1, last.1);
            evidence.evaluation = Some((first.0, last.0));
        }
        if let Some(then) = self.snapshots.first()
            && self.snapshots.len() >= SNAPSHOTS
            && risen(then.reward, now)
        {
            let changed = |then: Option<f64>, mean: &Ewma, is: &dyn Fn(f64, f64) -> bool| {
                then.map(|then| (then, mean.mean()))
                    .filter(|&(then, now)| is(then, now))
            };
            evidence.kl = changed(then.kl, &self.kl, &|then, now| {
                now >= settings.kl_limit && now >= settings.kl_ratio * then.max(0.0)
            });
            evidence.length = changed(then.length, &self.length, &|then, now| {
                then > 0.0
                    && (now >= settings.length_ratio * then || now * settings.length_ratio <= then)
            });
            if evidence.evaluation.is_none() {
                evidence.reward = (then.reward, now);
            }
        }
        let any = evidence.evaluation.or(evidence.kl).or(evidence.length);
        any.map(|_| evidence)
    }
}
