//! Runs the built-in detectors natively over real or made-up runs.
//!
//!     cargo run --release -p bench -- cost [FILE.csv …]
//!     cargo run --release -p bench -- replay FILE.csv …
//!
//! `cost` prints nanoseconds per point, `replay` every finding. A file has a
//! header; its column `step` counts the rows, the others are canonical metrics;
//! an empty cell is "not logged".

use std::time::Instant;

use advantage_variance::AdvantageVariance;
use entropy_collapse::EntropyCollapse;
use grad_norm::GradNorm;
use kl_explosion::KlExplosion;
use loss_spike::LossSpike;
use non_finite::NonFinite;
use reward_drift::RewardDrift;
use reward_hacking::RewardHacking;
use runwatch_detector::testing::{Harness, Noise, Row};
use runwatch_detector::{Batch, Detector, NO_RANK, NO_ROW, Series, State};
use throughput::Throughput;

type Run = Vec<Row>;

fn main() -> Result<(), String> {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().unwrap_or_default();
    let files: Vec<String> = arguments.collect();
    match task.as_str() {
        "cost" if files.is_empty() => {
            cost::<LossSpike>("made up", "loss", &healthy("loss", 0.02))?;
            cost::<GradNorm>("made up", "grad_norm", &healthy("grad_norm", 0.1))?;
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
            replay::<NonFinite>(file, &run)?;
            replay::<LossSpike>(file, &run)?;
            replay::<GradNorm>(file, &run)?;
            replay::<EntropyCollapse>(file, &run)?;
            replay::<Throughput>(file, &run)?;
            replay::<KlExplosion>(file, &run)?;
            replay::<RewardHacking>(file, &run)?;
            replay::<AdvantageVariance>(file, &run)?;
            replay::<RewardDrift>(file, &run)
        }),
        _ => Err("usage: bench cost [FILE.csv …] | bench replay FILE.csv …".to_owned()),
    }
}

/// Something that falls as in training, with noise.
fn healthy(name: &str, sd: f64) -> Run {
    let mut noise = Noise::new(1);
    let falls = |step: i64| 2.0 + 8.0 / (1.0 + step as f64 / 500.0);
    let mut value = |step| falls(step) * (1.0 + sd * noise.normal());
    (0..100_000)
        .map(|step| Row::new(step, &[(name, value(step))]))
        .collect()
}

fn read(path: &str) -> Result<Run, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let rows = lines.enumerate().map(|(at, line)| {
        let mut row = Row::new(at as i64, &[]);
        for (&name, cell) in header.iter().zip(line.split(',')) {
            match (name, cell.parse::<f64>()) {
                ("step", Ok(step)) => row.step = step as i64,
                (_, Ok(value)) => row.metrics.push((name.to_owned(), value)),
                _ => {}
            }
        }
        row
    });
    Ok(rows.collect())
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
