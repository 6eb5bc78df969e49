//! The rule of rlwatch 0.5.1 (`kl_explosion`).

use runwatch_detector::prelude::*;
use runwatch_detector::rlwatch::{self, Baseline, Seen, Window};
use runwatch_detector::show::{number, place};
use serde::{Deserialize, Serialize};

/// So many times the multiplier is critical.
const CRITICAL: f64 = 1.5;

/// The parameters `rlwatch-…`.
pub(crate) fn parameters() -> [Parameter; 5] {
    [
        rlwatch::baseline("rolling"),
        rlwatch::window(100),
        rlwatch::warmup(20),
        rlwatch::multiplier(
            "rlwatch-sigma",
            3.0,
            "sd",
            "Under rule `rlwatch`: deviations above the mean that are a warning; 1.5 times that is \
             critical.",
        ),
        rlwatch::multiplier(
            "rlwatch-clip-region",
            0.2,
            "ratio",
            "Under rule `rlwatch`: named in its findings, and no more.",
        ),
    ]
}

pub struct Settings {
    window: Window,
    sigma: f64,
    clip_region: f64,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Watch(Baseline);

impl rlwatch::Watch for Watch {
    type Settings = Settings;
    const KEY: &'static str = super::KEY;

    fn settings(parameters: &Parameters) -> Result<Settings, String> {
        Ok(Settings {
            window: Window::new(parameters)?,
            sigma: parameters.number("rlwatch-sigma")?,
            clip_region: parameters.number("rlwatch-clip-region")?,
        })
    }

    fn interests(_settings: &Settings) -> Vec<Interest> {
        vec![Interest::metric("kl")]
    }

    fn look(&mut self, settings: &Settings, point: &Point) -> Seen {
        let Some(level) = self.0.push(&settings.window, point.value) else {
            return Seen::Clear;
        };
        let sd = level.floored_sd();
        let z = (point.value - level.mean) / sd;
        let severity = if z > CRITICAL * settings.sigma {
            Severity::Critical
        } else if z > settings.sigma {
            Severity::Warning
        } else {
            return Seen::Clear;
        };
        let finding = Finding::firing(super::KEY, severity, point.row)
            .title(format!("KL {} sd above its mean", number(z)))
            .message(format!(
                "`kl` is {} at {}: {} standard deviations above the mean of its baseline, {}.",
                number(point.value),
                place(point),
                number(z),
                number(level.mean),
            ))
            .recommendation(match severity {
                Severity::Critical => super::STOP,
                _ => super::LOOK,
            });
        Seen::Fires(
            finding
                .value("kl_divergence", point.value)
                .value("rolling_mean", level.mean)
                .value("rolling_std", sd)
                .value("z_score", z)
                .value("clip_region", settings.clip_region),
        )
    }
}
