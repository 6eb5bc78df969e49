//! Deliveries: each an alert on its way to one sink.
//!
//! A delivery is `pending` until a sink's worker takes it, or `held` while a
//! silence or another alert mutes it. Taken, it is `sending`, leased to the
//! process that sends it, and belongs to a message whose key and members stay
//! the same over all attempts. It ends as `delivered`, `accepted`, `dead` (the
//! receiver refuses it), `expired` (too old to be of use), `dropped` (no room)
//! or `suppressed`.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{Ledger, Result, alerts};
use crate::alert::{Alert, Severity, State};
use crate::deliver::Notice;
use crate::digest::{Parts, hex};

/// Deliveries that may wait for one sink.
const WAITING: i64 = 10_000;
/// What waits is `pending`, being sent, or held back.
const OPEN: &str = "state IN ('pending', 'held', 'sending')";

/// A delivery to be written down.
#[derive(Debug, Clone, Copy)]
pub struct NewDelivery<'a> {
    /// What is told.
    pub alert: &'a Alert,
    /// Whom.
    pub sink: &'a str,
    /// Why.
    pub notice: Notice,
    /// Which reminder it is, from 1; 0 otherwise.
    pub ordinal: u32,
    /// The route that it takes, by position.
    pub route: usize,
    /// Names the group that it is told with.
    pub grouping: &'a str,
    /// When its group is to be told, in milliseconds since 1970.
    pub due: i64,
    /// Where it begins.
    pub standing: Standing<'a>,
}

/// Where a delivery stands when it is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing<'a> {
    /// It is to be sent.
    Pending,
    /// It waits for the end of what mutes it.
    Held(&'a str),
    /// It will never be sent, and this is why.
    Suppressed(&'a str),
}

/// A delivery as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Delivery {
    /// Its number.
    pub id: i64,
    /// The alert's id.
    pub alert: String,
    /// The sink.
    pub sink: String,
    /// Why it is told: `new`, `reminder`, `ended`.
    pub notice: String,
    /// Where it stands.
    pub state: String,
    /// Why it is held, suppressed or expired.
    pub reason: Option<String>,
    /// When it was made, in milliseconds since 1970.
    pub made: i64,
    /// How often it was tried.
    pub attempts: u32,
    /// When it ended.
    pub done: Option<i64>,
    /// What the last failure said.
    pub error: Option<String>,
}

/// What waits for one sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remaining {
    /// The sink.
    pub sink: String,
    /// Deliveries that are pending or being sent.
    pub waiting: i64,
    /// Firing criticals among them.
    pub urgent: i64,
}

impl NewDelivery<'_> {
    /// The idempotency key: of alert, sink, notice and ordinal alone, none of
    /// which a change of the configuration changes.
    fn key(&self) -> String {
        let mut parts = Parts::after(b"");
        for part in [&self.alert.id, self.sink, self.notice.name()] {
            parts.add(part);
        }
        parts.add(self.ordinal.to_string());
        hex(&parts.finish())
    }
}

/// Writes a delivery down; false: it is there already, and stays as it is.
pub(crate) fn insert(tx: &Transaction<'_>, new: &NewDelivery<'_>, now: i64) -> Result<bool> {
    let alert = new.alert;
    let firing = alert.state == State::Firing && new.notice != Notice::Ended;
    let (state, reason) = match new.standing {
        Standing::Pending => ("pending", None),
        Standing::Held(reason) => ("held", Some(reason)),
        Standing::Suppressed(reason) => ("suppressed", Some(reason)),
    };
    let mut query = tx.prepare_cached(
        "INSERT OR IGNORE INTO delivery (key, alert, sink, notice, ordinal, route, grouping,
         fingerprint, episode, severity, urgent, state, reason, made, due, done)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?;
    let rows = query.execute(params![
        new.key(),
        alert.id,
        new.sink,
        new.notice.name(),
        new.ordinal,
        new.route as i64,
        new.grouping,
        alert.fingerprint,
        alert.episode as i64,
        alert.severity as i64,
        firing && alert.severity == Severity::Critical,
        state,
        reason,
        now,
        new.due,
        (state == "suppressed").then_some(now)
    ])?;
    Ok(rows == 1)
}

/// Gives up what has not gone out yet of the same trouble and says no worse
/// than a new delivery, which takes its place and its time. What is held back
/// takes the place only of what is held back.
pub(crate) fn overtake(tx: &Transaction<'_>, new: &NewDelivery<'_>, now: i64) -> Result<()> {
    let held = matches!(new.standing, Standing::Held(_));
    let mut query = tx.prepare_cached(
        "UPDATE delivery SET state = 'suppressed', reason = 'overtaken by ' || ?1, done = ?2
         WHERE fingerprint = ?3 AND episode = ?4 AND sink = ?5 AND alert <> ?1
         AND severity <= ?6 AND message IS NULL AND notice <> 'ended'
         AND (state = 'held' OR state = 'pending' AND NOT ?7)
         AND alert IN (SELECT id FROM alert WHERE fingerprint = ?3 AND episode = ?4 AND firing)
         RETURNING due",
    )?;
    let alert = new.alert;
    let episode = alert.episode as i64;
    let severity = alert.severity as i64;
    let dues = query.query_map(
        params![
            alert.id,
            now,
            alert.fingerprint,
            episode,
            new.sink,
            severity,
            held
        ],
        |row| row.get(0),
    )?;
    let dues: Vec<i64> = dues.collect::<rusqlite::Result<_>>()?;
    if let Some(due) = dues.into_iter().min() {
        tx.prepare_cached("UPDATE delivery SET due = min(due, ?2) WHERE key = ?1")?
            .execute(params![new.key(), due])?;
    }
    Ok(())
}

/// When a trouble was last to be told at a sink, and how many reminders there
/// were.
pub(crate) fn last_made(
    tx: &Transaction<'_>,
    alert: &Alert,
    sink: &str,
) -> Result<Option<(i64, u32)>> {
    Ok(tx
        .prepare_cached(
            "SELECT max(made), max(ordinal) FROM delivery
             WHERE fingerprint = ?1 AND episode = ?2 AND sink = ?3 HAVING count(*) > 0",
        )?
        .query_row(
            params![alert.fingerprint, alert.episode as i64, sink],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?)
}

/// Gives up what follows on a firing that never arrived at a sink and never
/// will: nobody there would know what is over.
pub(super) fn drop_orphans(tx: &Transaction<'_>, sink: &str, now: i64) -> Result<()> {
    tx.prepare_cached(
        "UPDATE delivery AS d SET state = 'suppressed', reason = 'nobody was told that it fired',
         done = ?2 WHERE sink = ?1 AND state = 'pending' AND message IS NULL
         AND (notice = 'ended' OR NOT (SELECT firing FROM alert WHERE id = d.alert))
         AND NOT EXISTS (SELECT 1 FROM delivery f JOIN alert a ON a.id = f.alert
             WHERE f.fingerprint = d.fingerprint AND f.episode = d.episode AND f.sink = d.sink
             AND a.firing AND f.notice <> 'ended'
             AND f.state IN ('pending', 'sending', 'delivered', 'accepted'))",
    )?
    .execute(params![sink, now])?;
    Ok(())
}

/// Makes room: beyond what may wait for a sink, reminders go first, then
/// infos, then warnings, the oldest first; never a critical, nor part of a
/// message that was begun.
pub(crate) fn make_room(tx: &Transaction<'_>, sink: &str, now: i64) -> Result<u64> {
    let waiting: i64 = tx
        .prepare_cached(&format!(
            "SELECT count(*) FROM delivery WHERE sink = ?1 AND {OPEN}"
        ))?
        .query_row([sink], |row| row.get(0))?;
    if waiting <= WAITING {
        return Ok(0);
    }
    let dropped = tx
        .prepare_cached(
            "UPDATE delivery SET state = 'dropped', reason = 'no room', done = ?3 WHERE id IN
             (SELECT id FROM delivery WHERE sink = ?1 AND state IN ('pending', 'held')
              AND severity < 2 AND message IS NULL ORDER BY notice = 'new', severity, id LIMIT ?2)",
        )?
        .execute(params![sink, waiting - WAITING, now])?;
    drop_orphans(tx, sink, now)?;
    Ok(dropped as u64)
}

/// Where the firing of a trouble stands at a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Firing {
    pub(crate) sink: String,
    pub(crate) state: String,
    pub(crate) route: usize,
    pub(crate) grouping: String,
}

impl Firing {
    /// Whether the receiver has it.
    pub(crate) fn is_told(&self) -> bool {
        matches!(self.state.as_str(), "delivered" | "accepted")
    }

    /// Whether the receiver has it or will have it.
    pub(crate) fn is_under_way(&self) -> bool {
        self.is_told() || matches!(self.state.as_str(), "pending" | "sending")
    }
}

/// Where the firing of a trouble stands at each sink that it was meant for.
pub(crate) fn firings(
    tx: &Transaction<'_>,
    fingerprint: &str,
    episode: u64,
) -> Result<Vec<Firing>> {
    // Of several at a sink, one that was delivered outweighs one that is on its
    // way, and that one all others. SQLite takes the other columns from the
    // row of the least.
    let mut query = tx.prepare_cached(
        "SELECT d.sink, d.state, d.route, d.grouping,
         min(CASE WHEN d.state IN ('delivered', 'accepted') THEN 0
             WHEN d.state IN ('pending', 'sending') THEN 1
             WHEN d.state = 'held' THEN 2 ELSE 3 END)
         FROM delivery d JOIN alert a ON a.id = d.alert
         WHERE d.fingerprint = ?1 AND d.episode = ?2 AND a.firing AND d.notice <> 'ended'
         GROUP BY d.sink ORDER BY d.sink",
    )?;
    let rows = query.query_map(params![fingerprint, episode as i64], |row| {
        Ok(Firing {
            sink: row.get(0)?,
            state: row.get(1)?,
            route: row.get::<_, i64>(2)?.unsigned_abs() as usize,
            grouping: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// When the group was last told something at a sink.
pub(crate) fn last_told(tx: &Transaction<'_>, sink: &str, grouping: &str) -> Result<Option<i64>> {
    Ok(tx
        .prepare_cached(
            "SELECT max(done) FROM delivery WHERE sink = ?1 AND grouping = ?2
             AND state IN ('delivered', 'accepted')",
        )?
        .query_row([sink, grouping], |row| row.get(0))?)
}

/// A delivery that has not begun and that something may mute, or does.
#[derive(Debug)]
pub(crate) struct Idle {
    pub(crate) id: i64,
    pub(crate) held: bool,
    pub(crate) reason: Option<String>,
    pub(crate) alert: Alert,
}

/// What is held back, and what still waits for its group at this time. Whoever
/// was or will be told of a trouble is told of its end, so neither that nor a
/// trouble that is over is among it.
pub(crate) fn idle(tx: &Transaction<'_>, now: i64) -> Result<Vec<Idle>> {
    let mut query = tx.prepare_cached(
        "SELECT d.id, d.state = 'held', d.reason, a.body FROM delivery d JOIN alert a ON a.id = d.alert
         WHERE (d.state = 'held' OR d.state = 'pending' AND d.message IS NULL AND d.due > ?1)
         AND a.firing AND d.notice <> 'ended'
         AND NOT EXISTS (SELECT 1 FROM alert r WHERE r.fingerprint = d.fingerprint
             AND r.episode = d.episode AND NOT r.firing)
         ORDER BY d.id",
    )?;
    let rows: Vec<(i64, bool, Option<String>, String)> = query
        .query_map([now], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    rows.into_iter()
        .map(|(id, held, reason, body)| {
            let alert = alerts::read_alert(&body)?;
            Ok(Idle {
                id,
                held,
                reason,
                alert,
            })
        })
        .collect()
}

/// Whether anything is held back.
pub(crate) fn any_held(connection: &Connection) -> Result<bool> {
    Ok(connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM delivery WHERE state = 'held')")?
        .query_row([], |row| row.get(0))?)
}

/// Holds a delivery back.
pub(crate) fn hold(tx: &Transaction<'_>, id: i64, reason: &str) -> Result<()> {
    tx.prepare_cached("UPDATE delivery SET state = 'held', reason = ?2 WHERE id = ?1")?
        .execute(params![id, reason])?;
    Ok(())
}

/// Gives up what is held back of a trouble.
pub(crate) fn suppress_held(
    tx: &Transaction<'_>,
    fingerprint: &str,
    episode: u64,
    reason: &str,
    now: i64,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE delivery SET state = 'suppressed', reason = ?3 || coalesce(' (' || reason || ')', ''),
         done = ?4 WHERE fingerprint = ?1 AND episode = ?2 AND state = 'held'",
    )?
    .execute(params![fingerprint, episode as i64, reason, now])?;
    Ok(())
}

/// Lets a held delivery go.
pub(crate) fn release(tx: &Transaction<'_>, id: i64, due: i64) -> Result<()> {
    tx.prepare_cached(
        "UPDATE delivery SET state = 'pending', reason = NULL, due = ?2 WHERE id = ?1",
    )?
    .execute([id, due])?;
    Ok(())
}

impl Ledger {
    /// What waits, by sink.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn remaining(&self) -> Result<Vec<Remaining>> {
        self.read(|connection| {
            let mut query = connection.prepare_cached(
                "SELECT sink, count(*), sum(urgent) FROM delivery
                 WHERE state IN ('pending', 'sending') GROUP BY sink ORDER BY sink",
            )?;
            let rows = query.query_map([], |row| {
                Ok(Remaining {
                    sink: row.get(0)?,
                    waiting: row.get(1)?,
                    urgent: row.get(2)?,
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The deliveries of an alert, or of all, the newest first.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn deliveries(&self, alert: Option<&str>, limit: usize) -> Result<Vec<Delivery>> {
        self.read(|connection| {
            let mut query = connection.prepare_cached(
                "SELECT id, alert, sink, notice, state, reason, made, attempts, done, error
                 FROM delivery WHERE ?1 IS NULL OR alert = ?1 ORDER BY id DESC LIMIT ?2",
            )?;
            let rows = query.query_map(params![alert, limit as i64], |row| {
                Ok(Delivery {
                    id: row.get(0)?,
                    alert: row.get(1)?,
                    sink: row.get(2)?,
                    notice: row.get(3)?,
                    state: row.get(4)?,
                    reason: row.get(5)?,
                    made: row.get(6)?,
                    attempts: row.get(7)?,
                    done: row.get(8)?,
                    error: row.get(9)?,
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }
}
