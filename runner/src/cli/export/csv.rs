//! CSV as RFC 4180 has it: a row per record, a column per metric.

use std::io::{self, Write};

use jiff::Timestamp;

use super::{Writer, number};
use crate::ledger::history::{Cell, Mark, Span, Stretch};

/// Writes a table that is as wide as there are metrics.
pub(super) struct Wide<'a, W> {
    out: &'a mut W,
    metrics: usize,
}

impl<'a, W: Write> Wide<'a, W> {
    pub(super) fn new(out: &'a mut W, metrics: &[String]) -> io::Result<Self> {
        let known = ["project", "run", "step", "time", "rank"];
        let names = known.into_iter().chain(metrics.iter().map(String::as_str));
        line(out, names)?;
        Ok(Self {
            out,
            metrics: metrics.len(),
        })
    }

    fn row(&mut self, run: &Span, mark: Mark, cells: &[Cell<'_>]) -> io::Result<()> {
        let mut row = vec![String::new(); 5 + self.metrics];
        let known = [
            run.project.clone(),
            run.run.clone(),
            mark.step.to_string(),
            mark.time.and_then(moment).unwrap_or_default(),
            mark.rank.map_or_else(String::new, |rank| rank.to_string()),
        ];
        let cells = cells
            .iter()
            .map(|(metric, values)| (metric + 5, cell(values)));
        for (at, text) in known.into_iter().enumerate().chain(cells) {
            if let Some(place) = row.get_mut(at) {
                *place = text;
            }
        }
        line(self.out, row.iter().map(String::as_str))
    }
}

impl<W: Write> Writer for Wide<'_, W> {
    fn add(&mut self, run: &Span, stretch: &Stretch) -> io::Result<()> {
        stretch.each_row(|mark, cells| self.row(run, mark, cells))
    }

    fn end(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

/// RFC 3339 in UTC, to the microsecond.
fn moment(seconds: f64) -> Option<String> {
    let time = Timestamp::from_microsecond((seconds * 1e6).round() as i64).ok()?;
    Some(time.to_string())
}

/// A value, or the samples of a step as a list.
fn cell(values: &[f64]) -> String {
    match values {
        [one] => number(*one),
        many => {
            let many: Vec<String> = many.iter().map(|value| number(*value)).collect();
            format!("[{}]", many.join(","))
        }
    }
}

/// Writes a line of these cells.
pub(super) fn line<'a>(
    out: &mut impl Write,
    cells: impl Iterator<Item = &'a str>,
) -> io::Result<()> {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        if cell.contains([',', '"', '\r', '\n']) {
            write!(out, "\"{}\"", cell.replace('"', "\"\""))?;
        } else {
            out.write_all(cell.as_bytes())?;
        }
    }
    out.write_all(b"\r\n")
}
