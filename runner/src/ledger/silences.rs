//! Silences: what the user does not want to be told for a while.

use rusqlite::{Transaction, params};

use super::{Durability, Ledger, LedgerError, Result};
use crate::deliver::silence::Silence;

/// A silence as it is kept: its id and its JSON.
pub(crate) type Kept = (String, String);

/// Ends a silence.
pub(crate) fn end(tx: &Transaction<'_>, id: &str, now: i64) -> Result<()> {
    tx.prepare_cached("UPDATE silence SET removed = ?2 WHERE id = ?1 AND removed IS NULL")?
        .execute(params![id, now])?;
    Ok(())
}

impl Ledger {
    /// Keeps a silence.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be written.
    pub fn keep_silence(&self, silence: &Silence) -> Result<()> {
        let body =
            serde_json::to_string(silence).map_err(|error| LedgerError(error.to_string()))?;
        self.add_silence(&silence.id, &body, silence.created)
    }

    /// Keeps the JSON of a silence.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be written.
    pub(crate) fn add_silence(&self, id: &str, body: &str, now: i64) -> Result<()> {
        self.write(Durability::Process, |tx| {
            tx.execute(
                "INSERT OR REPLACE INTO silence (id, body, made) VALUES (?1, ?2, ?3)",
                params![id, body, now],
            )?;
            Ok(())
        })
    }

    /// Ends silences whose id begins like this; returns their ids.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be written.
    pub(crate) fn remove_silence(&self, id: &str, now: i64) -> Result<Vec<String>> {
        self.write(Durability::Process, |tx| {
            let mut query = tx.prepare(
                "UPDATE silence SET removed = ?3 WHERE id >= ?1 AND id < ?2 AND removed IS NULL
                 RETURNING id",
            )?;
            let ids = query.query_map(params![id, format!("{id}g"), now], |row| row.get(0))?;
            Ok(ids.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The silences that nobody has removed, or all, in the order in which
    /// they were made.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub(crate) fn silences(&self, removed: bool) -> Result<Vec<Kept>> {
        self.read(|connection| {
            let mut query = connection.prepare_cached(
                "SELECT id, body FROM silence WHERE ?1 OR removed IS NULL ORDER BY made, id",
            )?;
            let rows = query.query_map([removed], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }
}
