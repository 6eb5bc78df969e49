//! PyTorch Lightning's progress bars.
//!
//! ```text
//! Epoch 3:  57%|█████▋    | 8/14 [00:00<00:00, 38.09it/s, v_num=1, train_loss=0.06]
//! Epoch 3:  57%|█████▋    | 8/14 [00:00<00:00, 38.09it/s, loss=nan, v_num=1]
//! Epoch 4/4  ━━━━━━━━━━━━ 64/64 0:00:01 • 0:00:00 51.91it/s v_num: 0
//!                                                            train_loss: 0.5
//! ```
//!
//! Every refresh that shows a metric is a record. The bars of validation and of
//! the sanity check show none. The bar of `rich` (the last one) is printed once
//! when the output is no terminal; its metrics are wrapped over as many lines as
//! it takes.

use memchr::memmem;

use super::Entry;
use super::fields::{self, Field, fields};
use crate::decode::bar::Bar;
use crate::decode::cursor::Cursor;
use crate::decode::epochs::Epochs;
use crate::decode::format::{About, Format, Line, Out};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "lightning",
        title: "PyTorch Lightning's progress bar",
        example: "Epoch 3:  57%|#####7    | 8/14 [00:00<00:00, 38.09it/s, v_num=1, train_loss=0.06]",
        step: "epoch × length + count of the bar",
    },
    begins: b"",
    new: || Box::new(Lightning::default()),
};

/// What stands between the elapsed and the remaining time of rich's bar.
const BULLET: &[u8] = "•".as_bytes();

/// How far the wrapped lines of rich's bar are indented at the least.
const WRAPPED: usize = 16;

/// The longest block of rich's metrics.
const LONGEST: usize = 16 << 10;

#[derive(Default)]
struct Lightning {
    epochs: Epochs,
    rich: Option<Rich>,
}

/// An open block of rich's.
struct Rich {
    number: u64,
    rank: Option<u32>,
    epoch: i64,
    step: i64,
    metrics: Vec<u8>,
}

impl Format for Lightning {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        if let Some(bar) = line.bar {
            self.finish(out);
            return self.bar(bar, line, out);
        }
        if let Some(rich) = &mut self.rich
            && rich.goes_on(line)
        {
            return true;
        }
        self.finish(out);
        self.rich = self.rich(line);
        self.rich.is_some()
    }

    fn finish(&mut self, out: &mut Out<'_>) {
        let Some(rich) = self.rich.take() else {
            return;
        };
        if metrics(&rich.metrics).next().is_none() {
            return;
        }
        out.begin();
        out.step(rich.step);
        out.number(b"epoch", rich.epoch as f64);
        write(&rich.metrics, out);
        out.end(&Line {
            number: rich.number,
            text: b"-",
            rank: rich.rank,
            ..Line::default()
        });
    }
}

impl Lightning {
    fn bar(&mut self, bar: &Bar<'_>, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        let Some(epoch) = epoch(bar.description) else {
            return false;
        };
        if metrics(bar.postfix).next().is_none() {
            return false;
        }
        let count = i64::try_from(bar.current).unwrap_or(i64::MAX);
        let total = bar.total.and_then(|total| i64::try_from(total).ok());
        let step = self.epochs.step(epoch, count, total);
        out.begin();
        // NeMo prints the step that its checkpoints are called by.
        if memmem::find(bar.postfix, b"global_step=").is_none() {
            out.step(step);
        }
        out.number(b"epoch", epoch as f64);
        write(bar.postfix, out);
        out.end(line)
    }

    /// The first line of rich's bar.
    fn rich(&mut self, line: &Line<'_>) -> Option<Rich> {
        if !line.text.starts_with(b"Epoch ") {
            return None;
        }
        let bullet = memmem::find(line.text, BULLET)?;
        let mut words = line.text[..bullet]
            .rsplit(|b| *b == b' ')
            .filter(|word| !word.is_empty());
        words.next()?;
        let mut progress = Cursor::new(words.next()?);
        let count = progress.digits()?;
        progress.word(b"/")?;
        let total = progress.digits();
        let mut head = Cursor::new(&line.text[6..bullet]);
        let epoch = head.digits()?;
        let mut tail = Cursor::new(&line.text[bullet + BULLET.len()..]);
        tail.blanks().token()?;
        tail.blanks().token().filter(|rate| rate.ends_with(b"/s"))?;
        Some(Rich {
            number: line.number,
            rank: line.rank,
            epoch,
            step: self.epochs.step(epoch, count, total),
            metrics: tail.rest.to_vec(),
        })
    }
}

impl Rich {
    /// Takes a wrapped line.
    fn goes_on(&mut self, line: &Line<'_>) -> bool {
        let known = self.metrics.len();
        if line.indent < WRAPPED || known + line.text.len() > LONGEST {
            return false;
        }
        self.metrics.push(b' ');
        self.metrics.extend_from_slice(line.text);
        true
    }
}

/// The epoch of `Epoch 3`, `Epoch 3/10`, `Epoch [3/10]`, `Epoch 3:`, and of
/// `Epoch 3: |     |`, where the length is not known.
fn epoch(description: &[u8]) -> Option<i64> {
    let mut text = Cursor::new(description);
    text.word(b"Epoch ").or_else(|| text.word(b"epoch "))?;
    let bracket = text.word(b"[").is_some();
    let epoch = text.digits()?;
    if text.word(b"/").is_some() {
        text.digits()?;
    }
    if bracket {
        text.word(b"]")?;
    }
    let ends = matches!(text.rest, b"" | b":") || text.rest.starts_with(b": |");
    ends.then_some(epoch)
}

/// The fields that are metrics.
fn metrics(text: &[u8]) -> impl Iterator<Item = Field<'_>> {
    fields(text).filter(|field| field.name != b"v_num")
}

fn write(text: &[u8], out: &mut Out<'_>) {
    for field in metrics(text) {
        fields::number(b"", field.name, field.value, out);
    }
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn every_refresh_with_a_metric() {
        let log = "\rEpoch 0:   0%|          | 0/64 [00:00<?, ?it/s]\
            \rEpoch 0:  12%|#2        | 8/64 [00:00<00:00, 83.1it/s, v_num=0, train_loss_step=13.30]\
            \rValidation DataLoader 0:  12%|#2   | 8/64 [00:00<00:00, 83.1it/s]\
            \rEpoch 2:  12%|#2        | 8/64 [00:00<00:00, 83.1it/s, v_num=a1, train_loss_step=nan.0, val/acc=0.5]\n";
        assert_eq!(
            records(log),
            [
                "step 8: epoch=0 train_loss_step=13.3",
                "step 136: epoch=2 train_loss_step=NaN val/acc=0.5"
            ]
        );
        assert_eq!(formats(log), ["lightning"]);
    }

    #[test]
    fn older_bars_and_unknown_lengths() {
        let log = "Epoch 1:  50%|#####     | 5/10 [00:01<00:01,  4.90it/s, loss=0.69, v_num=1]\n\
            Epoch 2: |          | 5/? [00:01<?,  4.90it/s, v_num=1, loss=0.5]\n";
        assert_eq!(
            records(log),
            ["step 15: epoch=1 loss=0.69", "step 5: epoch=2 loss=0.5"]
        );
    }

    #[test]
    fn the_step_that_a_bar_prints() {
        let log = "Epoch 0: :  47%|####  | 7/15 [06:19<07:13, train_loss=2.5, global_step=7.000]\n";
        assert_eq!(records(log), ["step 7: epoch=0 train_loss=2.5"]);
    }

    #[test]
    fn rich_wraps_its_metrics() {
        let log = "Epoch 4/4  ━━━━━━━━━━ 64/64 0:00:01 • 0:00:00 51.91it/s v_num: 0         \n\
            \x20                                                         train_loss_step: \n\
            \x20                                                         0.125 val_loss:  \n\
            \x20                                                         0.250            \n\
            done\n";
        let record = "step 320: epoch=4 train_loss_step=0.125 val_loss=0.25";
        assert_eq!(records(log), [record]);
        // Cut at the end of the input.
        assert_eq!(records(log.trim_end_matches("done\n")), [record]);
    }

    #[test]
    fn look_alikes() {
        let log = "Epoch 3: 12 files found\n\
            Epoch 1/200:  39%|###9      | 71/180 [01:39<01:51,  1.02s/it]\n\
            Epoch 4/4 • done\n";
        assert!(records(log).is_empty());
    }
}
