//! The ledger: the SQLite file that remembers alerts and what became of them.
//!
//! An alert and its deliveries are written in one transaction before anything
//! is sent, so that whatever a crash leaves behind is sent by the next start.
//! Writes cost some 20 µs (write-ahead log, not waiting for the disk); those
//! with a critical in them wait for the disk.

pub(crate) mod alerts;
pub(crate) mod deliveries;
mod detectors;
mod filesystem;
pub(crate) mod halts;
pub mod history;
pub(crate) mod outbox;
mod projects;
mod queries;
mod schema;
mod search;
pub(crate) mod silences;
mod sinks;
mod sql;
mod standing;
mod tally;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use self::alerts::Muted;
pub use self::deliveries::{Delivery, NewDelivery, Remaining, Standing};
pub use self::detectors::DetectorRow;
pub use self::outbox::{Again, Leased, SinkState, Taken};
pub use self::queries::{Attempt, Filter, MutedRow, RunRow, Told};
pub use self::search::{Search, Written};
pub use self::sinks::SinkRow;
pub use self::sql::Table;
pub use self::standing::{Count, STATES, Troubles};
pub use self::tally::Tally;

/// How long one process waits for another that is writing.
const BUSY: Duration = Duration::from_secs(5);

/// The ledger, open. Threads share it.
pub struct Ledger {
    connection: Mutex<Connection>,
    path: Option<PathBuf>,
    /// Something about it that the user should know.
    note: Option<String>,
}

/// What is wrong with the ledger, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerError(pub String);

impl fmt::Display for LedgerError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl std::error::Error for LedgerError {}

impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.to_string())
    }
}

/// What a ledger's functions end with.
pub type Result<T> = std::result::Result<T, LedgerError>;

/// Whether a write must be on the disk before it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It survives a crash of the program.
    Process,
    /// It survives a power cut, too.
    Power,
}

impl Ledger {
    /// Opens a ledger, or makes one that only its owner can read.
    ///
    /// # Errors
    ///
    /// With the path, if it cannot be opened, is no ledger, or was made by a
    /// newer runwatch.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |why: &dyn fmt::Display| {
            LedgerError(format!(
                "cannot open the ledger `{}`: {why}",
                path.display()
            ))
        };
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            private_folder(folder).map_err(|error| failed(&error))?;
        }
        private_file(path).map_err(|error| failed(&error))?;
        let remote = filesystem::is_remote(path);
        let mut connection = Connection::open(path).map_err(|error| failed(&error))?;
        schema::prepare(&mut connection, remote).map_err(|error| failed(&error))?;
        let note = remote.then(|| {
            format!(
                "the ledger `{}` is on a network file system: only one runwatch at a time can \
                 use it; give another place with --ledger",
                path.display()
            )
        });
        Ok(Self {
            connection: Mutex::new(connection),
            path: Some(path.to_owned()),
            note,
        })
    }

    /// A ledger that ends with the process.
    ///
    /// # Errors
    ///
    /// If there is no memory for it.
    pub fn in_memory() -> Result<Self> {
        Ok(Self {
            connection: Mutex::new(memory()?),
            path: None,
            note: None,
        })
    }

    /// Goes on in memory: the file cannot be written any more. What is in it
    /// stays there for the next start.
    ///
    /// # Errors
    ///
    /// If there is no memory for it.
    pub fn retreat(&self) -> Result<()> {
        let fresh = memory()?;
        *self.lock() = fresh;
        Ok(())
    }

    /// Where it is; none if it is in memory.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Something about it that the user should know.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Changes the ledger: all of it or nothing.
    ///
    /// # Errors
    ///
    /// If the database cannot be written, or as `change` says.
    pub fn write<T>(
        &self,
        durability: Durability,
        change: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut connection = self.lock();
        let power = durability == Durability::Power;
        if power {
            connection.pragma_update(None, "synchronous", "FULL")?;
        }
        let result = write_in(&mut connection, change);
        if power {
            connection.pragma_update(None, "synchronous", "NORMAL")?;
        }
        result
    }

    /// Looks into the ledger.
    ///
    /// # Errors
    ///
    /// If the database cannot be read, or as `look` says.
    pub fn read<T>(&self, look: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        look(&self.lock())
    }

    /// Changes whenever another process has changed the ledger.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub fn version(&self) -> Result<i64> {
        Ok(self
            .lock()
            .query_row("PRAGMA data_version", [], |row| row.get(0))?)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A transaction that a panic interrupted was rolled back.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_in<T>(
    connection: &mut Connection,
    change: impl FnOnce(&Transaction<'_>) -> Result<T>,
) -> Result<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = change(&transaction)?;
    transaction.commit()?;
    Ok(value)
}

fn memory() -> Result<Connection> {
    let mut connection = Connection::open_in_memory()?;
    schema::prepare(&mut connection, false)?;
    Ok(connection)
}

fn private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// SQLite gives the files beside the database the same mode.
fn private_file(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// The usual place of the ledger: the XDG state folder. None without a home.
#[must_use]
pub fn usual_path(variable: &dyn Fn(&str) -> Option<std::ffi::OsString>) -> Option<PathBuf> {
    let path_in = |name: &str| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = path_in("XDG_STATE_HOME")
        .or_else(|| path_in("HOME").map(|home| home.join(".local").join("state")))?;
    Some(state.join("runwatch").join("ledger.sqlite"))
}
