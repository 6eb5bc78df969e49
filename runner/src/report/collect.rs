//! What a review sees, collected while it runs, in bounded memory.

use rustc_hash::FxHashMap;

use super::collected::Collected;
use super::room::{Missing, Room};
use super::track::Track;
use super::{Detector, Exception, Report, Run, Skipped};
use crate::alert::{Alert, Severity, State};
use crate::ledger::Muted;
use crate::ledger::history::Point;
use crate::record::{self, HISTORY, RunBatch, RunId, Segment, Text, Value, known_rank};
use crate::view::{self, Counts};

/// Values of one metric that are shown.
const POINTS: usize = 4000;
/// Values of all metrics that are shown: a page of them has some 10 MB.
const ALL_POINTS: usize = 240_000;
/// A chart of fewer values is none.
const LEAST_POINTS: usize = 32;
/// Metrics that are shown, of all runs together.
const TRACKS: usize = ALL_POINTS / LEAST_POINTS;
/// Runs that are shown with their metrics: the first ones.
const CHARTED: usize = 100;
/// Runs that are shown: those, and others with alerts.
const RUNS: usize = 1000;
/// Alerts that are shown, and criticals beyond them.
const ALERTS: usize = 5000;
/// Inputs that are shown, and beyond them those of which not all was read.
const INPUTS: usize = 1000;
/// Exceptions that are shown, and those of one run.
const EXCEPTIONS: usize = 200;
const EXCEPTIONS_OF_RUN: usize = 20;

/// Takes what a review reads and finds, and makes a [`Report`] of it.
#[derive(Debug)]
pub struct Collector {
    /// By [`RunId`]; none: nothing came of it yet.
    runs: Vec<Option<Collected>>,
    by_name: FxHashMap<record::Run, RunId>,
    charted: usize,
    tracks: usize,
    /// How many values each metric may have, and what it was when all were
    /// thinned last.
    limit: usize,
    thinned_to: usize,
    alerts: Room<(RunId, Alert)>,
    skipped: Room<Skipped>,
    exceptions: Room<(RunId, Exception)>,
}

impl Default for Collector {
    fn default() -> Self {
        Self {
            runs: Vec::new(),
            by_name: FxHashMap::default(),
            charted: 0,
            tracks: 0,
            limit: POINTS,
            thinned_to: POINTS,
            alerts: Room::new(ALERTS),
            skipped: Room::new(INPUTS),
            exceptions: Room::new(EXCEPTIONS),
        }
    }
}

impl Collector {
    /// Takes a stretch of input. Metrics and exceptions are in it if the
    /// decoder was asked for them,
    /// see [`Interests::with_report`](crate::decode::Interests::with_report).
    pub fn segment(&mut self, segment: &Segment) {
        for batch in &segment.batches {
            self.batch(segment, batch);
        }
    }

    fn batch(&mut self, segment: &Segment, batch: &RunBatch) {
        let id = batch.run as usize;
        let Some(name) = segment.runs.get(id) else {
            return;
        };
        if self.runs.len() <= id {
            self.runs.resize_with(id + 1, || None);
        }
        let Some(slot) = self.runs.get_mut(id) else {
            return;
        };
        let run = slot.get_or_insert_with(|| {
            self.by_name.insert(name.clone(), batch.run);
            let charted = self.charted < CHARTED;
            self.charted += usize::from(charted);
            Collected::new(charted)
        });
        run.rows(batch);
        run.input(&segment.input);
        for value in batch.values.iter().filter(|it| it.mask & HISTORY != 0) {
            let may_begin = self.tracks < TRACKS;
            let (track, begun) = match run.track(value.metric, &segment.metrics, may_begin) {
                Some(found) => found,
                None => {
                    run.other(value.metric);
                    continue;
                }
            };
            push(track, batch, value, self.limit);
            if begun {
                self.tracks += 1;
                self.limit = (ALL_POINTS / self.tracks).min(POINTS);
            }
        }
        for text in &batch.texts {
            if text.kind != "exception" || text.mask & HISTORY == 0 {
                continue;
            }
            // The later ones of many say little.
            run.exceptions += 1;
            if run.exceptions > EXCEPTIONS_OF_RUN {
                self.exceptions.left_out += 1;
                continue;
            }
            let exception = exception(segment, batch, text);
            self.exceptions.push((batch.run, exception), false);
        }
        self.make_room();
    }

    /// Thins what came before there were so many metrics.
    fn make_room(&mut self) {
        if self.limit > self.thinned_to / 2 {
            return;
        }
        self.thinned_to = self.limit;
        for run in self.runs.iter_mut().flatten() {
            for track in &mut run.tracks {
                track.thin(self.limit);
            }
        }
    }

    /// Takes alerts, in order.
    pub fn alerts(&mut self, alerts: &[Alert]) {
        for alert in alerts {
            let Some(id) = self.id(&alert.project, &alert.run) else {
                continue;
            };
            if let Some(run) = self.run(id) {
                let counts = &mut run.counts;
                *match (alert.state, alert.severity) {
                    (State::Resolved, _) => &mut counts.resolved,
                    (State::Firing, Severity::Critical) => &mut counts.critical,
                    (State::Firing, Severity::Warning) => &mut counts.warning,
                    (State::Firing, Severity::Info) => &mut counts.info,
                } += 1;
            }
            let critical = alert.severity == Severity::Critical;
            self.alerts.push((id, alert.clone()), critical);
        }
    }

    /// Takes what was suppressed.
    pub fn muted(&mut self, muted: &[Muted]) {
        for muted in muted {
            let id = self.id(&muted.project, &muted.run);
            if let Some(run) = id.and_then(|id| self.run(id)) {
                run.muted += muted.count;
            }
        }
    }

    /// Takes what became of an input.
    pub fn input(&mut self, skipped: Skipped) {
        let important = !skipped.is_whole();
        self.skipped.push(skipped, important);
    }

    fn id(&self, project: &str, run: &str) -> Option<RunId> {
        let name = record::Run {
            project: project.into(),
            run: run.into(),
        };
        self.by_name.get(&name).copied()
    }

    fn run(&mut self, id: RunId) -> Option<&mut Collected> {
        self.runs.get_mut(id as usize)?.as_mut()
    }

    /// The report. `detectors` were at work; `files` were left out by their names.
    #[must_use]
    pub fn finish(mut self, detectors: Vec<Detector>, files: u64) -> Report {
        let mut missing = Missing {
            files,
            inputs: self.skipped.left_out,
            alerts: self.alerts.left_out,
            exceptions: self.exceptions.left_out,
            ..Missing::default()
        };
        let (mut runs, places) = self.take_runs(&mut missing);
        let place = |id: RunId| places.get(id as usize).copied().flatten();
        for (seq, (id, alert)) in (0..).zip(self.alerts.items) {
            match place(id).and_then(|at| runs.get_mut(at)) {
                Some(run) => run.alerts.push(view::Alert {
                    alert,
                    seq,
                    made: None,
                    acknowledged: None,
                }),
                None => missing.alerts += 1,
            }
        }
        for (id, exception) in self.exceptions.items {
            match place(id).and_then(|at| runs.get_mut(at)) {
                Some(run) => run.exceptions.push(exception),
                None => missing.exceptions += 1,
            }
        }
        Report {
            runs,
            skipped: self.skipped.items,
            detectors,
            left_out: missing.sentences(),
        }
    }

    /// The runs that are shown, and by [`RunId`] their places among them.
    fn take_runs(&mut self, missing: &mut Missing) -> (Vec<Run>, Vec<Option<usize>>) {
        let mut names: Vec<Option<&record::Run>> = vec![None; self.runs.len()];
        for (name, id) in &self.by_name {
            if let Some(slot) = names.get_mut(*id as usize) {
                *slot = Some(name);
            }
        }
        let mut runs = Vec::new();
        let mut places = Vec::new();
        for (run, name) in std::mem::take(&mut self.runs).into_iter().zip(names) {
            let (Some(run), Some(name)) = (run, name) else {
                places.push(None);
                continue;
            };
            let told = run.counts != Counts::default();
            if !run.charted && (!told || runs.len() >= RUNS) {
                missing.runs += 1;
                places.push(None);
                continue;
            }
            missing.charts += u64::from(!run.charted);
            if run.charted {
                missing.metrics += run.others();
            }
            places.push(Some(runs.len()));
            runs.push(run.finish(name, self.limit));
        }
        (runs, places)
    }
}

#[inline]
fn push(track: &mut Track, batch: &RunBatch, value: &Value, limit: usize) {
    let row = value.row as usize;
    let (steps, times, ranks) = (&batch.steps, &batch.times, &batch.ranks);
    if let (Some(&step), Some(&time), Some(&rank)) =
        (steps.get(row), times.get(row), ranks.get(row))
    {
        let value = value.value;
        let point = Point {
            step,
            time,
            rank,
            value,
        };
        track.push(point, limit);
    }
}

fn exception(segment: &Segment, batch: &RunBatch, text: &Text) -> Exception {
    let row = text.row as usize;
    let mut fields = text.fields.iter();
    Exception {
        rank: batch.ranks.get(row).copied().and_then(known_rank),
        step: batch.steps.get(row).copied(),
        line: batch.places.get(row).map(|place| place.line),
        input: segment.input.to_string(),
        name: text.name.clone(),
        message: text.content.clone(),
        traceback: fields
            .find(|(name, _)| name == "traceback")
            .map(|(_, text)| text.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{alert, segment};
    use super::*;

    /// A segment of this run, which is number `id`.
    fn of(id: u32, runs: u32, metrics: u32, rows: u32) -> Segment {
        let mut segment = segment("x", 0);
        let name = |number: u32| record::Run {
            project: "default".into(),
            run: format!("run{number}").into(),
        };
        let metric = |number: u32| record::Metric {
            name: format!("m{number}").into(),
            source: format!("m{number}").into(),
        };
        segment.runs = (0..runs).map(name).collect::<Vec<_>>().into();
        segment.metrics = (0..metrics).map(metric).collect::<Vec<_>>().into();
        let mut batch = RunBatch {
            run: id,
            ..RunBatch::default()
        };
        let mut order = 0;
        for row in 0..rows {
            batch.push(row.into(), 1.7e9 + f64::from(row), 0, 1, &mut order);
            for metric in 0..metrics {
                let value = f64::from(row);
                let mask = HISTORY;
                batch.values.push(Value {
                    metric,
                    row,
                    value,
                    mask,
                });
            }
        }
        segment.batches = vec![batch];
        segment
    }

    fn alert_of(run: u32, severity: Severity) -> Alert {
        Alert {
            severity,
            ..alert(&format!("run{run}"))
        }
    }

    fn kept(collector: &Collector) -> usize {
        let runs = collector.runs.iter().flatten();
        runs.flat_map(|run| &run.tracks).map(Track::len).sum()
    }

    #[test]
    fn points_are_bounded_whatever_the_number_of_metrics() {
        let mut collector = Collector::default();
        for run in 0..45 {
            collector.segment(&of(run, 45, 60, 150));
            collector.segment(&of(run, 45, 60, 150));
            assert!(kept(&collector) <= 5 * ALL_POINTS, "{}", kept(&collector));
        }
        let report = collector.finish(Vec::new(), 0);
        assert_eq!(report.left_out, [""; 0]);
        let series = report.runs.iter().flat_map(|run| &run.series);
        let points: usize = series.map(|series| series.values.len()).sum();
        assert!(points <= ALL_POINTS + 2 * 45 * 60, "{points}");
        assert!(points >= ALL_POINTS / 4, "{points}");
        assert!(report.runs.iter().all(|run| run.row.metrics == 60));
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let mut collector = Collector::default();
        for run in 0..300 {
            collector.segment(&of(run, 300, 80, 2));
        }
        // A run with an alert is shown, however late it comes.
        collector.alerts(&[alert_of(250, Severity::Info)]);
        let report = collector.finish(Vec::new(), 2);
        assert_eq!(report.runs.len(), 101);
        let last = report.runs.last();
        assert_eq!(last.map(|run| run.row.run.as_str()), Some("run250"));
        assert_eq!(
            last.map(|run| (run.alerts.len(), run.series.len())),
            Some((1, 0))
        );
        assert_eq!(last.map(|run| run.row.metrics), Some(80));
        assert_eq!(
            report.left_out,
            [
                "199 runs",
                "1 run's metrics",
                "500 metrics",
                "2 files that are hidden, or no logs by the name"
            ]
        );
    }

    #[test]
    fn criticals_have_room_of_their_own() {
        let mut collector = Collector::default();
        collector.segment(&of(0, 1, 1, 1));
        for _ in 0..ALERTS + 10 {
            collector.alerts(&[alert_of(0, Severity::Warning)]);
        }
        for _ in 0..10 {
            collector.alerts(&[alert_of(0, Severity::Critical)]);
        }
        let report = collector.finish(Vec::new(), 0);
        assert_eq!(report.left_out, ["10 alerts"]);
        let run = report.runs.first();
        let of = |severity| {
            let alerts = run.iter().flat_map(|run| &run.alerts);
            alerts.filter(|it| it.alert.severity == severity).count()
        };
        assert_eq!(
            (of(Severity::Warning), of(Severity::Critical)),
            (ALERTS, 10)
        );
        let counts = run.map(|run| run.row.alerts).unwrap_or_default();
        assert_eq!((counts.warning, counts.critical), (ALERTS as u64 + 10, 10));
        let seqs = run
            .iter()
            .flat_map(|run| &run.alerts)
            .map(|alert| alert.seq);
        assert!(seqs.eq(0..ALERTS as i64 + 10));
    }

    #[test]
    fn exceptions_are_no_records() {
        let mut collector = Collector::default();
        for _ in 0..EXCEPTIONS_OF_RUN + 5 {
            collector.segment(&segment("x", 2));
        }
        let report = collector.finish(Vec::new(), 0);
        let run = report.runs.first();
        assert_eq!(run.map(|run| run.row.rows), Some(50));
        assert_eq!(run.map(|run| run.row.last_step), Some(Some(1)));
        assert_eq!(run.map(|run| run.exceptions.len()), Some(EXCEPTIONS_OF_RUN));
        assert_eq!(report.left_out, ["5 exceptions"]);
        assert_eq!(run.map(|run| run.inputs.len()), Some(1));
    }
}
