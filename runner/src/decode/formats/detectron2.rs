//! detectron2, and maskrcnn-benchmark before it.
//!
//! ```text
//! eta: 0:01:02  iter: 19  total_loss: 2.5  loss_cls: 0.5  time: 0.25  data_time: 0.01  lr: 0.0002  max_mem: 1671M
//! eta: 1 day, 0:01:02  iter: 50  loss: 1.4025 (2.0018)  time: 0.2 (0.3)  lr: 0.002  max mem: 5000
//! ```
//!
//! The number before the parentheses is the median of a window, the one inside
//! the average since the beginning.

use memchr::memmem;

use super::Entry;
use super::fields;
use crate::decode::format::{About, Line, Lines, Out};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "detectron2",
        title: "detectron2, maskrcnn-benchmark",
        example: "[11/01 18:06:04 d2.utils.events]:  eta: 0:01:02  iter: 19  total_loss: 2.5  time: 0.25  lr: 0.0002  max_mem: 1671M",
        step: "`iter`",
    },
    begins: b"ei",
    new: || Box::new(Lines(read)),
};

fn read(line: &Line<'_>, out: &mut Out<'_>) -> bool {
    let text = line.text;
    // The first line has no eta yet.
    if !(text.starts_with(b"eta: ") || text.starts_with(b"iter: ")) {
        return false;
    }
    let head = &text[..text.len().min(64)];
    let Some(start) = memmem::find(head, b"iter: ") else {
        return false;
    };
    if memmem::find(&text[start..], b"  ").is_none() {
        return false;
    }
    out.begin();
    fields::write(&text[start..], b"", out) > 1 && out.end(line)
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn lines_of_training() {
        let log = "[11/01 18:06:04 d2.utils.events]:  iter: 19  total_loss: 2.5  time: 0.25  lr: 0.0002  max_mem: 1671M\n\
            [11/01 18:06:09 d2.utils.events]:  eta: 1 day, 0:01:02  iter: 39  total_loss: nan  lr: 0.0004  max_mem: 1671M\n\
            2022-05-11 03:51:01,084 maskrcnn_benchmark.trainer INFO: eta: 1:05:05  iter: 50  loss: 1.5 (2.0)  loss_mask: 0.5 (0.75)  max mem: 5000\n";
        assert_eq!(
            records(log),
            [
                "step 19: total_loss=2.5 time=0.25 lr=0.0002 max_mem=1671",
                "step 39: total_loss=NaN lr=0.0004 max_mem=1671",
                "step 50: loss=1.5 loss_mask=0.5 max mem=5000",
            ]
        );
        assert_eq!(formats(log), ["detectron2"]);
    }

    #[test]
    fn look_alikes() {
        assert!(records("eta: 0:01:02\niter: 5\neta: soon, iter: many\n").is_empty());
    }
}
