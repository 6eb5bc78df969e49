//! `grad-norm`: the gradient norm explodes, or is zero.
//!
//! The rule is in `rule.rs`, that of rlwatch in `rlwatch.rs`; this file says what it is called, what can be set,
//! and what people read.

use runwatch_detector::prelude::*;
use runwatch_detector::rlwatch as compat;
use runwatch_detector::show::{count, number, place, times};
use runwatch_detector::state::{self, Ended, Episode};

mod rlwatch;
mod rule;

pub use rule::{Blast, Explosion, Settings, Watch, Zero};

const EXPLOSION: &str = "explosion";
const ZERO: &str = "zero";
const NOT_LOGGED: &str = "not-logged";

/// Watches the gradient norm of one run.
pub type GradNorm = compat::Choice<Robust, compat::Rule<rlwatch::Watch>>;

/// The rule of ours.
pub struct Robust {
    settings: Settings,
    state: State,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    watches: Keyed<Watch>,
    explosion: Episode,
    zero: Episode,
    not_logged: Episode,
}

impl Detector for Robust {
    fn describe() -> Description {
        let description = Description::new(
            "grad-norm",
            "0.1.0",
            "The gradient norm explodes, or is zero",
        )
        .parameter(compat::rule())
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
            Parameter::number("warning-ratio", 5.0)
                .unit("x median")
                .min(1.5)
                .max(1e6)
                .doc("Twice in 3 values so many times the median: a warning."),
        )
        .parameter(
            Parameter::number("critical-ratio", 10.0)
                .unit("x median")
                .min(1.5)
                .max(1e6)
                .doc("Twice in 3 values so many times the median: critical."),
        )
        .parameter(
            Parameter::number("single-ratio", 100.0)
                .unit("x median")
                .min(1.5)
                .max(1e9)
                .doc("Once so many times the median: critical."),
        )
        .parameter(
            Parameter::number("single-warning-ratio", 25.0)
                .unit("x median")
                .min(1.5)
                .max(1e9)
                .doc("Once so many times the median: a warning."),
        )
        .parameter(
            Parameter::integer("hold", 10)
                .unit("values")
                .min(1)
                .max(10_000)
                .doc("How many values in a row must be back before the explosion is over."),
        )
        .parameter(
            Parameter::integer("zero-rows", 5)
                .unit("values")
                .min(1)
                .max(10_000)
                .doc("How many values in a row must be zero to be reported."),
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
        vec![Interest::metric("grad_norm")]
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        let Self {
            settings, state, ..
        } = self;
        for point in batch.points() {
            let watch = state.watches.of(&point, || Watch::new(settings));
            if watch.surely_quiet(point.step, point.value) {
                continue;
            }
            let (zero, explosion) = watch.look(settings, point.step, point.value);
            findings.extend(zero.and_then(|zero| state.zero(settings, &point, zero)));
            findings.extend(explosion.and_then(|seen| state.explosion(settings, &point, seen)));
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

impl State {
    fn explosion(&mut self, set: &Settings, point: &Point, seen: Explosion) -> Option<Finding> {
        match seen {
            Explosion::Began(blast) => self
                .explosion
                .join(blast.severity)
                .then(|| exploded(point, &blast)),
            Explosion::Worse(blast) => self
                .explosion
                .raise(blast.severity)
                .then(|| exploded(point, &blast)),
            Explosion::Over(blast, how) => self
                .explosion
                .leave()
                .then(|| calm_again(point, &blast, how, set)),
        }
    }

    fn zero(&mut self, settings: &Settings, point: &Point, zero: Zero) -> Option<Finding> {
        match zero {
            Zero::Began => self
                .zero
                .join(Severity::Warning)
                .then(|| vanished(point, settings.zero_rows)),
            Zero::NeverLogged => self
                .not_logged
                .join(Severity::Info)
                .then(|| not_logged(point, settings.zero_rows)),
            Zero::Over => self.zero.leave().then(|| moves(ZERO, point)),
            Zero::LoggedNow => self.not_logged.leave().then(|| moves(NOT_LOGGED, point)),
        }
    }
}

fn advice(severity: Severity, step: i64) -> String {
    match severity {
        Severity::Critical => format!(
            "Look at the loss now: it usually follows within a few steps. Check that gradient clipping \
             is on (1.0 is common). If the loss rises too, stop, go back to the last checkpoint before \
             step {step}, skip the batches around it, and lower the learning rate or lengthen the \
             warm-up; under fp16, check the loss scale."
        ),
        _ => format!(
            "Watch the loss for the next 20 steps. Check that gradient clipping is on (1.0 is common) \
             and look at the batches around step {step}. If it goes on, lower the learning rate or the \
             clipping limit before the loss follows."
        ),
    }
}

fn exploded(point: &Point, blast: &Blast) -> Finding {
    let norm = number(point.value);
    Finding::firing(EXPLOSION, blast.severity, point.row)
        .title(format!("Gradient norm {} its median", times(blast.ratio)))
        .message(format!(
            "`grad_norm` is {norm} at {}: {} the median of the last {}, which is {}.",
            place(point),
            times(blast.ratio),
            count(blast.seen, "value"),
            number(blast.median),
        ))
        .recommendation(advice(blast.severity, point.step))
        .value("grad_norm", point.value)
        .value("median", blast.median)
        .value("ratio", blast.ratio)
}

fn calm_again(point: &Point, blast: &Blast, how: Option<Ended>, settings: &Settings) -> Finding {
    let (now, before) = (number(point.value), number(blast.median));
    let (title, message) = match how {
        Some(Ended::Recovered) => (
            "Gradient norm is back",
            format!(
                "`grad_norm` is {now} at {}, after {} back near the {before} from before.",
                place(point),
                count(settings.hold, "value"),
            ),
        ),
        Some(Ended::Settled) => (
            "Gradient norm settled above where it was",
            format!(
                "`grad_norm` is {now} at {}: it stays above the {before} from before, and is now \
                 watched at this level.",
                place(point),
            ),
        ),
        None => (
            "Run resumed",
            format!(
                "The run went on from {} with a gradient norm of {now}; what was known before holds \
                 no longer.",
                place(point),
            ),
        ),
    };
    Finding::resolved(EXPLOSION, point.row)
        .title(title)
        .message(message)
        .value("grad_norm", point.value)
        .value("before", blast.median)
}

fn vanished(point: &Point, rows: usize) -> Finding {
    Finding::warning(ZERO, point.row)
        .title("Gradient norm is zero")
        .message(format!(
            "`grad_norm` has been 0 for {} up to {}; it was not before.",
            count(rows, "value"),
            place(point),
        ))
        .recommendation(
            "Nothing is being learned. Check that the loss still depends on the trained parameters (a \
             `detach`, `no_grad`, a frozen module, a mask that drops every token), that the optimizer \
             step is not skipped (under fp16: the loss scale), and in RL that rewards within a group \
             still differ: equal rewards give zero advantages and zero gradients.",
        )
        .value("grad_norm", point.value)
        .value("rows", rows as f64)
}

fn not_logged(point: &Point, rows: usize) -> Finding {
    Finding::info(NOT_LOGGED, point.row)
        .title("Gradient norm is always zero: not logged?")
        .message(format!(
            "`grad_norm` has been 0 in each of the first {}, up to {}.",
            count(rows, "value"),
            place(point),
        ))
        .recommendation(
            "Probably the trainer prints the column without computing it (it often does so when gradient \
             clipping is off): turn the norm on, since it warns some steps before the loss does. If it is \
             computed, no gradient reaches the parameters: check what is frozen and what the loss \
             depends on.",
        )
        .value("grad_norm", point.value)
        .value("rows", rows as f64)
}

fn moves(key: &str, point: &Point) -> Finding {
    Finding::resolved(key, point.row)
        .title("Gradient norm is no longer zero")
        .message(format!(
            "`grad_norm` is {} at {}.",
            number(point.value),
            place(point)
        ))
        .value("grad_norm", point.value)
}

export!(GradNorm);

#[cfg(test)]
mod tests;
