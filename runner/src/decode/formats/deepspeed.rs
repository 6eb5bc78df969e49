//! DeepSpeed's engine.
//!
//! ```text
//! [time] [INFO] [logging.py:107:log_dist] [Rank 0] step=10, skipped=2, lr=[1e-05, 1e-05], mom=[[0.9, 0.99]]
//! steps: 10 loss: 2.5 iter time (s): 0.5 samples/sec: 12.5
//! [time] [INFO] [timer.py:199:stop] epoch=0/micro_step=20/global_step=10, RunningAvgSamplesPerSec=12.5, CurrSamplesPerSec=12.4, MemAllocated=1.5GB, MaxMemAllocated=2.5GB
//! [time] [INFO] [timer.py:157:stop] 0/20, SamplesPerSec=12.5
//! ```
//!
//! Of a list, the first number counts. The engine prints step 0 when it is made,
//! whoever counts the steps afterwards: it is a record if more of DeepSpeed's
//! follow. `OVERFLOW! … Attempted loss scale` stays
//! text: it names no step, and the `skipped` of the next record tells of it.

use memchr::memmem;

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Format, Line, Out};
use crate::decode::keyvalue::Value;
use crate::decode::split::Pairs;

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "deepspeed",
        title: "DeepSpeed's engine and its timers",
        example: "step=10, skipped=0, lr=[1e-05], mom=[[0.9, 0.999]]",
        step: "`step`, `steps`, `global_step`",
    },
    begins: b"es0123456789",
    new: || Box::new(DeepSpeed::default()),
};

#[derive(Default)]
struct DeepSpeed {
    /// The engine's line of step 0, until it is known what to make of it: its
    /// number, rank, and text.
    first: Option<(u64, Option<u32>, Vec<u8>)>,
}

impl Format for DeepSpeed {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        match line.text {
            [b's', b't', b'e', b'p', b's', ..] => self.timed(line, out).is_some(),
            [b's', b't', b'e', b'p', b'=', ..] => self.engine(line, out),
            [b'e', b'p', b'o', b'c', b'h', b'=', ..] => timer(line, out, true).is_some(),
            [b'0'..=b'9', ..] => timer(line, out, false).is_some(),
            _ => false,
        }
    }
}

impl DeepSpeed {
    /// `step=10, skipped=2, …`.
    fn engine(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        if memmem::find(line.text, b", skipped=").is_none() {
            return false;
        }
        if line.text.starts_with(b"step=0,") {
            self.first = Some((line.number, line.rank, line.text.to_vec()));
            return true;
        }
        self.put_first(out);
        pairs(line, out)
    }

    /// `steps: 10 loss: 2.5 …`.
    fn timed(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
        let mut at = Cursor::new(line.text);
        at.word(b"steps: ")?;
        let step = at.digits()?;
        memmem::find(at.rest, b" iter time (s): ")?;
        self.put_first(out);
        out.begin();
        out.step(step);
        numbers(at.rest, b':', out)?;
        out.end(line).then_some(())
    }

    fn put_first(&mut self, out: &mut Out<'_>) {
        if let Some((number, rank, text)) = self.first.take() {
            let line = Line {
                number,
                text: &text,
                rank,
                ..Line::default()
            };
            pairs(&line, out);
        }
    }
}

fn pairs(line: &Line<'_>, out: &mut Out<'_>) -> bool {
    out.begin();
    out.pairs(line.text) && out.end(line)
}

/// `epoch=0/micro_step=20/global_step=10, key=value, …`, in older versions
/// `0/20, key=value, …`.
fn timer(line: &Line<'_>, out: &mut Out<'_>, named: bool) -> Option<()> {
    let mut at = Cursor::new(line.text);
    if named {
        at.word(b"epoch=")?;
        at.digits()?;
        at.word(b"/micro_step=")?;
        at.digits()?;
        at.word(b"/global_step=")?;
    } else {
        at.digits()?;
        at.word(b"/")?;
    }
    let step = at.digits()?;
    at.word(b", ")?;
    memmem::find(at.rest, b"SamplesPerSec=")?;
    out.begin();
    out.step(step);
    numbers(at.rest, b'=', out)?;
    out.end(line).then_some(())
}

fn numbers(text: &[u8], mark: u8, out: &mut Out<'_>) -> Option<()> {
    let mut pairs = Pairs::new(text, mark);
    for (key, value) in &mut pairs {
        let Value::Number(value) = value else {
            return None;
        };
        out.number(key, value);
    }
    pairs.is_done().then_some(())
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn the_engine() {
        let log = "[2031-05-06 07:08:09,010] [INFO] [logging.py:60:log_dist] [Rank 0] step=3, skipped=1, lr=[2.5e-05, 2.5e-05], mom=[(0.9, 0.99), (0.9, 0.99)]\n\
                   steps: 3 loss: 12.5 iter time (s): 0.25 samples/sec: 7.5\n\
                   [INFO] [logging.py:107:log_dist] [Rank 0] step=4, skipped=1, lr=[0], mom=[[0.9, 0.99]]\n";
        assert_eq!(
            records(log),
            [
                "step 3 rank 0: skipped=1 lr=0.000025 mom=0.9",
                "step 3: loss=12.5 iter time (s)=0.25 samples/sec=7.5",
                "step 4 rank 0: skipped=1 lr=0 mom=0.9",
            ]
        );
        assert_eq!(formats(log), ["deepspeed"]);
    }

    #[test]
    fn the_engine_alone() {
        let log = "[Rank 0] step=0, skipped=0, lr=[2.5e-05], mom=[[0.9, 0.99]]\n";
        let dict = "{'loss': 2.5, 'epoch': 0.5}\n{'loss': 2.25, 'epoch': 1.0}\n";
        assert_eq!(
            records(format!("{log}{dict}")),
            ["step 1: loss=2.5 epoch=0.5", "step 2: loss=2.25 epoch=1"]
        );
        let next = "steps: 1 loss: 2.5 iter time (s): 0.25 samples/sec: 7.5\n";
        assert_eq!(
            records(format!("{log}{next}")),
            [
                "step 0 rank 0: skipped=0 lr=0.000025 mom=0.9",
                "step 1: loss=2.5 iter time (s)=0.25 samples/sec=7.5",
            ]
        );
    }

    #[test]
    fn timers() {
        let log = "[2031-05-06 07:08:09,010] [INFO] [timer.py:199:stop] epoch=0/micro_step=20/global_step=10, RunningAvgSamplesPerSec=12.5, CurrSamplesPerSec=nan, MemAllocated=1.5GB, MaxMemAllocated=2.5GB\n\
                   [2031-05-06 07:08:09,010] [INFO] [timer.py:157:stop] 0/20, SamplesPerSec=12.5\n";
        assert_eq!(
            records(log),
            [
                "step 10: RunningAvgSamplesPerSec=12.5 CurrSamplesPerSec=NaN MemAllocated=1.5 MaxMemAllocated=2.5",
                "step 20: SamplesPerSec=12.5",
            ]
        );
        assert_eq!(formats(log), ["deepspeed"]);
    }

    #[test]
    fn overflow_is_no_record() {
        let log = "[deepspeed] OVERFLOW! Rank 0 Skipping step. Attempted loss scale: 4096, reducing to 2048\n";
        assert!(formats(log).is_empty());
        assert!(records("step=3, skipped=\n").is_empty());
        assert!(records("0/20, done\n").is_empty());
    }
}
