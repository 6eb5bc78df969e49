//! `throughput`: steps go on, but no tokens or samples go through.
//!
//! The rule is in `rule.rs`; this file says what it is called, what can be set,
//! and what people read.

use runwatch_detector::prelude::*;
use runwatch_detector::show::{count, number, place};
use runwatch_detector::state::{self, Episode};

mod rule;

pub use rule::{Flat, Kind, Seen, Settings, Watch};

const KEY: &str = "flatline";

/// Watches what goes through one run.
pub struct Throughput {
    settings: Settings,
    state: State,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    watches: Keyed<Watch>,
    /// One key for all counters, rates and ranks.
    episode: Episode,
}

impl Detector for Throughput {
    fn describe() -> Description {
        Description::new(
            "throughput",
            "0.1.0",
            "Steps go on, but no tokens or samples go through",
        )
        .parameter(
            Parameter::integer("rows", 3)
                .unit("reports")
                .min(2)
                .max(10_000)
                .doc("How many reports in a row without progress are a flatline."),
        )
        .parameter(
            Parameter::integer("critical-rows", 20)
                .unit("reports")
                .min(2)
                .max(100_000)
                .doc("How many reports in a row without progress are critical."),
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
        ["throughput", "tokens_seen", "samples_seen"]
            .map(Interest::metric)
            .into()
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        let Self { settings, state } = self;
        for point in batch.points() {
            let watch = state
                .watches
                .of(&point, || Watch::new(Kind::of(batch.name(point.series))));
            let finding = match watch.look(settings, point.step, point.value) {
                Seen::Nothing => continue,
                Seen::Flat(flat) => {
                    let report = state.episode.join(Severity::Warning);
                    report.then(|| flatline(batch, &point, flat, Severity::Warning))
                }
                Seen::Worse(flat) => {
                    let report = state.episode.raise(Severity::Critical);
                    report.then(|| flatline(batch, &point, flat, Severity::Critical))
                }
                Seen::Over => state.episode.leave().then(|| over(batch, &point)),
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

fn flatline(batch: &Batch<'_>, point: &Point, flat: Flat, severity: Severity) -> Finding {
    let name = batch.name(point.series);
    let reports = count(flat.reports, "report");
    let (title, what) = match flat.kind {
        Kind::Rate => (
            "Throughput is zero".to_owned(),
            format!("`{name}` has been 0 for {reports} up to {}.", place(point)),
        ),
        Kind::Counter => (
            format!("{name} stands still"),
            format!(
                "`{name}` has stood at {} for {reports} up to {}, although the step went on.",
                number(point.value),
                place(point),
            ),
        ),
    };
    Finding::firing(KEY, severity, point.row)
        .title(title)
        .message(what)
        .recommendation(
            "Check that the data loader still yields batches: an exhausted or empty shard, a filter that \
             drops everything, dead workers, a stalled mount. Look at GPU use and at a stack dump of the \
             process (`py-spy dump`). If steps are skipped (under fp16: a falling loss scale), or one \
             rank waits in a collective, stop and restart from the last checkpoint. If the job just \
             reports seldom, raise `rows`.",
        )
        .value(name, point.value)
        .value("reports", flat.reports as f64)
}

fn over(batch: &Batch<'_>, point: &Point) -> Finding {
    let name = batch.name(point.series);
    Finding::resolved(KEY, point.row)
        .title("Throughput is back")
        .message(format!(
            "`{name}` is {} at {}.",
            number(point.value),
            place(point)
        ))
        .value(name, point.value)
}

export!(Throughput);

#[cfg(test)]
mod tests;
