//! Alerts, and findings that did not become alerts.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{Durability, Ledger, LedgerError, Result};
use crate::alert::{Alert, Severity, State};

/// Troubles per run of which what was muted is kept one by one; the rest is
/// counted under the detector.
const MUTED_PER_RUN: i64 = 1024;

/// The key under which the rest is counted.
const REST: &str = "*";

/// Findings of one trouble that did not become alerts, for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Muted {
    /// Names the trouble.
    pub fingerprint: String,
    /// The reason's name.
    pub reason: &'static str,
    /// The project.
    pub project: String,
    /// The run.
    pub run: String,
    /// The detector.
    pub detector: String,
    /// The key.
    pub key: String,
    /// The highest severity.
    pub severity: Severity,
    /// The last title.
    pub title: String,
    /// How many.
    pub count: u64,
    /// The first step and the last.
    pub steps: Option<(i64, i64)>,
}

impl Ledger {
    /// Forgets what was made before this time, but for what still waits to be
    /// sent and the alerts of a run whose history is kept. Returns the number of alerts forgotten.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be written.
    pub fn forget(&self, before: i64) -> Result<u64> {
        let old: bool = self.read(|connection| {
            let query = "SELECT EXISTS (SELECT 1 FROM alert WHERE made < ?1)
                         OR EXISTS (SELECT 1 FROM run WHERE seen < ?1)
                         OR EXISTS (SELECT 1 FROM detector WHERE updated < ?1)";
            Ok(connection.query_row(query, [before], |row| row.get(0))?)
        })?;
        if !old {
            return Ok(0);
        }
        self.write(Durability::Process, |tx| {
            let alerts = tx.execute(
                "DELETE FROM alert WHERE made < ?1 AND NOT EXISTS (SELECT 1 FROM delivery d
                 WHERE d.alert = alert.id AND d.state IN ('pending', 'held', 'sending'))
                 AND NOT EXISTS (SELECT 1 FROM run r WHERE r.project = alert.project
                 AND r.run = alert.run AND r.seen >= ?1)",
                [before],
            )?;
            tx.execute("DELETE FROM attempt WHERE at < ?1", [before])?;
            tx.execute("DELETE FROM muted WHERE last_at < ?1", [before])?;
            tx.execute("DELETE FROM silence WHERE removed < ?1", [before])?;
            tx.execute("DELETE FROM run WHERE seen < ?1", [before])?;
            tx.execute("DELETE FROM detector WHERE updated < ?1", [before])?;
            tx.execute("DELETE FROM halt WHERE at < ?1", [before])?;
            Ok(alerts as u64)
        })
    }

    /// Writes down alerts that another tool raised, each with its time in
    /// milliseconds since 1970. They are over: nobody is told of them, and they
    /// explain nothing that comes now. Returns those that are new.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be written.
    pub fn adopt<'a>(&self, alerts: &'a [(Alert, i64)]) -> Result<Vec<&'a Alert>> {
        self.write(Durability::Process, |tx| {
            let mut new = Vec::new();
            for (alert, made) in alerts {
                if insert(tx, alert, *made)? {
                    tx.prepare_cached("UPDATE alert SET over = 1 WHERE id = ?1")?
                        .execute([&alert.id])?;
                    new.push(alert);
                }
            }
            Ok(new)
        })
    }

    /// The highest number of an episode that a run has had; `ended`: before it
    /// ended last.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn episodes(&self, project: &str, run: &str, ended: bool) -> Result<u64> {
        self.read(|connection| {
            let highest: Option<i64> = connection
                .prepare_cached(
                    "SELECT max(episode) FROM alert
                     WHERE project = ?1 AND run = ?2 AND (over OR NOT ?3)",
                )?
                .query_row(params![project, run, ended], |row| row.get(0))?;
            Ok(highest.unwrap_or_default().unsigned_abs())
        })
    }

    /// The alert with this id, or with the only id that begins like this.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read, or the beginning fits several.
    pub fn alert(&self, id: &str) -> Result<Option<Alert>> {
        Ok(self.written_alert(id)?.map(|it| it.alert))
    }
}

/// Writes an alert down; false: it is there already.
pub(crate) fn insert(tx: &Transaction<'_>, alert: &Alert, now: i64) -> Result<bool> {
    let body = serde_json::to_string(alert).map_err(|error| LedgerError(error.to_string()))?;
    let mut query = tx.prepare_cached(
        "INSERT OR IGNORE INTO alert
         (id, project, run, detector, fingerprint, episode, severity, firing, step, made, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    let rows = query.execute(params![
        alert.id,
        alert.project,
        alert.run,
        alert.detector,
        alert.fingerprint,
        alert.episode as i64,
        alert.severity as i64,
        alert.state == State::Firing,
        alert.step,
        now,
        body
    ])?;
    Ok(rows == 1)
}

/// The alert with this id.
pub(super) fn get(connection: &Connection, id: &str) -> Result<Option<Alert>> {
    let body: Option<String> = connection
        .prepare_cached("SELECT body FROM alert WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    body.as_deref().map(read_alert).transpose()
}

pub(super) fn read_alert(body: &str) -> Result<Alert> {
    serde_json::from_str(body)
        .map_err(|error| LedgerError(format!("an alert in the ledger cannot be read: {error}")))
}

/// Firing alerts of a run whose trouble has not been resolved since and that has
/// not ended, the host's own left out: those report an event, and nothing ends
/// them.
pub(crate) fn firing(tx: &Transaction<'_>, project: &str, run: &str) -> Result<Vec<Alert>> {
    let mut query = tx.prepare_cached(
        "SELECT body FROM alert a
         WHERE project = ?1 AND run = ?2 AND firing AND NOT over AND detector <> 'runwatch'
         AND NOT EXISTS (SELECT 1 FROM alert r WHERE r.fingerprint = a.fingerprint
                         AND r.episode = a.episode AND NOT r.firing)
         ORDER BY seq",
    )?;
    let bodies: Vec<String> = query
        .query_map([project, run], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    bodies.iter().map(|body| read_alert(body)).collect()
}

/// The run has ended: nothing that it was told of explains anything any more.
pub(crate) fn end_run(tx: &Transaction<'_>, project: &str, run: &str) -> Result<()> {
    tx.prepare_cached("UPDATE alert SET over = 1 WHERE project = ?1 AND run = ?2 AND NOT over")?
        .execute([project, run])?;
    Ok(())
}

/// Counts findings that did not become alerts.
pub(crate) fn mute(tx: &Transaction<'_>, muted: &Muted, now: i64) -> Result<()> {
    let add = |fingerprint: &str, key: &str, title: &str| -> Result<()> {
        tx.prepare_cached(
            "INSERT INTO muted VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12)
             ON CONFLICT DO UPDATE SET
             severity = max(severity, excluded.severity), title = excluded.title,
             count = count + excluded.count, last_at = excluded.last_at,
             first_step = coalesce(first_step, excluded.first_step),
             last_step = coalesce(excluded.last_step, last_step)",
        )?
        .execute(params![
            fingerprint,
            muted.reason,
            muted.project,
            muted.run,
            muted.detector,
            key,
            muted.severity as i64,
            title,
            muted.count as i64,
            muted.steps.map(|steps| steps.0),
            muted.steps.map(|steps| steps.1),
            now
        ])?;
        Ok(())
    };
    let known: bool = tx
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM muted WHERE fingerprint = ?1 AND reason = ?2)",
        )?
        .query_row([&muted.fingerprint, muted.reason], |row| row.get(0))?;
    let room = known || {
        let kept: i64 = tx
            .prepare_cached("SELECT count(*) FROM muted WHERE project = ?1 AND run = ?2")?
            .query_row([&muted.project, &muted.run], |row| row.get(0))?;
        kept < MUTED_PER_RUN
    };
    if room {
        return add(&muted.fingerprint, &muted.key, &muted.title);
    }
    let rest = format!("{}/{}/{}/{REST}", muted.project, muted.run, muted.detector);
    add(&rest, REST, "")
}
