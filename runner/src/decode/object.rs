//! The fast reader of flat objects: JSON lines, and Python dicts as Hugging
//! Face's Trainer prints them.
//!
//! It walks a line once, compares each key with the one that followed the last
//! key in the line before (see [`super::keys`]), and reads numbers where they
//! stand; those that nobody asked for are held to the grammar and not turned into
//! values. Whatever is out of the ordinary (an escape, a nested value, a broken
//! number) makes it give up, and the general reader of the dialect decides; a
//! property test holds the two equal.

use super::keys::{KeyId, Keys, START};
use super::number::{number, skip};
use super::row::Row;

/// The reader gave up; the line is for the general reader.
#[derive(Debug)]
pub(crate) struct GaveUp;

/// Reads an object at the beginning of `text` into `row`. Returns where it
/// ends. What follows it does not matter, and an object with a line feed in it
/// is none, so that `text` may go on beyond the line.
#[inline]
pub(crate) fn read<const PYTHON: bool>(
    text: &[u8],
    keys: &mut Keys,
    row: &mut Row,
) -> Result<usize, GaveUp> {
    let quote = if PYTHON { b'\'' } else { b'"' };
    let mut at = 1;
    let mut previous: KeyId = START;
    loop {
        let rest = &text[at..];
        let (id, len) = match keys.predicted(previous, rest) {
            Some(found) => found,
            None => unpredicted(rest, quote, keys, previous).ok_or(GaveUp)?,
        };
        previous = id;
        at += len;
        let mut first = *text.get(at).ok_or(GaveUp)?;
        if is_blank(first) {
            at = skip_blanks(text, at);
            first = *text.get(at).ok_or(GaveUp)?;
        }
        let rest = &text[at..];
        if first.is_ascii_digit() || first == b'-' {
            if keys.get(id).indifferent
                && let Some(len) = skip(rest)
            {
                row.unread(keys, id, at);
                at += len;
            } else if let Some((value, len, integer)) = number(rest) {
                row.number(keys, id, value, integer);
                at += len;
            } else {
                at += literal::<PYTHON>(rest, keys, id, row).ok_or(GaveUp)?;
            }
        } else if first == quote {
            let len = plain_text(&rest[1..], quote).ok_or(GaveUp)?;
            row.text(keys, id, &rest[1..=len]);
            at += len + 2;
        } else {
            at += literal::<PYTHON>(rest, keys, id, row).ok_or(GaveUp)?;
        }
        let mut end = *text.get(at).ok_or(GaveUp)?;
        if is_blank(end) {
            at = skip_blanks(text, at);
            end = *text.get(at).ok_or(GaveUp)?;
        }
        at += 1;
        match end {
            b',' => {}
            b'}' => return Ok(at),
            _ => return Err(GaveUp),
        }
    }
}

/// Reads a key that was not predicted: the key, and where its value begins.
#[inline(never)]
fn unpredicted(rest: &[u8], quote: u8, keys: &mut Keys, previous: KeyId) -> Option<(KeyId, usize)> {
    let name = skip_blanks(rest, 0) + 1;
    if rest.get(name - 1) != Some(&quote) {
        return None;
    }
    let len = plain_text(&rest[name..], quote)?;
    let colon = skip_blanks(rest, name + len + 1);
    if rest.get(colon) != Some(&b':') {
        return None;
    }
    let value = skip_blanks(rest, colon + 1);
    let id = keys.learn(previous, &rest[name..name + len], &rest[..value]);
    Some((id, value))
}

/// Reads a literal, and gives its length.
fn literal<const PYTHON: bool>(
    rest: &[u8],
    keys: &Keys,
    id: KeyId,
    row: &mut Row,
) -> Option<usize> {
    let (nan, infinity): (&[u8], &[u8]) = if PYTHON {
        (b"nan", b"inf")
    } else {
        (b"NaN", b"Infinity")
    };
    let absent: [&[u8]; 3] = if PYTHON {
        [b"None", b"True", b"False"]
    } else {
        [b"null", b"true", b"false"]
    };
    let negative: &[u8] = if PYTHON { b"-inf" } else { b"-Infinity" };
    if rest.starts_with(nan) {
        row.number(keys, id, f64::NAN, false);
        Some(nan.len())
    } else if rest.starts_with(infinity) {
        row.number(keys, id, f64::INFINITY, false);
        Some(infinity.len())
    } else if rest.starts_with(negative) {
        row.number(keys, id, f64::NEG_INFINITY, false);
        Some(negative.len())
    } else {
        // Null is absence, and a truth value is no measurement.
        absent
            .into_iter()
            .find(|word| rest.starts_with(word))
            .map(<[u8]>::len)
    }
}

/// The length of a text up to its closing quote, if it is plain: ASCII without
/// escapes and control characters.
#[inline]
fn plain_text(text: &[u8], quote: u8) -> Option<usize> {
    for (at, &byte) in text.iter().enumerate() {
        if byte == quote {
            return Some(at);
        }
        if byte == b'\\' || !(0x20..0x7f).contains(&byte) {
            return None;
        }
    }
    None
}

#[inline(always)]
fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

#[inline(always)]
fn skip_blanks(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t') = text.get(at) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::decode::{Decoder, Interests, Options, Tally};
    use crate::describe::Interest;

    /// The values that are kept of a log, and what became of its lines.
    fn decode(log: &str, interests: Interests) -> (Vec<String>, Tally) {
        let mut decoder = Decoder::new(Options {
            interests: Arc::new(interests),
            ..Options::default()
        });
        decoder.push(log.as_bytes());
        decoder.finish();
        let segment = decoder.take();
        let mut values = Vec::new();
        for batch in &segment.batches {
            for value in &batch.values {
                let name = &segment.metrics[value.metric as usize].name;
                let line = batch.places[value.row as usize].line;
                values.push(format!("{line} {name}={}", value.value));
            }
        }
        (values, decoder.tally())
    }

    fn edges() -> Interests {
        let mut interests = Interests::default();
        let interest = Interest {
            kind: "metric".to_owned(),
            pattern: "*".to_owned(),
            options: vec![("values".to_owned(), "edges".to_owned())],
        };
        interests.add(0, &[interest]);
        interests
    }

    #[test]
    fn from_a_segment_on_other_values_are_wanted() {
        let all = |pattern: &str| {
            let mut interests = Interests::default();
            let interest = Interest {
                kind: "metric".to_owned(),
                pattern: pattern.to_owned(),
                options: Vec::new(),
            };
            interests.add(3, &[interest]);
            Arc::new(interests)
        };
        let mut decoder = Decoder::new(Options {
            interests: all("loss"),
            ..Options::default()
        });
        let wanted = |decoder: &mut Decoder| {
            decoder.push(b"{\"step\": 1, \"loss\": 2.5, \"x\": 8}\n");
            let segment = decoder.take();
            let values = segment.batches.iter().flat_map(|batch| &batch.values);
            let values: Vec<(f64, u64)> = values.map(|it| (it.value, it.mask)).collect();
            values
        };
        assert_eq!(wanted(&mut decoder), [(2.5, 8)]);
        decoder.ask(all("x"));
        assert_eq!(wanted(&mut decoder), [(8.0, 8)]);
        decoder.ask(all("*"));
        assert_eq!(wanted(&mut decoder), [(2.5, 8), (8.0, 8)]);
    }

    #[test]
    fn edges_have_their_values() {
        for prefix in ["", "[rank0]: "] {
            let log = format!(
                "{prefix}{{\"step\": 1, \"loss\": 2.5, \"x\": -1.5e-3}}\n\
                 {prefix}{{\"step\": 2, \"loss\": 2.25, \"x\": NaN}}\n\
                 {prefix}{{\"step\": 3, \"loss\": 1e999, \"x\": 123456789.5}}\n\
                 {prefix}{{\"step\": 4, \"loss\": 0.125, \"x\": 7}}\n"
            );
            let (values, _) = decode(&log, edges());
            let expected = [
                "1 loss=2.5",
                "1 x=-0.0015",
                "2 x=NaN",
                "3 loss=inf",
                "3 x=123456789.5",
                "4 loss=0.125",
            ];
            assert_eq!(values, expected, "{log}");
        }
        let dicts = "{'loss': 2.5, 'x': 0.25}\n{'loss': 2.25, 'x': nan}\n{'loss': 2.0, 'x': 8}\n";
        let (values, _) = decode(dicts, edges());
        assert_eq!(values, ["1 loss=2.5", "1 x=0.25", "2 x=NaN", "3 x=8"]);
    }

    #[test]
    fn numbers_that_nobody_asked_for_are_numbers_all_the_same() {
        let spellings = [
            "0",
            "-0",
            "01",
            "-01",
            "1.",
            ".5",
            "1.5",
            "1e",
            "1e+",
            "1e5",
            "1E-05",
            "1e-005",
            "--1",
            "1.5.2",
            "1e5.5",
            "12345678",
            "1234567.123456789012",
            "0x1f",
            "1_000",
            "+1",
            "-",
            "1f",
            "123456789012345678901234567890",
            "1e999",
            "0.1234567890123456789",
        ];
        for spelling in spellings {
            for end in ["}", ", \"y\": 1}"] {
                let line = format!("{{\"step\": 1, \"loss\": 2, \"x\": {spelling}{end}\n");
                // Twice, so that the second line has its keys predicted.
                let log = line.repeat(2);
                let (_, asked) = decode(&log, Interests::everything());
                let (_, unasked) = decode(&log, Interests::default());
                assert_eq!(asked, unasked, "{log}");
            }
        }
    }
}
