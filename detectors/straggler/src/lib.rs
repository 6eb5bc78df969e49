//! `straggler`: one rank is slower than the others, or falls behind them.
//!
//! The rules are in `rule.rs`; this file says what it is called, what can be
//! set, and what people read.

use runwatch_detector::NO_RANK;
use runwatch_detector::prelude::*;
use runwatch_detector::show::{count, number, percent};
use runwatch_detector::state::{self, Episode};

pub mod rule;

use rule::{Distance, Pace, Settings, Slow, Watch};

const SLOW: &str = "slow-rank";
const BEHIND: &str = "behind";

/// Watches the ranks of one run.
pub struct Straggler {
    settings: Settings,
    state: State,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    watch: Watch,
    slow: Episode,
    behind: Episode,
}

impl Detector for Straggler {
    fn describe() -> Description {
        Description::new(
            "straggler",
            "0.1.0",
            "One rank is slower than the others, or falls behind them",
        )
        .parameter(
            Parameter::number("notice", 0.05)
                .unit("ratio")
                .min(0)
                .max(100)
                .doc("How much longer its steps must take for a notice (info); 0.05 is 5 %."),
        )
        .parameter(
            Parameter::number("rise", 0.10)
                .unit("ratio")
                .min(0)
                .max(100)
                .doc("How much longer they must take for a warning."),
        )
        .parameter(
            Parameter::number("critical-rise", 1.0)
                .unit("ratio")
                .min(0)
                .max(1000)
                .doc("How much longer they must take to be critical; 1 is twice as long."),
        )
        .parameter(
            Parameter::number("steps", 10.0)
                .unit("reports")
                .min(1)
                .max(1e6)
                .doc("How many of its reports a rank must be behind the others for a warning."),
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
        vec![Interest::rows(), Interest::metric("step_time")]
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        let mut at = 0;
        let rows = batch.steps.iter().zip(batch.times).zip(batch.ranks);
        for (row, ((&step, &time), &rank)) in (0..).zip(rows) {
            if rank == NO_RANK {
                continue;
            }
            match self.state.watch.row(&self.settings, rank, step, time) {
                Distance::Nothing => {}
                seen => findings.extend(self.distance(row, rank, step, seen)),
            }
            while let Some(point) = batch.point(at).filter(|point| point.row <= row) {
                at += 1;
                if point.row == row {
                    self.step_time(&point, findings);
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

impl Straggler {
    fn distance(&mut self, row: u32, rank: u32, step: i64, seen: Distance) -> Option<Finding> {
        let behind = &mut self.state.behind;
        match seen {
            Distance::Nothing => None,
            Distance::Behind(steps) => {
                let report = behind.join(Severity::Warning);
                report.then(|| is_behind(row, rank, step, steps))
            }
            Distance::Over => behind.leave().then(|| caught_up(row, step)),
        }
    }

    fn step_time(&mut self, point: &Point, findings: &mut Vec<Finding>) {
        let State { watch, slow, .. } = &mut self.state;
        let seen = watch.step_time(&self.settings, point.rank, point.step, point.value);
        if seen.is_empty() {
            return;
        }
        findings.extend(seen.into_iter().filter_map(|(rank, pace)| match pace {
            Pace::Nothing => None,
            Pace::Slow(it) => slow.join(it.severity).then(|| is_slow(point, rank, &it)),
            Pace::Worse(it) => slow.raise(it.severity).then(|| is_slow(point, rank, &it)),
            Pace::Over => slow.leave().then(|| as_fast(point)),
        }));
    }
}

fn is_slow(point: &Point, rank: u32, slow: &Slow) -> Finding {
    let rise = percent(slow.rise);
    Finding::firing(SLOW, slow.severity, point.row)
        .title(format!("Rank {rank} is {rise} slower than the others"))
        .message(format!(
            "The median step time of rank {rank} is {} up to step {}; the median of {} compared is {}. \
             All of them wait for the slowest.",
            number(slow.level),
            point.step,
            count(slow.ranks, "rank"),
            number(slow.peers),
        ))
        .recommendation(
            "Look at that rank's GPU and node: clocks, temperature, power limit (`nvidia-smi -q -d \
             PERFORMANCE`), ECC and Xid errors (`dmesg`), other jobs, a slow link or disk, uneven data. \
             If it does not pass, exclude the node and restart from the last checkpoint.",
        )
        .value("step_time", slow.level)
        .value("peers", slow.peers)
        .value("rise", slow.rise)
        .value("rank", f64::from(rank))
}

fn as_fast(point: &Point) -> Finding {
    Finding::resolved(SLOW, point.row)
        .title("No rank is slower than the others")
        .message(format!(
            "At step {} all ranks take about the same time again.",
            point.step
        ))
}

fn is_behind(row: u32, rank: u32, step: i64, steps: i64) -> Finding {
    Finding::warning(BEHIND, row)
        .title(format!("Rank {rank} is {steps} steps behind"))
        .message(format!(
            "Rank {rank} is at step {step}, {steps} steps behind most others, and was about as far behind in \
             its last reports; usually it is not."
        ))
        .recommendation(
            "If the ranks train together, they should be at one step: look whether that process restarted \
             on its own, whether it still takes part in the collectives (`py-spy dump`), or whether only \
             its log is late (a full disk, slow shared storage). If the ranks work on their own, look for \
             what slows it: GPU clocks, its data, other jobs on the node.",
        )
        .value("steps", steps as f64)
        .value("rank", f64::from(rank))
}

fn caught_up(row: u32, step: i64) -> Finding {
    Finding::resolved(BEHIND, row)
        .title("No rank is behind the others")
        .message(format!(
            "At step {step} all ranks are near each other again."
        ))
}

export!(Straggler);

#[cfg(test)]
mod tests;
