//! `runwatch query`: questions to the ledger that nobody thought of.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args as ClapArgs;
use rusqlite::types::Value;
use serde::{Serialize, Serializer};

use super::Outcome;
use super::delivery::Looked;
use super::json::{Form, document, lines};
use super::output::{grouped, print, say};
use super::scope::Scope;
use super::table::{Column, Table};
use crate::digest::hex;
use crate::exit::{Ending, Failure};
use crate::ledger::Table as Found;
use crate::view::Number;

/// What a query may take.
const TIME: Duration = Duration::from_secs(5);
/// How many rows it may give.
const ROWS: usize = 10_000;

/// Answer a question in SQL from the ledger, which it cannot change
///
/// At most 10,000 rows, and 5 seconds. Tables: run, metric, alert, delivery,
/// attempt, muted, sink, silence, halt; times in them are milliseconds since 1970. The
/// view `history` has every value: project, run, metric, step, time (seconds
/// since 1970), rank, value.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    /// A SELECT: `SELECT detector, count(*) FROM alert GROUP BY detector`
    #[arg(long, value_name = "SELECT", allow_hyphen_values = true)]
    sql: String,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    looked: Looked,
}

pub(super) fn run(args: &Args) -> Outcome {
    let ledger = args.looked.open()?;
    let found = ledger
        .query(&args.sql, ROWS, TIME)
        .map_err(|error| Failure::new(Ending::Usage, anyhow!(error)))?;
    if args.form.json {
        let rows = rows(&found)?;
        print(&document(&Answer {
            project: Scope::default().project(&ledger)?,
            query: args.sql.trim(),
            columns: &found.columns,
            row_count: rows.len(),
            rows,
            more: found.more,
        })?);
    } else if args.form.json_lines {
        print(&lines(&rows(&found)?)?);
    } else if !found.rows.is_empty() {
        print(&table(&found));
    }
    if found.rows.is_empty() && !args.form.json {
        say("no rows found");
    } else if found.more {
        let rows = grouped(ROWS as u64);
        say(&format!("there are more rows than these {rows}"));
    }
    Ok(Ending::Fine)
}

/// A value as strict JSON: bytes are hexadecimal digits, and what is not finite
/// is a text.
struct Cell<'a>(&'a Value);

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => to.serialize_none(),
            Value::Integer(number) => to.serialize_i64(*number),
            Value::Real(number) => Number(*number).serialize(to),
            Value::Text(text) => to.serialize_str(text),
            Value::Blob(bytes) => to.serialize_str(&hex(bytes)),
        }
    }
}

/// A row as an object, its fields in the order of the columns.
struct Row<'a> {
    columns: &'a [String],
    values: &'a [Value],
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let fields = self.columns.iter().zip(self.values.iter().map(Cell));
        to.collect_map(fields)
    }
}

/// An answer as Trackio gives it.
#[derive(Serialize)]
struct Answer<'a> {
    project: Option<String>,
    query: &'a str,
    columns: &'a [String],
    rows: Vec<Row<'a>>,
    row_count: usize,
    /// There are more.
    more: bool,
}

fn rows(found: &Found) -> Result<Vec<Row<'_>>, Failure> {
    let mut names = HashSet::new();
    if let Some(twice) = found.columns.iter().find(|name| !names.insert(*name)) {
        let error = anyhow!("two columns are called `{twice}`");
        return Err(Failure::new(Ending::Usage, error).hint("name one of them with AS"));
    }
    let columns = found.columns.as_slice();
    let rows = found.rows.iter().map(|values| Row { columns, values });
    Ok(rows.collect())
}

fn table(found: &Found) -> String {
    let columns = found.columns.iter().enumerate().map(|(at, name)| {
        let mut values = found.rows.iter().filter_map(|row| row.get(at));
        let texts = values.any(|value| matches!(value, Value::Text(_) | Value::Blob(_)));
        if texts {
            Column::text(name)
        } else {
            Column::number(name)
        }
    });
    let mut table = Table::new(columns);
    for row in &found.rows {
        table.row(row.iter().map(shown));
    }
    table.text()
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => hex(bytes),
    }
}
