//! Which metrics are announced to a detector.

use anyhow::Result;

use super::guest::Guest;
use crate::decode::Interests;
use crate::record::{Mask, Metric, RunId};
use crate::sandbox::Fault;
use crate::sandbox::instance::Series;

/// Announces the metrics from `known` on that this detector asked for.
pub(super) fn define(
    guest: &mut dyn Guest,
    run: RunId,
    bit: Mask,
    known: usize,
    metrics: &[Metric],
    interests: &Interests,
) -> Result<(), Fault> {
    let series: Vec<Series<'_>> = wanted(bit, known, metrics, interests).collect();
    if series.is_empty() {
        Ok(())
    } else {
        guest.define(run, &series)
    }
}

/// The metrics from `known` on that this detector asked for.
pub(super) fn wanted<'a>(
    bit: Mask,
    known: usize,
    metrics: &'a [Metric],
    interests: &Interests,
) -> impl Iterator<Item = Series<'a>> {
    let is_wanted = move |metric: &Metric| {
        let wanted = interests.metric(&metric.name);
        (wanted.all | wanted.edges) & bit != 0
    };
    let series = |(index, metric): (usize, &'a Metric)| Series {
        index: index as u32,
        name: &metric.name,
        source: &metric.source,
    };
    metrics
        .iter()
        .enumerate()
        .skip(known)
        .filter(move |(_, metric)| is_wanted(metric))
        .map(series)
}
