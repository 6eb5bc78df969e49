//! `kl-explosion`: the policy runs away from the one it is measured against.
//!
//! The rule is in `rule.rs`, that of rlwatch in `rlwatch.rs`; this file says
//! what it is called, what can be set, and what people read.

use runwatch_detector::prelude::*;
use runwatch_detector::rlwatch as compat;
use runwatch_detector::show::{count, number, place, times};
use runwatch_detector::state::{self, Episode};

mod rlwatch;
mod rule;

pub use rule::{Blast, Kind, Seen, Settings, Watch};

const KEY: &str = "kl-explosion";
const STOP: &str = "Look now: the policy is leaving the region in which its updates can be trusted. Stop, go back \
     to the last checkpoint before the rise, lower the learning rate (2 to 5 times) or the number of \
     epochs per batch, and raise the KL coefficient. Read some samples first: long runs of one token mean \
     that it is lost.";
const LOOK: &str = "Read some samples and compare `reward_mean`: a reward that leaps with it is often exploited, one \
     that falls means that the policy breaks. If it goes on, lower the learning rate or the number of \
     epochs per batch, or raise the KL coefficient. If it was one batch, look for a response of extreme \
     length or probability in it.";

/// Watches the KL divergence of one run.
pub type KlExplosion = compat::Choice<Robust, compat::Rule<rlwatch::Watch>>;

/// The rule of ours.
pub struct Robust {
    settings: Settings,
    state: State,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    watches: Keyed<Watch>,
    /// One key for all ranks and kinds.
    episode: Episode,
}

impl Detector for Robust {
    fn describe() -> Description {
        let description = Description::new(
            "kl-explosion",
            "0.1.0",
            "A policy's KL divergence explodes",
        )
        .parameter(compat::rule())
        .parameter(
            Parameter::number("ratio", 10.0)
                .unit("x start")
                .min(1)
                .max(1e6)
                .doc("The median of the last 5 values must be above so many times the start."),
        )
        .parameter(
            Parameter::number("single-ratio", 50.0)
                .unit("x start")
                .min(1)
                .max(1e6)
                .doc("One value fires alone above so many times the start, and 8 times its limit."),
        )
        .parameter(
            Parameter::number("critical", 3.0)
                .unit("x limit")
                .min(1)
                .max(1e6)
                .doc("A median so many times above what is a warning is critical."),
        )
        .parameter(limit(
            "update-limit",
            0.1,
            "the policy before the update, as `approx_kl`",
        ))
        .parameter(limit(
            "reference-limit",
            0.5,
            "the reference policy, per token",
        ))
        .parameter(limit(
            "sequence-limit",
            20.0,
            "the reference, per response, as `objective/kl`",
        ))
        .parameter(
            Parameter::integer("start", 100)
                .unit("values")
                .min(5)
                .max(256)
                .doc("The median of how many first values is the start."),
        )
        .parameter(
            Parameter::integer("warmup", 20)
                .unit("values")
                .min(5)
                .max(256)
                .doc("How many values must be known before one is judged."),
        )
        .parameter(
            Parameter::integer("hold", 10)
                .unit("values")
                .min(1)
                .max(10_000)
                .doc("How many values in a row must be below the limit before it is over."),
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
        })
    }

    fn interests(&self) -> Vec<Interest> {
        vec![Interest::metric("kl")]
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        let Self {
            settings, state, ..
        } = self;
        for point in batch.points() {
            let new = || {
                let source = batch.series(point.series).map_or("", |it| &it.source);
                Watch::new(Kind::of(source))
            };
            let watch = state.watches.of(&point, new);
            match watch.look(settings, point.step, point.value) {
                Seen::Nothing => {}
                Seen::Began(blast) => {
                    if state.episode.join(blast.severity) {
                        findings.push(exploded(&point, &blast));
                    }
                }
                Seen::Worse(blast) => {
                    if state.episode.raise(blast.severity) {
                        findings.push(exploded(&point, &blast));
                    }
                }
                Seen::Over { resumed } => {
                    if state.episode.leave() {
                        findings.push(over(&point, resumed, settings));
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

fn limit(name: &str, default: f64, from: &str) -> Parameter {
    Parameter::number(name, default)
        .unit("nats")
        .min(0)
        .max(1e6)
        .doc(&format!("A distance from {from}, is fine up to here."))
}

fn exploded(point: &Point, blast: &Blast) -> Finding {
    let what = if blast.alone {
        "one value is enough here".to_owned()
    } else {
        format!("the median of the last 5 is {}", number(blast.level))
    };
    // Where it starts at zero, as against a reference, no ratio says anything.
    let (title, ratio) = if blast.start > 0.0 {
        let ratio = times(blast.level / blast.start);
        (
            format!("KL {ratio} its start"),
            format!(", {ratio} as much"),
        )
    } else {
        (format!("KL is {}", number(blast.level)), String::new())
    };
    Finding::firing(KEY, blast.severity, point.row)
        .title(title)
        .message(format!(
            "`kl` is {} at {}; {what}{ratio} as at the start ({}), and above {}.",
            number(point.value),
            place(point),
            number(blast.start),
            number(blast.limit),
        ))
        .recommendation(match blast.severity {
            Severity::Critical => STOP,
            _ => LOOK,
        })
        .value("kl", point.value)
        .value("level", blast.level)
        .value("start", blast.start)
        .value("limit", blast.limit)
}

fn over(point: &Point, resumed: bool, settings: &Settings) -> Finding {
    let (title, why) = if resumed {
        (
            "Run resumed",
            "the run resumed, and is watched anew".to_owned(),
        )
    } else {
        let values = count(settings.hold, "value");
        (
            "KL is back",
            format!("{values} in a row were below the limit"),
        )
    };
    Finding::resolved(KEY, point.row)
        .title(title)
        .message(format!(
            "`kl` is {} at {}: {why}.",
            number(point.value),
            place(point)
        ))
        .value("kl", point.value)
}

export!(KlExplosion);

#[cfg(test)]
mod tests;
