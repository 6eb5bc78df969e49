//! `loss-spike`: the loss leaps above where it has been.
//!
//! The rule is in `rule.rs`; this file says what it is called, what can be set,
//! and what people read.

use runwatch_detector::prelude::*;
use runwatch_detector::show::{count, number, percent, place};
use runwatch_detector::state::{self, Ended, Episode};

mod pickup;
mod rule;

pub use rule::{Seen, Settings, Spike, Watch};

const KEY: &str = "loss-spike";

/// Watches the loss of one run.
pub struct LossSpike {
    settings: Settings,
    state: State,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    watches: Keyed<Watch>,
    /// One key for all ranks: the ranks of a run usually spike together.
    episode: Episode,
}

impl Detector for LossSpike {
    fn describe() -> Description {
        Description::new(
            "loss-spike",
            "0.1.0",
            "The loss leaps above where it has been",
        )
        .parameter(
            Parameter::integer("window", 128)
                .unit("values")
                .min(16)
                .max(256)
                .doc("How many previous values make the baseline."),
        )
        .parameter(
            Parameter::integer("warmup", 64)
                .unit("values")
                .min(8)
                .max(256)
                .doc("How many values must be known before one is judged."),
        )
        .parameter(
            Parameter::number("z", 6.0)
                .unit("sd")
                .min(1)
                .max(100)
                .doc("Robust standard deviations above the median that make a hit."),
        )
        .parameter(
            Parameter::number("rise", 0.10)
                .unit("ratio")
                .min(0)
                .max(100)
                .doc("How far above the median a hit must be as well; 0.1 is 10 %."),
        )
        .parameter(
            Parameter::number("single-z", 12.0)
                .unit("sd")
                .min(1)
                .max(1000)
                .doc("Deviations from which one value fires alone, without 2 hits in 3."),
        )
        .parameter(
            Parameter::number("single-rise", 0.25)
                .unit("ratio")
                .min(0)
                .max(100)
                .doc("How far above the median a value that fires alone must be as well."),
        )
        .parameter(
            Parameter::number("critical-rise", 0.5)
                .unit("ratio")
                .min(0)
                .max(1000)
                .doc("How far above the median 2 hits in 3 values are critical."),
        )
        .parameter(
            Parameter::number("pickup-rise", 0.5)
                .unit("ratio")
                .min(0.1)
                .max(1000)
                .doc("How far above the few known values a hit must be in a log that begins mid-run."),
        )
        .parameter(
            Parameter::integer("hold", 10)
                .unit("values")
                .min(1)
                .max(10_000)
                .doc("How many values in a row must be back before the spike is over."),
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
        vec![Interest::metric("loss")]
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        let Self { settings, state } = self;
        for point in batch.points() {
            let watch = state.watches.of(&point, || Watch::new(settings));
            if watch.surely_quiet(point.step, point.value) {
                continue;
            }
            match watch.look(settings, point.step, point.value) {
                Seen::Nothing => {}
                Seen::Spike(spike) => {
                    if state.episode.join(spike.severity) {
                        findings.push(spiked(&point, &spike));
                    }
                }
                Seen::Worse(spike) => {
                    if state.episode.raise(spike.severity) {
                        findings.push(spiked(&point, &spike));
                    }
                }
                Seen::Over(spike, how) => {
                    if state.episode.leave() {
                        findings.push(over(&point, &spike, how, settings));
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

fn spiked(point: &Point, spike: &Spike) -> Finding {
    let Spike {
        median,
        z,
        severity,
        ..
    } = *spike;
    let (value, step) = (point.value, point.step);
    let rise = if median > 0.0 {
        format!(" ({} above it)", percent(spike.rise))
    } else {
        String::new()
    };
    let what_to_do = match severity {
        Severity::Critical => {
            "Look now: a spike of this size often ends in divergence. If the loss is not on its way \
             back within about 20 steps"
        }
        _ => {
            "Watch it for some 100 steps: most spikes of this size heal by themselves. If it does not"
        }
    };
    let compared = match spike.known {
        None => format!(
            "the median of the last {} is {}{rise}, and this is {} robust standard deviations away.",
            count(spike.seen, "value"),
            number(median),
            number(z),
        ),
        Some((low, high)) => format!(
            "{}. The log begins in the middle of the run, so that no more is known; a loss of this \
             size hardly ever moves that far so fast.",
            few(spike.seen, low, high),
        ),
    };
    let finding = Finding::firing(KEY, severity, point.row)
        .title(format!("Loss spike: {} to {}", number(median), number(value)))
        .message(format!("`loss` is {} at {}; {compared}", number(value), place(point)))
        .recommendation(format!(
            "{what_to_do}, go back to the last checkpoint before step {step}, skip the batches around \
             it (a few hundred are cheap), and if it comes again lower the learning rate or the \
             gradient clipping. Compare `grad_norm`: when it rose first, the optimizer is unstable; \
             when only the loss moved, look at the data of this step."
        ))
        .value("loss", value)
        .value("median", median)
        .value("rise", spike.rise);
    if z.is_nan() {
        finding
    } else {
        finding.value("z", z)
    }
}

/// The few values that are known.
fn few(seen: usize, low: f64, high: f64) -> String {
    if seen == 1 {
        return format!("the one value before it is {}", number(low));
    }
    format!(
        "the {seen} values before it lie between {} and {}",
        number(low),
        number(high)
    )
}

fn over(point: &Point, spike: &Spike, how: Option<Ended>, settings: &Settings) -> Finding {
    let (now, before) = (number(point.value), number(spike.median));
    let (title, message) = match how {
        Some(Ended::Recovered) => (
            "Loss is back",
            format!(
                "`loss` is {now} at {}, after {} back near the {before} from before the spike.",
                place(point),
                count(settings.hold, "value"),
            ),
        ),
        Some(Ended::Settled) => (
            "Loss settled above where it was",
            format!(
                "`loss` is {now} at {}: no longer a spike, but it has not come back to the {before} \
                 from before. It is now watched at this level.",
                place(point),
            ),
        ),
        None => (
            "Run resumed",
            format!(
                "The run went on from {} with a loss of {now}; what was known before the spike \
                 ({before}) holds no longer.",
                place(point),
            ),
        ),
    };
    Finding::resolved(KEY, point.row)
        .title(title)
        .message(message)
        .value("loss", point.value)
        .value("before", spike.median)
}

export!(LossSpike);

#[cfg(test)]
mod tests;
