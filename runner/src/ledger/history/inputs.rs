//! How far files were read, so that reading one again adds nothing.

use rusqlite::{OptionalExtension, Transaction, params};
use rustc_hash::FxHashMap;

use super::super::{Ledger, Result};
use crate::digest::{Parts, hex};
use crate::record::{Run, RunBatch, Segment};

/// The inputs of a run, by their names.
#[derive(Default)]
pub(super) struct Inputs(FxHashMap<String, Input>);

struct Input {
    /// Its name, the same from whatever folder it is read.
    name: String,
    /// Names its first row, by which another file of the same name is told.
    first: String,
    /// The last line in the ledger before this process.
    skip: u64,
    line: u64,
}

impl Inputs {
    /// The first row of a batch that is not in the ledger yet. Only a file can
    /// be read again.
    pub(super) fn known(
        &mut self,
        ledger: &Ledger,
        run: &Run,
        segment: &Segment,
        batch: &RunBatch,
    ) -> Result<usize> {
        let Some(place) = batch.places.last() else {
            return Ok(0);
        };
        if segment.input.is_empty() || &*segment.input == "stdin" {
            return Ok(0);
        }
        if !self.0.contains_key(&*segment.input) {
            let input = Input::look_up(ledger, run, segment, batch)?;
            self.0.insert(segment.input.to_string(), input);
        }
        let Some(input) = self.0.get_mut(&*segment.input) else {
            return Ok(0);
        };
        if place.line < input.line && input.line > input.skip {
            // It began anew while we watched.
            input.first = first_row(segment, batch);
            input.skip = 0;
        }
        input.line = match input.skip {
            0 => place.line,
            _ => place.line.max(input.line),
        };
        let skip = input.skip;
        Ok(batch.places.partition_point(|place| place.line <= skip))
    }

    /// Writes down how far they were read for the run of this number.
    pub(super) fn write(&self, tx: &Transaction<'_>, run: i64) -> Result<()> {
        for input in self.0.values() {
            tx.prepare_cached("INSERT OR REPLACE INTO input VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![run, input.name, input.first, input.line as i64])?;
        }
        Ok(())
    }
}

impl Input {
    fn look_up(ledger: &Ledger, run: &Run, segment: &Segment, batch: &RunBatch) -> Result<Self> {
        let name = whole(&segment.input);
        let first = first_row(segment, batch);
        let line: Option<i64> = ledger.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT i.line FROM input i JOIN run r ON r.id = i.run
                     WHERE r.project = ?1 AND r.run = ?2 AND i.input = ?3 AND i.first = ?4",
                )?
                .query_row(params![run.project, run.run, name, first], |row| row.get(0))
                .optional()?)
        })?;
        let skip = line.map_or(0, i64::unsigned_abs);
        Ok(Self {
            name,
            first,
            skip,
            line: skip,
        })
    }
}

/// An input's path from the root.
fn whole(input: &str) -> String {
    let path = std::path::absolute(input);
    path.map_or_else(
        |_| input.to_owned(),
        |path| path.to_string_lossy().into_owned(),
    )
}

/// Names the first row of a batch: where it stands and what is in it.
fn first_row(segment: &Segment, batch: &RunBatch) -> String {
    let mut parts = Parts::after(b"first row");
    if let (Some(place), Some(step)) = (batch.places.first(), batch.steps.first()) {
        parts.add(place.line.to_le_bytes());
        parts.add(step.to_le_bytes());
    }
    for value in batch.values.iter().take_while(|value| value.row == 0) {
        let metric = segment.metrics.get(value.metric as usize);
        parts.add(metric.map_or("", |metric| &metric.source));
        parts.add(value.value.to_bits().to_le_bytes());
    }
    hex(&parts.finish())
}
