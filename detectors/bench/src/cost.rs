//! What the detectors cost: nanoseconds per row, of the numbers of that row
//! which each of them asked for. What reads only texts costs nothing here.

use std::time::Instant;

use runwatch_detector::testing::{Noise, Row};
use runwatch_detector::{Batch, Detector, Facts, Interest, Parameters, Series, glob};

use super::Run;
use super::detectors::*;

/// The metrics of a made-up row of a run that trains by reinforcement, and
/// their noise.
const METRICS: [(&str, f64); 25] = [
    ("loss", 0.02),
    ("policy_loss", 0.1),
    ("value_loss", 0.1),
    ("lr", 0.0),
    ("grad_norm", 0.1),
    ("entropy", 0.02),
    ("kl", 0.5),
    ("clip_fraction", 0.3),
    ("explained_variance", 0.1),
    ("reward_mean", 0.1),
    ("reward_std", 0.1),
    ("frac_reward_zero_std", 0.1),
    ("advantage_mean", 0.1),
    ("advantage_std", 0.1),
    ("response_length", 0.05),
    ("clipped_ratio", 0.1),
    ("accuracy", 0.05),
    ("gate_mean", 0.02),
    ("step_time", 0.02),
    ("data_time", 0.02),
    ("throughput", 0.02),
    ("tokens_seen", 0.0),
    ("gpu_memory", 0.0),
    ("gpu_utilization", 0.05),
    ("epoch", 0.0),
];
const ROWS: i64 = 20_000;
const CALL: usize = 1024;
const REPEATS: usize = 10;

/// Prints the cost of each detector over a file, or over a made-up run, and the
/// sum.
pub(crate) fn all(files: &[String]) -> Result<(), String> {
    if files.is_empty() {
        return of("made up", &healthy());
    }
    files
        .iter()
        .try_for_each(|file| of(file, &super::read(file)?))
}

fn of(file: &str, run: &Run) -> Result<(), String> {
    let file = file.rsplit('/').next().unwrap_or(file);
    let costs = [
        cost::<NonFinite>,
        cost::<LossSpike>,
        cost::<Divergence>,
        cost::<Plateau>,
        cost::<LossFlatline>,
        cost::<Overfit>,
        cost::<LrSchedule>,
        cost::<GradNorm>,
        cost::<Throughput>,
        cost::<DataStall>,
        cost::<Heartbeat>,
        cost::<Straggler>,
        cost::<EntropyCollapse>,
        cost::<KlExplosion>,
        cost::<RewardHacking>,
        cost::<RewardCollapse>,
        cost::<RewardDrift>,
        cost::<AdvantageVariance>,
        cost::<ClipFraction>,
        cost::<LengthExplosion>,
        cost::<GateCollapse>,
    ];
    let mut sum = 0.0;
    for cost in costs {
        sum += cost(file, run, &[])?;
    }
    println!("{file}: {sum:.0} ns a row, all together");
    // Off until somebody names metrics.
    cost::<Outlier>(file, run, &[("metrics", "loss")])?;
    Ok(())
}

/// Something that falls as in training, with noise.
fn healthy() -> Run {
    let mut noise = Noise::new(1);
    let falls = |step: i64| 2.0 + 8.0 / (1.0 + step as f64 / 500.0);
    let row = |step| {
        let values = METRICS.map(|(name, sd)| (name, falls(step) * (1.0 + sd * noise.normal())));
        Row::new(step, &values)
    };
    (0..ROWS).map(row).collect()
}

/// The numbers of a run that a detector asked for.
#[derive(Default)]
struct Columns {
    series: Vec<Series>,
    indices: Vec<u32>,
    rows: Vec<u32>,
    values: Vec<f64>,
    /// Where the values of each call begin.
    calls: Vec<usize>,
}

impl Columns {
    fn new(run: &Run, interests: &[Interest]) -> Self {
        let mut columns = Self::default();
        for (at, row) in run.iter().enumerate() {
            if at.is_multiple_of(CALL) {
                columns.calls.push(columns.values.len());
            }
            let wanted = row
                .metrics
                .iter()
                .filter(|(name, _)| wants(interests, name));
            for (name, value) in wanted {
                let index = columns.index(name);
                columns.indices.push(index);
                columns.rows.push((at % CALL) as u32);
                columns.values.push(*value);
            }
        }
        columns.calls.push(columns.values.len());
        columns
    }

    fn index(&mut self, name: &str) -> u32 {
        let known = self.series.iter().position(|it| it.name == name);
        let index = known.unwrap_or(self.series.len()) as u32;
        if known.is_none() {
            self.series.push(Series {
                index,
                name: name.to_owned(),
                source: name.to_owned(),
            });
        }
        index
    }
}

/// Of finite values there are no edges.
fn wants(interests: &[Interest], name: &str) -> bool {
    let mut interests = interests.iter();
    interests
        .any(|it| it.kind == "metric" && it.options.is_empty() && glob::matches(&it.pattern, name))
}

fn cost<D: Detector>(file: &str, run: &Run, set: &[(&str, &str)]) -> Result<f64, String> {
    let description = D::describe();
    let with = |all: Parameters, (name, value): &(&str, &str)| all.with(name, value);
    let parameters = set.iter().fold(description.defaults(), with);
    let open = || D::open(&Facts::default(), &parameters);
    let interests = open()?.interests();
    let columns = Columns::new(run, &interests);
    let (steps, times, ranks): (Vec<i64>, Vec<f64>, Vec<u32>) = run
        .iter()
        .map(|row| (row.step, row.time, row.rank))
        .collect();
    let every_row = interests.iter().any(|it| it.kind == "row");
    if columns.values.is_empty() && !every_row {
        return Ok(0.0);
    }
    let mut best = f64::INFINITY;
    for _ in 0..REPEATS {
        let (mut detector, mut findings) = (open()?, Vec::new());
        let start = Instant::now();
        for (call, places) in columns.calls.windows(2).enumerate() {
            let rows = call * CALL..run.len().min((call + 1) * CALL);
            let places = places[0]..places[1];
            let batch = Batch {
                steps: &steps[rows.clone()],
                times: &times[rows.clone()],
                ranks: &ranks[rows],
                indices: &columns.indices[places.clone()],
                rows: &columns.rows[places.clone()],
                values: &columns.values[places],
                texts: &[],
                series: &columns.series,
            };
            detector.observe(&batch, &mut findings);
        }
        best = best.min(start.elapsed().as_secs_f64() / run.len() as f64 * 1e9);
    }
    let metrics = columns.series.len();
    println!(
        "{file} {}: {best:.1} ns a row, {metrics} metrics",
        description.name
    );
    Ok(best)
}
