//! Runs the built-in detectors natively over real or made-up runs.
//!
//!     cargo run --release -p bench -- cost [FILE.csv …]
//!     cargo run --release -p bench -- replay FILE.csv …
//!     cargo run --release -p bench -- pickup FILE.csv …
//!     cargo run --release -p bench -- splice LABELS.jsonl FOLDER
//!
//! `cost` prints nanoseconds per row and their sum, `replay` every finding, `pickup` what is
//! raised on healthy logs that begin in the middle, `splice` how many incidents
//! put into healthy runs are found, and how soon. A file has a header; its
//! column `step` counts the rows, `rank` and `unix_time` are what they say, the
//! others are metrics; an empty cell is "not logged".

use runwatch_detector::testing::{Harness, Row};
use runwatch_detector::{Detector, NO_ROW, State};

mod cost;
mod labelled;
mod splice;

/// The types of the detectors.
mod detectors {
    pub(crate) use advantage_variance::AdvantageVariance;
    pub(crate) use clip_fraction::ClipFraction;
    pub(crate) use data_stall::DataStall;
    pub(crate) use divergence::Divergence;
    pub(crate) use entropy_collapse::EntropyCollapse;
    pub(crate) use gate_collapse::GateCollapse;
    pub(crate) use grad_norm::GradNorm;
    pub(crate) use heartbeat::Heartbeat;
    pub(crate) use kl_explosion::KlExplosion;
    pub(crate) use length_explosion::LengthExplosion;
    pub(crate) use loss_flatline::LossFlatline;
    pub(crate) use loss_spike::LossSpike;
    pub(crate) use lr_schedule::LrSchedule;
    pub(crate) use non_finite::NonFinite;
    pub(crate) use outlier::Outlier;
    pub(crate) use overfit::Overfit;
    pub(crate) use plateau::Plateau;
    pub(crate) use reward_collapse::RewardCollapse;
    pub(crate) use reward_drift::RewardDrift;
    pub(crate) use reward_hacking::RewardHacking;
    pub(crate) use straggler::Straggler;
    pub(crate) use throughput::Throughput;
}

use detectors::*;

type Run = Vec<Row>;

/// What `splice` runs.
const LOSSES: &[labelled::Player] = &[
    ("loss-spike", play::<LossSpike>),
    ("divergence", play::<Divergence>),
];

/// What `pickup` runs.
const PLAYERS: &[labelled::Player] = &[
    ("non-finite", play::<NonFinite>),
    ("loss-spike", play::<LossSpike>),
    ("grad-norm", play::<GradNorm>),
    ("entropy-collapse", play::<EntropyCollapse>),
    ("throughput", play::<Throughput>),
    ("divergence", play::<Divergence>),
    ("plateau", play::<Plateau>),
    ("loss-flatline", play::<LossFlatline>),
    ("overfit", play::<Overfit>),
    ("lr-schedule", play::<LrSchedule>),
];

const USAGE: &str = "usage: bench cost [FILE.csv …] | replay FILE.csv … | pickup FILE.csv … | \
                     splice LABELS.jsonl FOLDER";

fn main() -> Result<(), String> {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().unwrap_or_default();
    let files: Vec<String> = arguments.collect();
    match task.as_str() {
        "cost" => cost::all(&files),
        "replay" => files.iter().try_for_each(|file| {
            let run = read(file)?;
            REPLAYS.iter().try_for_each(|replay| replay(file, &run))?;
            listen(file, &run)
        }),
        "pickup" => labelled::pickup(&files, PLAYERS),
        "splice" => match files.as_slice() {
            [labels, folder] => splice::splice(labels, folder, LOSSES),
            _ => Err(USAGE.to_owned()),
        },
        _ => Err(USAGE.to_owned()),
    }
}

type Replay = fn(&str, &Run) -> Result<(), String>;

/// What `replay` runs, beside the heartbeat, which needs a clock.
const REPLAYS: &[Replay] = &[
    replay::<NonFinite>,
    replay::<LossSpike>,
    replay::<Divergence>,
    replay::<Plateau>,
    replay::<LossFlatline>,
    replay::<Overfit>,
    replay::<LrSchedule>,
    replay::<GradNorm>,
    replay::<Throughput>,
    replay::<DataStall>,
    replay::<Straggler>,
    replay::<EntropyCollapse>,
    replay::<KlExplosion>,
    replay::<RewardHacking>,
    replay::<AdvantageVariance>,
    replay::<RewardDrift>,
    replay::<RewardCollapse>,
    replay::<ClipFraction>,
    replay::<LengthExplosion>,
    replay::<GateCollapse>,
];

fn text(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

fn read(path: &str) -> Result<Run, String> {
    let text = text(path)?;
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let rows = lines.enumerate().map(|(at, line)| {
        let mut row = Row::new(at as i64, &[]);
        for (&name, cell) in header.iter().zip(line.split(',')) {
            match (name, cell.parse::<f64>()) {
                ("step", Ok(step)) => row.step = step as i64,
                ("rank", Ok(rank)) => row.rank = rank as u32,
                ("unix_time", Ok(time)) => row.time = time,
                (_, Ok(value)) => row.metrics.push((canonical(name).to_owned(), value)),
                _ => {}
            }
        }
        row
    });
    Ok(rows.collect())
}

/// Plays a run on its own clock, or as fast as its step times say, with the
/// ticks of its silences: one each second, from two minutes after a row on.
fn listen(file: &str, run: &Run) -> Result<(), String> {
    let mut harness = Harness::<Heartbeat>::new()?;
    let mut time = f64::NAN;
    for row in run {
        let next = match step_seconds(row) {
            _ if row.time.is_finite() => row.time,
            Some(seconds) if time.is_finite() => time + seconds,
            Some(seconds) => 1e9 + seconds,
            None => continue,
        };
        let mut findings = Vec::new();
        let mut now = time + 120.0;
        while now < next {
            findings.append(&mut harness.tick(now));
            now += 1.0;
        }
        time = next.max(time);
        findings.append(&mut harness.play(&[row.clone().at(next)], 1));
        for finding in findings {
            println!("{file} {} heartbeat {}", row.step, finding.title);
        }
    }
    Ok(())
}

/// No column says its unit; whoever prints more than 120 prints milliseconds,
/// but for the largest jobs.
fn step_seconds(row: &Row) -> Option<f64> {
    let (_, time) = row.metrics.iter().find(|(name, _)| name == "step_time")?;
    let unit = if *time > 120.0 { 1e-3 } else { 1.0 };
    Some(time * unit).filter(|time| time.is_finite())
}

/// The canonical name of a column of the usual files.
fn canonical(column: &str) -> &str {
    match column {
        "step_s" | "step_ms" => "step_time",
        "tok_s" | "samples_s" => "throughput",
        "data_s" => "data_time",
        "learning_rate" => "lr",
        other => other,
    }
}

fn replay<D: Detector>(file: &str, run: &Run) -> Result<(), String> {
    let name = D::describe().name;
    for finding in Harness::<D>::new()?.play(run, 1024) {
        let step = if finding.row == NO_ROW {
            0
        } else {
            run[finding.row as usize].step
        };
        let severity = match finding.state {
            State::Firing => finding.severity.name(),
            State::Resolved => "resolved",
        };
        let file = file.rsplit('/').next().unwrap_or(file);
        println!(
            "{file} {step} {name} {severity} {}: {}",
            finding.title, finding.message
        );
    }
    Ok(())
}

fn play<D: Detector>(run: &[Row]) -> Vec<labelled::Alert> {
    let findings = Harness::<D>::new().map_or(Vec::new(), |mut it| it.play(run, 1024));
    let fired = findings
        .into_iter()
        .filter(|it| it.state == State::Firing && it.row != NO_ROW);
    fired
        .map(|it| labelled::Alert {
            row: it.row as usize,
            severity: it.severity,
        })
        .collect()
}
