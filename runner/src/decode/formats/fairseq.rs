//! fairseq, when it does not log JSON.
//!
//! ```text
//! TIME | INFO | train_inner | epoch 143:     85 / 282 loss=8.5, nll_loss=7.25, num_updates=40100, lr=0.0005
//! TIME | INFO | train | epoch 001 | loss 8.5 | nll_loss 7.25 | num_updates 282 | lr 0.0005
//! TIME | INFO | valid | epoch 001 | valid on 'valid' subset | loss 8.25 | ppl 250.5 | num_updates 282
//! epoch 001:  30%|###   | 85/282 [00:10<00:23,  8.5it/s, loss=8.5, num_updates=85]
//! ```
//!
//! Validation's metrics get `valid_` before their names, as in fairseq's JSON.

use memchr::memmem;

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Line, Lines, Out};
use crate::decode::keyvalue::Value;
use crate::decode::split::{Pairs, columns, worded};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "fairseq",
        title: "fairseq's plain and tqdm logs",
        example: "epoch 143:     85 / 282 loss=8.5, nll_loss=7.25, num_updates=40100, lr=0.0005",
        step: "`num_updates`",
    },
    begins: b"e|",
    new: || Box::new(Lines(|line, out| read(line, out).is_some())),
};

const STEP: &[u8] = b"num_updates";

fn read(line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
    let mut at = Cursor::new(line.text);
    // Before there were loggers.
    at.word(b"| ");
    at.word(b"epoch ")?;
    let epoch = at.digits()?;
    memmem::find(at.rest, STEP)?;
    out.begin();
    out.number(b"epoch", epoch as f64);
    let stepped = if let Some(bar) = line.bar {
        pairs(bar.postfix, out)
    } else if at.word(b":").is_some() {
        at.blanks().digits()?;
        at.blanks().word(b"/")?;
        at.blanks().digits()?;
        at.word(b" ")?;
        pairs(at.rest, out)
    } else {
        at.word(b" |")?;
        Some(summary(at.rest, out))
    }?;
    (stepped && out.end(line)).then_some(())
}

/// `loss=8.5, num_updates=40100`: whether the step is there.
fn pairs(text: &[u8], out: &mut Out<'_>) -> Option<bool> {
    let mut stepped = false;
    for (key, value) in Pairs::new(text, b'=') {
        if key.contains(&b' ') {
            return None;
        }
        if let Value::Number(value) = value {
            stepped |= key == STEP;
            out.number(key, value);
        }
    }
    Some(stepped)
}

/// `loss 8.5 | num_updates 282`.
fn summary(text: &[u8], out: &mut Out<'_>) -> bool {
    let mut prefix: &[u8] = b"";
    let mut stepped = false;
    for column in columns(text) {
        if column.starts_with(b"valid on ") {
            prefix = b"valid_";
            continue;
        }
        // A line may be cut.
        let Some((key, value)) = worded(column) else {
            break;
        };
        if key == STEP {
            stepped = true;
            out.number(key, value);
        } else {
            out.number(&[prefix, key].concat(), value);
        }
    }
    stepped
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn lines() {
        let log = "2031-05-06 07:08:09 | INFO | train_inner | epoch 003:     85 / 282 loss=8.5, nll_loss=nan, num_updates=649, lr=0.0005, gnorm=1.5\n\
                   2031-05-06 07:08:09 | INFO | valid | epoch 003 | valid on 'valid' subset | loss 8.25 | ppl 250.5 | num_updates 846 | best_loss 8.25\n\
                   2031-05-06 07:08:09 | INFO | train | epoch 003 | loss 8.5 | ppl 260 | num_updates 846 | lr 0.0005\n\
                   | epoch 004:     10 / 282 loss=8.5, num_updates=856\n\
                   epoch 004:  30%|###   | 85/282 [00:10<00:23,  8.5it/s, loss=8.5, num_updates=931]\n";
        let read: Vec<_> = records(log)
            .iter()
            .map(|row| row.replace("epoch=3 ", "").replace("epoch=4 ", ""))
            .collect();
        assert_eq!(
            read,
            [
                "step 649: loss=8.5 nll_loss=NaN lr=0.0005 gnorm=1.5",
                "step 846: valid_loss=8.25 valid_ppl=250.5 valid_best_loss=8.25",
                "step 846: loss=8.5 ppl=260 lr=0.0005",
                "step 856: loss=8.5",
                "step 931: loss=8.5",
            ]
        );
        assert_eq!(formats(log), ["fairseq"]);
    }

    #[test]
    fn what_is_not_taken() {
        for text in [
            "epoch 3 | loss 8.5\n",
            "epoch 3: num_updates=5\n",
            "epoch 003 | num_updates\n",
        ] {
            assert!(!formats(text).contains(&"fairseq"), "{text}");
        }
    }
}
