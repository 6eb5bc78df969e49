//! What formats' tests share: records as text.

use std::sync::Arc;

use crate::decode::{Decoder, Interests, Options, Tally};
use crate::record::{NO_RANK, RunBatch, Segment};

/// Decodes an input and shows a record per line:
/// `step 10 rank 1: loss=2.5 lr=0.001`, or `step 10 evaluation: val loss=2.5`.
pub(crate) fn records(input: impl AsRef<[u8]>) -> Vec<String> {
    records_with(Options::default(), input)
}

/// The same, with options.
pub(crate) fn records_with(options: Options, input: impl AsRef<[u8]>) -> Vec<String> {
    decoded(options, &[input.as_ref()]).0
}

/// The records of an input that comes in pieces.
pub(crate) fn in_chunks(chunks: &[&[u8]]) -> Vec<String> {
    decoded(Options::default(), chunks).0
}

/// The names of the formats that took records of an input.
pub(crate) fn formats(input: impl AsRef<[u8]>) -> Vec<&'static str> {
    decoded(Options::default(), &[input.as_ref()]).1
}

fn decoded(options: Options, chunks: &[&[u8]]) -> (Vec<String>, Vec<&'static str>) {
    let mut decoder = Decoder::new(Options {
        interests: Arc::new(Interests::everything()),
        ..options
    });
    for chunk in chunks {
        decoder.push(chunk);
    }
    decoder.finish();
    let formats = decoder.tally().formats;
    let names = formats.iter().map(|format| format.name).collect();
    (shown(&decoder.take()), names)
}

pub(crate) fn shown(segment: &Segment) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in &segment.batches {
        for row in 0..batch.len() {
            let mut text = format!("step {}", batch.steps[row]);
            if batch.ranks[row] != NO_RANK {
                text.push_str(&format!(" rank {}", batch.ranks[row]));
            }
            if batch.places[row].evaluation {
                text.push_str(" evaluation");
            }
            text.push(':');
            for value in batch
                .values
                .iter()
                .filter(|value| value.row as usize == row)
            {
                let name = &segment.metrics[value.metric as usize].source;
                text.push_str(&format!(" {name}={}", value.value));
            }
            for said in batch.texts.iter().filter(|said| said.row as usize == row) {
                text.push_str(&format!(" {}:{}={}", said.kind, said.name, said.content));
            }
            rows.push((batch.places[row].order, text));
        }
    }
    rows.sort();
    rows.into_iter().map(|(_, text)| text).collect()
}

/// As [`records`], of an input with this name.
pub(crate) fn records_of(name: &str, input: impl AsRef<[u8]>) -> Vec<String> {
    let options = Options {
        input: name.into(),
        ..Options::default()
    };
    records_with(options, input)
}

/// As [`records`], of an input that comes in chunks of this size.
pub(crate) fn records_in_chunks(input: impl AsRef<[u8]>, size: usize) -> Vec<String> {
    let chunks: Vec<&[u8]> = input.as_ref().chunks(size).collect();
    in_chunks(&chunks)
}

/// What became of the lines of an input.
pub(crate) fn tally(input: impl AsRef<[u8]>) -> Tally {
    let mut decoder = decoder();
    decoder.push(input.as_ref());
    decoder.finish();
    decoder.tally()
}

/// How many records of an input could not be read, and why the first could not.
pub(crate) fn malformed(input: impl AsRef<[u8]>) -> (u64, Option<String>) {
    let tally = tally(input);
    let first = tally.first_malformed.map(|(_, problem)| problem);
    (tally.malformed, first)
}

/// The runs of an input's records, each once, as `project/run`.
pub(crate) fn runs(input: impl AsRef<[u8]>) -> Vec<String> {
    let mut decoder = decoder();
    decoder.push(input.as_ref());
    decoder.finish();
    let segment = decoder.take();
    let run = |batch: &RunBatch| &segment.runs[batch.run as usize];
    let with_rows = segment.batches.iter().filter(|batch| !batch.is_empty());
    with_rows
        .map(run)
        .map(|run| format!("{}/{}", run.project, run.run))
        .collect()
}

pub(crate) fn decoder() -> Decoder {
    Decoder::new(Options {
        interests: Arc::new(Interests::everything()),
        ..Options::default()
    })
}

/// The runs of an input, and how many records each has: `default#2 17`.
pub(crate) fn run_counts(input: impl AsRef<[u8]>) -> Vec<String> {
    let segment = segment(input.as_ref());
    segment
        .batches
        .iter()
        .map(|batch| {
            let said = batch.texts.iter().filter(|text| text.kind != "label");
            let name = &segment.runs[batch.run as usize].run;
            format!("{name} {}", batch.len() - said.count())
        })
        .collect()
}

/// Everything that an input yields, in one piece.
pub(crate) fn segment(input: &[u8]) -> Segment {
    let mut decoder = Decoder::new(Options {
        interests: Arc::new(Interests::everything()),
        ..Options::default()
    });
    decoder.push(input);
    decoder.finish();
    decoder.take()
}
