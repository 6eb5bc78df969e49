//! Detectors × runs: what to feed, when to tick, when to save, and what to do
//! when a detector fails.
//!
//! [`Detect`] takes segments and returns what was found in them, in the order
//! of the input. The runs are spread over shards; a shard owns one instance of
//! every detector and the monitors of its runs. With one shard everything
//! happens on the caller's thread; with more, each shard is a thread, and the
//! result is the same.
//!
//! A detector of the user's own has a thread for itself, and live nobody waits
//! for it: see [`Late`].

mod account;
mod aside;
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
mod wishes;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;

use account::Meters;
pub use account::{Account, Identity};
use aside::Aside;
pub use aside::Late;
pub use guest::{Guest, GuestSource, Sandboxed};
use shard::{New, Shard};
pub use supervise::Budget;
use ticks::Ticks;
use worker::{Job, Worker};

use crate::alert::Finding;
use crate::decode::Interests;
use crate::describe::Interest;
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
    /// It is the user's own: it gets a thread for itself.
    pub own: bool,
}

/// A detector that is to take the place of the one with the same number.
pub struct Replacement {
    /// The number.
    pub number: usize,
    /// The detector.
    pub detector: Detector,
    /// What it wants to be told.
    wishes: Vec<Interest>,
}

impl Replacement {
    /// Starts an instance, checks that it accepts its parameters, and asks what
    /// it wants to be told: takes as long as that takes.
    ///
    /// # Errors
    /// When it does not start or refuses its parameters.
    pub fn new(number: usize, detector: Detector, host: &str) -> Result<Self> {
        let wishes = wishes::of(&detector, host)?;
        Ok(Self {
            number,
            detector,
            wishes,
        })
    }
}

/// Something a shard has to say about a run.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// A detector found something.
    Found(Finding),
    /// A detector failed.
    Failed(Failure),
    /// It cannot keep up: so many rows were not given to it so far.
    Behind(u64),
    /// It keeps up again; so many rows were not given to it in all.
    CaughtUp(u64),
    /// A run that had gone on without it has it again: it was replaced.
    Back(Next),
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
    wishes: Vec<Vec<Interest>>,
    interests: Arc<Interests>,
    meters: Meters,
    work: Work,
    /// The user's own.
    asides: Vec<Aside>,
    live: bool,
    late: Vec<Late>,
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

impl Detect {
    /// Starts an instance of every detector, checks that it accepts its
    /// parameters, and asks what it wants to be told.
    ///
    /// # Errors
    /// When a detector does not start or refuses its parameters: then nothing
    /// starts, because the user is still there to read why.
    pub fn new(detectors: Vec<Detector>, settings: &Settings) -> Result<Self> {
        let detectors: Vec<Arc<Detector>> = detectors.into_iter().map(Arc::new).collect();
        let names: Vec<Arc<str>> = detectors.iter().map(|it| it.name.clone()).collect();
        let meters = Meters::new(&detectors);
        let wishes = wishes::of_all(&detectors, &settings.host)?;
        let (interests, unknown_interests) = wanted(&names, &wishes);
        let (own, others): (Vec<usize>, Vec<usize>) =
            (0..detectors.len()).partition(|&number| detectors[number].own);
        let shard = |members: Vec<usize>| {
            Shard::new(
                detectors.clone(),
                members,
                settings.clone(),
                interests.clone(),
                meters.clone(),
                &wishes,
            )
        };
        let work = match settings.shards {
            0 | 1 => Work::Inline(Box::new(shard(others)), None),
            shards => {
                let worker = |number| {
                    let name = format!("detect-{number}");
                    Worker::start(shard(others.clone()), name, number, shards)
                };
                Work::Threads {
                    shards: (0..shards).map(worker).collect::<Result<_>>()?,
                    segment: None,
                }
            }
        };
        let aside = |number: usize| {
            let (shard, meters) = (shard(vec![number]), meters.clone());
            Aside::start(number, &names[number], shard, meters, &wishes[number])
        };
        let asides = own.into_iter().map(aside).collect::<Result<_>>()?;
        Ok(Self {
            names,
            interests,
            meters,
            work,
            asides,
            live: settings.live,
            late: Vec::new(),
            unknown_interests,
            wishes,
        })
    }

    /// The name of a detector.
    #[must_use]
    pub fn name(&self, detector: usize) -> &Arc<str> {
        &self.names[detector]
    }

    /// The numbers of the user's own detectors.
    pub fn own(&self) -> impl Iterator<Item = usize> {
        self.asides.iter().map(Aside::number)
    }

    /// What a detector wants to be told.
    #[must_use]
    pub fn wishes(&self, detector: usize) -> &[Interest] {
        self.wishes.get(detector).map_or(&[], Vec::as_slice)
    }

    /// Whether time passes while we wait.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.live
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
        for aside in &mut self.asides {
            match self.live {
                true => self.late.extend(aside.offer(&segment)),
                false => aside.send(Job::Segment(segment.clone())),
            }
        }
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
    /// and the segment itself. `None` when nothing was submitted. Live, what own
    /// detectors find comes later, by [`Self::late`].
    pub fn collect(&mut self) -> Option<(Arc<Segment>, Vec<Event>)> {
        let (segment, mut events) = match &mut self.work {
            Work::Inline(_, done) => done.take()?,
            Work::Threads { shards, segment } => {
                let segment = segment.take()?;
                (segment, gather(shards))
            }
        };
        if !self.live {
            events.extend(self.asides.iter_mut().flat_map(Aside::wait));
        }
        sort(&mut events);
        Some((segment, events))
    }

    /// What own detectors have had to say since the last time, live.
    pub fn late(&mut self) -> Vec<Late> {
        for aside in self.asides.iter_mut().filter(|_| self.live) {
            aside.poll(&mut self.late);
        }
        std::mem::take(&mut self.late)
    }

    /// Whether own detectors are at work, so that there may soon be something
    /// new from [`Self::late`].
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.live && self.asides.iter().any(Aside::is_busy)
    }

    /// Puts another component in the place of an own detector, behind all that
    /// was submitted so far. From now on [`Self::interests`] are other ones.
    /// Live only; false if that detector cannot be replaced.
    pub fn replace(&mut self, new: Replacement) -> bool {
        let mut asides = self.asides.iter_mut();
        let Some(aside) = asides.find(|it| self.live && it.number() == new.number) else {
            return false;
        };
        self.wishes[new.number] = new.wishes;
        (self.interests, self.unknown_interests) = wanted(&self.names, &self.wishes);
        let wishes = &self.wishes[new.number];
        let new = New {
            detector: Arc::new(new.detector),
            interests: self.interests.clone(),
            ticks: Ticks::of(wishes),
        };
        aside.replace(new, wishes);
        true
    }

    /// Lets time pass: monitors that asked for ticks get those that are due.
    pub fn tick(&mut self, now: f64) -> Vec<Event> {
        if self.live {
            self.asides.iter_mut().for_each(|aside| aside.tick(now));
        }
        let mut events = self.everyone(|shard| shard.tick(now), || Job::Tick(now));
        sort(&mut events);
        events
    }

    /// Ends every run, and waits for everybody.
    pub fn finish(&mut self, outcome: &'static str) -> Vec<Event> {
        for aside in &mut self.asides {
            aside.send(Job::Finish(outcome));
        }
        let mut events = self.everyone(|shard| shard.finish(outcome), || Job::Finish(outcome));
        let until = Instant::now() + aside::PATIENCE;
        for aside in &mut self.asides {
            events.extend(aside.finish(until, &mut self.late));
        }
        sort(&mut events);
        events
    }

    fn everyone(
        &mut self,
        inline: impl FnOnce(&mut Shard) -> Vec<Event>,
        job: impl Fn() -> Job,
    ) -> Vec<Event> {
        match &mut self.work {
            Work::Inline(shard, _) => inline(shard),
            Work::Threads { shards, .. } => {
                for shard in shards.iter() {
                    shard.send(job());
                }
                gather(shards)
            }
        }
    }
}

/// What all detectors want, and what of it this host does not know.
fn wanted(
    names: &[Arc<str>],
    wishes: &[Vec<Interest>],
) -> (Arc<Interests>, Vec<(Arc<str>, String)>) {
    let mut interests = Interests::default();
    let mut unknown = Vec::new();
    for (number, (name, wishes)) in names.iter().zip(wishes).enumerate() {
        let kinds = interests.add(number, wishes).into_iter();
        unknown.extend(kinds.map(|kind| (name.clone(), kind)));
    }
    (Arc::new(interests), unknown)
}

/// The order in which alerts go out does not depend on the number of shards.
fn sort(events: &mut [Event]) {
    // Stable: findings of one call keep their order.
    events.sort_by_key(|event| (event.order, event.run, event.detector));
}

fn gather(shards: &[Worker]) -> Vec<Event> {
    // A worker that died has nothing to say; its thread's panic is reported
    // by `Drop`, and the stream goes on without its runs.
    let done = |shard: &Worker| shard.done.recv().ok();
    let done = shards.iter().filter_map(done);
    done.flat_map(|done| done.events).collect()
}
