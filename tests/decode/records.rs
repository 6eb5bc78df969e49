//! What a decoder makes of some bytes, as a plain list: the one place that
//! knows how segments are laid out.

use std::sync::{Arc, LazyLock};

use runwatch::decode::{Decoder, Interests, Options, Tally};
use runwatch::describe::Interest;
use runwatch::record::{NO_RANK, Segment};

/// A row, with names and without ids.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    pub(crate) project: String,
    pub(crate) run: String,
    pub(crate) step: i64,
    pub(crate) rank: Option<u32>,
    pub(crate) time: Number,
    pub(crate) line: u64,
    /// Printed names and values, in the order of the line.
    pub(crate) values: Vec<(String, Number)>,
}

impl Record {
    /// The value of this name, of several the last.
    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        let found = self.values.iter().rev().find(|(source, _)| source == name);
        found.map(|(_, value)| value.0)
    }
}

/// A number that equals itself, bit for bit; any NaN equals any other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number(pub(crate) f64);

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits() || (self.0.is_nan() && other.0.is_nan())
    }
}

/// Options with which every value of every metric is kept.
pub(crate) fn keep_all() -> Options {
    // The table of names takes longer to make than a short input to read.
    static OPTIONS: LazyLock<Options> = LazyLock::new(|| {
        let mut interests = Interests::default();
        let everything = Interest {
            kind: "metric".to_owned(),
            pattern: "*".to_owned(),
            options: Vec::new(),
        };
        assert!(interests.add(0, &[everything]).is_empty());
        Options {
            interests: Arc::new(interests),
            restarts: false,
            ..Options::default()
        }
    });
    OPTIONS.clone()
}

/// The rows of a segment in the order of the input.
pub(crate) fn flatten(segment: &Segment) -> Vec<Record> {
    let mut records: Vec<(u32, Record)> = Vec::new();
    for batch in &segment.batches {
        let run = &segment.runs[batch.run as usize];
        let first = records.len();
        for row in 0..batch.len() {
            let rank = batch.ranks[row];
            let record = Record {
                project: run.project.to_string(),
                run: run.run.to_string(),
                step: batch.steps[row],
                rank: (rank != NO_RANK).then_some(rank),
                time: Number(batch.times[row]),
                line: batch.places[row].line,
                values: Vec::new(),
            };
            records.push((batch.places[row].order, record));
        }
        for value in &batch.values {
            let name = segment.metrics[value.metric as usize].source.to_string();
            let record = &mut records[first + value.row as usize].1;
            record.values.push((name, Number(value.value)));
        }
    }
    records.sort_by_key(|(order, _)| *order);
    for (at, (order, _)) in records.iter().enumerate() {
        assert_eq!(at as u32, *order, "every row has a place of its own");
    }
    assert_eq!(records.len(), segment.rows as usize);
    records.into_iter().map(|(_, record)| record).collect()
}

/// Decodes the chunks of one input.
pub(crate) fn decode_chunks<'a>(
    options: Options,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Record>, Tally) {
    let mut decoder = Decoder::new(options);
    for chunk in chunks {
        decoder.push(chunk);
    }
    decoder.finish();
    let records = flatten(&decoder.take());
    (records, decoder.tally())
}

/// Decodes an input in one piece.
pub(crate) fn decode(input: &[u8]) -> (Vec<Record>, Tally) {
    decode_chunks(keep_all(), [input])
}
