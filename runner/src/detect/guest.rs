//! What detection needs of a detector, wherever it runs.
//!
//! In production a guest is a sandboxed component. Tests use scripted ones, and
//! the benchmark compares with the same rules compiled natively.

use anyhow::Result;

use super::account::Identity;
use crate::describe::Interest;
use crate::digest::hex;
use crate::sandbox::bindings::types;
use crate::sandbox::instance::{Columns, Instance, Monitor, RowFinding, Series};
use crate::sandbox::{Component, Fault};

/// Pairs of names and values.
pub(super) type Pairs<'a> = &'a [(String, String)];

/// A running detector with its monitors, numbered by the caller.
pub trait Guest: Send {
    /// Opens the monitor of a run. The inner error is the detector's refusal.
    ///
    /// # Errors
    /// A fault: the guest is dead.
    fn open(
        &mut self,
        run: u32,
        facts: Pairs<'_>,
        parameters: Pairs<'_>,
    ) -> Result<Result<(), String>, Fault>;

    /// What a monitor wants to be told.
    ///
    /// # Errors
    /// A fault: the guest is dead.
    fn interests(&mut self, run: u32) -> Result<Vec<Interest>, Fault>;

    /// Announces metrics.
    ///
    /// # Errors
    /// A fault: the guest is dead.
    fn define(&mut self, run: u32, series: &[Series<'_>]) -> Result<(), Fault>;

    /// Feeds a monitor.
    ///
    /// # Errors
    /// A fault: the guest is dead.
    fn observe(&mut self, run: u32, columns: &Columns<'_>) -> Result<Vec<RowFinding>, Fault>;

    /// Lets time pass.
    ///
    /// # Errors
    /// A fault: the guest is dead.
    fn tick(&mut self, run: u32, now: f64) -> Result<Vec<RowFinding>, Fault>;

    /// Ends a run.
    ///
    /// # Errors
    /// A fault: the guest is dead.
    fn finish(&mut self, run: u32, outcome: &str) -> Result<Vec<RowFinding>, Fault>;

    /// Drops the monitor of a run.
    ///
    /// # Errors
    /// A fault: the guest is dead.
    fn close(&mut self, run: u32) -> Result<(), Fault>;

    /// A monitor's state.
    ///
    /// # Errors
    /// A fault: the guest is dead.
    fn save(&mut self, run: u32) -> Result<Option<Vec<u8>>, Fault>;

    /// Gives a monitor its state back. The inner error is its refusal.
    ///
    /// # Errors
    /// A fault: the guest is dead.
    fn restore(&mut self, run: u32, state: &[u8]) -> Result<Result<(), String>, Fault>;

    /// Sets the virtual clocks.
    fn set_now(&mut self, now: f64);

    /// The most bytes of memory that it had so far, if it has any of its own.
    fn memory(&self) -> usize {
        0
    }

    /// The fuel that its calls have used, if that is counted.
    fn fuel(&self) -> u64 {
        0
    }
}

/// Makes guests; kept, so that a dead one can be replaced.
pub trait GuestSource: Send + Sync {
    /// Starts a guest.
    ///
    /// # Errors
    /// When it does not start.
    fn start(&self) -> Result<Box<dyn Guest>>;

    /// What they are.
    fn identity(&self) -> Identity {
        Identity::default()
    }
}

impl GuestSource for Component {
    fn start(&self) -> Result<Box<dyn Guest>> {
        Ok(Box::new(Sandboxed {
            instance: Instance::new(self)?,
            monitors: Vec::new(),
        }))
    }

    fn identity(&self) -> Identity {
        Identity {
            version: self.description.version.clone(),
            digest: hex(&self.digest),
            summary: self.description.summary.clone(),
            path: self.path.clone(),
            limits: self.limits().clone(),
        }
    }
}

/// A component in its sandbox.
pub struct Sandboxed {
    instance: Instance,
    /// By run.
    monitors: Vec<Option<Monitor>>,
}

impl Sandboxed {
    fn monitor(&self, run: u32) -> Result<Monitor, Fault> {
        self.monitors
            .get(run as usize)
            .copied()
            .flatten()
            .ok_or_else(|| {
                // The shard opens a monitor before it uses it.
                Fault::found(
                    crate::sandbox::FaultKind::Trap,
                    "open",
                    "no monitor is open for this run".to_owned(),
                )
            })
    }
}

impl Guest for Sandboxed {
    fn open(
        &mut self,
        run: u32,
        facts: Pairs<'_>,
        parameters: Pairs<'_>,
    ) -> Result<Result<(), String>, Fault> {
        Ok(self.instance.open(facts, parameters)?.map(|monitor| {
            let at = run as usize;
            if at >= self.monitors.len() {
                self.monitors.resize(at + 1, None);
            }
            self.monitors[at] = Some(monitor);
        }))
    }

    fn interests(&mut self, run: u32) -> Result<Vec<Interest>, Fault> {
        let monitor = self.monitor(run)?;
        self.instance.interests(monitor)
    }

    fn define(&mut self, run: u32, series: &[Series<'_>]) -> Result<(), Fault> {
        let monitor = self.monitor(run)?;
        self.instance.define(monitor, series)
    }

    fn observe(&mut self, run: u32, columns: &Columns<'_>) -> Result<Vec<RowFinding>, Fault> {
        let monitor = self.monitor(run)?;
        self.instance.observe(monitor, columns)
    }

    fn tick(&mut self, run: u32, now: f64) -> Result<Vec<RowFinding>, Fault> {
        let monitor = self.monitor(run)?;
        self.instance.tick(monitor, now)
    }

    fn finish(&mut self, run: u32, outcome: &str) -> Result<Vec<RowFinding>, Fault> {
        let monitor = self.monitor(run)?;
        let found = self.instance.finish(monitor, outcome)?;
        self.monitors[run as usize] = None;
        self.instance.close(monitor)?;
        Ok(found)
    }

    fn close(&mut self, run: u32) -> Result<(), Fault> {
        let monitor = self.monitor(run)?;
        self.monitors[run as usize] = None;
        self.instance.close(monitor)
    }

    fn save(&mut self, run: u32) -> Result<Option<Vec<u8>>, Fault> {
        let monitor = self.monitor(run)?;
        self.instance.save(monitor)
    }

    fn restore(&mut self, run: u32, state: &[u8]) -> Result<Result<(), String>, Fault> {
        let monitor = self.monitor(run)?;
        self.instance.restore(monitor, state)
    }

    fn set_now(&mut self, now: f64) {
        self.instance.set_now(now);
    }

    fn memory(&self) -> usize {
        self.instance.memory()
    }

    fn fuel(&self) -> u64 {
        self.instance.fuel()
    }
}

/// A text as the contract has it.
pub(super) fn text(text: &crate::record::Text, row: u32) -> types::Text {
    types::Text {
        row,
        kind: text.kind.to_owned(),
        name: text.name.clone(),
        content: text.content.clone(),
        fields: text.fields.clone(),
    }
}
