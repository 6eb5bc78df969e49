//! What a detector costs on a healthy synthetic stream, by size of batch.
//!
//! The stream has what the detector asks for, and the detector is called
//! directly: no line is decoded and no finding judged.

use std::time::Instant;

use anyhow::{Result, anyhow};
use serde::Serialize;

use crate::config;
use crate::describe::Interest;
use crate::detect::{Guest, GuestSource as _};
use crate::record::NO_RANK;
use crate::sandbox::bindings::types::Text;
use crate::sandbox::instance::{Columns, Series};
use crate::sandbox::{Component, Fault};

/// The sizes of batches: a job that prints slowly, one that prints fast, and a
/// review.
pub const BATCHES: [usize; 3] = [1, 32, 1024];

/// Every so many rows there is a text, for a detector that asks for texts.
const ROWS_PER_TEXT: usize = 10;

/// What a stream cost in batches of one size.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// Rows in each call.
    pub batch: usize,
    /// Calls of `observe`.
    pub calls: u64,
    /// Rows.
    pub rows: u64,
    /// Values and texts.
    pub points: u64,
    /// Nanoseconds that the calls took.
    pub nanos: u64,
    /// Units of fuel that the calls used.
    pub fuel: u64,
    /// Findings: healthy noise should have none.
    pub findings: u64,
    /// The most bytes of memory.
    pub memory: usize,
}

impl Cost {
    /// A number by point; by row if the detector asks for no points.
    #[must_use]
    pub fn each(&self, number: u64) -> f64 {
        let points = match self.points {
            0 => self.rows,
            points => points,
        };
        number as f64 / points.max(1) as f64
    }
}

/// A stream that is made up.
struct Stream {
    /// The metrics, by index: the name, and whether only its first value is
    /// wanted.
    metrics: Vec<(String, bool)>,
    /// Kind, name and content of texts, which come in turn.
    texts: Vec<(&'static str, String, String)>,
}

/// Measures a component on `rows` rows in batches of `batch`: its time in an
/// engine as watches have it, its fuel in one that is metered.
///
/// # Errors
/// When it does not start, or fails on the way.
pub fn measure(timed: &Component, metered: &Component, batch: usize, rows: usize) -> Result<Cost> {
    let time = run(timed, batch, rows)?;
    let fuel = run(metered, batch, rows)?;
    Ok(Cost {
        fuel: fuel.fuel,
        ..time
    })
}

/// What the stream has for a detector, in words.
///
/// # Errors
/// When it does not start.
pub fn asked(component: &Component) -> Result<Vec<String>> {
    let mut guest = open(component)?;
    let wishes = guest.interests(0)?;
    let stream = Stream::of(&wishes);
    let metrics = stream.metrics.iter().map(|(name, _)| format!("`{name}`"));
    let texts = stream
        .texts
        .iter()
        .map(|(kind, name, _)| format!("{kind} `{name}`"));
    Ok(metrics.chain(texts).collect())
}

fn open(component: &Component) -> Result<Box<dyn Guest>> {
    let parameters = config::resolve(&component.description, &[])?;
    let facts = [
        ("project", "bench"),
        ("run", "bench"),
        ("host", "localhost"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut guest = component.start()?;
    guest
        .open(0, &facts, &parameters)?
        .map_err(|refusal| anyhow!("it refuses its own defaults: {refusal}"))?;
    Ok(guest)
}

fn run(component: &Component, batch: usize, rows: usize) -> Result<Cost> {
    let mut guest = open(component)?;
    let wishes = guest.interests(0)?;
    let stream = Stream::of(&wishes);
    stream.define(guest.as_mut())?;
    let mut chance = fastrand::Rng::with_seed(1);
    let mut cost = Cost {
        batch,
        calls: 0,
        rows: 0,
        points: 0,
        nanos: 0,
        fuel: 0,
        findings: 0,
        memory: 0,
    };
    let fuel = guest.fuel();
    let every_row = wishes.iter().any(|wish| wish.kind == "row");
    for from in (0..rows).step_by(batch.max(1)) {
        let part = stream.rows(from, (from + batch.max(1)).min(rows), &mut chance);
        if part.values.is_empty() && part.texts.is_empty() && !every_row {
            // As in a watch: what concerns nobody is no call.
            continue;
        }
        let begin = Instant::now();
        let found = guest.observe(0, &part.columns())?;
        cost.nanos += u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        cost.calls += 1;
        cost.rows += part.steps.len() as u64;
        cost.points += (part.values.len() + part.texts.len()) as u64;
        cost.findings += found.len() as u64;
    }
    cost.fuel = guest.fuel().saturating_sub(fuel);
    cost.memory = guest.memory();
    Ok(cost)
}

/// Some rows of the stream; see [`Columns`].
#[derive(Default)]
struct Part {
    steps: Vec<i64>,
    times: Vec<f64>,
    ranks: Vec<u32>,
    indices: Vec<u32>,
    rows: Vec<u32>,
    values: Vec<f64>,
    texts: Vec<Text>,
}

impl Part {
    fn columns(&self) -> Columns<'_> {
        Columns {
            steps: &self.steps,
            times: &self.times,
            ranks: &self.ranks,
            indices: &self.indices,
            rows: &self.rows,
            values: &self.values,
            texts: &self.texts,
        }
    }
}

impl Stream {
    fn of(wishes: &[Interest]) -> Self {
        let mut stream = Self {
            metrics: Vec::new(),
            texts: Vec::new(),
        };
        for wish in wishes {
            // What matches a pattern, if its `*` stands for a name.
            let name = wish.pattern.replace('*', "made-up");
            let edges = wish
                .options
                .iter()
                .any(|(name, value)| name == "values" && value == "edges");
            match wish.kind.as_str() {
                "metric" => match stream.metrics.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, only)) => *only &= edges,
                    None => stream.metrics.push((name, edges)),
                },
                "label" => stream.texts.push(("label", name, "healthy".to_owned())),
                "text" => {
                    let line = format!("a line with {} in it", wish.pattern);
                    stream.texts.push(("text", wish.pattern.clone(), line));
                }
                // Exceptions and events are no part of a healthy stream.
                _ => {}
            }
        }
        stream
    }

    fn define(&self, guest: &mut dyn Guest) -> Result<(), Fault> {
        let series: Vec<Series<'_>> = self
            .metrics
            .iter()
            .zip(0..)
            .map(|((name, _), index)| Series {
                index,
                name,
                source: name,
            })
            .collect();
        guest.define(0, &series)
    }

    /// Rows `from..to`: a second apart, each with every metric.
    fn rows(&self, from: usize, to: usize, chance: &mut fastrand::Rng) -> Part {
        let mut part = Part::default();
        for (row, number) in (from..to).enumerate() {
            let row = row as u32;
            part.steps.push(number as i64);
            part.times.push(1.7e9 + number as f64);
            part.ranks.push(NO_RANK);
            for (index, (_, edges)) in self.metrics.iter().enumerate() {
                if *edges && number > 0 {
                    continue;
                }
                part.indices.push(index as u32);
                part.rows.push(row);
                part.values.push(1.0 + 0.02 * (chance.f64() - 0.5));
            }
            if number % ROWS_PER_TEXT == 0 && !self.texts.is_empty() {
                let turn = number / ROWS_PER_TEXT % self.texts.len();
                if let Some((kind, name, content)) = self.texts.get(turn) {
                    part.texts.push(Text {
                        row,
                        kind: (*kind).to_owned(),
                        name: name.clone(),
                        content: content.clone(),
                        fields: Vec::new(),
                    });
                }
            }
        }
        part
    }
}
