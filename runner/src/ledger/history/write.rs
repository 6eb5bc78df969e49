//! From segments to chunks.

use rusqlite::types::Value as Sql;
use rusqlite::{Transaction, params};
use rustc_hash::FxHashMap;

use super::super::{Durability, Ledger, Result};
use super::chunk::{self, Axis, Column};
use super::inputs::Inputs;
use super::thin;
use crate::record::{HISTORY, Metric, MetricId, Run, RunBatch, Segment};

/// A chunk has this many rows when it is full.
const FULL: usize = 4096;
/// A chunk that has this many when it is written is left at that: writing an
/// unfinished one again costs as much as all of it.
const ENOUGH: usize = 256;

/// How large the history may grow, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Of one run.
    pub run: u64,
    /// Of all.
    pub total: u64,
}

/// Collects rows, and writes them.
pub(super) struct Writer {
    caps: Caps,
    /// Names the process, so that others can tell whether it still watches.
    owner: String,
    /// By [`crate::record::RunId`].
    runs: Vec<Option<Open>>,
    /// Rows since the last flush.
    pub(super) waiting: usize,
    /// Bytes written since the total was looked at.
    since: u64,
}

/// A run that is being written.
struct Open {
    run: Run,
    /// Its number in the ledger, once it has one.
    id: Option<i64>,
    /// By metric: its place in `columns`.
    places: FxHashMap<MetricId, usize>,
    columns: Vec<Watched>,
    axis: Axis,
    /// The number of the chunk that is not full yet, if a part was written.
    chunk: Option<(i64, u64)>,
    full: Vec<Full>,
    inputs: Inputs,
    /// There are rows that are not written.
    dirty: bool,
    rows: u64,
    steps: Option<(i64, i64)>,
}

/// A metric of a run, and its values in the chunk that is not full yet.
struct Watched {
    id: Option<i64>,
    metric: Metric,
    column: Column,
    news: News,
}

/// What was added to a metric since the last flush.
#[derive(Default)]
struct News {
    rows: u64,
    nonfinite: u64,
    steps: Option<(i64, i64)>,
    first: Option<f64>,
    last: f64,
    low: Option<f64>,
    high: Option<f64>,
}

/// A chunk that is to be written and not touched any more.
struct Full {
    chunk: Option<(i64, u64)>,
    axis: Axis,
    columns: Vec<(usize, Column)>,
}

impl Writer {
    pub(super) fn new(caps: Caps, owner: String) -> Self {
        Self {
            caps,
            owner,
            runs: Vec::new(),
            waiting: 0,
            since: u64::MAX / 2,
        }
    }

    /// Takes the rows of a segment.
    pub(super) fn add(&mut self, ledger: &Ledger, segment: &Segment) -> Result<()> {
        for batch in &segment.batches {
            let number = batch.run as usize;
            let Some(run) = segment.runs.get(number) else {
                continue;
            };
            if self.runs.len() <= number {
                self.runs.resize_with(number + 1, || None);
            }
            let Some(slot) = self.runs.get_mut(number) else {
                continue;
            };
            let open = slot.get_or_insert_with(|| Open::new(run.clone()));
            let from = open.inputs.known(ledger, &open.run, segment, batch)?;
            let before = open.rows;
            open.add(&segment.metrics, batch, from);
            self.waiting += (open.rows - before) as usize;
        }
        Ok(())
    }

    /// Writes what has been taken: all of it or nothing.
    pub(super) fn flush(&mut self, ledger: &Ledger, now: i64) -> Result<()> {
        if self.waiting == 0 {
            return Ok(());
        }
        let (runs, owner) = (&mut self.runs, &self.owner);
        let mut written = 0;
        let mut large = Vec::new();
        let cap = self.caps.run;
        ledger.write(Durability::Process, |tx| {
            for open in runs.iter_mut().flatten().filter(|open| open.dirty) {
                let (id, added, size) = open.write(tx, owner, now)?;
                written += added;
                if size > cap {
                    large.push(id);
                }
            }
            Ok(())
        })?;
        self.waiting = 0;
        for open in self.runs.iter_mut().flatten() {
            open.written();
        }
        for run in large {
            ledger.write(Durability::Process, |tx| thin::run(tx, run, cap))?;
        }
        self.since = self.since.saturating_add(written);
        if self.since > self.caps.total / 64 {
            self.since = 0;
            let total = self.caps.total;
            ledger.write(Durability::Process, |tx| thin::all(tx, total))?;
        }
        Ok(())
    }

    /// The watch is over; `over` says that so are the runs.
    pub(super) fn end(&mut self, ledger: &Ledger, over: bool, now: i64) -> Result<()> {
        self.flush(ledger, now)?;
        let ids: Vec<i64> = self.runs.iter().flatten().filter_map(|it| it.id).collect();
        ledger.write(Durability::Process, |tx| {
            for id in ids {
                tx.prepare_cached(
                    "UPDATE run SET owner = NULL, ended = iif(?2, ?3, NULL) WHERE id = ?1",
                )?
                .execute(params![id, over, now])?;
            }
            Ok(())
        })
    }
}

impl Open {
    fn new(run: Run) -> Self {
        Self {
            run,
            id: None,
            places: FxHashMap::default(),
            columns: Vec::new(),
            axis: Axis::default(),
            chunk: None,
            full: Vec::new(),
            inputs: Inputs::default(),
            dirty: false,
            rows: 0,
            steps: None,
        }
    }

    fn add(&mut self, metrics: &[Metric], batch: &RunBatch, from: usize) {
        let mut from = from;
        while from < batch.len() {
            let to = batch.len().min(from + (FULL - self.axis.steps.len()));
            self.rows(metrics, batch, from, to);
            if self.axis.steps.len() >= FULL {
                self.close();
            }
            from = to;
        }
    }

    fn rows(&mut self, metrics: &[Metric], batch: &RunBatch, from: usize, to: usize) {
        let base = self.axis.steps.len();
        self.axis.steps.extend(&batch.steps[from..to]);
        self.axis.times.extend(&batch.times[from..to]);
        self.axis.ranks.extend(&batch.ranks[from..to]);
        for step in &batch.steps[from..to] {
            self.steps = Some(widened(self.steps, *step));
        }
        let at = |row: usize| {
            batch
                .values
                .partition_point(|value| (value.row as usize) < row)
        };
        for value in &batch.values[at(from)..at(to)] {
            if value.mask & HISTORY == 0 {
                continue;
            }
            let place = match self.places.get(&value.metric) {
                Some(place) => *place,
                None => {
                    let Some(metric) = metrics.get(value.metric as usize) else {
                        continue;
                    };
                    self.place(value.metric, metric)
                }
            };
            let Some(watched) = self.columns.get_mut(place) else {
                continue;
            };
            let row = value.row as usize;
            // Below `FULL`, which two bytes hold.
            watched.column.rows.push((base + row - from) as u16);
            watched.column.values.push(value.value);
            watched.news.add(batch.steps[row], value.value);
        }
        self.rows += (to - from) as u64;
        self.dirty = true;
    }

    /// A name printed again after the decoder forgot it is the same metric.
    fn place(&mut self, id: MetricId, metric: &Metric) -> usize {
        let known = self
            .columns
            .iter()
            .position(|it| it.metric.source == metric.source);
        let place = known.unwrap_or_else(|| {
            self.columns.push(Watched {
                id: None,
                metric: metric.clone(),
                column: Column::default(),
                news: News::default(),
            });
            self.columns.len() - 1
        });
        self.places.insert(id, place);
        place
    }

    /// The chunk is full: the next row begins another.
    fn close(&mut self) {
        let columns = self.columns.iter_mut().enumerate();
        let columns = columns
            .filter(|(_, it)| !it.column.rows.is_empty())
            .map(|(place, it)| (place, std::mem::take(&mut it.column)))
            .collect();
        self.full.push(Full {
            chunk: self.chunk.take(),
            axis: std::mem::take(&mut self.axis),
            columns,
        });
    }

    /// Writes all that is new: the run's number, the bytes that were added, and
    /// the bytes that it has now.
    fn write(&mut self, tx: &Transaction<'_>, owner: &str, now: i64) -> Result<(i64, u64, u64)> {
        let id: i64 = tx
            .prepare_cached(
                "INSERT INTO run (project, run, made, seen, owner) VALUES (?1, ?2, ?3, ?3, ?4)
                 ON CONFLICT (project, run) DO UPDATE SET seen = max(seen, ?3), owner = ?4,
                 ended = NULL RETURNING id",
            )?
            .query_row(params![self.run.project, self.run.run, now, owner], |row| {
                row.get(0)
            })?;
        self.id = Some(id);
        for watched in &mut self.columns {
            watched.write(tx, id)?;
        }
        if self.axis.steps.len() >= ENOUGH {
            self.close();
        }
        let ids: Vec<Option<i64>> = self.columns.iter().map(|it| it.id).collect();
        let mut added = 0;
        for full in &self.full {
            let columns = full
                .columns
                .iter()
                .filter_map(|(place, column)| Some((ids.get(*place).copied().flatten()?, column)));
            added += put(tx, id, full.chunk, &full.axis, columns)?.1;
        }
        if !self.axis.steps.is_empty() {
            let columns = self
                .columns
                .iter()
                .filter_map(|it| Some((it.id?, &it.column)));
            let columns = columns.filter(|(_, column)| !column.rows.is_empty());
            let (chunk, more) = put(tx, id, self.chunk, &self.axis, columns)?;
            let before = self.chunk.map_or(0, |it| it.1);
            self.chunk = Some((chunk, before + more));
            added += more;
        }
        self.inputs.write(tx, id)?;
        let (low, high) = self.steps.unzip();
        let bytes: i64 = tx
            .prepare_cached(
                "UPDATE run SET rows = rows + ?2, bytes = bytes + ?3,
                 first_step = min(ifnull(first_step, ?4), ifnull(?4, first_step)),
                 last_step = max(ifnull(last_step, ?5), ifnull(?5, last_step))
                 WHERE id = ?1 RETURNING bytes",
            )?
            .query_row(
                params![id, self.rows as i64, added as i64, low, high],
                |row| row.get(0),
            )?;
        Ok((id, added, bytes.unsigned_abs()))
    }

    /// What was new is in the ledger.
    fn written(&mut self) {
        if !std::mem::take(&mut self.dirty) {
            return;
        }
        self.full.clear();
        self.rows = 0;
        self.steps = None;
        for watched in &mut self.columns {
            watched.news = News::default();
        }
    }
}

impl Watched {
    fn write(&mut self, tx: &Transaction<'_>, run: i64) -> Result<()> {
        let News {
            rows,
            nonfinite,
            steps,
            first,
            last,
            low,
            high,
        } = &self.news;
        if *rows == 0 {
            return Ok(());
        }
        let (first_step, last_step) = steps.unzip();
        let id = tx
            .prepare_cached(
                "INSERT INTO metric (run, source, name, rows, nonfinite, first_step, last_step,
                 first, last, low, high) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                 ON CONFLICT (run, source) DO UPDATE SET rows = rows + ?4,
                 nonfinite = nonfinite + ?5, first_step = min(first_step, ?6),
                 last_step = max(last_step, ?7), last = ?9,
                 low = min(ifnull(low, ?10), ifnull(?10, low)),
                 high = max(ifnull(high, ?11), ifnull(?11, high)) RETURNING id",
            )?
            .query_row(
                params![
                    run,
                    self.metric.source,
                    self.metric.name,
                    *rows as i64,
                    *nonfinite as i64,
                    first_step,
                    last_step,
                    first.map(sql),
                    sql(*last),
                    low,
                    high
                ],
                |row| row.get(0),
            )?;
        self.id = Some(id);
        Ok(())
    }
}

impl News {
    #[inline]
    fn add(&mut self, step: i64, value: f64) {
        self.rows += 1;
        self.steps = Some(widened(self.steps, step));
        self.first.get_or_insert(value);
        self.last = value;
        if value.is_finite() {
            self.low = Some(self.low.map_or(value, |low| low.min(value)));
            self.high = Some(self.high.map_or(value, |high| high.max(value)));
        } else {
            self.nonfinite += 1;
        }
    }
}

/// Writes a chunk and its series, over what there is of it. Returns its number,
/// and by how many bytes it grew.
pub(super) fn put<'a>(
    tx: &Transaction<'_>,
    run: i64,
    known: Option<(i64, u64)>,
    axis: &Axis,
    columns: impl Iterator<Item = (i64, &'a Column)>,
) -> Result<(i64, u64)> {
    let rows = axis.steps.len();
    let (steps, times, ranks) = (
        chunk::steps(&axis.steps),
        chunk::times(&axis.times),
        chunk::ranks(&axis.ranks),
    );
    let low = axis.steps.iter().min();
    let high = axis.steps.iter().max();
    let known_times = || axis.times.iter().copied().filter(|time| !time.is_nan());
    let from = known_times().reduce(f64::min);
    let to = known_times().reduce(f64::max);
    let id: i64 = tx
        .prepare_cached(
            "INSERT INTO chunk (id, run, rows, low_step, high_step, low_time, high_time, steps,
             times, ranks) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (id) DO UPDATE SET rows = ?3, low_step = ?4, high_step = ?5,
             low_time = ?6, high_time = ?7, steps = ?8, times = ?9, ranks = ?10 RETURNING id",
        )?
        .query_row(
            params![
                known.map(|it| it.0),
                run,
                rows as i64,
                low,
                high,
                from,
                to,
                steps,
                times,
                ranks
            ],
            |row| row.get(0),
        )?;
    let len = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
    let mut bytes = steps.len() + len(&times) + len(&ranks);
    let mut insert = tx.prepare_cached(
        "INSERT INTO series VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (metric, chunk) DO UPDATE SET places = ?3, data = ?4",
    )?;
    for (metric, column) in columns {
        let places = column.places(rows);
        let values = chunk::floats(&column.values);
        bytes += len(&places) + values.len();
        insert.execute(params![metric, id, places, values])?;
    }
    let before = known.map_or(0, |it| it.1);
    Ok((id, (bytes as u64).saturating_sub(before)))
}

/// A value as SQLite keeps it, which knows no NaN.
pub(super) fn sql(value: f64) -> Sql {
    match value {
        value if value.is_nan() => Sql::Text("NaN".to_owned()),
        f64::INFINITY => Sql::Text("Infinity".to_owned()),
        f64::NEG_INFINITY => Sql::Text("-Infinity".to_owned()),
        value => Sql::Real(value),
    }
}

fn widened(range: Option<(i64, i64)>, step: i64) -> (i64, i64) {
    range.map_or((step, step), |(low, high)| (low.min(step), high.max(step)))
}
