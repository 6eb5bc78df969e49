//! How sinks stand: what became of the deliveries to each, and one more try.

use rusqlite::{OptionalExtension, params};

use super::queries::severity;
use super::{Durability, Ledger, Result};
use crate::alert::Severity;

/// Where a delivery can stand.
pub const STATES: [&str; 9] = [
    "pending",
    "held",
    "sending",
    "delivered",
    "accepted",
    "dead",
    "expired",
    "dropped",
    "suppressed",
];

/// Deliveries to one sink that stand alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The sink.
    pub sink: String,
    /// Where they stand.
    pub state: String,
    /// How many.
    pub number: u64,
}

/// Troubles of a run that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Troubles {
    /// The project.
    pub project: String,
    /// The run.
    pub run: String,
    /// How bad they are.
    pub severity: Severity,
    /// How many.
    pub number: u64,
}

impl Ledger {
    /// How many deliveries stand how, by sink.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn delivery_counts(&self) -> Result<Vec<Count>> {
        self.read(|connection| {
            let mut query = connection.prepare_cached(
                "SELECT sink, state, count(*) FROM delivery GROUP BY sink, state
                 ORDER BY sink, state",
            )?;
            let rows = query.query_map([], |row| {
                Ok(Count {
                    sink: row.get(0)?,
                    state: row.get(1)?,
                    number: row.get::<_, i64>(2)?.unsigned_abs(),
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Troubles that are there now, by run and severity. The host's own are left
    /// out: nothing ends them.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn troubles(&self) -> Result<Vec<Troubles>> {
        self.read(|connection| {
            let mut query = connection.prepare_cached(
                "SELECT project, run, severity, count(*) FROM (
                     SELECT project, run, max(severity) AS severity FROM alert a
                     WHERE firing AND NOT over AND detector <> 'runwatch'
                     AND NOT EXISTS (SELECT 1 FROM alert r WHERE r.fingerprint = a.fingerprint
                                     AND r.episode = a.episode AND NOT r.firing)
                     GROUP BY fingerprint
                 ) GROUP BY project, run, severity",
            )?;
            let rows = query.query_map([], |row| {
                Ok(Troubles {
                    project: row.get(0)?,
                    run: row.get(1)?,
                    severity: severity(row.get(2)?),
                    number: row.get::<_, i64>(3)?.unsigned_abs(),
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Whether this trouble is over, or its run.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn is_over(&self, fingerprint: &str, episode: u64) -> Result<bool> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM alert WHERE fingerprint = ?1 AND episode = ?2
                     AND (over OR NOT firing))",
                )?
                .query_row(params![fingerprint, episode as i64], |row| row.get(0))?)
        })
    }

    /// The sink of a delivery and where it stands.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn delivery(&self, id: i64) -> Result<Option<(String, String)>> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached("SELECT sink, state FROM delivery WHERE id = ?1")?
                .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?)
        })
    }

    /// Lets one delivery that waits, was given up or has expired be tried again
    /// at once. Whatever is known against its sink is forgotten. Returns whether
    /// there is one.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be written.
    pub fn resend_one(&self, id: i64, now: i64) -> Result<bool> {
        self.write(Durability::Process, |tx| {
            let changed = tx.execute(
                "UPDATE delivery SET retry = 0, due = 0, done = NULL,
                 plain = iif(state = 'pending', plain, 0),
                 made = iif(state = 'pending', made, ?2), state = 'pending'
                 WHERE id = ?1 AND state IN ('pending', 'dead', 'expired')",
                params![id, now],
            )?;
            tx.execute(
                "DELETE FROM sink WHERE name = (SELECT sink FROM delivery WHERE id = ?1) AND ?2",
                params![id, changed > 0],
            )?;
            Ok(changed > 0)
        })
    }

    /// Changes whenever something of deliveries, sinks, silences or detectors
    /// does.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn stir(&self) -> Result<String> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT concat_ws(' ',
                     (SELECT group_concat(state || n) FROM
                         (SELECT state, count(*) AS n FROM delivery GROUP BY state)),
                     (SELECT max(id) FROM delivery), (SELECT max(rowid) FROM attempt),
                     (SELECT group_concat(name || failures || blocked || coalesce(broken, ''))
                         FROM sink),
                     (SELECT count(*) || ' ' || count(removed) || ' ' || total(made) FROM silence),
                     (SELECT max(updated) FROM detector))",
                )?
                .query_row([], |row| row.get(0))?)
        })
    }

    /// The number of the newest alert; 0 if there is none.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn last_seq(&self) -> Result<i64> {
        self.read(|connection| {
            let query = "SELECT coalesce(max(seq), 0) FROM alert";
            Ok(connection.query_row(query, [], |row| row.get(0))?)
        })
    }
}
