//! What is in an input, in one table.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use crate::cli::output::{count, grouped, number};
use crate::decode::{Tally, formats};
use crate::record::{MetricId, NO_RANK, RunBatch, RunId, Segment, Text};

/// The most incidents that are listed.
const LISTED: usize = 20;

/// Collects the records of one input.
#[derive(Debug, Default)]
pub(super) struct Summary {
    runs: BTreeMap<RunId, Run>,
    /// In the order of the metrics' first appearance.
    metrics: BTreeMap<MetricId, Metric>,
    incidents: Vec<Incident>,
    /// Incidents that are not listed.
    more: u64,
}

#[derive(Debug)]
struct Run {
    name: String,
    records: u64,
    first: i64,
    last: i64,
    ranks: BTreeSet<u32>,
}

#[derive(Debug)]
struct Metric {
    name: String,
    count: u64,
    first: f64,
    last: f64,
    min: f64,
    max: f64,
    not_finite: u64,
}

#[derive(Debug)]
struct Incident {
    line: u64,
    what: String,
}

impl Summary {
    pub(super) fn add(&mut self, segment: &Segment) {
        for batch in &segment.batches {
            self.batch(segment, batch);
        }
    }

    fn batch(&mut self, segment: &Segment, batch: &RunBatch) {
        let (Some(&first), Some(&last)) = (batch.steps.first(), batch.steps.last()) else {
            return;
        };
        let run = self.runs.entry(batch.run).or_insert_with(|| Run {
            name: segment.runs[batch.run as usize].run.to_string(),
            records: 0,
            first,
            last,
            ranks: BTreeSet::new(),
        });
        // An exception or an event has a row of its own, and is no record.
        let texts = batch.texts.iter().filter(|text| text.kind != "label");
        let evaluations = batch.places.iter().filter(|place| place.evaluation);
        let aside = texts.count() + evaluations.count();
        run.records += (batch.len() - aside.min(batch.len())) as u64;
        run.last = last;
        run.ranks
            .extend(batch.ranks.iter().filter(|rank| **rank != NO_RANK));
        for value in &batch.values {
            let metric = self.metrics.entry(value.metric).or_insert_with(|| Metric {
                name: segment.metrics[value.metric as usize].source.to_string(),
                count: 0,
                first: value.value,
                last: value.value,
                min: f64::INFINITY,
                max: f64::NEG_INFINITY,
                not_finite: 0,
            });
            metric.count += 1;
            metric.last = value.value;
            if value.value.is_finite() {
                metric.min = metric.min.min(value.value);
                metric.max = metric.max.max(value.value);
                continue;
            }
            metric.not_finite += 1;
            if metric.not_finite == 1 {
                let (name, row) = (&metric.name, value.row as usize);
                let what = format!("`{name}` is {} at step {}", value.value, batch.steps[row]);
                let line = batch.places[row].line;
                self.incident(line, what);
            }
        }
        for text in batch.texts.iter().filter(|text| text.kind != "label") {
            self.incident(batch.places[text.row as usize].line, said(text));
        }
    }

    fn incident(&mut self, line: u64, what: String) {
        if self.incidents.len() < LISTED {
            self.incidents.push(Incident { line, what });
        } else {
            self.more += 1;
        }
    }

    pub(super) fn write(&self, input: &str, tally: &Tally, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{input}")?;
        write_formats(tally, out)?;
        let (records, lines) = (tally.records, tally.lines);
        write!(out, "  records  {}", grouped(records))?;
        if lines > 0 {
            write!(out, " in {}", count(lines, "line", "lines"))?;
        }
        if tally.evaluations > 0 {
            let evaluations = count(tally.evaluations, "evaluation", "evaluations");
            write!(out, ", and {evaluations}")?;
        }
        writeln!(out)?;
        write_skipped(tally, out)?;
        for run in self.runs.values() {
            write!(out, "  run      {}: ", run.name)?;
            write!(out, "{}", count(run.records, "record", "records"))?;
            write!(out, ", steps {} to {}", run.first, run.last)?;
            if !run.ranks.is_empty() {
                let ranks: Vec<String> = run.ranks.iter().map(u32::to_string).collect();
                write!(out, ", ranks {}", ranks.join(" "))?;
            }
            writeln!(out)?;
        }
        self.write_metrics(out)?;
        // A traceback is complete only after what was printed meanwhile.
        let mut incidents: Vec<&Incident> = self.incidents.iter().collect();
        incidents.sort_by_key(|incident| incident.line);
        for Incident { line, what } in incidents {
            writeln!(out, "  incident line {line}: {what}")?;
        }
        if self.more > 0 {
            writeln!(out, "  incident and {} more", grouped(self.more))?;
        }
        Ok(())
    }

    fn write_metrics(&self, out: &mut impl Write) -> io::Result<()> {
        if self.metrics.is_empty() {
            return Ok(());
        }
        let names = self
            .metrics
            .values()
            .map(|metric| metric.name.chars().count());
        let width = names.max().unwrap_or(0).max("metric".len());
        writeln!(
            out,
            "  {:width$} {:>9} {:>12} {:>12} {:>12} {:>12} {:>10}",
            "metric", "values", "first", "last", "min", "max", "not finite"
        )?;
        for metric in self.metrics.values() {
            writeln!(
                out,
                "  {:width$} {:>9} {:>12} {:>12} {:>12} {:>12} {:>10}",
                metric.name,
                grouped(metric.count),
                number(metric.first),
                number(metric.last),
                extreme(metric.min),
                extreme(metric.max),
                match metric.not_finite {
                    0 => "-".to_owned(),
                    some => grouped(some),
                },
            )?;
        }
        Ok(())
    }
}

/// Which formats, and by which line each was recognised.
fn write_formats(tally: &Tally, out: &mut impl Write) -> io::Result<()> {
    if tally.formats.is_empty() {
        return writeln!(
            out,
            "  format   none recognised (`runwatch decode --list` names all)"
        );
    }
    for known in &tally.formats {
        let title = formats()
            .find(|about| about.name == known.name)
            .map_or("", |about| about.title);
        writeln!(
            out,
            "  format   {} ({title}): {} from line {} on",
            known.name,
            count(known.records, "record", "records"),
            known.line
        )?;
    }
    Ok(())
}

fn write_skipped(tally: &Tally, out: &mut impl Write) -> io::Result<()> {
    let reasons = [
        (tally.malformed, "malformed"),
        (tally.too_long, "too long and cut"),
        (tally.refused_fields, "fields beyond max-metrics"),
        (tally.refused_records, "records beyond max-runs"),
    ];
    for (number, what) in reasons.into_iter().filter(|(number, _)| *number > 0) {
        writeln!(out, "  skipped  {} {what}", grouped(number))?;
    }
    if let Some((line, problem)) = &tally.first_malformed {
        writeln!(out, "           line {line}: {problem}")?;
    }
    Ok(())
}

fn said(text: &Text) -> String {
    let content = text.content.lines().next().unwrap_or_default();
    match content {
        "" => text.name.clone(),
        content => format!("{}: {content}", text.name),
    }
}

/// The least or greatest of the finite values, if there were any.
fn extreme(value: f64) -> String {
    if value.is_finite() {
        number(value)
    } else {
        "-".to_owned()
    }
}
