//! Records as strict JSON, one a line.

use std::io::{self, Write};

use serde::Serialize;
use serde::ser::SerializeMap;

use crate::record::{RunBatch, Segment, Text, Value, known_rank};

/// Writes the records of a segment in the order of the input.
pub(crate) fn write(segment: &Segment, out: &mut impl Write) -> io::Result<()> {
    let mut rows: Vec<Record<'_>> = Vec::with_capacity(segment.rows as usize);
    for batch in &segment.batches {
        let (mut values, mut texts) = (batch.values.as_slice(), batch.texts.as_slice());
        for row in 0..batch.len() {
            let of_row = |at: u32| at as usize == row;
            let (own, rest) = split(values, |value: &Value| of_row(value.row));
            let (own_texts, rest_texts) = split(texts, |text: &Text| of_row(text.row));
            (values, texts) = (rest, rest_texts);
            rows.push(Record {
                segment,
                batch,
                row,
                values: own,
                texts: own_texts,
            });
        }
    }
    rows.sort_by_key(|record| record.batch.places[record.row].order);
    for record in rows {
        serde_json::to_writer(&mut *out, &record)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// The items at the beginning that belong, and the others.
fn split<T>(items: &[T], belongs: impl Fn(&T) -> bool) -> (&[T], &[T]) {
    let end = items.iter().position(|item| !belongs(item));
    items.split_at(end.unwrap_or(items.len()))
}

struct Record<'a> {
    segment: &'a Segment,
    batch: &'a RunBatch,
    row: usize,
    values: &'a [Value],
    texts: &'a [Text],
}

impl Serialize for Record<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            segment,
            batch,
            row,
            ..
        } = *self;
        let run = &segment.runs[batch.run as usize];
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("input", &*segment.input)?;
        map.serialize_entry("line", &batch.places[row].line)?;
        map.serialize_entry("project", &*run.project)?;
        map.serialize_entry("run", &*run.run)?;
        let rank = batch.ranks[row];
        map.serialize_entry("rank", &known_rank(rank))?;
        map.serialize_entry("step", &batch.steps[row])?;
        let time = batch.times[row];
        map.serialize_entry("time", &time.is_finite().then_some(time))?;
        // An exception or an event has no numbers; a record may have none but its
        // step.
        let mut texts = self.texts.iter();
        if !self.values.is_empty() || texts.all(|text| text.kind == "label") {
            // Beside the training's records, and no record itself.
            let evaluation = batch.places[row].evaluation;
            let name = if evaluation { "evaluation" } else { "metrics" };
            map.serialize_entry(name, &Metrics(self))?;
        }
        let mut labels = self
            .texts
            .iter()
            .filter(|text| text.kind == "label")
            .peekable();
        if labels.peek().is_some() {
            let labels: serde_json::Map<String, serde_json::Value> = labels
                .map(|label| (label.name.clone(), label.content.clone().into()))
                .collect();
            map.serialize_entry("labels", &labels)?;
        }
        for text in self.texts.iter().filter(|text| text.kind != "label") {
            map.serialize_entry(text.kind, &Said(text))?;
        }
        map.end()
    }
}

/// The metrics by their printed names; samples of a step as a list. JSON has no NaN: it and the infinities
/// are texts, as the decoder reads them back.
struct Metrics<'a>(&'a Record<'a>);

impl Serialize for Metrics<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for values in self.0.values.chunk_by(|a, b| a.metric == b.metric) {
            let name = |value: &Value| &*self.0.segment.metrics[value.metric as usize].source;
            match values {
                [value] => map.serialize_entry(name(value), &Number(value.value))?,
                [first, ..] => {
                    let samples: Vec<_> = values.iter().map(|it| Number(it.value)).collect();
                    map.serialize_entry(name(first), &samples)?;
                }
                [] => {}
            }
        }
        map.end()
    }
}

struct Number(f64);

impl Serialize for Number {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            finite if finite.is_finite() => serializer.serialize_f64(finite),
            nan if nan.is_nan() => serializer.serialize_str("NaN"),
            inf if inf > 0.0 => serializer.serialize_str("Infinity"),
            _ => serializer.serialize_str("-Infinity"),
        }
    }
}

/// An exception, an event, or a line that was looked for.
struct Said<'a>(&'a Text);

impl Serialize for Said<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.0.name)?;
        map.serialize_entry("content", &self.0.content)?;
        for (key, value) in &self.0.fields {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}
