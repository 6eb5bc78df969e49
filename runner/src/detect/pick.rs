//! From a batch of a run to the columns that one detector asked for.

use super::guest::text;
use crate::record::{Mask, RunBatch};
use crate::sandbox::bindings::types;
use crate::sandbox::instance::Columns;

/// Columns picked for one detector, reused from call to call.
#[derive(Default)]
pub(super) struct Scratch {
    steps: Vec<i64>,
    times: Vec<f64>,
    ranks: Vec<u32>,
    indices: Vec<u32>,
    rows: Vec<u32>,
    values: Vec<f64>,
    texts: Vec<types::Text>,
    /// From picked row to row of the batch.
    picked: Vec<u32>,
}

impl Scratch {
    /// Picks the values and texts of rows `from..to` that a detector asked for;
    /// false when there are none. Rows are picked as well when few have any,
    /// unless the detector wants every row.
    pub(super) fn pick(
        &mut self,
        batch: &RunBatch,
        bit: Mask,
        every_row: bool,
        from: usize,
        to: usize,
    ) -> bool {
        self.indices.clear();
        self.rows.clear();
        self.values.clear();
        self.texts.clear();
        self.picked.clear();
        if batch.mask & bit == 0 {
            return every_row;
        }
        let all = from == 0 && to == batch.len();
        let part = |row: usize| {
            batch
                .values
                .partition_point(|value| (value.row as usize) < row)
        };
        let values = if all {
            &batch.values[..]
        } else {
            &batch.values[part(from)..part(to)]
        };
        for value in values.iter().filter(|value| value.mask & bit != 0) {
            self.indices.push(value.metric);
            self.rows.push(value.row - from as u32);
            self.values.push(value.value);
        }
        for item in &batch.texts {
            if item.mask & bit != 0 && (from..to).contains(&(item.row as usize)) {
                self.texts.push(text(item, item.row - from as u32));
            }
        }
        if every_row {
            return true;
        }
        if self.rows.is_empty() && self.texts.is_empty() {
            return false;
        }
        if (self.rows.len() + self.texts.len()) * 4 < to - from {
            self.pick_rows(batch, from);
        }
        true
    }

    fn pick_rows(&mut self, batch: &RunBatch, from: usize) {
        self.picked.extend_from_slice(&self.rows);
        self.picked.extend(self.texts.iter().map(|text| text.row));
        self.picked.sort_unstable();
        self.picked.dedup();
        // Every row is in `picked` by construction.
        let place = |row: u32| self.picked.binary_search(&row).unwrap_or_default() as u32;
        for row in &mut self.rows {
            *row = place(*row);
        }
        for text in &mut self.texts {
            text.row = place(text.row);
        }
        let original = self.picked.iter().map(|&row| row as usize + from);
        self.steps.clear();
        self.times.clear();
        self.ranks.clear();
        for row in original {
            self.steps.push(batch.steps[row]);
            self.times.push(batch.times[row]);
            self.ranks.push(batch.ranks[row]);
        }
    }

    pub(super) fn columns<'a>(
        &'a self,
        batch: &'a RunBatch,
        from: usize,
        to: usize,
    ) -> Columns<'a> {
        let all = self.picked.is_empty();
        Columns {
            steps: if all {
                &batch.steps[from..to]
            } else {
                &self.steps
            },
            times: if all {
                &batch.times[from..to]
            } else {
                &self.times
            },
            ranks: if all {
                &batch.ranks[from..to]
            } else {
                &self.ranks
            },
            indices: &self.indices,
            rows: &self.rows,
            values: &self.values,
            texts: &self.texts,
        }
    }

    /// The batch's row behind a row of the columns.
    pub(super) fn original(&self, row: u32, from: usize) -> u32 {
        let row = if self.picked.is_empty() {
            row
        } else {
            self.picked[row as usize]
        };
        row + from as u32
    }
}
