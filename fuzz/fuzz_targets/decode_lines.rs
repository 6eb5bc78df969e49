//! Any bytes, cut anywhere: nothing panics, cuts change nothing, the tally adds
//! up and the limits hold.

#![no_main]

#[path = "../../tests/decode/records.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod records;

use libfuzzer_sys::fuzz_target;
use records::{decode_chunks, flatten, keep_all};
use runwatch::decode::{Decoder, Options};

fuzz_target!(|data: &[u8]| {
    // The first bytes say how to cut and what to allow.
    let Some((&[cut, limits, line], input)) = data.split_first_chunk::<3>() else {
        return;
    };
    let options = Options {
        max_line: if limits & 1 == 0 {
            1 << 20
        } else {
            usize::from(line) + 1
        },
        max_metrics: if limits & 2 == 0 { 16_384 } else { 5 },
        max_runs: if limits & 4 == 0 { 4_096 } else { 2 },
        ..keep_all()
    };
    let (whole, mut tally) = decode_chunks(options.clone(), [input]);

    let ends = input.iter().filter(|byte| **byte == b'\n').count();
    let open = usize::from(input.last().is_some_and(|byte| *byte != b'\n'));
    assert_eq!(tally.lines, (ends + open) as u64);
    assert_eq!(tally.records + tally.evaluations, whole.len() as u64);
    assert_eq!(tally.malformed > 0, tally.first_malformed.is_some());
    if limits & 4 != 0 {
        let mut runs: Vec<_> = whole.iter().map(|row| (&row.project, &row.run)).collect();
        runs.sort_unstable();
        runs.dedup();
        assert!(runs.len() <= 2, "{runs:?}");
    }

    let mut decoder = Decoder::new(options.clone());
    let mut parts = Vec::new();
    let release = limits & 8 != 0 && options.max_line > input.len();
    for chunk in input.chunks(usize::from(cut) + 1) {
        decoder.push(chunk);
        if release {
            decoder.release();
        }
        if limits & 16 != 0 {
            let segment = decoder.take();
            assert!(segment.metrics.len() <= options.max_metrics);
            parts.extend(flatten(&segment));
            decoder.recycle(segment);
        }
    }
    decoder.finish();
    parts.extend(flatten(&decoder.take()));
    assert_eq!(parts, whole);
    let mut in_parts = decoder.tally();
    // A field is counted once for each reader that tried the line: see
    // `a_refused_field_is_counted_once` in tests/decode.rs.
    in_parts.refused_fields = 0;
    tally.refused_fields = 0;
    assert_eq!(in_parts, tally);
});
