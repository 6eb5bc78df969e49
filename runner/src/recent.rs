//! The last values of each metric, so that an alert can show how it came.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::alert::{Alert, Recent};
use crate::record::{Metric, MetricId, RunBatch, RunId};

/// Values that an alert shows.
const VALUES: usize = 40;
/// Series that are remembered, of 40 values each; of further ones an alert shows
/// nothing.
const SERIES: usize = 16_384;

/// The last values of each series: a metric of a rank of a run.
#[derive(Debug, Default)]
pub(crate) struct Tails(FxHashMap<(RunId, u32, MetricId), VecDeque<f64>>);

impl Tails {
    /// The values of a metric that the alert names, up to its row. Of several
    /// the first that is a metric counts.
    pub(crate) fn of(
        &self,
        alert: &Alert,
        metrics: &[Metric],
        batch: &RunBatch,
        row: u32,
    ) -> Option<Recent> {
        let (metric, name) = alert.values.iter().find_map(|(name, _)| {
            let known = |metric: &Metric| *metric.name == **name || *metric.source == **name;
            Some((metrics.iter().position(known)? as MetricId, name))
        })?;
        let rank = *batch.ranks.get(row as usize)?;
        let upto = batch.values.partition_point(|value| value.row <= row);
        let mut values: Vec<f64> = batch.values[..upto]
            .iter()
            .rev()
            .filter(|value| value.metric == metric && batch.ranks[value.row as usize] == rank)
            .map(|value| value.value)
            .take(VALUES)
            .collect();
        if let Some(before) = self.0.get(&(batch.run, rank, metric)) {
            let more = VALUES - values.len();
            values.extend(before.iter().rev().take(more));
        }
        values.reverse();
        // One value is no course.
        (values.len() > 1).then(|| Recent {
            metric: name.clone(),
            values,
        })
    }

    /// Remembers the end of a batch.
    pub(crate) fn keep(&mut self, batch: &RunBatch) {
        // Ranks that take turns need as many rows more.
        let rows = batch.len().saturating_sub(8 * VALUES) as u32;
        let from = batch.values.partition_point(|value| value.row < rows);
        for value in &batch.values[from..] {
            let series = (batch.run, batch.ranks[value.row as usize], value.metric);
            if self.0.len() >= SERIES && !self.0.contains_key(&series) {
                continue;
            }
            let tail = self.0.entry(series).or_default();
            if tail.len() == VALUES {
                tail.pop_front();
            }
            tail.push_back(value.value);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::alert::Severity;
    use crate::record::{NO_RANK, Value};

    fn batch(values: std::ops::Range<u32>) -> RunBatch {
        let mut batch = RunBatch::default();
        let mut order = 0;
        for value in values {
            let row = batch.push(value.into(), f64::NAN, NO_RANK, 1, &mut order);
            for metric in [0, 1] {
                batch.values.push(Value {
                    metric,
                    row,
                    value: f64::from(value * (metric + 1)),
                    mask: 1,
                });
            }
        }
        batch
    }

    fn alert(names: &[&str]) -> Alert {
        Alert {
            severity: Severity::Info,
            values: names.iter().map(|name| ((*name).to_owned(), 0.0)).collect(),
            ..crate::deliver::sample()
        }
    }

    fn metrics() -> Vec<Metric> {
        let metric = |name: &str, source: &str| Metric {
            name: name.into(),
            source: source.into(),
        };
        vec![metric("loss", "train/loss"), metric("lr", "lr")]
    }

    #[test]
    fn the_values_up_to_the_row_whatever_the_batches() {
        let expected: Vec<f64> = (64..104).map(f64::from).collect();
        for cut in [0, 1, 50, 64, 90, 103] {
            let mut tails = Tails::default();
            tails.keep(&batch(0..cut));
            let last = batch(cut..200);
            let recent = tails
                .of(
                    &alert(&["median", "train/loss", "lr"]),
                    &metrics(),
                    &last,
                    103 - cut,
                )
                .unwrap();
            assert_eq!(recent.metric, "train/loss");
            assert_eq!(recent.values, expected, "{cut}");
        }
    }

    #[test]
    fn nothing_to_show() {
        let tails = Tails::default();
        let batch = batch(0..3);
        assert!(
            tails
                .of(&alert(&["median"]), &metrics(), &batch, 2)
                .is_none()
        );
        assert!(tails.of(&alert(&["loss"]), &metrics(), &batch, 0).is_none());
        assert!(tails.of(&alert(&["lr"]), &metrics(), &batch, 1).is_some());
    }

    #[test]
    fn endless_series_are_not_remembered() {
        let mut tails = Tails::default();
        let mut order = 0;
        for metric in 0..(SERIES as u32 + 100) {
            let mut batch = RunBatch::default();
            let row = batch.push(1, f64::NAN, NO_RANK, 1, &mut order);
            batch.values.push(Value {
                metric,
                row,
                value: 1.0,
                mask: 1,
            });
            tails.keep(&batch);
        }
        assert_eq!(tails.0.len(), SERIES);
    }
}
