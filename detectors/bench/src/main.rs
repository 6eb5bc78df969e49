//! Runs the built-in detectors natively over real or made-up runs.
//!
//!     cargo run --release -p bench -- cost [FILE.csv …]
//!     cargo run --release -p bench -- replay FILE.csv …
//!     cargo run --release -p bench -- pickup FILE.csv …
//!     cargo run --release -p bench -- splice LABELS.jsonl FOLDER
//!
//! `cost` prints nanoseconds per point, `replay` every finding, `pickup` what is
//! raised on healthy logs that begin in the middle, `splice` how many incidents
//! put into healthy runs are found, and how soon. A file has a header; its
//! column `step` counts the rows, `rank` and `unix_time` are what they say, the
//! others are metrics; an empty cell is "not logged".

use std::time::Instant;

use advantage_variance::AdvantageVariance;
use clip_fraction::ClipFraction;
use data_stall::DataStall;
use divergence::Divergence;
use entropy_collapse::EntropyCollapse;
use gate_collapse::GateCollapse;
use grad_norm::GradNorm;
use heartbeat::Heartbeat;
use kl_explosion::KlExplosion;
use length_explosion::LengthExplosion;
use loss_flatline::LossFlatline;
use loss_spike::LossSpike;
use lr_schedule::LrSchedule;
use non_finite::NonFinite;
use outlier::Outlier;
use overfit::Overfit;
use plateau::Plateau;
use reward_collapse::RewardCollapse;
use reward_drift::RewardDrift;
use reward_hacking::RewardHacking;
use runwatch_detector::testing::{Harness, Noise, Row};
use runwatch_detector::{Batch, Detector, NO_RANK, NO_ROW, Series, State};
use straggler::Straggler;
use throughput::Throughput;

mod labelled;
mod splice;

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
        "cost" if files.is_empty() => {
            cost::<LossSpike>("made up", "loss", &healthy("loss", 0.02))?;
            cost::<Divergence>("made up", "loss", &healthy("loss", 0.02))?;
            cost::<Plateau>("made up", "loss", &healthy("loss", 0.02))?;
            cost::<LossFlatline>("made up", "loss", &healthy("loss", 0.02))?;
            cost::<LrSchedule>("made up", "lr", &healthy("lr", 0.0))?;
            cost::<GradNorm>("made up", "grad_norm", &healthy("grad_norm", 0.1))?;
            cost::<Throughput>("made up", "step_time", &healthy("step_time", 0.02))?;
            cost::<Heartbeat>("made up", "step_time", &healthy("step_time", 0.02))?;
            cost::<Straggler>("made up", "step_time", &healthy("step_time", 0.02))?;
            cost::<DataStall>("made up", "data_time", &healthy("data_time", 0.02))?;
            cost::<Outlier>("made up", "anything", &healthy("anything", 0.1))?;
            cost::<KlExplosion>("made up", "kl", &healthy("kl", 0.5))?;
            cost::<AdvantageVariance>("made up", "advantage_std", &healthy("advantage_std", 0.1))?;
            cost::<RewardHacking>("made up", "reward_mean", &healthy("reward_mean", 0.1))?;
            cost::<RewardDrift>("made up", "reward_mean", &healthy("reward_mean", 0.1))
        }
        "cost" => files.iter().try_for_each(|file| {
            let run = read(file)?;
            cost::<LossSpike>(file, "loss", &run)?;
            cost::<GradNorm>(file, "grad_norm", &run)
        }),
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

/// What `replay` runs, beside the heartbeat, which needs a clock.
const REPLAYS: &[fn(&str, &Run) -> Result<(), String>] = &[
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

/// Something that falls as in training, with noise.
fn healthy(name: &str, sd: f64) -> Run {
    let mut noise = Noise::new(1);
    let falls = |step: i64| 2.0 + 8.0 / (1.0 + step as f64 / 500.0);
    let mut value = |step| falls(step) * (1.0 + sd * noise.normal());
    (0..100_000)
        .map(|step| Row::new(step, &[(name, value(step))]))
        .collect()
}

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

fn cost<D: Detector>(file: &str, metric: &str, run: &Run) -> Result<(), String> {
    let of = |row: &Row| {
        row.metrics
            .iter()
            .find(|(name, _)| name == metric)
            .map(|found| found.1)
    };
    let (steps, values): (Vec<i64>, Vec<f64>) = run
        .iter()
        .filter_map(|row| Some((row.step, of(row)?)))
        .unzip();
    let rows = steps.len();
    let series = [Series {
        index: 0,
        name: metric.to_owned(),
        source: metric.to_owned(),
    }];
    let (times, ranks, indices) = (vec![f64::NAN; rows], vec![NO_RANK; rows], vec![0; rows]);
    let places: Vec<u32> = (0..1024).collect();
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let mut detector = Harness::<D>::new()?.detector;
        let mut findings = Vec::new();
        let start = Instant::now();
        for from in (0..rows).step_by(1024) {
            let part = from..rows.min(from + 1024);
            let batch = Batch {
                steps: &steps[part.clone()],
                times: &times[part.clone()],
                ranks: &ranks[part.clone()],
                indices: &indices[part.clone()],
                rows: &places[..part.len()],
                values: &values[part],
                texts: &[],
                series: &series,
            };
            detector.observe(&batch, &mut findings);
        }
        best = best.min(start.elapsed().as_secs_f64() / rows as f64 * 1e9);
    }
    if rows > 0 {
        let file = file.rsplit('/').next().unwrap_or(file);
        println!("{file} {metric}: {rows} points, {best:.1} ns a point");
    }
    Ok(())
}
