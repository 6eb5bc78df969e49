//! The most alerts that one run may make, and the announcement that it has.
//!
//! Warnings and infos share one budget; criticals have a reserve that nothing
//! less can use. Reaching either is announced once, at the first alert that is
//! withheld, and the end of the run says how many were.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Policy;
use crate::alert::{Finding, Severity, State};

/// How many detectors an announcement names.
const NAMED: usize = 3;

/// The budget of one run.
#[derive(Debug, Default)]
pub(super) struct Cap {
    lesser: usize,
    criticals: usize,
    withheld_lesser: u64,
    withheld_criticals: u64,
    told_lesser: bool,
    told_criticals: bool,
    /// Alerts made so far about the cap itself.
    pub(super) told: u32,
    /// By detector. Detectors are few: the user configures them.
    tallies: BTreeMap<String, Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    let_out: u64,
    withheld: u64,
}

impl Cap {
    /// Whether an alert of this severity could still go out.
    pub(super) fn has_room(&self, policy: &Policy, severity: Severity) -> bool {
        match severity {
            Severity::Critical => self.criticals < policy.critical_reserve,
            Severity::Info | Severity::Warning => self.lesser < policy.max_alerts_per_run,
        }
    }

    /// Takes room for an alert; false: there is none, the alert is withheld.
    pub(super) fn take(&mut self, policy: &Policy, severity: Severity, detector: &str) -> bool {
        let room = self.has_room(policy, severity);
        let used = match (severity, room) {
            (Severity::Critical, true) => &mut self.criticals,
            (_, true) => &mut self.lesser,
            (Severity::Critical, false) => {
                self.withheld_criticals += 1;
                self.tally(detector).withheld += 1;
                return false;
            }
            (_, false) => {
                self.withheld_lesser += 1;
                self.tally(detector).withheld += 1;
                return false;
            }
        };
        *used += 1;
        self.tally(detector).let_out += 1;
        true
    }

    fn tally(&mut self, detector: &str) -> &mut Tally {
        self.tallies.entry(detector.to_owned()).or_default()
    }

    /// Announces that the cap for this severity has been reached, the first time.
    pub(super) fn announcement(&mut self, policy: &Policy, severity: Severity) -> Option<Finding> {
        let critical = severity == Severity::Critical;
        let told = if critical {
            &mut self.told_criticals
        } else {
            &mut self.told_lesser
        };
        if std::mem::replace(told, true) {
            return None;
        }
        self.told += 1;
        let noisiest = self.noisiest(|tally| tally.let_out + tally.withheld);
        let (limit, what, rest) = if critical {
            (policy.critical_reserve, "criticals", "")
        } else {
            (
                policy.max_alerts_per_run,
                "warnings and infos",
                " Criticals still go out.",
            )
        };
        Some(Finding {
            key: "alert-cap".to_owned(),
            severity: if critical {
                Severity::Critical
            } else {
                Severity::Warning
            },
            state: State::Firing,
            title: format!("Alert cap reached for {what}"),
            message: format!(
                "This run has made {limit} {what}, its limit. Further ones are withheld and \
                 counted.{rest} Noisiest detectors: {noisiest}."
            ),
            recommendation: format!(
                "Look at the noisiest detectors first ({noisiest}): mend what they report, raise \
                 their thresholds, or disable them."
            ),
            values: vec![("limit".to_owned(), limit as f64)],
            halt: None,
            gather: false,
            route: None,
        })
    }

    /// Says how many alerts were withheld, if any were, and starts counting anew.
    pub(super) fn account(&mut self) -> Option<Finding> {
        let lesser = std::mem::take(&mut self.withheld_lesser);
        let criticals = std::mem::take(&mut self.withheld_criticals);
        let total = lesser + criticals;
        if total == 0 {
            return None;
        }
        self.told += 1;
        let by_detector = self.noisiest(|tally| tally.withheld);
        self.tallies
            .values_mut()
            .for_each(|tally| tally.withheld = 0);
        let alerts = if total == 1 { "alert" } else { "alerts" };
        Some(Finding {
            key: "alert-cap".to_owned(),
            severity: Severity::Info,
            state: State::Firing,
            title: format!("{total} {alerts} withheld by the cap"),
            message: format!(
                "The cap withheld {criticals} criticals and {lesser} warnings and infos of this \
                 run. By detector: {by_detector}."
            ),
            recommendation: "Look at the detectors named before the next run: mend what they \
                             report, raise their thresholds, or disable them."
                .to_owned(),
            values: vec![
                ("withheld_criticals".to_owned(), criticals as f64),
                ("withheld_lesser".to_owned(), lesser as f64),
            ],
            halt: None,
            gather: false,
            route: None,
        })
    }

    /// The detectors with the highest counts, as `loss-spike (48), grad-norm (2)`.
    fn noisiest(&self, count: impl Fn(&Tally) -> u64) -> String {
        let mut counts: Vec<_> = self
            .tallies
            .iter()
            .map(|(detector, tally)| (count(tally), detector))
            .filter(|(count, _)| *count > 0)
            .collect();
        // By name where counts are equal, so that the text is always the same.
        counts.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        let mut text = String::new();
        for (count, detector) in counts.iter().take(NAMED) {
            let comma = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{comma}{detector} ({count})");
        }
        if counts.len() > NAMED {
            let _ = write!(text, ", {} more", counts.len() - NAMED);
        }
        text
    }
}
