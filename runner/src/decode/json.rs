//! The general reader of JSON lines: the truth that the fast reader is held to.
//!
//! Objects within objects become names joined by `/`; lists (but those of
//! samples) and truth values are no measurements and pass by.

use std::borrow::Cow;

use jiter::{Jiter, Peek};

use super::keys::{KeyId, Keys, REFUSED, START};
use super::number::number;
use super::row::Row;

/// Objects nested deeper than this are not read: no training log needs them,
/// and recursion must end.
const MAX_DEPTH: usize = 32;

/// Reads a line into `row`. The error is the parser's, with its column.
pub(crate) fn read(line: &[u8], keys: &mut Keys, row: &mut Row) -> Result<(), String> {
    let Err(error) = strict(line, keys, row) else {
        return Ok(());
    };
    // The parser wants UTF-8, also in names: a stray byte in a text must not
    // cost the numbers beside it.
    let text = String::from_utf8_lossy(line);
    let respelled = respell(text.as_bytes());
    let retry = match &respelled {
        Some(respelled) => respelled,
        None if matches!(text, Cow::Owned(_)) => text.as_bytes(),
        None => return Err(error),
    };
    row.clear();
    strict(retry, keys, row)
}

/// A line with the `nan` and `inf` that an f-string or `printf` writes spelled
/// as the parser knows them; `None` when there are none.
fn respell(line: &[u8]) -> Option<Vec<u8>> {
    let spellings: [(&[u8], &[u8]); 2] = [(b"nan", b"NaN"), (b"inf", b"Infinity")];
    let mut text = Vec::with_capacity(line.len() + 16);
    let (mut in_text, mut changed, mut at) = (false, false, 0);
    while let Some(&byte) = line.get(at) {
        let here = |word: &[u8]| {
            let next = line.get(at + word.len());
            line[at..].starts_with(word) && !next.is_some_and(u8::is_ascii_alphanumeric)
        };
        let word = spellings.iter().find(|(word, _)| !in_text && here(word));
        if let Some((word, spelling)) = word {
            text.extend_from_slice(spelling);
            at += word.len();
            changed = true;
            continue;
        }
        if in_text && byte == b'\\' {
            text.push(byte);
            at += 1;
        } else if byte == b'"' {
            in_text = !in_text;
        }
        text.extend(line.get(at));
        at += 1;
    }
    changed.then_some(text)
}

fn strict(line: &[u8], keys: &mut Keys, row: &mut Row) -> Result<(), String> {
    let mut json = Jiter::new(line).with_allow_inf_nan();
    let mut previous = START;
    let mut path = Vec::new();
    object(
        &mut json,
        line,
        keys,
        row,
        &mut previous,
        &mut path,
        MAX_DEPTH,
    )?;
    json.finish().map_err(describe)
}

/// The key with this name. One that cannot stand between quotes as it is must
/// not be predicted: the fast reader compares bytes, and the bytes `a\b` are
/// not the name `a\b`.
pub(super) fn intern(keys: &mut Keys, previous: KeyId, name: &[u8]) -> KeyId {
    let odd = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\'' | b'\\');
    let plain = !name.iter().any(odd) && std::str::from_utf8(name).is_ok();
    keys.intern(if plain { previous } else { REFUSED }, name)
}

// By value, as `map_err` hands it over.
#[allow(clippy::needless_pass_by_value)]
fn describe(error: jiter::JiterError) -> String {
    format!("{} at column {}", error.error_type, error.index + 1)
}

fn object(
    json: &mut Jiter<'_>,
    line: &[u8],
    keys: &mut Keys,
    row: &mut Row,
    previous: &mut KeyId,
    path: &mut Vec<u8>,
    depth: usize,
) -> Result<(), String> {
    let outer = path.len();
    let first = json.next_object().map(|key| {
        key.map(|key| path.extend_from_slice(key.as_bytes()))
            .is_some()
    });
    let mut more = first.map_err(describe)?;
    while more {
        let peek = json.peek().map_err(describe)?;
        match peek {
            Peek::Object if depth > 0 => {
                path.push(b'/');
                object(json, line, keys, row, previous, path, depth - 1)?;
            }
            Peek::String => {
                let id = intern(keys, *previous, path);
                *previous = id;
                let text = json.known_str().map_err(describe)?.as_bytes();
                row.text(keys, id, text);
            }
            Peek::Array => {
                let id = intern(keys, *previous, path);
                *previous = id;
                let start = json.current_index();
                json.known_skip(peek).map_err(describe)?;
                let list = line.get(start..json.current_index());
                row.samples(keys, id, list.unwrap_or_default());
            }
            Peek::Object | Peek::True | Peek::False | Peek::Null => {
                // The name is interned all the same, so that both readers agree
                // on what follows what.
                *previous = intern(keys, *previous, path);
                json.known_skip(peek).map_err(describe)?;
            }
            _ => {
                let id = intern(keys, *previous, path);
                *previous = id;
                let bytes = json.known_number_bytes(peek).map_err(describe)?;
                let (value, integer) = match bytes {
                    b"NaN" => (f64::NAN, false),
                    b"Infinity" => (f64::INFINITY, false),
                    b"-Infinity" => (f64::NEG_INFINITY, false),
                    digits => {
                        let (value, _, integer) = number(digits).ok_or("number out of range")?;
                        (value, integer)
                    }
                };
                row.number(keys, id, value, integer);
            }
        }
        path.truncate(outer);
        let next = json.next_key().map(|key| {
            key.map(|key| path.extend_from_slice(key.as_bytes()))
                .is_some()
        });
        more = next.map_err(describe)?;
    }
    path.truncate(outer);
    Ok(())
}
