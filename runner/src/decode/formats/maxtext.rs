//! MaxText.
//!
//! ```text
//! completed step: 3, seconds: 5.402, TFLOP/s/device: 141.542, Tokens/s/device: 9098.189, total_weights: 196608, loss: 11.379
//! eval metrics after step: 3, loss=11.25, total_weights=65536
//! ```

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Line, Lines, Out};
use crate::decode::keyvalue::Value;
use crate::decode::split::Pairs;

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "maxtext",
        title: "MaxText",
        example: "completed step: 3, seconds: 5.402, TFLOP/s/device: 141.542, loss: 11.379",
        step: "`completed step`",
    },
    begins: b"ce",
    new: || Box::new(Lines(|line, out| read(line, out).is_some())),
};

fn read(line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
    let mut at = Cursor::new(line.text);
    let evaluates = at.word(b"eval metrics after step: ").is_some();
    if !evaluates {
        at.word(b"completed step: ")?;
    }
    let step = at.digits()?;
    at.word(b", ")?;
    out.begin();
    out.step(step);
    if evaluates {
        out.evaluation();
    }
    let mut numbers = 0;
    for (key, value) in Pairs::new(at.rest, if evaluates { b'=' } else { b':' }) {
        let Value::Number(value) = value else {
            continue;
        };
        numbers += 1;
        if evaluates {
            out.number(&[b"eval/", key].concat(), value);
        } else {
            out.number(key, value);
        }
    }
    (numbers > 0 && out.end(line)).then_some(())
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn lines() {
        let log = "I0317 10:00:17.579063 1253 metric_logger.py:181] completed step: 3, seconds: 5.5, TFLOP/s/device: 141.5, Tokens/s/device: 9098.25, total_weights: 196608, loss: nan\n\
                   completed step: 4, seconds: 5.5, loss: 11.5\n\
                   eval metrics after step: 4, loss=11.25, total_weights=64\n";
        assert_eq!(
            records(log),
            [
                "step 3: seconds=5.5 TFLOP/s/device=141.5 Tokens/s/device=9098.25 total_weights=196608 loss=NaN",
                "step 4: seconds=5.5 loss=11.5",
                "step 4 evaluation: eval/loss=11.25 eval/total_weights=64",
            ]
        );
        assert_eq!(formats(log), ["maxtext"]);
        assert!(records("completed step: 4, all well\n").is_empty());
    }
}
