//! Keras and what imitates its bar.
//!
//! ```text
//! Epoch 1/50
//! 40/40 [==============================] - 1s 26ms/step - loss: 0.6510 - val_loss: 0.6437
//! 40/40 ━━━━━━━━━━━━━━━━━━━━ 1s 26ms/step - loss: 0.6510 - val_loss: 0.6437
//! 40/40 - 1s - 26ms/step - loss: 0.6510 - val_loss: 0.6437
//!  - 5s - loss: 0.6510 - val_loss: 0.6437
//! ```
//!
//! The bar is rewritten with every batch and shows running averages, so only a
//! full bar is a record. The full bar may be drawn twice, without and with the
//! results of the validation.

use memchr::memmem;

use super::Entry;
use super::fields;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Format, Line, Out};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "keras",
        title: "Keras, verbose=1 and verbose=2",
        example: "Epoch 1/50\n40/40 - 1s - 26ms/step - loss: 0.6510 - val_loss: 0.6437",
        step: "the epoch",
    },
    begins: b"E-0123456789",
    new: || Box::new(Keras::default()),
};

/// A cell of the bar that Keras 3 draws.
const HEAVY: &[u8] = "━".as_bytes();

#[derive(Default)]
struct Keras {
    epoch: Option<i64>,
}

impl Format for Keras {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        match line.text[0] {
            b'E' => {
                if let Some(epoch) = epoch(line.text) {
                    self.epoch = Some(epoch);
                }
                false
            }
            b'0'..=b'9' => match bar(line.text) {
                Some((true, metrics)) => self.record(line, metrics, out),
                Some((false, _)) => true,
                None => false,
            },
            b'-' if self.epoch.is_some() => match without_bar(line.text) {
                Some(metrics) => self.record(line, metrics, out),
                None => false,
            },
            _ => false,
        }
    }
}

impl Keras {
    fn record(&self, line: &Line<'_>, metrics: &[u8], out: &mut Out<'_>) -> bool {
        out.begin();
        if let Some(epoch) = self.epoch {
            out.step(epoch);
        }
        fields::write(metrics, b"", out);
        out.end(line)
    }
}

/// The epoch of `Epoch 1/50`, when nothing follows.
fn epoch(text: &[u8]) -> Option<i64> {
    let mut text = Cursor::new(text);
    text.word(b"Epoch")?;
    text.word(b":").unwrap_or_default();
    let epoch = text.blanks().digits()?;
    text.word(b"/")?;
    text.digits()?;
    text.word(b":").unwrap_or_default();
    text.is_done().then_some(epoch)
}

/// Whether a bar is full, and its metrics.
fn bar(text: &[u8]) -> Option<(bool, &[u8])> {
    let mut text = Cursor::new(text);
    let count = text.digits()?;
    text.word(b"/")?;
    let total = text.digits();
    if total.is_none() {
        text.word(b"Unknown")?;
    }
    text.blanks();
    if text.word(b"[").is_some() {
        let cells = text.until(b']')?;
        if !cells.iter().all(|b| matches!(b, b'=' | b'>' | b'.' | b'-')) {
            return None;
        }
    } else if text.rest.starts_with(HEAVY) {
        while text.word(HEAVY).is_some() {}
    } else if !text.rest.starts_with(b"- ") {
        return None;
    }
    // The time comes first: `1s 26ms/step - `, ` - 1s - `, ` - ETA: 0s - `.
    let time = text.blanks().word(b"- ");
    if time.is_none() && !text.rest.first()?.is_ascii_digit() {
        return None;
    }
    let start = memmem::find(text.rest, b" - ")?;
    let metrics = &text.rest[start..];
    fields::fields(metrics).next()?;
    Some((Some(count) == total, metrics))
}

/// The metrics of ` - 5s - loss: 0.5`, of verbose=2 in versions before 2.
fn without_bar(text: &[u8]) -> Option<&[u8]> {
    let mut text = Cursor::new(text);
    text.word(b"- ")?;
    text.digits()?;
    text.word(b"s ")?;
    let metrics = text.rest;
    text.word(b"- ")?;
    fields::fields(metrics).next()?;
    Some(metrics)
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn only_full_bars() {
        let log = "Epoch 2/3\n\
            \r 1/40 [..............................] - ETA: 2s - loss: 0.9\x08\x08\x08\x08\
            \r20/40 [==============>...............] - ETA: 0s - loss: 0.8\
            \r40/40 [==============================] - 1s 26ms/step - loss: 0.7 - val_loss: 0.6\n";
        assert_eq!(records(log), ["step 2: loss=0.7 val_loss=0.6"]);
        assert_eq!(formats(log), ["keras"]);
    }

    #[test]
    fn the_bar_of_version_3() {
        let log = "Epoch 2/3\r\n\
            \r\x1b[1m 1/40\x1b[0m \x1b[37m━━━━\x1b[0m \x1b[1m1:04\x1b[0m 1s/step - loss: 0.9\x08\x08\x08\
            \r\x1b[1m40/40\x1b[0m \x1b[32m━━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m0s\x1b[0m 26ms/step - loss: 0.7\
            \r\x1b[1m40/40\x1b[0m \x1b[32m━━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m1s\x1b[0m 26ms/step - loss: nan - learning_rate: 1.0000e-04\n";
        assert_eq!(
            records(log),
            ["step 2: loss=0.7", "step 2: loss=NaN learning_rate=0.0001"]
        );
    }

    #[test]
    fn without_a_bar() {
        let log = "Epoch 1/8\n40/40 - 3s - 81ms/step - loss: nan - val_loss: inf\n\
            Epoch 2/8\n - 5s - loss: 0.5 - acc: 0.25\n";
        assert_eq!(
            records(log),
            ["step 1: loss=NaN val_loss=inf", "step 2: loss=0.5 acc=0.25"]
        );
    }

    #[test]
    fn look_alikes() {
        let log = "Epoch 5: val_loss improved from 0.5 to 0.4, saving model to a.h5\n\
            3/4 of the files: 12\n40/40 - done\n- 5s - x\n1/2 [x] - 1s - loss: 0.5\n";
        assert!(records(log).is_empty());
    }
}
