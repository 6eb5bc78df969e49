//! NeMo: Lightning's progress bar with Megatron's metrics, and NeMo 2's lines.
//!
//! ```text
//! Epoch 0: : 47%|####| 7/15 [06:19<07:13, v_num=a1-b2, reduced_train_loss=8.5, global_step=5.000, consumed_samples=2.56e+5, train_step_timing in s=7.5]
//! Training epoch 0, iteration 5/99 | lr: 1.5e-05 | global_step: 5 | reduced_train_loss: 8.5 | train_step_timing in s: 1.25
//! ```
//!
//! Steps are floats with few digits. A bar that is drawn again counts once.

use memchr::memmem;

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Format, Line, Out};
use crate::decode::keyvalue::Value;
use crate::decode::split::Pairs;

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "nemo",
        title: "NeMo",
        example: "7/15 [06:19<07:13, reduced_train_loss=8.5, global_step=5.000, consumed_samples=2.56e+5]",
        step: "`global_step`",
    },
    begins: b"T",
    new: || Box::new(Nemo::default()),
};

#[derive(Default)]
struct Nemo {
    /// The metrics of the last bar.
    last: Vec<u8>,
}

impl Format for Nemo {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        match line.bar {
            Some(bar) => {
                if !is_nemo(bar.postfix) {
                    return false;
                }
                if self.last == bar.postfix {
                    return true;
                }
                self.last.clear();
                self.last.extend_from_slice(bar.postfix);
                write(bar.postfix, b'=', line, out).is_some()
            }
            None => text(line, out).is_some(),
        }
    }
}

fn is_nemo(postfix: &[u8]) -> bool {
    let own: [&[u8]; 3] = [
        b"consumed_samples=",
        b"reduced_train_loss=",
        b"train_step_timing",
    ];
    memmem::find(postfix, b"global_step=").is_some()
        && own.iter().any(|key| memmem::find(postfix, key).is_some())
}

fn text(line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
    let mut at = Cursor::new(line.text);
    at.word(b"Training epoch ")?;
    at.digits()?;
    at.word(b", iteration ")?;
    at.digits()?;
    at.word(b"/")?;
    at.digits()?;
    at.word(b" | ")?;
    write(at.rest, b':', line, out)
}

fn write(text: &[u8], mark: u8, line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
    out.begin();
    let mut stepped = false;
    for (key, value) in Pairs::new(text, mark) {
        if let Value::Number(value) = value {
            stepped |= key == b"global_step";
            if key != b"v_num" {
                out.number(key, value);
            }
        }
    }
    (stepped && out.end(line)).then_some(())
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn bars() {
        let log = "Epoch 0: : 47%|####| 7/15 [06:19<07:13, v_num=3, reduced_train_loss=8.5, global_step=5.000, consumed_samples=2.56e+5, train_step_timing in s=7.5]\r\
                   Epoch 0: : 47%|####| 7/15 [06:19<07:13, v_num=3, reduced_train_loss=8.5, global_step=5.000, consumed_samples=2.56e+5, train_step_timing in s=7.5]\r\
                   Epoch 0: : 53%|####| 8/? [06:19<07:13, loss=nan.0, v_num=a1-b2, reduced_train_loss=nan.0, global_step=2e+3, consumed_samples=2.56e+5, val_loss=0.25][NeMo I 2031-05-06 07:08:09 x:1] saved\n";
        assert_eq!(
            records(log),
            [
                "step 5: reduced_train_loss=8.5 consumed_samples=256000 train_step_timing in s=7.5",
                "step 2000: loss=NaN reduced_train_loss=NaN consumed_samples=256000 val_loss=0.25",
            ]
        );
        assert_eq!(formats(log), ["nemo"]);
    }

    #[test]
    fn lines() {
        let log = "Training epoch 0, iteration 5/99 | lr: 1.5e-05 | global_batch_size: 32 | global_step: 5 | reduced_train_loss: 8.5 | train_step_timing in s: 1.25\n";
        assert_eq!(
            records(log),
            [
                "step 5: lr=0.000015 global_batch_size=32 reduced_train_loss=8.5 train_step_timing in s=1.25"
            ]
        );
        assert_eq!(formats(log), ["nemo"]);
    }
}
