//! What formats share that are told by how a line begins, and whose rest is
//! names and numbers.
//!
//! ```text
//! loss: 2.5 (2.7)  lr: 0.01, batch_cost: 0.25 sec, ips: 18.5 images/s | acc=0.5
//! ```
//!
//! The general reader makes sure that a line is a record; here that is known,
//! and what makes no sense is passed over.

use memchr::{memchr, memchr2};

use crate::decode::cursor::Cursor;
use crate::decode::format::{Line, Out};

/// The most fields that are taken of a line.
const MOST: usize = 512;

/// The longest name.
const LONGEST: usize = 96;

/// A name, its number, and the average in parentheses after it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Field<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: f64,
    pub(super) average: Option<f64>,
}

/// Every `name: number` and `name=number` of a text.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    left: usize,
}

/// The fields of a text.
pub(super) fn fields(text: &[u8]) -> Fields<'_> {
    Fields {
        rest: text,
        left: MOST,
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        loop {
            let mark = memchr2(b':', b'=', self.rest)?;
            let name = name(&self.rest[..mark]);
            let mut place = Cursor::new(&self.rest[mark + 1..]);
            let value = place.blanks().number();
            if value.is_none() && place.rest.first().is_some_and(u8::is_ascii_digit) {
                // A clock, a date.
                place.token();
            }
            let average = value.and_then(|_| average(&mut place));
            self.rest = place.rest;
            if let Some(value) = value
                && !name.is_empty()
            {
                return Some(Field {
                    name,
                    value,
                    average,
                });
            }
        }
    }
}

/// Takes `(2.5)` after a number.
pub(super) fn average(place: &mut Cursor) -> Option<f64> {
    let mut ahead = *place;
    ahead.blanks().word(b"(")?;
    let value = ahead.blanks().number()?;
    ahead.blanks().word(b")")?;
    *place = ahead;
    Some(value)
}

/// The name at the end of what stands before its mark; empty when there is none.
fn name(before: &[u8]) -> &[u8] {
    let before = before.trim_ascii_end();
    let begins = |at: &usize| {
        matches!(
            before[..*at],
            [.., b',' | b'|' | b'\t' | b';'] | [.., b' ', b' '] | [.., b' ', b'-', b' ']
        )
    };
    let start = (1..=before.len()).rev().find(begins).unwrap_or(0);
    let mut name = before[start..].trim_ascii_start();
    while let Some(b')' | b']' | b'(' | b'[' | b' ' | b'-' | b'*' | b'>' | b'#') = name.first() {
        name = &name[1..];
    }
    // What is left of the number before: its unit.
    while let Some(blank) = memchr(b' ', name)
        && is_unit(&name[..blank])
    {
        name = name[blank..].trim_ascii_start();
    }
    let sensible = !name.is_empty()
        && name.len() <= LONGEST
        && !name[0].is_ascii_digit()
        && !matches!(name, b"eta" | b"ETA" | b"eta_seconds" | b"remaining");
    if sensible { name } else { &[] }
}

fn is_unit(word: &[u8]) -> bool {
    let units: [&[u8]; 9] = [
        b"s", b"sec", b"secs", b"seconds", b"ms", b"min", b"h", b"MB", b"GB",
    ];
    let word = word.strip_suffix(b".").unwrap_or(word);
    let word = word.strip_suffix(b",").unwrap_or(word);
    units.contains(&word)
        || [&b"/s"[..], b"/sec", b"/step", b"/it"]
            .iter()
            .any(|end| word.ends_with(end))
}

/// Writes the fields of a text, their names after `prefix`, and says how many
/// there were.
pub(super) fn write(text: &[u8], prefix: &[u8], out: &mut Out<'_>) -> usize {
    let mut count = 0;
    for field in fields(text) {
        number(prefix, field.name, field.value, out);
        count += 1;
    }
    count
}

/// Writes one number, its name after `prefix`.
pub(super) fn number(prefix: &[u8], name: &[u8], value: f64, out: &mut Out<'_>) {
    if prefix.is_empty() {
        out.number(name, value);
    } else {
        out.number(&[prefix, name].concat(), value);
    }
}

/// Whether a name has to do with a loss.
pub(super) fn is_loss(name: &[u8]) -> bool {
    name.windows(4)
        .any(|part| part.eq_ignore_ascii_case(b"loss"))
}

/// An evaluation that prints its running averages line by line. Only the last
/// line is about all of it, and becomes a record when another kind of line
/// comes.
#[derive(Debug, Default)]
pub(super) struct Evaluation {
    line: Option<(u64, Option<u32>)>,
    fields: Vec<(Vec<u8>, f64)>,
}

impl Evaluation {
    /// Begins a line, and forgets the one before.
    pub(super) fn begin(&mut self, line: &Line<'_>) {
        self.line = Some((line.number, line.rank));
        self.fields.clear();
    }

    /// Adds a number to the line.
    pub(super) fn number(&mut self, prefix: &[u8], name: &[u8], value: f64) {
        self.fields.push(([prefix, name].concat(), value));
    }

    /// Makes the last line a record.
    pub(super) fn finish(&mut self, out: &mut Out<'_>) {
        let Some((number, rank)) = self.line.take() else {
            return;
        };
        if self.fields.is_empty() {
            return;
        }
        out.begin();
        out.evaluation();
        for (name, value) in self.fields.drain(..) {
            out.number(&name, value);
        }
        out.end(&Line {
            number,
            text: b"-",
            rank,
            ..Line::default()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let show = |field: Field| {
            let average = field.average.map_or(String::new(), |a| format!(" ({a})"));
            let name = String::from_utf8_lossy(field.name).into_owned();
            format!("{name}={}{average}", field.value)
        };
        fields(text.as_bytes())
            .map(show)
            .collect::<Vec<_>>()
            .join("; ")
    }

    #[test]
    fn reads_names_and_numbers() {
        for (text, expected) in [
            (
                "loss: 2.5 (2.75)  lr: 0.01 ( 0.02)  max mem: 300",
                "loss=2.5 (2.75); lr=0.01 (0.02); max mem=300",
            ),
            (
                "eta: 1 day, 2:02:03, time: 0.5, loss: nan",
                "time=0.5; loss=NaN",
            ),
            (
                "lr: 0.5 batch_cost: 0.25 sec, ips: 18.5 images/s eta: 0:10:00 loss: 1.5",
                "lr=0.5; batch_cost=0.25; ips=18.5; loss=1.5",
            ),
            ("[D loss: 0.5] [G loss: 0.25]", "D loss=0.5; G loss=0.25"),
            ("a - b: 1 - c: 2", "b=1; c=2"),
            ("D(x): 0.5\tD(G(z)): 0.6 / 0.02", "D(x)=0.5; D(G(z))=0.6"),
            (
                "v_num=x1yz, train/loss=1.5, val=nan.0",
                "train/loss=1.5; val=NaN",
            ),
            ("name: text, other: 0x1f, 12:30:11, acc: 0.5", "acc=0.5"),
            ("", ""),
            (":=:==", ""),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
