//! What a user asks of the history.

use std::ops::RangeInclusive;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::{Ledger, LedgerError, Result};
use super::chunk::{self, Axis, Column};
use crate::record::NO_RANK;

/// What is known of a metric of a run, without looking at its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// The name as the job printed it.
    pub source: String,
    /// The canonical name, or the printed one.
    pub name: String,
    /// How many values it had.
    pub rows: u64,
    /// How many of them were not finite.
    pub nonfinite: u64,
    /// The lowest step and the highest.
    pub steps: (i64, i64),
    /// The first value.
    pub first: f64,
    /// The last value.
    pub last: f64,
    /// The lowest finite value and the highest, if there is one.
    pub range: Option<(f64, f64)>,
}

/// One value of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// The step.
    pub step: i64,
    /// Seconds since 1970; NaN: not known.
    pub time: f64,
    /// The rank; [`NO_RANK`]: the line named none.
    pub rank: u32,
    /// The value.
    pub value: f64,
}

/// Which rows are meant: those in all the ranges that are given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Window {
    /// Steps.
    pub steps: Option<RangeInclusive<i64>>,
    /// Seconds since 1970. Rows of unknown time are in no such range.
    pub times: Option<RangeInclusive<f64>>,
}

/// When and how far a run was watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The project.
    pub project: String,
    /// The run.
    pub run: String,
    /// When its first row was written, in milliseconds since 1970.
    pub made: i64,
    /// When its last row was written.
    pub seen: i64,
    /// When it ended, if that is known.
    pub ended: Option<i64>,
    /// The process that watches it, as it names itself.
    pub owner: Option<String>,
    /// How many rows it had.
    pub rows: u64,
    /// How many metrics.
    pub metrics: u64,
    /// The bytes that its history takes.
    pub bytes: u64,
    /// The lowest step and the highest.
    pub steps: Option<(i64, i64)>,
}

impl Window {
    /// The rows of one step.
    #[must_use]
    pub fn step(step: i64) -> Self {
        Self::around(step, 0)
    }

    /// The rows at most `window` steps before and after this one.
    #[must_use]
    pub fn around(step: i64, window: u64) -> Self {
        let steps = step.saturating_sub_unsigned(window)..=step.saturating_add_unsigned(window);
        Self {
            steps: Some(steps),
            times: None,
        }
    }

    /// The rows at most `window` seconds before and after this time.
    #[must_use]
    pub fn at_time(time: f64, window: f64) -> Self {
        Self {
            steps: None,
            times: Some(time - window..=time + window),
        }
    }

    fn has(&self, step: i64, time: f64) -> bool {
        self.steps
            .as_ref()
            .is_none_or(|steps| steps.contains(&step))
            && self
                .times
                .as_ref()
                .is_none_or(|times| times.contains(&time))
    }
}

impl Ledger {
    /// The runs with a history, that seen last coming last; of one project, or
    /// of all.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn spans(&self, project: Option<&str>) -> Result<Vec<Span>> {
        self.read(|connection| {
            let mut query = connection.prepare_cached(
                "SELECT project, run, made, seen, ended, owner, rows,
                 (SELECT count(*) FROM metric m WHERE m.run = r.id), bytes, first_step, last_step
                 FROM run r WHERE ?1 IS NULL OR project = ?1 ORDER BY seen, id",
            )?;
            let rows = query.query_map([project], span)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// One run.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn span(&self, project: &str, run: &str) -> Result<Option<Span>> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT project, run, made, seen, ended, owner, rows,
                     (SELECT count(*) FROM metric m WHERE m.run = r.id), bytes, first_step,
                     last_step FROM run r WHERE project = ?1 AND run = ?2",
                )?
                .query_row([project, run], span)
                .optional()?)
        })
    }

    /// The metrics of a run, in the order in which they appeared first.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn metrics(&self, project: &str, run: &str) -> Result<Vec<Metric>> {
        self.read(|connection| {
            let mut query = connection.prepare_cached(
                "SELECT m.source, m.name, m.rows, m.nonfinite, m.first_step, m.last_step, m.first,
                 m.last, m.low, m.high FROM metric m JOIN run r ON r.id = m.run
                 WHERE r.project = ?1 AND r.run = ?2 ORDER BY m.id",
            )?;
            let rows = query.query_map([project, run], metric)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The values of a metric in a window, in the order in which they were
    /// written. The metric is named as it was printed, or else by its canonical
    /// name, which means the first of that name. None: there is no such metric.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn points(
        &self,
        project: &str,
        run: &str,
        metric: &str,
        window: &Window,
    ) -> Result<Option<Vec<Point>>> {
        self.last_points(project, run, metric, window, usize::MAX)
    }

    /// The same, but no more than so many, the last of them.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn last_points(
        &self,
        project: &str,
        run: &str,
        metric: &str,
        window: &Window,
        most: usize,
    ) -> Result<Option<Vec<Point>>> {
        self.read(|connection| {
            let id: Option<i64> = connection
                .prepare_cached(
                    "SELECT m.id FROM metric m JOIN run r ON r.id = m.run
                     WHERE r.project = ?1 AND r.run = ?2 AND (m.source = ?3 OR m.name = ?3)
                     ORDER BY m.source <> ?3, m.id LIMIT 1",
                )?
                .query_row([project, run, metric], |row| row.get(0))
                .optional()?;
            id.map(|id| points(connection, id, window, most))
                .transpose()
        })
    }
}

/// The last points of a metric in a window, at most so many.
fn points(
    connection: &Connection,
    metric: i64,
    window: &Window,
    most: usize,
) -> Result<Vec<Point>> {
    let steps = window.steps.as_ref();
    let times = window.times.as_ref();
    let mut query = connection.prepare_cached(
        "SELECT c.rows, c.steps, c.times, c.ranks, s.places, s.data
         FROM series s JOIN chunk c ON c.id = s.chunk WHERE s.metric = ?1
         AND (?2 IS NULL OR c.high_step >= ?2 AND c.low_step <= ?3)
         AND (?4 IS NULL OR c.high_time >= ?4 AND c.low_time <= ?5) ORDER BY s.chunk DESC",
    )?;
    let mut rows = query.query(params![
        metric,
        steps.map(|steps| steps.start()),
        steps.map(|steps| steps.end()),
        times.map(|times| times.start()),
        times.map(|times| times.end())
    ])?;
    let mut chunks = Vec::new();
    let mut found = 0;
    while found < most
        && let Some(row) = rows.next()?
    {
        let points = of_chunk(row, window)?;
        found += points.len();
        chunks.push(points);
    }
    let all = chunks.into_iter().rev().flatten();
    Ok(all.skip(found.saturating_sub(most)).collect())
}

/// The points of a chunk that are in a window.
fn of_chunk(row: &Row<'_>, window: &Window) -> Result<Vec<Point>> {
    let axis = axis(row, 0)?;
    let column = column(row, 4, axis.steps.len())?;
    let mut points = Vec::with_capacity(column.values.len());
    for (at, value) in column.rows.iter().zip(&column.values) {
        let at = usize::from(*at);
        let (step, time) = (axis.steps.get(at), axis.times.get(at));
        if let (Some(&step), Some(&time)) = (step, time)
            && window.has(step, time)
        {
            let rank = axis.ranks.get(at).copied().unwrap_or(NO_RANK);
            points.push(Point {
                step,
                time,
                rank,
                value: *value,
            });
        }
    }
    Ok(points)
}

/// The axis in the columns `rows, steps, times, ranks` from this one on.
pub(super) fn axis(row: &Row<'_>, from: usize) -> Result<Axis> {
    let rows = row.get::<_, i64>(from)?.clamp(0, chunk::MOST as i64) as usize;
    let blob = |at| -> Result<Option<&[u8]>> { row.get_ref(at)?.as_blob_or_null().map_err(wrong) };
    Ok(Axis {
        steps: chunk::read_steps(blob(from + 1)?.unwrap_or_default(), rows)?,
        times: chunk::read_times(blob(from + 2)?, rows)?,
        ranks: chunk::read_ranks(blob(from + 3)?, rows)?,
    })
}

/// The series in the columns `places, data` from this one on.
pub(super) fn column(row: &Row<'_>, from: usize, rows: usize) -> Result<Column> {
    let places = row.get_ref(from)?.as_blob_or_null().map_err(wrong)?;
    let data = row.get_ref(from + 1)?.as_blob().map_err(wrong)?;
    Column::read(places, data, rows)
}

fn wrong(error: impl std::fmt::Display) -> LedgerError {
    LedgerError(error.to_string())
}

fn span(row: &Row<'_>) -> rusqlite::Result<Span> {
    let steps: (Option<i64>, Option<i64>) = (row.get(9)?, row.get(10)?);
    Ok(Span {
        project: row.get(0)?,
        run: row.get(1)?,
        made: row.get(2)?,
        seen: row.get(3)?,
        ended: row.get(4)?,
        owner: row.get(5)?,
        rows: row.get::<_, i64>(6)?.unsigned_abs(),
        metrics: row.get::<_, i64>(7)?.unsigned_abs(),
        bytes: row.get::<_, i64>(8)?.unsigned_abs(),
        steps: steps.0.zip(steps.1),
    })
}

fn metric(row: &Row<'_>) -> rusqlite::Result<Metric> {
    let range: (Option<f64>, Option<f64>) = (row.get(8)?, row.get(9)?);
    Ok(Metric {
        source: row.get(0)?,
        name: row.get(1)?,
        rows: row.get::<_, i64>(2)?.unsigned_abs(),
        nonfinite: row.get::<_, i64>(3)?.unsigned_abs(),
        steps: (row.get(4)?, row.get(5)?),
        first: value(row, 6)?,
        last: value(row, 7)?,
        range: range.0.zip(range.1),
    })
}

/// A value that may be one of those for which SQLite has no number.
fn value(row: &Row<'_>, at: usize) -> rusqlite::Result<f64> {
    use rusqlite::types::ValueRef;
    Ok(match row.get_ref(at)? {
        ValueRef::Real(value) => value,
        ValueRef::Integer(value) => value as f64,
        ValueRef::Text(b"Infinity") => f64::INFINITY,
        ValueRef::Text(b"-Infinity") => f64::NEG_INFINITY,
        _ => f64::NAN,
    })
}
