//! A thread with a shard of its own, and what goes to it and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use anyhow::{Context, Result};

use super::Event;
use super::shard::{New, Shard};
use crate::record::Segment;

/// Something to be done by a shard.
pub(super) enum Job {
    Segment(Arc<Segment>),
    Tick(f64),
    Finish(&'static str),
    /// Puts another detector in the place of one.
    Replace(usize, Box<New>),
}

/// A job that was done.
pub(super) struct Done {
    pub(super) job: Job,
    pub(super) events: Vec<Event>,
    /// It was in a hurry and has not looked at these rows.
    pub(super) skipped: bool,
}

pub(super) struct Worker {
    jobs: Option<Sender<Job>>,
    pub(super) done: Receiver<Done>,
    hurry: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts a thread that has share `number` of the runs `of` so many.
    pub(super) fn start(mut shard: Shard, name: String, number: usize, of: usize) -> Result<Self> {
        // Whoever sends bounds what may wait.
        let (jobs, inbox) = channel::<Job>();
        let (outbox, done) = channel();
        let hurry = Arc::new(AtomicBool::new(false));
        let in_a_hurry = hurry.clone();
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || {
                for mut job in inbox {
                    let skipped = in_a_hurry.load(Ordering::Relaxed);
                    let events = match &mut job {
                        Job::Segment(_) | Job::Tick(_) if skipped => Vec::new(),
                        Job::Segment(segment) => shard.segment(segment, number, of),
                        Job::Tick(now) => shard.tick(*now),
                        Job::Finish(outcome) => shard.finish(outcome),
                        Job::Replace(number, new) => shard.replace(*number, new),
                    };
                    let done = Done {
                        job,
                        events,
                        skipped,
                    };
                    if outbox.send(done).is_err() {
                        return;
                    }
                }
            })
            .context("cannot start a detector thread")?;
        Ok(Self {
            jobs: Some(jobs),
            done,
            hurry,
            thread: Some(thread),
        })
    }

    /// Hands over a job; false if the thread died, which whoever waits copes with.
    pub(super) fn send(&self, job: Job) -> bool {
        self.jobs
            .as_ref()
            .is_some_and(|jobs| jobs.send(job).is_ok())
    }

    /// From now on rows and ticks are given back unseen: there is no time left.
    pub(super) fn hurry(&self) {
        self.hurry.store(true, Ordering::Relaxed);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.hurry();
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic has printed itself by now.
            let _ = thread.join();
        }
    }
}
