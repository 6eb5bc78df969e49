//! `throughput`: training slows down, or nothing goes through at all.
//!
//! The rule for standing still is in `rule.rs`, that for slowing down in
//! `slow.rs`; this file says what it is called, what can be set, and what
//! people read.

use runwatch_detector::prelude::*;
use runwatch_detector::show::{count, number, percent, place, times};
use runwatch_detector::state::{self, Episode};

pub mod rule;
pub mod slow;

use rule::{Flat, Kind, Seen};
use slow::{End, How, Slow};

const FLATLINE: &str = "flatline";
const SLOWER: &str = "slower";

/// Watches what goes through one run.
pub struct Throughput {
    settings: rule::Settings,
    slow_settings: slow::Settings,
    state: State,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    watches: Keyed<Watch>,
    /// Whether the run prints the time of a step, which tells more than a rate.
    step_time: bool,
    /// One key for all counters, rates and ranks.
    flat: Episode,
    /// One key for all of them here too: ranks wait for each other.
    slow: Episode,
}

/// What a series is watched for.
#[derive(serde::Serialize, serde::Deserialize)]
struct Watch {
    flat: Option<rule::Watch>,
    slow: Option<slow::Watch>,
}

impl Watch {
    /// For a metric with this canonical name.
    fn new(name: &str) -> Self {
        let kind = Kind::of(name);
        Self {
            flat: kind.map(rule::Watch::new),
            slow: match kind {
                None => Some(slow::Watch::new(false)),
                Some(Kind::Rate) => Some(slow::Watch::new(true)),
                Some(Kind::Counter) => None,
            },
        }
    }
}

impl Detector for Throughput {
    fn describe() -> Description {
        Description::new(
            "throughput",
            "0.1.0",
            "Training slows down, or no tokens or samples go through",
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
        .parameter(
            Parameter::number("notice", 0.05)
                .unit("ratio")
                .min(0.01)
                .max(100)
                .doc("How much longer a step must take for a notice (info); 0.05 is 5 %."),
        )
        .parameter(
            Parameter::number("rise", 0.10)
                .unit("ratio")
                .min(0.01)
                .max(100)
                .doc("How much longer a step must take for a warning."),
        )
        .parameter(
            Parameter::number("critical-rise", 1.0)
                .unit("ratio")
                .min(0.01)
                .max(1000)
                .doc("How much longer a step must take to be critical; 1 is twice as long."),
        )
        .parameter(
            Parameter::number("drift", 0.20)
                .unit("ratio")
                .min(0.01)
                .max(1000)
                .doc("How much longer than at its fastest a step must take, if it came little by little."),
        )
        .doc(include_str!("doc.md"))
    }

    fn open(_run: &Facts, parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            settings: rule::Settings::new(parameters)?,
            slow_settings: slow::Settings::new(parameters)?,
            state: State::default(),
        })
    }

    fn interests(&self) -> Vec<Interest> {
        ["throughput", "tokens_seen", "samples_seen", "step_time"]
            .map(Interest::metric)
            .into()
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        for point in batch.points() {
            let new = || Watch::new(batch.name(point.series));
            let watch = self.state.watches.of(&point, new);
            if let Some(flat) = &mut watch.flat {
                let seen = flat.look(&self.settings, point.step, point.value);
                if seen != Seen::Nothing {
                    findings.extend(report_flat(batch, &point, seen, &mut self.state.flat));
                }
            }
            self.state.step_time |= watch.flat.is_none();
            if self.state.step_time && watch.flat.is_some() {
                continue;
            }
            if let Some(slow) = &mut watch.slow {
                let seen = slow.look(&self.slow_settings, point.step, point.value);
                if seen != slow::Seen::Nothing {
                    findings.extend(report_slow(batch, &point, seen, &mut self.state.slow));
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

fn report_flat(
    batch: &Batch<'_>,
    point: &Point,
    seen: Seen,
    episode: &mut Episode,
) -> Option<Finding> {
    match seen {
        Seen::Nothing => None,
        Seen::Flat(flat, severity) => {
            let report = episode.join(severity);
            report.then(|| flatline(batch, point, flat, severity))
        }
        Seen::Worse(flat) => {
            let report = episode.raise(Severity::Critical);
            report.then(|| flatline(batch, point, flat, Severity::Critical))
        }
        Seen::Over => episode.leave().then(|| over(batch, point)),
    }
}

fn report_slow(
    batch: &Batch<'_>,
    point: &Point,
    seen: slow::Seen,
    episode: &mut Episode,
) -> Option<Finding> {
    match seen {
        slow::Seen::Nothing => None,
        slow::Seen::Slow(slow) => {
            let report = episode.join(slow.severity);
            report.then(|| slower(batch, point, &slow))
        }
        slow::Seen::Worse(slow) => {
            let report = episode.raise(slow.severity);
            report.then(|| slower(batch, point, &slow))
        }
        slow::Seen::Over(slow, end) => episode
            .leave()
            .then(|| no_longer_slower(batch, point, &slow, end)),
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
    Finding::firing(FLATLINE, severity, point.row)
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
    Finding::resolved(FLATLINE, point.row)
        .title("Throughput is back")
        .message(format!(
            "`{name}` is {} at {}.",
            number(point.value),
            place(point)
        ))
        .value(name, point.value)
}

fn slower(batch: &Batch<'_>, point: &Point, slow: &Slow) -> Finding {
    let name = batch.name(point.series);
    let (before, now) = (number(slow.before), number(slow.now));
    let place = place(point);
    let rise = if slow.rise < 1.0 {
        format!("{} longer", percent(slow.rise))
    } else {
        format!("{} as long", times(1.0 + slow.rise))
    };
    let message = match slow.how {
        How::Jump => format!(
            "A step takes {rise}: `{name}` is {now} in the median of the last rows up to {place}; \
             it was {before} before."
        ),
        How::Drift => format!(
            "A step takes {rise} compared with its fastest: `{name}` is {now} at {place}; its best level \
             was {before}. It came little by little."
        ),
        How::Early => format!(
            "Two rows in a row took {rise} compared with the few before: `{name}` is {now} at {place}, \
             after {before} with hardly any difference. Few rows are known, so it may be chance."
        ),
    };
    let what_to_do = match slow.how {
        How::Jump | How::Early => {
            "If nothing was changed on purpose (batch size, sequence length, logging, evaluation), one slow \
             device usually slows all: compare clocks, temperature and power of the GPUs \
             (`nvidia-smi -q -d PERFORMANCE`), look for another job on a node, network errors, and \
             the waiting time for data. Exclude the slow node and restart from a checkpoint."
        }
        How::Drift => {
            "Look for what grows with time: memory that fragments or leaks (host and GPU), a cache or a list \
             of logged values, swapping, a disk that fills, heat. A restart from a checkpoint shows \
             whether it is the process or the machine."
        }
    };
    Finding::firing(SLOWER, slow.severity, point.row)
        .title(format!("Steps take {rise}"))
        .message(message)
        .recommendation(what_to_do)
        .value(name, slow.now)
        .value("before", slow.before)
        .value("rise", slow.rise)
}

fn no_longer_slower(batch: &Batch<'_>, point: &Point, slow: &Slow, end: End) -> Finding {
    let name = batch.name(point.series);
    let (before, now, place) = (number(slow.before), number(slow.now), place(point));
    let (title, message) = match end {
        End::Recovered => (
            "Training is as fast as before",
            format!("`{name}` is {now} at {place}, as before ({before})."),
        ),
        End::Settled => (
            "Training stays slower",
            format!(
                "`{name}` is {now} at {place} and has not come back to {before}. It is now watched at \
                 this level."
            ),
        ),
        End::Resumed => (
            "Run resumed",
            format!("The run went on from {place}; how fast it was before holds no longer."),
        ),
    };
    Finding::resolved(SLOWER, point.row)
        .title(title)
        .message(message)
        .value(name, slow.now)
        .value("before", slow.before)
}

export!(Throughput);

#[cfg(test)]
mod tests;
