//! What was suppressed, for the ledger.

use rustc_hash::FxHashMap;

use super::{Fingerprint, Reason, Seen};
use crate::alert::{Finding, Severity};
use crate::ledger::Muted;

/// Troubles kept apart between two takings; the rest is counted by detector.
const KEPT: usize = 1024;

/// Suppressed findings, by trouble and reason.
#[derive(Debug, Default)]
pub(super) struct Notes(FxHashMap<(Fingerprint, Reason), Muted>);

/// What is kept of a finding before it is judged.
pub(super) struct Told {
    key: String,
    title: String,
    severity: Severity,
}

impl Told {
    pub(super) fn of(finding: &Finding) -> Self {
        Self {
            key: finding.key.clone(),
            title: finding.title.clone(),
            severity: finding.severity,
        }
    }
}

impl Notes {
    pub(super) fn add(&mut self, seen: &Seen<'_>, mut told: Told, reason: Reason) {
        let mut fingerprint = Fingerprint::new(seen.run, seen.detector, &told.key);
        if self.0.len() >= KEPT && !self.0.contains_key(&(fingerprint, reason)) {
            told.key = "*".to_owned();
            told.title.clear();
            fingerprint = Fingerprint::new(seen.run, seen.detector, &told.key);
        }
        let muted = self
            .0
            .entry((fingerprint, reason))
            .or_insert_with(|| Muted {
                fingerprint: fingerprint.to_string(),
                reason: reason.name(),
                project: seen.run.project.to_string(),
                run: seen.run.run.to_string(),
                detector: seen.detector.to_owned(),
                key: told.key,
                severity: told.severity,
                title: String::new(),
                count: 0,
                steps: None,
            });
        muted.count += 1;
        muted.severity = muted.severity.max(told.severity);
        muted.title = told.title;
        if let Some(step) = seen.step {
            let first = muted.steps.map_or(step, |(first, _)| first);
            muted.steps = Some((first, step));
        }
    }

    /// Everything so far, in an order that does not depend on chance.
    pub(super) fn take(&mut self) -> Vec<Muted> {
        let mut muted: Vec<Muted> = self.0.drain().map(|(_, muted)| muted).collect();
        muted.sort_by(|a, b| (&a.fingerprint, a.reason).cmp(&(&b.fingerprint, b.reason)));
        muted
    }
}
