//! `entropy-collapse`: a policy stops exploring without having learned.
//!
//! The rule is in `rule.rs`; this file brings entropy and reward of a row
//! together and says what people read.

use runwatch_detector::NO_ROW;
use runwatch_detector::prelude::*;
use runwatch_detector::show::{count, number, percent, place};
use runwatch_detector::state::{self, Episode};

mod rule;

pub use rule::{Collapse, Reward, Seen, Settings, Watch};

const KEY: &str = "entropy-collapse";

/// Watches the policy's entropy of one run.
pub struct EntropyCollapse {
    settings: Settings,
    state: State,
    /// What each series is, found out once: names are compared per series, not
    /// per value. Not saved: series are announced afresh.
    meanings: Vec<(u32, Meaning)>,
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
}

impl Detector for EntropyCollapse {
    fn describe() -> Description {
        Description::new(
            "entropy-collapse",
            "0.1.0",
            "A policy's entropy collapses while its reward does not rise",
        )
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
        )
        .doc(include_str!("doc.md"))
    }

    fn open(_run: &Facts, parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            settings: Settings::new(parameters)?,
            state: State::default(),
            meanings: Vec::new(),
        })
    }

    fn interests(&self) -> Vec<Interest> {
        vec![Interest::metric("entropy"), Interest::metric("reward_mean")]
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        // The order of entropy and reward within a row says nothing, so that
        // both are looked at together.
        let mut row = Row::default();
        let mut at = NO_ROW;
        for point in batch.points() {
            if point.row != at {
                findings.extend(self.look(std::mem::take(&mut row)));
                at = point.row;
            }
            // Of several series with one canonical name the first counts.
            match self.meaning(batch, point.series) {
                Some(Meaning::Reward) => row.reward = row.reward.or(Some(point)),
                Some(meaning) => row.entropy = row.entropy.or(Some((point, meaning))),
                None => {}
            }
        }
        findings.extend(self.look(row));
    }

    fn save(&self) -> Option<Vec<u8>> {
        state::save(&self.state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        self.state = state::restore(state)?;
        Ok(())
    }
}

impl EntropyCollapse {
    fn meaning(&mut self, batch: &Batch<'_>, index: u32) -> Option<Meaning> {
        if let Some((_, meaning)) = self.meanings.iter().find(|(known, _)| *known == index) {
            return Some(*meaning);
        }
        let series = batch.series(index)?;
        let meaning = match series.name.as_str() {
            "entropy" if series.source.contains("loss") => Meaning::EntropyLoss,
            "entropy" => Meaning::Entropy,
            _ => Meaning::Reward,
        };
        self.meanings.push((index, meaning));
        Some(meaning)
    }

    #[inline]
    fn look(&mut self, Row { entropy, reward }: Row) -> Option<Finding> {
        let Self {
            settings, state, ..
        } = self;
        let rank = entropy.map(|(point, _)| point).or(reward)?.rank;
        let watch = state.watches.of_rank(rank, Watch::default);
        if let Some(reward) = reward {
            watch.reward(reward.value);
        }
        let (point, meaning) = entropy?;
        let loss_sign = matches!(meaning, Meaning::EntropyLoss);
        match watch.entropy(settings, point.step, point.value, loss_sign) {
            Seen::Nothing => None,
            Seen::Collapsed(collapse) => {
                let severity = collapse.severity();
                state
                    .episode
                    .join(severity)
                    .then(|| collapsed(&point, &collapse, severity, settings))
            }
            Seen::Worse(collapse) => {
                let severity = collapse.severity();
                state
                    .episode
                    .raise(severity)
                    .then(|| collapsed(&point, &collapse, severity, settings))
            }
            Seen::Over { resumed } => state.episode.leave().then(|| over(&point, resumed)),
        }
    }
}

fn collapsed(
    point: &Point,
    collapse: &Collapse,
    severity: Severity,
    settings: &Settings,
) -> Finding {
    let share = collapse.entropy / collapse.start;
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
            "Check the reward first: if it has risen and stays up, the policy has converged and all is \
             well. If not, stop,",
        ),
    };
    let finding = Finding::firing(KEY, severity, point.row)
        .title(format!("Entropy collapsed to {} of its start", percent(share)))
        .message(format!(
            "`entropy` is {} at {}, below {} of its start ({}) for {}. {reward}",
            number(collapse.entropy),
            place(point),
            percent(settings.fraction),
            number(collapse.start),
            count(settings.rows, "value"),
        ))
        .recommendation(format!(
            "{what_to_do} go back to a checkpoint from before the fall, raise the entropy bonus \
             (`ent_coef`, `entropy_coeff`: 2 to 10 times) or the sampling temperature, and lower the \
             learning rate or the number of epochs per batch. In LLM training, a KL penalty to the \
             reference or a higher upper clip limit keeps entropy up too."
        ))
        .value("entropy", collapse.entropy)
        .value("start", collapse.start)
        .value("share", share);
    match collapse.reward {
        Some(Reward { now, bar, .. }) => finding.value("reward", now).value("reward_bar", bar),
        None => finding,
    }
}

fn over(point: &Point, resumed: bool) -> Finding {
    let (title, why) = if resumed {
        ("Run resumed", "the run went back")
    } else {
        ("Entropy is back", "it has left the floor")
    };
    Finding::resolved(KEY, point.row)
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
