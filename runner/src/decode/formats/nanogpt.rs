//! nanoGPT, build-nanogpt, and what grew from them.
//!
//! ```text
//! step 250: train loss 1.9686, val loss 2.0625
//! iter 250: loss 2.0231, time 131.31ms, mfu 5.00%
//! ```
//!
//! ```text
//! step   250 | loss: 6.0231 | lr 2.1e-04 | norm: 0.5000 | dt: 4738.40ms | tok/sec: 110646.69
//! validation loss: 6.1250
//! HellaSwag accuracy: 2550/10042=0.2539
//! ```
//!
//! The file that build-nanogpt writes has `250 train 6.02`, `250 val 6.12`,
//! `250 hella 0.25`. The mfu of the first iterations, −100 %, is none.

use memchr::memmem;

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Format, Line, Out};
use crate::decode::split::worded;

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "nanogpt",
        title: "nanoGPT, build-nanogpt: standard output and log file",
        example: "iter 100: loss 2.4501, time 131.31ms, mfu 5.00%",
        step: "`iter`, `step`, the first number",
    },
    begins: b"isvH[0123456789",
    new: || Box::new(NanoGpt::default()),
};

#[derive(Default)]
struct NanoGpt {
    /// The step that build-nanogpt printed last.
    step: Option<i64>,
}

impl Format for NanoGpt {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        let read = match line.text {
            [b'i', b't', b'e', b'r', b' ', ..] => iteration(line, out, b"iter ", b"loss "),
            [b's', b't', b'e', b'p', b' ', ..] => {
                iteration(line, out, b"step ", b"train loss ").or_else(|| self.step(line, out))
            }
            [b'[', ..] => tagged(line, out),
            [b'v' | b'H', ..] => self.evaluation(line, out),
            [b'0'..=b'9', ..] => file(line, out),
            _ => None,
        };
        read.is_some()
    }
}

/// `iter N: loss F, …`, `step N: train loss F, …`.
fn iteration(line: &Line<'_>, out: &mut Out<'_>, word: &[u8], first: &[u8]) -> Option<()> {
    let mut at = Cursor::new(line.text);
    at.word(word)?;
    let step = at.digits()?;
    at.word(b": ")?;
    if !at.rest.starts_with(first) {
        return None;
    }
    out.begin();
    out.step(step);
    for part in at.rest.split(|b| *b == b',') {
        let Some((key, value)) = worded(part.trim_ascii()) else {
            // Somebody's own columns.
            out.begin();
            return (out.pairs(line.text) && out.end(line)).then_some(());
        };
        if !(key == b"mfu" && value <= -100.0) {
            out.number(key, value);
        }
    }
    out.end(line).then_some(())
}

/// `[train] iter N: loss F …`, `[eval] iter N: train F val F …`.
fn tagged(line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
    let mut at = Cursor::new(line.text);
    at.word(b"[train] iter ")
        .or_else(|| at.word(b"[eval] iter "))?;
    at.digits()?;
    at.word(b": ")?;
    out.begin();
    (out.pairs(line.text) && out.end(line)).then_some(())
}

impl NanoGpt {
    /// build-nanogpt's columns.
    fn step(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
        let mut at = Cursor::new(line.text);
        at.word(b"step ")?;
        let step = at.blanks().digits()?;
        at.word(b" | loss: ")?;
        memmem::find(at.rest, b"| dt: ").or_else(|| memmem::find(at.rest, b"| norm: "))?;
        out.begin();
        if !(out.pairs(line.text) && out.end(line)) {
            return None;
        }
        self.step = Some(step);
        Some(())
    }

    /// build-nanogpt evaluates before it trains and prints the step.
    fn evaluation(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
        let step = self.step?;
        let mut at = Cursor::new(line.text);
        let name: &[u8] = if at.word(b"validation loss: ").is_some() {
            b"validation loss"
        } else {
            at.word(b"HellaSwag accuracy: ")?;
            at.until(b'=')?;
            b"HellaSwag accuracy"
        };
        let value = at.number()?;
        if !at.is_done() {
            return None;
        }
        out.begin();
        out.evaluation();
        out.step(step.saturating_add(1));
        out.number(name, value);
        out.end(line).then_some(())
    }
}

/// `250 val 6.1250`.
fn file(line: &Line<'_>, out: &mut Out<'_>) -> Option<()> {
    let mut at = Cursor::new(line.text);
    let step = at.digits()?;
    at.word(b" ")?;
    let name: &[u8] = match at.token()? {
        b"train" => b"train_loss",
        b"val" => b"val_loss",
        b"hella" => b"hella",
        _ => return None,
    };
    at.word(b" ")?;
    let value = at.number()?;
    if !at.is_done() {
        return None;
    }
    out.begin();
    out.step(step);
    out.number(name, value);
    out.end(line).then_some(())
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn nanogpt() {
        let log = "step 0: train loss 4.25, val loss 4.5\n\
                   iter 0: loss 4.125, time 131.5ms, mfu -100.00%\n\
                   iter 10: loss nan, time 13.5ms, mfu 5.50%\n";
        assert_eq!(
            records(log),
            [
                "step 0: train loss=4.25 val loss=4.5",
                "step 0: loss=4.125 time=131.5",
                "step 10: loss=NaN time=13.5 mfu=5.5",
            ]
        );
        assert_eq!(formats(log), ["nanogpt"]);
    }

    #[test]
    fn build_nanogpt() {
        let log = "step     8 | loss: 10.5 | lr 8.5e-07 | norm: 15.5 | dt: 516.5ms | tok/sec: 1014.5\n\
                   step     9 | loss: 10.25 | lr 8.5e-07 | norm: nan | dt: 516.5ms | tok/sec: 1014.5\n\
                   validation loss: 10.125\n\
                   HellaSwag accuracy: 2500/10000=0.25\n";
        assert_eq!(
            records(log)[1..],
            [
                "step 9: loss=10.25 lr=0.00000085 norm=NaN dt=516.5 tok/sec=1014.5",
                "step 10 evaluation: validation loss=10.125",
                "step 10 evaluation: HellaSwag accuracy=0.25",
            ]
        );
        assert_eq!(formats(log), ["nanogpt"]);
        let log = "250 val 6.25\n250 hella 0.25\n250 train 6.125\n";
        assert_eq!(
            records(log),
            [
                "step 250: val_loss=6.25",
                "step 250: hella=0.25",
                "step 250: train_loss=6.125"
            ]
        );
        assert_eq!(formats(log), ["nanogpt"]);
    }

    #[test]
    fn kin() {
        let log = "[eval] iter 0: train 9.5 val 9.25 lr 7.5e-07\n\
                   [train] iter 10: loss 8.5 111 ms/iter\n";
        assert_eq!(records(log).len(), 2);
        assert_eq!(formats(log), ["nanogpt"]);
    }

    #[test]
    fn what_is_not_taken() {
        for text in [
            "iter 3: done\n",
            "step 3: x = 5\n",
            "12 val rows\n",
            "12 val 3.5 4.5\n",
            "validation loss: 3.5\n",
        ] {
            assert!(!formats(text).contains(&"nanogpt"), "{text}");
        }
    }
}
