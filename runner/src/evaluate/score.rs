//! Counts what alerts got right and wrong.

use std::collections::BTreeMap;

use serde::Serialize;

use super::interval::{upper_rate, upper_share};
use super::labels::{Label, Labels, What};
use crate::alert::Severity;

/// A run as it was read: the step of each row, in order.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The run's name.
    pub run: String,
    /// The step of each row.
    pub steps: Vec<i64>,
}

/// A firing alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fired {
    /// The run's name.
    pub run: String,
    /// The detector.
    pub detector: String,
    /// How bad it says it is.
    pub severity: Severity,
    /// The step.
    pub step: i64,
    /// A few words.
    pub title: String,
}

/// What became of a label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// The run.
    pub run: String,
    /// What happened, or what a naive rule would say.
    pub kind: String,
    /// The step at which it began.
    pub onset: i64,
    /// The first alert that is about it.
    pub alert: Option<Fired>,
    /// Rows from the onset to the alert; 0 where the alert came first.
    pub latency: Option<u64>,
}

/// One detector's record.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PerDetector {
    /// Incidents that are its business.
    pub incidents: u64,
    /// Of these, the ones that it told.
    pub found: u64,
    /// Firing alerts about incidents.
    pub right: u64,
    /// Firing alerts about nothing, by severity: info, warning, critical.
    pub wrong: [u64; 3],
    /// Rows from the onset to its first alert about each incident that it told.
    pub latencies: Vec<u64>,
}

/// Everything counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// Runs read.
    pub runs: u64,
    /// Rows read.
    pub rows: u64,
    /// Runs in which nothing happened.
    pub healthy_runs: u64,
    /// Rows outside of incidents, excerpts left out.
    pub healthy_rows: u64,
    /// Healthy runs with an alert: of any severity, of warning or above.
    pub disturbed: [u64; 2],
    /// By detector.
    pub detectors: BTreeMap<String, PerDetector>,
    /// Every incident.
    pub incidents: Vec<Verdict>,
    /// Every trap; one with an alert was fallen into.
    pub traps: Vec<Verdict>,
    /// Every firing alert about nothing.
    pub wrong: Vec<Fired>,
    /// Runs with labels that were not read.
    pub unread: Vec<String>,
}

impl PerDetector {
    /// Counts an incident that is its business, given its own alerts.
    fn tell<'a>(
        &mut self,
        incident: &Label,
        run: &History,
        own: impl Iterator<Item = &'a &'a Fired>,
    ) {
        self.incidents += 1;
        let told = own
            .filter(|alert| incident.covers(alert.step))
            .map(|alert| alert.step);
        if let Some(step) = told.min() {
            self.found += 1;
            self.latencies.push(latency(incident, run, step));
        }
    }
}

impl Report {
    /// Wrong alerts of a severity in 10,000 healthy rows, and the bound below
    /// which the true rate is with 95 % confidence.
    #[must_use]
    pub fn rate(&self, wrong: u64) -> (f64, f64) {
        let per = 10_000.0 / (self.healthy_rows.max(1) as f64);
        (wrong as f64 * per, upper_rate(wrong) * per)
    }

    /// Wrong alerts by severity over all detectors.
    #[must_use]
    pub fn wrong_by_severity(&self) -> [u64; 3] {
        let mut all = [0; 3];
        for detector in self.detectors.values() {
            all.iter_mut()
                .zip(detector.wrong)
                .for_each(|(sum, count)| *sum += count);
        }
        all
    }

    /// The share of healthy runs with an alert of warning or above, and its bound.
    #[must_use]
    pub fn disturbed_share(&self) -> (f64, f64) {
        let share = self.disturbed[1] as f64 / (self.healthy_runs.max(1) as f64);
        (share, upper_share(self.disturbed[1], self.healthy_runs))
    }
}

/// Compares alerts with labels. `detectors` are the names of those at work.
#[must_use]
pub fn score(labels: &Labels, runs: &[History], fired: &[Fired], detectors: &[String]) -> Report {
    let mut report = Report {
        runs: runs.len() as u64,
        rows: runs.iter().map(|run| run.steps.len() as u64).sum(),
        ..Report::default()
    };
    for name in detectors {
        report.detectors.entry(name.clone()).or_default();
    }
    for run in runs {
        let own: Vec<&Fired> = fired.iter().filter(|alert| alert.run == run.run).collect();
        one_run(labels, run, &own, &mut report);
    }
    let read = |name: &&str| runs.iter().any(|run| labelled_name(&run.run) == *name);
    report.unread = labels
        .runs()
        .filter(|name| !read(name))
        .map(str::to_owned)
        .collect();
    report
}

/// The name under which a run is labelled: a training that began again in the
/// same log is part of it.
fn labelled_name(run: &str) -> &str {
    run.split('#').next().unwrap_or(run)
}

fn one_run(labels: &Labels, run: &History, fired: &[&Fired], report: &mut Report) {
    let name = labelled_name(&run.run);
    let labels_of_run = labels.of(name);
    let of = |what: What| labels_of_run.iter().filter(move |label| label.what == what);
    for incident in of(What::Incident) {
        let first = fired
            .iter()
            .filter(|alert| incident.is_told_by(&alert.detector) && incident.covers(alert.step))
            .min_by_key(|alert| alert.step);
        let verdict = verdict(incident, run, first.copied());
        for (name, detector) in &mut report.detectors {
            if incident.is_told_by(name) {
                detector.tell(
                    incident,
                    run,
                    fired.iter().filter(|it| it.detector == *name),
                );
            }
        }
        report.incidents.push(verdict);
    }
    let is_about = |alert: &Fired| {
        of(What::Incident)
            .any(|label| label.covers(alert.step) && label.is_told_by(&alert.detector))
    };
    for trap in of(What::Trap) {
        let fell = fired
            .iter()
            .filter(|alert| alert.severity >= Severity::Warning)
            .find(|alert| trap.covers(alert.step) && !is_about(alert) && trap.concerns(alert, &of));
        report.traps.push(verdict(trap, run, fell.copied()));
    }
    // What follows an incident is told by several detectors; none of them errs.
    let excused = |alert: &Fired| {
        labels_of_run
            .iter()
            .any(|label| label.what != What::Trap && label.covers(alert.step))
    };
    let mut disturbed = None;
    for alert in fired {
        let detector = report.detectors.entry(alert.detector.clone()).or_default();
        if is_about(alert) {
            detector.right += 1;
        } else if !excused(alert) && !labels.is_excerpt(name) {
            detector.wrong[alert.severity as usize] += 1;
            disturbed = disturbed.max(Some(alert.severity));
            report.wrong.push((*alert).clone());
        }
    }
    let healthy = of(What::Incident).next().is_none();
    if healthy {
        report.healthy_runs += 1;
        report.disturbed[0] += u64::from(disturbed.is_some());
        report.disturbed[1] += u64::from(disturbed >= Some(Severity::Warning));
    }
    if !labels.is_excerpt(name) {
        let in_incident = |step: &&i64| of(What::Incident).any(|label| label.covers(**step));
        let sick = run.steps.iter().filter(in_incident).count();
        report.healthy_rows += (run.steps.len() - sick) as u64;
    }
}

impl Label {
    /// Whether an alert in the stretch of a trap falls into it: unless an
    /// incident happened in the same stretch, every alert does.
    fn concerns<'a, I: Iterator<Item = &'a Self>>(
        &self,
        alert: &Fired,
        of: &impl Fn(What) -> I,
    ) -> bool {
        let overlaps = |label: &Self| label.from <= self.end && label.end >= self.from;
        self.is_told_by(&alert.detector) || !of(What::Incident).any(overlaps)
    }
}

/// Rows from the onset to a step; 0 if the step comes first.
fn latency(label: &Label, run: &History, step: i64) -> u64 {
    let rows_before = |step: i64| run.steps.iter().filter(|&&at| at < step).count() as u64;
    rows_before(step).saturating_sub(rows_before(label.onset))
}

fn verdict(label: &Label, run: &History, alert: Option<&Fired>) -> Verdict {
    Verdict {
        run: label.run.clone(),
        kind: label.kind.clone(),
        onset: label.onset,
        alert: alert.cloned(),
        latency: alert.map(|alert| latency(label, run, alert.step)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn fired(run: &str, detector: &str, severity: Severity, step: i64) -> Fired {
        Fired {
            run: run.to_owned(),
            detector: detector.to_owned(),
            severity,
            step,
            title: String::new(),
        }
    }

    fn history(run: &str, rows: i64) -> History {
        History {
            run: run.to_owned(),
            steps: (0..rows).map(|row| row * 10).collect(),
        }
    }

    const LABELS: &str = r#"{"id":"sick","type":"loss_spike","onset_step":500,"end_step":600,"earliest_fair_step":480}
{"id":"sick","type":"grad_explosion","onset_step":490,"end_step":520}
{"id":"fine","type":"trap","naive_rule":"zero_grad","onset_step":100,"end_step":200}
{"id":"fine","type":"data_spike","onset_step":300,"end_step":300}
{"id":"gone","type":"nan","onset_step":1}"#;

    #[test]
    fn alerts_are_held_against_labels() {
        use Severity::{Critical, Info, Warning};
        let labels = Labels::parse(LABELS).unwrap();
        let alerts = [
            fired("sick", "loss-spike", Critical, 520),
            fired("sick", "throughput", Warning, 550), // follows from it
            fired("sick", "plateau", Info, 10),
            fired("fine", "loss-spike", Warning, 300), // one odd batch
            fired("fine", "grad-norm", Warning, 150),  // the trap
            fired("fine#2", "loss-spike", Info, 700),
        ];
        let runs = [
            history("sick", 100),
            history("fine", 100),
            history("fine#2", 100),
        ];
        let report = score(
            &labels,
            &runs,
            &alerts,
            &["loss-spike", "divergence"].map(str::to_owned),
        );
        assert_eq!((report.runs, report.rows, report.healthy_runs), (3, 300, 2));
        // 480 to 600 are steps of thirteen rows.
        assert_eq!(report.healthy_rows, 287);
        let spike = &report.incidents[0];
        assert_eq!(spike.latency, Some(2));
        assert_eq!(report.incidents[1].alert, None, "nobody told the explosion");
        assert_eq!(report.detectors["loss-spike"].wrong, [1, 0, 0]);
        assert_eq!(report.detectors["loss-spike"].right, 1);
        let told = |name: &str| {
            (
                report.detectors[name].found,
                report.detectors[name].incidents,
            )
        };
        assert_eq!((told("loss-spike"), told("divergence")), ((1, 1), (0, 1)));
        assert_eq!(report.detectors["throughput"].wrong, [0; 3]);
        assert_eq!(report.wrong_by_severity(), [2, 1, 0]);
        assert_eq!(report.disturbed, [2, 1]);
        assert_eq!(
            report.traps[0].alert.as_ref().unwrap().detector,
            "grad-norm"
        );
        assert_eq!(report.unread, ["gone"]);
        let (rate, bound) = report.rate(1);
        assert!((rate - 34.84).abs() < 0.01 && bound > rate);
    }
}
