//! The examples and tutorials of PyTorch, and the many programs that began as
//! one of them.
//!
//! ```text
//! Train Epoch: 1 [640/60000 (1%)]    Loss: 2.301235
//! Test set: Average loss: 0.0412, Accuracy: 9866/10000 (99%)
//! ====> Epoch: 1 Average loss: 164.2
//! [1,  2000] loss: 2.203
//! loss: 2.303494  [   64/60000]
//! Test Error:
//!  Accuracy: 44.7%, Avg loss: 2.158
//! [0/5][50/1583]    Loss_D: 1.7410    Loss_G: 5.1230    D(x): 0.5790    D(G(z)): 0.6120 / 0.0210
//! train Loss: 0.6412 Acc: 0.6512
//! EPOCH 1:
//!   batch 1000 loss: 1.6334
//! LOSS train 0.5125 valid 0.6125
//! | epoch   1 |   200/ 2983 batches | lr 20.00 | ms/batch 12.30 | loss  7.63 | ppl  2050.10
//! | end of epoch   1 | time: 33.21s | valid loss  5.92 | valid ppl   371.42
//! ```

use super::Entry;
use super::fields::{self, fields};
use crate::decode::cursor::Cursor;
use crate::decode::epochs::Epochs;
use crate::decode::format::{About, Format, Line, Out};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "pytorch-examples",
        title: "PyTorch's examples and tutorials",
        example: "Train Epoch: 1 [640/60000 (1%)]\tLoss: 2.301235",
        step: "samples or batches, added up through the epochs",
    },
    begins: b"T=[lbLtvA|E",
    new: || Box::new(Examples::default()),
};

#[derive(Default)]
struct Examples {
    epochs: Epochs,
    /// The epoch that a heading names.
    epoch: Option<i64>,
}

impl Format for Examples {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        let taken = match line.text[0] {
            b'T' => self.classification(line, out).or_else(|| test(line, out)),
            b'=' => self.average(line, out),
            b'[' => self.pair(line, out),
            b'l' => self.quickstart(line, out),
            b'b' => self.batch(line, out),
            b'L' => losses(line, out),
            b't' | b'v' => self.phase(line, out),
            b'A' => error(line, out),
            b'|' => self.language_model(line, out),
            b'E' => {
                self.heading(line.text);
                None
            }
            _ => None,
        };
        taken.is_some()
    }
}

impl Examples {
    /// `Train Epoch: 1 [640/60000 (1%)]    Loss: 2.301235`
    fn classification(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
        let mut text = Cursor::new(line.text);
        text.word(b"Train Epoch: ")?;
        let epoch = text.blanks().digits()?;
        text.blanks().word(b"[")?;
        let (count, total) = of(&mut text)?;
        text.until(b']')?;
        fields(text.rest).next()?;
        out.begin();
        out.step(self.epochs.step((epoch - 1).max(0), count, Some(total)));
        out.number(b"epoch", epoch as f64);
        fields::write(text.rest, b"", out);
        out.end(line).then_some(())
    }

    /// `====> Epoch: 1 Average loss: 164.2`
    fn average(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
        let mut text = Cursor::new(line.text);
        text.word(b"====> ")?;
        out.begin();
        out.of_epoch();
        if text.word(b"Epoch: ").is_some() {
            let epoch = text.digits()?;
            out.number(b"epoch", epoch as f64);
            text.blanks().word(b"Average loss: ")?;
            out.number(b"train_loss", text.number()?);
        } else {
            text.word(b"Test set loss: ")?;
            out.number(b"test_loss", text.number()?);
        }
        text.is_done().then_some(())?;
        out.end(line).then_some(())
    }

    /// `[1,  2000] loss: 2.203`, `[0/5][50/1583]    Loss_D: 1.7410    …`
    fn pair(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
        let mut text = Cursor::new(line.text);
        text.word(b"[")?;
        let epoch = text.blanks().digits()?;
        let step = if text.word(b",").is_some() {
            let count = text.blanks().digits()?;
            text.word(b"] loss: ")?;
            // From its beginning, for the name.
            text.rest = line.text;
            text.until(b']')?;
            self.epochs.step(epoch, count, None)
        } else {
            text.word(b"/")?;
            text.digits()?;
            text.word(b"][")?;
            let (count, total) = of(&mut text)?;
            text.word(b"]")?;
            self.epochs.step(epoch, count, Some(total))
        };
        fields(text.rest).next()?;
        out.begin();
        out.step(step);
        out.number(b"epoch", epoch as f64);
        fields::write(text.rest, b"", out);
        out.end(line).then_some(())
    }

    /// `loss: 2.303494  [   64/60000]`
    fn quickstart(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
        let mut text = Cursor::new(line.text);
        text.word(b"loss: ")?;
        let loss = text.blanks().number()?;
        text.blanks().word(b"[")?;
        let (count, total) = of(&mut text)?;
        text.word(b"]")?;
        text.is_done().then_some(())?;
        out.begin();
        let step = self
            .epochs
            .step((self.epoch.unwrap_or(1) - 1).max(0), count, Some(total));
        out.step(step);
        out.number(b"loss", loss);
        out.end(line).then_some(())
    }

    /// `| epoch   1 |   200/ 2983 batches | lr 20.00 | … | loss  7.63 | ppl …`
    fn language_model(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
        let mut text = Cursor::new(line.text);
        text.word(b"| ")?;
        let end = text.word(b"end of ").is_some();
        text.word(b"epoch")?;
        let epoch = text.blanks().digits()?;
        text.blanks().word(b"|")?;
        let mut step = None;
        if !end {
            let (count, total) = of(text.blanks())?;
            text.blanks().word(b"batches")?;
            step = Some(self.epochs.step((epoch - 1).max(0), count, Some(total)));
        }
        out.begin();
        match step {
            Some(step) => out.step(step),
            None => out.of_epoch(),
        }
        out.number(b"epoch", epoch as f64);
        let mut any = false;
        for column in text.rest.split(|b| *b == b'|') {
            let column = column.trim_ascii();
            let Some(blank) = memchr::memrchr(b' ', column) else {
                continue;
            };
            let (name, value) = column.split_at(blank);
            let name = name.trim_ascii();
            let name = name.strip_suffix(b":").unwrap_or(name);
            if let Some(value) = Cursor::new(value).blanks().number() {
                out.number(name, value);
                any = true;
            }
        }
        (any && out.end(line)).then_some(())
    }

    /// `batch 1000 loss: 1.6334` under `EPOCH 1:`
    fn batch(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
        let epoch = self.epoch?;
        let mut text = Cursor::new(line.text);
        text.word(b"batch ")?;
        let count = text.digits()?;
        text.word(b" loss: ")?;
        let loss = text.number()?;
        text.is_done().then_some(())?;
        out.begin();
        out.step(self.epochs.step(epoch, count, None));
        out.number(b"loss", loss);
        out.end(line).then_some(())
    }

    /// `train Loss: 0.6412 Acc: 0.6512` under `Epoch 0/24`
    fn phase(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
        let epoch = self.epoch?;
        let mut text = Cursor::new(line.text);
        let phase: &[u8] = match text.token()? {
            b"train" => b"train ",
            b"val" => b"val ",
            _ => return None,
        };
        text.word(b" Loss: ")?;
        let loss = text.number()?;
        text.word(b" Acc: ")?;
        let accuracy = text.number()?;
        text.is_done().then_some(())?;
        out.begin();
        out.step(epoch);
        fields::number(phase, b"Loss", loss, out);
        fields::number(phase, b"Acc", accuracy, out);
        out.end(line).then_some(())
    }

    /// `Epoch 3`, `Epoch 3/24`, `EPOCH 3:` alone on a line.
    fn heading(&mut self, text: &[u8]) {
        let mut text = Cursor::new(text);
        if text
            .word(b"Epoch ")
            .or_else(|| text.word(b"EPOCH "))
            .is_none()
        {
            return;
        }
        let Some(epoch) = text.digits() else { return };
        if text.word(b"/").is_some() {
            text.digits();
        }
        text.word(b":").unwrap_or_default();
        if text.is_done() {
            self.epoch = Some(epoch);
        }
    }
}

/// `LOSS train 0.5125 valid 0.6125`
fn losses(line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
    let mut text = Cursor::new(line.text);
    text.word(b"LOSS train ")?;
    let training = text.number()?;
    text.word(b" valid ")?;
    let validation = text.number()?;
    text.is_done().then_some(())?;
    out.begin();
    out.of_epoch();
    out.number(b"train_loss", training);
    out.number(b"valid_loss", validation);
    out.end(line).then_some(())
}

/// `Test set: Average loss: 0.0412, Accuracy: 9866/10000 (99%)`
fn test(line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
    let mut text = Cursor::new(line.text);
    text.word(b"Test set: Average loss: ")?;
    let loss = text.number()?;
    out.begin();
    out.of_epoch();
    out.number(b"test_loss", loss);
    if text.word(b", Accuracy: ").is_some()
        && let Some((right, all)) = of(&mut text)
        && all > 0
    {
        out.number(b"test_accuracy", right as f64 / all as f64);
    }
    out.end(line).then_some(())
}

/// `Accuracy: 44.7%, Avg loss: 2.158`
fn error(line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
    let mut text = Cursor::new(line.text);
    text.word(b"Accuracy: ")?;
    let accuracy = text.number()?;
    text.word(b", Avg loss: ")?;
    let loss = text.number()?;
    text.is_done().then_some(())?;
    out.begin();
    out.of_epoch();
    out.number(b"test_loss", loss);
    out.number(b"test_accuracy", accuracy);
    out.end(line).then_some(())
}

/// `   64/60000`, `200/ 2983`
fn of(text: &mut Cursor) -> Option<(i64, i64)> {
    let count = text.blanks().digits()?;
    text.word(b"/")?;
    let total = text.blanks().digits()?;
    Some((count, total))
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn classification() {
        let log = "Train Epoch: 1 [640/60000 (1%)]\tLoss: 2.25\n\
            Train Epoch: 2 [640/60000 (1%)]\tLoss: nan\n\
            Test set: Average loss: 0.5, Accuracy: 9000/10000 (90%)\n";
        assert_eq!(
            records(log),
            [
                "step 640: epoch=1 Loss=2.25",
                "step 60640: epoch=2 Loss=NaN",
                "step 60640 evaluation: test_loss=0.5 test_accuracy=0.9",
            ]
        );
        assert_eq!(formats(log), ["pytorch-examples"]);
    }

    #[test]
    fn tutorials() {
        let log = "[1,  2000] loss: 2.25\n[1,  4000] loss: 2.0\n[2,  2000] loss: nan\n";
        assert_eq!(
            records(log),
            [
                "step 2000: epoch=1 loss=2.25",
                "step 4000: epoch=1 loss=2",
                "step 6000: epoch=2 loss=NaN",
            ]
        );
        let log = "Epoch 2\n-------------------------------\nloss: 2.25  [   64/60000]\n\
            Test Error: \n Accuracy: 44.5%, Avg loss: 2.125 \n";
        assert_eq!(
            records(log),
            [
                "step 60064: loss=2.25",
                "step 60064 evaluation: test_loss=2.125 test_accuracy=44.5"
            ]
        );
        let log =
            "[1/5][50/1583]\tLoss_D: 1.75\tLoss_G: 5.125\tD(x): 0.5\tD(G(z)): 0.625 / 0.125\n";
        assert_eq!(
            records(log),
            ["step 1633: epoch=1 Loss_D=1.75 Loss_G=5.125 D(x)=0.5 D(G(z))=0.625"]
        );
    }

    #[test]
    fn under_a_heading() {
        let log = "Epoch 3/24\n----------\ntrain Loss: 0.5 Acc: 0.25\nval Loss: 0.75 Acc: 0.125\n";
        assert_eq!(
            records(log),
            [
                "step 3: train Loss=0.5 train Acc=0.25",
                "step 3: val Loss=0.75 val Acc=0.125",
            ]
        );
        let log = "EPOCH 1:\n  batch 1000 loss: 1.5\nLOSS train 0.5 valid 0.25\n\
            EPOCH 2:\n  batch 1000 loss: 1.25\n";
        assert_eq!(
            records(log),
            [
                "step 1000: loss=1.5",
                "step 1000 evaluation: train_loss=0.5 valid_loss=0.25",
                "step 2000: loss=1.25",
            ]
        );
    }

    #[test]
    fn language_models() {
        let log = "| epoch   2 |   200/ 2983 batches | lr 20.00 | ms/batch 12.50 | loss  7.5 | ppl  2050.5\n\
            | end of epoch   2 | time: 33.25s | valid loss  5.75 | valid ppl   371.5\n";
        assert_eq!(
            records(log),
            [
                "step 3183: epoch=2 lr=20 ms/batch=12.5 loss=7.5 ppl=2050.5",
                "step 3183 evaluation: epoch=2 time=33.25 valid loss=5.75 valid ppl=371.5",
            ]
        );
    }

    #[test]
    fn autoencoders() {
        let log = "====> Epoch: 1 Average loss: 164.25\n====> Test set loss: 127.5\n";
        assert_eq!(
            records(log),
            [
                "step 1: epoch=1 train_loss=164.25",
                "step 1: test_loss=127.5"
            ]
        );
    }

    #[test]
    fn look_alikes() {
        let log = "Train Epoch: 1\n[1, 2]\n[1/2] done\nloss: 2.5\nAccuracy: high\n| epoch | loss |\n====> x\nTest set: 5\n";
        assert!(records(log).is_empty());
    }
}
