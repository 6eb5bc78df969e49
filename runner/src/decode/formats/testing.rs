//! What formats' tests share: records as text.

use std::sync::Arc;

use crate::decode::{Decoder, Interests, Options};
use crate::record::{NO_RANK, Segment};

/// Decodes an input and shows a record per line:
/// `step 10 rank 1: loss=2.5 lr=0.001`.
pub(crate) fn records(input: impl AsRef<[u8]>) -> Vec<String> {
    decoded(input.as_ref()).0
}

/// The names of the formats that took records of an input.
pub(crate) fn formats(input: impl AsRef<[u8]>) -> Vec<&'static str> {
    decoded(input.as_ref()).1
}

fn decoded(input: &[u8]) -> (Vec<String>, Vec<&'static str>) {
    let mut decoder = Decoder::new(Options {
        interests: Arc::new(Interests::everything()),
        ..Options::default()
    });
    decoder.push(input);
    decoder.finish();
    let formats = decoder.tally().formats;
    let names = formats.iter().map(|(name, _)| *name).collect();
    (shown(&decoder.take()), names)
}

fn shown(segment: &Segment) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in &segment.batches {
        for row in 0..batch.len() {
            let mut text = format!("step {}", batch.steps[row]);
            if batch.ranks[row] != NO_RANK {
                text.push_str(&format!(" rank {}", batch.ranks[row]));
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

/// The runs of an input, and how many records each has: `default#2 17`.
pub(crate) fn runs(input: impl AsRef<[u8]>) -> Vec<String> {
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
