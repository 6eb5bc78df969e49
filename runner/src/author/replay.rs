//! The batch that made a detector fail, shown to it again.

use std::ops::Range;

use anyhow::{Result, bail};

use crate::detect::fault_file::FaultFile;
use crate::detect::{Guest, GuestSource as _};
use crate::sandbox::instance::{RowFinding, Series};
use crate::sandbox::{Component, Fault};

/// What came of showing the rows again.
#[derive(Debug, Clone, PartialEq)]
pub enum Again {
    /// It failed again.
    Failed(Fault),
    /// It did not, and found this.
    Found(Vec<RowFinding>),
}

impl Again {
    /// Whether it failed.
    #[must_use]
    pub fn failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

/// A detector and what it failed with.
pub struct Replay<'a> {
    component: &'a Component,
    file: &'a FaultFile,
    state: Option<Vec<u8>>,
}

impl<'a> Replay<'a> {
    /// The fault of a file with a component, which need not be that of the file.
    ///
    /// # Errors
    /// When the saved state cannot be read.
    pub fn new(component: &'a Component, file: &'a FaultFile) -> Result<Self> {
        Ok(Self {
            component,
            file,
            state: file.saved()?,
        })
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.file.batch.steps.len()
    }

    /// Starts the detector, restores what was saved, and shows it these rows.
    ///
    /// # Errors
    /// When the detector refuses its parameters or the state.
    pub fn show(&self, rows: Range<usize>) -> Result<Again> {
        match self.attempt(rows)? {
            Ok(found) => Ok(Again::Found(found)),
            Err(fault) => Ok(Again::Failed(fault)),
        }
    }

    fn attempt(&self, rows: Range<usize>) -> Result<Result<Vec<RowFinding>, Fault>> {
        let mut guest = match self.component.start() {
            Ok(guest) => guest,
            Err(error) => return error.downcast::<Fault>().map(Err),
        };
        match self.open(guest.as_mut()) {
            Ok(Ok(())) => {}
            Ok(Err(refusal)) => bail!("{refusal}"),
            Err(fault) => return Ok(Err(fault)),
        }
        let batch = self.file.batch.part(rows.start, rows.end);
        Ok(batch.with(|columns| guest.observe(0, columns)))
    }

    /// Everything before the rows. The inner error is a refusal.
    fn open(&self, guest: &mut dyn Guest) -> Result<Result<(), String>, Fault> {
        let file = self.file;
        guest.set_now(file.now.0);
        if let Err(refusal) = guest.open(0, &file.run, &file.parameters)? {
            return Ok(Err(format!("it refuses its parameters: {refusal}")));
        }
        if let Some(state) = &self.state {
            // What it refuses, it starts without, as in a watch.
            let _refused = guest.restore(0, state)?;
        }
        let series: Vec<Series<'_>> = file
            .defined
            .iter()
            .map(|(index, name, source)| Series {
                index: *index,
                name,
                source,
            })
            .collect();
        guest.define(0, &series)?;
        Ok(Ok(()))
    }

    /// The fewest rows in a stretch that still make it fail, as bisection finds
    /// them: first where they end, then where they begin. To be called when all
    /// rows make it fail.
    ///
    /// # Errors
    /// As [`Self::show`].
    pub fn smallest(&self) -> Result<Range<usize>> {
        let (mut passes, mut end) = (0, self.rows());
        while end - passes > 1 {
            let middle = passes + (end - passes) / 2;
            match self.show(0..middle)?.failed() {
                true => end = middle,
                false => passes = middle,
            }
        }
        let (mut start, mut beyond) = (0, end);
        while beyond - start > 1 {
            let middle = start + (beyond - start) / 2;
            match self.show(middle..end)?.failed() {
                true => start = middle,
                false => beyond = middle,
            }
        }
        Ok(start..end)
    }
}
