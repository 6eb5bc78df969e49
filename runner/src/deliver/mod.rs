//! Alerts on their way out.
//!
//! A [`Sink`] is one way out; the [`Outbox`] gives each sink a thread and a
//! bounded queue of its own, so that one which is slow or dead neither holds
//! up the stream nor the other sinks.

mod escape;
mod outbox;
pub mod sinks;

use std::fmt;
use std::io;

pub use self::outbox::{Outbox, Report};
use crate::alert::Alert;

/// A way out for alerts.
///
/// # Life cycle
///
/// 1. A sink is made by its own constructor, which checks whatever can be
///    checked before the stream begins (a file can be opened, say), so that
///    faults of configuration show at start and not with the first alert.
/// 2. [`deliver`](Sink::deliver) is called once per alert, in the order in
///    which the alerts were made, never from two threads at once. When the
///    outbox closes, firing criticals are called first.
/// 3. [`flush`](Sink::flush) is called whenever no further alert is waiting,
///    and once at the end.
/// 4. The sink is dropped. If it did not return before the deadline of
///    [`Outbox::close`], it may never be: a sink must not rely on `Drop`.
///
/// An error of `deliver` or `flush` is counted and reported; it ends nothing,
/// the next alert is tried again.
pub trait Sink: Send {
    /// The name in reports and logs.
    fn name(&self) -> &str;

    /// Sends one alert. Returns when it is out of our hands: a return without
    /// error means that the receiver has it. May block for as long as needed.
    fn deliver(&mut self, alert: &Alert) -> Result<(), SinkError>;

    /// Hands on whatever `deliver` may have kept back. A sink that keeps
    /// nothing back has nothing to do.
    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// Why an alert did not get out.
#[derive(Debug)]
pub enum SinkError {
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

impl SinkError {
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

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BrokenPipe => f.write_str("the reader of the output has gone away"),
            Self::Io { attempt, source } => write!(f, "cannot {attempt}: {source}"),
        }
    }
}

impl std::error::Error for SinkError {}
