//! What a monitor returns.

use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Look when you can.
    Warning,
    /// Look now.
    Critical,
}

impl Severity {
    /// The severity's name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Whether the trouble is there or over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// The trouble is there.
    Firing,
    /// The trouble under the same key has ended.
    Resolved,
}

impl State {
    /// The state's name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// A claim about a run, which the runner validates and turns into an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What is wrong, not how much: stable within detector and run.
    pub key: String,
    /// How bad it is.
    pub severity: Severity,
    /// Firing or resolved.
    pub state: State,
    /// The row of the batch that shows it, or [`NO_ROW`](crate::NO_ROW).
    pub row: u32,
    /// A few words.
    pub title: String,
    /// What happened, with numbers.
    pub message: String,
    /// What to do about it; required while firing.
    pub recommendation: String,
    /// The numbers of the message, by name.
    pub values: Vec<(String, f64)>,
    /// Further facts: `halt` with the reason why the run should stop.
    pub facts: Vec<(String, String)>,
}

impl Finding {
    fn new(key: &str, severity: Severity, state: State, row: u32) -> Self {
        Self {
            key: key.to_owned(),
            severity,
            state,
            row,
            title: String::new(),
            message: String::new(),
            recommendation: String::new(),
            values: Vec::new(),
            facts: Vec::new(),
        }
    }

    /// A finding that fires with the given severity.
    #[must_use]
    pub fn firing(key: &str, severity: Severity, row: u32) -> Self {
        Self::new(key, severity, State::Firing, row)
    }

    /// Worth knowing.
    #[must_use]
    pub fn info(key: &str, row: u32) -> Self {
        Self::firing(key, Severity::Info, row)
    }

    /// Look when you can.
    #[must_use]
    pub fn warning(key: &str, row: u32) -> Self {
        Self::firing(key, Severity::Warning, row)
    }

    /// Look now.
    #[must_use]
    pub fn critical(key: &str, row: u32) -> Self {
        Self::firing(key, Severity::Critical, row)
    }

    /// The trouble under `key` has ended.
    #[must_use]
    pub fn resolved(key: &str, row: u32) -> Self {
        Self::new(key, Severity::Info, State::Resolved, row)
    }

    /// Sets the title: a few words.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Says what happened, with numbers.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn recommendation(mut self, recommendation: impl Into<String>) -> Self {
        self.recommendation = recommendation.into();
        self
    }

    /// Adds a number.
    #[must_use]
    pub fn value(mut self, name: &str, value: f64) -> Self {
        self.values.push((name.to_owned(), value));
        self
    }

    /// Says that each rank may say the same at any moment: the runner waits for
    /// a second or two, and makes one alert that names all ranks.
    #[must_use]
    pub fn gather(mut self) -> Self {
        self.facts.push(("ranks".to_owned(), "gather".to_owned()));
        self
    }

    /// Names the route that the alert should take, if the user has one of this
    /// name.
    #[must_use]
    pub fn route(mut self, name: &str) -> Self {
        self.facts.push(("route".to_owned(), name.to_owned()));
        self
    }

    /// Says that the run should stop, and why. Only a wish.
    #[must_use]
    pub fn halt(mut self, reason: &str) -> Self {
        self.facts.push(("halt".to_owned(), reason.to_owned()));
        self
    }
}
