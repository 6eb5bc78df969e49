//! A metric that may go on for ever, and the chart of it that stays small.

use crate::downsample::of_stretch;
use crate::ledger::history::Point;
use crate::record::Metric;
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
    first: Option<Kept>,
    last: Option<Kept>,
    range: Option<(f64, f64)>,
    kept: Vec<Kept>,
    /// Rows of a stretch, of which the extremes stay: a power of two.
    stretch: u64,
    open: Stretch,
}

/// A value that is kept, and which one it was.
#[derive(Debug, Clone, Copy)]
struct Kept {
    number: u64,
    point: Point,
}

/// What is kept of the rows that make the next stretch.
#[derive(Debug, Default)]
struct Stretch {
    low: Option<Kept>,
    high: Option<Kept>,
    /// The first that is not finite.
    strange: Option<Kept>,
}

impl Track {
    pub(super) fn new(metric: Metric) -> Self {
        Self {
            metric,
            rows: 0,
            nonfinite: 0,
            steps: (i64::MAX, i64::MIN),
            first: None,
            last: None,
            range: None,
            kept: Vec::new(),
            stretch: 1,
            open: Stretch::default(),
        }
    }

    /// One value more. About `limit` are kept, and at no time more than twice
    /// as many.
    #[inline]
    pub(super) fn push(&mut self, point: Point, limit: usize) {
        let number = self.rows;
        let kept = Kept { number, point };
        if number & (self.stretch - 1) == 0 {
            self.close();
            if self.kept.len() >= 2 * limit {
                self.thin(limit);
            }
        }
        self.rows += 1;
        self.first.get_or_insert(kept);
        self.last = Some(kept);
        self.steps = (self.steps.0.min(point.step), self.steps.1.max(point.step));
        let value = point.value;
        if !value.is_finite() {
            self.nonfinite += 1;
            self.open.strange.get_or_insert(kept);
            return;
        }
        let (low, high) = self.range.unwrap_or((value, value));
        self.range = Some((low.min(value), high.max(value)));
        let open = &mut self.open;
        if open.low.is_none_or(|low| value < low.point.value) {
            open.low = Some(kept);
        }
        if open.high.is_none_or(|high| value > high.point.value) {
            open.high = Some(kept);
        }
    }

    /// Keeps what stays of the stretch that is over.
    fn close(&mut self) {
        let Stretch { low, high, strange } = std::mem::take(&mut self.open);
        let mut all = [low, high, strange];
        all.sort_unstable_by_key(|kept| kept.map(|kept| kept.number));
        for kept in all.into_iter().flatten() {
            if self
                .kept
                .last()
                .is_none_or(|last| last.number < kept.number)
            {
                self.kept.push(kept);
            }
        }
    }

    /// Keeps about `limit` values, if there are more.
    pub(super) fn thin(&mut self, limit: usize) {
        // One stretch of all keeps three; it may just have become as long as that.
        while self.kept.len() > limit && self.stretch <= 2 * self.rows {
            self.stretch *= 2;
            self.merge();
        }
    }

    /// Keeps the extremes of each stretch, now that it is twice as long.
    fn merge(&mut self) {
        let values: Vec<f64> = self.kept.iter().map(|kept| kept.point.value).collect();
        let stretch = self.stretch;
        let same = |a: &Kept, b: &Kept| a.number / stretch == b.number / stretch;
        let mut begin = 0;
        let mut fewer = Vec::with_capacity(self.kept.len() / 2 + 2);
        let mut extremes = Vec::with_capacity(3);
        for of in self.kept.chunk_by(same) {
            extremes.clear();
            of_stretch(&values, begin..begin + of.len(), &mut extremes);
            begin += of.len();
            fewer.extend(extremes.iter().filter_map(|&at| self.kept.get(at)));
        }
        self.kept = fewer;
    }

    /// The values to show, the first and the last among them.
    fn points(&mut self, limit: usize) -> Vec<Point> {
        self.close();
        self.thin(limit);
        let (first, last) = (self.kept.first(), self.kept.last());
        let before = self
            .first
            .filter(|it| first.is_none_or(|first| it.number < first.number));
        let after = self
            .last
            .filter(|it| last.is_none_or(|last| last.number < it.number));
        let mut all = self.kept.clone();
        all.splice(0..0, before);
        all.extend(after);
        all.iter().map(|kept| shown(kept.point)).collect()
    }

    /// What there is to show, in about `limit` values.
    pub(super) fn finish(mut self, limit: usize) -> (view::Metric, Series) {
        let points = self.points(limit);
        let name = self.metric.source.to_string();
        let value = |kept: Option<Kept>| Number(kept.map_or(f64::NAN, |kept| kept.point.value));
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
            first: value(self.first),
            last: value(self.last),
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

/// Finer than a millisecond no chart is, and the digits take room.
fn shown(point: Point) -> Point {
    let time = (point.time * 1000.0).round() / 1000.0;
    Point { time, ..point }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::record::NO_RANK;
    use proptest::prelude::*;

    fn track(values: impl IntoIterator<Item = f64>, limit: usize) -> Track {
        let mut track = Track::new(Metric {
            name: "loss".into(),
            source: "train/loss".into(),
        });
        for (step, value) in values.into_iter().enumerate() {
            let point = Point {
                step: step as i64,
                time: f64::NAN,
                rank: NO_RANK,
                value,
            };
            track.push(point, limit);
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
