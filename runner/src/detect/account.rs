//! What detectors do and what it costs, counted while they work.
//!
//! All shards count into the same numbers: once per call, which is once per
//! batch of rows, so that it costs nothing beside the call.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use super::Detector;
use crate::sandbox::Limits;

/// What a detector says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its version.
    pub version: String,
    /// SHA-256 of the component, in hexadecimal digits; empty if it is none.
    pub digest: String,
    /// What it does, in a sentence.
    pub summary: String,
    /// The file of the component; none for a built-in one.
    pub path: Option<PathBuf>,
    /// What its calls may take.
    pub limits: Limits,
}

/// A detector with what it has done so far, and how it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// The name in alerts.
    pub name: String,
    /// What it is.
    pub identity: Identity,
    /// Calls to observe, to tick and to finish.
    pub calls: u64,
    /// Rows that it was shown.
    pub rows: u64,
    /// Nanoseconds that these calls took.
    pub nanos: u64,
    /// The most bytes of memory that one instance had.
    pub memory: usize,
    /// How often it failed.
    pub faults: u64,
    /// What the last failure said.
    pub last_fault: Option<String>,
    /// Whether it was put aside, for a run or for all.
    pub quarantined: bool,
}

impl Account {
    /// Adds what another instance with the same name did: one rule is one
    /// detector, and all have the same name.
    pub(crate) fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.rows += other.rows;
        self.nanos = self.nanos.saturating_add(other.nanos);
        self.memory = self.memory.max(other.memory);
        self.faults += other.faults;
        self.last_fault = other.last_fault.or(self.last_fault.take());
        self.quarantined |= other.quarantined;
    }
}

/// The numbers of one detector in all shards.
#[derive(Debug, Default)]
pub(super) struct Meter {
    calls: AtomicU64,
    rows: AtomicU64,
    nanos: AtomicU64,
    memory: AtomicUsize,
}

impl Meter {
    /// Counts a call that began at `begin` and was about so many rows.
    pub(super) fn call(&self, begin: Instant, rows: usize, memory: usize) {
        let nanos = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
        self.memory.fetch_max(memory, Ordering::Relaxed);
    }
}

/// The numbers of all detectors, in their order.
#[derive(Debug, Clone)]
pub(super) struct Meters(Arc<[(String, Identity, Meter)]>);

impl Meters {
    pub(super) fn new(detectors: &[Detector]) -> Self {
        let meter = |detector: &Detector| {
            let identity = detector.source.identity();
            (detector.name.to_string(), identity, Meter::default())
        };
        Self(detectors.iter().map(meter).collect())
    }

    pub(super) fn of(&self, detector: usize) -> Option<&Meter> {
        self.0.get(detector).map(|(_, _, meter)| meter)
    }

    /// The accounts; of faults they know nothing.
    pub(super) fn accounts(&self) -> Vec<Account> {
        let account = |(name, identity, meter): &(String, Identity, Meter)| Account {
            name: name.clone(),
            identity: identity.clone(),
            calls: meter.calls.load(Ordering::Relaxed),
            rows: meter.rows.load(Ordering::Relaxed),
            nanos: meter.nanos.load(Ordering::Relaxed),
            memory: meter.memory.load(Ordering::Relaxed),
            ..Account::default()
        };
        self.0.iter().map(account).collect()
    }
}
