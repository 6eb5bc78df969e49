//! Detectors × runs: what to feed, when to tick, when to save, and what to do
//! when a detector fails.
//!
//! [`Detect`] takes segments and returns what was found in them, in the order
//! of the input. The runs are spread over shards; a shard owns one instance of
//! every detector and the monitors of its runs. With one shard everything
//! happens on the caller's thread; with more, each shard is a thread, and the
//! result is the same.

mod account;
mod define;
pub mod fault_file;
mod guest;
mod pick;
mod shard;
mod slot;
mod supervise;
#[cfg(test)]
mod tests;
mod ticks;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use anyhow::{Context, Result};

use account::Meters;
pub use account::{Account, Identity};
pub use guest::{Guest, GuestSource, Sandboxed};
use shard::Shard;
pub use supervise::Budget;

use crate::alert::Finding;
use crate::decode::Interests;
use crate::record::{RunId, Segment};
use crate::sandbox::Fault;

/// A detector that has been loaded, with its parameters resolved.
pub struct Detector {
    /// The name in alerts.
    pub name: Arc<str>,
    /// Makes running instances of it.
    pub source: Box<dyn GuestSource>,
    /// A valid value for each of its parameters.
    pub parameters: Vec<(String, String)>,
}

/// Something a shard has to say about a run.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// A detector found something.
    Found(Finding),
    /// A detector failed.
    Failed(Failure),
}

/// A detector's failure, for the host's own alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The fault.
    pub fault: Fault,
    /// The first and last step of the batch that did it.
    pub steps: Option<(i64, i64)>,
    /// What happens next.
    pub next: Next,
    /// The name of the file that has the batch, if there is one.
    pub file: Option<String>,
}

/// What happens to a detector after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It goes on: a new instance, its monitors restored.
    Restarted,
    /// It is put aside for the rest of this process.
    Quarantined,
    /// Only this run goes on without it: it refused to watch it.
    Refused,
}

/// Something found, with its place in the input.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The run.
    pub run: RunId,
    /// The detector's number.
    pub detector: usize,
    /// The position of the row in the segment, across runs; the end of the
    /// segment for what belongs to no row.
    pub order: u32,
    /// The row of the run's batch, if any.
    pub row: Option<u32>,
    /// What it is.
    pub what: What,
}

/// Static facts and limits of detection.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Shards; 1 stays on the caller's thread.
    pub shards: usize,
    /// How many faults a detector may have.
    pub budget: Budget,
    /// The host's name, a fact of every run.
    pub host: String,
    /// Whether time passes while we wait; a review has no reason to pause.
    pub live: bool,
    /// The folder that keeps what made detectors fail; none keeps nothing.
    pub faults: Option<PathBuf>,
}

/// All detectors at work.
pub struct Detect {
    names: Vec<Arc<str>>,
    interests: Arc<Interests>,
    meters: Meters,
    work: Work,
    /// Interests of unknown kinds, for the log: detector and kind.
    pub unknown_interests: Vec<(Arc<str>, String)>,
}

enum Work {
    Inline(Box<Shard>, Option<(Arc<Segment>, Vec<Event>)>),
    Threads {
        shards: Vec<Worker>,
        segment: Option<Arc<Segment>>,
    },
}

struct Worker {
    jobs: Option<SyncSender<Job>>,
    done: Receiver<Vec<Event>>,
    thread: Option<JoinHandle<()>>,
}

enum Job {
    Segment(Arc<Segment>),
    Tick(f64),
    Finish(&'static str),
}

impl Detect {
    /// Starts an instance of every detector, checks that it accepts its
    /// parameters, and asks what it wants to be told.
    ///
    /// # Errors
    /// When a detector does not start or refuses its parameters: then nothing
    /// starts, because the user is still there to read why.
    pub fn new(detectors: Vec<Detector>, settings: &Settings) -> Result<Self> {
        let names: Vec<Arc<str>> = detectors
            .iter()
            .map(|detector| detector.name.clone())
            .collect();
        let detectors = Arc::new(detectors);
        let meters = Meters::new(&detectors);
        let wishes = shard::interests(&detectors, &settings.host)?;
        let mut interests = Interests::default();
        let mut unknown_interests = Vec::new();
        for (number, wish) in wishes.iter().enumerate() {
            let name = names[number].clone();
            unknown_interests.extend(
                interests
                    .add(number, wish)
                    .into_iter()
                    .map(|kind| (name.clone(), kind)),
            );
        }
        let interests = Arc::new(interests);
        let shard = || {
            Shard::new(
                detectors.clone(),
                settings.clone(),
                interests.clone(),
                meters.clone(),
                &wishes,
            )
        };
        let work = match settings.shards {
            0 | 1 => Work::Inline(Box::new(shard()), None),
            shards => {
                let workers = (0..shards).map(|number| Worker::start(shard(), number, shards));
                Work::Threads {
                    shards: workers.collect::<Result<_>>()?,
                    segment: None,
                }
            }
        };
        Ok(Self {
            names,
            interests,
            meters,
            work,
            unknown_interests,
        })
    }

    /// The name of a detector.
    #[must_use]
    pub fn name(&self, detector: usize) -> &Arc<str> {
        &self.names[detector]
    }

    /// The names of all detectors, in order.
    #[must_use]
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// What each detector has done, in order. Of its faults nothing is known
    /// here: they are in the events.
    #[must_use]
    pub fn accounts(&self) -> Vec<Account> {
        self.meters.accounts()
    }

    /// What the detectors want, for the decoder.
    #[must_use]
    pub fn interests(&self) -> Arc<Interests> {
        self.interests.clone()
    }

    /// Begins to look at a segment. Threads work on it while the caller decodes
    /// the next; [`Self::collect`] must be called before the next `submit`.
    pub fn submit(&mut self, segment: Segment) {
        let segment = Arc::new(segment);
        match &mut self.work {
            Work::Inline(shard, done) => {
                let events = shard.segment(&segment, 0, 1);
                *done = Some((segment, events));
            }
            Work::Threads {
                shards,
                segment: current,
            } => {
                for shard in shards.iter() {
                    shard.send(Job::Segment(segment.clone()));
                }
                *current = Some(segment);
            }
        }
    }

    /// What was found in the segment submitted last, in the order of the input,
    /// and the segment itself. `None` when nothing was submitted.
    pub fn collect(&mut self) -> Option<(Arc<Segment>, Vec<Event>)> {
        let (segment, mut events) = match &mut self.work {
            Work::Inline(_, done) => done.take()?,
            Work::Threads { shards, segment } => {
                let segment = segment.take()?;
                (segment, gather(shards))
            }
        };
        sort(&mut events);
        Some((segment, events))
    }

    /// Lets time pass: monitors that asked for ticks get those that are due.
    pub fn tick(&mut self, now: f64) -> Vec<Event> {
        self.everyone(|shard| shard.tick(now), || Job::Tick(now))
    }

    /// Ends every run.
    pub fn finish(&mut self, outcome: &'static str) -> Vec<Event> {
        self.everyone(|shard| shard.finish(outcome), || Job::Finish(outcome))
    }

    fn everyone(
        &mut self,
        inline: impl FnOnce(&mut Shard) -> Vec<Event>,
        job: impl Fn() -> Job,
    ) -> Vec<Event> {
        let mut events = match &mut self.work {
            Work::Inline(shard, _) => inline(shard),
            Work::Threads { shards, .. } => {
                for shard in shards.iter() {
                    shard.send(job());
                }
                gather(shards)
            }
        };
        sort(&mut events);
        events
    }
}

/// The order in which alerts go out does not depend on the number of shards.
fn sort(events: &mut [Event]) {
    // Stable: findings of one call keep their order.
    events.sort_by_key(|event| (event.order, event.run, event.detector));
}

fn gather(shards: &[Worker]) -> Vec<Event> {
    // A worker that died has nothing to say; its thread's panic is reported
    // by `Drop`, and the stream goes on without its runs.
    shards
        .iter()
        .flat_map(|shard| shard.done.recv().unwrap_or_default())
        .collect()
}

impl Worker {
    fn start(mut shard: Shard, number: usize, of: usize) -> Result<Self> {
        let (jobs, inbox) = sync_channel::<Job>(1);
        let (outbox, done) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name(format!("detect-{number}"))
            .spawn(move || {
                for job in inbox {
                    let events = match job {
                        Job::Segment(segment) => shard.segment(&segment, number, of),
                        Job::Tick(now) => shard.tick(now),
                        Job::Finish(outcome) => shard.finish(outcome),
                    };
                    if outbox.send(events).is_err() {
                        return;
                    }
                }
            })
            .context("cannot start a detector thread")?;
        Ok(Self {
            jobs: Some(jobs),
            done,
            thread: Some(thread),
        })
    }

    fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // Fails only if the thread died; `gather` copes.
            let _ = jobs.send(job);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic has printed itself by now.
            let _ = thread.join();
        }
    }
}
