//! modded-nanogpt, the speedrun, and what grew from it.
//!
//! ```text
//! step:0/1750 val_loss:10.8258 train_time:0ms step_avg:nanms
//! step:1/1750 train_loss:10.8258 train_time:2131ms step_avg:225.5ms
//! step:2/1750 train_time:2.131s step_avg:225.5ms step_time:225.5ms mfu:45.9%
//! ```
//!
//! Logs begin with the program's own source, whose format strings have names
//! where the records have numbers. `step_avg` is NaN until there is a step to
//! average, which says nothing and is left out.

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Line, Lines, Out};
use crate::decode::keyvalue::Value;
use crate::decode::split::Pairs;

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "modded-nanogpt",
        title: "modded-nanogpt and its kin",
        example: "step:125/1750 val_loss:4.2503 train_time:29500ms step_avg:236.00ms",
        step: "`step`",
    },
    begins: b"s",
    new: || Box::new(Lines(|line, out| read(line, out).is_some())),
};

fn read(line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
    let mut at = Cursor::new(line.text);
    at.word(b"step:")?;
    let step = at.digits()?;
    at.word(b"/")?;
    at.digits()?;
    at.word(b" ")?;
    out.begin();
    out.step(step);
    let mut numbers = 0;
    for (key, value) in Pairs::new(at.rest, b':') {
        let Value::Number(value) = value else {
            return None;
        };
        if key.contains(&b' ') {
            return None;
        }
        numbers += 1;
        if !(value.is_nan() && key == b"step_avg") {
            out.number(key, value);
        }
    }
    // A line that was cut counts up to the cut.
    (numbers > 0 && out.end(line)).then_some(())
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn lines() {
        let log = "step:0/90 val_loss:10.5 train_time:3ms step_avg:nanms\n\
                   step:1/90 train_loss:nan train_time:30ms step_avg:nanms\n\
                   step:2/90 val_loss:9.5 val_bpb:1.25 train_time:1.5s step_avg:12.5ms step_time:12.25ms mfu:45.5%\n";
        assert_eq!(
            records(log),
            [
                "step 0: val_loss=10.5 train_time=3",
                "step 1: train_loss=NaN train_time=30",
                "step 2: val_loss=9.5 val_bpb=1.25 train_time=1.5 step_avg=12.5 step_time=12.25 mfu=45.5",
            ]
        );
        assert_eq!(formats(log), ["modded-nanogpt"]);
    }

    #[test]
    fn the_source_is_no_record() {
        let log = "print0(f\"step:{step}/{args.num_iterations} val_loss:{val_loss:.4f}\")\n\
                   step:{step}/{total} train_loss:{loss} train_time:3ms\n\
                   step:1/90 is done: yes\n";
        assert!(records(log).is_empty());
    }

    #[test]
    fn a_line_that_was_cut() {
        assert_eq!(
            records("step:5/90 train_loss:2.5 train_ti"),
            ["step 5: train_loss=2.5"]
        );
    }
}
