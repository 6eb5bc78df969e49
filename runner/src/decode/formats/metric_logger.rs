//! The `MetricLogger` of torchvision's references, DETR, DeiT, MAE and DINO.
//!
//! ```text
//! Epoch: [2]  [ 680/1562]  eta: 0:12:17  lr: 0.000500  loss: 3.2330 (3.3318)  time: 0.1703  data: 0.0035  max mem: 997
//! Epoch: [2/100]  [ 680/1562]  eta: 0:12:17  loss: 3.2330 (3.3318)  time: 0.1703
//! Test:  [ 10/79]  eta: 0:00:17  loss: 3.2330 (3.3318)  acc1: 70.0000 (65.5000)  time: 0.1703
//! ```
//!
//! The number before the parentheses is of the last steps, the one inside the
//! average of the epoch. A test's averages count when it is over.

use super::Entry;
use super::fields::{self, Evaluation, fields};
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Format, Line, Out};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "metric-logger",
        title: "MetricLogger of DETR, DeiT, MAE, DINO, torchvision",
        example: "Epoch: [2]  [ 680/1562]  eta: 0:12:17  lr: 0.000500  loss: 3.2330 (3.3318)  time: 0.1703  max mem: 997",
        step: "epoch × length + iteration",
    },
    begins: b"",
    new: || Box::new(MetricLogger::default()),
};

#[derive(Default)]
struct MetricLogger {
    test: Evaluation,
}

impl Format for MetricLogger {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        if let Some(rest) = test(line.text) {
            self.test.begin(line);
            for field in fields(rest).filter(|field| !is_time(field.name)) {
                let value = field.average.unwrap_or(field.value);
                self.test.number(b"test_", field.name, value);
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
        fields::write(rest, b"", out) > 0 && out.end(line)
    }

    fn finish(&mut self, out: &mut Out<'_>) {
        self.test.finish(out);
    }
}

fn is_time(name: &[u8]) -> bool {
    matches!(name, b"time" | b"data" | b"max mem")
}

/// The epoch, the step, and what follows them.
fn training(text: &[u8]) -> Option<(i64, i64, &[u8])> {
    let mut text = Cursor::new(text);
    text.word(b"Epoch: [")?;
    let epoch = text.blanks().digits()?;
    if text.word(b"/").is_some() {
        text.blanks().digits()?;
    }
    text.word(b"]")?;
    let (count, total) = progress(&mut text)?;
    let step = epoch.saturating_mul(total).saturating_add(count);
    Some((epoch, step, text.rest))
}

fn test(text: &[u8]) -> Option<&[u8]> {
    let mut text = Cursor::new(text);
    text.word(b"Test:").or_else(|| text.word(b"Val:"))?;
    progress(&mut text)?;
    Some(text.rest)
}

/// `  [ 680/1562]  eta: `, which no other format has.
fn progress(text: &mut Cursor) -> Option<(i64, i64)> {
    text.blanks().word(b"[")?;
    let count = text.blanks().digits()?;
    text.word(b"/")?;
    let total = text.digits()?;
    text.word(b"]")?;
    text.word(b"  eta: ")?;
    text.token()?;
    Some((count, total))
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn training_and_tests() {
        let log = "Epoch: [2]  [ 10/100]  eta: 0:12:17  lr: 0.5  loss: 3.25 (3.5)  time: 0.25  max mem: 997\n\
            Epoch: [3/9]  [ 10/100]  eta: 1 day, 0:12:17  loss: nan (nan)  time: 0.25\n\
            Test:  [ 0/79]  eta: 0:00:17  loss: 1.5 (1.5)  acc1: 70.0 (70.0)  time: 0.1\n\
            Test:  [78/79]  eta: 0:00:00  loss: 1.0 (1.25)  acc1: 60.0 (65.0)  time: 0.1\n\
            Test: Total time: 0:00:09 (0.1 s / it)\n";
        assert_eq!(
            records(log),
            [
                "step 210: epoch=2 lr=0.5 loss=3.25 time=0.25 max mem=997",
                "step 310: epoch=3 loss=NaN time=0.25",
                "step 310 evaluation: test_loss=1.25 test_acc1=65",
            ]
        );
        assert_eq!(formats(log), ["metric-logger"]);
    }

    #[test]
    fn look_alikes() {
        let log = "Epoch: [2]\nTest: [0/9]\nEpoch: [2] Total time: 0:01:00\nAveraged stats: loss: 7.25 (9.5)  lr: 0.5 (0.5)\n\
             [ 10/782]  eta: 0:05:46    time: 0.448428  data: 0.138867  max mem: 862\n";
        assert!(records(log).is_empty());
    }
}
