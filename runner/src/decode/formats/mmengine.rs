//! MMEngine and mmcv 1.x: MMDetection, MMSegmentation and their family.
//!
//! ```text
//! Epoch(train)  [1][10/50]  lr: 1.0000e-02  eta: 0:00:05  time: 0.0178  loss: 3.4439
//! Iter(train) [ 50/160000]  lr: 1.0000e-02  eta: 1 day, 2:03:04  time: 0.0178  loss: 3.4439
//! Epoch(val) [1][10/10]    coco/bbox_mAP: 0.5875  data_time: 0.0005  time: 0.0050
//! Epoch [1][50/7330]    lr: 1.978e-03, eta: 1 day, 2:03:04, time: 0.500, memory: 3000, loss: 1.25
//! Iter [50/160000]    lr: 1.000e-02, eta: 2:03:04, time: 0.500, loss: 1.25
//! Epoch(val) [1][500]    bbox_mAP: 0.3000, bbox_mAP_50: 0.5000
//! ```

use super::Entry;
use super::fields::{self, fields};
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Line, Lines, Out};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "mmengine",
        title: "MMEngine, mmcv: MMDetection and its family",
        example: "Epoch(train)  [1][10/50]  lr: 1.0000e-02  eta: 0:00:05  time: 0.0178  loss: 3.4439",
        step: "(epoch - 1) × length + iteration",
    },
    begins: b"EI",
    new: || Box::new(Lines(read)),
};

/// How a line begins.
struct Head<'a> {
    training: bool,
    epoch: Option<i64>,
    step: Option<i64>,
    rest: &'a [u8],
}

fn read(line: &Line<'_>, out: &mut Out<'_>) -> bool {
    let Some(head) = head(line.text) else {
        return false;
    };
    if fields(head.rest).next().is_none() {
        return false;
    }
    out.begin();
    if let Some(epoch) = head.epoch {
        out.number(b"epoch", epoch as f64);
    }
    // The numbers of a validation belong to where the training stands.
    if let Some(step) = head.step.filter(|_| head.training) {
        out.step(step);
    }
    for field in fields(head.rest) {
        let other = !head.training && fields::is_loss(field.name);
        let prefix: &[u8] = if other { b"val/" } else { b"" };
        fields::number(prefix, field.name, field.value, out);
    }
    out.end(line)
}

fn head(text: &[u8]) -> Option<Head<'_>> {
    let mut text = Cursor::new(text);
    let epochs = text.word(b"Epoch").is_some();
    if !epochs {
        text.word(b"Iter")?;
    }
    let mode = match text.word(b"(") {
        Some(()) => text.until(b')')?,
        None => b"train",
    };
    if !matches!(mode, b"train" | b"val" | b"test") {
        return None;
    }
    text.word(b" ")?;
    let (first, _) = bracket(&mut text)?;
    let (epoch, count) = match text.rest.first() {
        Some(b'[') => (Some(first), bracket(&mut text)?),
        _ => (None, (first, None)),
    };
    // What follows is set apart, so that `Epoch [1/5], Step [3/4]` is none.
    if !matches!(text.rest, [b'\t', ..] | [b' ', b' ', ..]) {
        return None;
    }
    let (count, total) = count;
    let step = match epoch {
        None => Some(count),
        Some(epoch) => total.map(|total| {
            let before = (epoch - 1).max(0).saturating_mul(total);
            before.saturating_add(count)
        }),
    };
    Some(Head {
        training: mode == b"train",
        epoch,
        step,
        rest: text.rest,
    })
}

/// `[ 10/50]`, `[1]`, and the blanks before.
fn bracket(text: &mut Cursor) -> Option<(i64, Option<i64>)> {
    text.blanks().word(b"[")?;
    let count = text.blanks().digits()?;
    let total = match text.word(b"/") {
        Some(()) => Some(text.blanks().digits()?),
        None => None,
    };
    text.word(b"]")?;
    Some((count, total))
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn of_version_2() {
        let log = "2026/01/02 00:50:32 - mmengine - INFO - Epoch(train)  [2][10/50]  lr: 1.0000e-02  eta: 1 day, 0:00:05  time: 0.0178  loss: nan\n\
            2026/01/02 00:50:33 - mmengine - INFO - Epoch(val) [2][10/10]    toy/mse: 0.5875  loss: 0.5  time: 0.0050\n\
            2026/01/02 00:50:34 - mmengine - INFO - Iter(train) [  100/160000]  lr: 1.0000e-02  loss: 0.25\n";
        assert_eq!(
            records(log),
            [
                "step 60: epoch=2 lr=0.01 time=0.0178 loss=NaN",
                "step 60: epoch=2 toy/mse=0.5875 val/loss=0.5 time=0.005",
                "step 100: lr=0.01 loss=0.25",
            ]
        );
        assert_eq!(formats(log), ["mmengine"]);
    }

    #[test]
    fn of_version_1() {
        let log = "2021-05-01 10:00:00,123 - mmdet - INFO - Epoch [1][50/7330]\tlr: 1.978e-03, eta: 1 day, 2:03:04, time: 0.500, memory: 3000, loss_cls: 0.5, loss: 1.25\n\
            2021-05-01 10:00:00,123 - mmseg - INFO - Iter [50/160000]\tlr: 1.000e-02, eta: 2:03:04, loss: 1.25\n\
            2021-05-01 10:00:00,123 - mmdet - INFO - Epoch(val) [1][500]\tbbox_mAP: 0.3000\n";
        assert_eq!(
            records(log),
            [
                "step 50: epoch=1 lr=0.001978 time=0.5 memory=3000 loss_cls=0.5 loss=1.25",
                "step 50: lr=0.01 loss=1.25",
                "step 50: epoch=1 bbox_mAP=0.3",
            ]
        );
        assert_eq!(formats(log), ["mmengine"]);
    }

    #[test]
    fn look_alikes() {
        assert_ne!(
            formats("Epoch [1/5], Step [3/4], Loss: 0.5\n"),
            ["mmengine"]
        );
        assert!(records("Epoch(train) starts\nIter [x]\nEpoch [1][2/3]\t\n").is_empty());
    }
}
