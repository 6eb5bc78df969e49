//! Wording: from a finding and its episode to the alert that people read.

use jiff::Timestamp;
use rustc_hash::FxHashSet;

use super::episode::{Episode, Moment};
use super::identity::{Fingerprint, Transition};
use crate::alert::{Alert, Finding, Location, SCHEMA, Severity, State};
use crate::record::Run;

/// The host's name as a detector.
pub const HOST_DETECTOR: &str = "runwatch";

/// A finding with the context that an alert needs.
#[derive(Debug)]
pub(super) struct Notice {
    pub(super) detector: String,
    /// The rank that the finding is about.
    pub(super) rank: Option<u32>,
    /// When it is told.
    pub(super) at: Moment,
    pub(super) location: Option<Location>,
    pub(super) finding: Finding,
}

/// The parts of an alert that are the same for a whole run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Letterhead<'a> {
    pub(super) host: &'a str,
    pub(super) run: &'a Run,
}

impl Letterhead<'_> {
    /// Writes the alert.
    pub(super) fn alert(
        self,
        notice: Notice,
        fingerprint: Fingerprint,
        episode: &Episode,
        transition: Transition,
    ) -> Alert {
        let Notice {
            detector,
            rank,
            at,
            location,
            finding,
        } = notice;
        Alert {
            id: fingerprint.alert_id(episode.number, episode.alerts, transition),
            schema: SCHEMA,
            fingerprint: fingerprint.to_string(),
            episode: episode.number,
            project: self.run.project.to_string(),
            run: self.run.run.to_string(),
            rank,
            ranks: Vec::from_iter(rank),
            host: self.host.to_owned(),
            detector,
            key: finding.key,
            severity: finding.severity,
            state: finding.state,
            step: at.step,
            time: rfc3339(at.time),
            title: finding.title,
            message: finding.message,
            recommendation: finding.recommendation,
            values: one_value_per_name(finding.values),
            location,
            first_step: episode.first_step,
            count: episode.count,
            route: finding.route,
            recent: None,
            halt: finding.halt,
            evidence: None,
        }
    }

    /// Writes an alert of the host about itself, outside all rules.
    pub(super) fn own(self, at: Moment, ordinal: u32, finding: Finding) -> Alert {
        let notice = Notice {
            detector: HOST_DETECTOR.to_owned(),
            rank: None,
            at,
            location: None,
            finding,
        };
        let mut alert = self.lone(notice, ordinal);
        alert.count = ordinal.into();
        alert
    }

    /// Writes an alert that belongs to no episode.
    pub(super) fn lone(self, notice: Notice, ordinal: u32) -> Alert {
        let fingerprint = Fingerprint::new(self.run, &notice.detector, &notice.finding.key);
        let episode = Episode {
            number: 1,
            first_step: notice.at.step,
            count: 1,
            alerts: ordinal,
            highest: None,
            title: String::new(),
            pending: None,
        };
        self.alert(notice, fingerprint, &episode, Transition::Fired)
    }
}

/// An alert of the host about what it knows itself, at this time (seconds since
/// 1970). The `episode` tells those with the same key apart, from 1.
#[must_use]
pub fn host_alert(run: &Run, host: &str, time: f64, episode: u64, finding: Finding) -> Alert {
    let at = Moment {
        step: None,
        rank: None,
        time,
    };
    let alert = Letterhead { host, run }.own(at, 1, finding);
    let fingerprint = Fingerprint::new(run, HOST_DETECTOR, &alert.key);
    Alert {
        id: fingerprint.alert_id(episode, 1, transition(alert.state)),
        episode,
        ..alert
    }
}

fn transition(state: State) -> Transition {
    match state {
        State::Firing => Transition::Fired,
        State::Resolved => Transition::Resolved,
    }
}

/// Makes of a muted finding the announcement that its episode goes on.
pub(super) fn still_firing(finding: &mut Finding, episode: &Episode, ended: bool) {
    let when = if ended {
        "Still firing when the run ended"
    } else {
        "Still firing"
    };
    let since = episode
        .first_step
        .map(|step| format!(", since step {step}"))
        .unwrap_or_default();
    let findings = if episode.count == 1 {
        "finding"
    } else {
        "findings"
    };
    let text = std::mem::take(&mut finding.message);
    finding.message = format!("{when}{since}, {} {findings} so far. {text}", episode.count);
    finding.message.truncate(finding.message.trim_end().len());
    finding.title.push_str(" (still firing)");
}

/// Fills in what a `resolved` finding may leave out.
pub(super) fn resolved(finding: &mut Finding, episode: &mut Episode, severity: Severity) {
    finding.state = State::Resolved;
    finding.severity = severity;
    if finding.title.trim().is_empty() {
        finding.title = std::mem::take(&mut episode.title);
    }
    if finding.message.trim().is_empty() {
        finding.message.clone_from(&finding.title);
    }
    if finding.recommendation.trim().is_empty() {
        finding.recommendation = "No action needed.".to_owned();
    }
}

/// RFC 3339 in UTC, with milliseconds only if there are any; none for a time
/// that is unknown or outside of what a calendar can say.
pub(crate) fn rfc3339(time: f64) -> Option<String> {
    if !time.is_finite() {
        return None;
    }
    // Saturates; jiff then refuses what is out of its range.
    let millis = (time * 1000.0).round() as i64;
    let stamp = Timestamp::from_millisecond(millis).ok()?;
    Some(if millis % 1000 == 0 {
        format!("{stamp:.0}")
    } else {
        format!("{stamp:.3}")
    })
}

/// A JSON object has each name once; of values with the same name the first stays.
fn one_value_per_name(mut values: Vec<(String, f64)>) -> Vec<(String, f64)> {
    let mut names = FxHashSet::default();
    values.retain(|(name, _)| names.insert(name.clone()));
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(
            rfc3339(1_700_000_000.0).as_deref(),
            Some("2023-11-14T22:13:20Z")
        );
        assert_eq!(
            rfc3339(1_700_000_000.25).as_deref(),
            Some("2023-11-14T22:13:20.250Z")
        );
        assert_eq!(
            rfc3339(1_700_000_000.000_04).as_deref(),
            Some("2023-11-14T22:13:20Z")
        );
        assert_eq!(rfc3339(-0.5).as_deref(), Some("1969-12-31T23:59:59.500Z"));
        assert_eq!(rfc3339(f64::NAN), None);
        assert_eq!(rfc3339(f64::INFINITY), None);
        assert_eq!(rfc3339(1e300), None);
    }

    #[test]
    fn values_of_one_name() {
        let values = vec![
            ("a".to_owned(), 1.0),
            ("b".to_owned(), 2.0),
            ("a".to_owned(), 3.0),
        ];
        assert_eq!(
            one_value_per_name(values),
            [("a".to_owned(), 1.0), ("b".to_owned(), 2.0)]
        );
    }
}
