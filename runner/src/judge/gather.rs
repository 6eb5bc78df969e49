//! The same trouble on many ranks is one alert that names them.
//!
//! A detector that hears of something on each rank apart, such as an exception,
//! says so for each and marks its findings. The alert of the first one then
//! waits for a moment for the others.

use super::identity::Fingerprint;
use crate::alert::{Alert, Severity, spans};
use crate::record::Run;

/// How long an alert waits for other ranks, in seconds of stream time: ranks
/// that fail together print their tracebacks within a second or two.
const SECONDS: f64 = 2.0;

/// How many lines it waits where the log has no times.
const LINES: u64 = 10_000;

/// Alerts that wait. Few: each has a fingerprint of its own, and the cap has
/// let it out.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    fingerprint: Fingerprint,
    alert: Alert,
    /// When it was first asked whether it has waited long enough, by the clock
    /// of whoever asks: the log's own may be hours off. NaN before.
    since: f64,
}

impl Gathering {
    /// Lets an alert wait.
    pub(super) fn hold(&mut self, fingerprint: Fingerprint, alert: Alert) {
        self.held.push(Held {
            fingerprint,
            alert,
            since: f64::NAN,
        });
    }

    /// Adds a rank to the alert that waits, if there is one that says as much.
    pub(super) fn join(&mut self, fingerprint: Fingerprint, rank: u32, severity: Severity) -> bool {
        let says_it =
            |held: &&mut Held| held.fingerprint == fingerprint && held.alert.severity >= severity;
        let Some(held) = self.held.iter_mut().find(says_it) else {
            return false;
        };
        held.alert.count += 1;
        if let Err(at) = held.alert.ranks.binary_search(&rank) {
            held.alert.ranks.insert(at, rank);
        }
        true
    }

    /// Lets the alert of a fingerprint go: something else is said about it.
    pub(super) fn settle(&mut self, fingerprint: Fingerprint, out: &mut Vec<Alert>) {
        self.release_if(|held| held.fingerprint == fingerprint, out);
    }

    /// Lets go what waits in a run: something else is said about it, and what
    /// happened first is told first.
    pub(super) fn release_run(&mut self, run: &Run, out: &mut Vec<Alert>) {
        let is_of =
            |held: &Held| *held.alert.run == *run.run && *held.alert.project == *run.project;
        self.release_if(is_of, out);
    }

    /// Lets go what has waited long enough: by time, or by the line that was
    /// read last.
    pub(super) fn release(&mut self, now: f64, line: Option<u64>, out: &mut Vec<Alert>) {
        for held in self.held.iter_mut().filter(|held| held.since.is_nan()) {
            held.since = now;
        }
        let due = |held: &Held| {
            let place = held.alert.location.as_ref();
            let lines = line
                .zip(place)
                .map(|(line, place)| line.saturating_sub(place.line));
            now - held.since >= SECONDS || lines.is_some_and(|lines| lines >= LINES)
        };
        self.release_if(due, out);
    }

    /// Lets everything go.
    pub(super) fn release_all(&mut self, out: &mut Vec<Alert>) {
        self.release_if(|_| true, out);
    }

    fn release_if(&mut self, due: impl Fn(&Held) -> bool, out: &mut Vec<Alert>) {
        if self.held.is_empty() {
            return;
        }
        let (ready, waiting) = std::mem::take(&mut self.held).into_iter().partition(due);
        self.held = waiting;
        out.extend(Vec::into_iter(ready).map(|held: Held| told(held.alert)));
    }
}

/// Says in the message which other ranks there are.
fn told(mut alert: Alert) -> Alert {
    let others: Vec<u32> = alert
        .ranks
        .iter()
        .copied()
        .filter(|it| Some(*it) != alert.rank)
        .collect();
    if !others.is_empty() {
        let noun = if others.len() == 1 { "rank" } else { "ranks" };
        alert.message = format!("{} Also on {noun} {}.", alert.message, spans(&others));
    }
    alert
}
