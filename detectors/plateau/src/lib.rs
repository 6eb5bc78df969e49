//! `plateau`: the loss no longer falls.
//!
//! The rule is in `rule.rs`; this file says what it is called, what can be set,
//! and what people read.

use runwatch_detector::prelude::*;
use runwatch_detector::show::{number, percent, place};
use runwatch_detector::state::{self, Episode};

mod rule;

pub use rule::{Seen, Settings, Trend, Watch};

const KEY: &str = "plateau";
const LOSS: &str = "loss";

/// Watches the loss of one run.
pub struct Plateau {
    settings: Settings,
    state: State,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    watches: Keyed<Watch>,
    episode: Episode,
    /// The loss of reinforcement learning need not fall: not watched.
    has_reward: bool,
}

impl Detector for Plateau {
    fn describe() -> Description {
        Description::new("plateau", "0.1.0", "The loss no longer falls")
            .parameter(
                Parameter::integer("window", 4000)
                    .unit("values")
                    .min(32)
                    .max(10_000_000)
                    .doc("Over how many values it must fall; at least a fifth of the run so far."),
            )
            .parameter(
                Parameter::number("least-fall", 0.002)
                    .unit("ratio")
                    .min(0)
                    .max(1)
                    .doc("A fall over the window that is not flat; 0.002 is 0.2 %."),
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
        vec![
            Interest::metric(LOSS),
            Interest::metric_edges("reward_mean"),
        ]
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        let Self { settings, state } = self;
        for point in batch.points() {
            if batch.name(point.series) != LOSS {
                state.has_reward = true;
            }
            if state.has_reward {
                continue;
            }
            let watch = state.watches.of(&point, || Watch::new(settings));
            match watch.look(settings, point.step, point.value) {
                Seen::Nothing => {}
                Seen::Flat(trend) => {
                    if state.episode.join(Severity::Info) {
                        findings.push(flat(&point, &trend));
                    }
                }
                Seen::Falls(trend) => {
                    if state.episode.leave() {
                        findings.push(falls(&point, &trend));
                    }
                }
                Seen::Resumed => {
                    if state.episode.leave() {
                        findings.push(resumed(&point));
                    }
                }
            }
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

fn flat(point: &Point, trend: &Trend) -> Finding {
    let change = if trend.change > 0.0 {
        format!("has risen by {}", percent(trend.change))
    } else {
        format!("has fallen by only {}", percent(-trend.change))
    };
    Finding::info(KEY, point.row)
        .title(format!("Loss is flat at {}", number(trend.level)))
        .message(format!(
            "`loss` {change} over the last {} values, from step {} to {}: no more than its noise.",
            trend.values,
            trend.from,
            place(point),
        ))
        .recommendation(
            "If the learning rate is still high, this is the time to lower it (a decay often brings a \
             few percent more); if it has decayed, further steps buy little: compare `eval_loss` and \
             consider to stop. If it is flat far above what is expected, look for frozen parameters, a \
             learning rate that is too low, or labels that do not belong to their inputs.",
        )
        .value("level", trend.level)
        .value("change", trend.change)
        .value("z", trend.z)
        .value("window", trend.values as f64)
}

fn falls(point: &Point, trend: &Trend) -> Finding {
    Finding::resolved(KEY, point.row)
        .title("Loss falls again")
        .message(format!(
            "`loss` has fallen by {} since step {}; it is {} at {}.",
            percent(-trend.change),
            trend.from,
            number(trend.level),
            place(point),
        ))
        .value("level", trend.level)
        .value("change", trend.change)
}

fn resumed(point: &Point) -> Finding {
    Finding::resolved(KEY, point.row)
        .title("Run resumed")
        .message(format!(
            "The run went on from {}; what was known of its loss holds no longer.",
            place(point)
        ))
}

export!(Plateau);

#[cfg(test)]
mod tests;
