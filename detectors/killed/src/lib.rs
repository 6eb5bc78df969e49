//! `killed`: a process of the job died, was killed, hung or was cancelled.
//!
//! `rule.rs` says what an event means and when it is told, `explain.rs` holds
//! the words for signals, exit codes and GPU errors; this file says what people
//! read.

use runwatch_detector::prelude::*;
use runwatch_detector::show::place;
use runwatch_detector::state;
use runwatch_detector::text::{cut, first_line};

mod explain;
mod rule;

pub use rule::{Kind, Watch};

/// Watches the processes of one run.
pub struct Killed {
    silence: f64,
    watch: Watch,
}

impl Detector for Killed {
    fn describe() -> Description {
        Description::new(
            "killed",
            "0.1.0",
            "A process died, was killed, hung or was cancelled",
        )
        .parameter(
            Parameter::number("silence", 600.0)
                .unit("s")
                .min(0)
                .max(1e9)
                .doc("The same comes again as news after so long without it."),
        )
        .doc(include_str!("doc.md"))
    }

    fn open(_run: &Facts, parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            silence: parameters.number("silence")?,
            watch: Watch::default(),
        })
    }

    fn interests(&self) -> Vec<Interest> {
        let events = rule::EVENTS.iter().map(|name| Interest::event(name));
        // An exit code says less than the exception before it.
        events.chain([Interest::exception("*")]).collect()
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        for text in batch.texts {
            let Some(at) = batch.place(text) else {
                continue;
            };
            if text.kind == "exception" {
                self.watch.exception(text);
                continue;
            }
            let Some(kind) = Kind::of(text) else {
                continue;
            };
            if let Some(severity) = self.watch.look(kind, text, &at, self.silence) {
                findings.push(told(kind, severity, text, &at));
            }
        }
    }

    fn save(&self) -> Option<Vec<u8>> {
        state::save(&self.watch)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        self.watch = state::restore(state)?;
        Ok(())
    }
}

fn told(kind: Kind, severity: Severity, text: &Text, at: &Point) -> Finding {
    let code = rule::exit_code(text);
    let mut message = format!("{} at {}", explain::what(kind, text), place(at));
    if let Some(host) = text.field("host") {
        message += &format!(" on {}", cut(host, 60));
    }
    message += ".";
    if let Some(meaning) = code.and_then(explain::exit_code) {
        message += &format!(" {meaning}");
    }
    if let Some(xid) = explain::xid(text) {
        message += &format!(" {xid}");
    }
    message += &format!(" The log says: {}", cut(first_line(&text.content), 300));
    let finding = Finding::firing(kind.key(), severity, at.row)
        .title(explain::title(kind, text, at.rank))
        .message(message)
        .recommendation(explain::what_to_do(kind, text));
    // Each rank's watchdog speaks for itself; of all else there is one report.
    let finding = match kind {
        Kind::Hung => finding.gather(),
        _ => finding,
    };
    match code {
        Some(code) => finding.value("exitcode", code as f64),
        None => finding,
    }
}

export!(Killed);

#[cfg(test)]
mod tests;
