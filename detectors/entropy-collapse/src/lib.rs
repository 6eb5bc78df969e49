//! `entropy-collapse`: a policy stops exploring without having learned, or
//! does nothing but explore.
//!
//! The rules are in `rule.rs` and `rise.rs`, that of rlwatch in `rlwatch.rs`;
//! this file brings entropy and reward of a row together and says what people
//! read.

use runwatch_detector::prelude::*;
use runwatch_detector::rlwatch as compat;
use runwatch_detector::show::{count, number, percent, place, times};
use runwatch_detector::state::{self, Episode};
use runwatch_detector::{Roles, Series};

mod rise;
mod rlwatch;
mod rule;

pub use rise::{Explosion, Rise, Risen};
pub use rule::{Collapse, Reward, Seen, Settings, Watch};

const KEY: &str = "entropy-collapse";
const RISE: &str = "entropy-explosion";
/// What to do first where a converged policy looks the same.
const CHECK: &str = "Check the reward first: if it has risen and stays up, the policy has converged and all is well. If \
     not, stop,";
/// What to do after that.
const REMEDY: &str = " go back to a checkpoint from before the fall, raise the entropy bonus (`ent_coef`, \
     `entropy_coeff`: 2 to 10 times) or the sampling temperature, and lower the learning rate or the \
     number of epochs per batch. In LLM training, a KL penalty to the reference or a higher upper clip \
     limit keeps entropy up too.";

/// Watches the policy's entropy of one run.
pub type EntropyCollapse = compat::Choice<Robust, compat::Rule<rlwatch::Watch>>;

/// The rule of ours.
pub struct Robust {
    settings: Settings,
    state: State,
    roles: Roles<Meaning>,
}

/// What a series tells.
#[derive(Debug, Clone, Copy)]
enum Meaning {
    Entropy,
    /// Entropy with the sign of a loss.
    EntropyLoss,
    Reward,
}

/// What one row says.
#[derive(Default)]
struct Row {
    entropy: Option<(Point, Meaning)>,
    reward: Option<Point>,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    watches: Keyed<Watch>,
    /// One key for all ranks.
    episode: Episode,
    rise: Episode,
}

impl Detector for Robust {
    fn describe() -> Description {
        let description = Description::new(
            "entropy-collapse",
            "0.1.0",
            "A policy's entropy collapses while its reward does not rise, or explodes",
        )
        .parameter(compat::rule())
        .parameter(
            Parameter::number("fraction", 0.10)
                .unit("ratio")
                .min(0)
                .max(1)
                .doc("Entropy below this part of its start is a collapse."),
        )
        .parameter(
            Parameter::integer("rows", 5)
                .unit("values")
                .min(1)
                .max(10_000)
                .doc("For how many values in a row, and for how many it must be back to be over."),
        )
        .parameter(
            Parameter::number("warning-fraction", 0.20)
                .unit("ratio")
                .min(0)
                .max(1)
                .doc("Entropy long below this part of its start is a warning, if a reward is logged."),
        )
        .parameter(
            Parameter::integer("warning-rows", 30)
                .unit("values")
                .min(1)
                .max(10_000)
                .doc("For how many values in a row it must be below `warning-fraction`."),
        )
        .parameter(
            Parameter::number("rise", 3.0)
                .unit("x start")
                .min(1)
                .max(1e6)
                .doc("Entropy above so many times its start explodes."),
        )
        .parameter(
            Parameter::number("rise-nats", 1.0)
                .unit("nats")
                .min(0)
                .max(1e6)
                .doc("By how much it must be above its start as well to explode."),
        )
        .parameter(
            Parameter::integer("start", 10)
                .unit("values")
                .min(1)
                .max(128)
                .doc("The median of how many first values is the start."),
        )
        .parameter(
            Parameter::number("reward-sd", 2.0)
                .unit("sd")
                .min(0)
                .max(100)
                .doc(
                    "How far above the best of the first 20 rewards a policy that has learned is.",
                ),
        );
        rlwatch::parameters()
            .into_iter()
            .fold(description, Description::parameter)
            .doc(include_str!("doc.md"))
    }

    fn open(_run: &Facts, parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            settings: Settings::new(parameters)?,
            state: State::default(),
            roles: Roles::default(),
        })
    }

    fn interests(&self) -> Vec<Interest> {
        ["entropy", "reward_mean"].map(Interest::metric).into()
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        // The order of entropy and reward within a row says nothing, so that
        // both are looked at together.
        for places in batch.by_row() {
            let mut row = Row::default();
            for point in places.filter_map(|at| batch.point(at)) {
                // Of several series with one canonical name the first counts.
                match self.roles.of(batch, point.series, Meaning::of) {
                    Some(Meaning::Reward) => row.reward = row.reward.or(Some(point)),
                    Some(meaning) => row.entropy = row.entropy.or(Some((point, meaning))),
                    None => {}
                }
            }
            self.look(row, findings);
        }
    }

    fn save(&self) -> Option<Vec<u8>> {
        state::save(&self.state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        self.state = state::restore(state)?;
        Ok(())
    }
}

impl Meaning {
    fn of(series: &Series) -> Self {
        match series.name.as_str() {
            "entropy" if series.source.contains("loss") => Self::EntropyLoss,
            "entropy" => Self::Entropy,
            _ => Self::Reward,
        }
    }
}

impl Robust {
    #[inline]
    fn look(&mut self, Row { entropy, reward }: Row, findings: &mut Vec<Finding>) {
        let Self {
            settings, state, ..
        } = self;
        let Some(any) = entropy.map(|(point, _)| point).or(reward) else {
            return;
        };
        let watch = state.watches.of_rank(any.rank, Watch::default);
        if let Some(reward) = reward {
            watch.reward(reward.value);
        }
        let Some((point, meaning)) = entropy else {
            return;
        };
        let loss_sign = matches!(meaning, Meaning::EntropyLoss);
        let (seen, risen) = watch.entropy(settings, point.step, point.value, loss_sign);
        findings.extend(state.fallen(settings, &point, seen));
        findings.extend(state.risen(settings, &point, risen));
    }
}

impl State {
    fn fallen(&mut self, settings: &Settings, point: &Point, seen: Seen) -> Option<Finding> {
        match seen {
            Seen::Nothing => None,
            Seen::Collapsed(collapse) => self
                .episode
                .join(collapse.severity())
                .then(|| collapsed(point, &collapse, settings)),
            Seen::Worse(collapse) => self
                .episode
                .raise(collapse.severity())
                .then(|| collapsed(point, &collapse, settings)),
            Seen::Over { resumed } => self
                .episode
                .leave()
                .then(|| over(KEY, point, resumed, "it has left the floor")),
        }
    }

    fn risen(&mut self, settings: &Settings, point: &Point, risen: Risen) -> Option<Finding> {
        match risen {
            Risen::Nothing => None,
            Risen::Began(explosion) => self
                .rise
                .join(explosion.severity)
                .then(|| exploded(point, &explosion, settings)),
            Risen::Worse(explosion) => self
                .rise
                .raise(explosion.severity)
                .then(|| exploded(point, &explosion, settings)),
            Risen::Over { resumed } => self
                .rise
                .leave()
                .then(|| over(RISE, point, resumed, "it is no longer far above its start")),
        }
    }
}

fn collapsed(point: &Point, collapse: &Collapse, settings: &Settings) -> Finding {
    let share = collapse.entropy / collapse.start;
    let (fraction, rows) = if collapse.deep {
        (settings.fraction, settings.rows)
    } else {
        (settings.warning_fraction, settings.warning_rows)
    };
    let (reward, what_to_do) = match collapse.reward {
        Some(Reward { now, bar, best }) => (
            format!(
                "The mean reward of the last 10 rows is {}, not above the best of the first 20 ({}; the \
                 bar is {}).",
                number(now),
                number(best),
                number(bar),
            ),
            "The policy has become deterministic without having learned: more steps will not help. \
             Stop,",
        ),
        None => (
            "No reward is logged, so that a policy that has converged looks the same.".to_owned(),
            CHECK,
        ),
    };
    let finding = Finding::firing(KEY, collapse.severity(), point.row)
        .title(format!(
            "Entropy collapsed to {} of its start",
            percent(share)
        ))
        .message(format!(
            "`entropy` is {} at {}, below {} of its start ({}) for {}. {reward}",
            number(collapse.entropy),
            place(point),
            percent(fraction),
            number(collapse.start),
            count(rows, "value"),
        ))
        .recommendation(format!("{what_to_do}{REMEDY}"))
        .value("entropy", collapse.entropy)
        .value("start", collapse.start)
        .value("share", share);
    match collapse.reward {
        Some(Reward { now, bar, .. }) => finding.value("reward", now).value("reward_bar", bar),
        None => finding,
    }
}

fn exploded(point: &Point, explosion: &Explosion, settings: &Settings) -> Finding {
    let ratio = explosion.entropy / explosion.start;
    let (reward, what_to_do) = match explosion.severity {
        Severity::Critical => (
            " The reward has fallen below that of the first 20 rows.",
            "Stop: the policy is on its way to noise and has already lost what it could.",
        ),
        _ => (
            "",
            "Read some samples: a policy on its way to noise shows it there first.",
        ),
    };
    Finding::firing(RISE, explosion.severity, point.row)
        .title(format!("Entropy rose to {} its start", times(ratio)))
        .message(format!(
            "`entropy` is {} at {}, more than {} its start ({}) for {}.{reward}",
            number(explosion.entropy),
            place(point),
            times(settings.rise),
            number(explosion.start),
            count(settings.rows, "value"),
        ))
        .recommendation(format!(
            "{what_to_do} Lower the entropy bonus, the sampling temperature, the upper clip limit or the \
             learning rate, raise the KL penalty to the reference, and go on from a checkpoint before the \
             rise."
        ))
        .value("entropy", explosion.entropy)
        .value("start", explosion.start)
        .value("ratio", ratio)
}

fn over(key: &str, point: &Point, resumed: bool, why: &str) -> Finding {
    let (title, why) = if resumed {
        ("Run resumed", "the run went back")
    } else {
        ("Entropy is back", why)
    };
    Finding::resolved(key, point.row)
        .title(title)
        .message(format!(
            "`entropy` is {} at {}: {why}.",
            number(point.value),
            place(point)
        ))
        .value("entropy", point.value)
}

export!(EntropyCollapse);

#[cfg(test)]
mod tests;
