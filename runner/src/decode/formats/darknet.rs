//! Darknet.
//!
//! ```text
//!  12: 345.678, 350.123 avg loss, 0.001000 rate, 3.25 seconds, 768 images, 12.5 hours left
//!  12: 345.678, 350.123 avg, 0.001000 rate, 3.25 seconds, 768 images
//! ```

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Line, Lines, Out};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "darknet",
        title: "Darknet (YOLO v2 to v4)",
        example: " 12: 345.678, 350.123 avg loss, 0.001000 rate, 3.25 seconds, 768 images",
        step: "the number that the line begins with",
    },
    begins: b"0123456789",
    new: || Box::new(Lines(read)),
};

fn read(line: &Line<'_>, out: &mut Out<'_>) -> bool {
    if !line.text[0].is_ascii_digit() {
        return false;
    }
    let Some((step, [loss, average, rate, seconds, images])) = numbers(line.text) else {
        return false;
    };
    out.begin();
    out.step(step);
    out.number(b"loss", loss);
    out.number(b"avg_loss", average);
    out.number(b"lr", rate);
    out.number(b"seconds", seconds);
    out.number(b"images", images);
    out.end(line)
}

fn numbers(text: &[u8]) -> Option<(i64, [f64; 5])> {
    let mut text = Cursor::new(text);
    let step = text.digits()?;
    text.word(b": ")?;
    let loss = text.blanks().number()?;
    let mut values = [loss, 0.0, 0.0, 0.0, 0.0];
    let units: [&[u8]; 4] = [b"avg", b"rate", b"seconds", b"images"];
    for (value, unit) in values[1..].iter_mut().zip(units) {
        text.word(b",")?;
        *value = text.blanks().number()?;
        text.blanks().word(unit)?;
        if unit == b"avg" {
            text.word(b" loss").unwrap_or_default();
        }
    }
    Some((step, values))
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn iterations() {
        let log = " 1: 345.5, 345.5 avg loss, 0.000000 rate, 3.25 seconds, 64 images, -1.000000 hours left\n\
            2: -nan, nan avg, 0.5 rate, 3.25 seconds, 128 images\n";
        assert_eq!(
            records(log),
            [
                "step 1: loss=345.5 avg_loss=345.5 lr=0 seconds=3.25 images=64",
                "step 2: loss=NaN avg_loss=NaN lr=0.5 seconds=3.25 images=128",
            ]
        );
        assert_eq!(formats(log), ["darknet"]);
    }

    #[test]
    fn look_alikes() {
        assert!(records("12: 3.5, 4.5\n1: 2, 3 avg, 4\n12: words\n").is_empty());
    }
}
