//! ColBERT: the step and the smoothed loss after a time, without names.
//!
//! ```text
//! [Mar 29, 22:22:23] 0 6.748110771179199
//! ```

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Line, Lines, Out};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "colbert",
        title: "ColBERT",
        example: "[Mar 29, 22:22:23] 10 6.748110771179199",
        step: "the first number",
    },
    begins: b"0123456789",
    new: || Box::new(Lines(read)),
};

fn read(line: &Line<'_>, out: &mut Out<'_>) -> bool {
    // Only its logger writes the month first.
    let stamped = line
        .stamp
        .is_some_and(|stamp| stamp[0].is_ascii_uppercase());
    if !stamped || !line.text[0].is_ascii_digit() {
        return false;
    }
    let Some((step, loss)) = numbers(line.text) else {
        return false;
    };
    out.begin();
    out.step(step);
    out.number(b"loss", loss);
    out.end(line)
}

fn numbers(text: &[u8]) -> Option<(i64, f64)> {
    let mut text = Cursor::new(text);
    let step = text.digits()?;
    text.word(b" ")?;
    // A number that names and dates also are not.
    let whole = text.rest.iter().all(u8::is_ascii_digit);
    let loss = text.number()?;
    (text.is_done() && !whole).then_some((step, loss))
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn steps() {
        let log = "[Mar 29, 22:22:23] 0 6.75\n[Mar 29, 22:22:24] 1 nan\n";
        assert_eq!(records(log), ["step 0: loss=6.75", "step 1: loss=NaN"]);
        assert_eq!(formats(log), ["colbert"]);
    }

    #[test]
    fn look_alikes() {
        assert!(records("0 6.75\n[Mar 29, 22:22:23] 3 4\n[Mar 29, 22:22:23] 3 files\n").is_empty());
    }
}
