//! The ImageNet example of PyTorch, and what grew out of it: MoCo, SwAV, SimSiam.
//!
//! ```text
//! Epoch: [0][  10/5005]    Time  0.300 ( 0.900)    Data  0.001 ( 0.500)    Loss 6.9e+00 (7.0e+00)    Acc@1   0.00 (  0.10)
//! Epoch: [0][50]    Time 0.5 (0.7)    Data 0.1 (0.2)    Loss 5.25 (5.50)    Lr: 0.6
//! Test: [ 10/196]    Time  0.300 ( 0.900)    Loss 1.2e+00 (1.1e+00)    Acc@1  70.00 ( 65.50)
//!  * Acc@1 65.500 Acc@5 86.500
//! ```
//!
//! The number before the parentheses is of the last batch, the one inside the
//! average of the epoch. A test's averages count when it is over.

use super::Entry;
use super::fields::{self, Evaluation};
use crate::decode::cursor::Cursor;
use crate::decode::epochs::Epochs;
use crate::decode::format::{About, Format, Line, Out};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "imagenet",
        title: "PyTorch's ImageNet example, MoCo, SwAV",
        example: "Epoch: [0][  10/5005]\tTime  0.300 ( 0.900)\tData  0.001 ( 0.500)\tLoss 6.9e+00 (7.0e+00)\tAcc@1   0.00 (  0.10)",
        step: "epoch × length + batch",
    },
    begins: b"",
    new: || Box::new(ImageNet::default()),
};

#[derive(Default)]
struct ImageNet {
    epochs: Epochs,
    test: Evaluation,
}

impl Format for ImageNet {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        let text = without_elapsed(line.text);
        match text[0] {
            b'T' if self.test(text, line) => return true,
            _ => self.test.finish(out),
        }
        text[0] == b'E' && self.training(text, line, out)
    }

    fn finish(&mut self, out: &mut Out<'_>) {
        self.test.finish(out);
    }
}

impl ImageNet {
    fn training(&mut self, text: &[u8], line: &Line<'_>, out: &mut Out<'_>) -> bool {
        let mut text = Cursor::new(text);
        let Some((epoch, count, total)) = head(&mut text) else {
            return false;
        };
        let mut columns = columns(text.rest).peekable();
        if columns.peek().is_none() {
            return false;
        }
        out.begin();
        out.step(self.epochs.step(epoch, count, total));
        out.number(b"epoch", epoch as f64);
        for (name, value, _) in columns {
            fields::number(b"", name, value, out);
        }
        out.end(line)
    }

    fn test(&mut self, text: &[u8], line: &Line<'_>) -> bool {
        let mut text = Cursor::new(text);
        if text.word(b"Test: ").is_none() || progress(&mut text).is_none() {
            return false;
        }
        if !text.rest.starts_with(b"\t") {
            return false;
        }
        self.test.begin(line);
        for (name, value, average) in columns(text.rest) {
            if !matches!(name, b"Time" | b"Data") {
                let value = average.unwrap_or(value);
                self.test.number(b"test_", name, value);
            }
        }
        true
    }
}

/// SwAV prints the time since its start after the date: `0:00:10 - Epoch: …`.
fn without_elapsed(text: &[u8]) -> &[u8] {
    let clock = text
        .iter()
        .take_while(|b| b.is_ascii_digit() || **b == b':')
        .count();
    match text[clock..].strip_prefix(b" - ") {
        Some(rest) if clock > 0 && !rest.is_empty() => rest,
        _ => text,
    }
}

/// `Epoch: [0][  10/5005]` and the tab after it.
fn head(text: &mut Cursor) -> Option<(i64, i64, Option<i64>)> {
    text.word(b"Epoch: [")?;
    let epoch = text.blanks().digits()?;
    text.word(b"]")?;
    let (count, total) = progress(text)?;
    text.rest
        .starts_with(b"\t")
        .then_some((epoch, count, total))
}

/// `[  10/5005]`, `[50]`.
fn progress(text: &mut Cursor) -> Option<(i64, Option<i64>)> {
    text.word(b"[")?;
    let count = text.blanks().digits()?;
    let total = match text.word(b"/") {
        Some(()) => Some(text.blanks().digits()?),
        None => None,
    };
    text.word(b"]")?;
    Some((count, total))
}

/// `Loss 6.9 (7.0)` between tabs: the name, the number, the average.
fn columns(text: &[u8]) -> impl Iterator<Item = (&[u8], f64, Option<f64>)> {
    text.split(|b| *b == b'\t').filter_map(|column| {
        let mut column = Cursor::new(column.trim_ascii());
        let name = column.token()?;
        let value = column.blanks().number()?;
        let name = name.strip_suffix(b":").unwrap_or(name);
        Some((name, value, fields::average(&mut column)))
    })
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn training_and_tests() {
        let log = "Epoch: [2][  10/500]\tTime  0.300 ( 0.900)\tData  0.125 ( 0.5)\tLoss 6.5e+00 (7.0e+00)\tAcc@1   0.50 (  0.10)\n\
            Epoch: [2][  20/500]\tTime  0.300 ( 0.900)\tLoss nan (nan)\n\
            Test: [  0/196]\tTime  0.300 ( 0.900)\tLoss 1.5e+00 (1.5e+00)\tAcc@1  70.00 ( 70.00)\n\
            Test: [190/196]\tTime  0.300 ( 0.900)\tLoss 1.0e+00 (1.25e+00)\tAcc@1  60.00 ( 65.50)\n\
            \x20* Acc@1 65.500 Acc@5 86.500\n";
        assert_eq!(
            records(log),
            [
                "step 1010: epoch=2 Time=0.3 Data=0.125 Loss=6.5 Acc@1=0.5",
                "step 1020: epoch=2 Time=0.3 Loss=NaN",
                "step 1020 evaluation: test_Loss=1.25 test_Acc@1=65.5",
            ]
        );
        assert_eq!(formats(log), ["imagenet"]);
    }

    #[test]
    fn without_a_length() {
        let log = "INFO - 03/01/21 10:00:00 - 0:00:10 - Epoch: [0][50]\tTime 0.5 (0.7)\tLoss 5.25 (5.50)\tLr: 0.625\n\
            INFO - 03/01/21 10:00:00 - 0:00:20 - Epoch: [1][0]\tTime 0.5 (0.7)\tLoss 5.0 (5.50)\tLr: 0.625\n";
        assert_eq!(
            records(log),
            [
                "step 50: epoch=0 Time=0.5 Loss=5.25 Lr=0.625",
                "step 50: epoch=1 Time=0.5 Loss=5 Lr=0.625",
            ]
        );
    }

    #[test]
    fn look_alikes() {
        assert!(records("Epoch: [2]\nEpoch: [2][3/4] starts\nTest: [x]\n1 - E\n - \n").is_empty());
    }
}
