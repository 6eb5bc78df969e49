//! Names for things that are the same: the fingerprint and the alert id.
//!
//! Both are functions of names and counters alone, never of the clock, of a
//! value or of chance, so the same input read again makes the same ids, and a
//! sink or a ledger that has seen an id need not be told twice.

use std::fmt;

use crate::digest::{Parts, hex};
use crate::record::Run;

/// Goes into every hash: a later form of the hash must not collide with this one.
const VERSION: &[u8] = b"runwatch:v1";

/// What stays the same while one trouble comes, goes and comes back: the hash
/// of project, run, detector and key. Severity, rank and step are no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The fingerprint of a detector's key in a run.
    #[must_use]
    pub fn new(run: &Run, detector: &str, key: &str) -> Self {
        Self(hash(&[
            run.project.as_bytes(),
            run.run.as_bytes(),
            detector.as_bytes(),
            key.as_bytes(),
        ]))
    }

    /// The id of the `ordinal`-th alert (from 1) of this fingerprint's
    /// `episode`-th episode (from 1).
    pub(super) fn alert_id(self, episode: u64, ordinal: u32, transition: Transition) -> String {
        let id = hash(&[
            &self.0,
            &episode.to_be_bytes(),
            &ordinal.to_be_bytes(),
            transition.name().as_bytes(),
        ]);
        Self(id).to_string()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// What an alert says about its episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transition {
    /// A finding fired and was let out.
    Fired,
    /// Nothing new was said, but what was muted still holds.
    StillFiring,
    /// The trouble is over.
    Resolved,
}

impl Transition {
    fn name(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::StillFiring => "still-firing",
            Self::Resolved => "resolved",
        }
    }
}

fn hash(parts: &[&[u8]]) -> [u8; 16] {
    let mut all = Parts::after(VERSION);
    parts.iter().for_each(|part| all.add(part));
    all.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(project: &str, run: &str) -> Run {
        Run {
            project: project.into(),
            run: run.into(),
        }
    }

    #[test]
    fn fingerprint_is_stable() {
        // A change of this value means that every id in every ledger changes.
        let fingerprint = Fingerprint::new(&run("default", "train"), "non-finite", "loss");
        assert_eq!(fingerprint.to_string(), "fe3cda184c76e3bbc9df9a142de7432d");
    }

    #[test]
    fn neighbouring_parts_do_not_run_together() {
        let a = Fingerprint::new(&run("ab", "c"), "d", "k");
        let b = Fingerprint::new(&run("a", "bc"), "d", "k");
        assert_ne!(a, b);
    }

    #[test]
    fn ids_differ_by_episode_ordinal_and_transition() {
        let fingerprint = Fingerprint::new(&run("p", "r"), "d", "k");
        let first = fingerprint.alert_id(1, 1, Transition::Fired);
        assert_eq!(first.len(), 32);
        assert_eq!(first, fingerprint.alert_id(1, 1, Transition::Fired));
        assert_ne!(first, fingerprint.alert_id(2, 1, Transition::Fired));
        assert_ne!(first, fingerprint.alert_id(1, 2, Transition::Fired));
        assert_ne!(first, fingerprint.alert_id(1, 1, Transition::Resolved));
    }
}
