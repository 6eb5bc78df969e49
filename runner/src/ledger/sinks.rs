//! How the sinks stand that anything was sent to.

use rusqlite::Row;
use serde::Serialize;

use super::{Ledger, Result};
use crate::view::Time;

/// A sink, and what became of its deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SinkRow {
    /// Its name.
    pub name: String,
    /// Deliveries that are to be sent, now or later.
    pub waiting: u64,
    /// Those that were refused, given up, or waited too long.
    pub dead: u64,
    /// Those that arrived.
    pub delivered: u64,
    /// Nothing is sent before, because of failures.
    pub blocked_until: Option<Time>,
    /// Why nothing is sent at all.
    pub broken: Option<String>,
    /// Failures in a row.
    pub failures: u64,
}

impl SinkRow {
    /// A sink that nothing was sent to.
    #[must_use]
    pub fn unused(name: String) -> Self {
        Self {
            name,
            waiting: 0,
            dead: 0,
            delivered: 0,
            blocked_until: None,
            broken: None,
            failures: 0,
        }
    }
}

impl Ledger {
    /// The sinks that the ledger knows, by name.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn find_sinks(&self) -> Result<Vec<SinkRow>> {
        self.read(|connection| {
            let mut query = connection.prepare_cached(
                "SELECT n.name, n.waiting, n.dead, n.delivered, s.blocked, s.broken,
                 ifnull(s.failures, 0) FROM (
                     SELECT name, sum(waiting) AS waiting, sum(dead) AS dead,
                         sum(delivered) AS delivered FROM (
                         SELECT sink AS name, state IN ('pending', 'held', 'sending') AS waiting,
                             state IN ('dead', 'expired') AS dead,
                             state IN ('delivered', 'accepted') AS delivered FROM delivery
                         UNION ALL SELECT name, 0, 0, 0 FROM sink
                     ) GROUP BY name
                 ) n LEFT JOIN sink s ON s.name = n.name ORDER BY n.name",
            )?;
            let rows = query.query_map([], row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<SinkRow> {
    let number = |at: usize| row.get::<_, i64>(at).map(i64::unsigned_abs);
    let blocked: Option<i64> = row.get(4)?;
    Ok(SinkRow {
        name: row.get(0)?,
        waiting: number(1)?,
        dead: number(2)?,
        delivered: number(3)?,
        blocked_until: blocked.filter(|until| *until > 0).map(Time),
        broken: row.get(5)?,
        failures: number(6)?,
    })
}
