//! Matchers: which alerts are meant, in the grammar of Alertmanager.
//!
//! `severity=critical`, `run=~"prod-.*"`, `rank!=0`: a label, an operator, a
//! value. Routes, silences and inhibition share them. An absent label equals
//! the empty text, and a regular expression must match the whole value.

mod parse;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::parse::{Mistake, parse_all};
use super::message::Notice;
use crate::alert::{Alert, Severity, State};

/// The labels that every alert has, besides the operator's own.
pub const LABELS: &[&str] = &[
    "severity", "state", "detector", "run", "project", "rank", "host", "key", "title", "input",
    "route", "notice",
];

/// The most memory that a compiled regular expression may take, in bytes.
const REGEX_BYTES: usize = 1 << 20;

/// What matchers look at.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The alert.
    pub alert: &'a Alert,
    /// The operator's own labels, as names and values.
    pub labels: &'a [(String, String)],
    /// The route that the detector asks for.
    pub route: Option<&'a str>,
    /// Why the alert is told.
    pub notice: Notice,
}

impl<'a> Facts<'a> {
    /// The facts of an alert that has just been made.
    #[must_use]
    pub fn new(alert: &'a Alert, labels: &'a [(String, String)]) -> Self {
        Self {
            alert,
            labels,
            route: alert.route.as_deref(),
            notice: Notice::New,
        }
    }

    /// The values of a label: one for most, one per rank for `rank`, and a
    /// single empty text for a label that is absent.
    #[must_use]
    pub fn values(&self, label: &str) -> Vec<Cow<'a, str>> {
        let alert = self.alert;
        let value: &'a str = match label {
            "severity" => alert.severity.name(),
            "state" => match alert.state {
                State::Firing => "firing",
                State::Resolved => "resolved",
            },
            "detector" => &alert.detector,
            "run" => &alert.run,
            "project" => &alert.project,
            "rank" => return ranks(alert),
            "host" => &alert.host,
            "key" => &alert.key,
            "title" => &alert.title,
            "input" => alert.location.as_ref().map_or("", |at| &at.input),
            "route" => self.route.unwrap_or_default(),
            "notice" => self.notice.name(),
            own => self
                .labels
                .iter()
                .find(|(name, _)| name == own)
                .map_or("", |(_, value)| value),
        };
        vec![Cow::Borrowed(value)]
    }
}

fn ranks(alert: &Alert) -> Vec<Cow<'static, str>> {
    let named = match alert.ranks.as_slice() {
        [] => alert.rank.as_slice(),
        ranks => ranks,
    };
    match named {
        [] => vec![Cow::Borrowed("")],
        ranks => ranks
            .iter()
            .map(|rank| Cow::Owned(rank.to_string()))
            .collect(),
    }
}

/// A condition on one label.
#[derive(Debug, Clone)]
pub struct Matcher {
    label: String,
    value: String,
    test: Test,
}

/// An operator, with what it needs.
#[derive(Debug, Clone)]
enum Test {
    Equal,
    NotEqual,
    Match(Regex),
    NotMatch(Regex),
    AtLeast(Severity),
}

impl Test {
    fn symbol(&self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Match(_) => "=~",
            Self::NotMatch(_) => "!~",
            Self::AtLeast(_) => ">=",
        }
    }
}

impl Matcher {
    /// `label=value`.
    #[must_use]
    pub fn equal(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            value: value.into(),
            test: Test::Equal,
        }
    }

    /// The label that it looks at.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether the alert is meant. Of several ranks one is enough, and
    /// `rank!=3` holds if none of them is 3.
    #[must_use]
    pub fn matches(&self, facts: &Facts<'_>) -> bool {
        let any = facts.values(&self.label).iter().any(|it| self.finds(it));
        any != self.is_negative()
    }

    /// Whether it holds for alerts whose label has not this value.
    fn is_negative(&self) -> bool {
        matches!(self.test, Test::NotEqual | Test::NotMatch(_))
    }

    /// Whether the value is the one named, before any negation.
    fn finds(&self, value: &str) -> bool {
        match &self.test {
            Test::Equal | Test::NotEqual => value == self.value,
            Test::Match(regex) | Test::NotMatch(regex) => regex.is_match(value),
            Test::AtLeast(least) => Severity::from_name(value).is_some_and(|it| it >= *least),
        }
    }

    /// Whether it names critical alerts in so many words: `severity=critical`,
    /// `severity>=warning`, `severity=~"warning|critical"`, but not
    /// `severity=~".*"` or `severity!=info`.
    #[must_use]
    pub fn names_critical(&self) -> bool {
        let critical = Severity::Critical.name();
        let said = matches!(self.test, Test::AtLeast(_)) || self.value.contains(critical);
        self.label == "severity" && !self.is_negative() && said && self.finds(critical)
    }
}

/// Whether all matchers match; true of none.
#[must_use]
pub fn all_match(matchers: &[Matcher], facts: &Facts<'_>) -> bool {
    matchers.iter().all(|matcher| matcher.matches(facts))
}

/// The regular expression, anchored on both sides.
fn anchored(pattern: &str) -> Result<Regex, regex::Error> {
    // By itself first: `a)|(b` is an expression only between the brackets,
    // where it would break out of the anchors.
    compile(pattern)?;
    compile(&format!("^(?:{pattern})$"))
}

fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern)
        .dot_matches_new_line(true)
        .size_limit(REGEX_BYTES)
        .dfa_size_limit(REGEX_BYTES)
        .build()
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        // The value is what the test was made of.
        let symbols = (self.test.symbol(), other.test.symbol());
        self.label == other.label && symbols.0 == symbols.1 && self.value == other.value
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    /// Writes it so that [`parse_all`] reads the same, in quotes where needed.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        parse::write_word(to, &self.label)?;
        to.write_str(self.test.symbol())?;
        parse::write_word(to, &self.value)
    }
}

impl FromStr for Matcher {
    type Err = Mistake;

    /// Reads one matcher that was written by [`Display`](fmt::Display). Its
    /// label may be one that the operator no longer has.
    fn from_str(text: &str) -> Result<Self, Mistake> {
        parse::parse_one(text)
    }
}

impl Serialize for Matcher {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Matcher {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
