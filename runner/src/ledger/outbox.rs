//! What is on its way: taken by a sink's worker, sent, and settled.
//!
//! What is taken belongs to a message whose key and members stay the same over
//! all attempts, and is leased to the process that sends it.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::deliveries::drop_orphans;
use super::{Durability, Ledger, Result, alerts};
use crate::deliver::{Entry, Notice};

/// How long a process may take to send a message before others think it dead.
const LEASE: i64 = 5 * 60_000;
/// After this long nobody wants to be told any more: infos, warnings, criticals.
const AGE_LIMIT: [i64; 3] = [3_600_000, 6 * 3_600_000, 24 * 3_600_000];
/// The longest wait between two attempts while the program wants to end.
pub(crate) const LAST_WAIT: i64 = 2000;

/// What ends a trouble, or tells it again, waits for what began it.
const WAITS: &str = "EXISTS (SELECT 1 FROM delivery e WHERE e.fingerprint = d.fingerprint
     AND e.episode = d.episode AND e.sink = d.sink AND e.id < d.id
     AND e.message IS NOT d.message AND e.state IN ('pending', 'sending'))";

/// What a worker gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Taken {
    /// A message to send.
    Message(Leased),
    /// Nothing before this time; none: nothing at all.
    Wait(Option<i64>),
    /// Nothing ever, and why.
    Broken(String),
}

/// A message that this process may send.
#[derive(Debug, Clone, PartialEq)]
pub struct Leased {
    /// The idempotency key.
    pub message: String,
    /// The group.
    pub grouping: String,
    /// What it tells.
    pub entries: Vec<Entry>,
    /// How often it was tried before.
    pub attempts: u32,
    /// To be written without markup.
    pub plain: bool,
    /// An earlier attempt may have arrived.
    pub doubtful: bool,
    /// When the oldest of it was made.
    pub made: i64,
}

/// What is known of a sink.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SinkState {
    /// Failures in a row.
    pub failures: u32,
    /// Nothing is sent before, in milliseconds since 1970.
    pub blocked: i64,
    /// Why nothing is sent at all.
    pub broken: Option<String>,
}

impl SinkState {
    /// Whether nothing may be sent. When the program is about to end, a long
    /// wait for want of success gives way to a last attempt; one that the sink
    /// asked for does not.
    fn is_blocked(&self, now: i64, closing: bool) -> bool {
        let last = closing && self.failures > 0 && self.blocked > now + LAST_WAIT;
        self.blocked > now && !last
    }
}

/// How a message is put back.
#[derive(Debug, Clone, Copy)]
pub struct Again<'a> {
    /// Not before, in milliseconds since 1970.
    pub retry: i64,
    /// What went wrong.
    pub why: &'a str,
    /// It cost no attempt.
    pub free: bool,
    /// It may have arrived.
    pub doubtful: bool,
    /// To be written without markup from now on.
    pub plain: bool,
}

impl Ledger {
    /// Takes what a sink is to send next: a message that was begun before, or
    /// a new one of at most `batch` alerts of the group whose turn it is;
    /// criticals first. With `closing` nothing waits for its group any more.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be written.
    pub fn take(
        &self,
        sink: &str,
        owner: &str,
        batch: usize,
        now: i64,
        closing: bool,
    ) -> Result<Taken> {
        // Looking is cheap and locks nobody out.
        let state = self.sink_state(sink)?;
        if let Some(why) = state.broken {
            return Ok(Taken::Broken(why));
        }
        if !self.read(|connection| has_pending(connection, sink))? {
            return Ok(Taken::Wait(None));
        }
        self.write(Durability::Process, |tx| {
            expire(tx, sink, now)?;
            if state.is_blocked(now, closing) {
                return Ok(Taken::Wait(Some(state.blocked)));
            }
            let Some((first, message, grouping)) = candidate(tx, sink, now, closing)? else {
                return next_due(tx, sink, closing).map(Taken::Wait);
            };
            let message = match message {
                Some(message) => message,
                None => gather(tx, sink, first, &grouping, batch)?,
            };
            tx.prepare_cached(
                "UPDATE delivery SET state = 'sending', owner = ?2, lease = ?3,
                 attempts = attempts + 1 WHERE message = ?1 AND state = 'pending'",
            )?
            .execute(params![message, owner, now + LEASE])?;
            leased(tx, message, grouping).map(Taken::Message)
        })
    }

    /// Whether anything is to be sent to a sink, now or later.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn has_waiting(&self, sink: &str) -> Result<bool> {
        self.read(|connection| has_pending(connection, sink))
    }

    /// Notes that a message has arrived, whoever else has taken it on since.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be written.
    pub fn arrived(
        &self,
        message: &str,
        state: &str,
        remote: Option<&str>,
        now: i64,
    ) -> Result<()> {
        self.write(Durability::Process, |tx| {
            tx.prepare_cached(
                "UPDATE delivery SET state = ?2, remote = ?3, done = ?4, error = NULL,
                 owner = NULL, lease = NULL
                 WHERE message = ?1 AND state IN ('sending', 'pending')",
            )?
            .execute(params![message, state, remote, now])?;
            Ok(())
        })
    }

    /// Puts a message of this owner back: to be tried again at this time.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be written.
    pub fn again(&self, message: &str, owner: &str, again: &Again<'_>) -> Result<()> {
        self.write(Durability::Process, |tx| {
            tx.prepare_cached(
                "UPDATE delivery SET state = 'pending', retry = ?2, error = ?3,
                 attempts = attempts - ?4, doubtful = max(doubtful, ?5), plain = max(plain, ?6),
                 owner = NULL, lease = NULL
                 WHERE message = ?1 AND state = 'sending' AND owner = ?7",
            )?
            .execute(params![
                message,
                again.retry,
                again.why,
                u8::from(again.free),
                again.doubtful,
                again.plain,
                owner
            ])?;
            Ok(())
        })
    }

    /// Gives a message of this owner up.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be written.
    pub fn died(&self, message: &str, sink: &str, owner: &str, why: &str, now: i64) -> Result<()> {
        self.write(Durability::Process, |tx| {
            tx.prepare_cached(
                "UPDATE delivery SET state = 'dead', error = ?2, done = ?3, owner = NULL,
                 lease = NULL WHERE message = ?1 AND state = 'sending' AND owner = ?4",
            )?
            .execute(params![message, why, now, owner])?;
            drop_orphans(tx, sink, now)
        })
    }

    /// Notes an attempt.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be written.
    pub fn attempted(
        &self,
        message: &str,
        sink: &str,
        at: i64,
        took: i64,
        outcome: &str,
        error: Option<&str>,
    ) -> Result<()> {
        self.write(Durability::Process, |tx| {
            tx.prepare_cached("INSERT INTO attempt VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                .execute(params![message, sink, at, took, outcome, error])?;
            Ok(())
        })
    }

    /// What is known of a sink.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn sink_state(&self, sink: &str) -> Result<SinkState> {
        let read = |row: &Row<'_>| {
            Ok(SinkState {
                failures: row.get(0)?,
                blocked: row.get(1)?,
                broken: row.get(2)?,
            })
        };
        self.read(|connection| {
            Ok(connection
                .prepare_cached("SELECT failures, blocked, broken FROM sink WHERE name = ?1")?
                .query_row([sink], read)
                .optional()?
                .unwrap_or_default())
        })
    }

    /// Notes what is known of a sink.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be written.
    pub fn set_sink_state(&self, sink: &str, state: &SinkState) -> Result<()> {
        self.write(Durability::Process, |tx| {
            tx.prepare_cached("INSERT OR REPLACE INTO sink VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![sink, state.failures, state.blocked, state.broken])?;
            Ok(())
        })
    }

    /// Lets a sink be tried that was switched off.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be written.
    pub fn switch_on(&self, sink: &str) -> Result<()> {
        self.write(Durability::Process, |tx| {
            tx.execute("UPDATE sink SET broken = NULL WHERE name = ?1", [sink])?;
            Ok(())
        })
    }

    /// Takes back what dead processes were sending: it may have arrived.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be written.
    pub fn revive(&self, is_alive: &dyn Fn(&str) -> bool, now: i64) -> Result<u64> {
        self.write(Durability::Process, |tx| {
            let mut query = tx.prepare_cached(
                "SELECT DISTINCT owner, lease FROM delivery WHERE state = 'sending'",
            )?;
            let leases: Vec<(Option<String>, i64)> = query
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            let mut revived = 0;
            for (owner, lease) in leases {
                if lease > now && owner.as_deref().is_some_and(is_alive) {
                    continue;
                }
                revived += tx
                    .prepare_cached(
                        "UPDATE delivery SET state = 'pending', doubtful = 1, owner = NULL,
                         lease = NULL, error = 'the process that was sending it ended'
                         WHERE state = 'sending' AND owner IS ?1 AND lease = ?2",
                    )?
                    .execute(params![owner, lease])? as u64;
            }
            Ok(revived)
        })
    }

    /// Lets a sink's deliveries be tried again at once: those that wait, and
    /// with `dead` those given up or expired that were made since this time.
    /// Whatever is known against the sink is forgotten. Returns how many.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be written.
    pub fn resend(&self, sink: &str, dead: bool, since: i64) -> Result<u64> {
        self.write(Durability::Process, |tx| {
            tx.execute("DELETE FROM sink WHERE name = ?1", [sink])?;
            let mut count = tx.execute(
                "UPDATE delivery SET retry = 0, due = 0 WHERE sink = ?1 AND state = 'pending'",
                [sink],
            )?;
            if dead {
                count += tx.execute(
                    "UPDATE delivery SET state = 'pending', retry = 0, due = 0, plain = 0,
                     done = NULL, made = CAST(unixepoch('subsec') * 1000 AS INTEGER)
                     WHERE sink = ?1 AND state IN ('dead', 'expired') AND made >= ?2",
                    params![sink, since],
                )?;
            }
            Ok(count as u64)
        })
    }
}

fn has_pending(connection: &Connection, sink: &str) -> Result<bool> {
    Ok(connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM delivery WHERE sink = ?1 AND state = 'pending')",
        )?
        .query_row([sink], |row| row.get(0))?)
}

/// Gives up what is too old, from when it could have gone out. A message that
/// was begun stays as it is until all of it is too old.
fn expire(tx: &Transaction<'_>, sink: &str, now: i64) -> Result<()> {
    let [info, warning, critical] = AGE_LIMIT.map(|limit| now - limit);
    let old = "max(made, due) < CASE severity WHEN 0 THEN ?3 WHEN 1 THEN ?4 ELSE ?5 END";
    let expired = tx
        .prepare_cached(&format!(
            "UPDATE delivery AS d SET state = 'expired', reason = 'too old', done = ?2
             WHERE sink = ?1 AND state = 'pending' AND {old}
             AND (message IS NULL OR NOT EXISTS (SELECT 1 FROM delivery
                 WHERE message = d.message AND state = 'pending' AND NOT {old}))"
        ))?
        .execute(params![sink, now, info, warning, critical])?;
    if expired > 0 {
        drop_orphans(tx, sink, now)?;
    }
    Ok(())
}

/// The delivery whose turn it is: number, message, group. What ends a trouble
/// never overtakes what began it. When the program is about to end, whatever
/// has a long wait before it is tried once more at once.
fn candidate(
    tx: &Transaction<'_>,
    sink: &str,
    now: i64,
    closing: bool,
) -> Result<Option<(i64, Option<String>, String)>> {
    let found: Option<(i64, Option<String>, String)> = tx
        .prepare_cached(&format!(
            "SELECT id, message, grouping FROM delivery d
             WHERE sink = ?1 AND state = 'pending'
             AND (retry <= ?2 OR ?3 AND retry > ?2 + {LAST_WAIT})
             AND (due <= ?2 OR ?3 OR message IS NOT NULL) AND NOT {WAITS}
             ORDER BY urgent DESC, id LIMIT 1"
        ))?
        .query_row(params![sink, now, closing], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    match found {
        Some((id, None, _)) => first_of_trouble(tx, id).map(Some),
        begun => Ok(begun),
    }
}

/// The first of what a sink is yet to be told of the trouble that this
/// delivery is about.
fn first_of_trouble(tx: &Transaction<'_>, id: i64) -> Result<(i64, Option<String>, String)> {
    let row = tx
        .prepare_cached(
            "SELECT e.id, e.grouping FROM delivery d JOIN delivery e
             ON e.fingerprint = d.fingerprint AND e.episode = d.episode AND e.sink = d.sink
             WHERE d.id = ?1 AND e.state = 'pending' AND e.message IS NULL ORDER BY e.id LIMIT 1",
        )?
        .query_row([id], |row| Ok((row.get(0)?, None, row.get(1)?)))?;
    Ok(row)
}

/// Makes a message of what the group has to say, and gives its key: that of
/// its first delivery.
fn gather(
    tx: &Transaction<'_>,
    sink: &str,
    first: i64,
    grouping: &str,
    batch: usize,
) -> Result<String> {
    let mut query = tx.prepare_cached(
        "SELECT id FROM delivery d INDEXED BY delivery_of_group
         WHERE sink = ?1 AND grouping = ?2 AND state = 'pending' AND message IS NULL
         AND NOT EXISTS (SELECT 1 FROM delivery e WHERE e.fingerprint = d.fingerprint
             AND e.episode = d.episode AND e.sink = d.sink AND e.id < d.id
             AND (e.state = 'sending' OR e.state = 'pending' AND e.message IS NOT NULL))
         ORDER BY id = ?3 DESC, urgent DESC, id LIMIT ?4",
    )?;
    let members: Vec<i64> = query
        .query_map(params![sink, grouping, first, batch.max(1) as i64], |row| {
            row.get(0)
        })?
        .collect::<rusqlite::Result<_>>()?;
    let message: String = tx
        .prepare_cached("SELECT key FROM delivery WHERE id = ?1")?
        .query_row([first], |row| row.get(0))?;
    let mut join = tx.prepare_cached("UPDATE delivery SET message = ?2 WHERE id = ?1")?;
    for member in members {
        join.execute(params![member, message])?;
    }
    Ok(message)
}

fn leased(tx: &Transaction<'_>, message: String, grouping: String) -> Result<Leased> {
    let mut query = tx.prepare_cached(
        "SELECT alert, notice, attempts, plain, doubtful, made FROM delivery
         WHERE message = ?1 AND state = 'sending' ORDER BY id",
    )?;
    let rows: Vec<(String, String, u32, bool, bool, i64)> = query
        .query_map([&message], |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
                row.get(5)?,
            ))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut leased = Leased {
        message,
        grouping,
        entries: Vec::with_capacity(rows.len()),
        attempts: 0,
        plain: false,
        doubtful: false,
        made: i64::MAX,
    };
    for (alert, notice, attempts, plain, doubtful, made) in rows {
        leased.attempts = leased.attempts.max(attempts.saturating_sub(1));
        leased.plain |= plain;
        leased.doubtful |= doubtful;
        leased.made = leased.made.min(made);
        if let Some(alert) = alerts::get(tx, &alert)? {
            let notice = Notice::from_name(&notice).unwrap_or(Notice::New);
            leased.entries.push(Entry { alert, notice });
        }
    }
    Ok(leased)
}

/// When the sink is to look again; none if that depends on other processes.
fn next_due(tx: &Transaction<'_>, sink: &str, closing: bool) -> Result<Option<i64>> {
    Ok(tx
        .prepare_cached(&format!(
            "SELECT min(max(retry, CASE WHEN ?2 OR message IS NOT NULL THEN 0 ELSE due END))
             FROM delivery d WHERE sink = ?1 AND state = 'pending' AND NOT {WAITS}"
        ))?
        .query_row(params![sink, closing], |row| row.get(0))?)
}
