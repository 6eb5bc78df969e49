//! JSON lines: a record each, as `runwatch import` reads them.

use std::io::{self, Write};

use serde::Serialize;
use serde::ser::SerializeMap;

use super::Writer;
use crate::ledger::history::{Cell, Mark, Span, Stretch};
use crate::view::Number;

/// Writes records.
pub(super) struct Lines<'a, W> {
    out: &'a mut W,
    names: &'a [String],
}

impl<'a, W: Write> Lines<'a, W> {
    pub(super) fn new(out: &'a mut W, names: &'a [String]) -> Self {
        Self { out, names }
    }
}

impl<W: Write> Writer for Lines<'_, W> {
    fn add(&mut self, run: &Span, stretch: &Stretch) -> io::Result<()> {
        stretch.each_row(|mark, cells| {
            let Mark { step, time, rank } = mark;
            let record = Record {
                project: &run.project,
                run: &run.run,
                step,
                time,
                rank,
                metrics: Metrics(self.names, cells),
            };
            serde_json::to_writer(&mut *self.out, &record)?;
            self.out.write_all(b"\n")
        })
    }

    fn end(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Serialize)]
struct Record<'a> {
    project: &'a str,
    run: &'a str,
    step: i64,
    /// Seconds since 1970.
    time: Option<f64>,
    rank: Option<u32>,
    metrics: Metrics<'a>,
}

/// The metrics by name; samples of a step are a list.
struct Metrics<'a>(&'a [String], &'a [Cell<'a>]);

impl Serialize for Metrics<'_> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.1.len()))?;
        for (metric, values) in self.1 {
            let name = self.0.get(*metric).map_or("", String::as_str);
            match values {
                [one] => map.serialize_entry(name, &Number(*one))?,
                many => {
                    let many: Vec<Number> = many.iter().map(|value| Number(*value)).collect();
                    map.serialize_entry(name, &many)?;
                }
            }
        }
        map.end()
    }
}
