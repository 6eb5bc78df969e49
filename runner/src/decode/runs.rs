//! The runs of a stream, and what decoding remembers of each.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::restart::{Counter, Course};
use super::row::Row;
use crate::record::{MetricId, NO_RANK, Run, RunId};

/// No place in the current segment.
pub(super) const NO_SLOT: u32 = u32::MAX;

/// Where a run's steps come from. Decided by the first row and kept, because a
/// step that jumps between two counts would look like a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepSource {
    Unknown,
    /// The lines print it.
    Printed,
    /// The progress bar beside the lines shows it.
    Bar,
    /// Whole epochs.
    Epoch,
    /// The rows are counted.
    Counted,
}

/// No run: there were too many.
pub(super) const NO_RUN: RunId = RunId::MAX;

/// The most ranks that are told apart, of all runs together. A log may call
/// anything `rank`.
const MAX_RANKS: usize = 1 << 16;

/// What is known of a series' last value, for detectors that want edges only.
const UNSEEN: u8 = 0;
const FINITE: u8 = 1;
const NOT_FINITE: u8 = 2;

#[derive(Debug)]
pub(super) struct RunState {
    /// The place of the run's batch in the current segment.
    pub(super) slot: u32,
    pub(super) source: StepSource,
    pub(super) step: i64,
    pub(super) rows: i64,
    /// By metric, of rows without a rank.
    seen: Seen,
    seen_by_rank: FxHashMap<u32, Seen>,
}

impl RunState {
    fn new() -> Self {
        Self {
            slot: NO_SLOT,
            source: StepSource::Unknown,
            step: 0,
            rows: 0,
            seen: Seen::default(),
            seen_by_rank: FxHashMap::default(),
        }
    }

    /// The step of the row that comes next.
    pub(super) fn step_of(&mut self, row: &Row, bar: Option<i64>) -> i64 {
        self.rows += 1;
        if let Some((_, step)) = row.step {
            self.source = StepSource::Printed;
            self.step = step;
            return step;
        }
        if self.source == StepSource::Unknown {
            self.source = match (bar, row.epoch) {
                (Some(_), _) => StepSource::Bar,
                (None, Some(_)) => StepSource::Epoch,
                (None, None) => StepSource::Counted,
            };
        }
        self.step = match self.source {
            // A line without a step among lines with one belongs to the last step.
            StepSource::Printed | StepSource::Unknown => self.step,
            StepSource::Bar => bar.unwrap_or(self.step),
            StepSource::Epoch => row.epoch.unwrap_or(self.step),
            StepSource::Counted => self.rows,
        };
        self.step
    }

    /// The step of the row that comes next, if it has one of its own.
    #[inline]
    fn own_step(&self, row: &Row, bar: Option<i64>) -> Option<i64> {
        match (row.step, self.source) {
            (Some((_, step)), _) => Some(step),
            (None, StepSource::Bar) => bar,
            (None, StepSource::Epoch) => row.epoch,
            (None, _) => None,
        }
    }
}

/// What is known of one rank: of each series' last value, by metric, and of
/// its way through the run.
#[derive(Debug, Default)]
pub(super) struct Seen {
    values: Vec<u8>,
    pub(super) course: Course,
}

impl Seen {
    /// Whether this value is an edge: the first of its series, one that is not
    /// finite, or the first finite one after such a one.
    #[inline(always)]
    pub(super) fn is_edge(&mut self, metric: MetricId, value: f64) -> bool {
        let at = metric as usize;
        if value.is_finite() && self.values.get(at) == Some(&FINITE) {
            return false;
        }
        if at >= self.values.len() {
            self.values.resize(at + 1, UNSEEN);
        }
        self.values[at] = if value.is_finite() {
            FINITE
        } else {
            NOT_FINITE
        };
        true
    }
}

/// Which runs an input is about, whose rows do not say.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Focus {
    /// The run of rows that name none, or [`NO_RUN`].
    default: RunId,
    /// The run of the last row.
    latest: RunId,
    /// Something fatal was printed since the last row.
    pub(super) died: bool,
    /// The default is one that began after another.
    restarted: bool,
    /// The default is of another project than that of the stream.
    elsewhere: bool,
}

impl Focus {
    fn on(run: RunId) -> Self {
        Self {
            default: run,
            latest: run,
            ..Self::default()
        }
    }
}

/// All runs of a stream.
#[derive(Debug)]
pub(super) struct Runs {
    states: Vec<RunState>,
    runs: Arc<Vec<Run>>,
    by_name: FxHashMap<Box<[u8]>, RunId>,
    /// The key of the last lookup, for streams that name one run on every line.
    last: (Vec<u8>, RunId),
    project: Arc<str>,
    pub(super) focus: Focus,
    limit: usize,
    /// The number of ranks known, of all runs.
    ranks: usize,
    /// Records that were not kept because there were too many runs.
    pub(super) refused: u64,
}

impl Runs {
    /// A table that keeps at most `limit` runs. Rows that name no run belong to
    /// `project` and `run`.
    pub(super) fn new(project: &str, run: &str, limit: usize) -> Self {
        let mut runs = Self {
            states: Vec::new(),
            runs: Arc::default(),
            by_name: FxHashMap::default(),
            last: (Vec::new(), 0),
            project: project.into(),
            focus: Focus::default(),
            limit,
            ranks: 0,
            refused: 0,
        };
        runs.focus = runs.named(None, run);
        runs.last = (run.as_bytes().to_vec(), runs.focus.default);
        runs
    }

    /// The run of the last row, about which is what is said without naming one,
    /// and its step. [`NO_RUN`] when there was no room for it.
    pub(super) fn latest(&self) -> (RunId, i64) {
        let run = self.focus.latest;
        let step = self.states.get(run as usize).map_or(0, |state| state.step);
        (run, step)
    }

    /// A row names its run.
    #[inline]
    pub(super) fn went_on(&mut self, run: RunId) -> RunId {
        self.focus.latest = run;
        run
    }

    /// The run of a row that names none: `run`, or a new one that begins with
    /// this row.
    #[inline]
    pub(super) fn going_on(
        &mut self,
        run: RunId,
        row: &Row,
        bar: Option<i64>,
        rank: u32,
        counter: Counter,
    ) -> RunId {
        let died = std::mem::take(&mut self.focus.died);
        self.focus.latest = run;
        if let Some(step) = self.state(run).own_step(row, bar)
            && run == self.focus.default
            && self
                .seen(run, rank)
                .course
                .restarts(row, step, counter, died)
        {
            self.restart();
        }
        self.focus.latest
    }

    /// Begins another run of the stream: `NAME#2`, `NAME#3`, …
    fn restart(&mut self) {
        if self.runs.len() >= self.limit {
            return;
        }
        let Run {
            project,
            run: before,
        } = self.runs[self.focus.default as usize].clone();
        let (name, mut number) = match before.rsplit_once('#') {
            Some((name, number)) if self.focus.restarted => (name, number.parse().unwrap_or(1)),
            _ => (&*before, 1u32),
        };
        let (run, key) = loop {
            number += 1;
            let run = format!("{name}#{number}");
            let key = self.key(project.as_bytes(), run.as_bytes());
            if !self.by_name.contains_key(key.as_slice()) {
                break (run, key);
            }
        };
        let run = run.as_str().into();
        self.focus.default = self.add(&key, Run { project, run });
        self.focus.latest = self.focus.default;
        self.focus.restarted = true;
    }

    /// The run of this name, known or new, or none when that would be one too
    /// many. There is always room for the first. Without a project it is of the
    /// stream's.
    pub(super) fn named(&mut self, project: Option<&str>, run: &str) -> Focus {
        let project = project.map_or_else(|| self.project.clone(), Arc::from);
        let key = self.key(project.as_bytes(), run.as_bytes());
        let elsewhere = project != self.project;
        let run = match self.by_name.get(key.as_slice()) {
            Some(&known) => known,
            None if self.runs.len() >= self.limit.max(1) => NO_RUN,
            None => {
                let run = run.into();
                self.add(&key, Run { project, run })
            }
        };
        Focus {
            elsewhere,
            ..Focus::on(run)
        }
    }

    /// What a run is looked up by. That of another project has its name behind
    /// a NUL, which cannot stand in a name that was printed.
    fn key(&self, project: &[u8], run: &[u8]) -> Vec<u8> {
        match project == self.project.as_bytes() {
            true => run.to_vec(),
            false => [run, b"\0", project].concat(),
        }
    }

    /// The number of the run of this name, known or new, if there is room for it.
    pub(super) fn id(&mut self, run: &str) -> Option<RunId> {
        let run = self.named(None, run).default;
        (run != NO_RUN).then_some(run)
    }

    /// The run of rows that name none, if there was room for it.
    pub(super) fn default(&self) -> Option<RunId> {
        (self.focus.default != NO_RUN).then_some(self.focus.default)
    }

    /// The same, and counts a row that has none.
    #[inline]
    fn default_of_row(&mut self) -> Option<RunId> {
        self.refused += u64::from(self.focus.default == NO_RUN);
        self.default()
    }

    fn add(&mut self, key: &[u8], run: Run) -> RunId {
        let id = self.states.len() as RunId;
        Arc::make_mut(&mut self.runs).push(run);
        self.states.push(RunState::new());
        self.by_name.insert(key.into(), id);
        id
    }

    /// Every run known so far.
    pub(super) fn all(&self) -> &Arc<Vec<Run>> {
        &self.runs
    }

    pub(super) fn state(&mut self, run: RunId) -> &mut RunState {
        &mut self.states[run as usize]
    }

    /// What is known of the series of one rank of a run. When there are too many
    /// ranks, the others count as none.
    #[inline]
    pub(super) fn seen(&mut self, run: RunId, rank: u32) -> &mut Seen {
        let state = &mut self.states[run as usize];
        if rank == NO_RANK {
            return &mut state.seen;
        }
        match state.seen_by_rank.entry(rank) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if self.ranks >= MAX_RANKS => &mut state.seen,
            Entry::Vacant(new) => {
                self.ranks += 1;
                new.insert(Seen::default())
            }
        }
    }

    pub(super) fn states(&mut self) -> impl Iterator<Item = &mut RunState> {
        self.states.iter_mut()
    }

    /// The run that a row names; `None` when that would be one too many.
    #[inline]
    pub(super) fn of(&mut self, row: &Row) -> Option<RunId> {
        if !row.has_run && !row.has_project {
            return self.default_of_row();
        }
        if !row.has_project && !self.focus.elsewhere {
            if self.last.0 == row.run {
                return Some(self.last.1);
            }
            if let Some(&id) = self.by_name.get(row.run.as_slice()) {
                self.last.0.clone_from(&row.run);
                self.last.1 = id;
                return Some(id);
            }
        }
        self.look_up(row)
    }

    fn look_up(&mut self, row: &Row) -> Option<RunId> {
        // What a row does not name is the default's: all ways of naming a run
        // lead to the same one.
        let default = match row.has_run && (row.has_project || !self.focus.elsewhere) {
            true => None,
            false => {
                let default = self.default_of_row()?;
                Some(self.runs[default as usize].clone())
            }
        };
        let project = match &default {
            _ if row.has_project => &*row.project,
            Some(default) => default.project.as_bytes(),
            None => self.project.as_bytes(),
        };
        let run = match &default {
            Some(default) if !row.has_run => default.run.as_bytes(),
            _ => &*row.run,
        };
        let key = self.key(project, run);
        let id = match self.by_name.get(key.as_slice()) {
            Some(&id) => id,
            None if self.runs.len() >= self.limit => {
                self.refused += 1;
                return None;
            }
            None => {
                let text = |bytes: &[u8]| Arc::from(String::from_utf8_lossy(bytes));
                let (project, run) = (text(project), text(run));
                self.add(&key, Run { project, run })
            }
        };
        if !row.has_project && !self.focus.elsewhere {
            self.last = (key, id);
        }
        Some(id)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_may_be_of_another_project() {
        let mut runs = Runs::new("ours", "run", 8);
        let row = |project: &str, run: &str| {
            let mut row = Row::default();
            (row.has_project, row.project) = (!project.is_empty(), project.into());
            (row.has_run, row.run) = (!run.is_empty(), run.into());
            row
        };
        let named = |runs: &mut Runs, project: &str, run: &str| {
            let id = runs.of(&row(project, run)).unwrap();
            let run = &runs.all()[id as usize];
            format!("{}/{}", run.project, run.run)
        };
        let ours = runs.focus;
        let theirs = runs.named(Some("theirs"), "api");
        runs.focus = theirs;
        assert_eq!(named(&mut runs, "", ""), "theirs/api");
        assert_eq!(named(&mut runs, "", "run"), "theirs/run");
        assert_eq!(named(&mut runs, "ours", "run"), "ours/run");
        assert_eq!(named(&mut runs, "third", ""), "third/api");
        runs.restart();
        assert_eq!(named(&mut runs, "", ""), "theirs/api#2");
        runs.focus = ours;
        assert_eq!(named(&mut runs, "", ""), "ours/run");
        assert_eq!(named(&mut runs, "", "run"), "ours/run");
        assert_eq!(named(&mut runs, "theirs", "api"), "theirs/api");
        // However they are named, they are the same ones.
        assert_eq!(runs.all().len(), 5);
        assert_eq!(runs.named(Some("ours"), "run").default, ours.default);
    }

    #[test]
    fn too_many_ranks_count_as_none() {
        let mut runs = Runs::new("project", "run", 1);
        for rank in 0..MAX_RANKS as u32 + 10 {
            assert!(runs.seen(0, rank).is_edge(0, 0.5) == (rank as usize <= MAX_RANKS));
        }
        assert_eq!(runs.state(0).seen_by_rank.len(), MAX_RANKS);
        // Those that are known stay told apart.
        assert!(!runs.seen(0, 7).is_edge(0, 0.5));
        assert!(runs.seen(0, 7).is_edge(1, 0.5));
        assert!(runs.seen(0, 8).is_edge(1, 0.5));
    }
}
