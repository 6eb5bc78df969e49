//! `heartbeat`: nothing has been heard of a run, or of one of its ranks, for too
//! long.
//!
//! The rule is in `rule.rs`; this file says what it is called, what can be set,
//! and what people read.

use runwatch_detector::NO_ROW;
use runwatch_detector::prelude::*;
use runwatch_detector::show::{count, duration};
use runwatch_detector::state;

pub mod rule;

use rule::{Quiet, Settings, Silence, Watch};

const SILENCE: &str = "silence";
const RANK: &str = "rank-silence";
/// Ranks that are named; of more, the rest is counted.
const NAMED: usize = 8;

/// Listens for one run.
pub struct Heartbeat {
    settings: Settings,
    state: State,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct State {
    watch: Watch,
    /// How bad the silence of single ranks is that has been reported.
    ranks: Option<Severity>,
}

impl Detector for Heartbeat {
    fn describe() -> Description {
        Description::new(
            "heartbeat",
            "0.1.0",
            "Nothing has been heard of a run, or of one of its ranks, for too long",
        )
        .parameter(
            Parameter::number("silence", 120.0)
                .unit("s")
                .min(1)
                .max(1e6)
                .doc("The shortest silence that is ever reported."),
        )
        .parameter(
            Parameter::number("grace", 600.0)
                .unit("s")
                .min(0)
                .max(1e6)
                .doc("The same after a start, before the usual interval is known."),
        )
        .parameter(
            Parameter::number("interval-factor", 20.0)
                .unit("ratio")
                .min(0)
                .max(1e6)
                .doc("How many times the usual interval a silence must be as well; 0 is off."),
        )
        .parameter(
            Parameter::number("longest-factor", 3.0)
                .unit("ratio")
                .min(0)
                .max(1e6)
                .doc("How many times the longest pause so far it must be as well; 0 is off."),
        )
        .parameter(
            Parameter::number("critical-after", 600.0)
                .unit("s")
                .min(0)
                .max(1e6)
                .doc("How much later the silence of a whole run is critical; 0 is at once."),
        )
        .parameter(
            Parameter::boolean("single-ranks", true)
                .unit("yes/no")
                .doc("Whether to report a rank that is silent while others go on."),
        )
        .doc(include_str!("doc.md"))
    }

    fn open(run: &Facts, parameters: &Parameters) -> Result<Self, String> {
        let settings = Settings::new(parameters)?;
        let began = run.get("since").and_then(|since| since.parse().ok());
        let watch = Watch::new(&settings, began);
        let state = State { watch, ranks: None };
        Ok(Self { settings, state })
    }

    fn interests(&self) -> Vec<Interest> {
        // Ticks cost: they come only when no silence shorter than one that is
        // reported can be meant.
        let ticks = Interest::tick(1.0).after_silence(self.settings.silence);
        vec![Interest::rows(), ticks]
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        let Self { settings, state } = self;
        let rows = batch.steps.iter().zip(batch.times).zip(batch.ranks);
        for (row, ((&step, &time), &rank)) in (0..).zip(rows) {
            let seen = state.watch.row(settings, step, time, rank);
            if seen.back {
                findings.push(back(row, step, seen.first));
            }
            if seen.all_back && state.ranks.take().is_some() {
                findings.push(all_back(row, step));
            }
            if seen.look
                && let Some((ranks, silence)) = state.watch.missing()
            {
                let finding = missing(row, step, &ranks, state.watch.regular(), silence);
                if state.ranks < Some(finding.severity) {
                    state.ranks = Some(finding.severity);
                    findings.push(finding);
                }
            }
        }
    }

    fn tick(&mut self, now: f64, findings: &mut Vec<Finding>) {
        let Self { settings, state } = self;
        match state.watch.tick(settings, now) {
            Some((Quiet::Since(silence), critical)) => {
                findings.push(silent(&state.watch, silence, critical));
            }
            Some((Quiet::Never { seconds, limit }, critical)) => {
                findings.push(never(seconds, limit, critical));
            }
            None => {}
        }
    }

    fn finish(&mut self, _outcome: &str, _findings: &mut Vec<Finding>) {
        self.state.watch.finish();
    }

    fn save(&self) -> Option<Vec<u8>> {
        state::save(&self.state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        self.state = state::restore(state)?;
        Ok(())
    }
}

fn severity(critical: bool) -> Severity {
    if critical {
        Severity::Critical
    } else {
        Severity::Warning
    }
}

fn never(seconds: f64, limit: f64, critical: bool) -> Finding {
    let ago = duration(seconds);
    Finding::firing(SILENCE, severity(critical), NO_ROW)
        .title(format!("Nothing has come for {ago}"))
        .message(format!(
            "Nothing has come since the watch began {ago} ago: no record of the training, from any rank."
        ))
        .recommendation(
            "See whether the job runs and how far it got: the end of its raw log, GPU use (`nvidia-smi`), a \
             stack dump of every rank (`py-spy dump --pid PID`). Waiting for all ranks to join, loading the \
             data or the model, and compilation are where jobs hang before their first step. If it trains, \
             its log goes elsewhere, is held back in a buffer (`python -u`), or is of a form that is not \
             known: see what `runwatch decode` makes of it. If it takes so long to start, raise `grace`.",
        )
        .value("seconds", seconds)
        .value("limit", limit)
}

fn silent(watch: &Watch, silence: Silence, critical: bool) -> Finding {
    let severity = severity(critical);
    let (step, behind) = watch.steps();
    let mut message = format!(
        "Nothing has come for {}; the last was step {step}. Usually something comes every {}.",
        duration(silence.seconds),
        duration(silence.usual),
    );
    // When one rank stops, the others wait for it: it is one step behind them.
    if !behind.is_empty() && behind.len() <= watch.regular() / 2 {
        message.push_str(&format!(
            " Not at that step yet: {}. It is probably what the others wait for.",
            names(&behind)
        ));
    }
    Finding::firing(SILENCE, severity, NO_ROW)
        .title(format!("No sign of life for {}", duration(silence.seconds)))
        .message(message)
        .recommendation(
            "See whether the processes still run and what they do: GPU use (`nvidia-smi`), a stack dump of \
             every rank (`py-spy dump --pid PID`), the end of the raw log, the scheduler's view of the \
             job. A hang in a collective, a dead data mount and a checkpoint that cannot be written are the \
             usual causes; kill and restart from the last checkpoint. If this was an evaluation or a \
             checkpoint, raise `silence` or leave it: a pause that ended teaches how long pauses may be.",
        )
        .value("seconds", silence.seconds)
        .value("limit", silence.limit)
}

fn back(row: u32, step: i64, first: bool) -> Finding {
    let (title, again) = match first {
        true => ("The run is heard", ""),
        false => ("The run is heard again", " again"),
    };
    Finding::resolved(SILENCE, row)
        .title(title)
        .message(format!("Rows come{again}, from step {step} on."))
}

fn missing(row: u32, step: i64, ranks: &[u32], of: usize, silence: Silence) -> Finding {
    // When most are silent, one of them probably does something that the
    // others wait for, such as an evaluation.
    let severity = if ranks.len() * 2 <= of {
        Severity::Critical
    } else {
        Severity::Warning
    };
    let names = names(ranks);
    Finding::firing(RANK, severity, row)
        .title(format!("No sign of life from {names}"))
        .message(format!(
            "{names}: nothing for {}, while others of the {} that report went on to step {step}. Usually \
             something comes every {}.",
            duration(silence.seconds),
            count(of, "rank"),
            duration(silence.usual),
        ))
        .recommendation(
            "Look at that process and its node: is it alive (`nvidia-smi`, `dmesg` for Xid and out-of-memory \
             kills), what does it do (`py-spy dump`)? The others will soon wait for it in a collective. If \
             it is dead, stop the job and restart from the last checkpoint without that node. If only \
             its log stopped, check the disk and the log's path.",
        )
        .value("seconds", silence.seconds)
        .value("limit", silence.limit)
        .value("ranks", ranks.len() as f64)
}

fn all_back(row: u32, step: i64) -> Finding {
    Finding::resolved(RANK, row)
        .title("All ranks are heard again")
        .message(format!("No rank is silent any more at step {step}."))
}

/// `rank 3`, `ranks 3, 5 and 2 more`.
fn names(ranks: &[u32]) -> String {
    let named: Vec<String> = ranks.iter().take(NAMED).map(u32::to_string).collect();
    let more = match ranks.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let noun = if ranks.len() == 1 { "rank" } else { "ranks" };
    format!("{noun} {}{more}", named.join(", "))
}

export!(Heartbeat);

#[cfg(test)]
mod tests;
