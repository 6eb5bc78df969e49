//! llama.cpp's fine-tuning.
//!
//! ```text
//! train_opt_callback: iter=     3 sample=25/900 sched=0.030000 loss=5.25 dt=00:00:05 eta=00:10:30 |-->
//! train: [===>      ] data=0000010/0000256 loss=2.34567±0.12345 acc=45.67±1.23% t=00:00:05 ETA=00:08:20
//! ```
//!
//! The first program prints a loss of 0 before there is one. The second counts
//! examples, from the beginning in each epoch; steps go on.

use memchr::memmem;

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Format, Line, Out};
use crate::decode::keyvalue::{self, Value};
use crate::decode::split::Pairs;

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "llama-cpp",
        title: "llama.cpp's fine-tuning",
        example: "train_opt_callback: iter=     3 sample=25/900 sched=0.030000 loss=5.25",
        step: "`iter`, `data`",
    },
    begins: b"tv",
    new: || Box::new(LlamaCpp::default()),
};

#[derive(Default)]
struct LlamaCpp {
    /// The examples of the epochs that are over, and of this one.
    before: i64,
    done: i64,
}

impl Format for LlamaCpp {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        match line.text {
            [b't', b'r', b'a', b'i', b'n', b'_', ..] => iteration(line, out).is_some(),
            [b't', b'r', b'a', b'i', b'n', b':', ..] => self.bar(line, out, true).is_some(),
            [b'v', b'a', b'l', b':', ..] => self.bar(line, out, false).is_some(),
            _ => false,
        }
    }
}

fn iteration(line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
    let mut at = Cursor::new(line.text);
    at.word(b"train_opt_callback: iter=")?;
    let step = at.blanks().digits()?;
    out.begin();
    out.step(step);
    let mut numbers = 0;
    for (key, value) in Pairs::new(at.rest, b'=') {
        let Value::Number(value) = value else {
            continue;
        };
        numbers += 1;
        if !(step == 0 && key == b"loss" && value == 0.0) {
            out.number(key, value);
        }
    }
    (numbers > 0 && out.end(line)).then_some(())
}

impl LlamaCpp {
    fn bar(&mut self, line: &Line<'_>, out: &mut Out<'_>, trains: bool) -> Option<()> {
        let mut at = Cursor::new(line.text);
        at.until(b'[')?;
        at.until(b']')?;
        at.word(b" data=")?;
        let done = at.digits()?;
        memmem::find(at.rest, b" loss=")?;
        if trains {
            if done < self.done {
                self.before = self.before.saturating_add(self.done);
            }
            self.done = done;
        }
        out.begin();
        out.step(self.before.saturating_add(self.done));
        for part in at.rest.split(|b| *b == b' ') {
            let names: [(&[u8], &[u8]); 2] = if trains {
                [(b"loss=", b"loss"), (b"acc=", b"acc")]
            } else {
                [(b"loss=", b"val_loss"), (b"acc=", b"val_acc")]
            };
            for (lead, name) in names {
                // What follows the first byte of `±` is the uncertainty.
                let value = part
                    .strip_prefix(lead)
                    .and_then(|v| v.split(|b| *b == 0xc2).next());
                if let Some((value, _)) = value.and_then(keyvalue::number) {
                    out.number(name, value);
                }
            }
        }
        out.end(line).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn iterations() {
        let log = "train_opt_callback: iter=     0 sample=1/900 sched=0.000000 loss=0.000000 |->\n\
                   train_opt_callback: iter=     1 sample=9/900 sched=0.25 loss=5.5 dt=00:00:05 eta=00:10:30 |-->\n\
                   train_opt_callback: iter=     2 sample=17/900 sched=0.5 loss=nan dt=00:00:05 eta=00:10:30 |>\n";
        assert_eq!(
            records(log),
            [
                "step 0: sample=1 sched=0",
                "step 1: sample=9 sched=0.25 loss=5.5",
                "step 2: sample=17 sched=0.5 loss=NaN",
            ]
        );
        assert_eq!(formats(log), ["llama-cpp"]);
    }

    #[test]
    fn bars() {
        let log = "train: [==>  ] data=0000010/0000020 loss=2.5±0.125 acc=45.5±1.25% t=00:00:05 ETA=00:08:20\r\
                   train: [====>] data=0000020/0000020 loss=nan±nan acc=45.5±1.25% t=00:00:05 ETA=00:08:20\r\n\
                   val:   [====>] data=0000005/0000005 loss=2.25±0.125 acc=45.5±1.25% t=00:00:05 ETA=00:00:00\r\n\
                   train: [==>  ] data=0000010/0000020 loss=2.5±0.125 acc=45.5±1.25% t=00:00:05 ETA=00:08:20\r\n";
        assert_eq!(
            records(log),
            [
                "step 10: loss=2.5 acc=45.5",
                "step 20: loss=NaN acc=45.5",
                "step 20: val_loss=2.25 val_acc=45.5",
                "step 30: loss=2.5 acc=45.5",
            ]
        );
        assert_eq!(formats(log), ["llama-cpp"]);
    }

    #[test]
    fn what_is_not_taken() {
        for text in ["train: [1, 2, 3]\n", "val: data=3\n", "train_opt: 3\n"] {
            assert!(!formats(text).contains(&"llama-cpp"), "{text}");
        }
    }
}
