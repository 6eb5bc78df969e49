//! One thread's share of the runs: an instance of every detector and the
//! monitors of these runs.

use std::sync::Arc;

use super::account::{Meters, metered};
use super::define::{define, wanted};
use super::fault_file::{FaultFile, Known};
use super::pick::{Scratch, deal};
use super::slot::{Slot, Watched, facts};
use super::supervise::Budget;
use super::ticks::Ticks;
use super::{Detector, Event, Failure, Next, Settings, What};
use crate::decode::Interests;
use crate::describe::Interest;
use crate::record::{Mask, Run, RunBatch, RunId, Segment, Word};
use crate::sandbox::Fault;
use crate::sandbox::instance::RowFinding;

/// A monitor's state is saved after this many rows or calls, whichever comes
/// first: so much may be forgotten when its detector fails.
const SAVE_ROWS: usize = 4096;
const SAVE_CALLS: usize = 64;

/// Ticks made up for in one silence; after that, time jumps to its end.
const MAX_TICKS: usize = 1000;

/// A detector is off for all runs of a thread after so many budgets of faults:
/// a deadline costs a second each.
const TOTAL_BUDGET: usize = 4;

/// The end of a segment, for findings that belong to no row.
pub(super) const AT_END: u32 = u32::MAX;

/// A detector that takes the place of another, and what the host needs to know
/// of it.
pub(super) struct New {
    pub(super) detector: Arc<Detector>,
    /// Of all detectors, with its own.
    pub(super) interests: Arc<Interests>,
    pub(super) ticks: Option<Ticks>,
}

pub(super) struct Shard {
    detectors: Vec<Arc<Detector>>,
    /// The numbers of those that work here, and the same as bits.
    members: Vec<usize>,
    mask: Mask,
    slots: Vec<Slot>,
    settings: Settings,
    interests: Arc<Interests>,
    meters: Meters,
    /// Every run known so far.
    runs: Arc<Vec<Run>>,
    /// The time that it is, as far as is known.
    now: f64,
    /// By detector: its part of the batch.
    hands: Vec<Scratch>,
}

impl Shard {
    pub(super) fn new(
        detectors: Vec<Arc<Detector>>,
        members: Vec<usize>,
        settings: Settings,
        interests: Arc<Interests>,
        meters: Meters,
        wishes: &[Vec<Interest>],
    ) -> Self {
        let slots = wishes
            .iter()
            .map(|wishes| Slot::new(Ticks::of(wishes)))
            .collect();
        Self {
            detectors,
            mask: members.iter().fold(0, |mask, number| mask | 1 << number),
            members,
            slots,
            settings,
            interests,
            meters,
            runs: Arc::default(),
            now: f64::NAN,
            hands: wishes.iter().map(|_| Scratch::default()).collect(),
        }
    }

    /// Feeds this shard's runs of a segment.
    pub(super) fn segment(&mut self, segment: &Segment, shard: usize, of: usize) -> Vec<Event> {
        let mut events = Vec::new();
        self.runs = segment.runs.clone();
        self.now = segment.now;
        for batch in &segment.batches {
            if batch.run as usize % of != shard {
                continue;
            }
            deal(batch, self.mask, &mut self.hands);
            for at in 0..self.members.len() {
                self.batch(self.members[at], segment, batch, &mut events);
            }
        }
        for &(run, word) in &segment.words {
            if run as usize % of == shard {
                self.word(run, word, segment.now, &mut events);
            }
        }
        events
    }

    /// Whether rows of a run are to come concerns those who listen for silence.
    fn word(&mut self, run: RunId, word: Word, now: f64, events: &mut Vec<Event>) {
        for at in 0..self.members.len() {
            let number = self.members[at];
            let Some(ticks) = self.slots[number].ticks.filter(|it| it.is_of_silence()) else {
                continue;
            };
            let next = match word {
                Word::Last(time) if ticks.is_over(time, now) => None,
                Word::Last(_) => continue,
                Word::Expected => {
                    self.open(number, run, now, events);
                    Some(ticks.after_row(now, None))
                }
            };
            self.watch(number, run).next_tick = next;
        }
    }

    /// Opens a monitor before there is a row for it.
    fn open(&mut self, number: usize, id: RunId, now: f64, events: &mut Vec<Event>) {
        let Some(run) = self
            .runs
            .get(id as usize)
            .filter(|_| self.may_run(number, id, now))
        else {
            return;
        };
        let slot = &mut self.slots[number];
        match slot.wake(&self.detectors[number], id, run, &self.settings, now) {
            Ok(Ok(()) | Err(None)) => {}
            Ok(Err(Some(failure))) => events.push(Event {
                run: id,
                detector: number,
                order: AT_END,
                row: None,
                what: What::Failed(failure),
            }),
            Err(fault) => self.without_row(number, id, Err(fault), AT_END, now, events),
        }
    }

    fn batch(
        &mut self,
        number: usize,
        segment: &Segment,
        batch: &RunBatch,
        events: &mut Vec<Event>,
    ) {
        let Some(ticks) = self.slots[number].ticks else {
            self.feed(number, segment, batch, 0, batch.len(), events);
            return;
        };
        // Ticks fall between rows at times that do not depend on how the rows
        // were grouped into batches.
        let live = self.settings.live;
        let watched = self.watch(number, batch.run);
        let (mut due, mut heard) = (watched.next_tick, watched.heard);
        let mut from = 0;
        for row in 0..batch.len() {
            // Live, the clock is the wall's, whatever the row says: what a file
            // already holds is no silence.
            let time = if live { segment.now } else { batch.times[row] };
            if time.is_nan() {
                continue;
            }
            if !live && ticks.skips(heard.replace(time), time) {
                due = None;
            }
            if due.is_some_and(|due| time >= due) {
                self.feed(number, segment, batch, from, row, events);
                from = row;
                let order = batch.places[row].order;
                self.watch(number, batch.run).next_tick = due;
                self.ticks(number, batch.run, time, order, events);
                due = self.watch(number, batch.run).next_tick;
            }
            due = Some(ticks.after_row(time, due));
        }
        let watched = self.watch(number, batch.run);
        (watched.next_tick, watched.heard) = (due, heard);
        self.feed(number, segment, batch, from, batch.len(), events);
    }

    fn may_run(&self, number: usize, run: RunId, now: f64) -> bool {
        let slot = &self.slots[number];
        let live = self.settings.live;
        let run = slot.watched.get(&run);
        slot.record.may_run(now, live) && run.is_none_or(|run| run.record.may_run(now, live))
    }

    fn watch(&mut self, number: usize, run: RunId) -> &mut Watched {
        self.slots[number].watched.entry(run).or_default()
    }

    /// Feeds rows `from..to` of a run to one detector, and copes with its faults.
    fn feed(
        &mut self,
        number: usize,
        segment: &Segment,
        batch: &RunBatch,
        from: usize,
        to: usize,
        events: &mut Vec<Event>,
    ) {
        let every_row = self.interests.rows() & (1 << number) != 0;
        if from == to || !self.hands[number].pick(batch, 1 << number, every_row, from, to) {
            return;
        }
        // The batch is fed again once: the first fault may be bad luck.
        for _attempt in 0..2 {
            if !self.may_run(number, batch.run, segment.now) {
                return;
            }
            match self.try_feed(number, segment, batch, from, to) {
                Ok(Ok(found)) => {
                    events.extend(found.into_iter().map(|(row, finding)| {
                        let row = row.map(|row| self.hands[number].original(row, from));
                        Event {
                            run: batch.run,
                            detector: number,
                            order: row.map_or(batch.places[to - 1].order, |row| {
                                batch.places[row as usize].order
                            }),
                            row,
                            what: What::Found(finding),
                        }
                    }));
                    return;
                }
                Ok(Err(refusal)) => {
                    if let Some(failure) = refusal {
                        let order = batch.places[from].order;
                        events.push(Event {
                            run: batch.run,
                            detector: number,
                            order,
                            row: Some(from as u32),
                            what: What::Failed(failure),
                        });
                    }
                    return;
                }
                Err(fault) => {
                    let steps = Some((batch.steps[from], batch.steps[to - 1]));
                    let file = self.keep(number, segment, batch, (from, to), &fault);
                    let failed = self.failed(number, batch.run, fault, steps, segment.now);
                    let failure = Failure { file, ..failed };
                    events.push(Event {
                        run: batch.run,
                        detector: number,
                        order: batch.places[from].order,
                        row: Some(from as u32),
                        what: What::Failed(failure),
                    });
                }
            }
        }
    }

    /// One attempt. The inner error is a refusal to watch the run, reported once.
    #[allow(clippy::type_complexity)]
    fn try_feed(
        &mut self,
        number: usize,
        segment: &Segment,
        batch: &RunBatch,
        from: usize,
        to: usize,
    ) -> Result<Result<Vec<RowFinding>, Option<Failure>>, Fault> {
        let detector = &self.detectors[number];
        let slot = &mut self.slots[number];
        let run = &segment.runs[batch.run as usize];
        let (about, now) = (&self.settings, segment.now);
        if let Err(refusal) = slot.wake(detector, batch.run, run, about, now)? {
            return Ok(Err(refusal));
        }
        let (Some(guest), Some(watched)) = (&mut slot.guest, slot.watched.get_mut(&batch.run))
        else {
            return Ok(Ok(Vec::new()));
        };
        guest.set_now(segment.now);
        if watched.defined < segment.metrics.len() {
            define(
                guest.as_mut(),
                batch.run,
                1 << number,
                watched.defined,
                &segment.metrics,
                &self.interests,
            )?;
            watched.defined = segment.metrics.len();
        }
        let columns = self.hands[number].columns(batch, from, to);
        let rows = columns.steps.len();
        let meters = &self.meters;
        let found = metered(meters, number, rows, guest, |it| {
            it.observe(batch.run, &columns)
        })?;
        watched.rows += to - from;
        watched.calls += 1;
        if watched.rows >= SAVE_ROWS || watched.calls >= SAVE_CALLS {
            watched.rows = 0;
            watched.calls = 0;
            watched.saved = guest.save(batch.run)?;
        }
        Ok(Ok(found))
    }

    /// Buries a guest that faulted and decides what comes next. The budget
    /// counts per run, so that what happens in one run does not depend on which
    /// others share its thread; far beyond it the detector is off for all.
    fn failed(
        &mut self,
        number: usize,
        run: RunId,
        fault: Fault,
        steps: Option<(i64, i64)>,
        now: f64,
    ) -> Failure {
        let budget = self.settings.budget;
        let slot = &mut self.slots[number];
        slot.bury();
        let in_run = slot
            .watched
            .entry(run)
            .or_default()
            .record
            .fault(now, budget);
        let in_all = slot.record.fault(
            now,
            Budget {
                faults: budget.faults.saturating_mul(TOTAL_BUDGET),
                ..budget
            },
        );
        let next = if in_run || in_all {
            Next::Quarantined
        } else {
            Next::Restarted
        };
        Failure {
            fault,
            steps,
            next,
            file: None,
        }
    }

    /// Keeps the rows that made a detector fail, and gives the file's name.
    fn keep(
        &self,
        number: usize,
        segment: &Segment,
        batch: &RunBatch,
        (from, to): (usize, usize),
        fault: &Fault,
    ) -> Option<String> {
        let folder = self.settings.faults.as_deref()?;
        let detector = &self.detectors[number];
        let run = segment.runs.get(batch.run as usize)?;
        let watched = self.slots[number].watched.get(&batch.run)?;
        let series = wanted(1 << number, 0, &segment.metrics, &self.interests);
        let known = Known {
            detector: &detector.name,
            identity: detector.source.identity(),
            parameters: &detector.parameters,
            run: facts(&run.project, &run.run, &self.settings.host),
            state: watched.saved.as_deref(),
            rows_since_state: watched.rows,
            defined: series
                .map(|it| (it.index, it.name.to_owned(), it.source.to_owned()))
                .collect(),
            now: segment.now,
        };
        let columns = self.hands[number].columns(batch, from, to);
        FaultFile::new(known, &columns, fault).write(folder)
    }

    /// Puts another detector in the place of one. Its monitors are opened at
    /// once, with the state that those before them had, unless they refuse it;
    /// what went wrong before is forgotten.
    pub(super) fn replace(&mut self, number: usize, new: &New) -> Vec<Event> {
        let slot = &mut self.slots[number];
        let open = slot.retire();
        slot.ticks = new.ticks;
        self.detectors[number] = new.detector.clone();
        self.interests = new.interests.clone();
        let mut events = Vec::new();
        for run in open {
            self.open(number, run, self.now, &mut events);
        }
        events
    }

    /// Wakes the monitors whose tick is due at stream time `now`.
    pub(super) fn tick(&mut self, now: f64) -> Vec<Event> {
        let mut events = Vec::new();
        self.now = now;
        for at in 0..self.members.len() {
            let number = self.members[at];
            if self.slots[number].ticks.is_none() {
                continue;
            }
            let mut runs: Vec<RunId> = self.slots[number].watched.keys().copied().collect();
            runs.sort_unstable();
            for run in runs {
                self.ticks(number, run, now, AT_END, &mut events);
            }
        }
        events
    }

    /// Makes up for the ticks of one monitor up to `now`.
    fn ticks(&mut self, number: usize, run: RunId, now: f64, order: u32, events: &mut Vec<Event>) {
        for count in 0.. {
            let slot = &mut self.slots[number];
            let (Some(ticks), Some(watched)) = (slot.ticks, slot.watched.get_mut(&run)) else {
                return;
            };
            let Some(due) = watched.next_tick.filter(|due| *due <= now) else {
                return;
            };
            let at = if count >= MAX_TICKS { now } else { due };
            watched.next_tick = Some(at + ticks.every);
            let live = self.settings.live;
            let may_run = slot.record.may_run(now, live) && watched.record.may_run(now, live);
            if !watched.open || !may_run {
                continue;
            }
            let Some(guest) = &mut slot.guest else {
                continue;
            };
            guest.set_now(at);
            let found = metered(&self.meters, number, 0, guest, |it| it.tick(run, at));
            self.without_row(number, run, found, order, now, events);
        }
    }

    /// Ends every run.
    pub(super) fn finish(&mut self, outcome: &str) -> Vec<Event> {
        let mut events = Vec::new();
        for at in 0..self.members.len() {
            let number = self.members[at];
            let watched = self.slots[number].watched.iter();
            let alive = watched.filter(|(_, watched)| watched.lives());
            let mut runs: Vec<RunId> = alive.map(|(&run, _)| run).collect();
            runs.sort_unstable();
            for run in runs {
                let found = self.finish_one(number, run, outcome);
                self.without_row(number, run, found, AT_END, f64::NAN, &mut events);
            }
        }
        events
    }

    fn finish_one(
        &mut self,
        number: usize,
        id: RunId,
        outcome: &str,
    ) -> Result<Vec<RowFinding>, Fault> {
        let slot = &mut self.slots[number];
        let Some(run) = self.runs.get(id as usize) else {
            return Ok(Vec::new());
        };
        let detector = &self.detectors[number];
        let woken = slot.wake(detector, id, run, &self.settings, f64::NAN)?;
        match (woken, &mut slot.guest) {
            (Ok(()), Some(guest)) => {
                let found = metered(&self.meters, number, 0, guest, |it| it.finish(id, outcome));
                slot.finished(id);
                found
            }
            _ => Ok(Vec::new()),
        }
    }

    fn without_row(
        &mut self,
        number: usize,
        run: RunId,
        found: Result<Vec<RowFinding>, Fault>,
        order: u32,
        now: f64,
        events: &mut Vec<Event>,
    ) {
        let what: Vec<What> = match found {
            Ok(found) => found
                .into_iter()
                .map(|(_, finding)| What::Found(finding))
                .collect(),
            Err(fault) => vec![What::Failed(self.failed(number, run, fault, None, now))],
        };
        events.extend(what.into_iter().map(|what| Event {
            run,
            detector: number,
            order,
            row: None,
            what,
        }));
    }
}
