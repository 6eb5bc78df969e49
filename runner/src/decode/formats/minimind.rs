//! minimind.
//!
//! ```text
//! Epoch:[1/2](100/39695), loss: 5.25, logits_loss: 5.0, aux_loss: 0.25, lr: 0.0005, epoch_time: 12.5min
//! Epoch:[1/2](100/39695) loss:5.250 lr:0.000500000 epoch_Time:12.0min:
//! ```
//!
//! The count begins again with each epoch; steps go on.

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Line, Lines, Out};
use crate::decode::keyvalue::Value;
use crate::decode::split::Pairs;

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "minimind",
        title: "minimind",
        example: "Epoch:[1/2](100/39695), loss: 5.25, lr: 0.0005, epoch_time: 12.5min",
        step: "the count in parentheses, on from epoch to epoch",
    },
    begins: b"E",
    new: || Box::new(Lines(|line, out| read(line, out).is_some())),
};

fn read(line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
    let mut at = Cursor::new(line.text);
    at.word(b"Epoch:[")?;
    let epoch = at.digits()?;
    at.word(b"/")?;
    at.digits()?;
    at.word(b"](")?;
    let count = at.digits()?;
    at.word(b"/")?;
    let total = at.digits()?;
    at.word(b")")?;
    out.begin();
    out.step(
        epoch
            .checked_sub(1)?
            .checked_mul(total)?
            .checked_add(count)?,
    );
    let mut numbers = 0;
    for (key, value) in Pairs::new(at.rest, b':') {
        let Value::Number(value) = value else {
            break;
        };
        out.number(key, value);
        numbers += 1;
    }
    (numbers > 0 && out.end(line)).then_some(())
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn lines() {
        let log = "Epoch:[1/2](10/300), loss: 5.5, logits_loss: 5.25, aux_loss: 0.25, lr: 0.0005, epoch_time: 12.5min\n\
                   Epoch:[2/2](10/300) loss:nan lr:0.0005 epoch_Time:2.0min:\n";
        assert_eq!(
            records(log),
            [
                "step 10: loss=5.5 logits_loss=5.25 aux_loss=0.25 lr=0.0005 epoch_time=12.5",
                "step 310: loss=NaN lr=0.0005 epoch_Time=2",
            ]
        );
        assert_eq!(formats(log), ["minimind"]);
        assert!(!formats("Epoch:[1/2](10/300) begins\n").contains(&"minimind"));
        let huge = format!("Epoch:[{0}/2](10/{0}), loss: 5.5\n", i64::MAX);
        assert!(!formats(huge).contains(&"minimind"));
    }
}
