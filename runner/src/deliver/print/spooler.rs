//! One thread and one bounded queue per sink.
//!
//! The stream's thread only ever locks a queue for the time of a push; it
//! never waits for a sink. What a full queue refuses is counted, told to the
//! caller at once, and stands in the report.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{PrintError, Printer};
use crate::alert::{Alert, Severity, State};

/// The way from the judge to all sinks.
#[derive(Debug)]
pub struct Spooler {
    lanes: Vec<Arc<Lane>>,
    capacity: usize,
}

/// What became of the alerts of one sink.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The sink's name.
    pub sink: String,
    /// Alerts that it took.
    pub delivered: u64,
    /// Alerts that it returned an error for.
    pub failed: u64,
    /// Alerts that its full queue refused.
    pub refused: u64,
    /// Alerts that it has not taken. After [`Spooler::close`]: those for which
    /// there was no time; the first may be half-way out.
    pub remaining: Vec<Arc<Alert>>,
    /// What the last error said.
    pub last_error: Option<String>,
    /// Whether the reader of its output has gone away.
    pub broken_pipe: bool,
}

impl Report {
    /// Whether every alert got out.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failed == 0 && self.refused == 0 && self.remaining.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} delivered", self.sink, self.delivered)?;
        if self.failed > 0 {
            write!(f, ", {} failed", self.failed)?;
        }
        if self.refused > 0 {
            write!(f, ", {} refused by a full queue", self.refused)?;
        }
        if !self.remaining.is_empty() {
            write!(f, ", {} not delivered in time", self.remaining.len())?;
        }
        match &self.last_error {
            Some(error) => write!(f, " (last error: {error})"),
            None => Ok(()),
        }
    }
}

/// What the stream's thread and a sink's thread share.
#[derive(Debug)]
struct Lane {
    sink: String,
    state: Mutex<LaneState>,
    /// Signalled when the queue gets something, when it closes, and when the
    /// worker has ended.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct LaneState {
    queue: VecDeque<Arc<Alert>>,
    in_flight: Option<Arc<Alert>>,
    closing: bool,
    ended: bool,
    delivered: u64,
    failed: u64,
    refused: u64,
    last_error: Option<String>,
    broken_pipe: bool,
}

impl Spooler {
    /// Starts one thread per sink. `capacity` alerts may wait for each.
    ///
    /// # Errors
    ///
    /// If the operating system gives us no thread.
    pub fn new(sinks: Vec<Box<dyn Printer>>, capacity: usize) -> io::Result<Self> {
        let mut outbox = Self {
            lanes: Vec::new(),
            capacity: capacity.max(1),
        };
        for sink in sinks {
            let lane = Arc::new(Lane {
                sink: sink.name().to_owned(),
                state: Mutex::default(),
                changed: Condvar::new(),
            });
            let worker = Worker {
                lane: Arc::clone(&lane),
                sink,
            };
            thread::Builder::new()
                .name(format!("sink {}", lane.sink))
                .spawn(|| worker.run())?;
            outbox.lanes.push(lane);
        }
        Ok(outbox)
    }

    /// Queues an alert for every sink and never waits. Returns the number of
    /// sinks whose full queue cost an alert: this one, or, if this one is
    /// critical, the oldest that is not.
    pub fn send(&self, alert: &Arc<Alert>) -> usize {
        let capacity = self.capacity;
        self.lanes
            .iter()
            .filter(|lane| !lane.lock().push(alert, capacity, &lane.changed))
            .count()
    }

    /// How things stand at present, by sink.
    #[must_use]
    pub fn reports(&self) -> Vec<Report> {
        self.lanes
            .iter()
            .map(|lane| lane.lock().report(&lane.sink))
            .collect()
    }

    /// Lets the sinks empty their queues, firing criticals first, for at most
    /// this long, and reports what became of everything. A sink that has not
    /// returned by then is left behind with its thread.
    #[must_use]
    pub fn close(self, within: Duration) -> Vec<Report> {
        // None: a time so far off that it cannot be said.
        let deadline = Instant::now().checked_add(within);
        self.lanes.iter().for_each(|lane| lane.close());
        self.lanes
            .iter()
            .map(|lane| lane.await_end(deadline))
            .collect()
    }
}

impl Drop for Spooler {
    fn drop(&mut self) {
        self.lanes.iter().for_each(|lane| lane.close());
    }
}

impl Lane {
    /// A sink that panicked cannot have left the counters half-changed.
    fn lock(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let mut state = self.lock();
        if !state.closing {
            state.closing = true;
            // The end of an alarm never overtakes an alarm.
            let first = |alert: &Arc<Alert>| {
                alert.severity == Severity::Critical && alert.state == State::Firing
            };
            state
                .queue
                .make_contiguous()
                .sort_by_key(|alert| !first(alert));
        }
        self.changed.notify_all();
    }

    fn await_end(&self, deadline: Option<Instant>) -> Report {
        let mut state = self.lock();
        while !state.ended {
            let left = match deadline {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => Duration::from_secs(3600),
            };
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let report = state.report(&self.sink);
        // Should the sink come back after all, it finds nothing more to do.
        state.queue.clear();
        report
    }
}

impl LaneState {
    /// False: an alert was lost.
    fn push(&mut self, alert: &Arc<Alert>, capacity: usize, changed: &Condvar) -> bool {
        let full = self.queue.len() >= capacity;
        if full {
            self.refused += 1;
            let lesser = self
                .queue
                .iter()
                .position(|other| other.severity < Severity::Critical);
            match lesser.filter(|_| alert.severity == Severity::Critical) {
                Some(lesser) => drop(self.queue.remove(lesser)),
                None => return false,
            }
        }
        self.queue.push_back(Arc::clone(alert));
        changed.notify_all();
        !full
    }

    fn report(&self, sink: &str) -> Report {
        Report {
            sink: sink.to_owned(),
            delivered: self.delivered,
            failed: self.failed,
            refused: self.refused,
            remaining: self.in_flight.iter().chain(&self.queue).cloned().collect(),
            last_error: self.last_error.clone(),
            broken_pipe: self.broken_pipe,
        }
    }

    fn fault(&mut self, error: &PrintError) {
        self.broken_pipe |= matches!(error, PrintError::BrokenPipe);
        self.last_error = Some(error.to_string());
    }
}

/// A sink's thread.
struct Worker {
    lane: Arc<Lane>,
    sink: Box<dyn Printer>,
}

impl Worker {
    fn run(mut self) {
        while let Some(alert) = self.next() {
            let result = self.sink.print(&alert);
            let mut state = self.lane.lock();
            state.in_flight = None;
            match result {
                Ok(()) => state.delivered += 1,
                Err(error) => {
                    state.failed += 1;
                    state.fault(&error);
                }
            }
        }
    }

    /// Waits for an alert; none: the outbox is closed and the queue empty.
    fn next(&mut self) -> Option<Arc<Alert>> {
        let mut flushed = false;
        let mut state = self.lane.lock();
        loop {
            if let Some(alert) = state.queue.pop_front() {
                state.in_flight = Some(Arc::clone(&alert));
                return Some(alert);
            }
            if !flushed {
                drop(state);
                let result = self.sink.flush();
                flushed = true;
                state = self.lane.lock();
                if let Err(error) = result {
                    state.fault(&error);
                }
                continue;
            }
            if state.closing {
                return None;
            }
            let waited = self.lane.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Worker {
    /// Runs when a sink panics, too, so that nobody waits for it.
    fn drop(&mut self) {
        let mut state = self.lane.lock();
        state.ended = true;
        if thread::panicking() {
            state.last_error = Some("the sink panicked".to_owned());
        }
        self.lane.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::mpsc;

    use super::*;
    use crate::deliver::sample;

    /// Waits for leave before each alert, and tells which one it took.
    struct Gate {
        leave: mpsc::Receiver<()>,
        took: mpsc::Sender<String>,
    }

    impl Printer for Gate {
        fn name(&self) -> &str {
            "gate"
        }

        fn print(&mut self, alert: &Alert) -> Result<(), PrintError> {
            if self.leave.recv().is_err() {
                // Nobody will ever give leave: a sink that does not answer.
                thread::sleep(Duration::from_secs(3600));
            }
            self.took.send(alert.id.clone()).unwrap();
            Ok(())
        }
    }

    struct Broken;

    impl Printer for Broken {
        fn name(&self) -> &str {
            "broken"
        }

        fn print(&mut self, alert: &Alert) -> Result<(), PrintError> {
            match alert.id.as_str() {
                "panic" => panic!("as the test wants"),
                "pipe" => Err(PrintError::BrokenPipe),
                _ => {
                    let attempt = "write to `x`".to_owned();
                    Err(PrintError::Io {
                        attempt,
                        source: io::ErrorKind::StorageFull.into(),
                    })
                }
            }
        }
    }

    fn alert(id: &str, severity: Severity) -> Arc<Alert> {
        Arc::new(Alert {
            id: id.to_owned(),
            severity,
            ..sample()
        })
    }

    fn resolved(id: &str) -> Arc<Alert> {
        let state = State::Resolved;
        Arc::new(Alert {
            id: id.to_owned(),
            state,
            severity: Severity::Critical,
            ..sample()
        })
    }

    fn ids(alerts: &[Arc<Alert>]) -> Vec<&str> {
        alerts.iter().map(|alert| alert.id.as_str()).collect()
    }

    fn gate(capacity: usize) -> (Spooler, mpsc::Sender<()>, mpsc::Receiver<String>) {
        let (give_leave, leave) = mpsc::channel();
        let (took, taken) = mpsc::channel();
        let outbox = Spooler::new(vec![Box::new(Gate { leave, took })], capacity).unwrap();
        (outbox, give_leave, taken)
    }

    /// Waits until the sink is busy with an alert, so that the rest queues up.
    fn await_busy(outbox: &Spooler) {
        while outbox.lanes[0].lock().in_flight.is_none() {
            thread::yield_now();
        }
    }

    #[test]
    fn delivers_in_order() {
        let (outbox, leave, taken) = gate(8);
        for id in ["a", "b", "c"] {
            assert_eq!(outbox.send(&alert(id, Severity::Info)), 0);
            leave.send(()).unwrap();
        }
        let took: Vec<_> = taken.iter().take(3).collect();
        assert_eq!(took, ["a", "b", "c"]);
        let reports = outbox.close(Duration::from_secs(10));
        assert!(reports[0].is_complete());
        assert_eq!(reports[0].to_string(), "gate: 3 delivered");
    }

    #[test]
    fn closing_sends_firing_criticals_first() {
        let (outbox, leave, taken) = gate(8);
        outbox.send(&alert("first", Severity::Info));
        await_busy(&outbox);
        outbox.send(&alert("warning", Severity::Warning));
        outbox.send(&alert("critical-1", Severity::Critical));
        outbox.send(&resolved("resolved-1"));
        outbox.send(&alert("critical-2", Severity::Critical));
        (0..5).for_each(|_| leave.send(()).unwrap());
        // Leave is given before closing, but the worker may be past one only.
        let reports = outbox.close(Duration::from_secs(10));
        assert_eq!(reports[0].delivered, 5);
        let took: Vec<_> = taken.try_iter().collect();
        assert_eq!(took.len(), 5);
        let at = |id: &str| took.iter().position(|took| took == id).unwrap();
        assert!(at("critical-1") < at("resolved-1"), "{took:?}");
    }

    #[test]
    fn the_order_of_closing() {
        let (outbox, _leave, _taken) = gate(8);
        outbox.send(&alert("first", Severity::Info));
        await_busy(&outbox);
        outbox.send(&alert("warning", Severity::Warning));
        outbox.send(&alert("critical-1", Severity::Critical));
        outbox.send(&resolved("resolved-1"));
        outbox.send(&alert("critical-2", Severity::Critical));
        let reports = outbox.close(Duration::ZERO);
        let expected = ["first", "critical-1", "critical-2", "warning", "resolved-1"];
        assert_eq!(ids(&reports[0].remaining), expected);
        assert_eq!(
            reports[0].to_string(),
            "gate: 0 delivered, 5 not delivered in time"
        );
    }

    #[test]
    fn a_dead_sink_holds_up_nobody() {
        let (outbox, leave, _taken) = gate(2);
        drop(leave);
        outbox.send(&alert("first", Severity::Info));
        await_busy(&outbox);
        let began = Instant::now();
        let lost: usize = (0..10_000)
            .map(|n| outbox.send(&alert(&n.to_string(), Severity::Warning)))
            .sum();
        assert_eq!(lost, 9998);
        // A critical takes the place of the oldest that is none.
        assert_eq!(outbox.send(&alert("critical-1", Severity::Critical)), 1);
        assert_eq!(outbox.send(&alert("critical-2", Severity::Critical)), 1);
        assert_eq!(outbox.send(&alert("critical-3", Severity::Critical)), 1);
        let reports = outbox.close(Duration::from_millis(20));
        assert!(began.elapsed() < Duration::from_secs(10));
        assert_eq!(reports[0].refused, 10_001);
        assert_eq!(
            ids(&reports[0].remaining),
            ["first", "critical-1", "critical-2"]
        );
        assert!(!reports[0].is_complete());
    }

    #[test]
    fn errors_are_counted_and_end_nothing() {
        let outbox = Spooler::new(vec![Box::new(Broken)], 8).unwrap();
        outbox.send(&alert("pipe", Severity::Info));
        outbox.send(&alert("full", Severity::Info));
        let reports = outbox.close(Duration::from_secs(10));
        assert_eq!(reports[0].failed, 2);
        assert!(reports[0].broken_pipe);
        let text = "broken: 0 delivered, 2 failed (last error: cannot write to `x`: no storage \
                    space)";
        assert_eq!(reports[0].to_string(), text);
    }

    #[test]
    fn a_sink_that_panics_is_reported() {
        let outbox = Spooler::new(vec![Box::new(Broken)], 8).unwrap();
        outbox.send(&alert("panic", Severity::Info));
        let began = Instant::now();
        let reports = outbox.close(Duration::from_secs(60));
        assert!(began.elapsed() < Duration::from_secs(30));
        assert_eq!(ids(&reports[0].remaining), ["panic"]);
        assert_eq!(reports[0].last_error.as_deref(), Some("the sink panicked"));
    }

    #[test]
    fn without_sinks_there_is_nothing_to_do() {
        let outbox = Spooler::new(Vec::new(), 8).unwrap();
        assert_eq!(outbox.send(&alert("a", Severity::Info)), 0);
        assert!(outbox.close(Duration::ZERO).is_empty());
    }
}
