//! `data-stall`: training waits for data.
//!
//! The rule is in `rule.rs`; this file says what it is called, what can be set,
//! and what people read.

use runwatch_detector::prelude::*;
use runwatch_detector::show::{percent, place};
use runwatch_detector::state::{self, Episode};

pub mod rule;

use rule::{Seen, Settings, Stall, Watch};

const KEY: &str = "data-stall";

/// Watches what one run waits for.
pub struct DataStall {
    settings: Settings,
    state: State,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    /// By rank.
    watches: Keyed<Watch>,
    /// One key for all ranks: they wait for the slowest.
    episode: Episode,
}

impl Detector for DataStall {
    fn describe() -> Description {
        Description::new("data-stall", "0.1.0", "Training waits for data")
            .parameter(
                Parameter::number("share", 0.30)
                    .unit("ratio")
                    .min(0)
                    .max(1)
                    .doc("The share of a step spent waiting for data that is a warning."),
            )
            .parameter(
                Parameter::number("critical-share", 0.60)
                    .unit("ratio")
                    .min(0)
                    .max(1)
                    .doc("The share that is critical, if the run began with less than `share`."),
            )
            .parameter(
                Parameter::number("factor", 3.0)
                    .unit("ratio")
                    .min(1)
                    .max(1000)
                    .doc("A share so many times that of the first 64 rows is a warning as well, …"),
            )
            .parameter(
                Parameter::number("least-share", 0.10)
                    .unit("ratio")
                    .min(0)
                    .max(1)
                    .doc("… if it is more than this."),
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
        // What some print as `time` beside the waiting is the time of a step; a
        // time since the start makes the share small, and so does no harm.
        ["data_time", "step_time", "time"]
            .map(Interest::metric)
            .into()
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        let mut points = batch.points().peekable();
        let mut row = Times::default();
        while let Some(point) = points.next() {
            row.take(batch.name(point.series), point.value);
            let row_ends = points.peek().is_none_or(|next| next.row != point.row);
            if row_ends {
                let row = std::mem::take(&mut row);
                findings.extend(self.row(&point, row));
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

/// What one row says.
#[derive(Default)]
struct Times {
    data: Option<f64>,
    step: Option<f64>,
    time: Option<f64>,
}

impl Times {
    fn take(&mut self, name: &str, value: f64) {
        match name {
            "data_time" => self.data = Some(value),
            "step_time" => self.step = Some(value),
            _ => self.time = Some(value),
        }
    }
}

impl DataStall {
    fn row(&mut self, point: &Point, row: Times) -> Option<Finding> {
        let data = row.data?;
        let Self { settings, state } = self;
        let watch = state.watches.of_rank(point.rank, Watch::default);
        let clock = watch.clock(point.step, point.time);
        let step = row.step.or(row.time).or(clock);
        let Some(share) = step.and_then(|step| rule::share(data, step)) else {
            watch.pass(point.step);
            return None;
        };
        match watch.look(settings, point.step, share) {
            Seen::Nothing => None,
            Seen::Stall(stall) => {
                let report = state.episode.join(stall.severity);
                report.then(|| stalled(point, share, &stall))
            }
            Seen::Worse(stall) => {
                let report = state.episode.raise(stall.severity);
                report.then(|| stalled(point, share, &stall))
            }
            Seen::Over => state.episode.leave().then(|| over(point, share)),
        }
    }
}

fn stalled(point: &Point, share: f64, stall: &Stall) -> Finding {
    let before = if stall.before.is_finite() {
        format!("; at the start of the run it was {}", percent(stall.before))
    } else {
        String::new()
    };
    Finding::firing(KEY, stall.severity, point.row)
        .title(format!("Training waits for data: {} of a step", percent(share)))
        .message(format!(
            "In most of the last rows up to {} more than {} of a step went into waiting for data ({} in this \
             one{before}). The GPUs stand idle meanwhile.",
            place(point),
            percent(stall.limit),
            percent(share),
        ))
        .recommendation(
            "Give the data loader more workers and prefetching, and look at CPU use and the disk or network \
             that the data comes from (`iostat`, `nfsstat`): another job on the same storage, a cold cache, \
             a shard on slow storage, workers that died, augmentation on the CPU. Decoding ahead of time or \
             a local copy of the data usually ends it.",
        )
        .value("share", share)
        .value("limit", stall.limit)
}

fn over(point: &Point, share: f64) -> Finding {
    Finding::resolved(KEY, point.row)
        .title("Training no longer waits for data")
        .message(format!(
            "Waiting for data takes {} of a step at {}.",
            percent(share),
            place(point)
        ))
        .value("share", share)
}

export!(DataStall);

#[cfg(test)]
mod tests;
