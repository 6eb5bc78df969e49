//! PaddlePaddle's suites.
//!
//! ```text
//! [12/25 14:22:40] epoch:[  1/25 ] train step:100  loss: 4.97 lr: 0.01 batch_cost: 7.4 sec, ips: 8.5 instance/sec.
//! [12/25 14:24:53] END epoch:1   val loss_avg: 2.85 top1_avg: 0.35 avg_ips: 93.9 instance/sec.
//! [07/12 12:00:00] ppgan.engine.trainer INFO: Iter: 100/5000 lr: 2e-04 loss_pixel: 0.5 batch_cost: 0.5 sec eta: 11 days, 19:28:35
//! [07/12 12:00:00] ppdet.engine INFO: Epoch: [0] [  0/500] learning_rate: 0.5 loss: 12.3 eta: 3:04:02 batch_cost: 2.9 ips: 2.75 images/s
//! [2021/09/28 12:00:00] ppcls INFO: [Train][Epoch 1/20][Iter: 0/16]lr: 0.5, top1: 0.25, loss: 4.5, batch_cost: 2.25s, ips: 28.5 samples/s, eta: 0:11:00
//! [2021/09/28 12:00:00] ppcls INFO: [Eval][Epoch 1][Avg]CELoss: 0.5, loss: 0.5, top1: 0.75
//! 2021-04-01 12:00:00 [INFO]    [TRAIN] epoch: 1, iter: 10/1000, loss: 1.25, lr: 0.5, batch_cost: 0.25, ips: 12.5 samples/sec | ETA 00:05:12
//! [2021/09/28 12:00:00] ppocr INFO: epoch: [1/500], global_step: 10, lr: 0.001, loss: 5.25, ips: 25.5 samples/s, eta: 1:02:03
//! ```
//!
//! What an evaluation prints is called `val/…`, so that its loss is not taken
//! for the training's.

use super::Entry;
use super::fields::{self, fields};
use crate::decode::cursor::Cursor;
use crate::decode::epochs::Epochs;
use crate::decode::format::{About, Format, Line, Out};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "paddle",
        title: "PaddlePaddle: PaddleVideo, -GAN, -Detection, -Clas, -Seg, -OCR",
        example: "[12/25 14:22:40] epoch:[  1/25 ] train step:100  loss: 4.97 lr: 0.01 batch_cost: 7.4 sec, ips: 8.5 instance/sec.",
        step: "`iter`, `global_step`, or the steps added up through the epochs",
    },
    begins: b"eEI[",
    new: || Box::new(Paddle::default()),
};

#[derive(Default)]
struct Paddle {
    epochs: Epochs,
}

/// How a line begins.
#[derive(Default)]
struct Head {
    epoch: Option<i64>,
    /// The step within the epoch, or within the training when there is none.
    count: Option<(i64, Option<i64>)>,
    evaluation: bool,
}

impl Format for Paddle {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        let Some((head, rest)) = head(line.text) else {
            return false;
        };
        if fields(rest).next().is_none() {
            return false;
        }
        out.begin();
        if let Some(step) = self.step(&head) {
            out.step(step);
        }
        if let Some(epoch) = head.epoch {
            out.number(b"epoch", epoch as f64);
        }
        if head.evaluation || head.count.is_none() {
            out.evaluation();
        }
        let prefix: &[u8] = if head.evaluation { b"val/" } else { b"" };
        fields::write(rest, prefix, out);
        out.end(line)
    }
}

impl Paddle {
    fn step(&mut self, head: &Head) -> Option<i64> {
        let (count, total) = head.count.filter(|_| !head.evaluation)?;
        Some(match head.epoch {
            Some(epoch) => self.epochs.step(epoch, count, total),
            None => count,
        })
    }
}

/// Looks at the first letter, and tries what begins with it.
fn head(text: &[u8]) -> Option<(Head, &[u8])> {
    match text.first()? {
        b'e' => video(text).or_else(|| ocr(text)),
        b'E' => end(text).or_else(|| detection(text)),
        b'I' => gan(text),
        b'[' => classification(text).or_else(|| segmentation(text)),
        _ => None,
    }
}

/// `epoch:[  1/25 ] train step:100  `
fn video(text: &[u8]) -> Option<(Head, &[u8])> {
    let mut text = Cursor::new(text);
    text.word(b"epoch:[")?;
    let epoch = text.blanks().digits()?;
    text.until(b']')?;
    let mode = text.blanks().token()?;
    text.blanks().word(b"step:")?;
    let count = text.blanks().digits()?;
    let head = Head {
        epoch: Some(epoch),
        count: Some((count, None)),
        evaluation: mode != b"train",
    };
    Some((head, text.rest))
}

/// `END epoch:1   val `; the averages of the training are those of the epoch.
fn end(text: &[u8]) -> Option<(Head, &[u8])> {
    let mut text = Cursor::new(text);
    text.word(b"END epoch:")?;
    let epoch = text.blanks().digits()?;
    let mode = text.blanks().token()?;
    let head = Head {
        epoch: Some(epoch),
        count: None,
        evaluation: mode != b"train",
    };
    Some((head, text.rest))
}

/// `epoch: [1/500], global_step: 10, ` and, before that, `iter: 10, `
fn ocr(text: &[u8]) -> Option<(Head, &[u8])> {
    let mut text = Cursor::new(text);
    text.word(b"epoch: [")?;
    let epoch = text.digits()?;
    text.until(b']')?;
    text.word(b", ")?;
    text.word(b"global_step: ")
        .or_else(|| text.word(b"iter: "))?;
    let count = text.digits()?;
    let head = Head {
        epoch: None,
        count: Some((count, None)),
        evaluation: false,
    };
    let _ = epoch;
    text.word(b",")?;
    Some((head, text.rest))
}

/// `Epoch: [0] [  0/500] learning_rate: `; others with such a head have two
/// blanks or a tab.
fn detection(text: &[u8]) -> Option<(Head, &[u8])> {
    let mut text = Cursor::new(text);
    text.word(b"Epoch: [")?;
    let epoch = text.blanks().digits()?;
    text.word(b"] [")?;
    let count = text.blanks().digits()?;
    text.word(b"/")?;
    let total = text.blanks().digits()?;
    text.word(b"] ")?;
    let head = Head {
        epoch: Some(epoch),
        count: Some((count, Some(total))),
        evaluation: false,
    };
    text.rest.first().filter(|b| **b != b' ')?;
    Some((head, text.rest))
}

/// `Iter: 100/5000 lr: `
fn gan(text: &[u8]) -> Option<(Head, &[u8])> {
    let mut text = Cursor::new(text);
    text.word(b"Iter: ")?;
    let count = text.digits()?;
    text.word(b"/")?;
    text.digits()?;
    text.word(b" ")?;
    let head = Head {
        count: Some((count, None)),
        ..Head::default()
    };
    Some((head, text.rest))
}

/// `[Train][Epoch 1/20][Iter: 0/16]`, `[Eval][Epoch 1][Avg]`
fn classification(text: &[u8]) -> Option<(Head, &[u8])> {
    let mut text = Cursor::new(text);
    let evaluation = text.word(b"[Train]").is_none();
    if evaluation {
        text.word(b"[Eval]")?;
    }
    text.word(b"[Epoch ")?;
    let epoch = text.digits()?;
    text.until(b']')?;
    let mut count = None;
    if text.word(b"[Iter: ").is_some() {
        let at = text.digits()?;
        text.word(b"/")?;
        let total = text.digits()?;
        text.word(b"]")?;
        // The epochs count from 1, the iterations from 0.
        count = Some((at, Some(total)));
    } else {
        text.word(b"[Avg]")?;
    }
    let head = Head {
        epoch: Some(if evaluation {
            epoch
        } else {
            (epoch - 1).max(0)
        }),
        count,
        evaluation,
    };
    Some((head, text.rest))
}

/// `[TRAIN] epoch: 1, iter: 10/1000, `, `[EVAL] #Images: 500 mIoU: 0.7`
fn segmentation(text: &[u8]) -> Option<(Head, &[u8])> {
    let mut text = Cursor::new(text);
    if text.word(b"[EVAL] ").is_some() {
        let head = Head {
            evaluation: true,
            ..Head::default()
        };
        return text
            .rest
            .starts_with(b"#Images")
            .then_some((head, text.rest));
    }
    text.word(b"[TRAIN] epoch")?;
    text.word(b":").or_else(|| text.word(b"="))?;
    text.blanks().digits()?;
    text.word(b", iter")?;
    text.word(b":").or_else(|| text.word(b"="))?;
    let count = text.blanks().digits()?;
    text.word(b"/")?;
    text.digits()?;
    let head = Head {
        count: Some((count, None)),
        ..Head::default()
    };
    Some((head, text.rest))
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn of_paddle_video() {
        let log = "[12/25 14:22:40] epoch:[  1/25 ] train step:100  loss: 4.5 lr: 0.5 batch_cost: 7.5 sec, ips: 8.5 instance/sec.\n\
            [12/25 14:22:41] END epoch:1   train loss_avg: 4.25 avg_batch_cost: 0.5 sec, avg_ips: 75.5 instance/sec.\n\
            [12/25 14:22:42] epoch:[  1/25 ] val step:0    loss: 3.5 batch_cost: 7.5 sec, ips: 8.5 instance/sec.\n\
            [12/25 14:22:43] END epoch:1   val loss_avg: 3.25 avg_ips: 75.5 instance/sec.\n\
            [12/25 14:22:44] epoch:[  2/25 ] train step:0  loss: nan lr: 0.5 ips: 8.5 instance/sec.\n";
        assert_eq!(
            records(log),
            [
                "step 100: epoch=1 loss=4.5 lr=0.5 batch_cost=7.5 ips=8.5",
                "step 100 evaluation: epoch=1 loss_avg=4.25 avg_batch_cost=0.5 avg_ips=75.5",
                "step 100 evaluation: epoch=1 val/loss=3.5 val/batch_cost=7.5 val/ips=8.5",
                "step 100 evaluation: epoch=1 val/loss_avg=3.25 val/avg_ips=75.5",
                "step 100: epoch=2 loss=NaN lr=0.5 ips=8.5",
            ]
        );
        assert_eq!(formats(log), ["paddle"]);
    }

    #[test]
    fn of_the_other_suites() {
        for (line, record) in [
            (
                "[07/12 12:00:00] ppgan.engine.trainer INFO: Iter: 100/5000 lr: 2e-04 loss_pixel: 220126996736552716516472320425984.000 batch_cost: 0.5 sec eta: 11 days, 19:28:35",
                "step 100: lr=0.0002 loss_pixel=220126996736552700000000000000000 batch_cost=0.5",
            ),
            (
                "[07/12 12:00:00] ppdet.engine INFO: Epoch: [2] [ 10/500] learning_rate: 0.5 loss: 12.5 eta: 3:04:02 batch_cost: 2.5 ips: 2.75 images/s",
                "step 1010: epoch=2 learning_rate=0.5 loss=12.5 batch_cost=2.5 ips=2.75",
            ),
            (
                "[2021/09/28 12:00:00] ppcls INFO: [Train][Epoch 2/20][Iter: 3/16]lr: 0.5, top1: 0.25, loss: 4.5, batch_cost: 2.25s, ips: 28.5 samples/s, eta: 0:11:00",
                "step 19: epoch=1 lr=0.5 top1=0.25 loss=4.5 batch_cost=2.25 ips=28.5",
            ),
            (
                "2021-04-01 12:00:00 [INFO]\t[TRAIN] epoch: 1, iter: 10/1000, loss: 1.25, lr: 0.5, ips: 12.5 samples/sec | ETA 00:05:12",
                "step 10: loss=1.25 lr=0.5 ips=12.5",
            ),
            (
                "[2021/09/28 12:00:00] ppocr INFO: epoch: [1/500], global_step: 10, lr: 0.5, loss: 5.25, ips: 25.5 samples/s, eta: 1:02:03",
                "step 10: lr=0.5 loss=5.25 ips=25.5",
            ),
        ] {
            assert_eq!(records(line), [record], "{line}");
            assert_eq!(formats(line), ["paddle"], "{line}");
        }
    }

    #[test]
    fn look_alikes() {
        let log = "epoch:[ 1\nEND epoch:1\nIter: 5/6\n[Train] loss\n[EVAL] now\nepoch: [1/2], x\n";
        assert!(records(log).is_empty());
    }
}
