//! Making room: older rows are thinned, and at last forgotten.
//!
//! Of each eight values of a metric the lowest and the highest stay, besides
//! the first that is not finite, and every row near an alert. What has been
//! thinned can be thinned again.

use rusqlite::{Transaction, params};

use super::super::Result;
use super::chunk::{Axis, Column, MOST};
use super::{read, write};
use crate::downsample::of_stretch;

/// Values of which two stay.
const STRETCH: usize = 8;
/// Chunks that become one.
const CHUNKS: i64 = 16;
/// Chunks with fewer rows may still be written to.
const ENOUGH: i64 = 256;
/// Rows before and after one with an alert that stay.
const AROUND: usize = 32;
/// A run that was thinned so often is rather forgotten when room is needed.
const LEVELS: i64 = 4;

/// Thins a run until it takes no more than so many bytes, if that can be had.
pub(super) fn run(tx: &Transaction<'_>, run: i64, cap: u64) -> Result<()> {
    // Each turn makes a good part of the run smaller.
    for _ in 0..256 {
        if bytes(tx, run)? <= cap || !pass(tx, run, i64::MAX)? {
            break;
        }
    }
    Ok(())
}

/// Thins, and then forgets, the runs that were not seen for longest until all
/// take no more than so many bytes.
pub(super) fn all(tx: &Transaction<'_>, cap: u64) -> Result<()> {
    let runs: Vec<i64> = tx
        .prepare_cached("SELECT id FROM run WHERE bytes > 0 ORDER BY seen, id")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let total = || -> Result<u64> {
        let total: i64 = tx
            .prepare_cached("SELECT ifnull(sum(bytes), 0) FROM run")?
            .query_row([], |row| row.get(0))?;
        Ok(total.unsigned_abs())
    };
    for run in &runs {
        while total()? > cap && pass(tx, *run, LEVELS)? {}
    }
    for run in runs {
        if total()? <= cap {
            break;
        }
        forget(tx, run)?;
    }
    Ok(())
}

/// Forgets the rows of a run; what is known of it and its metrics stays.
fn forget(tx: &Transaction<'_>, run: i64) -> Result<()> {
    tx.execute(
        "DELETE FROM series WHERE metric IN (SELECT id FROM metric WHERE run = ?1)",
        [run],
    )?;
    tx.execute("DELETE FROM chunk WHERE run = ?1", [run])?;
    tx.execute("UPDATE run SET bytes = 0 WHERE id = ?1", [run])?;
    Ok(())
}

fn bytes(tx: &Transaction<'_>, run: i64) -> Result<u64> {
    let bytes: i64 = tx
        .prepare_cached("SELECT bytes FROM run WHERE id = ?1")?
        .query_row([run], |row| row.get(0))?;
    Ok(bytes.unsigned_abs())
}

/// Thins the oldest chunks of the level that takes most room, if it is below
/// this one; false: there is nothing to thin.
fn pass(tx: &Transaction<'_>, run: i64, below: i64) -> Result<bool> {
    let level: Option<i64> = tx
        .prepare_cached(
            "SELECT level FROM chunk WHERE run = ?1 AND rows >= ?2 AND level < ?3
             GROUP BY level ORDER BY sum(rows) DESC, level LIMIT 1",
        )?
        .query_map(params![run, ENOUGH, below], |row| row.get(0))?
        .next()
        .transpose()?;
    let Some(level) = level else {
        return Ok(false);
    };
    let mut chunks = Vec::new();
    let mut rows = 0;
    {
        let mut query = tx.prepare_cached(
            "SELECT id, rows, steps, times, ranks FROM chunk
             WHERE run = ?1 AND rows >= ?2 AND level = ?3 ORDER BY id LIMIT ?4",
        )?;
        let mut found = query.query(params![run, ENOUGH, level, CHUNKS])?;
        while let Some(row) = found.next()? {
            let axis = read::axis(row, 1)?;
            if rows + axis.steps.len() > MOST {
                break;
            }
            rows += axis.steps.len();
            chunks.push((row.get::<_, i64>(0)?, axis));
        }
    }
    merge(tx, run, &chunks)?;
    Ok(true)
}

/// Makes one thinner chunk of several.
fn merge(tx: &Transaction<'_>, run: i64, chunks: &[(i64, Axis)]) -> Result<()> {
    let Some((first, _)) = chunks.first() else {
        return Ok(());
    };
    let (mut axis, mut begins) = (Axis::default(), Vec::new());
    for (id, part) in chunks {
        begins.push((*id, axis.steps.len(), part.steps.len()));
        axis.steps.extend(&part.steps);
        axis.times.extend(&part.times);
        axis.ranks.extend(&part.ranks);
    }
    let protected = around_alerts(tx, run, &axis.steps)?;
    let mut columns = series(tx, run, &begins)?;
    for (_, column) in &mut columns {
        thin(column, &protected);
    }
    // Rows in which no metric is left go.
    let mut places = vec![u16::MAX; axis.steps.len()];
    let mut used = vec![false; axis.steps.len()];
    for row in columns.iter().flat_map(|(_, column)| &column.rows) {
        if let Some(used) = used.get_mut(usize::from(*row)) {
            *used = true;
        }
    }
    let mut next = 0;
    for (place, used) in places.iter_mut().zip(&used) {
        if *used {
            *place = next;
            next = next.saturating_add(1);
        }
    }
    for (_, column) in &mut columns {
        for row in &mut column.rows {
            *row = places.get(usize::from(*row)).copied().unwrap_or_default();
        }
    }
    let kept = Axis {
        steps: only(&axis.steps, &used),
        times: only(&axis.times, &used),
        ranks: only(&axis.ranks, &used),
    };
    let ids: Vec<i64> = chunks.iter().map(|(id, _)| *id).collect();
    replace(tx, run, *first, &ids, &kept, &columns)
}

fn only<T: Copy>(values: &[T], used: &[bool]) -> Vec<T> {
    let pairs = values.iter().zip(used);
    pairs
        .filter(|(_, used)| **used)
        .map(|(value, _)| *value)
        .collect()
}

/// The values of each metric in these chunks, put behind each other.
fn series(
    tx: &Transaction<'_>,
    run: i64,
    chunks: &[(i64, usize, usize)],
) -> Result<Vec<(i64, Column)>> {
    let metrics: Vec<i64> = tx
        .prepare_cached("SELECT id FROM metric WHERE run = ?1 ORDER BY id")?
        .query_map([run], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut query =
        tx.prepare_cached("SELECT places, data FROM series WHERE metric = ?1 AND chunk = ?2")?;
    let mut all = Vec::new();
    for metric in metrics {
        let mut column = Column::default();
        for (chunk, begin, rows) in chunks {
            let mut found = query.query([metric, *chunk])?;
            let Some(row) = found.next()? else { continue };
            let part = read::column(row, 0, *rows)?;
            let moved = part
                .rows
                .iter()
                .map(|row| (usize::from(*row) + begin) as u16);
            column.rows.extend(moved);
            column.values.extend(&part.values);
        }
        if !column.rows.is_empty() {
            all.push((metric, column));
        }
    }
    Ok(all)
}

/// Which rows are near one with an alert.
fn around_alerts(tx: &Transaction<'_>, run: i64, steps: &[i64]) -> Result<Vec<bool>> {
    let mut protected = vec![false; steps.len()];
    let (Some(low), Some(high)) = (steps.iter().min(), steps.iter().max()) else {
        return Ok(protected);
    };
    let alerts: Vec<i64> = tx
        .prepare_cached(
            "SELECT DISTINCT a.step FROM run r JOIN alert a USING (project, run)
             WHERE r.id = ?1 AND a.step BETWEEN ?2 AND ?3",
        )?
        .query_map(params![run, low, high], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for alert in alerts {
        // The rows of one step are many where there are many ranks.
        let Some(at) = steps.iter().position(|step| *step == alert) else {
            continue;
        };
        let last = steps.iter().rposition(|step| *step == alert).unwrap_or(at);
        let to = (last + AROUND + 1).min(at + 4 * AROUND).min(steps.len());
        if let Some(near) = protected.get_mut(at.saturating_sub(AROUND)..to) {
            near.fill(true);
        }
    }
    Ok(protected)
}

fn thin(column: &mut Column, protected: &[bool]) {
    let mut kept = Vec::with_capacity(column.values.len() / 4 + 2);
    let mut of_this = Vec::with_capacity(STRETCH);
    for from in (0..column.values.len()).step_by(STRETCH) {
        let to = (from + STRETCH).min(column.values.len());
        of_stretch(&column.values, from..to, &mut of_this);
        let rows = column.rows.get(from..to).unwrap_or_default();
        let near = |row: &u16| protected.get(usize::from(*row)) == Some(&true);
        let near = (from..).zip(rows).filter(|(_, row)| near(row));
        of_this.extend(near.map(|(at, _)| at));
        of_this.sort_unstable();
        of_this.dedup();
        kept.append(&mut of_this);
    }
    let rows = kept.iter().filter_map(|at| column.rows.get(*at).copied());
    let values = kept.iter().filter_map(|at| column.values.get(*at).copied());
    *column = Column {
        rows: rows.collect(),
        values: values.collect(),
    };
}

/// Puts one chunk where there were several.
fn replace(
    tx: &Transaction<'_>,
    run: i64,
    first: i64,
    ids: &[i64],
    axis: &Axis,
    columns: &[(i64, Column)],
) -> Result<()> {
    let level: i64 = tx
        .prepare_cached("SELECT level FROM chunk WHERE id = ?1")?
        .query_row([first], |row| row.get(0))?;
    for id in ids {
        tx.prepare_cached(
            "DELETE FROM series WHERE chunk = ?1 AND metric IN (SELECT id FROM metric WHERE run = ?2)",
        )?
        .execute([*id, run])?;
        tx.prepare_cached("DELETE FROM chunk WHERE id = ?1")?
            .execute([id])?;
    }
    let columns = columns.iter().map(|(metric, column)| (*metric, column));
    write::put(tx, run, Some((first, 0)), axis, columns)?;
    tx.prepare_cached("UPDATE chunk SET level = ?2 WHERE id = ?1")?
        .execute([first, level + 1])?;
    tx.prepare_cached(
        "UPDATE run SET bytes = (SELECT ifnull(sum(length(c.steps) + ifnull(length(c.times), 0)
         + ifnull(length(c.ranks), 0)), 0) FROM chunk c WHERE c.run = ?1)
         + (SELECT ifnull(sum(length(s.data) + ifnull(length(s.places), 0)), 0) FROM series s
            WHERE s.metric IN (SELECT id FROM metric WHERE run = ?1)) WHERE id = ?1",
    )?
    .execute([run])?;
    Ok(())
}
