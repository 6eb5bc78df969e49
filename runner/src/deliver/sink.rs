//! A way out for alerts, and what can become of a message there.

use std::time::Duration;

use super::message::Message;

/// A way out that the ledger stands behind: what it did not take is tried
/// again, also by the next start of the program.
///
/// A sink is called by one thread at a time. It may block for as long as its
/// timeout; the stream and the other sinks do not wait for it.
pub trait Sink: Send {
    /// Sends a message and says what became of it.
    fn send(&mut self, message: &Message) -> Outcome;

    /// What [`send`](Sink::send) would send, for people to read: the request
    /// with its body, or the command with its input. Secrets need not be
    /// replaced here; whoever shows it [scrubs](crate::secret::scrub) it.
    fn preview(&mut self, message: &Message) -> String;

    /// How many alerts fit into one message; more become several messages.
    fn batch(&self) -> usize {
        20
    }

    /// How fast messages may follow each other.
    fn pace(&self) -> Pace {
        Pace::default()
    }

    /// Whether the end of an alarm is of use here.
    fn takes_resolved(&self) -> bool {
        true
    }
}

/// A limit of the service on messages: `burst` at once, then one per `every`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Messages that may go out at once.
    pub burst: u32,
    /// The time in which one more may go out.
    pub every: Duration,
}

impl Default for Pace {
    /// No limit that a person would notice.
    fn default() -> Self {
        Self {
            burst: 100,
            every: Duration::from_millis(10),
        }
    }
}

impl Pace {
    /// `burst` messages at once, then `number` a minute.
    #[must_use]
    pub fn per_minute(burst: u32, number: u32) -> Self {
        Self {
            burst,
            every: Duration::from_secs(60) / number.max(1),
        }
    }
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver's own answer says that it has it.
    Delivered {
        /// The receiver's name for the message, where it gives one.
        remote: Option<String>,
    },
    /// The receiver has taken it on; whether it arrives it does not say.
    Accepted {
        /// The receiver's name for the message, where it gives one.
        remote: Option<String>,
    },
    /// Too much at once: nothing more to this sink before that time has passed.
    /// It costs no attempt.
    Throttled {
        /// How long, where the answer says so.
        after: Option<Duration>,
        /// What the receiver said.
        why: String,
    },
    /// It did not arrive, and may do so later.
    Transient(String),
    /// It may have arrived: the answer was lost.
    Ambiguous(String),
    /// This message will never be taken as it is; another one may be.
    Rejected(String),
    /// Nothing will be taken before somebody mends the configuration.
    Broken(String),
}

impl Outcome {
    /// The receiver has it, and gave it no name.
    #[must_use]
    pub fn delivered() -> Self {
        Self::Delivered { remote: None }
    }

    /// The name of the outcome in the ledger and on screen.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Delivered { .. } => "delivered",
            Self::Accepted { .. } => "accepted",
            Self::Throttled { .. } => "throttled",
            Self::Transient(_) => "transient",
            Self::Ambiguous(_) => "ambiguous",
            Self::Rejected(_) => "rejected",
            Self::Broken(_) => "broken",
        }
    }

    /// Why it is not simply delivered.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Delivered { .. } | Self::Accepted { .. } => None,
            Self::Throttled { why, .. }
            | Self::Transient(why)
            | Self::Ambiguous(why)
            | Self::Rejected(why)
            | Self::Broken(why) => Some(why),
        }
    }

    /// The same, with every secret in its texts [replaced](crate::secret::scrub).
    #[must_use]
    pub fn scrubbed(self) -> Self {
        let scrub = |text: String| crate::secret::scrub(&text).into_owned();
        match self {
            Self::Delivered { remote } => Self::Delivered {
                remote: remote.map(scrub),
            },
            Self::Accepted { remote } => Self::Accepted {
                remote: remote.map(scrub),
            },
            Self::Throttled { after, why } => Self::Throttled {
                after,
                why: scrub(why),
            },
            Self::Transient(why) => Self::Transient(scrub(why)),
            Self::Ambiguous(why) => Self::Ambiguous(scrub(why)),
            Self::Rejected(why) => Self::Rejected(scrub(why)),
            Self::Broken(why) => Self::Broken(scrub(why)),
        }
    }

    /// Whether the receiver has the message.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Delivered { .. } | Self::Accepted { .. })
    }
}
