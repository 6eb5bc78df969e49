//! What the real frameworks write is read as what it is.
//!
//! `fixtures/formats/make.py` has run them, and `expected.json` there says what
//! their own callbacks saw.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

#[path = "decode/records.rs"]
mod records;

use std::path::{Path, PathBuf};

use records::{Record, decode_chunks, keep_all};
use runwatch::decode::Options;
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/formats")
}

/// Whether a number is as expected: programs print some of its digits.
fn near(got: Option<f64>, expected: &Value) -> bool {
    let Some(expected) = expected.as_f64() else {
        return got.is_some_and(f64::is_nan);
    };
    got.is_some_and(|got| (got - expected).abs() <= 0.005 * expected.abs() + 5e-5)
}

#[test]
fn every_fixture_is_read() {
    let expected = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    let expected: serde_json::Map<String, Value> = serde_json::from_str(&expected).unwrap();
    assert!(expected.len() > 5);
    let mut wrong = Vec::new();
    for (path, facts) in &expected {
        let bytes = std::fs::read(folder().join(path)).unwrap();
        let options = Options {
            input: path.as_str().into(),
            ..keep_all()
        };
        let (records, tally) = decode_chunks(options, [&bytes[..]]);
        let name = facts["loss"].as_str().unwrap();
        let losses: Vec<f64> = records
            .iter()
            .filter_map(|record: &Record| record.get(name))
            .collect();
        let formats: Vec<&str> = tally.formats.iter().map(|format| format.name).collect();
        let read = (
            tally.records,
            tally.evaluations,
            losses.len() as u64,
            tally.malformed,
        );
        let number = |field: &str| facts[field].as_u64().unwrap();
        let right = (
            number("records"),
            number("evaluations"),
            number("losses"),
            0,
        );
        if formats != [facts["format"].as_str().unwrap()] || read != right {
            wrong.push(format!("{path}: {formats:?} {read:?} and not {right:?}"));
        }
        for (which, got) in [("first", losses.first()), ("last", losses.last())] {
            if !near(got.copied(), &facts[which]) {
                let fact = &facts[which];
                wrong.push(format!(
                    "{path}: the {which} loss is {got:?} and not {fact}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
