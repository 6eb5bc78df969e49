//! timm's `train.py` (PyTorch Image Models).
//!
//! ```text
//! Train: 0 [   2/12 ( 25%)]  Loss: 0.661 (0.729)  Time: 0.605s,   13.22/s  (0.864s,    9.26/s)  LR: 1.000e-05  Data: 0.044 (0.069)
//! Test: [   3/3]  Time: 0.126 (0.136)  Loss:   0.740 ( 0.660)  Acc@1:   0.000 ( 50.000)
//! ```
//!
//! The number before the parentheses is of the last batch, the one inside the
//! average of the epoch. A test's averages count when it is over.

use super::Entry;
use super::fields::{self, Evaluation, fields};
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Format, Line, Out};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "timm",
        title: "timm, PyTorch Image Models",
        example: "Train: 0 [   2/12 ( 25%)]  Loss: 0.661 (0.729)  Time: 0.605s,   13.22/s  (0.864s,    9.26/s)  LR: 1.000e-05  Data: 0.044 (0.069)",
        step: "epoch × length + batch",
    },
    begins: b"",
    new: || Box::new(Timm::default()),
};

#[derive(Default)]
struct Timm {
    test: Evaluation,
}

impl Format for Timm {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        if let Some(rest) = test(line.text) {
            self.test.begin(line);
            for field in fields(rest).filter(|field| field.name != b"Time") {
                let name = field.name.to_ascii_lowercase();
                let value = field.average.unwrap_or(field.value);
                self.test.number(b"test_", &name, value);
            }
            return true;
        }
        self.test.finish(out);
        let Some((epoch, step, rest)) = training(line.text) else {
            return false;
        };
        out.begin();
        out.step(step);
        out.number(b"epoch", epoch as f64);
        for field in fields(rest) {
            // As `summary.csv` and the arguments call them: `loss`, `lr`.
            let name = field.name.to_ascii_lowercase();
            fields::number(b"", &name, field.value, out);
        }
        if let Some(rate) = rate(rest) {
            out.number(b"samples/s", rate);
        }
        out.end(line)
    }

    fn finish(&mut self, out: &mut Out<'_>) {
        self.test.finish(out);
    }
}

/// The epoch, the step, and what follows them.
fn training(text: &[u8]) -> Option<(i64, i64, &[u8])> {
    let mut text = Cursor::new(text);
    text.word(b"Train: ")?;
    let epoch = text.blanks().digits()?;
    text.blanks().word(b"[")?;
    let count = text.blanks().digits()?;
    text.word(b"/")?;
    let total = text.blanks().digits()?;
    text.blanks().word(b"(")?;
    text.until(b']')?;
    fields(text.rest).next()?;
    let step = epoch.saturating_mul(total).saturating_add(count);
    Some((epoch, step, text.rest))
}

fn test(text: &[u8]) -> Option<&[u8]> {
    let mut text = Cursor::new(text);
    text.word(b"Test")?;
    // `Test (EMA): [..]` and the names of other logs.
    if text.rest.starts_with(b" (") {
        text.until(b')')?;
    }
    text.word(b": [")?;
    text.blanks().digits()?;
    text.word(b"/")?;
    text.blanks().digits()?;
    text.word(b"]  Time: ")?;
    Some(text.rest)
}

/// The images per second of `Time: 0.605s,   13.22/s  (…)`.
fn rate(text: &[u8]) -> Option<f64> {
    let start = memchr::memmem::find(text, b"Time: ")?;
    let mut text = Cursor::new(&text[start + 6..]);
    text.blanks().number()?;
    text.word(b",")?;
    let end = memchr::memmem::find(text.blanks().rest, b"/s")?;
    let mut rate = Cursor::new(&text.rest[..end]);
    let value = rate.number()?;
    rate.is_done().then_some(value)
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn training_and_tests() {
        let log = "Train: 1 [   2/12 ( 25%)]  Loss: 0.5 (0.75)  Time: 0.625s,   12.5/s  (0.875s,    9.25/s)  LR: 1.000e-05  Data: 0.044 (0.069)\n\
            Train: 1 [  11/12 (100%)]  Loss:  nan (nan)  Time: 0.625s,   12.5/s  (0.875s,    9.25/s)  LR: 1.000e-05  Data: 0.044 (0.069)\n\
            Test: [   0/3]  Time: 0.149 (0.149)  Loss:   0.5 ( 0.5)  Acc@1: 100.000 (100.000)\n\
            Test: [   3/3]  Time: 0.126 (0.136)  Loss:   0.5 ( 0.25)  Acc@1:   0.000 ( 50.000)\n\
            Current checkpoints:\n";
        assert_eq!(
            records(log),
            [
                "step 14: epoch=1 loss=0.5 time=0.625 lr=0.00001 data=0.044 samples/s=12.5",
                "step 23: epoch=1 loss=NaN time=0.625 lr=0.00001 data=0.044 samples/s=12.5",
                "step 23 evaluation: test_loss=0.25 test_acc@1=50",
            ]
        );
        assert_eq!(formats(log), ["timm"]);
    }

    #[test]
    fn a_test_that_is_cut() {
        let log = "Train: 0 [   2/12 ( 25%)]  Loss: 0.5 (0.75)\n\
            Test: [   1/3]  Time: 0.149 (0.149)  Loss:   0.5 ( 0.5)  Acc@1: 100.000 (100.000)\n";
        assert_eq!(
            records(log),
            [
                "step 2: epoch=0 loss=0.5",
                "step 2 evaluation: test_loss=0.5 test_acc@1=100"
            ]
        );
    }

    #[test]
    fn look_alikes() {
        assert!(records("Train: 5\nTest: [1/3]\nTrain: 0 [ 1/2 files\nTest (x\n").is_empty());
    }
}
