//! What detectors did in the watches of this ledger, and what it cost.

use rusqlite::{Row, params};
use serde::Serialize;

use super::{Durability, Ledger, Result};
use crate::detect::Account;
use crate::view::Time;

/// A detector of one watch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DetectorRow {
    /// The name in alerts.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the component, in hexadecimal digits.
    pub digest: String,
    /// What it does, in a sentence.
    pub summary: String,
    /// The project of the watch.
    pub project: Option<String>,
    /// The run of the watch; of several, that which came last.
    pub run: Option<String>,
    /// The process that watches, as it names itself.
    #[serde(skip)]
    pub owner: String,
    /// Calls.
    pub calls: i64,
    /// Rows that it was shown.
    pub rows: i64,
    /// Milliseconds that the calls took.
    pub time_ms: f64,
    /// The most bytes of memory that it had.
    pub memory_bytes: i64,
    /// How often it failed.
    pub faults: i64,
    /// What the last failure said.
    pub last_fault: Option<String>,
    /// Whether it was put aside.
    pub quarantined: bool,
    /// Rows that wait for it.
    pub behind: i64,
    /// Rows that were not given to it, because it could not keep up.
    pub left_out: i64,
    /// When this was so.
    pub updated: Option<Time>,
}

impl Ledger {
    /// Notes what the detectors of a watch have done so far. `about` is the
    /// project and the run, where there is one yet.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be written.
    pub fn note_detectors(
        &self,
        owner: &str,
        about: Option<(&str, &str)>,
        accounts: &[Account],
        now: i64,
    ) -> Result<()> {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.write(Durability::Process, |tx| {
            let mut insert = tx.prepare_cached(
                "INSERT OR REPLACE INTO detector (owner, name, version, digest, summary, project,
                 run, calls, rows, nanos, memory, faults, last_fault, quarantined, updated,
                 behind, left_out)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
                 ?17)",
            )?;
            for account in accounts {
                insert.execute(params![
                    owner,
                    account.name,
                    account.identity.version,
                    account.identity.digest,
                    account.identity.summary,
                    about.map(|about| about.0),
                    about.map(|about| about.1),
                    number(account.calls),
                    number(account.rows),
                    number(account.nanos),
                    number(account.memory as u64),
                    number(account.faults),
                    account.last_fault,
                    account.quarantined,
                    now,
                    number(account.behind),
                    number(account.left_out)
                ])?;
            }
            Ok(())
        })
    }

    /// The detectors of all watches, those of the newest watch first, and at
    /// most so many.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn detectors(&self, limit: usize) -> Result<Vec<DetectorRow>> {
        self.read(|connection| {
            let mut query = connection.prepare_cached(
                "SELECT name, version, digest, summary, project, run, owner, calls, rows, nanos,
                 memory, faults, last_fault, quarantined, updated, behind, left_out FROM detector
                 ORDER BY updated DESC, owner, name LIMIT ?1",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = query.query_map([limit], detector)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }
}

fn detector(row: &Row<'_>) -> rusqlite::Result<DetectorRow> {
    Ok(DetectorRow {
        name: row.get(0)?,
        version: row.get(1)?,
        digest: row.get(2)?,
        summary: row.get(3)?,
        project: row.get(4)?,
        run: row.get(5)?,
        owner: row.get(6)?,
        calls: row.get(7)?,
        rows: row.get(8)?,
        time_ms: row.get::<_, i64>(9)? as f64 / 1e6,
        memory_bytes: row.get(10)?,
        faults: row.get(11)?,
        last_fault: row.get(12)?,
        quarantined: row.get(13)?,
        updated: row.get::<_, Option<i64>>(14)?.map(Time),
        behind: row.get(15)?,
        left_out: row.get(16)?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn account(name: &str, calls: u64) -> Account {
        Account {
            name: name.to_owned(),
            calls,
            nanos: 2_500_000,
            behind: 40 * calls,
            left_out: calls,
            ..Account::default()
        }
    }

    #[test]
    fn a_watch_notes_its_detectors_again_and_again() {
        let ledger = Ledger::in_memory().unwrap();
        let first = [account("a", 1), account("b", 2)];
        ledger.note_detectors("w1", None, &first, 10).unwrap();
        ledger
            .note_detectors("w2", Some(("p", "r")), &[account("a", 3)], 20)
            .unwrap();
        ledger
            .note_detectors("w1", Some(("p", "q")), &[account("a", 7)], 30)
            .unwrap();
        let rows = ledger.detectors(10).unwrap();
        let short: Vec<_> = rows
            .iter()
            .map(|row| (row.owner.as_str(), row.name.as_str(), row.calls))
            .collect();
        assert_eq!(short, [("w1", "a", 7), ("w2", "a", 3), ("w1", "b", 2)]);
        assert_eq!(rows[0].run.as_deref(), Some("q"));
        assert_eq!((rows[0].behind, rows[0].left_out), (280, 7));
        assert_eq!((rows[0].time_ms, rows[2].run.clone()), (2.5, None));
        assert_eq!(ledger.detectors(1).unwrap().len(), 1);
    }

    #[test]
    fn old_watches_are_forgotten() {
        let ledger = Ledger::in_memory().unwrap();
        ledger
            .note_detectors("old", None, &[account("a", 1)], 10)
            .unwrap();
        ledger
            .note_detectors("new", None, &[account("a", 1)], 20)
            .unwrap();
        ledger.forget(15).unwrap();
        let left = ledger.detectors(10).unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].owner, "new");
    }
}
