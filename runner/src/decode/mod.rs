//! From bytes to rows.
//!
//! A [`Decoder`] takes the bytes of one input as they come and yields
//! [`Segment`]s. A line is tried as a JSON object, as a Python dict, and as
//! `key=value` pairs; what is none of them passes by and is counted.

mod bar;
mod clean;
mod cursor;
mod format;
mod formats;
mod interest;
mod json;
mod keys;
mod keyvalue;
mod lines;
mod number;
mod object;
mod progress;
mod python;
mod row;
mod runs;
mod time;

use std::sync::Arc;

use memchr::{memchr, memmem};

pub use format::About;
use format::{FileFormat, Line, Out};
pub use formats::all as formats;
use formats::{FILES, Formats, HEAD};
pub use interest::{Interests, Wanted};
use keys::{Keys, START};
use lines::Lines;
use row::{Evidence, Row};
use runs::{NO_SLOT, Runs};

use crate::names::{self, Names, Role};
use crate::record::{NO_RANK, RunBatch, RunId, Segment, Text, Value};

/// What a decoder needs to know.
#[derive(Debug, Clone)]
pub struct Options {
    /// The input's name, for locations.
    pub input: Arc<str>,
    /// The project of rows that name none.
    pub project: String,
    /// The run of rows that name none.
    pub run: String,
    /// The rank of rows that name none, as the input's path has it.
    pub rank: Option<u32>,
    /// The table of canonical names.
    pub names: Names,
    /// What the detectors want.
    pub interests: Arc<Interests>,
    /// The longest line in bytes; the rest of a longer one is dropped and counted.
    pub max_line: usize,
    /// The most metric names that are kept.
    pub max_metrics: usize,
    /// The most runs that are kept.
    pub max_runs: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            input: "stdin".into(),
            project: "default".into(),
            run: "default".into(),
            rank: None,
            names: Names::default(),
            interests: Arc::default(),
            max_line: 1 << 20,
            max_metrics: 16_384,
            max_runs: 4_096,
        }
    }
}

/// What became of the lines of an input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lines, ended by a line feed or the end of the input.
    pub lines: u64,
    /// Records.
    pub records: u64,
    /// Lines that look like a record and cannot be read.
    pub malformed: u64,
    /// The first of these: its line, and what is wrong with it.
    pub first_malformed: Option<(u64, String)>,
    /// Lines longer than the limit, of which only the beginning was read.
    pub too_long: u64,
    /// Fields that were not kept because there were too many metric names.
    pub refused_fields: u64,
    /// Records that were not kept because there were too many runs.
    pub refused_records: u64,
    /// How many records were read by each format.
    pub formats: Vec<(&'static str, u64)>,
}

impl Tally {
    #[inline]
    fn count(&mut self, format: &'static str) {
        self.records += 1;
        // Names are told apart by where they stand: one of them is read per
        // record, and they are few.
        match self
            .formats
            .iter_mut()
            .find(|(name, _)| std::ptr::eq(*name, format))
        {
            Some((_, count)) => *count += 1,
            None => self.formats.push((format, 1)),
        }
    }
}

/// Decodes one input.
pub struct Decoder {
    start: Start,
    lines: Lines,
    formats: Formats,
    inner: Inner,
}

/// What is remembered of one input of several that are read in turn.
pub struct Stream {
    start: Start,
    lines: Lines,
    formats: Formats,
    input: Arc<str>,
    run: RunId,
    rank: Option<u32>,
    bar: progress::Progress,
    steps: bool,
    tally: Tally,
    refused: u64,
}

/// What an input turned out to be.
enum Start {
    /// So few bytes came that it may still be anything: here they are.
    Unknown(Vec<u8>),
    /// Lines of text.
    Text,
    /// A file of its own kind.
    File(&'static str, Box<dyn FileFormat>),
}

struct Inner {
    options: Options,
    keys: Keys,
    row: Row,
    runs: Runs,
    segment: Segment,
    /// Batches to use again.
    spare: Vec<RunBatch>,
    scratch: Vec<u8>,
    /// The training's progress bar.
    bar: progress::Progress,
    /// Whether this stream has printed steps, so that a line without may join.
    steps: bool,
    /// The wall clock, given to rows without a time when live.
    now: f64,
    /// The format of the record that is read.
    format: &'static str,
    tally: Tally,
}

impl Decoder {
    /// A decoder at the beginning of an input.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let keys = Keys::new(
            options.names.clone(),
            options.interests.clone(),
            options.max_metrics,
        );
        let runs = Runs::new(&options.project, &options.run, options.max_runs);
        let segment = Segment {
            input: options.input.clone(),
            now: f64::NAN,
            ..Segment::default()
        };
        let lines = Lines::new(options.max_line);
        let inner = Inner {
            options,
            keys,
            row: Row::default(),
            runs,
            segment,
            spare: Vec::new(),
            scratch: Vec::new(),
            bar: progress::Progress::default(),
            steps: false,
            now: f64::NAN,
            format: formats::JSON,
            tally: Tally::default(),
        };
        Self {
            start: Start::Unknown(Vec::new()),
            lines,
            formats: Formats::new(),
            inner,
        }
    }

    /// Sets the wall clock, in seconds since 1970, which rows without a time of
    /// their own get. Not called in review.
    pub fn set_now(&mut self, now: f64) {
        self.inner.now = now;
        self.inner.segment.now = now;
    }

    /// Goes on with another input, whose rows without a run belong to `run`,
    /// and those without a rank to `rank`. Call after [`Self::finish`] and
    /// [`Self::take`]. Runs and metrics that both inputs name are the same ones.
    pub fn begin(&mut self, input: &str, run: &str, rank: Option<u32>) {
        let mut stream = self.stream(input, run, rank);
        self.switch(&mut stream);
    }

    /// Another input, for [`Self::switch`].
    pub fn stream(&mut self, input: &str, run: &str, rank: Option<u32>) -> Stream {
        Stream {
            start: Start::Unknown(Vec::new()),
            lines: Lines::new(self.inner.options.max_line),
            formats: Formats::new(),
            input: input.into(),
            run: self.inner.runs.named(run),
            rank,
            bar: progress::Progress::default(),
            steps: false,
            tally: Tally::default(),
            refused: 0,
        }
    }

    /// Goes on with the input that `stream` holds, and leaves there what is
    /// remembered of the one read so far: inputs that grow at the same time are
    /// read in turn. Call after [`Self::take`], as a segment is of one input.
    pub fn switch(&mut self, stream: &mut Stream) {
        use std::mem::swap;
        let inner = &mut self.inner;
        swap(&mut self.start, &mut stream.start);
        swap(&mut self.lines, &mut stream.lines);
        swap(&mut self.formats, &mut stream.formats);
        swap(&mut inner.options.input, &mut stream.input);
        swap(&mut inner.options.rank, &mut stream.rank);
        swap(&mut inner.bar, &mut stream.bar);
        swap(&mut inner.steps, &mut stream.steps);
        swap(&mut inner.tally, &mut stream.tally);
        // What was refused is counted by input, like everything else.
        swap(&mut inner.runs.refused, &mut stream.refused);
        stream.run = inner.runs.set_default(stream.run);
        inner.segment.input = inner.options.input.clone();
    }

    /// Takes bytes as they come.
    pub fn push(&mut self, chunk: &[u8]) {
        match &mut self.start {
            Start::Text => self.text(chunk),
            Start::File(name, format) => format.push(chunk, &mut Out::new(&mut self.inner, name)),
            Start::Unknown(head) => {
                let mut head = std::mem::take(head);
                let known = head.len();
                let more = chunk.len().min(HEAD - known);
                head.extend_from_slice(&chunk[..more]);
                match recognise(&head) {
                    Some(start) => {
                        self.start = start;
                        self.push(&head);
                        self.push(&chunk[more..]);
                    }
                    None => self.start = Start::Unknown(head),
                }
            }
        }
    }

    /// What had to wait because it might have been the beginning of a file of
    /// another kind is text.
    fn settle(&mut self) {
        if let Start::Unknown(head) = &mut self.start {
            let head = std::mem::take(head);
            self.start = Start::Text;
            self.text(&head);
        }
    }

    fn text(&mut self, mut chunk: &[u8]) {
        let inner = &mut self.inner;
        let formats = &mut self.formats;
        while !chunk.is_empty() {
            // The common case, JSON lines and nothing else, is read where it
            // stands, without looking for the end of the line first.
            if self.lines.is_at_start() {
                let mut number = self.lines.ended();
                while let Some(len) = inner.json_line(number + 1, chunk) {
                    number += 1;
                    chunk = &chunk[len..];
                }
                self.lines.skip_to(number);
            }
            let end = memchr(b'\n', chunk).map_or(chunk.len(), |end| end + 1);
            let (line, rest) = chunk.split_at(end);
            self.lines
                .push(line, |number, line| inner.line(number, line, formats));
            chunk = rest;
        }
    }

    /// Reads what carriage returns have completed of a line that is not ended,
    /// and ends blocks of lines. Call when the input goes quiet: progress bars
    /// may print no line feed for hours.
    pub fn release(&mut self) {
        if matches!(&self.start, Start::Unknown(head) if !head.is_empty()) {
            self.settle();
        }
        let (inner, formats) = (&mut self.inner, &mut self.formats);
        self.lines
            .release(|number, line| inner.line(number, line, formats));
        formats.finish(&mut Out::new(inner, formats::PAIRS));
    }

    /// Ends the input where it broke off: the line that has no end is no line,
    /// since half a number would be another number.
    pub fn break_off(&mut self) {
        self.settle();
        self.lines.forget();
        self.finish();
    }

    /// Takes the last line, if it was not ended.
    pub fn finish(&mut self) {
        self.settle();
        let (inner, formats) = (&mut self.inner, &mut self.formats);
        self.lines
            .finish(|number, line| inner.line(number, line, formats));
        formats.finish(&mut Out::new(inner, formats::PAIRS));
        if let Start::File(name, format) = &mut self.start {
            format.finish(&mut Out::new(inner, name));
        }
    }

    /// The number of rows since the last [`Self::take`].
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.inner.segment.rows
    }

    /// The rows since the last call.
    pub fn take(&mut self) -> Segment {
        self.inner.take()
    }

    /// Gives back a segment whose memory can be used again.
    pub fn recycle(&mut self, segment: Segment) {
        for mut batch in segment.batches {
            batch.clear();
            self.inner.spare.push(batch);
        }
    }

    /// What became of the lines so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally {
            too_long: self.lines.too_long,
            refused_records: self.inner.runs.refused,
            ..self.inner.tally.clone()
        }
    }
}

/// What an input that begins so is; `None` when more bytes must be seen.
fn recognise(head: &[u8]) -> Option<Start> {
    let mut undecided = false;
    for entry in FILES {
        match (entry.sniff)(head) {
            Some(true) => return Some(Start::File(entry.about.name, (entry.new)())),
            Some(false) => {}
            None => undecided = true,
        }
    }
    let waits = head.is_empty() || undecided && head.len() < HEAD;
    (!waits).then_some(Start::Text)
}

impl Inner {
    /// Reads a line at the beginning of `chunk` that is a flat JSON object and
    /// nothing else, and gives its length. `None` leaves it to [`Self::line`].
    #[inline]
    fn json_line(&mut self, number: u64, chunk: &[u8]) -> Option<usize> {
        if !chunk.starts_with(b"{\"") {
            return None;
        }
        self.row.clear();
        // Not beyond the longest line, so that what is read does not depend on
        // how the bytes arrive.
        let chunk = &chunk[..chunk.len().min(self.options.max_line + 2)];
        let end = object::read::<false>(chunk, &mut self.keys, &mut self.row).ok()?;
        let len = match chunk.get(end..)? {
            [b'\n', ..] => end + 1,
            [b'\r', b'\n', ..] => end + 2,
            _ => return None,
        };
        if end > self.options.max_line {
            return None;
        }
        self.format = formats::JSON;
        if !self.commit(number, None, Evidence::Weak) {
            return None;
        }
        self.tally.lines = number;
        Some(len)
    }

    fn line(&mut self, number: u64, line: &[u8], formats: &mut Formats) {
        self.tally.lines = self.tally.lines.max(number);
        for piece in lines::pieces(line) {
            self.piece(number, piece, formats);
        }
    }

    fn piece(&mut self, number: u64, piece: &[u8], formats: &mut Formats) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let cleaned = clean::clean(piece, &mut scratch);
        let line = Line {
            number,
            text: cleaned.text,
            indent: cleaned.indent,
            rank: cleaned.rank.or(self.options.rank),
            stamp: cleaned.stamp,
            bar: None,
        };
        if !line.text.is_empty() && !self.record(&line, formats) {
            self.text_line(number, line.text, line.rank);
        }
        self.scratch = scratch;
    }

    /// Reads a record from a line; false when there is none.
    fn record(&mut self, line: &Line<'_>, formats: &mut Formats) -> bool {
        let Line {
            number, text, rank, ..
        } = *line;
        if text[0] == b'{' {
            return self.object(number, text, rank, Evidence::Weak);
        }
        if let Some(bar) = bar::bar(text) {
            self.bar.see(&bar);
            let own = Line {
                bar: Some(&bar),
                ..line.with(&text[..text.len() - bar.rest.len()])
            };
            let taken = formats.line(&own, &mut Out::new(self, formats::PAIRS));
            // A record or a traceback may follow a bar without any separator.
            let rest = bar.rest.trim_ascii_start();
            return !rest.is_empty() && self.record(&line.with(rest), formats) || taken;
        }
        if formats.line(line, &mut Out::new(self, formats::PAIRS)) {
            return true;
        }
        // A record may follow a logger's prefix.
        for start in memmem::find_iter(text, b"{") {
            if matches!(text.get(start + 1), Some(b'"' | b'\'')) {
                return self.object(number, &text[start..], rank, Evidence::Strong);
            }
        }
        self.key_values(line)
    }

    fn object(&mut self, number: u64, text: &[u8], rank: Option<u32>, least: Evidence) -> bool {
        match text
            .get(1..)
            .map(<[u8]>::trim_ascii_start)
            .and_then(<[u8]>::first)
        {
            Some(b'"') => self.json(number, text, rank, least),
            // A Python dict is as often a printed configuration.
            Some(b'\'') => self.dict(number, text, rank, Evidence::Strong),
            _ => false,
        }
    }

    fn json(&mut self, number: u64, text: &[u8], rank: Option<u32>, least: Evidence) -> bool {
        self.row.clear();
        let read = match object::read::<false>(text, &mut self.keys, &mut self.row) {
            Ok(end) if text[end..].iter().all(u8::is_ascii_whitespace) => Ok(()),
            _ => {
                self.row.clear();
                json::read(text, &mut self.keys, &mut self.row)
            }
        };
        match read {
            Ok(()) => {
                self.format = formats::JSON;
                self.commit(number, rank, least)
            }
            Err(problem) => self.malformed(number, text, "a JSON object", &problem),
        }
    }

    fn dict(&mut self, number: u64, text: &[u8], rank: Option<u32>, least: Evidence) -> bool {
        self.row.clear();
        let read = match object::read::<true>(text, &mut self.keys, &mut self.row) {
            Ok(end) => Ok(end),
            Err(_) => {
                self.row.clear();
                python::read(text, &mut self.keys, &mut self.row)
            }
        };
        match read {
            Ok(end) => {
                self.format = formats::DICT;
                let committed = self.commit(number, rank, least);
                if let Some(bar) = bar::bar(text[end..].trim_ascii_start()) {
                    self.bar.see(&bar);
                }
                committed
            }
            Err(problem) => self.malformed(number, text, "a Python dict", &problem),
        }
    }

    fn key_values(&mut self, line: &Line<'_>) -> bool {
        let mut pairs = Vec::with_capacity(16);
        let read = keyvalue::read(line.text, &mut pairs)
            || (self.steps && keyvalue::read_without_step(line.text, &mut pairs));
        if !read {
            return false;
        }
        self.row.clear();
        self.pairs(&pairs);
        if !self.row.measures {
            return false;
        }
        self.steps |= self.row.step.is_some();
        self.format = formats::PAIRS;
        self.commit(line.number, line.rank, Evidence::None)
    }

    /// Takes the pairs of a line into the row.
    fn pairs(&mut self, pairs: &[keyvalue::Pair<'_>]) {
        let mut previous = START;
        // A tag such as `[eval]` comes as a pair without a key, and says what
        // the numbers after it are of.
        let mut tagged = Vec::new();
        let mut tag = 0;
        for pair in pairs {
            if pair.key.is_empty() {
                tagged.clear();
                if let keyvalue::Value::Text(name) = pair.value
                    && !name.eq_ignore_ascii_case(b"train")
                {
                    tagged.extend_from_slice(name);
                    tagged.push(b'/');
                }
                tag = tagged.len();
                continue;
            }
            let key = if tag == 0 || names::role_of(pair.key) != Role::Value {
                pair.key
            } else {
                tagged.truncate(tag);
                tagged.extend_from_slice(pair.key);
                &tagged
            };
            let id = self.keys.intern(previous, key);
            previous = id;
            match pair.value {
                keyvalue::Value::Number(value) => {
                    self.row.number(&self.keys, id, value, value.fract() == 0.0);
                }
                keyvalue::Value::Text(text) => self.row.text(&self.keys, id, text),
            }
        }
        if let Some(step) = keyvalue::step(pairs) {
            self.row.step = Some((0, step));
        }
    }

    /// Counts a line that looks like a record and is none. Text that merely
    /// begins with a brace, as in a dumped configuration, looks like none.
    fn malformed(&mut self, number: u64, text: &[u8], what: &str, problem: &str) -> bool {
        if !text.ends_with(b"}") || self.row.evidence == Evidence::None {
            return false;
        }
        self.tally.malformed += 1;
        if self.tally.first_malformed.is_none() {
            self.tally.first_malformed = Some((number, format!("looks like {what} but {problem}")));
        }
        true
    }

    /// Turns the fields into a row of their run; false when they are no record.
    #[inline]
    fn commit(&mut self, number: u64, rank: Option<u32>, least: Evidence) -> bool {
        if !self.row.is_record(least) {
            return false;
        }
        let Some(run) = self.runs.of(&self.row) else {
            return true;
        };
        self.tally.count(self.format);
        self.tally.refused_fields += u64::from(self.row.refused);
        let bar = self.bar.step();
        let rank = self
            .row
            .rank
            .or(rank)
            .or(self.options.rank)
            .unwrap_or(NO_RANK);
        let time = self.row.time.unwrap_or(self.now);
        if time > self.segment.now || self.segment.now.is_nan() {
            self.segment.now = time;
        }
        let state = self.runs.state(run);
        let step = state.step_of(&self.row, bar);
        let at = if state.slot == NO_SLOT {
            state.slot = self.segment.batches.len() as u32;
            let mut batch = self.spare.pop().unwrap_or_default();
            batch.run = run;
            self.segment.batches.push(batch);
            state.slot
        } else {
            state.slot
        };
        let batch = &mut self.segment.batches[at as usize];
        let row = batch.push(step, time, rank, number, &mut self.segment.rows);
        let seen = state.seen(rank);
        for field in &self.row.values {
            let mut mask = field.all;
            if field.edges != 0 && seen.is_edge(field.metric, field.value) {
                mask |= field.edges;
            }
            if mask != 0 {
                batch.mask |= mask;
                batch.values.push(Value {
                    metric: field.metric,
                    row,
                    value: field.value,
                    mask,
                });
            }
        }
        for (id, mask, content) in self.row.labels.drain(..) {
            let metric = self.keys.get(id).metric as usize;
            let name = self.keys.metrics()[metric].source.to_string();
            batch.mask |= mask;
            batch.texts.push(Text {
                row,
                mask,
                kind: "label",
                name,
                content,
                fields: Vec::new(),
            });
        }
        true
    }

    /// Shows a plain line to detectors that look for a text in it.
    fn text_line(&mut self, number: u64, text: &[u8], rank: Option<u32>) {
        let interests = self.options.interests.clone();
        for (needle, mask) in interests.needles() {
            if memmem::find(text, needle.as_bytes()).is_none() {
                continue;
            }
            let Some(run) = self.runs.default() else {
                return;
            };
            let state = self.runs.state(run);
            let step = state.step;
            if state.slot == NO_SLOT {
                state.slot = self.segment.batches.len() as u32;
                let mut batch = self.spare.pop().unwrap_or_default();
                batch.run = run;
                self.segment.batches.push(batch);
            }
            let batch = &mut self.segment.batches[state.slot as usize];
            let rank = rank.unwrap_or(NO_RANK);
            let row = batch.push(step, self.now, rank, number, &mut self.segment.rows);
            batch.mask |= mask;
            let content = String::from_utf8_lossy(text).into_owned();
            let name = needle.clone();
            batch.texts.push(Text {
                row,
                mask: *mask,
                kind: "text",
                name,
                content,
                fields: Vec::new(),
            });
        }
    }

    fn take(&mut self) -> Segment {
        for state in self.runs.states() {
            state.slot = NO_SLOT;
        }
        self.segment.metrics = self.keys.metrics().clone();
        self.segment.runs = self.runs.all().clone();
        let next = Segment {
            input: self.options.input.clone(),
            now: self.segment.now,
            ..Segment::default()
        };
        std::mem::replace(&mut self.segment, next)
    }
}
