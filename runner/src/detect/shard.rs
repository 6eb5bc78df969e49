//! One thread's share of the runs: an instance of every detector and the
//! monitors of these runs.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use rustc_hash::FxHashMap;

use super::guest::{Guest, text};
use super::supervise::{Budget, Record};
use super::ticks::Ticks;
use super::{Detector, Event, Failure, Next, Settings, What};
use crate::decode::Interests;
use crate::describe::Interest;
use crate::record::{Mask, Metric, RunBatch, RunId, Segment};
use crate::sandbox::Fault;
use crate::sandbox::bindings::types;
use crate::sandbox::instance::{Columns, RowFinding, Series};

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
const AT_END: u32 = u32::MAX;

/// Opens a monitor of every detector for a run that does not exist and asks
/// what it wants: wishes depend on the parameters, not on the run.
pub(super) fn interests(detectors: &[Detector], host: &str) -> Result<Vec<Vec<Interest>>> {
    let ask = |detector: &Detector| -> Result<Vec<Interest>> {
        let mut guest = detector.source.start()?;
        guest
            .open(0, &facts("", "", host), &detector.parameters)?
            .map_err(|refusal| anyhow!("it refuses its parameters: {refusal}"))?;
        Ok(guest.interests(0)?)
    };
    detectors
        .iter()
        .map(|detector| ask(detector).with_context(|| format!("detector `{}`", detector.name)))
        .collect()
}

pub(super) struct Shard {
    detectors: Arc<Vec<Detector>>,
    slots: Vec<Slot>,
    settings: Settings,
    interests: Arc<Interests>,
    scratch: Scratch,
}

/// One detector in this shard.
struct Slot {
    /// `None` before the first run and after a fault.
    guest: Option<Box<dyn Guest>>,
    /// The faults of all its runs in this shard.
    record: Record,
    ticks: Option<Ticks>,
    watched: FxHashMap<RunId, Watched>,
}

/// One monitor.
#[derive(Default)]
struct Watched {
    /// Whether the guest has it open.
    open: bool,
    /// The detector refused this run.
    refused: bool,
    /// The faults in this run.
    record: Record,
    /// Metrics up to here have been announced or are of no interest.
    defined: usize,
    saved: Option<Vec<u8>>,
    /// Rows and calls since `saved`.
    rows: usize,
    calls: usize,
    next_tick: Option<f64>,
}

/// Columns picked for one detector, reused from call to call.
#[derive(Default)]
struct Scratch {
    steps: Vec<i64>,
    times: Vec<f64>,
    ranks: Vec<u32>,
    indices: Vec<u32>,
    rows: Vec<u32>,
    values: Vec<f64>,
    texts: Vec<types::Text>,
    /// From picked row to row of the batch.
    picked: Vec<u32>,
}

impl Shard {
    pub(super) fn new(
        detectors: Arc<Vec<Detector>>,
        settings: Settings,
        interests: Arc<Interests>,
        wishes: &[Vec<Interest>],
    ) -> Self {
        let slots = wishes
            .iter()
            .map(|wishes| Slot {
                guest: None,
                record: Record::default(),
                ticks: Ticks::of(wishes),
                watched: FxHashMap::default(),
            })
            .collect();
        Self {
            detectors,
            slots,
            settings,
            interests,
            scratch: Scratch::default(),
        }
    }

    /// Feeds this shard's runs of a segment.
    pub(super) fn segment(&mut self, segment: &Segment, shard: usize, of: usize) -> Vec<Event> {
        let mut events = Vec::new();
        for batch in &segment.batches {
            if batch.run as usize % of != shard {
                continue;
            }
            for number in 0..self.slots.len() {
                self.batch(number, segment, batch, &mut events);
            }
        }
        events
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
        let mut from = 0;
        let mut due = self.watch(number, batch.run).next_tick;
        for row in 0..batch.len() {
            // Live, the clock is the wall's, whatever the row says: what a file
            // already holds is no silence.
            let time = if self.settings.live {
                segment.now
            } else {
                batch.times[row]
            };
            if time.is_nan() {
                continue;
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
        self.watch(number, batch.run).next_tick = due;
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
        if from == to || !self.scratch.pick(batch, 1 << number, every_row, from, to) {
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
                        let row = row.map(|row| self.scratch.original(row, from));
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
                    let failure = self.failed(number, batch.run, fault, steps, segment.now);
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
        let watched = slot.watched.entry(batch.run).or_default();
        if watched.refused {
            return Ok(Err(None));
        }
        let guest = match &mut slot.guest {
            Some(guest) => guest,
            none => none.insert(start(detector)?),
        };
        guest.set_now(segment.now);
        if !watched.open {
            let run = &segment.runs[batch.run as usize];
            let facts = facts(&run.project, &run.run, &self.settings.host);
            if let Err(refusal) = guest.open(batch.run, &facts, &detector.parameters)? {
                watched.refused = true;
                let fault = Fault::found(crate::sandbox::FaultKind::Trap, "open", refusal);
                return Ok(Err(Some(Failure {
                    fault,
                    steps: None,
                    next: Next::Refused,
                })));
            }
            if let Some(state) = &watched.saved
                && guest.restore(batch.run, state)?.is_err()
            {
                // "Not mine": a cold start, and no second try.
                watched.saved = None;
            }
            watched.open = true;
            watched.defined = 0;
        }
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
        let found = guest.observe(batch.run, &self.scratch.columns(batch, from, to))?;
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
        slot.guest = None;
        for watched in slot.watched.values_mut() {
            watched.open = false;
        }
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
        Failure { fault, steps, next }
    }

    /// Wakes the monitors whose tick is due at stream time `now`.
    pub(super) fn tick(&mut self, now: f64) -> Vec<Event> {
        let mut events = Vec::new();
        for number in 0..self.slots.len() {
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
            let found = guest.tick(run, at);
            self.without_row(number, run, found, order, now, events);
        }
    }

    /// Ends every run.
    pub(super) fn finish(&mut self, outcome: &str) -> Vec<Event> {
        let mut events = Vec::new();
        for number in 0..self.slots.len() {
            let slot = &mut self.slots[number];
            let mut runs: Vec<RunId> = slot
                .watched
                .iter()
                .filter(|(_, watched)| watched.open)
                .map(|(&run, _)| run)
                .collect();
            runs.sort_unstable();
            for run in runs {
                let Some(guest) = &mut self.slots[number].guest else {
                    break;
                };
                let found = guest.finish(run, outcome);
                self.without_row(number, run, found, AT_END, f64::NAN, &mut events);
            }
        }
        events
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

fn start(detector: &Detector) -> Result<Box<dyn Guest>, Fault> {
    detector
        .source
        .start()
        .map_err(|error| match error.downcast::<Fault>() {
            Ok(fault) => fault,
            Err(error) => Fault::found(
                crate::sandbox::FaultKind::Trap,
                "start",
                format!("{error:#}"),
            ),
        })
}

fn facts(project: &str, run: &str, host: &str) -> Vec<(String, String)> {
    [("project", project), ("run", run), ("host", host)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

/// Announces the metrics from `known` on that this detector asked for.
fn define(
    guest: &mut dyn Guest,
    run: RunId,
    bit: Mask,
    known: usize,
    metrics: &[Metric],
    interests: &Interests,
) -> Result<(), Fault> {
    let series: Vec<Series<'_>> = metrics
        .iter()
        .enumerate()
        .skip(known)
        .filter(|(_, metric)| {
            let wanted = interests.metric(&metric.name);
            (wanted.all | wanted.edges) & bit != 0
        })
        .map(|(index, metric)| Series {
            index: index as u32,
            name: &metric.name,
            source: &metric.source,
        })
        .collect();
    if series.is_empty() {
        Ok(())
    } else {
        guest.define(run, &series)
    }
}

impl Scratch {
    /// Picks the values and texts of rows `from..to` that a detector asked for;
    /// false when there are none. Rows are picked as well when few have any,
    /// unless the detector wants every row.
    fn pick(
        &mut self,
        batch: &RunBatch,
        bit: Mask,
        every_row: bool,
        from: usize,
        to: usize,
    ) -> bool {
        self.indices.clear();
        self.rows.clear();
        self.values.clear();
        self.texts.clear();
        self.picked.clear();
        if batch.mask & bit == 0 {
            return every_row;
        }
        let all = from == 0 && to == batch.len();
        let part = |row: usize| {
            batch
                .values
                .partition_point(|value| (value.row as usize) < row)
        };
        let values = if all {
            &batch.values[..]
        } else {
            &batch.values[part(from)..part(to)]
        };
        for value in values.iter().filter(|value| value.mask & bit != 0) {
            self.indices.push(value.metric);
            self.rows.push(value.row - from as u32);
            self.values.push(value.value);
        }
        for item in &batch.texts {
            if item.mask & bit != 0 && (from..to).contains(&(item.row as usize)) {
                self.texts.push(text(item, item.row - from as u32));
            }
        }
        if every_row {
            return true;
        }
        if self.rows.is_empty() && self.texts.is_empty() {
            return false;
        }
        if (self.rows.len() + self.texts.len()) * 4 < to - from {
            self.pick_rows(batch, from);
        }
        true
    }

    fn pick_rows(&mut self, batch: &RunBatch, from: usize) {
        self.picked.extend_from_slice(&self.rows);
        self.picked.extend(self.texts.iter().map(|text| text.row));
        self.picked.sort_unstable();
        self.picked.dedup();
        // Every row is in `picked` by construction.
        let place = |row: u32| self.picked.binary_search(&row).unwrap_or_default() as u32;
        for row in &mut self.rows {
            *row = place(*row);
        }
        for text in &mut self.texts {
            text.row = place(text.row);
        }
        let original = self.picked.iter().map(|&row| row as usize + from);
        self.steps.clear();
        self.times.clear();
        self.ranks.clear();
        for row in original {
            self.steps.push(batch.steps[row]);
            self.times.push(batch.times[row]);
            self.ranks.push(batch.ranks[row]);
        }
    }

    fn columns<'a>(&'a self, batch: &'a RunBatch, from: usize, to: usize) -> Columns<'a> {
        let all = self.picked.is_empty();
        Columns {
            steps: if all {
                &batch.steps[from..to]
            } else {
                &self.steps
            },
            times: if all {
                &batch.times[from..to]
            } else {
                &self.times
            },
            ranks: if all {
                &batch.ranks[from..to]
            } else {
                &self.ranks
            },
            indices: &self.indices,
            rows: &self.rows,
            values: &self.values,
            texts: &self.texts,
        }
    }

    /// The batch's row behind a row of the columns.
    fn original(&self, row: u32, from: usize) -> u32 {
        let row = if self.picked.is_empty() {
            row
        } else {
            self.picked[row as usize]
        };
        row + from as u32
    }
}
