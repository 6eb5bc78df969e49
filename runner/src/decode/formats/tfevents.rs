//! TensorBoard's event files.
//!
//! ```text
//! record = u64 length, u32 masked crc32c of these 8 bytes,
//!          `length` bytes, u32 masked crc32c of them
//! ```
//!
//! All numbers are little-endian. The bytes of a record are an `Event`:
//!
//! ```text
//! Event   = 1: double wall_time, 2: int64 step, 5: Summary
//! Summary = 1: Value, many times
//! Value   = 1: string tag, 2: float simple_value, 8: TensorProto
//! ```
//!
//! PyTorch, tensorboardX and TensorFlow 1 write `simple_value`, TensorFlow 2
//! tensors without dimensions. Images, histograms and texts pass by. An event
//! with a scalar is a record, and its number counts the events.

use super::FileEntry;
use super::protobuf::{Fields, Value};
use crate::decode::format::{About, FileFormat, Line, Out};

pub(super) const ENTRY: FileEntry = FileEntry {
    about: About {
        name: "tfevents",
        title: "TensorBoard's event files, of any writer",
        example: "events.out.tfevents.*",
        step: "the event's step",
    },
    sniff,
    new: || Box::<Events>::default(),
};

/// Length and checksum stand before a record's bytes.
const HEADER: usize = 12;
/// A checksum stands after them.
const TRAILER: usize = 4;

/// A longer event is not kept: it holds a graph or images.
const MAX_EVENT: u64 = 8 << 20;

/// What is no event file has a length beyond this.
const MAX_LENGTH: u64 = 1 << 40;

const CRC32C: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);

/// The first record names the file's version and is short: five of the bytes
/// of its length are zero, which no text begins with.
fn sniff(head: &[u8]) -> Option<bool> {
    if head.iter().take(8).skip(3).any(|&byte| byte != 0) {
        return Some(false);
    }
    (head.len() >= HEADER).then(|| header(head).is_some())
}

/// The length that a record's header names, if its checksum is right.
fn header(bytes: &[u8]) -> Option<u64> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let crc = rest.first_chunk::<4>()?;
    let bits = u64::from_le_bytes(*length);
    (bits <= MAX_LENGTH && masked(length) == u32::from_le_bytes(*crc)).then_some(bits)
}

/// The checksum as it is stored: a record that holds records with their
/// checksums would otherwise have a weak one.
fn masked(bytes: &[u8]) -> u32 {
    const DELTA: u32 = 0xa282_ead8;
    CRC32C.checksum(bytes).rotate_right(15).wrapping_add(DELTA)
}

/// An event file.
#[derive(Default)]
struct Events {
    /// What came and is not read yet.
    pending: Vec<u8>,
    /// How much of what comes belongs to a record that is not kept.
    skip: u64,
    /// The bytes are not at the beginning of a record: the next one is looked for.
    lost: bool,
    /// The number of records so far.
    number: u64,
}

impl FileFormat for Events {
    fn push(&mut self, mut bytes: &[u8], out: &mut Out<'_>) {
        if self.skip > 0 {
            let skipped = self.skip.min(bytes.len() as u64);
            self.skip -= skipped;
            bytes = &bytes[skipped as usize..];
        }
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(len) = self.record(&pending[at..], out) {
            at += len;
        }
        pending.drain(..at);
        self.pending = pending;
        out.lines(self.number);
    }
}

impl Events {
    /// Reads at the beginning of `bytes`, and gives the length of what is done
    /// with; `None` when more bytes must come.
    fn record(&mut self, bytes: &[u8], out: &mut Out<'_>) -> Option<usize> {
        if bytes.len() < HEADER {
            return None;
        }
        let Some(length) = header(bytes) else {
            if !self.lost {
                self.lost = true;
                self.number += 1;
                out.malformed(self.number, "the length of an event is damaged");
            }
            return Some(self.seek(bytes));
        };
        self.lost = false;
        if length > MAX_EVENT {
            self.number += 1;
            let whole = length + (HEADER + TRAILER) as u64;
            let here = whole.min(bytes.len() as u64);
            self.skip = whole - here;
            return Some(here as usize);
        }
        let end = HEADER + length as usize;
        let crc = bytes.get(end..)?.first_chunk()?;
        self.number += 1;
        let event = &bytes[HEADER..end];
        if masked(event) == u32::from_le_bytes(*crc) {
            read(event, self.number, out);
        } else {
            out.malformed(self.number, "the checksum of an event is wrong");
        }
        Some(end + TRAILER)
    }

    /// How far it is to what may be the next record.
    fn seek(&self, bytes: &[u8]) -> usize {
        let starts = 1..=bytes.len() - HEADER;
        starts
            .clone()
            .find(|&at| bytes[at + 5..at + 8] == [0; 3] && header(&bytes[at..]).is_some())
            .unwrap_or(*starts.end().max(&1))
    }
}

fn read(event: &[u8], number: u64, out: &mut Out<'_>) {
    out.begin();
    // A step of zero is not written.
    out.step(0);
    for (field, value) in Fields(event) {
        match (field, value) {
            (1, value) => value.double().into_iter().for_each(|time| out.time(time)),
            (2, value) => value.integer().into_iter().for_each(|step| out.step(step)),
            (5, Value::Bytes(summary)) => {
                for (field, value) in Fields(summary) {
                    if let (1, Value::Bytes(value)) = (field, value)
                        && let Some((tag, number)) = scalar(value)
                    {
                        out.metric(tag, number);
                    }
                }
            }
            _ => {}
        }
    }
    if out.has_numbers() {
        out.end(&Line::at(number));
    }
}

/// The tag and the number of a `Value`, if it is a number.
fn scalar(value: &[u8]) -> Option<(&[u8], f64)> {
    let (mut tag, mut number) = (None, None);
    for (field, value) in Fields(value) {
        match field {
            1 => tag = value.bytes(),
            2 => number = value.float(),
            8 => number = tensor(value.bytes()?),
            _ => {}
        }
    }
    // Hyperparameters come as values whose tensor is a stand-in.
    let tag = tag.filter(|tag| !tag.starts_with(b"_hparams_/"))?;
    Some((tag, number?))
}

/// The number in a `TensorProto` without dimensions.
fn tensor(tensor: &[u8]) -> Option<f64> {
    const FLOAT: i64 = 1;
    const DOUBLE: i64 = 2;
    let (mut kind, mut content) = (0, None);
    for (field, value) in Fields(tensor) {
        match field {
            1 => kind = value.integer()?,
            // A dimension makes it a vector, if only of one number.
            2 if Fields(value.bytes()?).any(|(field, _)| field == 2) => return None,
            4..=6 => content = Some(value),
            _ => {}
        }
    }
    // A list of one number is packed into bytes, or is the number.
    match (kind, content?) {
        (FLOAT, Value::Bytes(bytes)) => Some(f32::from_le_bytes(bytes.try_into().ok()?).into()),
        (FLOAT, value) => value.float(),
        (DOUBLE, Value::Bytes(bytes)) => Some(f64::from_le_bytes(bytes.try_into().ok()?)),
        (DOUBLE, value) => value.double(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::protobuf::Message;
    use super::*;
    use crate::decode::formats::testing::{formats, malformed, records, records_in_chunks};

    fn framed(event: &Message) -> Vec<u8> {
        let length = (event.0.len() as u64).to_le_bytes();
        let mut record = length.to_vec();
        record.extend(masked(&length).to_le_bytes());
        record.extend(&event.0);
        record.extend(masked(&event.0).to_le_bytes());
        record
    }

    fn version() -> Vec<u8> {
        framed(&Message::new().double(1, 1.7e9).bytes(3, "brain.Event:2"))
    }

    fn event(step: i64, value: Message) -> Vec<u8> {
        let mut event = Message::new().double(1, 1.7e9);
        if step != 0 {
            event = event.integer(2, step);
        }
        framed(&event.bytes(5, Message::new().bytes(1, value)))
    }

    fn simple(step: i64, tag: &str, value: f32) -> Vec<u8> {
        event(step, Message::new().bytes(1, tag).float(2, value))
    }

    #[test]
    fn simple_values() {
        let file = [
            version(),
            simple(0, "train/loss", 2.5),
            simple(1, "train/loss", f32::NAN),
            simple(1, "step", 0.25),
        ]
        .concat();
        let expected = [
            "step 0: train/loss=2.5",
            "step 1: train/loss=NaN",
            "step 1: step=0.25",
        ];
        assert_eq!(records(&file), expected);
        assert_eq!(formats(&file), ["tfevents"]);
        for size in [1, 3, 12, 40] {
            assert_eq!(records_in_chunks(&file, size), expected, "{size}");
        }
    }

    #[test]
    fn tensors() {
        let tensor = |tensor: Message| Message::new().bytes(1, "epoch_loss").bytes(8, tensor);
        let shape = |dimensions: usize| {
            let dimension = Message::new().bytes(2, Message::new().integer(1, 1));
            Message(dimension.0.repeat(dimensions))
        };
        let float = || Message::new().integer(1, 1).bytes(2, shape(0));
        let file = [
            version(),
            event(1, tensor(float().bytes(4, 1.5f32.to_le_bytes()))),
            event(2, tensor(float().bytes(5, f32::INFINITY.to_le_bytes()))),
            event(3, tensor(Message::new().integer(1, 1).float(5, 3.5))),
            event(4, tensor(Message::new().integer(1, 2).double(6, 4.5))),
            // A vector, two numbers, a text, and none at all.
            event(
                5,
                tensor(float().bytes(2, shape(1)).bytes(4, 1.5f32.to_le_bytes())),
            ),
            event(6, tensor(float().bytes(4, [0; 8]))),
            event(7, tensor(Message::new().integer(1, 7).bytes(8, "text"))),
            event(8, tensor(float())),
        ]
        .concat();
        let expected = [
            "step 1: epoch_loss=1.5",
            "step 2: epoch_loss=inf",
            "step 3: epoch_loss=3.5",
            "step 4: epoch_loss=4.5",
        ];
        assert_eq!(records(&file), expected);
    }

    #[test]
    fn damage_costs_what_is_damaged() {
        let parts = [
            version(),
            simple(1, "loss", 1.0),
            simple(2, "loss", 2.0),
            simple(3, "loss", 3.0),
        ];
        // A byte of the second event's length, of its checksum, of its bytes.
        for at in [1, 9, 20] {
            let mut damaged = parts.clone();
            damaged[2][at] ^= 0x55;
            let file = damaged.concat();
            let expected = ["step 1: loss=1", "step 3: loss=3"];
            assert_eq!(records(&file), expected, "{at}");
            assert_eq!(records_in_chunks(&file, 5), expected, "{at}");
            assert_eq!(malformed(&file).0, 1, "{at}");
        }
        // A torn end is how a killed job leaves its file.
        let whole = parts.concat();
        for torn in 1..parts[3].len() {
            let file = &whole[..whole.len() - torn];
            assert_eq!(records(file), ["step 1: loss=1", "step 2: loss=2"]);
            assert_eq!(malformed(file).0, 0);
        }
    }

    #[test]
    fn a_huge_event_passes_by() {
        let graph = framed(&Message::new().bytes(4, vec![0; MAX_EVENT as usize + 1]));
        let file = [version(), graph, simple(1, "loss", 1.0)].concat();
        assert_eq!(records(&file), ["step 1: loss=1"]);
        assert_eq!(records_in_chunks(&file, 1 << 16), ["step 1: loss=1"]);
    }

    #[test]
    fn other_files_are_not_taken() {
        for text in [
            "",
            "s",
            "step 1: loss=2\n",
            "\0\0\0",
            "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        ] {
            assert_ne!(sniff(text.as_bytes()), Some(true), "{text:?}");
        }
        assert_eq!(sniff(b"step"), Some(false));
        assert_eq!(sniff(b"\x18\0\0\0"), None);
    }
}
