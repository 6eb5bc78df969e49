//! Metrics in `SQLite` databases: Trackio's, rlwatch's, `MLflow`'s and others'.
//!
//! ```text
//! Trackio  metrics(id, timestamp, run_name, step, metrics: JSON)
//! rlwatch  metrics(id, run_id, step, timestamp, loss, kl_divergence, …, extra_json: JSON)
//! MLflow   metrics(key, value, timestamp, run_uuid, step, is_nan)
//! ```
//!
//! No schema is fixed: a table with a column of steps and with columns of
//! numbers, with one of JSON objects, or with names and values is read, row by
//! row. A database can only be read as a whole, so its bytes are kept in a
//! temporary file until the end.

mod alerts;
mod bounds;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};
use tempfile::TempDir;

use super::FileEntry;
use crate::decode::format::{About, FileFormat, Line, Out};
use crate::names::{Role, role};
pub(crate) use alerts::{Foreign, Tool, each_alert};
use bounds::Texts;

pub(super) const ENTRY: FileEntry = FileEntry {
    about: About {
        name: "sqlite",
        title: "SQLite databases of Trackio, rlwatch, MLflow and others",
        example: "trackio/PROJECT.db, rlwatch_logs/metrics.db, mlflow.db",
        step: "the column `step`, `iteration` or the like",
    },
    sniff,
    new: || Box::<Database>::default(),
};

const MAGIC: &[u8] = b"SQLite format 3\0";

fn sniff(head: &[u8]) -> Option<bool> {
    let seen = head.len().min(MAGIC.len());
    if head[..seen] != MAGIC[..seen] {
        return Some(false);
    }
    (seen == MAGIC.len()).then_some(true)
}

/// The most bytes that are kept on the disk.
const MAX_SIZE: u64 = 16 << 30;

/// A database whose bytes are coming.
#[derive(Default)]
struct Database {
    spool: Option<Spool>,
    failed: Option<String>,
}

struct Spool {
    directory: TempDir,
    file: File,
    size: u64,
}

impl FileFormat for Database {
    fn push(&mut self, bytes: &[u8], _out: &mut Out<'_>) {
        // No bytes at all are no database yet.
        if self.failed.is_some() || bytes.is_empty() {
            return;
        }
        if let Err(error) = self.keep(bytes) {
            self.failed = Some(format!("the database cannot be copied: {error}"));
            self.spool = None;
        }
    }

    fn finish(&mut self, out: &mut Out<'_>) {
        let mut number = 0;
        let problem = match (self.spool.take(), self.failed.take()) {
            (Some(spool), _) => match spool.read(&mut number, out) {
                Ok(()) if number > 0 => return,
                Ok(()) => "the database has no table with steps and numbers".to_owned(),
                Err(error) => format!("the database cannot be read: {error}"),
            },
            (None, Some(problem)) => problem,
            (None, None) => return,
        };
        out.malformed(number + 1, &problem);
    }
}

impl Database {
    fn keep(&mut self, bytes: &[u8]) -> io::Result<()> {
        let spool = match &mut self.spool {
            Some(spool) => spool,
            none => none.insert(Spool::new()?),
        };
        spool.size += bytes.len() as u64;
        if spool.size > MAX_SIZE {
            return Err(io::Error::other("it is too large"));
        }
        spool.file.write_all(bytes)
    }
}

impl Spool {
    fn new() -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let file = File::create_new(directory.path().join("metrics.db"))?;
        Ok(Self {
            directory,
            file,
            size: 0,
        })
    }

    fn read(self, number: &mut u64, out: &mut Out<'_>) -> rusqlite::Result<()> {
        let path = self.directory.path().join("metrics.db");
        drop(self.file);
        let (database, mut texts) = open(&path, self.size, Path::new(out.input()))?;
        for table in tables(&database)? {
            read_table(&database, &table, &mut texts, number, out)?;
        }
        // Only a lost part of the last page goes unnoticed.
        let page: u32 = database.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        if !self.size.is_multiple_of(page.max(1).into()) {
            out.malformed(*number + 1, "the database is cut short");
        }
        Ok(())
    }
}

/// Opens a copy, of so many bytes, of the database `original`.
fn open(copy: &Path, size: u64, original: &Path) -> rusqlite::Result<(Connection, Texts)> {
    // A job that runs, or was killed, has its last rows beside the database.
    let log = with_suffix(original, "-wal");
    let logged = std::fs::copy(log, with_suffix(copy, "-wal")).unwrap_or(0);
    // The copy is ours: recovering the log writes into it.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut database = Connection::open_with_flags(copy, flags)?;
    let size = size + logged;
    bounds::set(&mut database, size)?;
    // What a stranger's schema can do stays within the schema.
    database.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON")?;
    Ok((database, Texts::of(size)))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn tables(database: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = database.prepare(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name IN \
         (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table')",
    )?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}

/// The columns that are stored. Others are computed when they are read, by
/// whatever a stranger wrote.
fn stored(database: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement =
        database.prepare("SELECT name FROM pragma_table_xinfo(?1) WHERE hidden = 0")?;
    let names = statement.query_map([table], |row| row.get(0))?;
    names.collect()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Tables that repeat what others have, or count what is no metric: alerts quote
/// metrics, `MLflow` keeps the last of each, and Trackio's traces have a number.
fn is_other(table: &str) -> bool {
    table.contains("alert")
        || table.starts_with("latest_")
        || table.starts_with("sqlite_")
        || table == "traces"
}

fn read_table(
    database: &Connection,
    table: &str,
    texts: &mut Texts,
    number: &mut u64,
    out: &mut Out<'_>,
) -> rusqlite::Result<()> {
    if is_other(table) {
        return Ok(());
    }
    let names = stored(database, table)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let Some(columns) = Columns::of(&names) else {
        return Ok(());
    };
    let wanted: Vec<String> = names.iter().map(|name| quoted(name)).collect();
    let query = format!("SELECT {} FROM {}", wanted.join(", "), quoted(table));
    let mut statement = database.prepare(&query)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        *number += 1;
        texts.take(row, names.len())?;
        columns.read(row, *number, out)?;
    }
    Ok(())
}

/// What the columns of a table hold, by their numbers.
#[derive(Debug, Default, PartialEq)]
struct Columns {
    step: usize,
    time: Option<usize>,
    rank: Option<usize>,
    /// The run's name, else its id.
    run: Option<usize>,
    /// A JSON object of metrics.
    json: Option<usize>,
    /// The metric's name, its value, and a flag that it is no number.
    long: Option<(usize, usize, Option<usize>)>,
    /// A metric each.
    metrics: Vec<(usize, String)>,
}

impl Columns {
    /// `None` when the table has no steps or nothing to measure.
    fn of(names: &[&str]) -> Option<Self> {
        let at = |wanted: &[&str]| {
            let find = |wanted| {
                names
                    .iter()
                    .position(|name: &&str| name.eq_ignore_ascii_case(wanted))
            };
            wanted.iter().copied().find_map(find)
        };
        let of_role = |wanted: Role| names.iter().position(|name| role(name) == wanted);
        let step = (0..=4).find_map(|priority| of_role(Role::Step(priority)))?;
        let mut columns = Self {
            step,
            time: of_role(Role::Time),
            rank: of_role(Role::Rank),
            run: at(&["run_name", "run", "run_id", "run_uuid", "trial_id"]),
            json: at(&[
                "metrics",
                "metrics_json",
                "extra_json",
                "data_json",
                "values_json",
            ]),
            ..Self::default()
        };
        let name = at(&["key", "metric", "metric_name", "name", "tag"]);
        columns.long = name
            .zip(at(&["value", "metric_value"]))
            .map(|(name, value)| (name, value, at(&["is_nan"])));
        if columns.long.is_none() {
            for (at, name) in names.iter().enumerate() {
                let is_metric = matches!(role(name), Role::Value | Role::Epoch);
                let is_id = name.eq_ignore_ascii_case("id")
                    || name.ends_with("_id")
                    || name.ends_with("_uuid");
                if is_metric && !is_id && Some(at) != columns.json {
                    columns.metrics.push((at, (*name).to_owned()));
                }
            }
        }
        let measures =
            columns.json.is_some() || columns.long.is_some() || !columns.metrics.is_empty();
        measures.then_some(columns)
    }

    /// Reads a row; a record if there is a number in it.
    fn read(&self, row: &Row<'_>, number: u64, out: &mut Out<'_>) -> rusqlite::Result<()> {
        out.begin();
        if let Some(json) = self.json
            && let ValueRef::Text(json) | ValueRef::Blob(json) = row.get_ref(json)?
            && let Err(problem) = out.json(json)
        {
            out.malformed(number, &format!("the JSON of a row is none: {problem}"));
            out.begin();
        }
        let Some(step) = real(row.get_ref(self.step)?) else {
            return Ok(());
        };
        out.step(step as i64);
        for (at, name) in &self.metrics {
            if let Some(value) = real(row.get_ref(*at)?) {
                out.number(name.as_bytes(), value);
            }
        }
        if let Some(long) = self.long {
            read_long(row, long, out)?;
        }
        if !out.has_numbers() {
            return Ok(());
        }
        self.read_place(row, out)?;
        out.end(&Line::at(number));
        Ok(())
    }

    /// Reads what a row says of time, process and run.
    fn read_place(&self, row: &Row<'_>, out: &mut Out<'_>) -> rusqlite::Result<()> {
        if let Some(time) = self.time {
            match row.get_ref(time)? {
                ValueRef::Text(text) => out.field(b"timestamp", text),
                value => real(value)
                    .into_iter()
                    .for_each(|time| out.number(b"timestamp", time)),
            }
        }
        if let Some(rank) = self.rank
            && let ValueRef::Integer(rank) = row.get_ref(rank)?
            && let Ok(rank) = u32::try_from(rank)
        {
            out.rank(rank);
        }
        if let Some(run) = self.run {
            match row.get_ref(run)? {
                ValueRef::Text(name) => out.run(name),
                ValueRef::Integer(id) => out.run(id.to_string().as_bytes()),
                _ => {}
            }
        }
        Ok(())
    }
}

fn read_long(
    row: &Row<'_>,
    (name, value, is_nan): (usize, usize, Option<usize>),
    out: &mut Out<'_>,
) -> rusqlite::Result<()> {
    let is_nan = match is_nan {
        Some(at) => row.get_ref(at)? == ValueRef::Integer(1),
        None => false,
    };
    let ValueRef::Text(name) = row.get_ref(name)? else {
        return Ok(());
    };
    let value = if is_nan {
        Some(f64::NAN)
    } else {
        real(row.get_ref(value)?)
    };
    if let Some(value) = value {
        out.metric(name, value);
    }
    Ok(())
}

/// A number. `MLflow` writes the largest number for an infinite one.
fn real(value: ValueRef<'_>) -> Option<f64> {
    let number = match value {
        ValueRef::Integer(integer) => integer as f64,
        ValueRef::Real(real) => real,
        _ => return None,
    };
    Some(match number.abs() {
        f64::MAX => f64::INFINITY.copysign(number),
        _ => number,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests;
