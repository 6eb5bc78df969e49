//! `reward-collapse`: a policy loses most of what it had learned.
//!
//! The rule is in `rule.rs`; this file says what it is called, what can be set,
//! and what people read.

use runwatch_detector::prelude::*;
use runwatch_detector::show::{count, number, percent, place};
use runwatch_detector::state::{self, Episode};

mod rule;

pub use rule::{Collapse, Seen, Settings, Watch};

const KEY: &str = "reward-collapse";

/// Watches the mean reward of one run.
pub struct RewardCollapse {
    settings: Settings,
    state: State,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    watches: Keyed<Watch>,
    /// One key for all ranks and spellings of the reward.
    episode: Episode,
}

impl Detector for RewardCollapse {
    fn describe() -> Description {
        Description::new(
            "reward-collapse",
            "0.1.0",
            "The reward falls back by most of what was gained",
        )
        .parameter(
            Parameter::number("fall", 0.5)
                .unit("ratio")
                .min(0.05)
                .max(1)
                .doc("The part of the gain since the start that must be lost. Try 0.75 for noisy tasks."),
        )
        .parameter(
            Parameter::integer("span", 20)
                .unit("values")
                .min(2)
                .max(1000)
                .doc("The span of the moving mean."),
        )
        .parameter(
            Parameter::integer("hold", 10)
                .unit("values")
                .min(1)
                .max(10_000)
                .doc("For how many values in a row, and for how many it must be back to be over."),
        )
        .parameter(
            Parameter::integer("warmup", 40)
                .unit("values")
                .min(20)
                .max(10_000)
                .doc("How many values must be known before the best is looked for."),
        )
        .parameter(
            Parameter::number("gain-sd", 4.0)
                .unit("sd")
                .min(0)
                .max(100)
                .doc("How many standard deviations of the first 20 values the gain must be."),
        )
        .doc(include_str!("doc.md"))
    }

    fn open(_run: &Facts, parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            settings: Settings::new(parameters)?,
            state: State::default(),
        })
    }

    fn interests(&self) -> Vec<Interest> {
        vec![Interest::metric("reward_mean")]
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        let Self { settings, state } = self;
        for point in batch.points() {
            let watch = state.watches.of(&point, || Watch::new(settings));
            let finding = match watch.look(settings, point.step, point.value) {
                Seen::Nothing => None,
                Seen::Collapsed(collapse) => state
                    .episode
                    .join(collapse.severity())
                    .then(|| collapsed(&point, &collapse, settings)),
                Seen::Worse(collapse) => state
                    .episode
                    .raise(collapse.severity())
                    .then(|| collapsed(&point, &collapse, settings)),
                Seen::Over { resumed } => state.episode.leave().then(|| over(&point, resumed)),
            };
            findings.extend(finding);
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

fn collapsed(point: &Point, collapse: &Collapse, settings: &Settings) -> Finding {
    let Collapse {
        mean,
        best,
        best_step,
        start,
    } = *collapse;
    let lost = collapse.lost();
    let how = if lost >= 1.0 {
        "all of what was gained".to_owned()
    } else {
        format!("{} of what was gained", percent(lost))
    };
    Finding::firing(KEY, collapse.severity(), point.row)
        .title(format!("Reward fell from {} to {}", number(best), number(mean)))
        .message(format!(
            "The moving mean of `reward_mean` is {} at {}; its best was {} at step {best_step}, and it began \
             at {}. It has lost {how}, for {}.",
            number(mean),
            place(point),
            number(best),
            number(start),
            count(settings.hold, "value"),
        ))
        .recommendation(format!(
            "Keep the checkpoint of about step {best_step}: it is the best one. Look at KL, entropy, clip \
             fraction and gradient norm before the fall: if one of them leaped, the update was too large, so \
             lower the learning rate, the number of epochs per batch or the clip range and go on from that \
             checkpoint. If none did, check whether task, environment or reward model changed."
        ))
        .value("reward", mean)
        .value("best", best)
        .value("best_step", best_step as f64)
        .value("start", start)
        .value("lost", lost)
}

fn over(point: &Point, resumed: bool) -> Finding {
    let (title, why) = if resumed {
        ("Run resumed", "the run went on from another step")
    } else {
        ("Reward is back", "most of what was lost is regained")
    };
    Finding::resolved(KEY, point.row)
        .title(title)
        .message(format!(
            "`reward_mean` is {} at {}: {why}.",
            number(point.value),
            place(point)
        ))
        .value("reward", point.value)
}

export!(RewardCollapse);

#[cfg(test)]
mod tests;
