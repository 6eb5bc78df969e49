//! OLMo and OLMo-core: a header with the step, and a block of metrics below.
//!
//! ```text
//! 2031-05-06 07:08:09.010  host:0  olmo.train:990  INFO  [step=10/10000,epoch=0]
//!     optim/total_grad_norm=1.608
//!     train/CrossEntropyLoss=9.064
//!     train/Perplexity=8,641
//! ```
//!
//! Blocks under another header, such as an evaluation's name, belong to the
//! step before.

use memchr::{memchr, memmem};

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Format, Line, Out};
use crate::decode::split::quantity;

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "olmo",
        title: "OLMo, OLMo-core",
        example: "[step=10/10000,epoch=0]\n    train/CrossEntropyLoss=9.064",
        step: "`step`",
    },
    begins: b"",
    new: || Box::new(Olmo::default()),
};

/// The most bytes of a block; more is not looked at.
const LARGEST: usize = 64 << 10;

/// The least indentation of a block's lines.
const INDENT: usize = 2;

#[derive(Default)]
struct Olmo {
    /// The step of the last header.
    step: Option<i64>,
    block: Block,
}

/// What has been seen of a block.
#[derive(Default)]
struct Block {
    /// The line and rank of its first line, and the header's time.
    number: u64,
    rank: Option<u32>,
    stamp: Vec<u8>,
    /// Its lines, each `key=value` and a line feed.
    fields: Vec<u8>,
    open: bool,
    /// Its header names the step; if not, it is an evaluation after that step.
    headed: bool,
}

impl Format for Olmo {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        if line.text.ends_with(b"]")
            && let Some(step) = header(line.text)
        {
            self.finish(out);
            self.step = Some(step);
            self.open(line, true);
            return true;
        }
        // Nothing is OLMo's before the first header.
        if self.step.is_none() {
            return false;
        }
        if line.indent >= INDENT && is_field(line.text) {
            if !self.block.open {
                self.open(line, false);
            }
            let fields = &mut self.block.fields;
            if fields.len() + line.text.len() < LARGEST {
                fields.extend_from_slice(line.text);
                fields.push(b'\n');
            }
            return true;
        }
        self.finish(out);
        false
    }

    fn finish(&mut self, out: &mut Out<'_>) {
        let block = &mut self.block;
        if !std::mem::take(&mut block.open) || block.fields.is_empty() {
            return;
        }
        out.begin();
        if let Some(step) = self.step {
            out.step(step);
        }
        if !block.headed {
            out.evaluation();
        }
        for field in block.fields.split(|b| *b == b'\n') {
            if let Some((key, value)) = pair(field) {
                out.number(key, value);
            }
        }
        let stamp = (!block.stamp.is_empty()).then_some(&block.stamp[..]);
        out.end(&Line {
            number: block.number,
            rank: block.rank,
            stamp,
            ..Line::default()
        });
        block.fields.clear();
    }
}

impl Olmo {
    fn open(&mut self, line: &Line<'_>, headed: bool) {
        let block = &mut self.block;
        block.headed = headed;
        block.open = true;
        block.number = line.number;
        block.rank = line.rank;
        block.fields.clear();
        block.stamp.clear();
        block
            .stamp
            .extend_from_slice(line.stamp.unwrap_or_default());
    }
}

/// `[step=10/10000,epoch=0]` at the end: the step.
fn header(text: &[u8]) -> Option<i64> {
    let open = memmem::rfind(text, b"[step=")?;
    let before = text[..open].last();
    if !before.is_none_or(u8::is_ascii_whitespace) {
        return None;
    }
    let mut at = Cursor::new(text.get(open + 6..text.len() - 1)?);
    let step = at.digits()?;
    if at.word(b"/").is_some() {
        at.token()?;
    }
    let closed = at.rest.is_empty() || at.rest.starts_with(b",");
    (closed && memchr(b']', at.rest).is_none()).then_some(step)
}

/// `group/name=1,024`.
fn is_field(text: &[u8]) -> bool {
    pair(text).is_some_and(|(key, _)| memchr(b'/', key).is_some())
}

fn pair(text: &[u8]) -> Option<(&[u8], f64)> {
    let mark = memchr(b'=', text)?;
    Some((&text[..mark], quantity(&text[mark + 1..])?))
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    const HEAD: &str = "2031-05-06 07:08:09.010\thost-01:0\tolmo.train:990\tINFO\t";

    #[test]
    fn blocks() {
        let log = format!(
            "{HEAD}Pre-train system metrics\n    System/Peak GPU Memory (MB)=1,000\n\
             {HEAD}[step=10/90,epoch=0]\n    optim/total_grad_norm=nan\n    train/CrossEntropyLoss=9.5\n    train/Perplexity=8,641\n    System/Peak GPU Memory (MB)=1,500\n\
             {HEAD}[step=20/90]\n    train/CrossEntropyLoss=8.5\n\
             {HEAD}some evaluation\n    eval/some/CrossEntropyLoss=8.25\n\
             {HEAD}saving a checkpoint\n"
        );
        assert_eq!(
            records(&log),
            [
                "step 10: optim/total_grad_norm=NaN train/CrossEntropyLoss=9.5 train/Perplexity=8641 System/Peak GPU Memory (MB)=1500",
                "step 20: train/CrossEntropyLoss=8.5",
                "step 20 evaluation: eval/some/CrossEntropyLoss=8.25",
            ]
        );
        assert_eq!(formats(&log), ["olmo"]);
    }

    #[test]
    fn the_last_block_counts() {
        let log = format!("{HEAD}[step=10/90,epoch=0]\n    train/CrossEntropyLoss=9.5");
        assert_eq!(records(&log), ["step 10: train/CrossEntropyLoss=9.5"]);
        assert!(records(format!("{HEAD}[step=10/90,epoch=0]\n")).is_empty());
    }

    #[test]
    fn what_is_not_taken() {
        for text in [
            "    train/loss=3.5\n",
            "loaded [step=ten]\n    train/loss=3.5\n",
            "loaded x[step=10]\n    train/loss=3.5\n",
            "[step=10/90]\nno indentation\ntrain/loss=3.5\n    --lr=3.5\n",
        ] {
            assert!(!formats(text).contains(&"olmo"), "{text}");
        }
    }
}
