//! How bad an exception is, and when it is told.

use runwatch_detector::text::{self, last_part};
use runwatch_detector::told::Told;
use runwatch_detector::{Severity, Text};
use serde::{Deserialize, Serialize};

use crate::key;

/// Messages of one type and place that are told apart. A job that puts the name
/// of the sample into the message would else give an alert per sample.
const MESSAGES: usize = 8;
/// Types and places whose messages are told apart.
const PLACES: usize = 512;

/// What is remembered of a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Watch {
    told: Told,
    /// Hashes of types and places with those of their messages.
    places: Vec<(u64, Vec<u64>)>,
    /// The last exception, if it is of a kind that is often caught.
    last: Option<Last>,
}

/// An exception to remember until the run's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// Its key.
    pub key: String,
    /// Its type.
    pub name: String,
}

/// An exception that is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The same for the same exception.
    pub key: String,
    /// How bad it is.
    pub severity: Severity,
    /// How often it was there before.
    pub before: u32,
}

impl Watch {
    /// Looks at the next exception.
    pub fn look(&mut self, text: &Text, rank: u32, time: f64, silence: f64) -> Option<Seen> {
        let key = self.key(text);
        let severity = severity(text);
        self.last = (severity == Severity::Warning).then(|| Last {
            key: key.clone(),
            name: text::cut(key::kind(&text.name), 100),
        });
        let before = self.told.look(text::hash(&key), rank, time, silence)?;
        Some(Seen {
            key,
            severity,
            before: before.0,
        })
    }

    /// The last exception, if it was no more than a warning.
    #[must_use]
    pub fn last_harmless(&self) -> Option<&Last> {
        self.last.as_ref()
    }

    fn key(&mut self, text: &Text) -> String {
        let place = key::place(text);
        let message = key::message(text);
        if self.tells_apart(text::hash(&place), text::hash(&message)) {
            text::key(&format!("{place} {message}"))
        } else {
            text::key(&place)
        }
    }

    fn tells_apart(&mut self, place: u64, message: u64) -> bool {
        let Some((_, known)) = self.places.iter_mut().find(|(it, _)| *it == place) else {
            if self.places.len() >= PLACES {
                self.places.remove(0);
            }
            self.places.push((place, vec![message]));
            return true;
        };
        if known.contains(&message) {
            return true;
        }
        let room = known.len() < MESSAGES;
        if room {
            known.push(message);
        }
        room
    }
}

/// Whether another detector reports it: memory that ran out, and what launchers
/// raise when a process is dead.
#[must_use]
pub fn is_others(text: &Text) -> bool {
    const LAUNCHERS: [&str; 7] = [
        "ChildFailedError",
        "SignalException",
        "ActorDiedError",
        "RayActorError",
        "ActorUnavailableError",
        "WorkerCrashedError",
        "OutOfMemoryError",
    ];
    let name = last_part(&text.name);
    LAUNCHERS.iter().any(|launcher| name.contains(launcher))
        || text.is_out_of_memory()
        || text.content.contains("DataLoader worker (pid")
}

/// How bad an exception is. Most end the process. What is habitually caught,
/// tried again or ignored does not, or a person did it.
#[must_use]
pub fn severity(text: &Text) -> Severity {
    const BY_HAND: [&str; 3] = ["KeyboardInterrupt", "SystemExit", "GeneratorExit"];
    const CAUGHT: [&str; 22] = [
        "StopIteration",
        "StopAsyncIteration",
        "BrokenPipeError",
        "ConnectionResetError",
        "ConnectionAbortedError",
        "ConnectionRefusedError",
        "ConnectionError",
        "TimeoutError",
        "TimeoutException",
        "CancelledError",
        "ReadTimeout",
        "ConnectTimeout",
        "RateLimitError",
        "APIError",
        "APIStatusError",
        "APIConnectionError",
        "APITimeoutError",
        "InternalServerError",
        "HTTPError",
        "HTTPStatusError",
        "RemoteDisconnected",
        "unknown",
    ];
    const CLIENTS: [&str; 13] = [
        "openai.",
        "anthropic.",
        "litellm.",
        "requests.",
        "httpx.",
        "httpcore.",
        "urllib3.",
        "urllib.",
        "aiohttp.",
        "botocore.",
        "google.api_core.",
        "grpc.",
        "wandb.",
    ];
    match text.field("context") {
        Some("ignored" | "logging") => return Severity::Info,
        Some("thread" | "task") => return Severity::Warning,
        _ => {}
    }
    // Gloo and NCCL say so in every rank that outlives another.
    const OF_OTHERS: [&str; 3] = [
        "Connection closed by peer",
        "Connection reset by peer",
        "a remote worker",
    ];
    let full = key::kind(&text.name);
    let name = last_part(full);
    let caught = CAUGHT.contains(&name)
        || name.ends_with("Warning")
        || CLIENTS.iter().any(|client| full.starts_with(client))
        || OF_OTHERS.iter().any(|words| text.content.contains(words));
    if BY_HAND.contains(&name) {
        Severity::Info
    } else if caught {
        Severity::Warning
    } else {
        Severity::Critical
    }
}
