//! Megatron-LM and its kin: Megatron-DeepSpeed, GPT-NeoX.
//!
//! ```text
//!  iteration  10/ 500 | consumed samples: 320 | elapsed time per iteration (ms): 679.2 | learning rate: 4.7E-08 | lm loss: 3.01E+00 | loss scale: 1.0 | grad norm: 2.9 | number of nan iterations: 0 |
//!  samples/sec: 12.8 | iteration  10/ 500 | elapsed time per iteration (ms): 679.2 | lm_loss: 3.01E+00 |
//!  validation loss at iteration 10 | lm loss value: 3.0E+00 | lm loss PPL: 2.0E+01 |
//! ```
//!
//! `NAN` and `INF` are in capitals. A line that was cut counts up to the cut.

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Line, Lines, Out};
use crate::decode::split::{columns, quantity};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "megatron",
        title: "Megatron-LM, Megatron-DeepSpeed, GPT-NeoX",
        example: "iteration 10/ 500 | consumed samples: 320 | lm loss: 3.01E+00 | grad norm: 2.9 |",
        step: "`iteration`",
    },
    begins: b"isv",
    new: || Box::new(Lines(read)),
};

fn read(line: &Line<'_>, out: &mut Out<'_>) -> bool {
    let text = line.text;
    let trains = text.starts_with(b"iteration ") || text.starts_with(b"samples/sec:");
    if !trains && !text.starts_with(b"validation ") {
        return false;
    }
    out.begin();
    if !trains {
        out.evaluation();
    }
    let mut steps = 0;
    let mut numbers = 0;
    let mut cut = false;
    for column in columns(text) {
        if cut {
            return false;
        }
        let step = if trains {
            iteration(column)
        } else {
            evaluation(column)
        };
        if let Some(step) = step {
            out.step(step);
            steps += 1;
        } else if let Some((key, value)) = pair(column) {
            out.number(key, value);
            numbers += 1;
        } else {
            cut = !column.is_empty();
        }
    }
    steps == 1 && numbers > 0 && out.end(line)
}

/// `iteration  10/ 500`: the first.
fn iteration(column: &[u8]) -> Option<i64> {
    let mut at = Cursor::new(column);
    at.word(b"iteration ")?;
    let step = at.blanks().digits()?;
    at.word(b"/")?;
    at.blanks().digits()?;
    at.is_done().then_some(step)
}

/// `validation loss at iteration 10`, with `on test set` or not, and
/// GPT-NeoX's `validation results at iteration 10`.
fn evaluation(column: &[u8]) -> Option<i64> {
    let mut at = Cursor::new(column);
    at.word(b"validation loss at iteration ")
        .or_else(|| at.word(b"validation results at iteration "))?;
    let step = at.blanks().digits()?;
    (at.is_done() || at.rest.starts_with(b" on ")).then_some(step)
}

fn pair(column: &[u8]) -> Option<(&[u8], f64)> {
    let colon = memchr::memchr(b':', column)?;
    let key = column[..colon].trim_ascii();
    let value = quantity(column[colon + 1..].trim_ascii())?;
    (!key.is_empty()).then_some((key, value))
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn lines_of_training() {
        let log = " iteration        7/     100 | consumed samples:  224 | elapsed time per iteration (ms): 97.5 | throughput per GPU (TFLOP/s/GPU): 410.5 | learning rate: 1.5E-05 | global batch size:    32 | lm loss: 1.25E+01 | loss scale: 1.0 | grad norm: NAN | number of skipped iterations:   0 | number of nan iterations:   0 |\n";
        assert_eq!(
            records(log),
            [
                "step 7: consumed samples=224 elapsed time per iteration (ms)=97.5 \
                 throughput per GPU (TFLOP/s/GPU)=410.5 learning rate=0.000015 \
                 global batch size=32 lm loss=12.5 loss scale=1 grad norm=NaN \
                 number of skipped iterations=0 number of nan iterations=0"
            ]
        );
        assert_eq!(formats(log), ["megatron"]);
        let log = "[2031-05-06 07:08:09] iteration 8/ 100 | lm loss: INF | loss scale: 1.0 |\n";
        assert_eq!(records(log), ["step 8: lm loss=inf loss scale=1"]);
    }

    #[test]
    fn kin() {
        let log = " samples/sec: 12.5 | iteration       30/     100 | elapsed time per iteration (ms): 9.5 | approx flops per GPU: 50.5TFLOPS | lm_loss: 2.5E+00 | number of nan iterations: 0 |\n";
        assert_eq!(
            records(log),
            [
                "step 30: samples/sec=12.5 elapsed time per iteration (ms)=9.5 \
                 approx flops per GPU=50.5 lm_loss=2.5 number of nan iterations=0"
            ]
        );
        assert_eq!(formats(log), ["megatron"]);
    }

    #[test]
    fn validation() {
        for head in [
            "validation loss at iteration 50",
            "validation loss at iteration 50 on validation set",
        ] {
            let log =
                format!(" {head} | lm loss value: 2.5E+00 | lm loss PPL: 1.25E+01 | \n------\n");
            assert_eq!(
                records(&log),
                ["step 50 evaluation: lm loss value=2.5 lm loss PPL=12.5"]
            );
            assert_eq!(formats(&log), ["megatron"]);
        }
    }

    #[test]
    fn a_line_that_was_cut() {
        let log = " iteration 9/ 100 | lm loss: 1.25E+01 | loss sca";
        assert_eq!(records(log), ["step 9: lm loss=12.5"]);
    }

    #[test]
    fn what_is_not_taken() {
        for text in [
            "iteration 9/ 100\n",
            "iteration 9/ 100 | saving | done | lm loss: 3.5\n",
            "validation: 3\n",
            "validation results on SET | number correct: 3.5E+03 | total examples: 5E+03\n",
        ] {
            assert!(!formats(text).contains(&"megatron"), "{text}");
        }
    }
}
