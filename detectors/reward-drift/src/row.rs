//! The mean reward of a row.

use std::ops::Range;

use runwatch_detector::{Batch, Point, Roles};

/// Reads rows: `reward_mean`, or the mean of `rewards` where a row has none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reader {
    /// Whether a series is one of single rewards.
    single: Roles<bool>,
}

impl Reader {
    /// The mean reward of the row whose values are at these places. All series
    /// count as one, whichever a row has.
    pub(crate) fn read(&mut self, batch: &Batch<'_>, places: Range<usize>) -> Option<Point> {
        let (mut sum, mut count) = (0.0, 0);
        let (mut first, mut of) = (None, None);
        for point in places.filter_map(|at| batch.point(at)) {
            let is_single = self
                .single
                .of(batch, point.series, |it| it.name == "rewards");
            if is_single != Some(true) {
                return Some(Point { series: 0, ..point });
            }
            if *of.get_or_insert(point.series) == point.series {
                sum += point.value;
                count += 1;
                first = first.or(Some(point));
            }
        }
        let value = sum / f64::from(count);
        first.map(|point| Point {
            series: 0,
            value,
            ..point
        })
    }
}
