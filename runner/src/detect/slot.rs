//! One detector in a shard: its guest and the monitors of the shard's runs.
//!
//! A guest holds at most [`MOST_OPEN`] monitors. Those of runs that have been
//! idle for longest are closed, their state is kept here, and they are opened
//! again when something comes for their run: thousands of runs cost what is
//! worth saving of each, and not a monitor.

use anyhow::Result;
use rustc_hash::FxHashMap;

use super::guest::Guest;
use super::supervise::Record;
use super::ticks::Ticks;
use super::{Detector, Failure, Next, Settings};
use crate::record::{Run, RunId};
use crate::sandbox::Fault;

/// The most monitors that are open at once.
const MOST_OPEN: usize = 256;

/// One detector in this shard.
pub(super) struct Slot {
    /// `None` before the first run and after a fault.
    pub(super) guest: Option<Box<dyn Guest>>,
    /// The faults of all its runs in this shard.
    pub(super) record: Record,
    pub(super) ticks: Option<Ticks>,
    pub(super) watched: FxHashMap<RunId, Watched>,
    open: usize,
    /// Counts the batches that were fed.
    clock: u64,
}

/// One monitor.
#[derive(Default)]
pub(super) struct Watched {
    /// Whether the guest has it open.
    pub(super) open: bool,
    /// The detector refused this run.
    refused: bool,
    /// The faults in this run.
    pub(super) record: Record,
    /// Metrics up to here have been announced or are of no interest.
    pub(super) defined: usize,
    pub(super) saved: Option<Vec<u8>>,
    /// Rows and calls since `saved`.
    pub(super) rows: usize,
    pub(super) calls: usize,
    pub(super) next_tick: Option<f64>,
    /// The time of the last row.
    pub(super) heard: Option<f64>,
    /// Closed because its run was idle: its state is in `saved`.
    idle: bool,
    /// `saved` is of the detector that was here before.
    inherited: bool,
    /// The slot's clock when it was last fed.
    used: u64,
}

impl Watched {
    /// Whether there is a monitor to be told that its run is over.
    pub(super) fn lives(&self) -> bool {
        self.open || self.idle
    }
}

impl Slot {
    pub(super) fn new(ticks: Option<Ticks>) -> Self {
        Self {
            guest: None,
            record: Record::default(),
            ticks,
            watched: FxHashMap::default(),
            open: 0,
            clock: 0,
        }
    }

    /// Makes sure that the monitor of a run is open, with the state that was
    /// saved. The inner error is a refusal to watch the run, reported once.
    pub(super) fn wake(
        &mut self,
        detector: &Detector,
        id: RunId,
        run: &Run,
        about: &Settings,
        now: f64,
    ) -> Result<Result<(), Option<Failure>>, Fault> {
        self.clock += 1;
        let clock = self.clock;
        let watched = self.watched.entry(id).or_default();
        watched.used = clock;
        if watched.refused {
            return Ok(Err(None));
        }
        if watched.open {
            return Ok(Ok(()));
        }
        self.make_room()?;
        let guest = match &mut self.guest {
            Some(guest) => guest,
            none => none.insert(start(detector)?),
        };
        guest.set_now(now);
        let watched = self.watched.entry(id).or_default();
        let mut facts = facts(&run.project, &run.run, &about.host);
        if about.live {
            facts.push(("since".to_owned(), now.to_string()));
        }
        if let Err(refusal) = guest.open(id, &facts, &detector.parameters)? {
            watched.refused = true;
            let fault = Fault::found(crate::sandbox::FaultKind::Trap, "open", refusal);
            return Ok(Err(Some(Failure {
                fault,
                steps: None,
                next: Next::Refused,
                file: None,
            })));
        }
        self.open += 1;
        // What another one saved may be poison to it.
        let inherited = std::mem::take(&mut watched.inherited);
        let saved = match inherited {
            true => watched.saved.take(),
            false => watched.saved.clone(),
        };
        if let Some(state) = saved {
            // "Not mine": a cold start, and no second try.
            let accepted = guest.restore(id, &state)?.is_ok();
            watched.saved = accepted.then_some(state);
        }
        watched.open = true;
        watched.idle = false;
        watched.defined = 0;
        Ok(Ok(()))
    }

    /// Closes the half of the monitors that has been idle for longest, when
    /// there are too many. One that keeps no state stays open, and so does one
    /// that time alone may wake.
    fn make_room(&mut self) -> Result<(), Fault> {
        if self.open < MOST_OPEN || self.ticks.is_some() {
            return Ok(());
        }
        let Some(guest) = &mut self.guest else {
            return Ok(());
        };
        let open = self.watched.iter().filter(|(_, watched)| watched.open);
        let mut open: Vec<(u64, RunId)> = open.map(|(&run, watched)| (watched.used, run)).collect();
        open.sort_unstable();
        for (_, run) in open.iter().take(MOST_OPEN / 2) {
            let Some(state) = guest.save(*run)? else {
                continue;
            };
            guest.close(*run)?;
            if let Some(watched) = self.watched.get_mut(run) {
                watched.saved = Some(state);
                watched.open = false;
                watched.idle = true;
                watched.rows = 0;
                watched.calls = 0;
            }
            self.open -= 1;
        }
        Ok(())
    }

    /// A run is over, and its monitor closed.
    pub(super) fn finished(&mut self, run: RunId) {
        if let Some(watched) = self.watched.get_mut(&run) {
            watched.open = false;
        }
        self.open = self.open.saturating_sub(1);
    }

    /// Another detector is to take this place: ends the guest and keeps the state
    /// of its monitors. What went wrong is forgotten. Gives the runs whose
    /// monitors were open.
    pub(super) fn retire(&mut self) -> Vec<RunId> {
        let mut guest = self.guest.take();
        let mut open = Vec::new();
        for (&run, watched) in &mut self.watched {
            if std::mem::take(&mut watched.open) {
                open.push(run);
                match guest.as_mut().map(|guest| guest.save(run)) {
                    Some(Ok(state)) => watched.saved = state,
                    // It is dead: what it saved last has to do.
                    Some(Err(_)) => guest = None,
                    None => {}
                }
                watched.idle = true;
            }
            watched.inherited = watched.saved.is_some();
            watched.refused = false;
            watched.record = Record::default();
            (watched.rows, watched.calls) = (0, 0);
        }
        self.open = 0;
        self.record = Record::default();
        open.sort_unstable();
        open
    }

    /// The guest is dead: its monitors are gone, and what was saved is not.
    pub(super) fn bury(&mut self) {
        self.guest = None;
        self.open = 0;
        for watched in self.watched.values_mut() {
            watched.open = false;
        }
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

pub(super) fn facts(project: &str, run: &str, host: &str) -> Vec<(String, String)> {
    [("project", project), ("run", run), ("host", host)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}
