//! Ultralytics YOLO, v5 and later.
//!
//! ```text
//!       Epoch    GPU_mem   box_loss   cls_loss   dfl_loss  Instances       Size
//!         1/4       2.1G    0.05257     0.3307     0.0322         12        640: 100%|##| 3/3 [..]
//!                  Class     Images  Instances      Box(P          R      mAP50  mAP50-95): 100%|##|
//!                    all          4          4       0.5       0.5       0.5       0.5
//! ```
//!
//! An epoch is one record: the last row of its bar, when that is full, and the
//! row of all classes.

use memchr::memmem;

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Format, Line, Out};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "ultralytics",
        title: "Ultralytics YOLO",
        example: "  Epoch  GPU_mem  box_loss  cls_loss  dfl_loss  Instances  Size\n    1/4     2.1G   0.05257    0.3307    0.0322         12   640: 100%|##| 3/3 [00:01<00:00, 2.1it/s]",
        step: "the epoch",
    },
    begins: b"ECca0123456789",
    new: || Box::new(Ultralytics::default()),
};

/// The most columns that a table has.
const MOST: usize = 32;

#[derive(Default)]
struct Ultralytics {
    /// The columns of the training's rows, and of the validation's.
    training: Vec<Vec<u8>>,
    validation: Vec<Vec<u8>>,
    epoch: Option<Epoch>,
    /// The epoch whose record had to be written before its validation came.
    awaited: Option<i64>,
}

/// An epoch whose bar is full.
struct Epoch {
    number: u64,
    rank: Option<u32>,
    epoch: i64,
    values: Vec<f64>,
}

impl Format for Ultralytics {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        match line.text[0] {
            b'E' => {
                let Some(columns) = training_columns(line.text) else {
                    return false;
                };
                self.finish(out);
                self.training = columns;
                true
            }
            b'C' | b'c' => {
                let Some(columns) = validation_columns(line.text) else {
                    return false;
                };
                self.validation = columns;
                true
            }
            b'0'..=b'9' => self.training_row(line, out),
            b'a' => self.validation_row(line, out),
            _ => false,
        }
    }

    fn finish(&mut self, out: &mut Out<'_>) {
        self.awaited = self.epoch.as_ref().map(|open| open.epoch).or(self.awaited);
        self.record(&[], out);
    }
}

impl Ultralytics {
    fn training_row(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        let Some((epoch, values, full)) = training_row(line.text) else {
            return false;
        };
        if values.len() + 1 != self.training.len() {
            return false;
        }
        if self.epoch.as_ref().is_some_and(|open| open.epoch != epoch) {
            self.finish(out);
        }
        if full {
            self.awaited = None;
            self.epoch = Some(Epoch {
                number: line.number,
                rank: line.rank,
                epoch,
                values,
            });
        }
        true
    }

    fn validation_row(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        let mut row = Cursor::new(line.text);
        if row.word(b"all ").is_none() {
            return false;
        }
        let mut values = Vec::new();
        while !row.is_done() && values.len() < MOST {
            let Some(value) = row.blanks().number() else {
                return false;
            };
            values.push(value);
        }
        if values.len() + 1 != self.validation.len() {
            return false;
        }
        // After the training the best weights are validated once more: that is
        // about no epoch.
        if let Some(epoch) = self.awaited.take() {
            out.begin();
            out.step(epoch);
            self.validation(&values, out);
            out.end(line);
        } else {
            self.record(&values, out);
        }
        true
    }

    /// Writes the open epoch.
    fn record(&mut self, validation: &[f64], out: &mut Out<'_>) {
        let Some(open) = self.epoch.take() else {
            return;
        };
        out.begin();
        out.step(open.epoch);
        for (name, value) in self.training.iter().skip(1).zip(&open.values) {
            out.number(name, *value);
        }
        self.validation(validation, out);
        out.end(&Line {
            number: open.number,
            text: b"-",
            rank: open.rank,
            ..Line::default()
        });
    }

    /// Writes a validation's numbers; the counts of images and objects are no
    /// measurements.
    fn validation(&self, values: &[f64], out: &mut Out<'_>) {
        for (name, value) in self.validation.iter().skip(1).zip(values) {
            if !matches!(name.as_slice(), b"Images" | b"Instances" | b"Labels") {
                out.number(name, *value);
            }
        }
    }
}

/// `Epoch GPU_mem box_loss …`
fn training_columns(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = words(text);
    let memory = words.nth(1)?;
    if !text.starts_with(b"Epoch ") || !memory.eq_ignore_ascii_case(b"gpu_mem") {
        return None;
    }
    Some(self::words(text).take(MOST).map(<[u8]>::to_vec).collect())
}

/// `Class Images Instances Box(P R mAP50 mAP50-95): 100%…`; masks and poses have
/// a group of columns of their own.
fn validation_columns(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let head = &text[..memmem::find(text, b": ")?];
    let first = words(head).next()?;
    if !(first == b"Class" && words(head).nth(1)? == b"Images" || first == b"classes") {
        return None;
    }
    let mut columns = Vec::new();
    let mut group: &[u8] = b"";
    for word in words(head).take(MOST) {
        let mut name = word.strip_suffix(b")").unwrap_or(word);
        if let Some(open) = memchr::memchr(b'(', name) {
            group = &name[..open];
            name = &name[open + 1..];
        }
        columns.push(match group {
            b"" | b"Box" => name.to_vec(),
            group => [group, b"/", name].concat(),
        });
        if word.ends_with(b")") {
            group = b"";
        }
    }
    Some(columns)
}

/// The epoch, the numbers, and whether the bar is full.
fn training_row(text: &[u8]) -> Option<(i64, Vec<f64>, bool)> {
    let mut row = Cursor::new(text);
    let epoch = row.digits()?;
    row.word(b"/")?;
    row.digits()?;
    row.word(b" ")?;
    let end = memmem::find(row.rest, b": ")?;
    let mut bar = Cursor::new(&row.rest[end + 2..]);
    let percent = bar.blanks().digits()?;
    bar.word(b"%")?;
    let mut values = Vec::new();
    let mut numbers = Cursor::new(&row.rest[..end]);
    while !numbers.is_done() && values.len() < MOST {
        values.push(numbers.blanks().number()?);
    }
    Some((epoch, values, percent == 100))
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    const HEAD: &str = "      Epoch    GPU_mem   box_loss   cls_loss   Instances       Size\n";

    #[test]
    fn an_epoch_is_a_record() {
        let log = format!(
            "{HEAD}\r\x1b[K        1/4       2.1G    0.5     0.25          4         64: 33% ━━── 1/3  0.5s\
            \r\x1b[K        1/4       2.1G    0.4     0.35          4         64: 100% ━━━━ 3/3  0.5s\n\
            \r\x1b[K      Class     Images  Instances      Box(P          R      mAP50  mAP50-95): 100% ━━ 1/1\n\
            \x20                  all          4          4      0.125    0.5       0.75      0.25\n\
            {HEAD}        2/4       2.1G    nan     0.25          4         64: 100%|####| 3/3 [00:01<00:00, 2.1it/s]\n\
            \n4 epochs completed in 0.001 hours.\n\
            \x20                  all          4          4      0.125    0.5       0.75      0.25\n"
        );
        assert_eq!(
            records(&log),
            [
                "step 1: GPU_mem=2.1 box_loss=0.4 cls_loss=0.35 Instances=4 Size=64 P=0.125 R=0.5 mAP50=0.75 mAP50-95=0.25",
                "step 2: GPU_mem=2.1 box_loss=NaN cls_loss=0.25 Instances=4 Size=64 P=0.125 R=0.5 mAP50=0.75 mAP50-95=0.25",
            ]
        );
        assert_eq!(formats(&log), ["ultralytics"]);
    }

    #[test]
    fn cut_before_the_validation() {
        let log = format!(
            "{HEAD}        3/4       0G    0.4     0.35          4         64: 100% ━━━━ 3/3"
        );
        assert_eq!(
            records(log),
            ["step 3: GPU_mem=0 box_loss=0.4 cls_loss=0.35 Instances=4 Size=64"]
        );
    }

    #[test]
    fn masks_have_columns_of_their_own() {
        let log = format!(
            "{HEAD}        1/4       0G    0.4     0.35          4         64: 100% ━━━━ 3/3\n\
            Class     Images  Instances      Box(P          R      mAP50  mAP50-95)     Mask(P          R      mAP50  mAP50-95): 100%\n\
            all 4 4 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8\n"
        );
        assert!(
            records(log)[0]
                .ends_with("mAP50-95=0.4 Mask/P=0.5 Mask/R=0.6 Mask/mAP50=0.7 Mask/mAP50-95=0.8")
        );
    }

    #[test]
    fn classification() {
        let log = "      Epoch    GPU_mem       loss  Instances       Size\n\
            \x20       2/4       0G    0.5          4         64: 100% ━━━━ 3/3\n\
            \x20              classes   top1_acc   top5_acc: 100% ━━━━ 1/1\n\
            \x20                  all      0.25        0.75\n";
        assert_eq!(
            records(log),
            ["step 2: GPU_mem=0 loss=0.5 Instances=4 Size=64 top1_acc=0.25 top5_acc=0.75"]
        );
    }

    #[test]
    fn version_5() {
        let log = "     Epoch   gpu_mem       box       obj       cls    labels  img_size\n\
            \x20    0/299     2.36G     0.125    0.0625       nan        27       640: 100%|####| 8/8 [00:02<00:00,  3.25it/s]\n\
            \x20              Class     Images     Labels          P          R     mAP@.5 mAP@.5:.95: 100%|####| 1/1 [00:00<00:00,  3.25it/s]\n\
            \x20                all          4         27        0.5       0.25      0.125     0.0625\n";
        assert_eq!(
            records(log),
            [
                "step 0: gpu_mem=2.36 box=0.125 obj=0.0625 cls=NaN labels=27 img_size=640 P=0.5 R=0.25 mAP@.5=0.125 mAP@.5:.95=0.0625"
            ]
        );
    }

    #[test]
    fn look_alikes() {
        assert!(
            records("1/4 0G 0.5 0.5 4 64: 100%\nall 1 2 3\nEpoch of plenty\nClass: 1\n").is_empty()
        );
    }
}
