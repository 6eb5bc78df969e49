//! The history row by row: for whoever takes all of it away.

use rusqlite::params;

use super::super::{Ledger, LedgerError, Result};
use super::read;
use crate::record::NO_RANK;

/// Some rows of a run, as they lie together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stretch {
    steps: Vec<i64>,
    times: Vec<f64>,
    ranks: Vec<u32>,
    /// What each metric has in these rows.
    pub series: Vec<Series>,
}

/// The values of a metric in a stretch.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its place among the metrics that were asked for.
    pub metric: usize,
    /// The rows that have a value, rising. One with several stands here as
    /// often.
    rows: Vec<u16>,
    values: Vec<f64>,
}

/// When something was recorded, and by whom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// The step.
    pub step: i64,
    /// Seconds since 1970, if known.
    pub time: Option<f64>,
    /// The rank, if the line named one.
    pub rank: Option<u32>,
}

/// A metric's values in one row, by its place among those asked for.
pub type Cell<'a> = (usize, &'a [f64]);

impl Ledger {
    /// Gives the rows of a run, stretch by stretch, as they were written; of its
    /// metrics these, by their printed names. Ends early when `take` says false.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn stretches(
        &self,
        project: &str,
        run: &str,
        metrics: &[String],
        take: &mut dyn FnMut(&Stretch) -> bool,
    ) -> Result<()> {
        self.read(|connection| {
            let mut id = connection.prepare_cached(
                "SELECT m.id FROM metric m JOIN run r ON r.id = m.run
                 WHERE r.project = ?1 AND r.run = ?2 AND m.source = ?3",
            )?;
            let mut ids = Vec::new();
            for (place, metric) in metrics.iter().enumerate() {
                let mut rows = id.query(params![project, run, metric])?;
                if let Some(row) = rows.next()? {
                    ids.push((place, row.get::<_, i64>(0)?));
                }
            }
            let mut chunks = connection.prepare_cached(
                "SELECT c.id, c.rows, c.steps, c.times, c.ranks FROM chunk c
                 JOIN run r ON r.id = c.run WHERE r.project = ?1 AND r.run = ?2 ORDER BY c.id",
            )?;
            let mut series = connection.prepare_cached(
                "SELECT places, data FROM series WHERE metric = ?1 AND chunk = ?2",
            )?;
            // The statement keeps what it sees, whatever a watch writes.
            let mut rows = chunks.query([project, run])?;
            while let Some(row) = rows.next()? {
                let chunk: i64 = row.get(0)?;
                let axis = read::axis(row, 1)?;
                let mut stretch = Stretch {
                    steps: axis.steps,
                    times: axis.times,
                    ranks: axis.ranks,
                    series: Vec::new(),
                };
                for &(place, id) in &ids {
                    let mut rows = series.query(params![id, chunk])?;
                    let Some(row) = rows.next()? else { continue };
                    let column = read::column(row, 0, stretch.steps.len())?;
                    if !column.rows.is_sorted() {
                        return Err(LedgerError("a piece of the history is damaged".to_owned()));
                    }
                    stretch.series.push(Series {
                        metric: place,
                        rows: column.rows,
                        values: column.values,
                    });
                }
                if !take(&stretch) {
                    break;
                }
            }
            Ok(())
        })
    }
}

impl Stretch {
    /// Where a row stands.
    #[must_use]
    pub fn mark(&self, row: usize) -> Mark {
        let time = self.times.get(row).copied();
        let rank = self.ranks.get(row).copied();
        Mark {
            step: self.steps.get(row).copied().unwrap_or_default(),
            time: time.filter(|time| time.is_finite()),
            rank: rank.filter(|rank| *rank != NO_RANK),
        }
    }

    /// Gives every row that has a value, with its cells in the order of the
    /// metrics.
    ///
    /// # Errors
    ///
    /// The first of `take`.
    pub fn each_row<E>(
        &self,
        mut take: impl FnMut(Mark, &[Cell<'_>]) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let mut next = vec![0; self.series.len()];
        let mut cells = Vec::new();
        for row in 0..self.steps.len() {
            cells.clear();
            for (series, next) in self.series.iter().zip(&mut next) {
                let rest = series.rows.get(*next..).unwrap_or_default();
                let many = rest
                    .iter()
                    .take_while(|it| usize::from(**it) == row)
                    .count();
                if let Some(values @ [_, ..]) = series.values.get(*next..*next + many) {
                    cells.push((series.metric, values));
                    *next += many;
                }
            }
            if !cells.is_empty() {
                take(self.mark(row), &cells)?;
            }
        }
        Ok(())
    }
}

impl Series {
    /// Each value with its row.
    pub fn values(&self) -> impl Iterator<Item = (usize, f64)> {
        let rows = self.rows.iter().map(|row| usize::from(*row));
        rows.zip(self.values.iter().copied())
    }
}
