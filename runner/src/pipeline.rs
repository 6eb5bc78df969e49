//! The way through the house: rows in, alerts out.
//!
//! A [`Pipeline`] owns everything behind the decoder. Its caller decodes and
//! hands over segments; whoever has sinks takes the alerts.

mod unmatched;
mod walk;
mod words;

use std::sync::Arc;

use rustc_hash::FxHashMap;

use self::unmatched::Unmatched;
use self::walk::Walk;
use self::words::{back_finding, behind_finding, caught_up_finding, fault_finding, replaced};
use crate::alert::{Alert, Finding};
use crate::decode::Interests;
use crate::detect::{Account, Detect, Event, Failure, Late, Next, What};
use crate::judge::{Episodes, HOST_DETECTOR, Judge, Seen, Suppressed};
use crate::ledger::Muted;
use crate::recent::Tails;
use crate::record::{NO_RANK, Run, RunBatch, RunId, Segment};
use crate::reload::{Change, Changes};

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
    /// By detector, how far those are that nobody waits for.
    behind: FxHashMap<usize, Behind>,
    /// Own detectors that were changed, as they become ready.
    changes: Option<Changes>,
    unmatched: Unmatched,
    /// What is to be said besides alerts.
    notes: Vec<String>,
}

/// How far a detector is that nobody waits for: what comes of its rows is told
/// as of there.
#[derive(Default)]
struct Behind {
    ends: Vec<Option<End>>,
    tails: Tails,
}

/// The faults of one detector.
#[derive(Clone, Default)]
struct Faults {
    count: u64,
    last: Option<String>,
    quarantined: bool,
    /// The runs that go on without it, and what was said of each.
    without: Vec<(RunId, Next)>,
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
            unmatched: Unmatched::new(&detect),
            changes: None,
            detect,
            judge,
            ends: Vec::new(),
            runs: Arc::default(),
            input: "".into(),
            tails: Tails::default(),
            faults: Vec::new(),
            behind: FxHashMap::default(),
            notes: Vec::new(),
        }
    }

    /// What the detectors want to be told, for the decoder.
    #[must_use]
    pub fn interests(&self) -> Arc<Interests> {
        self.detect.interests()
    }

    /// From now on takes over own detectors that were changed: see
    /// [`Pipeline::renew`].
    pub fn follow(&mut self, changes: Changes) {
        self.changes = Some(changes);
    }

    /// Takes over own detectors that were changed and are ready. Call between
    /// segments. True if the detectors want to be told other things from now on,
    /// so that the decoder has to know: see [`Pipeline::interests`].
    pub fn renew(&mut self) -> bool {
        let mut renewed = false;
        while let Some(change) = self.changes.as_ref().and_then(Changes::next) {
            match change {
                Change::Note(note) => self.notes.push(note),
                Change::Ready(new) => {
                    let number = new.number;
                    if self.detect.replace(*new) {
                        self.unmatched.again(number, &self.detect);
                        renewed = true;
                    }
                }
            }
        }
        renewed
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
        self.notes
            .extend(self.unmatched.see(&segment, &self.detect));
        self.detect.submit(segment);
        done
    }

    /// Waits for the segment submitted last, appends its alerts, and gives it back.
    pub fn collect(&mut self, alerts: &mut Vec<Alert>) -> Option<Segment> {
        let (segment, events) = self.detect.collect()?;
        self.judge_segment(&segment, events, alerts);
        self.look(alerts);
        Arc::into_inner(segment)
    }

    /// Appends the alerts of detectors of the user's own, for which live nobody
    /// waits.
    pub fn look(&mut self, alerts: &mut Vec<Alert>) {
        for late in self.detect.late() {
            self.late(late, alerts);
        }
    }

    /// Whether [`Pipeline::look`] may soon find something.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.detect.is_busy()
    }

    /// What is to be said besides alerts since the last time.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Lets time pass.
    pub fn tick(&mut self, now: f64, alerts: &mut Vec<Alert>) {
        for event in self.detect.tick(now) {
            self.without_row(event, now, alerts);
        }
        self.judge.release(now, None, alerts);
        self.look(alerts);
    }

    /// Ends every run: the stream is over.
    pub fn finish(&mut self, outcome: &'static str, alerts: &mut Vec<Alert>) {
        self.collect(alerts);
        self.notes.extend(self.unmatched.end(&self.detect));
        let ending = self.detect.finish(outcome);
        self.look(alerts);
        for event in ending {
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
        let batches = by_run(segment, events.is_empty());
        for event in events {
            walk.until(event.order, &mut self.judge, alerts);
            let batch = batches.get(event.run as usize).copied().flatten();
            self.in_segment(event, segment, batch, None, alerts);
        }
        walk.until(u32::MAX, &mut self.judge, alerts);
        go_on(segment, &mut self.ends, &mut self.tails);
        let lines = segment
            .batches
            .iter()
            .filter_map(|batch| batch.places.last());
        let line = lines.map(|place| place.line).max();
        self.judge.release(segment.now, line, alerts);
    }

    /// Judges what came of a segment. `of` is the detector for which nobody
    /// waited.
    fn in_segment(
        &mut self,
        event: Event,
        segment: &Segment,
        batch: Option<&RunBatch>,
        of: Option<usize>,
        alerts: &mut Vec<Alert>,
    ) {
        let (told, row) = (alerts.len(), event.row);
        self.event(event, &segment.input, batch, alerts);
        let tails = of.map_or(Some(&self.tails), |of| Some(&self.behind.get(&of)?.tails));
        if let (Some(batch), Some(row), Some(tails)) = (batch, row, tails) {
            let step = batch.steps.get(row as usize).copied();
            // Those that waited for other ranks are of an earlier row.
            for alert in alerts[told..].iter_mut().filter(|it| it.step == step) {
                alert.recent = tails.of(alert, &segment.metrics, batch, row);
            }
        }
    }

    /// Judges what a detector has to say for which nobody waited.
    fn late(&mut self, late: Late, alerts: &mut Vec<Alert>) {
        match late {
            Late::Rows {
                detector,
                segment,
                events,
            } => {
                self.behind.entry(detector).or_default();
                let batches = by_run(&segment, events.is_empty());
                for event in events {
                    let batch = batches.get(event.run as usize).copied().flatten();
                    self.in_segment(event, &segment, batch, Some(detector), alerts);
                }
                let behind = self.behind.entry(detector).or_default();
                behind.ends.resize(segment.runs.len(), None);
                go_on(&segment, &mut behind.ends, &mut behind.tails);
            }
            Late::Time {
                detector,
                now,
                events,
            } => {
                for event in events {
                    let end = self.behind.get(&detector);
                    let end = end.and_then(|it| *it.ends.get(event.run as usize)?);
                    self.at(event, now, end, alerts);
                }
            }
            Late::Replaced {
                detector,
                from,
                to,
                events,
            } => {
                let name = self.detect.name(detector).clone();
                self.notes.push(replaced(&name, &from, &to));
                let back = self.forgive(detector);
                for event in back.into_iter().chain(events) {
                    self.without_row(event, f64::NAN, alerts);
                }
            }
            Late::Pace(event) => self.without_row(event, f64::NAN, alerts),
        }
    }

    /// What went wrong with a detector is over: another one works in its place,
    /// also in the runs that went on without it.
    fn forgive(&mut self, detector: usize) -> Vec<Event> {
        let Some(faults) = self.faults.get_mut(detector) else {
            return Vec::new();
        };
        (faults.last, faults.quarantined) = (None, false);
        let back = |(run, next)| Event {
            run,
            detector,
            order: u32::MAX,
            row: None,
            what: What::Back(next),
        };
        faults.without.drain(..).map(back).collect()
    }

    fn event(
        &mut self,
        event: Event,
        input: &Arc<str>,
        batch: Option<&RunBatch>,
        alerts: &mut Vec<Alert>,
    ) {
        let row = event.row.and_then(|row| Some((batch?, row as usize)));
        let name = self.detect.name(event.detector).clone();
        let (run_id, (detector, finding)) = (event.run, self.finding(&name, event));
        let Some(run) = self.runs.get(run_id as usize) else {
            return;
        };
        let seen = Seen {
            run,
            run_id,
            detector,
            rank: row
                .map(|(batch, row)| batch.ranks[row])
                .filter(|&rank| rank != NO_RANK),
            step: row.map(|(batch, row)| batch.steps[row]),
            time: row.map_or(f64::NAN, |(batch, row)| batch.times[row]),
            input,
            line: row.map(|(batch, row)| batch.places[row].line),
        };
        self.judge.finding(&seen, finding, alerts);
    }

    /// What it comes to, and who says it: of a detector's troubles we speak
    /// ourselves.
    fn finding<'a>(
        &mut self,
        name: &'a str,
        Event {
            detector: number,
            run,
            what,
            ..
        }: Event,
    ) -> (&'a str, Finding) {
        match what {
            What::Found(finding) => (name, finding),
            What::Failed(failure) => {
                self.count_fault(number, run, &failure);
                (HOST_DETECTOR, fault_finding(name, &failure))
            }
            What::Behind(rows) => (HOST_DETECTOR, behind_finding(name, rows)),
            What::CaughtUp(rows) => (HOST_DETECTOR, caught_up_finding(name, rows)),
            What::Back(next) => (HOST_DETECTOR, back_finding(name, next)),
        }
    }

    fn without_row(&mut self, event: Event, now: f64, alerts: &mut Vec<Alert>) {
        let end = self.ends.get(event.run as usize).copied().flatten();
        self.at(event, now, end, alerts);
    }

    /// Judges what belongs to no row, after this end.
    fn at(&mut self, event: Event, now: f64, end: Option<End>, alerts: &mut Vec<Alert>) {
        let name = self.detect.name(event.detector).clone();
        let (run_id, (detector, finding)) = (event.run, self.finding(&name, event));
        let Some(run) = self.runs.get(run_id as usize) else {
            return;
        };
        let seen = Seen {
            run,
            run_id,
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

    fn count_fault(&mut self, detector: usize, run: RunId, failure: &Failure) {
        if self.faults.len() <= detector {
            self.faults.resize(detector + 1, Faults::default());
        }
        if let Some(faults) = self.faults.get_mut(detector) {
            let (fault, kind) = (&failure.fault, failure.fault.kind.name());
            faults.count += 1;
            faults.last = Some(format!("{}: {} ({kind})", fault.call, fault.message));
            if failure.next != Next::Restarted {
                faults.quarantined = true;
                faults.without.push((run, failure.next));
            }
        }
    }
}

/// The batch of each run of a segment, unless nobody asks.
fn by_run(segment: &Segment, nobody_asks: bool) -> Vec<Option<&RunBatch>> {
    if nobody_asks {
        return Vec::new();
    }
    let mut batches = vec![None; segment.runs.len()];
    for batch in &segment.batches {
        if let Some(place) = batches.get_mut(batch.run as usize) {
            *place = Some(batch);
        }
    }
    batches
}

/// Remembers where the runs are after a segment, and how they came there.
fn go_on(segment: &Segment, ends: &mut [Option<End>], tails: &mut Tails) {
    for batch in &segment.batches {
        tails.keep(batch);
        if let (Some(&step), Some(&time)) = (batch.steps.last(), batch.times.last())
            && let Some(end) = ends.get_mut(batch.run as usize)
        {
            *end = Some(End { step, time });
        }
    }
}
