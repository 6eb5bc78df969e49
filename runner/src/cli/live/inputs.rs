//! The inputs of a live watch: which there are, whose turn it is, what they said
//! last.

use std::sync::Arc;

use super::Live;
use crate::cli::output::{say, summarize};
use crate::decode::{Stream, Tally};
use crate::input::last_lines::LastLines;
use crate::record::{RunId, Word};

/// Last lines of an input that are shown.
const LAST_LINES: usize = 20;

/// One input.
pub(super) struct Input {
    pub(super) name: Arc<str>,
    pub(super) last_lines: LastLines,
    /// What was read, once it is over.
    pub(super) tally: Option<Tally>,
    pub(super) run: String,
    pub(super) rank: Option<u32>,
    /// The run that is no longer awaited when this input has records.
    pub(super) answers: Option<RunId>,
    /// Of the current input, it is none: the decoder has the real one.
    pub(super) stream: Stream,
}

impl Input {
    pub(super) fn new(name: &str, run: &str, rank: Option<u32>, stream: Stream) -> Self {
        Self {
            name: name.into(),
            last_lines: LastLines::default(),
            tally: None,
            run: run.to_owned(),
            rank,
            answers: None,
            stream,
        }
    }
}

impl Live {
    /// Watches another input too, whose number is the next one.
    pub(in crate::cli) fn add(&mut self, name: &str, run: &str, rank: Option<u32>) {
        let stream = self.decoder.stream(name, run, rank);
        self.inputs.push(Input::new(name, run, rank, stream));
    }

    /// The same, whose rows without a project belong to this one.
    #[cfg(feature = "network")]
    pub(in crate::cli) fn add_in(&mut self, project: &str, name: &str, run: &str) {
        let stream = self.decoder.stream_in(Some(project), name, run, None);
        self.inputs.push(Input::new(name, run, None, stream));
    }

    /// An input is over, and its number is from now on another's.
    #[cfg(feature = "network")]
    pub(in crate::cli) fn replace(&mut self, input: usize, project: &str, name: &str, run: &str) {
        self.on(input).decoder.finish();
        self.process();
        summarize(&self.inputs[input].name, &self.decoder.tally());
        let mut stream = self.decoder.stream_in(Some(project), name, run, None);
        self.decoder.switch(&mut stream);
        self.inputs[input] = Input::new(name, run, None, stream);
    }

    /// Expects records of a run from now on: that none comes is news. `None`
    /// when there are too many runs.
    pub(in crate::cli) fn expect(&mut self, run: &str) -> Option<RunId> {
        let run = self.decoder.run(run)?;
        self.awaited.insert(run);
        self.tell(run, Word::Expected);
        Some(run)
    }

    /// Records of this input, of whatever run, are what was expected of `run`.
    pub(in crate::cli) fn answers(&mut self, input: usize, run: Option<RunId>) {
        if let Some(input) = self.inputs.get_mut(input) {
            input.answers = run;
        }
    }

    /// The runs that have records, and the last time that one had of its own.
    pub(in crate::cli) fn heard(&self) -> Vec<(RunId, Arc<str>, Option<f64>)> {
        let runs = self.pipeline.runs().iter().zip(0..);
        runs.filter_map(|(run, id)| Some((id, run.run.clone(), *self.heard.get(&id)?)))
            .collect()
    }

    /// Goes on with this input.
    pub(in crate::cli) fn on(&mut self, input: usize) -> &mut Self {
        if input != self.current {
            // A segment is of one input.
            self.process();
            self.decoder.switch(&mut self.inputs[input].stream);
            // What came out is the stream of the input before.
            if self.current < self.inputs.len() {
                let (low, high) = (input.min(self.current), input.max(self.current));
                let (before, from) = self.inputs.split_at_mut(high);
                std::mem::swap(&mut before[low].stream, &mut from[0].stream);
            }
            self.current = input;
        }
        self
    }

    /// The input broke off and begins anew.
    pub(in crate::cli) fn anew(&mut self, quiet: bool) {
        self.decoder.break_off();
        self.process();
        self.inputs[self.current].last_lines.clear();
        let Input {
            name, run, rank, ..
        } = &self.inputs[self.current];
        if !quiet {
            summarize(name, &self.decoder.tally());
            say(&format!("runwatch: {name} begins anew"));
        }
        self.decoder.begin(name, run, *rank);
    }

    /// The last lines of each input, under its name.
    pub(in crate::cli) fn last_lines(&self) -> Vec<(String, Vec<String>)> {
        last_lines(&self.inputs)
    }
}

/// The last lines of each input, under its name.
pub(super) fn last_lines(inputs: &[Input]) -> Vec<(String, Vec<String>)> {
    let lines = |input: &Input| (input.name.to_string(), input.last_lines.lines(LAST_LINES));
    inputs.iter().map(lines).collect()
}
