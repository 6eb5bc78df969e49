//! The ways out of a live watch.

use std::time::Duration;

use crate::cli::delivery::Delivering;
use crate::cli::options::{self, Shown};
use crate::config::Config;
use crate::deliver::post::Post;
use crate::deliver::print::Printer;
use crate::exit::Failure;
use crate::ledger::history::Caps;

/// Where the alerts of a live watch go.
pub(in crate::cli) struct Outlets {
    /// On this machine, at once.
    pub(in crate::cli) printers: Vec<Box<dyn Printer>>,
    /// Through the ledger to the sinks; none if nothing is to be kept.
    pub(in crate::cli) post: Option<Post>,
    /// How large the history in the ledger may grow; none: there is to be none.
    pub(in crate::cli) history: Option<Caps>,
    /// How long all of them may take at the end.
    pub(in crate::cli) flush: Duration,
    /// Which alerts of earlier watches of the same run are other alerts.
    pub(in crate::cli) before: Before,
    /// Nothing but alerts is said.
    pub(in crate::cli) quiet: bool,
}

impl Outlets {
    /// The ways out that the configuration names. With `history` the metrics are
    /// kept, unless it says otherwise.
    pub(in crate::cli) fn open(
        shown: Shown,
        delivering: &Delivering,
        history: bool,
        config: &Config,
        before: Before,
    ) -> Result<Self, Failure> {
        let mut printers = Vec::new();
        if let Some(form) = shown.form(config) {
            printers.push(options::stderr_console(config, form));
        }
        printers.extend(options::alert_file(config)?);
        Ok(Self {
            printers,
            post: Some(delivering.open(config)?),
            history: (config.history.enable && history).then(|| options::caps(config)),
            flush: config.delivery.flush,
            before,
            quiet: shown.quiet,
        })
    }
}

/// How a stream stands to what the ledger knows of its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Before {
    /// It can be read again from its beginning, and then makes the same alerts.
    Again,
    /// It goes on if the run has not ended; else the run has begun anew.
    Continued,
    /// It has never been read before.
    New,
}
