//! What a format is to the decoder, and how it writes what it reads.
//!
//! A [`Format`] looks at one cleaned line at a time and takes it or leaves it.
//! The one that took the last line is asked first: logs repeat themselves. The
//! formats stand in the table of [`formats`](super::formats), each in a file of
//! its own; lines that none of them takes go to the general readers.

use super::bar::Bar;
use super::clean::Cleaned;
use super::row::Evidence;
use super::{Inner, json, keyvalue};
use crate::decode::keys::{KeyId, START};

/// What a format is called and looks like, for people.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// Its name on the command line and on screen, in lower case with dashes.
    pub name: &'static str,
    /// Who prints it, in a few words.
    pub title: &'static str,
    /// A line or two of it, by which it is recognised.
    pub example: &'static str,
    /// Where the step comes from.
    pub step: &'static str,
}

/// A line, as a format sees it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Line<'a> {
    /// Its number in the input, from 1; in a file without lines, the record's.
    pub(crate) number: u64,
    /// The text without colours, launchers' and loggers' prefixes, and blanks
    /// around it. Never empty.
    pub(crate) text: &'a [u8],
    /// How many blanks stood before the text.
    pub(crate) indent: usize,
    /// The rank that the prefixes name.
    pub(crate) rank: Option<u32>,
    /// The time that the prefixes name, as printed.
    pub(crate) stamp: Option<&'a [u8]>,
    /// What Ray's prefix says of the process.
    pub(crate) process: Option<&'a [u8]>,
    /// Whether a logger's prefix stood before the text.
    pub(crate) logged: bool,
    /// The progress bar that the text is. What follows a bar on its line comes
    /// as a line of its own.
    pub(crate) bar: Option<&'a Bar<'a>>,
}

impl<'a> Line<'a> {
    /// The place of a record in a file without lines.
    pub(crate) fn at(number: u64) -> Self {
        Self {
            number,
            ..Self::default()
        }
    }

    /// A line of what cleaning left.
    pub(super) fn of(cleaned: &Cleaned<'a>) -> Self {
        Self {
            number: 0,
            text: cleaned.text,
            indent: cleaned.indent,
            rank: cleaned.rank,
            stamp: cleaned.stamp,
            process: cleaned.process,
            logged: cleaned.logged,
            bar: None,
        }
    }

    /// The same line with another text.
    pub(crate) fn with(self, text: &'a [u8]) -> Self {
        Self { text, ..self }
    }
}

/// A way of printing metrics in lines of text.
///
/// It must be strict: a line that it takes is seen by no other reader. Saying
/// no must be cheap, a look at the first bytes, since every line of text that
/// is no record asks every format.
pub(crate) trait Format: Send {
    /// Looks at a line, and says whether it is of this format.
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool;

    /// The block that the last lines began is over: another format took a line,
    /// or the input ended.
    fn finish(&mut self, out: &mut Out<'_>) {
        let _ = out;
    }
}

/// A way of storing metrics in files that are not text, or not in lines.
pub(crate) trait FileFormat: Send {
    /// Takes the file's bytes as they come, from the first on.
    fn push(&mut self, bytes: &[u8], out: &mut Out<'_>);

    /// The file is over.
    fn finish(&mut self, out: &mut Out<'_>) {
        let _ = out;
    }
}

/// A format that reads single lines and remembers nothing.
pub(crate) struct Lines(pub(crate) fn(&Line<'_>, &mut Out<'_>) -> bool);

impl Format for Lines {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        self.0(line, out)
    }
}

/// Where a format writes its records: [`begin`](Self::begin), fields,
/// [`end`](Self::end).
pub(crate) struct Out<'a> {
    inner: &'a mut Inner,
    previous: KeyId,
    format: &'static str,
}

impl<'a> Out<'a> {
    pub(super) fn new(inner: &'a mut Inner, format: &'static str) -> Self {
        Self {
            inner,
            previous: START,
            format,
        }
    }

    /// The same place, for the format with this name.
    pub(super) fn of(&mut self, format: &'static str) -> &mut Self {
        self.format = format;
        self
    }

    /// Begins a record. What an unfinished one held is forgotten.
    pub(crate) fn begin(&mut self) {
        self.inner.row.clear();
        self.previous = START;
    }

    /// The training step; the last call counts, and before any step among the
    /// numbers.
    pub(crate) fn step(&mut self, step: i64) {
        self.inner.memory.finer = true;
        self.inner.row.step = Some((0, step));
    }

    /// The record is an evaluation, or the end of an epoch, in a line of another
    /// form than the training's: it is given to detectors like any other, and
    /// counted apart.
    pub(crate) fn evaluation(&mut self) {
        self.inner.row.evaluation = true;
    }

    /// The record is of an epoch or an evaluation: beside those of steps if there
    /// have been any, else they are all that the log has.
    pub(crate) fn of_epoch(&mut self) {
        self.inner.row.evaluation = self.inner.memory.finer;
    }

    /// Whether any other format has had records here.
    pub(crate) fn is_beside(&self) -> bool {
        let formats = &self.inner.memory.tally.formats;
        formats.iter().any(|known| known.name != self.format)
    }

    /// Seconds since 1970.
    pub(crate) fn time(&mut self, seconds: f64) {
        self.inner.row.time = Some(seconds);
    }

    /// The process.
    pub(crate) fn rank(&mut self, rank: u32) {
        self.inner.row.rank = Some(rank);
    }

    /// A number by its printed name. Names with a role (`step`, `epoch`, `rank`,
    /// `timestamp`: see [`crate::names::role`]) have it here too.
    pub(crate) fn number(&mut self, name: &[u8], value: f64) {
        let id = self.key(name);
        let integer = value.fract() == 0.0;
        self.inner.row.number(&self.inner.keys, id, value, integer);
    }

    /// A field as printed: a number in any spelling, or else a label.
    pub(crate) fn field(&mut self, name: &[u8], text: &[u8]) {
        let id = self.key(name);
        self.inner.row.text(&self.inner.keys, id, text);
    }

    /// A number by its name, whatever the name may mean elsewhere: trackers keep
    /// the step and the time apart, and what they call `rank` is a metric.
    pub(crate) fn metric(&mut self, name: &[u8], value: f64) {
        let id = self.key(name);
        self.inner.row.metric(&self.inner.keys, id, value);
    }

    /// The run's name.
    pub(crate) fn run(&mut self, name: &[u8]) {
        self.inner.row.set_run(name);
    }

    /// The project's name.
    pub(crate) fn project(&mut self, name: &[u8]) {
        self.inner.row.set_project(name);
    }

    /// Every number of a JSON object and of the objects within it. What the
    /// record held before is forgotten. The error is the parser's.
    pub(crate) fn json(&mut self, object: &[u8]) -> Result<(), String> {
        self.begin();
        json::read(object, &mut self.inner.keys, &mut self.inner.row)
    }

    /// Whether the record has a number yet besides its step and time.
    pub(crate) fn has_numbers(&self) -> bool {
        self.inner.row.has_numbers()
    }

    /// Whether the record has a step, an epoch, or a name that only
    /// measurements have.
    pub(crate) fn is_evident(&self) -> bool {
        self.inner.row.evidence == Evidence::Strong
    }

    /// Whether the record has a step or an epoch.
    pub(crate) fn has_step(&self) -> bool {
        self.inner.row.step.is_some() || self.inner.row.progress.is_some()
    }

    /// The input's name, which may be a path.
    pub(crate) fn input(&self) -> &str {
        &self.inner.options.input
    }

    /// The longest text that is kept.
    pub(crate) fn max_line(&self) -> usize {
        self.inner.options.max_line
    }

    /// Counts what looks like a record and is none, and remembers the first.
    pub(crate) fn malformed(&mut self, number: u64, problem: &str) {
        self.inner.count_malformed(number, problem.to_owned());
    }

    /// Takes note of how many lines were read, for formats that read bytes.
    pub(crate) fn lines(&mut self, number: u64) {
        self.inner.memory.tally.lines = self.inner.memory.tally.lines.max(number);
    }

    /// A label, even if it looks like a number.
    pub(crate) fn label(&mut self, name: &[u8], text: &[u8]) {
        let id = self.key(name);
        self.inner.row.label(&self.inner.keys, id, text);
    }

    /// Every pair of a text of keys and numbers, in the spellings that the
    /// general reader knows. False, and nothing is written, when the text is
    /// not altogether such pairs with a step and a metric among them.
    pub(crate) fn pairs(&mut self, text: &[u8]) -> bool {
        let mut pairs = Vec::with_capacity(16);
        if !keyvalue::read(text, &mut pairs) {
            return false;
        }
        self.inner.pairs(&pairs);
        true
    }

    /// Ends a record, which takes its rank and time from the line unless it
    /// named them. False when there is no number in it.
    pub(crate) fn end(&mut self, line: &Line<'_>) -> bool {
        self.inner.format = self.format;
        // A later line without a step may join.
        self.inner.memory.steps |= self.inner.row.step.is_some();
        self.inner.commit(line, Evidence::None)
    }

    fn key(&mut self, name: &[u8]) -> KeyId {
        self.previous = self.inner.keys.intern(self.previous, name);
        self.previous
    }
}
