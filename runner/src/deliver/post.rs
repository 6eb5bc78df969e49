//! The way from alerts to sinks, by way of the ledger.
//!
//! The stream's thread writes alerts and deliveries down and goes on; each
//! sink has a thread that carries its deliveries out.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::courier::{Courier, Step};
use super::dispatch::Dispatch;
use super::owner;
use super::sink::{Outcome, Sink};
use crate::alert::{Alert, Severity};
use crate::ledger::{Durability, Ledger, LedgerError, Muted};

/// How often a sink looks into the ledger for what other processes changed.
const LOOK: Duration = Duration::from_secs(5);
/// How often time passes for silences, reminders and leases.
const TICK: i64 = 1000;
/// How often deliveries of processes that died are looked for.
const REVIVE: i64 = 60_000;

/// The ways out, open.
pub struct Post {
    ledger: Arc<Ledger>,
    dispatch: Dispatch,
    lanes: Vec<Arc<Lane>>,
    ticked: i64,
    revived: i64,
    /// The ledger's file could not be written any more.
    retreated: Option<LedgerError>,
}

/// Something that happened to a sink and that somebody should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// The sink.
    pub sink: String,
    /// The project and run of the alert that met it, if one did.
    pub about: Option<(String, String)>,
    /// What happened.
    pub what: Mishap,
}

/// What can happen to a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mishap {
    /// It is switched off, and why.
    Broken(String),
    /// An alert was refused for good, and why.
    Refused(String),
    /// The ledger failed it.
    Ledger(String),
}

/// What became of one sink's deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The sink.
    pub sink: String,
    /// Alerts that went out.
    pub delivered: u64,
    /// Alerts that its receiver refused for good.
    pub refused: u64,
    /// Alerts that wait for the next start.
    pub remaining: u64,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

impl Report {
    /// Whether every alert got out.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.refused == 0 && self.remaining == 0
    }
}

/// What the stream's thread and a sink's thread share.
struct Lane {
    sink: String,
    state: Mutex<LaneState>,
    /// Signalled when there is something to do, and when the thread rests.
    changed: Condvar,
}

#[derive(Default)]
struct LaneState {
    rung: bool,
    /// When the thread is to end at the latest.
    closing: Option<Instant>,
    /// There is nothing that it could do now, and this is the end.
    resting: bool,
    delivered: u64,
    refused: u64,
    last_error: Option<String>,
    incidents: Vec<Incident>,
}

/// The wall clock in milliseconds since 1970.
#[must_use]
pub fn wall_clock() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_millis() as i64)
}

/// Takes back what processes that have died were sending.
pub fn take_back(ledger: &Ledger, now: i64) {
    // What cannot be read now will fail again where it is said.
    let _ = ledger.revive(&owner::is_alive, now);
}

impl Post {
    /// Opens the ways: whatever the ledger holds for these sinks begins to go
    /// out.
    ///
    /// # Errors
    ///
    /// If the operating system gives us no thread.
    pub fn open(
        ledger: Ledger,
        dispatch: Dispatch,
        sinks: Vec<(String, Box<dyn Sink>)>,
    ) -> io::Result<Self> {
        let ledger = Arc::new(ledger);
        let owner: Arc<str> = owner::me().into();
        let now = wall_clock();
        take_back(&ledger, now);
        let mut lanes = Vec::new();
        for (name, sink) in sinks {
            // What it was switched off for may have been mended.
            let _ = ledger.switch_on(&name);
            let lane = Arc::new(Lane {
                sink: name.clone(),
                state: Mutex::default(),
                changed: Condvar::new(),
            });
            let courier = Courier::new(&name, sink, ledger.clone(), owner.clone());
            let shared = lane.clone();
            thread::Builder::new()
                .name(format!("sink {name}"))
                .spawn(move || Lane::run(&shared, courier))?;
            lanes.push(lane);
        }
        Ok(Self {
            ledger,
            dispatch,
            lanes,
            ticked: now,
            revived: now,
            retreated: None,
        })
    }

    /// The ledger that alerts are written to.
    #[must_use]
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Writes alerts and their deliveries down, and wakes the sinks.
    pub fn send(&mut self, alerts: &[Arc<Alert>], muted: &[Muted], now: i64) {
        if alerts.is_empty() && muted.is_empty() {
            return;
        }
        let critical = alerts
            .iter()
            .any(|alert| alert.severity == Severity::Critical);
        let durability = if critical {
            Durability::Power
        } else {
            Durability::Process
        };
        self.change(durability, |dispatch, ledger, durability| {
            dispatch.send(ledger, durability, alerts, muted, now)
        });
        if !alerts.is_empty() {
            self.ring();
        }
    }

    /// Time passes: silences end, reminders fall due, leases run out.
    pub fn tick(&mut self, now: i64) {
        if now - self.ticked < TICK {
            return;
        }
        self.ticked = now;
        if now - self.revived >= REVIVE {
            self.revived = now;
            take_back(&self.ledger, now);
        }
        let mut changed = false;
        self.change(Durability::Process, |dispatch, ledger, _| {
            changed = dispatch.tick(ledger, now)?;
            Ok(())
        });
        if changed {
            self.ring();
        }
    }

    /// A run has ended: whoever was told of a trouble that is still there is
    /// told that.
    pub fn ended(&mut self, project: &str, run: &str, now: i64) {
        self.change(Durability::Process, |dispatch, ledger, _| {
            dispatch.ended(ledger, project, run, now)
        });
        self.ring();
    }

    /// What happened to sinks since the last time.
    pub fn incidents(&mut self) -> Vec<Incident> {
        let mut incidents = Vec::new();
        for lane in &self.lanes {
            incidents.append(&mut lane.lock().incidents);
        }
        if let Some(error) = self.retreated.take() {
            incidents.push(Incident {
                sink: String::new(),
                about: None,
                what: Mishap::Ledger(error.0),
            });
        }
        incidents
    }

    /// Lets the sinks send what waits, firing criticals first, for at most this
    /// long, and reports what became of everything. What remains is in the
    /// ledger. `tell` makes of what happens to a sink the alert that the others
    /// are to get.
    #[must_use]
    pub fn close(
        mut self,
        within: Duration,
        tell: &mut dyn FnMut(&Incident) -> Option<Arc<Alert>>,
    ) -> Vec<Report> {
        let now = Instant::now();
        // None: a time so far off that it cannot be said.
        let deadline = now
            .checked_add(within)
            .unwrap_or(now + Duration::from_secs(86_400));
        for lane in &self.lanes {
            lane.lock().closing = Some(deadline);
            lane.changed.notify_all();
        }
        loop {
            for lane in &self.lanes {
                lane.await_rest(deadline);
            }
            let own: Vec<Arc<Alert>> = self.incidents().iter().filter_map(&mut *tell).collect();
            if own.is_empty() || Instant::now() >= deadline {
                break;
            }
            self.send(&own, &[], wall_clock());
        }
        let remaining: BTreeMap<String, i64> = self
            .ledger
            .remaining()
            .unwrap_or_default()
            .into_iter()
            .map(|remaining| (remaining.sink, remaining.waiting))
            .collect();
        let report = |lane: &Arc<Lane>| {
            let waiting = remaining.get(&lane.sink).copied().unwrap_or_default();
            lane.report(waiting.unsigned_abs())
        };
        self.lanes.iter().map(report).collect()
    }

    /// Changes the ledger. If its file cannot be written, goes on in memory.
    fn change(
        &mut self,
        durability: Durability,
        mut change: impl FnMut(&mut Dispatch, &Ledger, Durability) -> Result<(), LedgerError>,
    ) {
        let Err(error) = change(&mut self.dispatch, &self.ledger, durability) else {
            return;
        };
        if self.ledger.retreat().is_ok() {
            // In memory this cannot fail but for want of memory.
            let _ = change(&mut self.dispatch, &self.ledger, Durability::Process);
        }
        self.retreated = Some(error);
    }

    fn ring(&self) {
        for lane in &self.lanes {
            let mut state = lane.lock();
            state.rung = true;
            state.resting = false;
            drop(state);
            lane.changed.notify_all();
        }
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        for lane in &self.lanes {
            // There is no time any more.
            lane.lock().closing = Some(Instant::now());
            lane.changed.notify_all();
        }
    }
}

impl Lane {
    /// A sink that panicked cannot have left the counters half-changed.
    fn lock(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(lane: &Arc<Self>, mut courier: Courier) {
        let _ended = Ended(lane);
        let mut broken = false;
        loop {
            let closing = lane.lock().closing;
            if closing.is_some_and(|deadline| Instant::now() >= deadline) {
                return;
            }
            match courier.step(&wall_clock, closing.is_some()) {
                Step::Tried {
                    outcome,
                    alerts,
                    about,
                    dead,
                } => lane.note(&outcome, alerts, about, dead),
                Step::Wait(until) => {
                    broken = false;
                    if !lane.rest(until.map(|until| until - wall_clock())) {
                        return;
                    }
                }
                Step::Broken(why) => {
                    if !std::mem::replace(&mut broken, true) {
                        lane.lock().last_error.get_or_insert(why);
                    }
                    if !lane.rest(None) {
                        return;
                    }
                }
                Step::Failed(error) => {
                    lane.incident(None, Mishap::Ledger(error.0));
                    if !lane.rest(Some(1000)) {
                        return;
                    }
                }
            }
        }
    }

    fn note(&self, outcome: &Outcome, alerts: usize, about: (String, String), dead: bool) {
        let mut state = self.lock();
        state.last_error = outcome.why().map(str::to_owned);
        if outcome.is_success() {
            state.delivered += alerts as u64;
        }
        let mishap = match outcome {
            Outcome::Broken(why) => Mishap::Broken(why.clone()),
            Outcome::Rejected(why) if dead => {
                state.refused += alerts as u64;
                Mishap::Refused(why.clone())
            }
            _ => return,
        };
        drop(state);
        self.incident(Some(about), mishap);
    }

    fn incident(&self, about: Option<(String, String)>, what: Mishap) {
        let incident = Incident {
            sink: self.sink.clone(),
            about,
            what,
        };
        let mut state = self.lock();
        // The same over and over is one incident.
        if !state.incidents.contains(&incident) {
            state.incidents.push(incident);
        }
    }

    /// Waits for something to do, for this many milliseconds at most; false:
    /// there is no more time.
    fn rest(&self, millis: Option<i64>) -> bool {
        let wait = millis.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0)));
        let mut state = self.lock();
        if !std::mem::take(&mut state.rung) {
            let left = state
                .closing
                .map(|deadline| deadline.saturating_duration_since(Instant::now()));
            // Nothing waits, or not for as long as there is time.
            state.resting = left.is_some_and(|left| wait.is_none_or(|wait| wait >= left));
            self.changed.notify_all();
            let wait = wait.unwrap_or(LOOK).min(LOOK).min(left.unwrap_or(LOOK));
            let waited = self.changed.wait_timeout(state, wait);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.rung = false;
        }
        state
            .closing
            .is_none_or(|deadline| Instant::now() < deadline)
    }

    /// Waits until the thread has nothing more that it could do.
    fn await_rest(&self, deadline: Instant) {
        let mut state = self.lock();
        while !state.resting {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn report(&self, remaining: u64) -> Report {
        let state = self.lock();
        Report {
            sink: self.sink.clone(),
            delivered: state.delivered,
            refused: state.refused,
            remaining,
            last_error: state.last_error.clone(),
        }
    }
}

/// Says that the thread has ended, also when it panicked.
struct Ended<'a>(&'a Lane);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.lock().resting = true;
        self.0.changed.notify_all();
    }
}
