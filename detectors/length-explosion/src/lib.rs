//! `length-explosion`: a policy's answers grow long without a better reward.
//!
//! The rule is in `rule.rs`; this file brings length and reward of a row
//! together and says what people read.

use runwatch_detector::NO_ROW;
use runwatch_detector::prelude::*;
use runwatch_detector::show::{number, percent, place, times};
use runwatch_detector::state::{self, Episode};

mod rule;

pub use rule::{Growth, Rewards, Seen, Settings, Watch};

const LENGTH: &str = "length-explosion";
const CLIPPED: &str = "length-explosion/cut-off";

/// Watches the length of the answers of one run.
pub struct LengthExplosion {
    settings: Settings,
    state: State,
    /// What each series is, found out once. Not saved: series are announced
    /// afresh.
    meanings: Vec<(u32, Meaning)>,
}

/// What a series tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Length,
    Clipped,
    Reward,
}

/// What one row says.
#[derive(Default)]
struct Row {
    length: Option<Point>,
    clipped: Option<Point>,
    reward: Option<Point>,
}

/// What is remembered of a rank.
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Rank {
    rewards: Rewards,
    length: Watch,
    clipped: Watch,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    ranks: Keyed<Rank>,
    length: Episode,
    clipped: Episode,
}

impl Detector for LengthExplosion {
    fn describe() -> Description {
        Description::new(
            "length-explosion",
            "0.1.0",
            "Answers grow long while the reward does not rise",
        )
        .parameter(
            Parameter::number("growth", 2.0)
                .unit("ratio")
                .min(1.1)
                .max(100)
                .doc("Lengths of so many times the median of the first 50 are too long."),
        )
        .parameter(
            Parameter::number("clipped", 0.3)
                .unit("ratio")
                .min(0)
                .max(1)
                .doc(
                    "The share of answers that are cut off at the longest length that is too much.",
                ),
        )
        .parameter(
            Parameter::integer("hold", 10)
                .unit("values")
                .min(1)
                .max(10_000)
                .doc("For how many values in a row it must be back to be over."),
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
        vec![
            Interest::metric("response_length"),
            Interest::metric("clipped_ratio"),
            Interest::metric("reward_mean"),
        ]
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        // The order of the metrics within a row says nothing.
        let mut row = Row::default();
        let mut at = NO_ROW;
        for point in batch.points() {
            if point.row != at {
                self.look(std::mem::take(&mut row), findings);
                at = point.row;
            }
            // Of several series with one canonical name the first counts.
            let slot = match self.meaning(batch, point.series) {
                Meaning::Length => &mut row.length,
                Meaning::Clipped => &mut row.clipped,
                Meaning::Reward => &mut row.reward,
            };
            *slot = slot.or(Some(point));
        }
        self.look(row, findings);
    }

    fn save(&self) -> Option<Vec<u8>> {
        state::save(&self.state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        self.state = state::restore(state)?;
        Ok(())
    }
}

impl LengthExplosion {
    fn meaning(&mut self, batch: &Batch<'_>, index: u32) -> Meaning {
        if let Some((_, meaning)) = self.meanings.iter().find(|(known, _)| *known == index) {
            return *meaning;
        }
        let meaning = match batch.name(index) {
            "response_length" => Meaning::Length,
            "clipped_ratio" => Meaning::Clipped,
            _ => Meaning::Reward,
        };
        self.meanings.push((index, meaning));
        meaning
    }

    #[inline]
    fn look(&mut self, row: Row, findings: &mut Vec<Finding>) {
        let Self {
            settings, state, ..
        } = self;
        let Some(at) = row.length.or(row.clipped).or(row.reward) else {
            return;
        };
        let rank = state.ranks.of_rank(at.rank, Rank::default);
        if let Some(point) = row.reward {
            rank.rewards.push(point.value);
        }
        if let Some(point) = row.length {
            let seen = rank
                .length
                .length(settings, point.step, point.value, &rank.rewards);
            findings.extend(match seen {
                Seen::Nothing => None,
                Seen::Grown(growth) => state
                    .length
                    .join(growth.severity())
                    .then(|| grown(&point, &growth)),
                Seen::Over { resumed } => {
                    state.length.leave().then(|| over(&point, LENGTH, resumed))
                }
            });
        }
        if let Some(point) = row.clipped {
            findings.extend(
                match rank.clipped.clipped(settings, point.step, point.value) {
                    Seen::Nothing => None,
                    Seen::Grown(growth) => state
                        .clipped
                        .join(Severity::Warning)
                        .then(|| clipped(&point, &growth)),
                    Seen::Over { resumed } => state
                        .clipped
                        .leave()
                        .then(|| over(&point, CLIPPED, resumed)),
                },
            );
        }
    }
}

fn grown(point: &Point, growth: &Growth) -> Finding {
    let Growth { now, base, reward } = *growth;
    let of_reward = match reward {
        Some((before, now)) => format!(
            " The mean reward was {} at the start and is {}: the length buys nothing.",
            number(before),
            number(now)
        ),
        None => " No reward is logged that would tell whether the length is worth it.".to_owned(),
    };
    let finding = Finding::firing(LENGTH, growth.severity(), point.row)
        .title(format!("Answers are {} as long", times(now / base)))
        .message(format!(
            "`response_length` is {} at {}; the median of the last 10 values is {}, of the first 50 it was {}, \
             and it still grows.{of_reward}",
            number(point.value),
            place(point),
            number(now),
            number(base),
        ))
        .recommendation(
            "Read some of the longest answers: repetition and padding mean that the reward pays for length. Then \
             normalise the loss per token, add a penalty for length or for repetition, filter answers that were \
             cut off, and go back to a checkpoint from before the growth.",
        )
        .value("length", now)
        .value("base", base);
    match reward {
        Some((before, now)) => finding.value("reward_before", before).value("reward", now),
        None => finding,
    }
}

fn clipped(point: &Point, growth: &Growth) -> Finding {
    Finding::warning(CLIPPED, point.row)
        .title(format!("{} of the answers are cut off", percent(growth.now)))
        .message(format!(
            "`clipped_ratio` is {} at {}; the median of the last 10 values is {}, of the first 50 it was {}. \
             Answers that are cut off have no end that could be rewarded.",
            percent(point.value),
            place(point),
            percent(growth.now),
            percent(growth.base),
        ))
        .recommendation(
            "Read some answers that were cut off. If they are good but long, raise the longest length; if they \
             repeat themselves, mask them in the loss, add a penalty for length, and go back to a checkpoint from \
             before.",
        )
        .value("clipped_ratio", growth.now)
        .value("base", growth.base)
}

fn over(point: &Point, key: &str, resumed: bool) -> Finding {
    let (name, title) = match (key, resumed) {
        (LENGTH, false) => ("response_length", "Length is no longer a concern"),
        (LENGTH, true) => ("response_length", "Run resumed"),
        (_, false) => ("clipped_ratio", "Few answers are cut off again"),
        (_, true) => ("clipped_ratio", "Run resumed"),
    };
    Finding::resolved(key, point.row)
        .title(title)
        .message(format!(
            "`{name}` is {} at {}.",
            number(point.value),
            place(point)
        ))
        .value(name, point.value)
}

export!(LengthExplosion);

#[cfg(test)]
mod tests;
