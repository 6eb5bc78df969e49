//! From finding to finding, with the rows between them.

use crate::alert::Alert;
use crate::judge::Judge;
use crate::record::Segment;

/// Tells the judge of the rows between findings, in the order of the input.
pub(super) struct Walk<'a> {
    segment: &'a Segment,
    /// By batch: the next row.
    next: Vec<usize>,
    found: Vec<(usize, Alert)>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(segment: &'a Segment) -> Self {
        Self {
            segment,
            next: vec![0; segment.batches.len()],
            found: Vec::new(),
        }
    }

    /// Tells the judge of the rows before position `order`.
    pub(super) fn until(&mut self, order: u32, judge: &mut Judge, alerts: &mut Vec<Alert>) {
        let mut found: Vec<(u32, Alert)> = Vec::new();
        for (batch, next) in self.segment.batches.iter().zip(&mut self.next) {
            if batch
                .places
                .get(*next)
                .is_none_or(|place| place.order >= order)
            {
                continue;
            }
            let from = *next;
            *next = from + batch.places[from..].partition_point(|place| place.order < order);
            if judge.pending(batch.run) {
                let rows = from..*next;
                judge.progress_rows(
                    batch.run,
                    &batch.steps[rows.clone()],
                    &batch.times[rows.clone()],
                    &batch.ranks[rows],
                    &mut self.found,
                );
                let place = |row: usize| batch.places[from + row].order;
                found.extend(self.found.drain(..).map(|(row, alert)| (place(row), alert)));
            }
        }
        found.sort_by_key(|(order, _)| *order);
        alerts.extend(found.into_iter().map(|(_, alert)| alert));
    }
}
