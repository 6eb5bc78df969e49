//! `gate-collapse`: the gates of a model let only one of their ways through.
//!
//! The rule is in `rule.rs`; this file says what it is called, what can be set,
//! and what people read.

use runwatch_detector::prelude::*;
use runwatch_detector::show::{count, number, place};
use runwatch_detector::state::{self, Episode};

pub mod rule;

use rule::{Seen, Settings, Sign, Watch};

const KEY: &str = "gate-collapse";

/// Watches the gates of one run.
pub struct GateCollapse {
    settings: Settings,
    state: State,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    watches: Keyed<Watch>,
    /// One key: the signs are of one trouble.
    episode: Episode,
}

impl Detector for GateCollapse {
    fn describe() -> Description {
        Description::new(
            "gate-collapse",
            "0.1.0",
            "The gates of a model let only one of their ways through",
        )
        .parameter(
            Parameter::number("entropy", 0.2)
                .unit("nats")
                .min(0)
                .max(100)
                .doc("A lower mean entropy of the gates is a sign."),
        )
        .parameter(
            Parameter::number("max-gate", 0.9)
                .unit("ratio")
                .min(0)
                .max(1)
                .doc("A higher weight of the strongest gate is a sign."),
        )
        .parameter(
            Parameter::number("collapsed", 0.5)
                .unit("ratio")
                .min(0)
                .max(1)
                .doc("A higher share of collapsed gates is a sign."),
        )
        .parameter(
            Parameter::integer("rows", 3)
                .unit("rows")
                .min(1)
                .max(100_000)
                .doc("How many rows in a row must show the same sign."),
        )
        .parameter(
            Parameter::integer("critical-rows", 30)
                .unit("rows")
                .min(1)
                .max(1_000_000)
                .doc("How many rows in a row with the same sign are critical."),
        )
        .parameter(
            Parameter::integer("hold", 3)
                .unit("rows")
                .min(1)
                .max(100_000)
                .doc("How many rows in a row without the sign end it."),
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
        ["gate_entropy_mean", "gate_max_gate", "gate_collapse_frac"]
            .map(Interest::metric)
            .into()
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        let Self { settings, state } = self;
        for point in batch.points() {
            let Some(sign) = Sign::of(batch.name(point.series)) else {
                continue;
            };
            let watch = state.watches.of(&point, || Watch::new(sign));
            let finding = match watch.look(settings, point.step, point.value) {
                Seen::Nothing => continue,
                Seen::Collapsed(rows, severity) => {
                    let report = state.episode.join(severity);
                    report.then(|| collapsed(&point, sign, rows, severity, settings))
                }
                Seen::Worse(rows, severity) => {
                    let report = state.episode.raise(severity);
                    report.then(|| collapsed(&point, sign, rows, severity, settings))
                }
                Seen::Over => state.episode.leave().then(|| over(&point)),
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

fn collapsed(
    point: &Point,
    sign: Sign,
    rows: usize,
    severity: Severity,
    settings: &Settings,
) -> Finding {
    let (value, limit) = (number(point.value), number(sign.limit(settings)));
    let (name, what) = match sign {
        Sign::Entropy => (
            "gate_entropy_mean",
            format!("The mean entropy of the gates is {value}, below {limit}"),
        ),
        Sign::MaxGate => (
            "gate_max_gate",
            format!("The strongest gate has a weight of {value}, above {limit}"),
        ),
        Sign::Collapsed => (
            "gate_collapse_frac",
            format!("The share of collapsed gates is {value}, above {limit}"),
        ),
    };
    Finding::firing(KEY, severity, point.row)
        .title("The gates have collapsed")
        .message(format!(
            "{what}, for {} up to {}: nearly everything goes one way, and the other ways no longer learn.",
            count(rows, "row"),
            place(point),
        ))
        .recommendation(
            "Look at the shares of the branches (`gate_branch_shares`): a gate that has collapsed seldom \
             comes back by itself. Go back to the checkpoint before it began, and lower the learning \
             rate of the gates, raise their temperature, or add an entropy or balance term to the loss. If \
             one branch is meant to win in this model, change the limits.",
        )
        .value(name, point.value)
        .value("rows", rows as f64)
}

fn over(point: &Point) -> Finding {
    Finding::resolved(KEY, point.row)
        .title("The gates are open again")
        .message(format!(
            "No sign of collapsed gates any more at {}.",
            place(point)
        ))
}

export!(GateCollapse);

#[cfg(test)]
mod tests;
