//! Questions in SQL.

use std::time::Duration;

use rusqlite::types::Value as Cell;
use serde_json::{Value, json};

use super::arguments::Refusal;
use super::tools::Call;
use crate::deliver::text::cut_chars;
use crate::digest::hex;
use crate::view::Number;

/// What a query may take.
const TIME: Duration = Duration::from_secs(5);
/// How many characters of a text are given.
const TEXT: usize = 4000;

pub(super) fn query(call: &Call<'_>) -> Result<Value, Refusal> {
    let (sql, limit) = (call.arguments.needed("sql"), call.count("limit"));
    let found = call.ledger.query(sql, limit, TIME).map_err(|error| {
        Refusal::new(error.0)
            .hint("`SELECT name, sql FROM sqlite_schema` shows the tables with their columns")
    })?;
    let row = |row: &Vec<Cell>| -> Vec<Value> { row.iter().map(cell).collect() };
    let rows: Vec<Vec<Value>> = found.rows.iter().map(row).collect();
    Ok(json!({ "columns": found.columns, "rows": rows, "more": found.more }))
}

/// Bytes are hexadecimal digits.
fn cell(value: &Cell) -> Value {
    match value {
        Cell::Null => Value::Null,
        Cell::Integer(number) => (*number).into(),
        Cell::Real(number) => json!(Number(*number)),
        Cell::Text(text) => cut_chars(text, TEXT).into(),
        Cell::Blob(bytes) => {
            let shown = bytes.get(..TEXT / 2).unwrap_or(bytes);
            hex(shown).into()
        }
    }
}
