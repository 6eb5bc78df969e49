//! torchtitan.
//!
//! ```text
//! [rank0]:[titan] 2031-05-06 07:08:09,010 - root - INFO - step:  1  loss: 12.39827  grad_norm: 24.2500  memory: 156.33GiB(87.65%)  tps: 11,047  tflops: 35.65  mfu: N/A
//! [rank0]:[titan] 2031-05-06 07:08:09,010 - root - INFO - validate step:  1  loss: 12.3982  memory: 156.33GiB(87.65%)  tps: 11,047
//! ```
//!
//! Columns are in colours. Older versions print `wps` for `tps`. Of the memory,
//! the GiB count.

use memchr::memmem;

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Line, Lines, Out};
use crate::decode::keyvalue::Value;
use crate::decode::split::Pairs;

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "torchtitan",
        title: "torchtitan",
        example: "step:  1  loss: 12.3983  grad_norm: 24.2500  memory: 15.33GiB(87.65%)  tps: 11,047",
        step: "`step`",
    },
    begins: b"sv",
    new: || Box::new(Lines(|line, out| read(line, out).is_some())),
};

fn read(line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
    let mut at = Cursor::new(line.text);
    let validates = at.word(b"validate ").is_some();
    at.word(b"step: ")?;
    let step = at.blanks().digits()?;
    at.word(b"  ")?;
    memmem::find(at.rest, b"  memory: ")?;
    out.begin();
    out.step(step);
    let mut numbers = 0;
    for (key, value) in Pairs::new(at.rest, b':') {
        if key.contains(&b' ') {
            return None;
        }
        // Not known: `mfu: N/A`.
        let Value::Number(value) = value else {
            continue;
        };
        numbers += 1;
        if validates {
            out.number(&[b"validate/", key].concat(), value);
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
        let log = "[rank0]:[titan] 2031-05-06 07:08:09,010 - root - INFO - \x1b[31mstep:  3  \x1b[32mloss: 12.5  \x1b[38;2;180;60;0mgrad_norm: nan  \x1b[38;2;54;234;195mmemory: 15.5GiB(87.65%)  \x1b[34mtps: 11,047  \x1b[36mtflops: 35.5  \x1b[35mmfu: N/A\x1b[39m\n\
                   [rank0]:step: 14  loss:  2.5  memory: 1.5GiB(8.5%)  wps: 423  mfu: 5.5%\n\
                   [titan] 2031-05-06 07:08:09,010 - root - INFO - validate step: 20  loss:  2.25  memory: 1.5GiB(8.5%)  tps: 1,423\n";
        assert_eq!(
            records(log),
            [
                "step 3 rank 0: loss=12.5 grad_norm=NaN memory=15.5 tps=11047 tflops=35.5",
                "step 14 rank 0: loss=2.5 memory=1.5 wps=423 mfu=5.5",
                "step 20: validate/loss=2.25 validate/memory=1.5 validate/tps=1423",
            ]
        );
        assert_eq!(formats(log), ["torchtitan"]);
    }
}
