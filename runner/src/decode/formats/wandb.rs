//! Weights & Biases' transaction logs, `run-*.wandb`.
//!
//! ```text
//! file  = ":W&B", u16 0xBEE1, u8 version, blocks of 32 KiB counted from the
//!         file's beginning
//! block = chunks; fewer bytes than a chunk's header at its end are padding
//! chunk = u32 crc32 of kind and bytes, u16 length, u8 kind, bytes
//! kind  = 1 a whole record, 2 its first part, 3 a middle one, 4 its last
//! ```
//!
//! This is `LevelDB`'s log. The records are protocol buffers:
//!
//! ```text
//! Record      = 2: History, 17: Run, and what is passed over
//! History     = 1: Item, many times, 2: Step { 1: int64 }
//! Item        = 1: string key or 2: string nested_key, many times, 16: value_json
//! Run         = 1: string run_id, 3: string project, 8: string display_name
//! ```
//!
//! A history is a record. Its step is `_step`, which counts the calls of `log`.

use jiter::{JsonObject, JsonValue};

use super::FileEntry;
use super::protobuf::{Fields, Value};
use crate::decode::format::{About, FileFormat, Line, Out};
use crate::decode::number::spelled;

pub(super) const ENTRY: FileEntry = FileEntry {
    about: About {
        name: "wandb",
        title: "Weights & Biases' transaction log",
        example: "run-*.wandb",
        step: "`_step`",
    },
    sniff,
    new: || Box::<Log>::default(),
};

const MAGIC: [u8; 6] = *b":W&B\xe1\xbe";
/// The magic and the version.
const FILE_HEADER: usize = 7;

const BLOCK: usize = 32 << 10;
const CHUNK_HEADER: usize = 7;

/// A longer record is not kept.
const MAX_RECORD: usize = 8 << 20;

const CRC32: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

fn sniff(head: &[u8]) -> Option<bool> {
    let seen = head.len().min(MAGIC.len());
    if head[..seen] != MAGIC[..seen] {
        return Some(false);
    }
    (seen == MAGIC.len()).then_some(true)
}

/// A transaction log.
#[derive(Default)]
struct Log {
    /// The block that is not yet complete, from its beginning.
    block: Vec<u8>,
    /// How much of it has been read.
    at: usize,
    /// The file's header has been passed.
    begun: bool,
    /// The parts of a record so far; `None` when its beginning was lost.
    record: Option<Vec<u8>>,
    /// The number of records so far.
    number: u64,
    run: Vec<u8>,
    project: Vec<u8>,
}

impl FileFormat for Log {
    fn push(&mut self, mut bytes: &[u8], out: &mut Out<'_>) {
        while !bytes.is_empty() {
            let room = (BLOCK - self.block.len()).min(bytes.len());
            self.block.extend_from_slice(&bytes[..room]);
            bytes = &bytes[room..];
            let mut block = std::mem::take(&mut self.block);
            self.chunks(&block, out);
            if block.len() == BLOCK {
                block.clear();
                self.at = 0;
            }
            self.block = block;
        }
        out.lines(self.number);
    }
}

impl Log {
    /// Reads the complete chunks of a block.
    fn chunks(&mut self, block: &[u8], out: &mut Out<'_>) {
        if !self.begun {
            if block.len() < FILE_HEADER {
                return;
            }
            self.begun = true;
            self.at = FILE_HEADER;
        }
        while let Some(header) = block.get(self.at..self.at + CHUNK_HEADER) {
            let &[c0, c1, c2, c3, l0, l1, kind] = header else {
                return;
            };
            let crc = u32::from_le_bytes([c0, c1, c2, c3]);
            let start = self.at + CHUNK_HEADER;
            let end = start + usize::from(u16::from_le_bytes([l0, l1]));
            // The zeros of a file that was made larger before it was written.
            let blank = kind == 0 && crc == 0 && end == start;
            if end > BLOCK || blank {
                if !blank {
                    self.damaged("a record does not fit its block", out);
                }
                // The next block begins a chunk again.
                self.at = BLOCK;
                return;
            }
            let Some(bytes) = block.get(start..end) else {
                return;
            };
            self.at = end;
            if CRC32.checksum(&block[start - 1..end]) == crc {
                self.chunk(kind, bytes, out);
            } else {
                self.damaged("the checksum of a record is wrong", out);
            }
        }
    }

    fn damaged(&mut self, problem: &str, out: &mut Out<'_>) {
        self.number += 1;
        self.record = None;
        out.malformed(self.number, problem);
    }

    fn chunk(&mut self, kind: u8, bytes: &[u8], out: &mut Out<'_>) {
        const FULL: u8 = 1;
        const FIRST: u8 = 2;
        const LAST: u8 = 4;
        match kind {
            FULL => return self.record(bytes, out),
            FIRST => self.record = Some(bytes.to_vec()),
            _ => {
                if let Some(record) = &mut self.record
                    && record.len() + bytes.len() <= MAX_RECORD
                {
                    record.extend_from_slice(bytes);
                } else {
                    self.record = None;
                }
            }
        }
        if kind == LAST
            && let Some(record) = self.record.take()
        {
            self.record(&record, out);
        }
    }

    fn record(&mut self, record: &[u8], out: &mut Out<'_>) {
        self.number += 1;
        for (field, value) in Fields(record) {
            match (field, value) {
                (2, Value::Bytes(history)) => self.history(history, out),
                (17, Value::Bytes(run)) => self.run(run),
                _ => {}
            }
        }
    }

    fn run(&mut self, run: &[u8]) {
        let text = |field| {
            let found = Fields(run).find(|&(number, _)| number == field);
            let bytes = found.and_then(|(_, value)| value.bytes());
            bytes.filter(|text| !text.is_empty()).map(<[u8]>::to_vec)
        };
        self.run = text(8).or_else(|| text(1)).unwrap_or_default();
        self.project = text(3).unwrap_or_default();
    }

    fn history(&self, history: &[u8], out: &mut Out<'_>) {
        out.begin();
        let mut key = Vec::new();
        for (field, value) in Fields(history) {
            match (field, value) {
                (1, Value::Bytes(item)) => read_item(item, &mut key, out),
                (2, Value::Bytes(step)) => {
                    let found = Fields(step).find(|&(field, _)| field == 1);
                    let step = found.and_then(|(_, value)| value.integer());
                    out.step(step.unwrap_or(0));
                }
                _ => {}
            }
        }
        if !self.run.is_empty() {
            out.run(&self.run);
        }
        if !self.project.is_empty() {
            out.project(&self.project);
        }
        if out.has_numbers() {
            out.end(&Line::at(self.number));
        }
    }
}

fn read_item(item: &[u8], key: &mut Vec<u8>, out: &mut Out<'_>) {
    key.clear();
    let mut json: &[u8] = b"";
    for (field, value) in Fields(item) {
        match (field, value) {
            (1, Value::Bytes(name)) => key.extend_from_slice(name),
            (2, Value::Bytes(part)) => {
                // As the names of nested values are shown.
                if !key.is_empty() {
                    key.push(b'.');
                }
                key.extend_from_slice(part);
            }
            (16, Value::Bytes(value)) => json = value.trim_ascii(),
            _ => {}
        }
    }
    match json.first() {
        Some(b'{') => read_object(json, key, out),
        Some(b'[') | None => {}
        // Newer writers put what JSON cannot spell between quotes.
        Some(_) => {
            let bare = json
                .strip_prefix(b"\"")
                .and_then(|text| text.strip_suffix(b"\""));
            if let Some((value, _)) = spelled(bare.unwrap_or(json)) {
                read_number(key, value, out);
            }
        }
    }
}

/// Reads the numbers of a nested value.
fn read_object(json: &[u8], key: &mut Vec<u8>, out: &mut Out<'_>) {
    if let Ok(JsonValue::Object(object)) = JsonValue::parse(json, true) {
        walk(&object, key, out);
    }
}

/// The parser bounds how deep objects are nested.
fn walk(object: &JsonObject<'_>, key: &mut Vec<u8>, out: &mut Out<'_>) {
    // An image, a table or a histogram.
    if object.iter().any(|(name, _)| name == "_type") {
        return;
    }
    let outer = key.len();
    for (name, value) in object.iter() {
        key.push(b'.');
        key.extend_from_slice(name.as_bytes());
        match value {
            JsonValue::Int(number) => read_number(key, *number as f64, out),
            JsonValue::Float(number) => read_number(key, *number, out),
            JsonValue::Object(object) => walk(object, key, out),
            _ => {}
        }
        key.truncate(outer);
    }
}

fn read_number(key: &[u8], value: f64, out: &mut Out<'_>) {
    match key {
        b"_step" => {
            if value.fract() == 0.0 {
                out.step(value as i64);
            }
        }
        b"_timestamp" => out.time(value),
        _ => out.metric(key, value),
    }
}

#[cfg(test)]
mod tests {
    use super::super::protobuf::Message;
    use super::*;
    use crate::decode::formats::testing::{formats, malformed, records, records_in_chunks, runs};

    fn log(messages: &[Message]) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        file.push(0);
        for message in messages {
            append(&mut file, &message.0);
        }
        file
    }

    fn append(file: &mut Vec<u8>, mut rest: &[u8]) {
        let mut first = true;
        loop {
            let room = BLOCK - file.len() % BLOCK;
            if room < CHUNK_HEADER {
                file.extend(vec![0; room]);
                continue;
            }
            let part;
            (part, rest) = rest.split_at(rest.len().min(room - CHUNK_HEADER));
            let kind = match (first, rest.is_empty()) {
                (true, true) => 1,
                (true, false) => 2,
                (false, false) => 3,
                (false, true) => 4,
            };
            first = false;
            let checked = [&[kind], part].concat();
            file.extend(CRC32.checksum(&checked).to_le_bytes());
            file.extend((part.len() as u16).to_le_bytes());
            file.extend(checked);
            if kind == 1 || kind == 4 {
                return;
            }
        }
    }

    fn run() -> Message {
        let run = Message::new()
            .bytes(1, "x1y2")
            .bytes(3, "chess")
            .bytes(8, "calm-sea-7");
        Message::new().integer(1, 1).bytes(17, run)
    }

    fn console(len: usize) -> Message {
        Message::new().bytes(13, Message::new().bytes(3, "loss 9.9\n".repeat(len)))
    }

    /// With keys as older and newer writers put them.
    fn history(step: i64, items: &[(&[&str], &str)]) -> Message {
        let mut history = Message::new();
        for (key, json) in items {
            let item = match key {
                [key] if step % 2 == 0 => Message::new().bytes(1, key),
                parts => parts
                    .iter()
                    .fold(Message::new(), |item, part| item.bytes(2, part)),
            };
            history = history.bytes(1, item.bytes(16, json));
        }
        let count = if step == 0 {
            Message::new()
        } else {
            Message::new().integer(1, step)
        };
        Message::new().bytes(2, history.bytes(2, count))
    }

    #[test]
    fn histories() {
        let file = log(&[
            run(),
            history(
                0,
                &[
                    (&["train/loss"], "2.5"),
                    (&["_timestamp"], "1.7e+09"),
                    (&["_step"], "0"),
                ],
            ),
            console(1),
            history(
                1,
                &[
                    (&["train/loss"], "NaN"),
                    (&["train/global_step"], "20"),
                    (&["note"], "\"x\""),
                ],
            ),
            history(
                2,
                &[
                    (&["loss"], "\"Infinity\""),
                    (&["pic"], "{\"_type\": \"image-file\", \"size\": 3}"),
                ],
            ),
            history(
                3,
                &[
                    (&["eval", "acc"], "0.5"),
                    (&["eval"], "{\"a\": {\"b\": 1}, \"c\": [2], \"d\": NaN}"),
                ],
            ),
            history(4, &[(&["_step"], "4"), (&["_timestamp"], "1700000001")]),
        ]);
        let expected = [
            "step 0: train/loss=2.5",
            "step 1: train/loss=NaN train/global_step=20",
            "step 2: loss=inf",
            "step 3: eval.acc=0.5 eval.a.b=1 eval.d=NaN",
        ];
        assert_eq!(records(&file), expected);
        assert_eq!(formats(&file), ["wandb"]);
        assert_eq!(runs(&file), ["chess/calm-sea-7"]);
        for size in [1, 6, 7, 100] {
            assert_eq!(records_in_chunks(&file, size), expected, "{size}");
        }
    }

    #[test]
    fn records_over_several_blocks() {
        // Some lengths leave a block's end too short for a header.
        for len in (3_600..3_660).chain([20_000]) {
            let file = log(&[
                console(len),
                history(1, &[(&["loss"], "2.5")]),
                console(len),
                history(2, &[(&["loss"], "1.5")]),
            ]);
            let expected = ["step 1: loss=2.5", "step 2: loss=1.5"];
            assert_eq!(records(&file), expected, "{len}");
            assert_eq!(records_in_chunks(&file, 1_000), expected, "{len}");
        }
    }

    #[test]
    fn damage_costs_what_is_damaged() {
        let loss = |step| history(step, &[(&["loss"], "2.5")]);
        let whole = log(&[loss(1), loss(2), loss(3)]);
        let one = (whole.len() - FILE_HEADER) / 3;
        let mut file = whole.clone();
        file[FILE_HEADER + one + CHUNK_HEADER + 3] ^= 1;
        assert_eq!(records(&file), ["step 1: loss=2.5", "step 3: loss=2.5"]);
        assert_eq!(malformed(&file).0, 1);
        // A torn end is how a killed job leaves its file.
        for torn in 1..one {
            let file = &whole[..whole.len() - torn];
            assert_eq!(records(file).len(), 2, "{torn}");
            assert_eq!(malformed(file).0, 0, "{torn}");
        }
        let zeros = [whole, vec![0; 100]].concat();
        assert_eq!((records(&zeros).len(), malformed(&zeros).0), (3, 0));
    }

    #[test]
    fn other_files_are_not_taken() {
        assert_eq!(sniff(b":W&"), None);
        assert_eq!(sniff(b":W&B again"), Some(false));
        assert_eq!(sniff(b"step"), Some(false));
    }
}
