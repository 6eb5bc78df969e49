//! Lines of JSON against the model of `tests/decode/model.rs`.

#![no_main]

#[path = "../../tests/decode/model.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod model;
#[path = "../../tests/decode/records.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod records;

use libfuzzer_sys::fuzz_target;
use model::{Model, Outcome};
use records::decode;

fuzz_target!(|data: &[u8]| {
    let lines: Vec<&[u8]> = data
        .split(|byte| *byte == b'\n')
        .filter(|line| Model::covers(line) && in_scope(line))
        .collect();
    if lines.is_empty() {
        return;
    }
    let (read, tally) = decode(&lines.join(&b'\n'));
    let mut read = read.into_iter().peekable();
    let mut model = Model::default();
    let mut malformed = 0;
    for (number, line) in (1u64..).zip(&lines) {
        let got = read.next_if(|record| record.line == number);
        let shown = String::from_utf8_lossy(line);
        match model.line(number, line) {
            Outcome::Record(expected) => assert_eq!(got, Some(expected), "line {number}: {shown}"),
            other => {
                assert_eq!(got, None, "line {number}: {shown}");
                malformed += u64::from(other == Outcome::Malformed);
            }
        }
    }
    assert_eq!(tally.malformed, malformed);
});

/// What the model leaves out: dates as texts, and what is beyond any log.
fn in_scope(line: &[u8]) -> bool {
    let lower = line.to_ascii_lowercase();
    let has = |word: &[u8]| lower.windows(word.len()).any(|part| part == word);
    line.len() < 4000 && !has(b"time") && !has(b"\"ts\"") && !has(b"created_at") && !has(b"project")
}
