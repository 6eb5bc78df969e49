//! The rule of rlwatch 0.5.1 (`entropy_collapse`).

use runwatch_detector::prelude::*;
use runwatch_detector::rlwatch::{self, History, Seen, mean};
use runwatch_detector::show::{count, number, place};
use serde::{Deserialize, Serialize};

/// Of how many first values the initial entropy is the mean.
const INITIAL: usize = 20;

/// The parameters `rlwatch-…`.
pub(crate) fn parameters() -> [Parameter; 3] {
    [
        Parameter::number("rlwatch-threshold", 1.0)
            .unit("nats")
            .min(-1e6)
            .max(1e6)
            .doc("Under rule `rlwatch`: entropy below this is counted."),
        Parameter::integer("rlwatch-consecutive", 50)
            .unit("values")
            .min(1)
            .max(1_000_000)
            .doc("Under rule `rlwatch`: so many in a row are critical, half of them a warning."),
        rlwatch::warmup(20),
    ]
}

pub struct Settings {
    threshold: f64,
    consecutive: u64,
    warmup: u64,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Watch {
    seen: u64,
    /// The first healthy values.
    healthy: Vec<f64>,
    /// The last values, for as long as none was healthy.
    history: History,
    below: u64,
    warned: bool,
    alarmed: bool,
}

impl Watch {
    fn learn(&mut self, settings: &Settings, value: f64) {
        self.seen = self.seen.saturating_add(1);
        if value >= settings.threshold && self.healthy.len() < INITIAL {
            self.healthy.push(value);
            self.history.clear();
        }
        if self.healthy.is_empty() {
            self.history.push(rlwatch::LONGEST, value);
        }
    }

    fn initial(&self) -> f64 {
        if self.healthy.is_empty() {
            let first = self.history.len().min(INITIAL);
            let first: Vec<f64> = self.history.iter().take(first).collect();
            mean(first.into_iter())
        } else {
            mean(self.healthy.iter().copied())
        }
    }

    /// Each severity once an episode, the higher one asked for first: so that
    /// with a count of one the warning follows the critical.
    fn severity(&mut self, settings: &Settings) -> Option<Severity> {
        if self.below >= settings.consecutive && !self.alarmed {
            self.alarmed = true;
            return Some(Severity::Critical);
        }
        if self.below >= (settings.consecutive / 2).max(1) && !self.warned {
            self.warned = true;
            return Some(Severity::Warning);
        }
        None
    }
}

impl rlwatch::Watch for Watch {
    type Settings = Settings;
    const KEY: &'static str = super::KEY;

    fn settings(parameters: &Parameters) -> Result<Settings, String> {
        Ok(Settings {
            threshold: parameters.number("rlwatch-threshold")?,
            consecutive: parameters.count("rlwatch-consecutive")? as u64,
            warmup: parameters.count("rlwatch-warmup")? as u64,
        })
    }

    fn interests(_settings: &Settings) -> Vec<Interest> {
        vec![Interest::metric("entropy")]
    }

    fn look(&mut self, settings: &Settings, point: &Point) -> Seen {
        self.learn(settings, point.value);
        if self.seen < settings.warmup {
            return Seen::Clear;
        }
        // NaN is not below, and ends the streak.
        if point.value.is_nan() || point.value >= settings.threshold {
            (self.below, self.warned, self.alarmed) = (0, false, false);
            return Seen::Clear;
        }
        self.below = self.below.saturating_add(1);
        let Some(severity) = self.severity(settings) else {
            return Seen::Nothing;
        };
        let (initial, below) = (self.initial(), self.below as usize);
        let finding = Finding::firing(Self::KEY, severity, point.row)
            .title(format!(
                "Entropy below {} for {}",
                number(settings.threshold),
                count(below, "value")
            ))
            .message(format!(
                "`entropy` is {} at {}, and has been below {} for {}; it was {} at first.",
                number(point.value),
                place(point),
                number(settings.threshold),
                count(below, "value"),
                number(initial),
            ))
            .recommendation(format!("{}{}", super::CHECK, super::REMEDY));
        Seen::Fires(
            finding
                .value("current_entropy", point.value)
                .value("initial_entropy", initial)
                .value("consecutive_steps_below", below as f64)
                .value("threshold", settings.threshold),
        )
    }
}
