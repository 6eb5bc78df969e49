//! `clip-fraction`: PPO clips most of its updates.
//!
//! The rule is in `rule.rs`; this file says what it is called, what can be set,
//! and what people read.

use runwatch_detector::prelude::*;
use runwatch_detector::show::{percent, place};
use runwatch_detector::state::{self, Episode};

mod rule;

pub use rule::{Seen, Settings, Watch};

const KEY: &str = "clip-fraction";

/// Watches the clip fraction of one run.
pub struct ClipFraction {
    settings: Settings,
    state: State,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    watches: Keyed<Watch>,
    /// One key for all ranks.
    episode: Episode,
}

impl Detector for ClipFraction {
    fn describe() -> Description {
        Description::new(
            "clip-fraction",
            "0.1.0",
            "A policy update is clipped in most of its samples",
        )
        .parameter(
            Parameter::number("warning", 0.5)
                .unit("ratio")
                .min(0)
                .max(1)
                .doc("A median of the last 5 values above this is a warning."),
        )
        .parameter(
            Parameter::number("info", 0.3)
                .unit("ratio")
                .min(0)
                .max(1)
                .doc("A median of the last 5 values above this is worth knowing."),
        )
        .parameter(
            Parameter::integer("hold", 10)
                .unit("values")
                .min(1)
                .max(10_000)
                .doc("For how many values the median must be below `info` to be over."),
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
        vec![Interest::metric("clip_fraction")]
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        let Self { settings, state } = self;
        for point in batch.points() {
            let watch = state.watches.of(&point, Watch::default);
            let finding = match watch.look(settings, point.step, point.value) {
                Seen::Nothing => None,
                Seen::High(median, severity) => state
                    .episode
                    .join(severity)
                    .then(|| high(&point, median, severity)),
                Seen::Worse(median, severity) => state
                    .episode
                    .raise(severity)
                    .then(|| high(&point, median, severity)),
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

fn high(point: &Point, median: f64, severity: Severity) -> Finding {
    Finding::firing(KEY, severity, point.row)
        .title(format!("{} of the update is clipped", percent(median)))
        .message(format!(
            "`clip_fraction` is {} at {}, and {} at the median of the last 5 values: the policy moves further \
             in one update than the clip range lets it, and most samples no longer count.",
            percent(point.value),
            place(point),
            percent(median),
        ))
        .recommendation(
            "Lower the learning rate or the number of epochs per batch, or make the batch larger. Look at KL and \
             reward: if KL is high or the reward falls, do it now, and go back to an earlier checkpoint.",
        )
        .value("clip_fraction", point.value)
        .value("median", median)
}

fn over(point: &Point, resumed: bool) -> Finding {
    let title = if resumed {
        "Run resumed"
    } else {
        "Clip fraction is back"
    };
    Finding::resolved(KEY, point.row)
        .title(title)
        .message(format!(
            "`clip_fraction` is {} at {}.",
            percent(point.value),
            place(point)
        ))
        .value("clip_fraction", point.value)
}

export!(ClipFraction);

#[cfg(test)]
mod tests;
