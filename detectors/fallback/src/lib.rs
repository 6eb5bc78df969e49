//! `fallback`: a session is answered by another model or provider than at its
//! start.
//!
//! The rule is in `rule.rs`; this file puts the labels of a row together and
//! says what people read.

use runwatch_detector::prelude::*;
use runwatch_detector::state;
use runwatch_detector::text::{cut, hash, key};

mod crowd;
mod rule;

pub use rule::{Call, Seen, Settings, Watch};

/// Watches the sessions of one run.
pub struct Fallback {
    settings: Settings,
    watch: Watch,
}

impl Detector for Fallback {
    fn describe() -> Description {
        Description::new(
            "fallback",
            "0.1.0",
            "A session is answered by another model or provider",
        )
        .parameter(
            Parameter::list("labels", &["provider", "model"])
                .doc("The labels that must not change within a session."),
        )
        .parameter(
            Parameter::text("session", "session_id")
                .doc("The label that names the session. Rows without it are not judged."),
        )
        .parameter(
            Parameter::list("told", &["platform", "finish_reason"])
                .doc("Further labels of the call that are told, and may change."),
        )
        .parameter(Parameter::list("fallbacks", &[]).doc(
            "Values that are a fallback even at the start of a session; `*` stands for anything.",
        ))
        .parameter(
            Parameter::number("throttle", 300.0)
                .unit("s")
                .min(0)
                .max(1e9)
                .doc("A session that changes to and fro tells the same change once in so long."),
        )
        .parameter(
            Parameter::number("ttl", 86_400.0)
                .unit("s")
                .min(1)
                .max(1e9)
                .doc("A session that was silent for so long is forgotten."),
        )
        .parameter(
            Parameter::integer("sessions", 4096)
                .min(1)
                .max(65_536)
                .doc("How many sessions are remembered; the longest silent one goes first."),
        )
        .parameter(Parameter::integer("crowd", 5).min(0).max(65_536).doc(
            "So many sessions with the same fallback are told one by one, further ones together.",
        ))
        .doc(include_str!("doc.md"))
    }

    fn open(_run: &Facts, parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            settings: Settings::new(parameters)?,
            watch: Watch::default(),
        })
    }

    fn interests(&self) -> Vec<Interest> {
        let labels = self.settings.labels.iter();
        labels
            .chain([&self.settings.session])
            .chain(&self.settings.told)
            .map(|label| Interest::label(label))
            .collect()
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        // A row's texts stand together.
        for texts in batch.texts.chunk_by(|a, b| a.row == b.row) {
            let Some(at) = texts.first().and_then(|text| batch.place(text)) else {
                continue;
            };
            let label = |name: &str| {
                let mut labels = texts.iter().filter(|text| text.kind == "label");
                let found = labels.find(|text| text.name == name);
                found
                    .map(|text| text.content.trim())
                    .filter(|it| !it.is_empty())
            };
            // A missing name is not a name that all such rows share.
            let Some(session) = label(&self.settings.session) else {
                continue;
            };
            let call = Call {
                session: hash(session),
                values: self
                    .settings
                    .labels
                    .iter()
                    .map(|name| label(name))
                    .collect(),
                time: at.time,
            };
            self.watch.look(&self.settings, &call, |seen| {
                let mut finding = told(&self.settings, session, at.row, &seen);
                if seen.session() == Some(call.session) {
                    finding.message.push_str(&further(&self.settings, label));
                }
                findings.push(finding);
            });
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

/// Bytes of a session's name that are shown.
const NAME: usize = 32;

/// The key of a change: a second, other fallback is other news.
fn key_of(session: u64, values: &str) -> String {
    key(&format!("fallback/{session:016x}/{values}"))
}

/// What else the call says of itself: ` platform: telegram, finish_reason: stop.`
fn further<'a>(settings: &Settings, label: impl Fn(&str) -> Option<&'a str>) -> String {
    let known = settings.told.iter().filter_map(|name| {
        let value = cut(label(name)?, NAME);
        Some(format!("{name}: {value}"))
    });
    let known: Vec<String> = known.collect();
    match known.is_empty() {
        true => String::new(),
        false => format!(" {}.", known.join(", ")),
    }
}

/// The key of a fallback of many sessions.
fn crowd_key(values: &str) -> String {
    key(&format!("fallback/many/{values}"))
}

fn told(settings: &Settings, session: &str, row: u32, seen: &Seen) -> Finding {
    let short = cut(session, NAME);
    let labels = settings.labels.join(" and ");
    match seen {
        Seen::Changed { session, from, to, cold } => {
            let finding = Finding::warning(&key_of(*session, to), row)
                .title(format!("Fallback to {}", cut(to, 80)));
            let finding = match from {
                Some(from) => finding.message(format!(
                    "Session {short} began with {} and is now answered by {} ({labels}).",
                    cut(from, 100),
                    cut(to, 100)
                )),
                None => finding.message(format!(
                    "Session {short} begins with {}, which `fallbacks` lists ({labels}): its usual choice \
                     failed before the first answer.",
                    cut(to, 100)
                )),
            };
            finding
                .recommendation(
                    "Check whether the usual provider is down, limits the rate, or refuses the key or the \
                     credit, and whether the answers of the other one are good and cheap enough to go on.",
                )
                .value("cold_start", f64::from(u8::from(*cold)))
        }
        Seen::Back { session, from, to } => Finding::resolved(&key_of(*session, from), row)
            .title(format!("Back to {}", cut(to, 80)))
            .message(format!(
                "Session {short} is answered by {} again, after {}.",
                cut(to, 100),
                cut(from, 100)
            )),
        Seen::Other { session, from, to } => Finding::resolved(&key_of(*session, from), row)
            .title(format!("No longer {}", cut(from, 80)))
            .message(format!(
                "Session {short} went on from {} to {}.",
                cut(from, 100),
                cut(to, 100)
            )),
        Seen::Crowd { to, sessions } => Finding::warning(&crowd_key(to), row)
            .title(format!("Fallback of many sessions to {}", cut(to, 80)))
            .message(format!(
                "{sessions} sessions that began with something else are answered by {} at the same time, {short} \
                 the last of them ({labels}). Further ones are counted and not told one by one.",
                cut(to, 100)
            ))
            .recommendation(
                "So many at once are seldom the sessions' own fault: look at the status page of the usual \
                 provider, at its limits and at the key that they share, and whether the other one can bear \
                 the load and the cost.",
            )
            .value("sessions", f64::from(*sessions)),
        Seen::Dispersed { from } => Finding::resolved(&crowd_key(from), row)
            .title(format!("No longer {}", cut(from, 80)))
            .message(format!(
                "None of the sessions that were told together is answered by {} any more.",
                cut(from, 100)
            )),
        Seen::Forgotten { session, from } => Finding::resolved(&key_of(*session, from), row)
            .title("Session forgotten")
            .message(format!(
                "Nothing was heard of a session for so long that it is forgotten; it was last answered by {}.",
                cut(from, 100)
            )),
    }
}

export!(Fallback);

#[cfg(test)]
mod tests;
