//! A detector of the user's own, on a thread of its own: however slow it is,
//! the others do not wait for it.
//!
//! In a review everybody waits, and nothing is left out. Live nobody does: the
//! rows that concern it wait in a queue, and what it found in them is told when
//! it is found. When the queue is full, rows are left out, counted, and it is
//! said.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::account::{Identity, Meters};
use super::shard::{AT_END, New, Shard};
use super::ticks::Ticks;
use super::worker::{Done, Job, Worker};
use super::{Event, What};
use crate::describe::Interest;
use crate::record::{Mask, RunBatch, RunId, Segment, Text, Value};

/// What may wait for one detector.
const MOST: Load = Load {
    segments: 4096,
    rows: 131_072,
    bytes: 32 << 20,
};

/// How long the end of a live watch waits for detectors that are behind.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is asked after that.
const HURRY: Duration = Duration::from_millis(20);

/// What an own detector has to say about something that was handed over
/// earlier, while the others have gone on.
#[derive(Debug)]
pub enum Late {
    /// What it found in some rows.
    Rows {
        /// The detector's number.
        detector: usize,
        /// The rows, without what did not concern it.
        segment: Arc<Segment>,
        /// What it found in them.
        events: Vec<Event>,
    },
    /// What it found as time passed.
    Time {
        /// The detector's number.
        detector: usize,
        /// The stream's time.
        now: f64,
        /// What it found.
        events: Vec<Event>,
    },
    /// Another component works in its place from here on.
    Replaced {
        /// The detector's number.
        detector: usize,
        /// What it was.
        from: Identity,
        /// What it is.
        to: Identity,
        /// What went wrong with it already.
        events: Vec<Event>,
    },
    /// It has fallen behind, or caught up.
    Pace(Event),
}

/// What waits, and how much that is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Load {
    segments: usize,
    rows: usize,
    bytes: usize,
}

pub(super) struct Aside {
    number: usize,
    worker: Worker,
    meters: Meters,
    wish: Wish,
    waiting: Load,
    /// Jobs that have not come back.
    jobs: usize,
    /// One of them is a tick: another would tell it nothing.
    tick: bool,
    left_out: u64,
    /// It was said to be behind, of this run.
    behind: Option<RunId>,
}

/// What concerns it of a segment.
#[derive(Debug, Clone, Copy)]
struct Wish {
    bit: Mask,
    /// All rows do: it asked for them, or for the time that passes between them.
    every_row: bool,
    ticks: bool,
}

impl Wish {
    fn of(number: usize, wishes: &[Interest]) -> Self {
        let ticks = Ticks::of(wishes).is_some();
        Self {
            bit: 1 << number,
            every_row: ticks || wishes.iter().any(|wish| wish.kind == "row"),
            ticks,
        }
    }
}

impl Aside {
    pub(super) fn start(
        number: usize,
        name: &str,
        shard: Shard,
        meters: Meters,
        wishes: &[Interest],
    ) -> Result<Self> {
        Ok(Self {
            number,
            worker: Worker::start(shard, format!("detect-{name}"), 0, 1)?,
            meters,
            wish: Wish::of(number, wishes),
            waiting: Load::default(),
            jobs: 0,
            tick: false,
            left_out: 0,
            behind: None,
        })
    }

    /// The detector's number.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// Does a job of which [`Self::wait`] awaits the end.
    pub(super) fn send(&mut self, job: Job) {
        self.jobs += usize::from(self.worker.send(job));
    }

    /// What was found in the one job that was sent.
    pub(super) fn wait(&mut self) -> Vec<Event> {
        if self.jobs == 0 {
            return Vec::new();
        }
        self.jobs = 0;
        // A worker that died has nothing to say.
        let done = self.worker.done.recv();
        done.map(|done| done.events).unwrap_or_default()
    }

    /// Whether something of it is still to come.
    pub(super) fn is_busy(&self) -> bool {
        self.jobs > 0
    }

    /// Hands over what concerns it of a segment, without waiting.
    pub(super) fn offer(&mut self, segment: &Segment) -> Option<Late> {
        let part = part(segment, self.wish);
        let last = part.batches.last().map(|batch| batch.run);
        if last.is_none() && part.words.is_empty() {
            return None;
        }
        let load = Load::of(&part);
        if self.waiting.has_room_for(load) {
            self.waiting.add(load);
            self.send(Job::Segment(Arc::new(part)));
            self.note();
            return None;
        }
        self.left_out += load.rows as u64;
        self.note();
        let first = self.behind.is_none();
        self.behind = self.behind.or(last);
        let run = last.filter(|_| first)?;
        Some(self.pace(run, What::Behind(self.left_out)))
    }

    /// Lets time pass, without waiting.
    pub(super) fn tick(&mut self, now: f64) {
        if self.wish.ticks && !std::mem::replace(&mut self.tick, true) {
            self.send(Job::Tick(now));
        }
    }

    /// Puts another component in its place, behind everything that waits.
    pub(super) fn replace(&mut self, new: New, wishes: &[Interest]) {
        self.wish = Wish::of(self.number, wishes);
        self.send(Job::Replace(self.number, Box::new(new)));
    }

    /// What it has to say by now.
    pub(super) fn poll(&mut self, late: &mut Vec<Late>) {
        loop {
            match self.worker.done.try_recv() {
                Ok(done) => late.extend(self.came_back(done)),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.died();
                    break;
                }
            }
        }
        late.extend(self.caught_up());
    }

    /// Waits until it has done everything, the end of the runs included, and
    /// gives what it found at that end. Rows that it has not looked at by then
    /// are left out.
    pub(super) fn finish(&mut self, until: Instant, late: &mut Vec<Late>) -> Vec<Event> {
        let mut ending = Vec::new();
        let mut hurried = false;
        while self.jobs > 0 {
            let left = until.saturating_duration_since(Instant::now());
            match self.worker.done.recv_timeout(left) {
                Ok(Done {
                    job: Job::Finish(_),
                    events,
                    ..
                }) => {
                    self.jobs -= 1;
                    ending = events;
                }
                Ok(done) => late.extend(self.came_back(done)),
                // The call that it is in has a deadline.
                Err(RecvTimeoutError::Timeout) if !hurried => {
                    hurried = true;
                    self.worker.hurry();
                }
                Err(RecvTimeoutError::Timeout) => std::thread::sleep(HURRY),
                Err(RecvTimeoutError::Disconnected) => self.died(),
            }
        }
        if !hurried {
            late.extend(self.caught_up());
        }
        ending
    }

    fn came_back(&mut self, done: Done) -> Option<Late> {
        let (detector, events) = (self.number, done.events);
        self.jobs = self.jobs.saturating_sub(1);
        match done.job {
            Job::Segment(segment) => {
                let load = Load::of(&segment);
                self.waiting.remove(load);
                if done.skipped {
                    self.left_out += load.rows as u64;
                    let run = segment.batches.last()?.run;
                    let first = self.behind.replace(run).is_none();
                    self.note();
                    return first.then(|| self.pace(run, What::Behind(self.left_out)));
                }
                self.note();
                Some(Late::Rows {
                    detector,
                    segment,
                    events,
                })
            }
            Job::Tick(now) => {
                self.tick = false;
                (!events.is_empty()).then_some(Late::Time {
                    detector,
                    now,
                    events,
                })
            }
            Job::Replace(_, new) => {
                let to = new.detector.source.identity();
                let from = self.meters.replace(detector, to.clone());
                Some(Late::Replaced {
                    detector,
                    from,
                    to,
                    events,
                })
            }
            Job::Finish(_) => None,
        }
    }

    /// Says once that nothing waits any more.
    fn caught_up(&mut self) -> Option<Late> {
        if self.waiting.segments > 0 {
            return None;
        }
        let run = self.behind.take()?;
        Some(self.pace(run, What::CaughtUp(self.left_out)))
    }

    fn pace(&self, run: RunId, what: What) -> Late {
        Late::Pace(Event {
            run,
            detector: self.number,
            order: AT_END,
            row: None,
            what,
        })
    }

    /// Its thread panicked, which has been printed: the stream goes on.
    fn died(&mut self) {
        self.jobs = 0;
        self.waiting = Load::default();
        self.note();
    }

    fn note(&self) {
        if let Some(meter) = self.meters.of(self.number) {
            meter.pace(self.waiting.rows as u64, self.left_out);
        }
    }
}

impl Load {
    fn of(segment: &Segment) -> Self {
        let batches = segment.batches.iter();
        let (rows, bytes) = batches.fold((0, 0), |(rows, bytes), batch| {
            (rows + batch.len(), bytes + size(batch))
        });
        Self {
            segments: 1,
            rows,
            bytes,
        }
    }

    /// What is larger than all the room there is has its turn alone.
    fn has_room_for(self, more: Self) -> bool {
        let fits = self.segments < MOST.segments
            && self.rows + more.rows <= MOST.rows
            && self.bytes + more.bytes <= MOST.bytes;
        fits || self.segments == 0
    }

    fn add(&mut self, more: Self) {
        self.segments += more.segments;
        self.rows += more.rows;
        self.bytes += more.bytes;
    }

    fn remove(&mut self, less: Self) {
        self.segments = self.segments.saturating_sub(less.segments);
        self.rows = self.rows.saturating_sub(less.rows);
        self.bytes = self.bytes.saturating_sub(less.bytes);
    }
}

/// Bytes of a batch, roughly.
fn size(batch: &RunBatch) -> usize {
    let text = |text: &Text| {
        let fields = text.fields.iter();
        let fields: usize = fields.map(|(name, value)| name.len() + value.len()).sum();
        size_of::<Text>() + text.name.len() + text.content.len() + fields
    };
    let texts: usize = batch.texts.iter().map(text).sum();
    // Step, time, rank and place.
    40 * batch.len() + size_of::<Value>() * batch.values.len() + texts
}

/// What concerns one detector of a segment: nothing else need be kept for it.
fn part(segment: &Segment, wish: Wish) -> Segment {
    let bit = wish.bit;
    let of_batch = |batch: &RunBatch| RunBatch {
        run: batch.run,
        steps: batch.steps.clone(),
        times: batch.times.clone(),
        ranks: batch.ranks.clone(),
        places: batch.places.clone(),
        values: wanted(&batch.values, |value| value.mask & bit != 0),
        texts: wanted(&batch.texts, |text| text.mask & bit != 0),
        mask: batch.mask & bit,
    };
    let batches = segment.batches.iter();
    let concern = batches.filter(|batch| wish.every_row || batch.mask & bit != 0);
    Segment {
        input: segment.input.clone(),
        batches: concern.map(of_batch).collect(),
        rows: segment.rows,
        metrics: segment.metrics.clone(),
        runs: segment.runs.clone(),
        words: match wish.every_row {
            true => segment.words.clone(),
            false => Vec::new(),
        },
        now: segment.now,
    }
}

fn wanted<T: Clone>(all: &[T], is_wanted: impl Fn(&T) -> bool) -> Vec<T> {
    all.iter().filter(|it| is_wanted(it)).cloned().collect()
}

#[cfg(test)]
mod tests;
