//! The way through the house: rows in, alerts out.
//!
//! A [`Pipeline`] owns everything behind the decoder. Its caller decodes and
//! hands over segments; whoever has sinks takes the alerts.

use std::sync::Arc;

use crate::alert::{Alert, Finding, Severity, State};
use crate::decode::Interests;
use crate::detect::{Account, Detect, Event, Failure, Next, What};
use crate::judge::{Episodes, HOST_DETECTOR, Judge, Seen, Suppressed};
use crate::ledger::Muted;
use crate::recent::Tails;
use crate::record::{NO_RANK, Run, RunBatch, RunId, Segment};

/// Rows that are worth a segment of their own: enough that a call of a detector
/// costs nothing per row, few enough to stay in the processor's cache.
pub const SEGMENT_ROWS: u32 = 8192;

/// Detection and judgement of one stream.
pub struct Pipeline {
    detect: Detect,
    judge: Judge,
    /// The last row of each run.
    ends: Vec<Option<End>>,
    runs: Arc<Vec<Run>>,
    input: Arc<str>,
    /// How metrics came where they are.
    tails: Tails,
    /// By detector; those without a fault may be missing at the end.
    faults: Vec<Faults>,
}

/// The faults of one detector.
#[derive(Clone, Default)]
struct Faults {
    count: u64,
    last: Option<String>,
    quarantined: bool,
}

#[derive(Clone, Copy)]
struct End {
    step: i64,
    time: f64,
}

impl Pipeline {
    /// A pipeline at the beginning of a stream.
    #[must_use]
    pub fn new(detect: Detect, judge: Judge) -> Self {
        Self {
            detect,
            judge,
            ends: Vec::new(),
            runs: Arc::default(),
            input: "".into(),
            tails: Tails::default(),
            faults: Vec::new(),
        }
    }

    /// What the detectors want to be told, for the decoder.
    #[must_use]
    pub fn interests(&self) -> Arc<Interests> {
        self.detect.interests()
    }

    /// The names of the detectors at work.
    #[must_use]
    pub fn detectors(&self) -> &[Arc<str>] {
        self.detect.names()
    }

    /// From now on numbers episodes after those of earlier watches; see
    /// [`Judge::number_after`].
    pub fn number_after(&mut self, earlier: Episodes) {
        self.judge.number_after(earlier);
    }

    /// From now on remembers what was suppressed, for [`Pipeline::take_muted`].
    pub fn keep_muted(&mut self) {
        self.judge.keep_muted();
    }

    /// What was suppressed since the last time.
    pub fn take_muted(&mut self) -> Vec<Muted> {
        self.judge.take_muted()
    }

    /// The runs seen so far.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The furthest step of all runs.
    #[must_use]
    pub fn last_step(&self) -> Option<i64> {
        self.ends.iter().flatten().map(|end| end.step).max()
    }

    /// What was suppressed so far.
    #[must_use]
    pub fn suppressed(&self) -> Suppressed {
        self.judge.suppressed()
    }

    /// Whether a detector was put aside, so that alerts may be missing.
    #[must_use]
    pub fn quarantined(&self) -> bool {
        self.faults.iter().any(|faults| faults.quarantined)
    }

    /// Faults of all detectors.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.faults.iter().map(|faults| faults.count).sum()
    }

    /// What each detector has done so far and how it stands, in order; those of
    /// one name, such as rules, taken together.
    #[must_use]
    pub fn accounts(&self) -> Vec<Account> {
        let mut accounts: Vec<Account> = Vec::new();
        for (number, account) in self.detect.accounts().into_iter().enumerate() {
            let faults = self.faults.get(number).cloned().unwrap_or_default();
            let account = Account {
                faults: faults.count,
                last_fault: faults.last,
                quarantined: faults.quarantined,
                ..account
            };
            match accounts.iter_mut().find(|it| it.name == account.name) {
                Some(same) => same.add(account),
                None => accounts.push(account),
            }
        }
        accounts
    }

    /// Hands over a segment, and gives back the one before it for its memory.
    /// Alerts of that earlier one are appended to `alerts`.
    pub fn submit(&mut self, segment: Segment, alerts: &mut Vec<Alert>) -> Option<Segment> {
        let done = self.collect(alerts);
        self.detect.submit(segment);
        done
    }

    /// Waits for the segment submitted last, appends its alerts, and gives it back.
    pub fn collect(&mut self, alerts: &mut Vec<Alert>) -> Option<Segment> {
        let (segment, events) = self.detect.collect()?;
        self.judge_segment(&segment, events, alerts);
        Arc::into_inner(segment)
    }

    /// Lets time pass.
    pub fn tick(&mut self, now: f64, alerts: &mut Vec<Alert>) {
        for event in self.detect.tick(now) {
            self.without_row(event, now, alerts);
        }
        self.judge.release(now, None, alerts);
    }

    /// Ends every run: the stream is over.
    pub fn finish(&mut self, outcome: &'static str, alerts: &mut Vec<Alert>) {
        self.collect(alerts);
        for event in self.detect.finish(outcome) {
            self.without_row(event, f64::NAN, alerts);
        }
        self.judge.release_all(alerts);
        for (run, end) in self.ends.iter().enumerate() {
            if let Some(end) = end {
                self.judge
                    .finish(run as RunId, Some(end.step), end.time, alerts);
            }
        }
    }

    fn judge_segment(&mut self, segment: &Segment, events: Vec<Event>, alerts: &mut Vec<Alert>) {
        self.runs = segment.runs.clone();
        self.input = segment.input.clone();
        self.ends.resize(self.runs.len(), None);
        let mut walk = Walk::new(segment);
        let mut batch_of = vec![
            None;
            if events.is_empty() {
                0
            } else {
                segment.runs.len()
            }
        ];
        for (at, batch) in segment.batches.iter().enumerate() {
            if let Some(slot) = batch_of.get_mut(batch.run as usize) {
                *slot = Some(at);
            }
        }
        for event in events {
            walk.until(event.order, &mut self.judge, alerts);
            let batch = batch_of[event.run as usize].map(|at| &segment.batches[at]);
            let (told, row) = (alerts.len(), event.row);
            self.event(event, batch, alerts);
            if let (Some(batch), Some(row)) = (batch, row) {
                let step = batch.steps.get(row as usize).copied();
                // Those that waited for other ranks are of an earlier row.
                for alert in alerts[told..].iter_mut().filter(|it| it.step == step) {
                    alert.recent = self.tails.of(alert, &segment.metrics, batch, row);
                }
            }
        }
        walk.until(u32::MAX, &mut self.judge, alerts);
        for batch in &segment.batches {
            self.tails.keep(batch);
            if let (Some(&step), Some(&time)) = (batch.steps.last(), batch.times.last()) {
                self.ends[batch.run as usize] = Some(End { step, time });
            }
        }
        let lines = segment
            .batches
            .iter()
            .filter_map(|batch| batch.places.last());
        let line = lines.map(|place| place.line).max();
        self.judge.release(segment.now, line, alerts);
    }

    fn event(&mut self, event: Event, batch: Option<&RunBatch>, alerts: &mut Vec<Alert>) {
        let row = event.row.and_then(|row| Some((batch?, row as usize)));
        let name = self.detect.name(event.detector).clone();
        let (detector, finding) = match event.what {
            What::Found(finding) => (name.as_ref(), finding),
            What::Failed(failure) => {
                self.count_fault(event.detector, &failure);
                (HOST_DETECTOR, fault_finding(&name, &failure))
            }
        };
        let Some(run) = self.runs.get(event.run as usize) else {
            return;
        };
        let seen = Seen {
            run,
            run_id: event.run,
            detector,
            rank: row
                .map(|(batch, row)| batch.ranks[row])
                .filter(|&rank| rank != NO_RANK),
            step: row.map(|(batch, row)| batch.steps[row]),
            time: row.map_or(f64::NAN, |(batch, row)| batch.times[row]),
            input: &self.input,
            line: row.map(|(batch, row)| batch.places[row].line),
        };
        self.judge.finding(&seen, finding, alerts);
    }

    fn without_row(&mut self, event: Event, now: f64, alerts: &mut Vec<Alert>) {
        let name = self.detect.name(event.detector).clone();
        let (detector, finding) = match event.what {
            What::Found(finding) => (name.as_ref(), finding),
            What::Failed(failure) => {
                self.count_fault(event.detector, &failure);
                (HOST_DETECTOR, fault_finding(&name, &failure))
            }
        };
        let Some(run) = self.runs.get(event.run as usize) else {
            return;
        };
        let end = self.ends.get(event.run as usize).copied().flatten();
        let seen = Seen {
            run,
            run_id: event.run,
            detector,
            rank: None,
            step: end.map(|end| end.step),
            time: if now.is_nan() {
                end.map_or(f64::NAN, |end| end.time)
            } else {
                now
            },
            input: &self.input,
            line: None,
        };
        self.judge.finding(&seen, finding, alerts);
    }

    fn count_fault(&mut self, detector: usize, failure: &Failure) {
        if self.faults.len() <= detector {
            self.faults.resize(detector + 1, Faults::default());
        }
        if let Some(faults) = self.faults.get_mut(detector) {
            let (fault, kind) = (&failure.fault, failure.fault.kind.name());
            faults.count += 1;
            faults.last = Some(format!("{}: {} ({kind})", fault.call, fault.message));
            faults.quarantined |= failure.next != Next::Restarted;
        }
    }
}

/// Tells the judge of the rows between findings, in the order of the input.
struct Walk<'a> {
    segment: &'a Segment,
    /// By batch: the next row.
    next: Vec<usize>,
    found: Vec<(usize, Alert)>,
}

impl<'a> Walk<'a> {
    fn new(segment: &'a Segment) -> Self {
        Self {
            segment,
            next: vec![0; segment.batches.len()],
            found: Vec::new(),
        }
    }

    /// Tells the judge of the rows before position `order`.
    fn until(&mut self, order: u32, judge: &mut Judge, alerts: &mut Vec<Alert>) {
        let mut found: Vec<(u32, Alert)> = Vec::new();
        for (batch, next) in self.segment.batches.iter().zip(&mut self.next) {
            if batch
                .places
                .get(*next)
                .is_none_or(|place| place.order >= order)
            {
                continue;
            }
            let from = *next;
            *next = from + batch.places[from..].partition_point(|place| place.order < order);
            if judge.pending(batch.run) {
                let rows = from..*next;
                judge.progress_rows(
                    batch.run,
                    &batch.steps[rows.clone()],
                    &batch.times[rows.clone()],
                    &batch.ranks[rows],
                    &mut self.found,
                );
                let place = |row: usize| batch.places[from + row].order;
                found.extend(self.found.drain(..).map(|(row, alert)| (place(row), alert)));
            }
        }
        found.sort_by_key(|(order, _)| *order);
        alerts.extend(found.into_iter().map(|(_, alert)| alert));
    }
}

/// The host's own alert about a detector that failed.
fn fault_finding(name: &str, failure: &Failure) -> Finding {
    let fault = &failure.fault;
    let steps = match failure.steps {
        Some((first, last)) if first == last => format!(" at step {first}"),
        Some((first, last)) => format!(" at steps {first} to {last}"),
        None => String::new(),
    };
    let mut message = format!(
        "The detector `{name}` failed in `{}`{steps}: {} ({}).",
        fault.call,
        fault.message,
        fault.kind.name()
    );
    if !fault.output.is_empty() {
        message.push_str(" It said: ");
        message.push_str(&fault.output.join(" / "));
        message.push('.');
    }
    if !fault.frames.is_empty() {
        message.push_str(" In: ");
        message.push_str(&fault.frames.join(" < "));
        message.push('.');
    }
    let (key, title, next) = match failure.next {
        Next::Restarted => (
            "detector-fault",
            "failed",
            "It was started again with the state it had saved last; the others go on undisturbed.",
        ),
        Next::Quarantined => (
            "detector-quarantined",
            "failed too often and is switched off",
            "It stays off for this run until runwatch is started again; the others go on undisturbed.",
        ),
        Next::Refused => (
            "detector-refused",
            "refuses to watch this run",
            "The run goes on without it.",
        ),
    };
    message.push(' ');
    message.push_str(next);
    if let Some(file) = &failure.file {
        message.push_str(&format!(
            " What it was shown is kept: `runwatch detector replay {file}` shows it again."
        ));
    }
    Finding {
        key: format!("{key}/{name}"),
        severity: Severity::Warning,
        state: State::Firing,
        title: format!("Detector {name} {title}"),
        message,
        recommendation: fault.kind.advice().to_owned(),
        values: Vec::new(),
        halt: None,
        gather: false,
        route: None,
    }
}
