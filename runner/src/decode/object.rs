//! The fast reader of flat objects: JSON lines, and Python dicts as Hugging
//! Face's Trainer prints them.
//!
//! It walks a line once, compares each key with the one that followed the last
//! key in the line before (see [`super::keys`]), and reads numbers where they
//! stand. Whatever is out of the ordinary (an escape, a nested value, a broken
//! number) makes it give up, and the general reader of the dialect decides; a
//! property test holds the two equal.

use super::keys::{KeyId, Keys, START};
use super::number::number;
use super::row::Row;

/// The reader gave up; the line is for the general reader.
#[derive(Debug)]
pub(crate) struct GaveUp;

/// Reads a line that begins with `{` into `row`. Returns where the object ends.
#[inline]
pub(crate) fn read<const PYTHON: bool>(
    line: &[u8],
    keys: &mut Keys,
    row: &mut Row,
) -> Result<usize, GaveUp> {
    let quote = if PYTHON { b'\'' } else { b'"' };
    let mut at = skip_blanks(line, 1);
    let mut previous: KeyId = START;
    if line.get(at) == Some(&b'}') {
        return Ok(at + 1);
    }
    loop {
        let rest = &line[at..];
        let (id, len) = match keys.predicted(previous, rest) {
            Some(found) => found,
            None => unpredicted(rest, quote, keys, previous).ok_or(GaveUp)?,
        };
        previous = id;
        at = skip_blanks(line, at + len);
        let rest = &line[at..];
        match *rest.first().ok_or(GaveUp)? {
            b'0'..=b'9' => {
                let (value, len, integer) = number(rest).ok_or(GaveUp)?;
                row.number(keys, id, value, integer);
                at += len;
            }
            b'-' => {
                let infinity: &[u8] = if PYTHON { b"-inf" } else { b"-Infinity" };
                if rest.starts_with(infinity) {
                    row.number(keys, id, f64::NEG_INFINITY, false);
                    at += infinity.len();
                } else {
                    let (value, len, integer) = number(rest).ok_or(GaveUp)?;
                    row.number(keys, id, value, integer);
                    at += len;
                }
            }
            byte if byte == quote => {
                let len = plain_text(&rest[1..], quote).ok_or(GaveUp)?;
                row.text(keys, id, &rest[1..=len]);
                at += len + 2;
            }
            _ => at += literal::<PYTHON>(rest, keys, id, row).ok_or(GaveUp)?,
        }
        if let Some(b' ' | b'\t') = line.get(at) {
            at = skip_blanks(line, at);
        }
        match line.get(at) {
            Some(b',') => at = skip_blanks(line, at + 1),
            Some(b'}') => return Ok(at + 1),
            _ => return Err(GaveUp),
        }
    }
}

/// Reads a key that was not predicted: the key, and where its value begins.
fn unpredicted(rest: &[u8], quote: u8, keys: &mut Keys, previous: KeyId) -> Option<(KeyId, usize)> {
    if rest.first() != Some(&quote) {
        return None;
    }
    let len = plain_text(&rest[1..], quote)?;
    let colon = skip_blanks(rest, len + 2);
    if rest.get(colon) != Some(&b':') {
        return None;
    }
    let value = skip_blanks(rest, colon + 1);
    Some((keys.learn(previous, &rest[1..=len], &rest[..value]), value))
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
    if rest.starts_with(nan) {
        row.number(keys, id, f64::NAN, false);
        Some(nan.len())
    } else if rest.starts_with(infinity) {
        row.number(keys, id, f64::INFINITY, false);
        Some(infinity.len())
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
fn skip_blanks(line: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t') = line.get(at) {
        at += 1;
    }
    at
}
