//! What a request asks: the parameters of its address.

use axum::extract::Query;
use axum::http::Uri;

use super::answer::Problem;
use crate::alert::{Severity, State};
use crate::suggest::did_you_mean;

/// Names of severities, those that Trackio gives to them among them.
const LEVELS: [&str; 5] = ["info", "warning", "warn", "critical", "error"];

/// Parameters by name. An empty one is none.
pub(super) struct Asked(Vec<(String, String)>);

impl Asked {
    /// The parameters, which can only be these.
    pub(super) fn of(uri: &Uri, names: &[&str]) -> Result<Self, Problem> {
        let Query(all) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| Problem::bad(error.body_text()))?;
        for (at, (name, _)) in all.iter().enumerate() {
            if !names.contains(&name.as_str()) {
                return Err(unknown("parameter", name, names));
            }
            if all.iter().skip(at + 1).any(|(other, _)| other == name) {
                return Err(Problem::bad(format!("`{name}` is given twice")));
            }
        }
        let given = all.into_iter().filter(|(_, value)| !value.is_empty());
        Ok(Self(given.collect()))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// A parameter that must be there.
    pub(super) fn needed(&self, name: &str) -> Result<String, Problem> {
        self.text(name).ok_or_else(|| {
            Problem::bad(format!("`{name}` is missing")).hint(format!("write `?{name}=…`"))
        })
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Problem> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        text.parse()
            .map(Some)
            .map_err(|_| Problem::bad(format!("`{name}` is `{text}`, which is no whole number")))
    }

    /// How many: at least one, and at most `most`, however many are asked for.
    pub(super) fn count(&self, name: &str, usual: usize, most: usize) -> Result<usize, Problem> {
        match self.number(name)? {
            None => Ok(usual),
            Some(count @ 1..) => Ok(usize::try_from(count).unwrap_or(most).min(most)),
            Some(count) => Err(Problem::bad(format!("`{name}` is {count}, not at least 1"))),
        }
    }

    /// The least severity.
    pub(super) fn level(&self) -> Result<Option<Severity>, Problem> {
        self.get("level")
            .map(|name| match name {
                "warn" => Ok(Severity::Warning),
                "error" => Ok(Severity::Critical),
                name => Severity::from_name(name).ok_or_else(|| unknown("level", name, &LEVELS)),
            })
            .transpose()
    }

    /// Whether an alert fires.
    pub(super) fn state(&self) -> Result<Option<State>, Problem> {
        let states = [("firing", State::Firing), ("resolved", State::Resolved)];
        self.get("state")
            .map(|name| {
                let found = states.iter().find(|(known, _)| *known == name);
                let names = states.map(|(known, _)| known);
                found
                    .map(|(_, state)| *state)
                    .ok_or_else(|| unknown("state", name, &names))
            })
            .transpose()
    }

    /// One of these words.
    pub(super) fn word(&self, name: &str, words: &[&str]) -> Result<Option<String>, Problem> {
        match self.get(name) {
            Some(word) if !words.contains(&word) => Err(unknown(name, word, words)),
            word => Ok(word.map(str::to_owned)),
        }
    }
}

/// A word that is none of those that there are.
pub(super) fn unknown(what: &str, word: &str, words: &[&str]) -> Problem {
    let hint = did_you_mean(word, words.iter().copied()).unwrap_or_else(|| match words {
        [] => "there are none here".to_owned(),
        words => format!("there are {}", words.join(", ")),
    });
    Problem::bad(format!("there is no {what} `{word}`")).hint(hint)
}
