//! Alerts shown at once, on this machine: the console, JSON lines, a file.
//!
//! A [`Printer`] writes them; in a live watch the [`Spooler`] gives each printer
//! a thread and a bounded queue of its own, so that a terminal which is stopped
//! or a disk which hangs does not hold up the stream.

pub mod console;
pub(in crate::deliver) mod escape;
pub mod file;
pub mod json;
mod spooler;

use std::fmt;
use std::io;

pub use self::spooler::{Report, Spooler};
use crate::alert::Alert;

/// Writes alerts somewhere on this machine.
///
/// # Life cycle
///
/// 1. A printer is made by its own constructor, which checks whatever can be
///    checked before the stream begins (a file can be opened, say), so that
///    faults of configuration show at start and not with the first alert.
/// 2. [`print`](Printer::print) is called once per alert, in the order in
///    which the alerts were made, never from two threads at once. When the
///    spooler closes, firing criticals are called first.
/// 3. [`flush`](Printer::flush) is called whenever no further alert is waiting,
///    and once at the end.
/// 4. The printer is dropped. If it did not return before the deadline of
///    [`Spooler::close`], it may never be: a printer must not rely on `Drop`.
///
/// An error of `print` or `flush` is counted and reported; it ends nothing,
/// the next alert is tried again.
pub trait Printer: Send {
    /// The name in reports and logs.
    fn name(&self) -> &str;

    /// Sends one alert. Returns when it is out of our hands: a return without
    /// error means that the receiver has it. May block for as long as needed.
    fn print(&mut self, alert: &Alert) -> Result<(), PrintError>;

    /// Hands on whatever `print` may have kept back. A printer that keeps
    /// nothing back has nothing to do.
    fn flush(&mut self) -> Result<(), PrintError> {
        Ok(())
    }
}

/// Why an alert did not get out.
#[derive(Debug)]
pub enum PrintError {
    /// Whoever read our output has gone away. For a program whose output is
    /// piped into `head` that is success.
    BrokenPipe,
    /// The operating system refused.
    Io {
        /// What was tried, with its object: ``open `alerts.jsonl` ``.
        attempt: String,
        /// What it said.
        source: io::Error,
    },
}

impl PrintError {
    /// Sorts an error by what it means for us.
    pub(crate) fn from_io(attempt: impl FnOnce() -> String, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::Io {
                attempt: attempt(),
                source,
            },
        }
    }
}

impl fmt::Display for PrintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BrokenPipe => f.write_str("the reader of the output has gone away"),
            Self::Io { attempt, source } => write!(f, "cannot {attempt}: {source}"),
        }
    }
}

impl std::error::Error for PrintError {}
