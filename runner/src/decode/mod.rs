//! From bytes to rows.
//!
//! A [`Decoder`] takes the bytes of one input as they come and yields
//! [`Segment`]s. A line is tried as a JSON object, as a Python dict, and as
//! `key=value` pairs; what is none of them passes by and is counted.

mod bar;
mod clean;
mod cursor;
mod dialect;
mod epochs;
mod evaluation;
mod event;
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
mod restart;
mod row;
mod runs;
mod split;
mod text;
mod time;
mod traceback;

use std::sync::Arc;

use memchr::{memchr, memchr_iter, memmem};

use dialect::Writer;
pub use format::About;
use format::{FileFormat, Line, Out};
pub use formats::all as formats;
pub use formats::pattern::{Pattern, UNITS};
pub(crate) use formats::sqlite::{Foreign, Tool, each_alert};
use formats::{FILES, Formats, HEAD};
pub use interest::{Interests, Wanted};
use keys::{Keys, START};
use lines::Lines;
use restart::Counter;
use row::{Evidence, Row};
use runs::{Focus, NO_SLOT, Runs};
use traceback::{Part, before_header};

use crate::names::{self, Names, Role};
use crate::record::{NO_RANK, RunBatch, RunId, Segment, Text, Value, Word};

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
    /// Whether trainings that follow each other in one input are runs of their own.
    pub restarts: bool,
    /// The only format to read, by its name in [`formats`]; all if there is none.
    pub format: Option<&'static str>,
    /// Formats of the user's own, asked before all others.
    pub patterns: Vec<Pattern>,
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
            restarts: true,
            format: None,
            patterns: Vec::new(),
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
    /// Evaluations and ends of epochs in lines of another form than the records'.
    pub evaluations: u64,
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
    /// The formats that records came in, in order of appearance.
    pub formats: Vec<Recognised>,
}

/// A format that was recognised in an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recognised {
    /// The format's name, as in [`formats`].
    pub name: &'static str,
    /// How many records it had.
    pub records: u64,
    /// Where the first of them was.
    pub line: u64,
}

impl Tally {
    #[inline]
    fn count(&mut self, format: &'static str, line: u64, evaluation: bool) {
        let records = u64::from(!evaluation);
        self.records += records;
        self.evaluations += 1 - records;
        // Told apart by where the name stands, since this is asked at every
        // record.
        let known = self
            .formats
            .iter_mut()
            .find(|known| std::ptr::eq(known.name, format));
        match known {
            Some(known) => known.records += records,
            None => self.formats.push(Recognised {
                name: format,
                records,
                line,
            }),
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
    rank: Option<u32>,
    memory: Memory,
    focus: Focus,
    refused: u64,
}

/// What reading the records of one input has to remember from line to line.
struct Memory {
    /// The training's progress bar.
    bar: progress::Progress,
    /// Whether this stream has printed steps, so that a line without may join.
    steps: bool,
    /// Whether it counts something finer than epochs.
    finer: bool,
    epochs: epochs::Epochs,
    /// Who writes the JSON lines and the Python dicts.
    jsons: Writer,
    dicts: Writer,
    /// The tracebacks that are being printed.
    tracebacks: traceback::Tracebacks,
    events: event::Events,
    tally: Tally,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            bar: progress::Progress::default(),
            steps: false,
            finer: false,
            epochs: epochs::Epochs::default(),
            jsons: Writer::of_json(),
            dicts: Writer::of_dicts(),
            tracebacks: traceback::Tracebacks::default(),
            events: event::Events::default(),
            tally: Tally::default(),
        }
    }
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
    memory: Memory,
    /// The wall clock, given to rows without a time when live.
    now: f64,
    /// The format of the record that is read.
    format: &'static str,
}

impl Start {
    fn of(format: Option<&'static str>) -> Self {
        let Some(name) = format else {
            return Self::Unknown(Vec::new());
        };
        match FILES.iter().find(|entry| entry.about.name == name) {
            Some(entry) => Self::File(entry.about.name, (entry.new)()),
            None => Self::Text,
        }
    }
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
            memory: Memory::default(),
            now: f64::NAN,
            format: formats::JSON,
        };
        Self {
            start: Start::of(inner.options.format),
            lines,
            formats: Formats::new(&inner.options),
            inner,
        }
    }

    /// Sets the wall clock, in seconds since 1970, which rows without a time of
    /// their own get. Not called in review.
    pub fn set_now(&mut self, now: f64) {
        self.inner.now = now;
        self.inner.segment.now = now;
    }

    /// From now on the detectors want to be told other things. Call after
    /// [`Self::take`], as the values of a segment are for the same detectors.
    pub fn ask(&mut self, interests: Arc<Interests>) {
        self.inner.keys.ask(interests.clone());
        self.inner.options.interests = interests;
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
        self.stream_in(None, input, run, rank)
    }

    /// The same, whose rows without a project belong to this one.
    pub fn stream_in(
        &mut self,
        project: Option<&str>,
        input: &str,
        run: &str,
        rank: Option<u32>,
    ) -> Stream {
        Stream {
            start: Start::of(self.inner.options.format),
            lines: Lines::new(self.inner.options.max_line),
            formats: Formats::new(&self.inner.options),
            input: input.into(),
            rank,
            memory: Memory::default(),
            focus: self.inner.runs.named(project, run),
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
        swap(&mut inner.memory, &mut stream.memory);
        swap(&mut inner.runs.focus, &mut stream.focus);
        // What was refused is counted by input, like everything else.
        swap(&mut inner.runs.refused, &mut stream.refused);
        inner.segment.input = inner.options.input.clone();
    }

    /// The number of the run of this name, known or new; none if there are too
    /// many.
    pub fn run(&mut self, name: &str) -> Option<RunId> {
        self.inner.runs.id(name)
    }

    /// Says of a run what its rows cannot, in the next segment.
    pub fn tell(&mut self, run: RunId, word: Word) {
        self.inner.segment.words.push((run, word));
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
            let each = |number, line: &[u8]| inner.line(number, line, formats);
            let Some(end) = memchr(b'\n', chunk) else {
                return self.lines.push(chunk, each);
            };
            self.lines.complete(&chunk[..end], each);
            chunk = &chunk[end + 1..];
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
        inner.memory.tracebacks.release();
        inner.raise();
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
        inner.memory.tracebacks.finish();
        inner.raise();
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
            ..self.inner.memory.tally.clone()
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

/// Whether a dict begins with a step and the type of an event.
fn is_event(text: &[u8]) -> bool {
    memmem::find(&text[..text.len().min(64)], b", 'event_type': '").is_some()
}

impl Inner {
    /// Reads a line at the beginning of `chunk` that is a flat JSON object and
    /// nothing else, and gives its length. `None` leaves it to [`Self::line`].
    #[inline]
    fn json_line(&mut self, number: u64, chunk: &[u8]) -> Option<usize> {
        if !chunk.starts_with(b"{\"") || !self.reads(formats::JSON) {
            return None;
        }
        // A line may belong to a traceback that is still being printed.
        if !self.memory.tracebacks.are_over() {
            return None;
        }
        self.format = self.memory.jsons.settled()?;
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
        let line = Line {
            number,
            text: chunk,
            ..Line::default()
        };
        if !self.commit(&line, Evidence::Weak) {
            return None;
        }
        self.memory.tally.lines = number;
        Some(len)
    }

    fn line(&mut self, number: u64, line: &[u8], formats: &mut Formats) {
        self.memory.tally.lines = self.memory.tally.lines.max(number);
        for piece in lines::pieces(line) {
            self.piece(number, piece, formats);
        }
    }

    fn piece(&mut self, number: u64, piece: &[u8], formats: &mut Formats) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let cleaned = clean::clean(piece, &mut scratch);
        let line = Line {
            number,
            rank: cleaned.rank.or(self.options.rank),
            bar: None,
            ..Line::of(&cleaned)
        };
        if line.text.is_empty() {
            self.memory.tracebacks.blank(&line);
        } else {
            self.read(&line, formats);
        }
        self.scratch = scratch;
    }

    /// Reads a line with text.
    fn read(&mut self, line: &Line<'_>, formats: &mut Formats) {
        match self.memory.tracebacks.part(line) {
            Part::Other => {}
            Part::Frame => return self.needles(line),
            Part::Box => {
                self.raise();
                self.tell_report(line);
                return self.needles(line);
            }
        }
        self.read_after_bars(line, formats);
    }

    /// Reads the progress bars that a line begins with, and what follows them
    /// without any separator: a record, or the next bar.
    fn read_after_bars(&mut self, line: &Line<'_>, formats: &mut Formats) {
        let mut line = *line;
        while line.text[0] != b'{'
            && let Some(bar) = bar::bar(line.text)
        {
            self.memory.bar.see(&bar);
            let own = Line {
                bar: Some(&bar),
                ..line.with(&line.text[..line.text.len() - bar.rest.len()])
            };
            if !formats.line(&own, &mut Out::new(self, formats::PAIRS)) {
                self.needles(&own);
            }
            // Launchers' prefixes stand after the bar as well.
            let rest = clean::clean_plain(bar.rest);
            let (rank, stamp) = (line.rank, line.stamp);
            line = Line {
                number: line.number,
                rank: rest.rank.or(rank),
                stamp: rest.stamp.or(stamp),
                bar: None,
                ..Line::of(&rest)
            };
            if line.text.is_empty() {
                return;
            }
            line.indent = 0;
        }
        self.read_text(&line, formats);
    }

    /// Reads what stands behind the bars: a record, and what a crash or a kill
    /// wrote behind that in the middle of the line.
    fn read_text(&mut self, line: &Line<'_>, formats: &mut Formats) {
        // A whole object may well quote a traceback.
        let whole = line.text.starts_with(b"{") && line.text.ends_with(b"}");
        if whole && self.object(line, line.text, Evidence::Weak) {
            return;
        }
        if let Some(before) = before_header(line.text) {
            if !before.is_empty() {
                self.read_plain(&line.with(before), formats);
            }
            formats.finish(&mut Out::new(self, formats::PAIRS));
            let (run, step) = self.runs.latest();
            self.memory.tracebacks.begin(line, run, step);
            self.raise();
            return self.needles(line);
        }
        let (own, killer) = event::split_killer(line.text);
        if !own.is_empty() {
            self.read_plain(&line.with(own), formats);
        }
        if !killer.is_empty() {
            self.plain_line(&line.with(killer));
        }
    }

    /// Reads a line of which nothing but a record is expected.
    fn read_plain(&mut self, line: &Line<'_>, formats: &mut Formats) {
        if self.record(line, formats) {
            return;
        }
        let (run, step) = self.runs.latest();
        if !self.memory.tracebacks.begin_syntax_error(line, run, step) {
            self.plain_line(line);
        }
    }

    /// Reads a record from a line; false when there is none.
    fn record(&mut self, line: &Line<'_>, formats: &mut Formats) -> bool {
        let text = line.text;
        if text[0] == b'{' {
            // A brace alone may begin an object over several lines.
            return self.object(line, text, Evidence::Weak)
                || formats.line(line, &mut Out::new(self, formats::PAIRS));
        }
        if formats.line(line, &mut Out::new(self, formats::PAIRS)) {
            return true;
        }
        // A record may follow a logger's prefix.
        for start in memchr_iter(b'{', text) {
            if matches!(text.get(start + 1), Some(b'"' | b'\'')) {
                return self.object(line, &text[start..], Evidence::Strong);
            }
        }
        self.key_values(line)
    }

    fn object(&mut self, line: &Line<'_>, text: &[u8], least: Evidence) -> bool {
        match text
            .get(1..)
            .map(<[u8]>::trim_ascii_start)
            .and_then(<[u8]>::first)
        {
            Some(b'"') if self.reads(formats::JSON) => self.json(line, text, least),
            // Orbax tells of its checkpoints in dicts with a step.
            Some(b'\'') if text.starts_with(b"{'step': ") && is_event(text) => false,
            // A Python dict is as often a printed configuration.
            Some(b'\'') if self.reads(formats::DICT) => self.dict(line, text, Evidence::Strong),
            _ => false,
        }
    }

    fn json(&mut self, line: &Line<'_>, text: &[u8], least: Evidence) -> bool {
        if let Some(record) = formats::trainer_state(line.number, text, self) {
            return record;
        }
        self.row.clear();
        let read = match object::read::<false>(text, &mut self.keys, &mut self.row) {
            Ok(end) if text[end..].iter().all(u8::is_ascii_whitespace) => Ok(()),
            _ => {
                self.row.clear();
                json::read(text, &mut self.keys, &mut self.row)
            }
        };
        match read {
            Ok(()) if self.row.is_record(least) => {
                self.format = self.memory.jsons.see(text, &mut self.row);
                self.commit(&line.with(text), least)
            }
            Ok(()) => false,
            Err(problem) => self.malformed(line.number, text, "a JSON object", &problem),
        }
    }

    fn dict(&mut self, line: &Line<'_>, text: &[u8], least: Evidence) -> bool {
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
                let committed = self.row.is_record(least) && {
                    self.format = self.memory.dicts.see(&text[..end], &mut self.row);
                    self.row.evaluation = self.format == formats::DICT
                        && evaluation::is_beside(text, &self.memory.tally);
                    self.commit(&line.with(text), least)
                };
                if let Some(bar) = bar::bar(text[end..].trim_ascii_start()) {
                    self.memory.bar.see(&bar);
                }
                committed
            }
            Err(problem) => self.malformed(line.number, text, "a Python dict", &problem),
        }
    }

    fn key_values(&mut self, line: &Line<'_>) -> bool {
        if !self.reads(formats::PAIRS) {
            return false;
        }
        let mut pairs = Vec::with_capacity(16);
        let read = if self.memory.steps {
            keyvalue::read_with_or_without_step(line.text, &mut pairs)
        } else {
            keyvalue::read(line.text, &mut pairs)
        };
        if !read {
            return false;
        }
        self.row.clear();
        self.pairs(&pairs);
        if !self.row.measures {
            return false;
        }
        self.memory.steps |= self.row.step.is_some();
        self.format = formats::PAIRS;
        self.row.evaluation |= evaluation::is_beside(line.text, &self.memory.tally);
        self.commit(line, Evidence::None)
    }

    /// Whether a general reader is asked: unless another format is the only one.
    #[inline]
    fn reads(&self, general: &str) -> bool {
        self.options.format.is_none_or(|only| only == general)
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
            // Among steps, the summary of an epoch belongs where they stand.
            let finer = !keyvalue::counts_epochs(pairs);
            self.row.global = matches!(self.row.step, Some((1, _)));
            self.row.local = keyvalue::counts_batches(pairs);
            let step = match self.row.epoch {
                Some(epoch) if finer => self.memory.epochs.through(epoch, step),
                _ => step,
            };
            if finer || !self.memory.finer {
                self.row.step = Some((0, step));
            }
            self.row.evaluation |= self.memory.finer && !finer;
            self.memory.finer |= finer;
        }
    }

    /// Counts a line that looks like a record and is none. Text that merely
    /// begins with a brace, as in a dumped configuration, looks like none.
    fn malformed(&mut self, number: u64, text: &[u8], what: &str, problem: &str) -> bool {
        if !text.ends_with(b"}") || self.row.evidence == Evidence::None {
            return false;
        }
        self.count_malformed(number, format!("looks like {what} but {problem}"));
        true
    }

    fn count_malformed(&mut self, number: u64, problem: String) {
        self.memory.tally.malformed += 1;
        self.memory
            .tally
            .first_malformed
            .get_or_insert((number, problem));
    }

    /// Turns the fields into a row of their run; false when they are no record.
    /// The row takes from the line what it does not name itself.
    #[inline]
    fn commit(&mut self, line: &Line<'_>, least: Evidence) -> bool {
        if !self.row.is_record(least) {
            return false;
        }
        let Some(run) = self.runs.of(&self.row) else {
            return true;
        };
        let rank = self.row.rank.or(line.rank);
        self.memory.tracebacks.record(line.number, rank);
        self.raise();
        let evaluation = self.row.evaluation;
        let tally = &mut self.memory.tally;
        tally.count(self.format, line.number, evaluation);
        self.memory.tally.refused_fields += u64::from(self.row.refused);
        let bar = self.bar_step();
        let rank = rank.or(self.options.rank).unwrap_or(NO_RANK);
        let time = match self.row.time {
            Some(time) => time,
            None => self.time_of(line.stamp),
        };
        // Live, the wall clock is the stream's: a log in local time is hours off.
        if self.now.is_nan() && (time > self.segment.now || self.segment.now.is_nan()) {
            self.segment.now = time;
        }
        let run = if self.row.has_run || !self.options.restarts {
            self.runs.went_on(run)
        } else {
            let counter = self.counter();
            self.runs.going_on(run, &self.row, bar, rank, counter)
        };
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
        let row = batch.push(step, time, rank, line.number, &mut self.segment.rows);
        batch.places[row as usize].evaluation = evaluation;
        let seen = self.runs.seen(run, rank);
        seen.course.see(&self.row, step);
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
                    value: field.read(line.text),
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

    /// The step that the progress bar shows. An evaluation after the training
    /// has a bar of its own, which is no step.
    #[inline]
    fn bar_step(&mut self) -> Option<i64> {
        if !self.memory.bar.is_proven() && self.row.step.is_none() {
            let metric = self.keys.get(self.row.lead).metric as usize;
            let evaluates = self.keys.metrics().get(metric).is_some_and(|metric| {
                ["eval", "test", "predict"]
                    .iter()
                    .any(|what| metric.source.starts_with(what))
            });
            if evaluates && let Some(step) = self.memory.bar.last_step() {
                return Some(step);
            }
        }
        self.memory.bar.step()
    }

    /// How sure it is that the row's step counts through the run.
    #[inline]
    fn counter(&self) -> Counter {
        if self.row.step.is_none() || self.row.local {
            Counter::Local
        } else if self.row.global || self.format != formats::PAIRS {
            Counter::Global
        } else {
            Counter::Unsure
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
