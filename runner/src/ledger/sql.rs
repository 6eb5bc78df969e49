//! SQL of the user's own: it only reads, and not for ever.

use std::time::{Duration, Instant};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode};

use super::{Ledger, LedgerError, Result};

/// Steps of SQLite's machine between two looks at the clock; some 0.1 ms.
const STEPS: i32 = 10_000;

/// What SQL found.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows, each as long as the columns.
    pub rows: Vec<Vec<Value>>,
    /// There were more.
    pub more: bool,
}

impl Ledger {
    /// Answers a query in SQL that only reads, with at most so many rows.
    ///
    /// # Errors
    ///
    /// If it is no SQL, would do more than read, or takes longer than `time`.
    pub fn query(&self, sql: &str, rows: usize, time: Duration) -> Result<Table> {
        let mut connection = self.lock();
        let start = Instant::now();
        connection.authorizer(Some(only_reading))?;
        connection.progress_handler(STEPS, Some(move || start.elapsed() >= time))?;
        let found = select(&connection, sql, rows).map_err(|error| explain(&error, time));
        connection.progress_handler(0, None::<fn() -> bool>)?;
        connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
        found
    }
}

/// Lets SQL read tables and look at their columns, and nothing else: neither
/// write, nor open other files, nor change settings.
fn only_reading(asked: AuthContext<'_>) -> Authorization {
    match asked.action {
        AuthAction::Select
        | AuthAction::Read { .. }
        | AuthAction::Function { .. }
        | AuthAction::Recursive
        | AuthAction::Pragma {
            pragma_name: "table_info" | "table_list",
            ..
        } => Authorization::Allow,
        _ => Authorization::Deny,
    }
}

fn select(connection: &Connection, sql: &str, limit: usize) -> rusqlite::Result<Table> {
    let mut statement = connection.prepare(sql)?;
    if statement.column_count() == 0 {
        // Not even a statement.
        return Err(rusqlite::Error::InvalidQuery);
    }
    let names = statement.column_names();
    let columns: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let mut table = Table {
        columns,
        rows: Vec::new(),
        more: false,
    };
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if table.rows.len() == limit {
            table.more = true;
            break;
        }
        let values = (0..table.columns.len()).map(|at| row.get(at));
        table.rows.push(values.collect::<rusqlite::Result<_>>()?);
    }
    Ok(table)
}

fn explain(error: &rusqlite::Error, time: Duration) -> LedgerError {
    let only_reads = || "a query only reads: begin it with SELECT".to_owned();
    LedgerError(match error.sqlite_error_code() {
        Some(ErrorCode::AuthorizationForStatementDenied | ErrorCode::ReadOnly) => only_reads(),
        None if matches!(error, rusqlite::Error::InvalidQuery) => only_reads(),
        Some(ErrorCode::OperationInterrupted) => {
            format!("the query takes longer than {time:?}")
        }
        _ => error.to_string(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::ledger::Durability;

    const ENDLESS: &str =
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n";

    #[test]
    fn a_query_without_an_end_is_ended() {
        let ledger = Ledger::in_memory().unwrap();
        let count = format!("SELECT count(*) FROM ({ENDLESS})");
        let error = ledger.query(&count, 1, Duration::ZERO).unwrap_err();
        assert_eq!(error.0, "the query takes longer than 0ns");

        let found = ledger.query(ENDLESS, 2, Duration::MAX).unwrap();
        let rows = [1, 2].map(|number| vec![Value::Integer(number)]);
        assert_eq!((found.rows, found.more), (rows.to_vec(), true));
    }

    #[test]
    fn only_the_query_is_watched() {
        let ledger = Ledger::in_memory().unwrap();
        let delete = "DELETE FROM sink";
        assert!(ledger.query(delete, 1, Duration::MAX).is_err());
        ledger
            .write(Durability::Process, |tx| Ok(tx.execute(delete, [])?))
            .unwrap();
    }
}
