//! The policy of rlwatch 0.5, for those who compare with it.
//!
//! A cooldown in steps per detector and severity, one cap over all severities,
//! nothing kept for later: what an alert is muted for is lost, and after a step
//! back everything is muted until the old step has been passed. The policy of
//! runwatch exists because of that.

use rustc_hash::FxHashMap;

use super::{Policy, Reason};
use crate::alert::Severity;

/// What rlwatch remembers of a run.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// The step of the last alert by detector and severity.
    last: FxHashMap<(String, Severity), i64>,
    /// Alerts so far.
    pub(super) sent: u32,
}

impl Gate {
    /// Whether an alert goes out at this step.
    pub(super) fn pass(
        &mut self,
        policy: &Policy,
        detector: &str,
        severity: Severity,
        step: i64,
    ) -> Result<(), Reason> {
        if self.sent as usize >= policy.max_alerts_per_run {
            return Err(Reason::Cap);
        }
        let key = (detector.to_owned(), severity);
        let last = self.last.get(&key);
        if last.is_some_and(|last| step.saturating_sub(*last) < policy.cooldown_steps) {
            return Err(Reason::Cooldown);
        }
        self.last.insert(key, step);
        self.sent += 1;
        Ok(())
    }
}
