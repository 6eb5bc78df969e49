//! A metric that may go on for ever, and the chart of it that stays small.

use crate::downsample::of_stretch;
use crate::ledger::history::Point;
use crate::record::{Metric, NO_RANK};
use crate::view::{self, Number, Series};

/// A metric of a run: all of it in numbers, and some of its values.
///
/// The values that are kept stand for stretches of equally many rows, so that
/// the chart is as fine at its beginning as at its end, however long it gets.
#[derive(Debug)]
pub(super) struct Track {
    metric: Metric,
    rows: u64,
    nonfinite: u64,
    steps: (i64, i64),
    first: f64,
    last: f64,
    range: Option<(f64, f64)>,
    kept: Vec<Kept>,
    /// Rows of a stretch, of which the extremes stay.
    stretch: u64,
}

/// A value that is kept, and which one it was.
#[derive(Debug, Clone, Copy)]
struct Kept {
    number: u64,
    point: Point,
}

impl Track {
    pub(super) fn new(metric: Metric) -> Self {
        Self {
            metric,
            rows: 0,
            nonfinite: 0,
            steps: (i64::MAX, i64::MIN),
            first: f64::NAN,
            last: f64::NAN,
            range: None,
            kept: Vec::new(),
            stretch: 1,
        }
    }

    /// One value more. About `limit` are kept, and at no time more than twice
    /// as many.
    #[inline]
    pub(super) fn push(&mut self, step: i64, time: f64, rank: u32, value: f64, limit: usize) {
        if self.rows == 0 {
            self.first = value;
        }
        self.last = value;
        self.steps = (self.steps.0.min(step), self.steps.1.max(step));
        if value.is_finite() {
            let (low, high) = self.range.unwrap_or((value, value));
            self.range = Some((low.min(value), high.max(value)));
        } else {
            self.nonfinite += 1;
        }
        if self.kept.len() >= 2 * limit {
            self.thin(limit);
        }
        let point = Point {
            step,
            // Finer than a millisecond no chart is, and the digits take room.
            time: (time * 1000.0).round() / 1000.0,
            rank,
            value,
        };
        let number = self.rows;
        self.kept.push(Kept { number, point });
        self.rows += 1;
    }

    /// Keeps about `limit` values, if there are more.
    pub(super) fn thin(&mut self, limit: usize) {
        if self.kept.len() <= limit {
            return;
        }
        loop {
            self.merge();
            // The first and the last come on top of the extremes.
            if self.kept.len() <= limit + 2 || self.stretch > self.rows {
                break;
            }
            self.stretch *= 2;
        }
        self.kept.shrink_to(2 * limit);
    }

    /// Keeps the extremes of each stretch, the first value and the last.
    fn merge(&mut self) {
        let values: Vec<f64> = self.kept.iter().map(|kept| kept.point.value).collect();
        let last = values.len().saturating_sub(1);
        let mut places = vec![0];
        let mut begin = 0;
        let mut extremes = Vec::with_capacity(3);
        let stretch = self.stretch;
        for of in self
            .kept
            .chunk_by(|a, b| a.number / stretch == b.number / stretch)
        {
            let end = begin + of.len();
            extremes.clear();
            of_stretch(&values, begin..end, &mut extremes);
            places.extend(&extremes);
            begin = end;
        }
        places.push(last);
        places.dedup();
        let kept = places.iter().filter_map(|&at| self.kept.get(at).copied());
        self.kept = kept.collect();
    }

    /// What there is to show, in about `limit` values.
    pub(super) fn finish(mut self, limit: usize) -> (view::Metric, Series) {
        self.thin(limit);
        let name = self.metric.source.to_string();
        let points: Vec<Point> = self.kept.iter().map(|kept| kept.point).collect();
        let series = Series {
            rows: self.rows as usize,
            thinned: (points.len() as u64) < self.rows,
            ..Series::new(name.clone(), &points, points.len())
        };
        let (min, max) = self.range.unzip();
        let metric = view::Metric {
            name,
            canonical: self.metric.name.to_string(),
            rows: self.rows,
            nonfinite: self.nonfinite,
            first_step: self.steps.0,
            last_step: self.steps.1,
            first: Number(self.first),
            last: Number(self.last),
            min,
            max,
        };
        (metric, series)
    }

    /// How many values are kept at the moment.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.kept.capacity()
    }
}

/// A rank as it is shown.
pub(super) fn known(rank: u32) -> Option<u32> {
    (rank != NO_RANK).then_some(rank)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn track(values: impl IntoIterator<Item = f64>, limit: usize) -> Track {
        let mut track = Track::new(Metric {
            name: "loss".into(),
            source: "train/loss".into(),
        });
        for (step, value) in values.into_iter().enumerate() {
            track.push(step as i64, f64::NAN, NO_RANK, value, limit);
            assert!(track.len() <= 4 * limit.max(4), "{}", track.len());
        }
        track
    }

    #[test]
    fn a_chart_is_as_fine_at_its_beginning_as_at_its_end() {
        let wave = (0..1_000_000).map(|step| f64::from(step % 97));
        let (metric, series) = track(wave, 4000).finish(4000);
        assert_eq!((metric.rows, series.rows), (1_000_000, 1_000_000));
        assert!(series.thinned);
        let shown = series.steps.len();
        assert!((1500..=4002).contains(&shown), "{shown}");
        for part in 0..10 {
            let part = part * 100_000..(part + 1) * 100_000;
            let of = series
                .steps
                .iter()
                .filter(|step| part.contains(*step))
                .count();
            assert!(
                of.abs_diff(shown / 10) <= shown / 100 + 2,
                "{of} of {shown}"
            );
        }
    }

    #[test]
    fn nothing_that_fits_is_left_out() {
        let (metric, series) = track((0..4000).map(f64::from), 4000).finish(4000);
        assert_eq!(series.steps, (0..4000).collect::<Vec<_>>());
        assert!(!series.thinned);
        assert_eq!((metric.first_step, metric.last_step), (0, 3999));
        assert_eq!((metric.min, metric.max), (Some(0.0), Some(3999.0)));
        assert_eq!(metric.name, "train/loss");
        assert_eq!(metric.canonical, "loss");
    }

    proptest! {
        #[test]
        fn extremes_stay(
            values in prop::collection::vec(prop_oneof![9 => -1e6..1e6, 1 => Just(f64::NAN)], 1..2000),
            limit in 4_usize..100,
        ) {
            let (metric, series) = track(values.iter().copied(), limit).finish(limit);
            let kept: Vec<f64> = series.values.iter().map(|number| number.0).collect();
            let finite = || kept.iter().copied().filter(|value| value.is_finite());
            prop_assert_eq!(finite().reduce(f64::max), metric.max);
            prop_assert_eq!(finite().reduce(f64::min), metric.min);
            prop_assert_eq!(kept.iter().any(|value| value.is_nan()), metric.nonfinite > 0);
            prop_assert!(series.steps.windows(2).all(|two| two[0] < two[1]));
            prop_assert_eq!(series.steps.first(), Some(&0));
            prop_assert_eq!(series.steps.last(), Some(&(values.len() as i64 - 1)));
            prop_assert!(kept.len() <= limit + 2);
            for (step, value) in series.steps.iter().zip(&kept) {
                prop_assert_eq!(values[*step as usize].to_bits(), value.to_bits());
            }
        }
    }
}
