//! torchtune: the file of its disk logger, and its standard output, where the
//! same lines follow a progress bar.
//!
//! ```text
//! Step 10 | loss:1.25 lr:2e-05 tokens_per_second_per_gpu:1001.5 grad_norm:1.5
//! 1|10|Loss: 1.25:  97%|#####| 58/60 [00:00<00:00, 143.8it/s]Step 10 | loss:1.25 lr:2e-05
//! ```

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Line, Lines, Out};
use crate::decode::keyvalue::Value;
use crate::decode::split::Pairs;

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "torchtune",
        title: "torchtune: its log file and its standard output",
        example: "Step 10 | loss:1.25 lr:2e-05 tokens_per_second_per_gpu:1001.5",
        step: "`Step`",
    },
    begins: b"S",
    new: || Box::new(Lines(|line, out| read(line, out).is_some())),
};

fn read(line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
    let mut at = Cursor::new(line.text);
    at.word(b"Step ")?;
    let step = at.digits()?;
    at.word(b" | ")?;
    out.begin();
    out.step(step);
    let mut numbers = 0;
    let mut pairs = Pairs::new(at.rest, b':');
    for (key, value) in &mut pairs {
        if key.contains(&b' ') {
            return None;
        }
        if let Value::Number(value) = value {
            out.number(key, value);
            numbers += 1;
        }
    }
    // No blank after a colon: `Step 10 | Validation loss: 2.5` is another's.
    let glued = memchr::memmem::find(at.rest, b": ").is_none();
    (numbers > 0 && glued && out.end(line)).then_some(())
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn lines() {
        let log = "Step 1 | loss:2.5 lr:2e-05 tokens_per_second_per_gpu:1001 grad_norm:nan \n\
                   1|2|Loss: 1.5:  50%|##  | 2/4 [00:00<00:00, 14.5it/s]Step 2 | loss:1.5 lr:2e-05 \n";
        assert_eq!(
            records(log),
            [
                "step 1: loss=2.5 lr=0.00002 tokens_per_second_per_gpu=1001 grad_norm=NaN",
                "step 2: loss=1.5 lr=0.00002",
            ]
        );
        assert_eq!(formats(log), ["torchtune"]);
    }

    #[test]
    fn what_is_not_taken() {
        for text in [
            "Step 1 | Validation loss: 2.5\n",
            "Step 1 | done\n",
            "Step 1 | a b:3\n",
        ] {
            assert!(!formats(text).contains(&"torchtune"), "{text}");
        }
    }
}
