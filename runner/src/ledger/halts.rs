//! Halts: who ends a run, so that of several watchers one does.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{Durability, Ledger, Result};
use crate::deliver::owner;

/// What the tokens begin with that were made at random. Two processes of one
/// run may have made one each.
pub(crate) const RANDOM: &str = "random-";

/// A halt of one start of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Halt {
    pub(crate) project: String,
    pub(crate) run: String,
    /// Names the start.
    pub(crate) token: String,
    /// The id of the alert that caused it.
    pub(crate) alert: String,
    pub(crate) kind: String,
    pub(crate) reason: String,
    /// How far it goes, by name.
    pub(crate) reach: String,
    /// The process that halts: [`owner::me`].
    pub(crate) owner: String,
    pub(crate) rank: Option<u32>,
    /// When, in milliseconds since 1970.
    pub(crate) at: i64,
    /// `preparing` while a hook runs, `halting`, `over`.
    pub(crate) state: String,
}

/// The start of a run that somebody asks about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start<'a> {
    pub(crate) project: &'a str,
    pub(crate) run: &'a str,
    pub(crate) token: &'a str,
    /// When it began, in milliseconds since 1970.
    pub(crate) began: i64,
}

impl Halt {
    /// Whether whoever prepared it has died over it, or has not gone on by
    /// this time.
    pub(crate) fn is_abandoned(&self, overdue: i64) -> bool {
        self.state == "preparing" && (self.at < overdue || !owner::is_alive(&self.owner))
    }
}

impl Ledger {
    /// Writes a halt down if there is none of this start, or one that was
    /// abandoned (prepared before `overdue`). Returns the one that there is.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be written.
    pub(crate) fn claim_halt(&self, halt: &Halt, began: i64, overdue: i64) -> Result<Option<Halt>> {
        let start = Start {
            project: &halt.project,
            run: &halt.run,
            token: &halt.token,
            began,
        };
        self.write(Durability::Process, |tx| {
            if let Some(there) = find(tx, start)? {
                if !there.is_abandoned(overdue) {
                    return Ok(Some(there));
                }
                tx.execute(
                    "DELETE FROM halt WHERE project = ?1 AND run = ?2 AND token = ?3",
                    [&there.project, &there.run, &there.token],
                )?;
            }
            insert(tx, halt)?;
            Ok(None)
        })
    }

    /// The halt of this start: no older than the start, since a token may be
    /// used again. If it was made at random, another such token counts too.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub(crate) fn halt_of(&self, start: Start<'_>) -> Result<Option<Halt>> {
        self.read(|connection| find(connection, start))
    }

    /// Takes a halt back of which nothing came.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be written.
    pub(crate) fn withdraw_halt(&self, project: &str, run: &str, token: &str) -> Result<()> {
        self.write(Durability::Process, |tx| {
            tx.execute(
                "DELETE FROM halt WHERE project = ?1 AND run = ?2 AND token = ?3",
                [project, run, token],
            )?;
            Ok(())
        })
    }

    /// Notes where a halt stands.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be written.
    pub(crate) fn note_halt(
        &self,
        project: &str,
        run: &str,
        token: &str,
        state: &str,
    ) -> Result<()> {
        self.write(Durability::Process, |tx| {
            tx.execute(
                "UPDATE halt SET state = ?4 WHERE project = ?1 AND run = ?2 AND token = ?3",
                [project, run, token, state],
            )?;
            Ok(())
        })
    }
}

fn find(connection: &rusqlite::Connection, start: Start<'_>) -> Result<Option<Halt>> {
    let mut query = connection.prepare_cached(
        "SELECT project, run, token, alert, type, reason, reach, owner, rank, at, state FROM halt
         WHERE project = ?1 AND run = ?2
         AND (token = ?3 OR (?4 AND substr(token, 1, ?5) = ?6)) AND at >= ?7
         ORDER BY token <> ?3, at LIMIT 1",
    )?;
    let parameters = params![
        start.project,
        start.run,
        start.token,
        start.token.starts_with(RANDOM),
        RANDOM.len() as i64,
        RANDOM,
        start.began,
    ];
    Ok(query.query_row(parameters, read).optional()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Halt> {
    Ok(Halt {
        project: row.get(0)?,
        run: row.get(1)?,
        token: row.get(2)?,
        alert: row.get(3)?,
        kind: row.get(4)?,
        reason: row.get(5)?,
        reach: row.get(6)?,
        owner: row.get(7)?,
        rank: row.get(8)?,
        at: row.get(9)?,
        state: row.get(10)?,
    })
}

fn insert(tx: &Transaction<'_>, halt: &Halt) -> Result<()> {
    tx.execute(
        "INSERT OR REPLACE INTO halt VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            halt.project,
            halt.run,
            halt.token,
            halt.alert,
            halt.kind,
            halt.reason,
            halt.reach,
            halt.owner,
            halt.rank,
            halt.at,
            halt.state
        ],
    )?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn halt(token: &str, owner: &str, at: i64) -> Halt {
        Halt {
            project: "p".to_owned(),
            run: "r".to_owned(),
            token: token.to_owned(),
            alert: "a1".to_owned(),
            kind: "nan_loss".to_owned(),
            reason: "the loss is NaN".to_owned(),
            reach: "kill".to_owned(),
            owner: owner.to_owned(),
            rank: Some(1),
            at,
            state: "preparing".to_owned(),
        }
    }

    fn start(token: &str, began: i64) -> Start<'_> {
        Start {
            project: "p",
            run: "r",
            token,
            began,
        }
    }

    #[test]
    fn who_comes_first_halts() {
        let ledger = Ledger::in_memory().unwrap();
        let first = halt("slurm-7-0", "host-a 1 1", 100);
        assert_eq!(ledger.claim_halt(&first, 50, 0).unwrap(), None);
        let second = halt("slurm-7-0", "host-b 1 1", 101);
        let there = ledger.claim_halt(&second, 50, 0).unwrap();
        assert_eq!(there, Some(first));
        // Another start of the run is another matter.
        let next = halt("slurm-7-1", "host-b 1 1", 102);
        assert_eq!(ledger.claim_halt(&next, 50, 0).unwrap(), None);
        assert_eq!(ledger.halt_of(start("slurm-8-0", 0)).unwrap(), None);
        // And so is one with the same token: two `srun` in one allocation.
        let again = halt("slurm-7-0", "host-b 1 1", 300);
        assert_eq!(ledger.halt_of(start("slurm-7-0", 200)).unwrap(), None);
        assert_eq!(ledger.claim_halt(&again, 200, 0).unwrap(), None);
    }

    #[test]
    fn tokens_made_at_random_are_of_one_start_if_it_is_not_over() {
        let ledger = Ledger::in_memory().unwrap();
        let first = halt("random-1", "host-a 1 1", 100);
        assert_eq!(ledger.claim_halt(&first, 50, 0).unwrap(), None);
        assert_eq!(
            ledger.halt_of(start("random-2", 90)).unwrap(),
            Some(first.clone())
        );
        assert_eq!(ledger.halt_of(start("random-2", 101)).unwrap(), None);
        assert_eq!(ledger.halt_of(start("slurm-7-0", 90)).unwrap(), None);
        assert_eq!(ledger.halt_of(start("random-1", 101)).unwrap(), None);
        let second = halt("random-2", "host-b 1 1", 101);
        assert_eq!(ledger.claim_halt(&second, 90, 0).unwrap(), Some(first));
    }

    #[test]
    fn what_was_abandoned_is_taken_over() {
        let ledger = Ledger::in_memory().unwrap();
        let first = halt("t", "", 100);
        assert_eq!(ledger.claim_halt(&first, 0, 0).unwrap(), None);
        let second = halt("t", "host-b 1 1", 200);
        assert_eq!(ledger.claim_halt(&second, 0, 0).unwrap(), None);
        let third = halt("t", "host-c 1 1", 300);
        assert_eq!(ledger.claim_halt(&third, 0, 200).unwrap(), Some(second));
        assert_eq!(ledger.claim_halt(&third, 0, 201).unwrap(), None);
        ledger.note_halt("p", "r", "t", "halting").unwrap();
        // Once it is under way it is nobody else's to begin.
        let fourth = halt("t", "host-d 1 1", 900);
        let there = ledger.claim_halt(&fourth, 0, 901).unwrap().unwrap();
        assert_eq!((there.at, there.state.as_str()), (300, "halting"));
    }
}
