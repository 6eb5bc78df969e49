//! Multiplies the shapes of real incidents onto random places of healthy runs,
//! and measures how many are found and how soon.
//!
//! The shapes are the labelled excerpts, as ratios to the loss before them; after
//! their last row they fade to 1 as an exponential (invented). Slow rises are
//! linear, and stay.

use std::collections::BTreeMap;

use runwatch_detector::Severity;
use runwatch_detector::testing::{Noise, Row};

use crate::labelled::{Player, excerpts};

/// Places per shape and run.
const PLACES: usize = 4;
/// Rows before the place, for every warm-up, and after it.
const BEFORE: usize = 400;
const AFTER: usize = 1000;
/// Rows after which a shape has faded to 1 / e.
const FADE: f64 = 20.0;

struct Shape {
    name: String,
    ratios: Vec<f64>,
    fades: bool,
}

impl Shape {
    fn slow(rise: f64, rows: usize) -> Self {
        Self {
            name: format!("+{:.0} % over {rows} rows", rise * 100.0),
            ratios: (0..=rows)
                .map(|at| 1.0 + rise * at as f64 / rows as f64)
                .collect(),
            fades: false,
        }
    }

    fn at(&self, row: usize) -> f64 {
        let last = self.ratios.last().copied().unwrap_or(1.0);
        match self.ratios.get(row) {
            Some(ratio) => *ratio,
            None if self.fades => {
                let after = (row - self.ratios.len()) as f64;
                1.0 + (last - 1.0) * (-after / FADE).exp()
            }
            None => last,
        }
    }
}

pub(crate) fn splice(labels: &str, folder: &str, players: &[Player]) -> Result<(), String> {
    let shapes = excerpts(labels, folder)?.into_iter();
    let mut shapes: Vec<Shape> = shapes
        .map(|(name, ratios)| Shape {
            name,
            ratios,
            fades: true,
        })
        .collect();
    shapes.extend(
        [(0.10, 100), (0.26, 425), (0.15, 300), (1.0, 425)]
            .map(|(rise, rows)| Shape::slow(rise, rows)),
    );
    let runs = crate::labelled::healthy(labels, folder)?;
    let runs: Vec<_> = runs
        .iter()
        .filter(|run| run.1.len() > BEFORE + AFTER && has_loss(&run.1))
        .collect();
    for shape in &shapes {
        let mut noise = Noise::new(1);
        let mut latencies = Vec::new();
        let mut by_player = vec![0; players.len()];
        let mut spliced = 0;
        let mut missed: BTreeMap<&str, usize> = BTreeMap::new();
        for (name, run) in runs.iter().flat_map(|run| [run; PLACES]) {
            let room = (run.len() - BEFORE - AFTER) as f64;
            let from = (noise.uniform() * room) as usize;
            let part = with(shape, &run[from..from + BEFORE + AFTER]);
            spliced += 1;
            let first = |play: &Player| {
                let alerts = play.1(&part).into_iter();
                let mut hits =
                    alerts.filter(|it| it.severity >= Severity::Warning && it.row >= BEFORE);
                hits.next().map(|it| it.row - BEFORE)
            };
            let found: Vec<Option<usize>> = players.iter().map(first).collect();
            for (count, found) in by_player.iter_mut().zip(&found) {
                *count += usize::from(found.is_some());
            }
            let soonest = found.into_iter().flatten().min();
            if soonest.is_none() {
                *missed.entry(name).or_default() += 1;
            }
            latencies.extend(soonest);
        }
        latencies.sort_unstable();
        let quantile = |part: usize| latencies.get(latencies.len() * part / 100);
        let share = latencies.len() as f64 / f64::from(spliced);
        println!(
            "{}: {share:.3} of {spliced}, rows p50 {:?} p95 {:?}; {:?}; missed {missed:?}",
            shape.name,
            quantile(50),
            quantile(95),
            players
                .iter()
                .map(|it| it.0)
                .zip(by_player)
                .collect::<Vec<_>>(),
        );
    }
    Ok(())
}

fn has_loss(run: &[Row]) -> bool {
    run.iter()
        .any(|row| row.metrics.iter().any(|it| it.0 == "loss"))
}

fn with(shape: &Shape, run: &[Row]) -> Vec<Row> {
    let mut run = run.to_vec();
    for (at, row) in run.iter_mut().skip(BEFORE).enumerate() {
        for (_, value) in row.metrics.iter_mut().filter(|it| it.0 == "loss") {
            *value *= shape.at(at);
        }
    }
    run
}
