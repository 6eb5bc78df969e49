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

/// Deals the values of a batch out to those detectors of `members` that asked
/// for them, in one pass: looking through all of them for each detector costs more than most
/// detectors do.
pub(super) fn deal(batch: &RunBatch, members: Mask, hands: &mut [Scratch]) {
    hands.iter_mut().for_each(Scratch::clear);
    for value in &batch.values {
        let mut mask = value.mask & members;
        while mask != 0 {
            if let Some(hand) = hands.get_mut(mask.trailing_zeros() as usize) {
                hand.indices.push(value.metric);
                hand.rows.push(value.row);
                hand.values.push(value.value);
            }
            mask &= mask - 1;
        }
    }
}

impl Scratch {
    fn clear(&mut self) {
        self.indices.clear();
        self.rows.clear();
        self.values.clear();
    }

    /// Picks the values and texts of rows `from..to` that a detector asked for;
    /// false when there are none. The values of the whole batch have been
    /// dealt. Rows are picked as well when few have any, unless the detector
    /// wants every row.
    pub(super) fn pick(
        &mut self,
        batch: &RunBatch,
        bit: Mask,
        every_row: bool,
        from: usize,
        to: usize,
    ) -> bool {
        self.texts.clear();
        self.picked.clear();
        if batch.mask & bit == 0 {
            return every_row;
        }
        if from > 0 || to < batch.len() {
            self.part(batch, bit, from, to);
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

    /// Takes the values of rows `from..to` instead of those that were dealt.
    fn part(&mut self, batch: &RunBatch, bit: Mask, from: usize, to: usize) {
        self.clear();
        let at = |row: usize| {
            batch
                .values
                .partition_point(|value| (value.row as usize) < row)
        };
        let values = batch.values[at(from)..at(to)].iter();
        for value in values.filter(|value| value.mask & bit != 0) {
            self.indices.push(value.metric);
            self.rows.push(value.row - from as u32);
            self.values.push(value.value);
        }
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
