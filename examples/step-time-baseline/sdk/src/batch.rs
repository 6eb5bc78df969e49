//! What a monitor is shown: rows as columns, with an iterator over points.

use std::ops::Range;

/// The rank of a row whose line names none.
pub const NO_RANK: u32 = u32::MAX;

/// The row of a finding that belongs to no row (from `tick` and `finish`).
pub const NO_ROW: u32 = u32::MAX;

/// A metric of this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// The number that stands for the metric in a batch.
    pub index: u32,
    /// The canonical name, such as `loss`, or the printed one.
    pub name: String,
    /// The name as the job printed it.
    pub source: String,
}

/// A text that an interest asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    /// The row it belongs to.
    pub row: u32,
    /// `label`, `text`, `exception` or `event`.
    pub kind: String,
    /// The label's name, the needle, the exception's type, or the event's name.
    pub name: String,
    /// The label's value, the line, or the exception's message.
    pub content: String,
    /// More, by kind: for exceptions `frame`, `traceback` and `chain`.
    pub fields: Vec<(String, String)>,
}

/// Some rows of one run.
///
/// `steps`, `times` and `ranks` have an entry per row; `indices`, `rows` and
/// `values` an entry per value, ordered by row.
#[derive(Debug, Clone, Copy, Default)]
pub struct Batch<'a> {
    /// Training steps, or the rows' ordinals where the job prints none.
    pub steps: &'a [i64],
    /// Seconds since 1970, NaN where unknown.
    pub times: &'a [f64],
    /// Processes, [`NO_RANK`] where the line names none.
    pub ranks: &'a [u32],
    /// The series of each value.
    pub indices: &'a [u32],
    /// The row of each value.
    pub rows: &'a [u32],
    /// The values; NaN and infinities are data.
    pub values: &'a [f64],
    /// Texts, ordered by row.
    pub texts: &'a [Text],
    /// Every series announced so far.
    pub series: &'a [Series],
}

/// One value with all that belongs to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The series' index.
    pub series: u32,
    /// The row in this batch, for [`Finding`](crate::Finding)s.
    pub row: u32,
    /// The training step.
    pub step: i64,
    /// Seconds since 1970, NaN when unknown.
    pub time: f64,
    /// The process, or [`NO_RANK`].
    pub rank: u32,
    /// The value, which may be NaN or infinite.
    pub value: f64,
}

impl<'a> Batch<'a> {
    /// The values in the order in which the job printed them.
    #[inline]
    pub fn points(&self) -> impl Iterator<Item = Point> + 'a {
        // Cut to one length, so that one comparison guards all three.
        let rows = self.steps.len().min(self.times.len()).min(self.ranks.len());
        let (steps, times, ranks) = (
            &self.steps[..rows],
            &self.times[..rows],
            &self.ranks[..rows],
        );
        let values = self.indices.iter().zip(self.rows).zip(self.values);
        // A value without a row cannot come from the runner; it must not panic.
        values
            .filter(move |((_, row), _)| (**row as usize) < rows)
            .map(move |((&series, &row), &value)| Point {
                series,
                row,
                step: steps[row as usize],
                time: times[row as usize],
                rank: ranks[row as usize],
                value,
            })
    }

    /// The value at a position of `indices`, `rows` and `values`, for detectors
    /// that look at the values of a row together.
    #[inline]
    #[must_use]
    pub fn point(&self, at: usize) -> Option<Point> {
        let row = *self.rows.get(at)?;
        Some(Point {
            series: *self.indices.get(at)?,
            row,
            step: *self.steps.get(row as usize)?,
            time: *self.times.get(row as usize)?,
            rank: *self.ranks.get(row as usize)?,
            value: *self.values.get(at)?,
        })
    }

    /// Where a text stands: a point without a series, whose value is NaN.
    #[must_use]
    pub fn place(&self, text: &Text) -> Option<Point> {
        let row = text.row as usize;
        Some(Point {
            series: u32::MAX,
            row: text.row,
            step: *self.steps.get(row)?,
            time: *self.times.get(row)?,
            rank: *self.ranks.get(row)?,
            value: f64::NAN,
        })
    }

    /// The positions of each row's values, for [`point`](Self::point). Rows
    /// without values are left out.
    pub fn by_row(&self) -> impl Iterator<Item = Range<usize>> + 'a {
        let rows = self.rows;
        let mut from = 0;
        std::iter::from_fn(move || {
            let row = rows.get(from)?;
            let length = rows[from..].iter().take_while(|it| *it == row).count();
            let range = from..from + length;
            from = range.end;
            Some(range)
        })
    }

    /// The series with this index. Only a detector that asked for several
    /// metrics needs it.
    #[must_use]
    pub fn series(&self, index: u32) -> Option<&'a Series> {
        // Indices grow and are announced in order, but a monitor hears only of
        // the series it asked for, so that they have gaps.
        let at = self
            .series
            .binary_search_by_key(&index, |series| series.index)
            .ok()?;
        self.series.get(at)
    }

    /// The canonical name of a series, or an empty text.
    #[must_use]
    pub fn name(&self, index: u32) -> &'a str {
        self.series(index).map_or("", |series| &series.name)
    }
}

/// What each series means to a detector that asked for several metrics, found
/// out once: names are compared per series, not per value.
///
/// Not a part of the saved state: series are announced afresh.
#[derive(Debug, Clone)]
pub struct Roles<R>(Vec<(u32, R)>);

impl<R> Default for Roles<R> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<R: Copy> Roles<R> {
    /// The role of a series, which `decide` gives it.
    #[inline]
    pub fn of(
        &mut self,
        batch: &Batch<'_>,
        index: u32,
        decide: impl FnOnce(&Series) -> R,
    ) -> Option<R> {
        if let Some((_, role)) = self.0.iter().find(|(known, _)| *known == index) {
            return Some(*role);
        }
        let role = decide(batch.series(index)?);
        self.0.push((index, role));
        Some(role)
    }
}
