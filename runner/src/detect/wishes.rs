//! What detectors want to be told.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};

use super::Detector;
use super::slot::facts;
use crate::describe::Interest;

/// Opens a monitor of every detector for a run that does not exist and asks
/// what it wants: wishes depend on the parameters, not on the run.
pub(super) fn of_all(detectors: &[Arc<Detector>], host: &str) -> Result<Vec<Vec<Interest>>> {
    let of_one = |detector: &Arc<Detector>| {
        of(detector, host).with_context(|| format!("detector `{}`", detector.name))
    };
    detectors.iter().map(of_one).collect()
}

/// What one detector wants, with its parameters.
pub(super) fn of(detector: &Detector, host: &str) -> Result<Vec<Interest>> {
    let mut guest = detector.source.start()?;
    guest
        .open(0, &facts("", "", host), &detector.parameters)?
        .map_err(|refusal| anyhow!("it refuses its parameters: {refusal}"))?;
    Ok(guest.interests(0)?)
}
