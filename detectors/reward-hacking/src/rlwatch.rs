//! The rule of rlwatch 0.5.1 (`reward_hacking`).

use runwatch_detector::Roles;
use runwatch_detector::prelude::*;
use runwatch_detector::rlwatch::{
    self, Ends, FLOOR, History, Instead, Level, Seen, at_least, mean,
};
use runwatch_detector::show::{number, place, times};
use runwatch_detector::state;
use runwatch_detector::stats::sort;
use serde::{Deserialize, Serialize};

use super::dip;
use super::row::{Role, Row};

/// What rlwatch logs at a step: a row that has any of these is one.
const STEP: [&str; 9] = [
    "entropy",
    "kl",
    "reward_std",
    "advantage_std",
    "loss",
    "lr",
    "clip_fraction",
    "grad_norm",
    "reward_mean",
];
/// The mean of how many variances is the baseline.
const BASELINE: usize = 20;
/// So many times the multiplier is critical.
const CRITICAL: f64 = 2.0;
/// How many single rewards are kept, and how many are needed.
const KEPT: usize = 200;
const LEAST: usize = 50;

/// The parameters `rlwatch-…`.
pub(crate) fn parameters() -> [Parameter; 5] {
    [
        rlwatch::warmup(50),
        rlwatch::window(100),
        rlwatch::multiplier(
            "rlwatch-multiplier",
            3.0,
            "ratio",
            "Under rule `rlwatch`: so many times its baseline the variance is a warning, twice that \
             critical.",
        ),
        Parameter::number("rlwatch-significance", 0.05)
            .unit("p")
            .min(0)
            .max(1)
            .doc("Under rule `rlwatch`: single rewards with a lower p are a warning."),
        Parameter::boolean("rlwatch-diptest", false)
            .unit("yes/no")
            .doc("Under rule `rlwatch`: whether its optional package `diptest` is installed."),
    ]
}

struct Settings {
    warmup: u64,
    window: usize,
    multiplier: f64,
    significance: f64,
    diptest: bool,
}

#[derive(Default, Serialize, Deserialize)]
struct Watch {
    steps: u64,
    /// Until the baseline is known.
    variances: History,
    baseline: Option<f64>,
    rewards: History,
}

#[derive(Default, Serialize, Deserialize)]
struct State {
    watches: Keyed<Watch>,
    ends: Ends,
}

/// The rule over rows.
pub struct Rule {
    settings: Settings,
    state: State,
    roles: Roles<Role>,
    row: Row,
}

impl Instead for Rule {
    fn open(parameters: &Parameters) -> Result<Self, String> {
        let settings = Settings {
            warmup: parameters.count("rlwatch-warmup")? as u64,
            window: parameters.count("rlwatch-window")?,
            multiplier: parameters.number("rlwatch-multiplier")?,
            significance: parameters.number("rlwatch-significance")?,
            diptest: parameters.boolean("rlwatch-diptest")?,
        };
        Ok(Self {
            settings,
            state: State::default(),
            roles: Roles::default(),
            row: Row::default(),
        })
    }

    /// Steps without a reward count as well.
    fn interests(&self) -> Vec<Interest> {
        let rewards = Interest::metric("rewards");
        let steps = STEP.iter().map(|name| Interest::metric(name));
        std::iter::once(rewards).chain(steps).collect()
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        for places in batch.by_row() {
            self.row.read(batch, places, &mut self.roles);
            self.look(findings);
        }
    }

    fn save(&self) -> Option<Vec<u8>> {
        state::save(&self.state)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.state = state::restore(bytes)?;
        Ok(())
    }
}

impl Rule {
    fn look(&mut self, findings: &mut Vec<Finding>) {
        let Some(point) = self.row.first else { return };
        let watch = self.state.watches.of_rank(point.rank, Watch::default);
        let seen = watch.look(&self.settings, &point, &self.row);
        // One episode a rank, whichever metric a row begins with.
        let place = Point { series: 0, ..point };
        self.state.ends.report(super::KEY, &place, seen, findings);
    }
}

impl Watch {
    fn look(&mut self, settings: &Settings, point: &Point, row: &Row) -> Seen {
        self.steps = self.steps.saturating_add(1);
        let derived = (!row.rewards.is_empty()).then(|| Level::of(row.rewards.iter().copied()));
        let mean = row.mean.map(|it| it.value).or(derived.map(|it| it.mean));
        let std = row.std.map(|it| it.value).or(derived.map(|it| it.sd));
        let variance = std.map(|std| std * std);
        if let Some(variance) = variance
            && self.baseline.is_none()
        {
            self.variances.push(settings.window, variance);
        }
        for &reward in &row.rewards {
            self.rewards.push(KEPT, reward);
        }
        if self.steps < settings.warmup {
            return Seen::Clear;
        }
        let jumped = variance.and_then(|variance| self.variance(settings, variance));
        if let (Some((variance, baseline, ratio)), Some(std)) = (jumped, std) {
            let severity = if ratio > CRITICAL * settings.multiplier {
                Severity::Critical
            } else {
                Severity::Warning
            };
            return Seen::Fires(wild(point, severity, variance, baseline, mean, std));
        }
        if row.rewards.is_empty() || self.rewards.len() < LEAST {
            return Seen::Clear;
        }
        let (statistic, p) = self.bimodality(settings.diptest);
        if p < settings.significance {
            return Seen::Fires(split(point, statistic, p, mean, self.rewards.len()));
        }
        Seen::Clear
    }

    /// Variance, baseline and ratio, if that is too much.
    fn variance(&mut self, settings: &Settings, variance: f64) -> Option<(f64, f64, f64)> {
        if self.baseline.is_none() && self.variances.len() >= BASELINE {
            let first: Vec<f64> = self.variances.iter().take(BASELINE).collect();
            self.baseline = Some(at_least(mean(first.into_iter()), FLOOR));
            self.variances.clear();
        }
        let baseline = self.baseline?;
        let ratio = variance / baseline;
        (ratio > settings.multiplier).then_some((variance, baseline, ratio))
    }

    /// A statistic and its p.
    fn bimodality(&self, diptest: bool) -> (f64, f64) {
        let mut sorted: Vec<f64> = self.rewards.iter().collect();
        sort(&mut sorted);
        if diptest {
            let dip = dip::statistic(&sorted);
            (dip, dip::p_value(sorted.len(), dip))
        } else {
            substitute(&sorted)
        }
    }
}

/// What rlwatch takes for the dip test without its optional package: half the
/// largest distance from evenly spaced values, which calls every normal sample
/// bimodal.
fn substitute(sorted: &[f64]) -> (f64, f64) {
    let (Some(&first), Some(&last)) = (sorted.first(), sorted.last()) else {
        return (0.0, 1.0);
    };
    let range = last - first;
    if sorted.len() < 10 || range < 1e-10 {
        return (0.0, 1.0);
    }
    let steps = (sorted.len() - 1) as f64;
    let distances = sorted
        .iter()
        .enumerate()
        .map(|(at, value)| ((value - first) / range - at as f64 / steps).abs());
    let statistic = distances.fold(0.0, f64::max) / 2.0;
    let p = match statistic * (sorted.len() as f64).sqrt() {
        q if q > 1.0 => 0.001,
        q if q > 0.7 => 0.01,
        q if q > 0.5 => 0.05,
        q if q > 0.3 => 0.1,
        _ => 0.5,
    };
    (statistic, p)
}

fn wild(
    point: &Point,
    severity: Severity,
    variance: f64,
    baseline: f64,
    mean: Option<f64>,
    std: f64,
) -> Finding {
    let ratio = variance / baseline;
    let finding = Finding::firing(super::KEY, severity, point.row)
        .title(format!("Reward variance {} its baseline", times(ratio)))
        .message(format!(
            "The variance of the rewards is {} at {}, {} its baseline of {}.",
            number(variance),
            place(point),
            times(ratio),
            number(baseline),
        ))
        .recommendation(super::READ)
        .value("current_variance", variance)
        .value("baseline_variance", baseline)
        .value("variance_ratio", ratio);
    let finding = match mean {
        Some(mean) => finding.value("reward_mean", mean),
        None => finding,
    };
    finding.value("reward_std", std)
}

fn split(point: &Point, statistic: f64, p: f64, mean: Option<f64>, count: usize) -> Finding {
    let finding = Finding::warning(super::KEY, point.row)
        .title("Rewards form two groups")
        .message(format!(
            "The last {count} rewards up to {} form two groups, with p = {}.",
            place(point),
            number(p),
        ))
        .recommendation(super::READ)
        .value("dip_statistic", statistic)
        .value("dip_p_value", p);
    let finding = match mean {
        Some(mean) => finding.value("reward_mean", mean),
        None => finding,
    };
    finding.value("n_samples", count as f64)
}
