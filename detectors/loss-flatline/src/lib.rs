//! `loss-flatline`: the loss is the same number row after row.
//!
//! The rule is in `rule.rs`; this file says what it is called, what can be set,
//! and what people read.

use runwatch_detector::prelude::*;
use runwatch_detector::show::{count, number, place};
use runwatch_detector::state::{self, Episode};

mod rule;

pub use rule::{Seen, Settings, Watch};

const KEY: &str = "loss-flatline";
const LOSS: &str = "loss";

/// Watches the loss of one run.
pub struct LossFlatline {
    settings: Settings,
    state: State,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    watches: Keyed<Watch>,
    episode: Episode,
    /// A policy loss may be 0 for long (equal rewards): not watched.
    has_reward: bool,
}

impl Detector for LossFlatline {
    fn describe() -> Description {
        Description::new(
            "loss-flatline",
            "0.1.0",
            "The loss is the same number row after row",
        )
        .parameter(
            Parameter::integer("rows", 20)
                .unit("values")
                .min(3)
                .max(1_000_000)
                .doc("How many equal values in a row are reported, if that was not usual before."),
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
            let watch = state.watches.of(&point, Watch::default);
            match watch.look(settings, point.step, point.value) {
                Seen::Nothing => {}
                Seen::Stuck {
                    rows,
                    since,
                    before,
                } => {
                    if state.episode.join(Severity::Warning) {
                        findings.push(stuck(&point, rows, since, before));
                    }
                }
                Seen::Moves { resumed } => {
                    if state.episode.leave() {
                        findings.push(moves(&point, resumed));
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

fn stuck(point: &Point, rows: usize, since: i64, before: Option<f64>) -> Finding {
    let history = match before {
        Some(before) => format!("before that it was {}", number(before)),
        None => "it has never been anything else".to_owned(),
    };
    Finding::warning(KEY, point.row)
        .title(format!("Loss stuck at {}", number(point.value)))
        .message(format!(
            "`loss` has been exactly {} for {}, from step {since} to {}; {history}.",
            number(point.value),
            count(rows, "value"),
            place(point),
        ))
        .recommendation(
            "A loss that is computed anew on other data differs in its last digits. Check that the data \
             loader still moves on (the same batch again and again), that the optimizer steps (under \
             fp16: the loss scale and skipped steps), that not every label is masked, and that the \
             logger does not repeat its last value.",
        )
        .value("loss", point.value)
        .value("rows", rows as f64)
}

fn moves(point: &Point, resumed: bool) -> Finding {
    let title = if resumed {
        "Run resumed"
    } else {
        "Loss moves again"
    };
    Finding::resolved(KEY, point.row)
        .title(title)
        .message(format!(
            "`loss` is {} at {}.",
            number(point.value),
            place(point)
        ))
        .value("loss", point.value)
}

export!(LossFlatline);

#[cfg(test)]
mod tests;
