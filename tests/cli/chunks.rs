//! How a stream is cut into pieces changes nothing.

use proptest::prelude::*;

use crate::streams::{json, troubled};
use crate::support::Test;

/// More rows than are handed over at once, so that the cuts move the borders
/// between batches as well.
fn log() -> Vec<u8> {
    let mut text = String::new();
    for lap in 0..60 {
        for row in troubled() {
            let mut row = row;
            row.step += lap * 300;
            row.tokens += u64::from(lap) * 300 * 4099;
            text.push_str(&json(&[row]));
        }
        text.push_str("\r 10%|#   | 7/9 [00:01<00:09, 9.9it/s]\rno record: héllo\n");
    }
    text.into_bytes()
}

fn reviewed(chunks: Vec<Vec<u8>>) -> (String, String) {
    let output = Test::new("review --json -")
        .stdin_in_chunks(chunks)
        .any_stdout()
        .any_stderr()
        .run();
    (output.text().to_owned(), output.stderr)
}

/// The bytes between cuts.
fn cut(bytes: &[u8], mut cuts: Vec<usize>) -> Vec<Vec<u8>> {
    cuts.iter_mut().for_each(|cut| *cut %= bytes.len());
    cuts.sort_unstable();
    let starts = std::iter::once(0).chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain([bytes.len()]);
    starts
        .zip(ends)
        .map(|(start, end)| bytes[start..end].to_vec())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_cuts_give_the_same_review(cuts in prop::collection::vec(any::<usize>(), 1..400)) {
        let log = log();
        let whole = reviewed(vec![log.clone()]);
        prop_assert!(whole.0.lines().count() > 50, "{}", whole.0);
        prop_assert_eq!(reviewed(cut(&log, cuts)), whole);
    }
}

#[test]
fn a_file_is_reviewed_as_a_pipe_is() {
    let log = log();
    let (piped, _) = reviewed(vec![log.clone()]);
    let file = Test::new("review --json -q default.log")
        .file("default.log", log)
        .any_stdout()
        .run();
    assert_eq!(file.text().replace("default.log", "stdin"), piped);
}
