//! The rule of rlwatch 0.5.1 (`advantage_variance`).

use runwatch_detector::prelude::*;
use runwatch_detector::rlwatch::{self, Baseline, FLOOR, Seen, Window, at_least};
use runwatch_detector::show::{number, place, times};
use serde::{Deserialize, Serialize};

/// So many times the multiplier is critical.
const CRITICAL: f64 = 2.0;

/// The parameters `rlwatch-…`.
pub(crate) fn parameters() -> [Parameter; 4] {
    [
        rlwatch::baseline("rolling"),
        rlwatch::window(100),
        rlwatch::warmup(20),
        rlwatch::multiplier(
            "rlwatch-multiplier",
            3.0,
            "ratio",
            "Under rule `rlwatch`: so many times the mean is a warning, twice that critical.",
        ),
    ]
}

pub struct Settings {
    window: Window,
    multiplier: f64,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Watch(Baseline);

impl rlwatch::Watch for Watch {
    type Settings = Settings;
    const KEY: &'static str = super::SPREAD;

    fn settings(parameters: &Parameters) -> Result<Settings, String> {
        Ok(Settings {
            window: Window::new(parameters)?,
            multiplier: parameters.number("rlwatch-multiplier")?,
        })
    }

    fn interests(_settings: &Settings) -> Vec<Interest> {
        vec![Interest::metric("advantage_std")]
    }

    fn look(&mut self, settings: &Settings, point: &Point) -> Seen {
        let Some(level) = self.0.push(&settings.window, point.value) else {
            return Seen::Clear;
        };
        let ratio = point.value / at_least(level.mean, FLOOR);
        let severity = if ratio > CRITICAL * settings.multiplier {
            Severity::Critical
        } else if ratio > settings.multiplier {
            Severity::Warning
        } else {
            return Seen::Clear;
        };
        let finding = Finding::firing(Self::KEY, severity, point.row)
            .title(format!("Advantages spread {} their mean", times(ratio)))
            .message(format!(
                "`advantage_std` is {} at {}: {} the mean of its baseline, {}.",
                number(point.value),
                place(point),
                times(ratio),
                number(level.mean),
            ))
            .recommendation(super::NORMALISE);
        Seen::Fires(
            finding
                .value("advantage_std", point.value)
                .value("baseline_mean", level.mean)
                .value("baseline_std", level.sd)
                .value("ratio", ratio),
        )
    }
}
