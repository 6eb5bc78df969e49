//! Who halts: of several watchers of a run, the first. They meet in the ledger
//! or in the folder of control files, whichever they share.

use std::sync::Arc;

use super::Cause;
use super::files::{Folder, Halt as File, Of};
use crate::deliver::owner;
use crate::ledger::halts::{Halt as Row, RANDOM, Start};
use crate::ledger::{Ledger, LedgerError};

/// Seconds beyond a hook's time after which its watcher is given up.
const OVERDUE: f64 = 60.0;

/// A token for a start that nobody else names.
#[must_use]
pub fn random_token() -> String {
    format!("{RANDOM}{:016x}", fastrand::u64(..))
}

/// The start of a run, as it is known to all who watch it.
#[derive(Debug, Clone)]
pub(super) struct Whose {
    pub(super) project: String,
    pub(super) run: String,
    pub(super) token: String,
    pub(super) rank: Option<u32>,
    /// When it began, in seconds since 1970.
    pub(super) began: f64,
    /// How long its hook may take, in seconds.
    pub(super) hook: f64,
}

impl Whose {
    pub(super) fn of(&self) -> Of<'_> {
        Of {
            project: &self.project,
            run: &self.run,
            token: &self.token,
        }
    }
}

/// Where claims are made.
pub(super) struct Claims {
    whose: Whose,
    ledger: Option<Arc<Ledger>>,
}

/// Whether a claim succeeded.
pub(super) enum Claim {
    Ours,
    /// Somebody else halts. Without a cause they are still about to.
    Theirs(Option<Cause>),
}

impl Claims {
    /// A ledger in memory is shared with nobody.
    pub(super) fn new(whose: Whose, ledger: Option<Arc<Ledger>>) -> Self {
        let ledger = ledger.filter(|ledger| ledger.path().is_some());
        Self { whose, ledger }
    }

    /// Claims the halt, in the ledger and then in the folder. A place that
    /// fails counts as one that there is not.
    pub(super) fn claim(&self, cause: &Cause, folder: Option<&Folder>, now: f64) -> Claim {
        if let Some(ledger) = &self.ledger {
            let (row, overdue) = (self.row(cause, now), millis(self.overdue(now)));
            let there = ledger.claim_halt(&row, millis(self.whose.began), overdue);
            if let Ok(Some(there)) = there {
                return Claim::Theirs(self.under_way(&there, now));
            }
        }
        let Some(folder) = folder else {
            return Claim::Ours;
        };
        if let Some(cause) = self.in_folder(folder) {
            return Claim::Theirs(Some(cause));
        }
        if self.announce(folder, cause, now) {
            Claim::Ours
        } else {
            Claim::Theirs(None)
        }
    }

    /// The halt of this start that somebody else has begun.
    pub(super) fn look(&self, folder: Option<&Folder>, now: f64) -> Option<Cause> {
        folder
            .and_then(|folder| self.in_folder(folder))
            .or_else(|| self.in_ledger(now))
    }

    fn in_ledger(&self, now: f64) -> Option<Cause> {
        let whose = &self.whose;
        let start = Start {
            project: &whose.project,
            run: &whose.run,
            token: &whose.token,
            began: millis(whose.began),
        };
        let row = self.ledger.as_ref()?.halt_of(start).ok()??;
        self.under_way(&row, now)
    }

    fn in_folder(&self, folder: &Folder) -> Option<Cause> {
        let halt = folder.halt().filter(|halt| self.is_ours(halt))?;
        Some(Cause::of_file(halt))
    }

    /// Whether a halt in the folder is of this start.
    pub(super) fn is_ours(&self, halt: &File) -> bool {
        let (ours, Some(theirs)) = (&self.whose.token, &halt.token) else {
            return false;
        };
        let random = ours.starts_with(RANDOM) && theirs.starts_with(RANDOM);
        let same_run = halt.run.as_ref().is_some_and(|run| *run == self.whose.run);
        let same = ours == theirs || (random && same_run);
        // A token may be used again, such as by two `srun` in one allocation.
        same && halt.at >= self.whose.began
    }

    /// The cause of a halt in the ledger, once its hook is over.
    fn under_way(&self, row: &Row, now: f64) -> Option<Cause> {
        let begun = row.state != "preparing" || row.is_abandoned(millis(self.overdue(now)));
        begun.then(|| Cause::of_row(row))
    }

    /// Announces the halt; false if somebody else did.
    fn announce(&self, folder: &Folder, cause: &Cause, now: f64) -> bool {
        let counts = |theirs: &File| {
            let alive = theirs.by.as_deref().is_some_and(owner::is_alive);
            self.is_ours(theirs) && alive && theirs.at >= self.overdue(now)
        };
        // Where nothing can be written, nobody else can either.
        folder
            .announce(self.whose.of(), cause, now, counts)
            .unwrap_or(true)
    }

    /// Who began to prepare a halt before this has not gone on.
    fn overdue(&self, now: f64) -> f64 {
        now - self.whose.hook - OVERDUE
    }

    /// Tells the others where the halt stands: `halting` or `over`.
    pub(super) fn note(&self, state: &str) -> Result<(), LedgerError> {
        let whose = &self.whose;
        match &self.ledger {
            Some(ledger) => ledger.note_halt(&whose.project, &whose.run, &whose.token, state),
            None => Ok(()),
        }
    }

    /// Nothing came of it.
    pub(super) fn withdraw(&self, folder: Option<&Folder>) -> Result<(), LedgerError> {
        let whose = &self.whose;
        if let Some(folder) = folder {
            folder.withdraw(&whose.token);
        }
        match &self.ledger {
            Some(ledger) => ledger.withdraw_halt(&whose.project, &whose.run, &whose.token),
            None => Ok(()),
        }
    }

    fn row(&self, cause: &Cause, now: f64) -> Row {
        let whose = self.whose.clone();
        Row {
            project: whose.project,
            run: whose.run,
            token: whose.token,
            alert: cause.alert.clone(),
            kind: cause.kind.clone(),
            reason: cause.reason.clone(),
            reach: cause.reach.name().to_owned(),
            owner: owner::me(),
            rank: whose.rank,
            at: millis(now),
            state: "preparing".to_owned(),
        }
    }
}

/// Milliseconds of seconds since 1970. What does not fit is cut.
fn millis(seconds: f64) -> i64 {
    (seconds * 1000.0) as i64
}
