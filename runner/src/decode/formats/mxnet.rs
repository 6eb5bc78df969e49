//! MXNet and GluonCV.
//!
//! ```text
//! Epoch[0] Batch [20]    Speed: 142.33 samples/sec    accuracy=0.562500
//! Epoch[0] Batch [20-40]    Speed: 142.33 samples/sec    accuracy=0.562500
//! Epoch[0] Train-accuracy=0.671875
//! Epoch[0] Validation-accuracy=0.710788
//! Update[3751]: Change learning rate to 1.00000e-03
//! [Epoch 0] training: accuracy=0.671875
//! [Epoch 0] validation: err-top1=0.250 err-top5=0.125
//! ```

use super::Entry;
use super::fields;
use crate::decode::cursor::Cursor;
use crate::decode::epochs::Epochs;
use crate::decode::format::{About, Format, Line, Out};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "mxnet",
        title: "MXNet, GluonCV",
        example: "Epoch[0] Batch [20]\tSpeed: 142.33 samples/sec\taccuracy=0.562500",
        step: "batches, added up through the epochs",
    },
    begins: b"UE[",
    new: || Box::new(MxNet::default()),
};

#[derive(Default)]
struct MxNet {
    epochs: Epochs,
    /// A learning rate that has been announced, for the next batch.
    rate: Option<f64>,
}

impl Format for MxNet {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        let mut text = Cursor::new(line.text);
        if text.word(b"Update[").is_some() {
            self.rate = learning_rate(text).or(self.rate);
            return self.rate.is_some();
        }
        let Some((epoch, in_brackets)) = epoch(&mut text) else {
            return false;
        };
        if text.word(b"Batch [").is_some() {
            return self.batch(epoch, text, line, out);
        }
        let rest = text.rest;
        let (prefix, rest) = if in_brackets {
            match rest.split_at(memchr::memchr(b' ', rest).unwrap_or(rest.len())) {
                (b"training:", rest) => (&b"train-"[..], rest),
                (b"validation:", rest) => (&b"val-"[..], rest),
                _ => return false,
            }
        } else if rest.starts_with(b"Train-") || rest.starts_with(b"Validation-") {
            (&b""[..], rest)
        } else {
            // How long the epoch took, in no record.
            return rest.starts_with(b"Time cost=");
        };
        // These belong to the last batch.
        out.begin();
        out.of_epoch();
        fields::write(rest, prefix, out) > 0 && out.end(line)
    }

    fn finish(&mut self, out: &mut Out<'_>) {
        // No batch came after it.
        if let Some(rate) = self.rate.take() {
            out.begin();
            out.evaluation();
            out.number(b"lr", rate);
            out.end(&Line {
                text: b"-",
                ..Line::default()
            });
        }
    }
}

impl MxNet {
    fn batch(&mut self, epoch: i64, text: Cursor<'_>, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        let Some((batch, rest)) = batch(text) else {
            return false;
        };
        out.begin();
        out.step(self.epochs.step(epoch, batch, None));
        out.number(b"epoch", epoch as f64);
        for field in fields::fields(rest) {
            let speed = field.name == b"Speed";
            let name = if speed { b"samples/sec" } else { field.name };
            out.number(name, field.value);
        }
        if let Some(rate) = self.rate.take() {
            out.number(b"lr", rate);
        }
        out.end(line)
    }
}

/// `Update[3751]: Change learning rate to 1.00000e-03`
/// `3751]: Change learning rate to 1.00000e-03`
fn learning_rate(mut text: Cursor<'_>) -> Option<f64> {
    text.until(b']')?;
    text.word(b": Change learning rate to ")?;
    text.number()
}

/// `Epoch[0] ` or `[Epoch 0] `; true for the latter.
fn epoch(text: &mut Cursor) -> Option<(i64, bool)> {
    if text.word(b"Epoch[").is_some() {
        let epoch = text.digits()?;
        text.word(b"] ")?;
        return Some((epoch, false));
    }
    text.word(b"[Epoch ")?;
    let epoch = text.digits()?;
    text.word(b"]")?;
    text.blanks();
    Some((epoch, true))
}

/// The number before `]`, or the second one of `[20-40]`.
fn batch(mut text: Cursor<'_>) -> Option<(i64, &[u8])> {
    let mut batch = text.digits()?;
    if text.word(b"-").is_some() {
        batch = text.digits()?;
    }
    text.word(b"]")?;
    fields::fields(text.rest).next()?;
    Some((batch, text.rest))
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn batches_and_epochs() {
        let log = "INFO:root:Epoch[0] Batch [20]\tSpeed: 142.5 samples/sec\taccuracy=0.5\n\
            INFO:root:Epoch[0] Batch [20-40]\tSpeed: 142.5 samples/sec\taccuracy=0.625\tcross-entropy=nan\n\
            INFO:root:Epoch[0] Train-accuracy=0.75\n\
            INFO:root:Epoch[0] Time cost=140.5\n\
            INFO:root:Epoch[0] Validation-accuracy=0.25\n\
            INFO:root:Epoch[1] Batch [20]\tSpeed: 142.5 samples/sec\taccuracy=0.5\n\
            INFO:root:Update[3751]: Change learning rate to 1.00000e-02\n\
            INFO:root:Epoch[1] Batch [40]\tSpeed: 142.5 samples/sec\taccuracy=0.5\n\
            INFO:root:Update[7502]: Change learning rate to 1.00000e-03\n";
        assert_eq!(
            records(log),
            [
                "step 20: epoch=0 samples/sec=142.5 accuracy=0.5",
                "step 40: epoch=0 samples/sec=142.5 accuracy=0.625 cross-entropy=NaN",
                "step 40 evaluation: Train-accuracy=0.75",
                "step 40 evaluation: Validation-accuracy=0.25",
                "step 60: epoch=1 samples/sec=142.5 accuracy=0.5",
                "step 80: epoch=1 samples/sec=142.5 accuracy=0.5 lr=0.01",
                "step 80 evaluation: lr=0.001",
            ]
        );
        assert_eq!(formats(log), ["mxnet"]);
    }

    #[test]
    fn gluon() {
        let log = "[Epoch 3] training: accuracy=0.75\n[Epoch 3] validation: err-top1=0.25 err-top5=0.125\n";
        assert_eq!(
            records(log),
            [
                "step 1: train-accuracy=0.75",
                "step 2: val-err-top1=0.25 val-err-top5=0.125"
            ]
        );
    }

    #[test]
    fn look_alikes() {
        assert!(
            records("Epoch[0] begins\n[Epoch 1] loading\nEpoch[x]\nEpoch[1] Batch [2\n").is_empty()
        );
    }
}
