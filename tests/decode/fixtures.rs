//! What the real frameworks write is read as what it is.
//!
//! `fixtures/formats/make.py` has run them, and `expected.json` there says what
//! their own callbacks saw.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use runwatch::decode::Options;
use serde::Deserialize;
use serde_json::Value;

use super::records::{decode_chunks, keep_all};

/// What is in a file.
#[derive(Deserialize)]
struct Facts {
    format: String,
    records: u64,
    evaluations: u64,
    /// The name that the loss has there, and how many there are.
    loss: String,
    losses: usize,
    first: Value,
    last: Value,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/formats")
}

fn facts() -> BTreeMap<String, Facts> {
    let text = std::fs::read(folder().join("expected.json")).expect("the fixtures are there");
    serde_json::from_slice(&text).expect("their facts are JSON")
}

/// Whether a number is as expected: programs print some of its digits. What is
/// not a number is a text there.
fn near(got: Option<&f64>, expected: &Value) -> bool {
    got.is_some_and(|got| match expected.as_f64() {
        Some(expected) => (got - expected).abs() <= 0.005 * expected.abs() + 5e-5,
        None => got.is_nan(),
    })
}

/// What is wrong with what is read of a file.
fn problems(path: &str, facts: &Facts) -> Vec<String> {
    let bytes = std::fs::read(folder().join(path)).expect("every file is there");
    let options = Options {
        input: path.into(),
        ..keep_all()
    };
    let (rows, tally) = decode_chunks(options.clone(), [&bytes[..]]);
    let in_pieces = decode_chunks(options, bytes.chunks(7));
    let losses = rows.iter().filter_map(|row| row.get(&facts.loss));
    let losses: Vec<f64> = losses.collect();
    let formats: Vec<&str> = tally.formats.iter().map(|format| format.name).collect();
    let counts = [tally.records, tally.evaluations, tally.malformed];
    let mut problems = Vec::new();
    if in_pieces != (rows.clone(), tally.clone()) {
        problems.push(format!(
            "{path} is read in another way when it comes in pieces"
        ));
    }
    if formats != [&facts.format] {
        problems.push(format!("{path} is {formats:?} and not {}", facts.format));
    }
    let expected = [facts.records, facts.evaluations, 0];
    if counts != expected || losses.len() != facts.losses {
        problems.push(format!(
            "{path} has {counts:?} records, evaluations and malformed lines and not {expected:?}, \
             {} losses and not {}",
            losses.len(),
            facts.losses
        ));
    }
    for (got, expected) in [(losses.first(), &facts.first), (losses.last(), &facts.last)] {
        if !near(got, expected) {
            problems.push(format!("{path} has the loss {got:?} and not {expected}"));
        }
    }
    problems
}

#[test]
fn every_fixture_is_read() {
    let facts = facts();
    assert!(facts.len() > 15, "{} fixtures", facts.len());
    let problems: Vec<String> = facts
        .iter()
        .flat_map(|(path, facts)| problems(path, facts))
        .collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}
