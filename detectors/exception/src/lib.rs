//! `exception`: the job printed a Python exception.
//!
//! `key.rs` says which exceptions are the same, `rule.rs` how bad one is and
//! when it is told, `advice.rs` what to do; this file brings them together.

use runwatch_detector::prelude::*;
use runwatch_detector::show::place;
use runwatch_detector::text::{cut, first_line};
use runwatch_detector::{NO_ROW, Severity, state};

mod advice;
mod key;
mod rule;

pub use rule::{Watch, is_others, severity};

/// Watches the exceptions of one run.
pub struct Exception {
    silence: f64,
    watch: Watch,
}

impl Detector for Exception {
    fn describe() -> Description {
        Description::new("exception", "0.1.0", "The job printed a Python exception")
            .parameter(
                Parameter::number("silence", 600.0)
                    .unit("s")
                    .min(0)
                    .max(1e9)
                    .doc("An exception comes again as news after so long without it."),
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
        vec![Interest::exception("*")]
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        for text in batch.texts.iter().filter(|text| text.kind == "exception") {
            let Some(at) = batch.place(text) else {
                continue;
            };
            if is_others(text) {
                continue;
            }
            if let Some(seen) = self.watch.look(text, at.rank, at.time, self.silence) {
                findings.push(raised(text, &at, &seen));
            }
        }
    }

    fn finish(&mut self, outcome: &str, findings: &mut Vec<Finding>) {
        if outcome != "crashed" {
            return;
        }
        // What looked harmless was the last that the job said.
        if let Some(last) = self.watch.last_harmless() {
            findings.push(
                Finding::critical(&last.key, NO_ROW)
                    .title(format!("The run ended after {}", last.name))
                    .message(format!(
                        "The run crashed, and {} is the last exception that it printed. Alone it is often \
                         caught, but nothing else explains the end.",
                        last.name
                    ))
                    .recommendation(advice::of(&last.name, "", Severity::Critical)),
            );
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

/// Bytes of an exception's own message that are shown.
const SHOWN: usize = 400;

fn raised(text: &Text, at: &Point, seen: &rule::Seen) -> Finding {
    let says = first_line(&text.content);
    let name = cut(key::kind(&text.name), 120);
    let name = name.as_str();
    let what = match (name, says) {
        ("unknown", _) => "a traceback that was cut off".to_owned(),
        (name, "") => format!("`{name}` without a message"),
        (name, says) => format!("`{name}`: {}", cut(says, SHOWN)),
    };
    let mut message = format!("The job printed {what} at {}", place(at));
    if let Some(frame) = text.field("frame") {
        message += &format!(", raised in {}", cut(frame, 200));
    }
    if let Some(host) = text.field("host") {
        message += &format!(", on {}", cut(host, 60));
    }
    message.push('.');
    if let Some(first) = text
        .field("chain")
        .map(first_line)
        .filter(|it| !it.is_empty())
    {
        message += &format!(" It began with {}.", cut(first, 200).trim_end_matches('.'));
    }
    message += match text.field("context") {
        Some("ignored") => " Python ignored it: it came while an object was cleaned up.",
        Some("logging") => " It came from a call of the logger, which goes on.",
        Some("thread") => " It ended a thread, not the process.",
        _ => "",
    };
    if seen.before > 0 {
        message += &format!(" It was there {} times before.", seen.before);
    }
    let title = match says {
        "" => name.to_owned(),
        says => format!(
            "{}: {}",
            runwatch_detector::text::last_part(name),
            cut(says, 80)
        ),
    };
    Finding::firing(&seen.key, seen.severity, at.row)
        .gather()
        .title(title)
        .message(message)
        .recommendation(advice::of(name, &text.content, seen.severity))
        .value("count", f64::from(seen.before) + 1.0)
}

export!(Exception);

#[cfg(test)]
mod tests;
