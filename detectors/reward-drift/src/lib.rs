//! `reward-drift`: the mean reward falls, slowly and for long.
//!
//! The rule is in `rule.rs`, that of rlwatch in `rlwatch.rs`; this file says
//! what it is called, what can be set, and what people read.

use runwatch_detector::prelude::*;
use runwatch_detector::rlwatch as compat;
use runwatch_detector::show::{number, percent, place};
use runwatch_detector::state::{self, Episode};

mod rlwatch;
mod row;
mod rule;

use row::Reader;
pub use rule::{Drift, Seen, Settings, Watch};

const KEY: &str = "reward-drift";
/// What to do about a reward that falls.
const ADVICE: &str = "The policy gets worse, or the tasks get harder: check which. If the data or the environment did not \
     change, compare `kl` and `entropy` over the same steps, go back to the checkpoint with the best \
     reward, and lower the learning rate. If the tasks got harder as planned, all is well.";

/// Watches the mean reward of one run.
pub type RewardDrift = compat::Choice<Robust, rlwatch::Rule>;

/// The rule of ours.
pub struct Robust {
    settings: Settings,
    state: State,
    rows: Reader,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    watches: Keyed<Watch>,
    /// One key for all ranks.
    episode: Episode,
}

impl Detector for Robust {
    fn describe() -> Description {
        let description = Description::new("reward-drift", "0.1.0", "The mean reward falls slowly")
            .parameter(compat::rule())
            .parameter(
                Parameter::integer("window", 64)
                    .unit("values")
                    .min(16)
                    .max(1_000_000)
                    .doc("A fall over so many rewards is an info."),
            )
            .parameter(
                Parameter::integer("long-window", 256)
                    .unit("values")
                    .min(32)
                    .max(10_000_000)
                    .doc("A fall over so many rewards is a warning."),
            )
            .parameter(
                Parameter::number("z", 3.5)
                    .unit("sd")
                    .min(0)
                    .max(6)
                    .doc("How sure the fall must be, as Z of the test of Mann and Kendall."),
            )
            .parameter(
                Parameter::number("noise", 2.0)
                    .unit("sd")
                    .min(0)
                    .max(1000)
                    .doc("How many deviations of the noise the fall must be as well."),
            )
            .parameter(
            Parameter::number("usual", 4.0)
                .unit("sd")
                .min(0)
                .max(1000)
                .doc("How many deviations of the usual ups and downs over `window` it must be, too."),
        )
        .parameter(
                Parameter::number("share", 0.25)
                    .unit("ratio")
                    .min(0)
                    .max(1)
                    .doc("How large a part of all that the reward has gone so far, too."),
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
            rows: Reader::default(),
        })
    }

    fn interests(&self) -> Vec<Interest> {
        interests()
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        for places in batch.by_row() {
            let Some(point) = self.rows.read(batch, places) else {
                continue;
            };
            findings.extend(self.state.look(&self.settings, &point));
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

/// What both rules want.
fn interests() -> Vec<Interest> {
    vec![Interest::metric("reward_mean"), Interest::metric("rewards")]
}

impl State {
    fn look(&mut self, settings: &Settings, point: &Point) -> Option<Finding> {
        let watch = self.watches.of(point, Watch::default);
        match watch.look(settings, point.step, point.value) {
            Seen::Nothing => None,
            Seen::Began(drift) => self
                .episode
                .join(drift.severity)
                .then(|| drifts(point, &drift)),
            Seen::Worse(drift) => self
                .episode
                .raise(drift.severity)
                .then(|| drifts(point, &drift)),
            Seen::Over(how) => self.episode.leave().then(|| over(point, how)),
        }
    }
}

fn drifts(point: &Point, drift: &Drift) -> Finding {
    Finding::firing(KEY, drift.severity, point.row)
        .title(format!(
            "Reward falls from {} to {}",
            number(drift.from),
            number(drift.to)
        ))
        .message(format!(
            "Over the last {} values up to {} `reward_mean` has fallen from {} to {}, steadily: {} of all \
             that it has gone so far.",
            drift.rows,
            place(point),
            number(drift.from),
            number(drift.to),
            percent(drift.share),
        ))
        .recommendation(ADVICE)
        .value("from", drift.from)
        .value("to", drift.to)
        .value("share", drift.share)
        .value("z", drift.z)
}

fn over(point: &Point, how: Option<bool>) -> Finding {
    let (title, why) = match how {
        Some(true) => ("Reward is back", "more than half of the fall is made good"),
        Some(false) => (
            "Reward settled lower",
            "it falls no further, and stays where it is",
        ),
        None => ("Run resumed", "the run resumed, and is watched anew"),
    };
    Finding::resolved(KEY, point.row)
        .title(title)
        .message(format!(
            "`reward_mean` is {} at {}: {why}.",
            number(point.value),
            place(point)
        ))
        .value("reward_mean", point.value)
}

export!(RewardDrift);

#[cfg(test)]
mod tests;
