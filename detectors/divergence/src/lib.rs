//! `divergence`: the loss rises slowly and does not come back.
//!
//! The rule is in `rule.rs`; this file says what it is called, what can be set,
//! and what people read.

use runwatch_detector::prelude::*;
use runwatch_detector::show::{count, number, percent, place};
use runwatch_detector::state::{self, Ended, Episode};

mod rule;

pub use rule::{Drift, Seen, Settings, Watch};

const KEY: &str = "divergence";
const LOSS: &str = "loss";

/// Watches the loss of one run.
pub struct Divergence {
    settings: Settings,
    state: State,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    watches: Keyed<Watch>,
    /// One key for all ranks: they diverge together.
    episode: Episode,
    /// The loss of reinforcement learning rises with the reward: not watched.
    has_reward: bool,
}

impl Detector for Divergence {
    fn describe() -> Description {
        Description::new(
            "divergence",
            "0.1.0",
            "The loss rises slowly and does not come back",
        )
        .parameter(
            Parameter::integer("span", 64)
                .unit("values")
                .min(4)
                .max(10_000)
                .doc("How many values the moving mean is about."),
        )
        .parameter(
            Parameter::number("rise", 0.07)
                .unit("ratio")
                .min(0.01)
                .max(100)
                .doc("How far above its best the mean must be; 0.1 is 10 %."),
        )
        .parameter(
            Parameter::number("critical-rise", 0.30)
                .unit("ratio")
                .min(0.01)
                .max(1000)
                .doc("How far above its best it is critical."),
        )
        .parameter(
            Parameter::number("noise", 8.0)
                .unit("sd")
                .min(0)
                .max(100)
                .doc("How many of its standard deviations the mean must be above its best, a lucky one."),
        )
        .parameter(
            Parameter::integer("rows", 64)
                .unit("values")
                .min(1)
                .max(100_000)
                .doc("For how many values in a row."),
        )
        .parameter(
            Parameter::integer("warmup", 256)
                .unit("values")
                .min(16)
                .max(1_000_000)
                .doc("How many values must be known before a best is taken."),
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
                Seen::Began(drift) => {
                    if state.episode.join(drift.severity) {
                        findings.push(diverges(&point, &drift, settings));
                    }
                }
                Seen::Worse(drift) => {
                    if state.episode.raise(drift.severity) {
                        findings.push(diverges(&point, &drift, settings));
                    }
                }
                Seen::Over(drift, how) => {
                    if state.episode.leave() {
                        findings.push(over(&point, &drift, how));
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

fn diverges(point: &Point, drift: &Drift, settings: &Settings) -> Finding {
    let (best, mean) = (number(drift.best), number(drift.mean));
    let urgency = match drift.severity {
        Severity::Critical => "Look now: every further step makes the model worse.",
        _ => "Look when you can: this seldom comes back by itself.",
    };
    Finding::firing(KEY, drift.severity, point.row)
        .title(format!("Loss diverges: {best} to {mean}"))
        .message(format!(
            "The moving mean of `loss` is {mean} at {}: {} above its best of {best} at step {}, and \
             has been clearly above it for at least {}.",
            place(point),
            percent(drift.rise),
            drift.best_step,
            count(settings.rows, "value"),
        ))
        .recommendation(format!(
            "{urgency} Unless the learning rate, the batch size or the data were changed on purpose \
             after step {step}, go back to the last checkpoint from around step {step} and go on with \
             a lower learning rate (a half to two thirds) or tighter gradient clipping. Compare \
             `grad_norm` and `eval_loss` since then: when only the training loss rises, look at the \
             order and the mixture of the data.",
            step = drift.best_step,
        ))
        .value("mean", drift.mean)
        .value("best", drift.best)
        .value("best-step", drift.best_step as f64)
        .value("rise", drift.rise)
}

fn over(point: &Point, drift: &Drift, how: Option<Ended>) -> Finding {
    let (best, mean, place) = (number(drift.best), number(drift.mean), place(point));
    let (title, message) = match how {
        Some(Ended::Recovered) => (
            "Loss is back",
            format!(
                "The moving mean of `loss` is {mean} at {place}, near its best of {best} again."
            ),
        ),
        Some(Ended::Settled) => (
            "Loss rises no further",
            format!(
                "The moving mean of `loss` is {mean} at {place}: it rises no further, but has not come \
                 back to {best}. It is now watched at this level."
            ),
        ),
        None => (
            "Run resumed",
            format!("The run went on from {place}; what was known of its loss holds no longer."),
        ),
    };
    Finding::resolved(KEY, point.row)
        .title(title)
        .message(message)
        .value("mean", drift.mean)
        .value("best", drift.best)
}

export!(Divergence);

#[cfg(test)]
mod tests;
