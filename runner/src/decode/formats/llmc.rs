//! llm.c: its standard output, and its `main.log`.
//!
//! ```text
//! val loss 11.007921
//! step    1/19560 | loss 11.009662 (+nanz)| norm 15.0789 (+nanz)| lr 8.57e-07 | 4230.95 ms | 31.9% bf16 MFU | 123917 tok/s
//! step    1/19560 | train loss 11.009662 | norm 15.0789 | lr 8.57e-07 | (4230.95 ms | 123917 tok/s)
//! ```
//!
//! ```text
//! s:250 tel:6.5
//! s:250 trl:6.4 lr:0.0006 norm:0.5
//! s:250 eval:0.25
//! ```
//!
//! A loss of the validation has no step of its own: it is taken after the step
//! printed last. The scores in parentheses, NaN for 128 steps, are left out. The
//! last line is often cut, with the killer's words glued on.

use memchr::memmem;

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Format, Line, Out};
use crate::decode::keyvalue::Value;
use crate::decode::split::Pairs;

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "llm-c",
        title: "llm.c: its standard output and main.log",
        example: "step    1/19560 | loss 11.0097 (+nanz)| norm 15.08 (+nanz)| lr 8.57e-07 | 4230.95 ms | 123917 tok/s",
        step: "`step`, `s`",
    },
    begins: b"sv",
    new: || Box::new(LlmC::default()),
};

#[derive(Default)]
struct LlmC {
    /// The step printed last.
    step: Option<i64>,
}

impl Format for LlmC {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        match line.text.first() {
            Some(b's') if line.text.get(1) == Some(&b':') => main_log(line, out).is_some(),
            Some(b's') => self.training(line, out).is_some(),
            Some(b'v') => self.validation(line, out).is_some(),
            _ => false,
        }
    }
}

impl LlmC {
    fn training(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
        let mut at = Cursor::new(line.text);
        at.word(b"step ")?;
        let step = at.blanks().digits()?;
        at.word(b"/")?;
        at.digits()?;
        at.word(b" | ")?;
        at.word(b"train ");
        at.word(b"loss ")?;
        if self.step.is_none() {
            memmem::find(at.rest, b" tok/s")?;
        }
        out.begin();
        if !(out.pairs(line.text) && out.end(line)) {
            return None;
        }
        self.step = Some(step);
        Some(())
    }

    fn validation(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
        let step = self.step?;
        let mut at = Cursor::new(line.text);
        at.word(b"val loss ")?;
        let loss = at.blanks().number()?;
        if !at.is_done() {
            return None;
        }
        out.begin();
        out.evaluation();
        out.step(step);
        out.number(b"val loss", loss);
        out.end(line).then_some(())
    }
}

fn main_log(line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
    let mut at = Cursor::new(line.text);
    at.word(b"s:")?;
    let step = at.digits()?;
    at.word(b" ")?;
    out.begin();
    out.step(step);
    let mut numbers = 0;
    for (key, value) in Pairs::new(at.rest, b':') {
        let (b"trl" | b"tel" | b"eval" | b"lr" | b"norm", Value::Number(value)) = (key, value)
        else {
            return None;
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
    fn standard_output() {
        let log = "step    1/900 | loss 11.5 (+nanz)| norm 15.5 (+nanz)| lr 8.5e-07 | 42.5 ms | 31.5% bf16 MFU | 1239 tok/s\n\
                   val loss 10.5\n\
                   step    2/900 | loss     nan (+nanz)|slurmstepd: error: *** JOB 1 ON n1 CANCELLED ***\n";
        assert_eq!(
            records(log),
            [
                "step 1: loss=11.5 norm=15.5 lr=0.00000085 ms=42.5 bf16 MFU=31.5 tok/s=1239",
                "step 1 evaluation: val loss=10.5",
                "step 2: loss=NaN",
            ]
        );
        assert_eq!(formats(log), ["llm-c"]);
        let old =
            "step    1/900 | train loss 11.5 | norm 15.5 | lr 8.5e-07 | (42.5 ms | 1239 tok/s)\n";
        assert_eq!(
            records(old),
            ["step 1: train loss=11.5 norm=15.5 lr=0.00000085 ms=42.5 tok/s=1239"]
        );
        assert_eq!(formats(old), ["llm-c"]);
    }

    #[test]
    fn the_log_file() {
        let log = "s:0 tel:11.5\ns:0 trl:11.25 lr:0.5 norm:nan\ns:0 eval:0.25\ns:1 trl:10.5 lr";
        assert_eq!(
            records(log),
            [
                "step 0: tel=11.5",
                "step 0: trl=11.25 lr=0.5 norm=NaN",
                "step 0: eval=0.25",
                "step 1: trl=10.5",
            ]
        );
        assert_eq!(formats(log), ["llm-c"]);
    }

    #[test]
    fn what_is_not_taken() {
        for text in [
            "val loss 3.5\n",
            "step 1/9 | loss 2.5 | lr 0.5\n",
            "s:3 x:5\n",
            "s:3 \n",
        ] {
            assert!(!formats(text).contains(&"llm-c"), "{text}");
        }
    }
}
