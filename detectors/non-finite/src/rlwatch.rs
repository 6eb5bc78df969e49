//! The rule of rlwatch 0.5.1 (`loss_nan`): every loss that is not finite, and
//! nothing else.

use runwatch_detector::prelude::*;
use runwatch_detector::rlwatch::{self, Seen};
use runwatch_detector::show::{number, place};
use serde::{Deserialize, Serialize};

pub struct Settings {
    warmup: u64,
}

/// How many losses there were.
#[derive(Default, Serialize, Deserialize)]
pub struct Watch(u64);

impl rlwatch::Watch for Watch {
    type Settings = Settings;
    const KEY: &'static str = "non-finite/loss";

    fn settings(parameters: &Parameters) -> Result<Settings, String> {
        Ok(Settings {
            warmup: parameters.count("rlwatch-warmup")? as u64,
        })
    }

    /// A warm-up counts every loss; without one the edges are enough.
    fn interests(settings: &Settings) -> Vec<Interest> {
        if settings.warmup > 1 {
            vec![Interest::metric("loss")]
        } else {
            vec![Interest::metric_edges("loss")]
        }
    }

    fn look(&mut self, settings: &Settings, point: &Point) -> Seen {
        self.0 = self.0.saturating_add(1);
        if self.0 < settings.warmup || point.value.is_finite() {
            return Seen::Clear;
        }
        let kind = match point.value {
            value if value.is_nan() => "NaN",
            value if value > 0.0 => "+Inf",
            _ => "-Inf",
        };
        let mut finding = Finding::critical(Self::KEY, point.row)
            .title(format!("loss is {}", number(point.value)))
            .message(format!(
                "`loss` is {} at {}.",
                number(point.value),
                place(point)
            ))
            .recommendation(super::STOP.replace("{step}", &point.step.to_string()))
            .value("loss", point.value)
            .halt(&format!("the loss is {}", number(point.value)));
        finding.facts.push(("kind".to_owned(), kind.to_owned()));
        Seen::Fires(finding)
    }
}
