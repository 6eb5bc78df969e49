//! `runwatch query`: questions to the ledger that nobody thought of.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args as ClapArgs;
use rusqlite::types::Value;

use super::Outcome;
use super::delivery::Looked;
use super::output::{grouped, print, say};
use super::table::{Column, Table};
use crate::digest::hex;
use crate::exit::{Ending, Failure};
use crate::ledger::Table as Found;

/// What a query may take.
const TIME: Duration = Duration::from_secs(5);
/// How many rows it may give.
const ROWS: usize = 10_000;

/// Answer a question in SQL from the ledger, which it cannot change
///
/// At most 10,000 rows, and 5 seconds. Tables: alert, delivery, attempt, muted,
/// sink, silence; times in them are milliseconds since 1970.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    /// A SELECT: `SELECT detector, count(*) FROM alert GROUP BY detector`
    #[arg(long, value_name = "SELECT", allow_hyphen_values = true)]
    sql: String,
    /// One row per line as a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    looked: Looked,
}

pub(super) fn run(args: &Args) -> Outcome {
    let ledger = args.looked.open()?;
    let found = ledger
        .query(&args.sql, ROWS, TIME)
        .map_err(|error| Failure::new(Ending::Usage, anyhow!(error)))?;
    if args.json {
        print(&json(&found)?);
    } else if !found.rows.is_empty() {
        print(&table(&found));
    }
    if found.rows.is_empty() {
        say("no rows found");
    } else if found.more {
        let rows = grouped(ROWS as u64);
        say(&format!("there are more rows than these {rows}"));
    }
    Ok(Ending::Fine)
}

/// Each row as an object, its fields in the order of the columns.
fn json(found: &Found) -> Result<String, Failure> {
    let mut names = HashSet::new();
    if let Some(twice) = found.columns.iter().find(|name| !names.insert(*name)) {
        let error = anyhow!("two columns are called `{twice}`");
        return Err(Failure::new(Ending::Usage, error).hint("name one of them with AS"));
    }
    let mut text = String::new();
    for row in &found.rows {
        let fields = found.columns.iter().zip(row);
        let fields: Vec<String> = fields
            .map(|(name, value)| format!("{}:{}", serde_json::json!(name), strict(value)))
            .collect();
        text.push_str(&format!("{{{}}}\n", fields.join(",")));
    }
    Ok(text)
}

/// Bytes are hexadecimal digits; what is not finite is null.
fn strict(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Integer(number) => (*number).into(),
        Value::Real(number) => (*number).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Blob(bytes) => hex(bytes).into(),
    }
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
