//! Hugging Face's example scripts without a trainer.
//!
//! ```text
//! 05/06/2031 07:08:09 - INFO - __main__ - epoch 0: perplexity: 25.5 eval_loss: 3.25
//! ```

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Line, Lines, Out};
use crate::decode::keyvalue::Value;
use crate::decode::split::Pairs;

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "accelerate",
        title: "Hugging Face's `no_trainer` scripts",
        example: "epoch 0: perplexity: 25.5 eval_loss: 3.25",
        step: "the progress bar beside it, else the epoch",
    },
    begins: b"e",
    new: || Box::new(Lines(|line, out| read(line, out).is_some())),
};

fn read(line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
    let mut at = Cursor::new(line.text);
    at.word(b"epoch ")?;
    let epoch = at.digits()?;
    at.word(b": ")?;
    if !at.rest.starts_with(b"perplexity: ") {
        return None;
    }
    out.begin();
    out.number(b"epoch", epoch as f64);
    let mut pairs = Pairs::new(at.rest, b':');
    for (key, value) in &mut pairs {
        let Value::Number(value) = value else {
            return None;
        };
        out.number(key, value);
    }
    (pairs.is_done() && out.end(line)).then_some(())
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn lines() {
        let log = " 50%|##  | 5/10 [00:10<00:10,  2.00s/it]\r\
                   05/06/2031 07:08:09 - INFO - __main__ - epoch 0: perplexity: 25.5 eval_loss: nan\n";
        assert_eq!(
            records(log),
            ["step 5: epoch=0 perplexity=25.5 eval_loss=NaN"]
        );
        assert_eq!(formats(log), ["accelerate"]);
        assert!(!formats("epoch 0: perplexity: low\n").contains(&"accelerate"));
    }
}
