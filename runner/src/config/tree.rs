//! TOML as a tree whose every key and value knows where it stands.
//!
//! `toml` into serde structs would be shorter, but serde stops at the first
//! error and loses the places of keys; we report every error at its place.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Problem;
use super::literal;
use super::origin::Origin;

/// A table: nodes by key.
pub(crate) type Table = BTreeMap<String, Node>;

/// How deep tables and lists may nest; no setting is deeper than three.
const DEPTH: usize = 8;

/// A value as the user wrote it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A string.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a point or an exponent, or one that is not finite.
    Number(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// An array.
    List(Vec<Value>),
    /// A table.
    Table(BTreeMap<String, Node>),
    /// Text from the command line or the environment, which has no type until
    /// somebody asks for one.
    Bare(String),
    /// What no setting takes, such as a date; only its name for messages.
    Other(String),
}

/// A key's value, with the places of both.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where the key stands.
    pub key: Origin,
    /// Where the value stands.
    pub at: Origin,
    /// The value.
    pub value: Value,
}

impl Node {
    /// A node that stands wholly in one place.
    pub(crate) fn whole(at: &Origin, value: Value) -> Self {
        Self {
            key: at.clone(),
            at: at.clone(),
            value,
        }
    }
}

impl Value {
    /// The value in a message that says what was found.
    pub(crate) fn found(&self) -> String {
        match self {
            Self::Text(text) | Self::Bare(text) if literal::may_hold_a_token(text) => {
                "this text, which may hold a secret".to_owned()
            }
            Self::Text(text) | Self::Bare(text) => {
                let short: String = text.chars().take(40).collect();
                let dots = if short.len() < text.len() { "…" } else { "" };
                format!("{}{dots}", literal::text(&short))
            }
            Self::Integer(value) => value.to_string(),
            Self::Number(value) => format!("{value:?}"),
            Self::Boolean(value) => value.to_string(),
            Self::List(_) => "a list".to_owned(),
            Self::Table(_) => "a table".to_owned(),
            Self::Other(name) => name.clone(),
        }
    }

    /// The value as TOML.
    pub(crate) fn as_toml(&self) -> String {
        match self {
            // Without a type to go by, what looks like a number is one.
            Self::Bare(text) if text.parse::<f64>().is_ok_and(f64::is_finite) => {
                text.parse().map(literal::number).unwrap_or_default()
            }
            Self::Bare(text) if matches!(text.as_str(), "true" | "false") => text.clone(),
            Self::Text(text) | Self::Bare(text) => literal::text(text),
            Self::Number(value) => format!("{value:?}").replace("NaN", "nan"),
            Self::List(values) => {
                let items: Vec<_> = values.iter().map(Self::as_toml).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Table(table) => {
                let item = |(key, node): (&String, &Node)| {
                    format!("{} = {}", literal::key(key), node.value.as_toml())
                };
                let items: Vec<_> = table.iter().map(item).collect();
                format!("{{ {} }}", items.join(", "))
            }
            Self::Other(name) => literal::text(name),
            Self::Integer(_) | Self::Boolean(_) => self.found(),
        }
    }

    /// The text of a string, typed or not.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Bare(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            Self::Bare(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            // Whole numbers beyond 2^53 lose digits, as they would in any f64.
            Self::Integer(value) => Some(*value as f64),
            Self::Number(value) => Some(*value),
            Self::Bare(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            Self::Bare(text) => text.parse().ok(),
            _ => None,
        }
    }
}

/// Reads TOML. With a path, nodes stand in that file; without one they are
/// defaults.
pub(crate) fn parse(path: Option<&Arc<str>>, text: &str) -> Result<Table, Vec<Problem>> {
    let places = Places::new(path, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(convert_table(table.get_ref(), &places, 0));
    }
    let mut problems: Vec<Problem> = errors
        .iter()
        .map(|error| {
            let start = error.span().map_or(0, |span| span.start);
            Problem::new(&places.at(start), error.message())
        })
        .collect();
    problems.sort_by(|a, b| a.origin.cmp(&b.origin));
    // One slip can throw the parser off for the rest of its line.
    let line = |problem: &Problem| problem.origin.as_ref().map(Origin::short);
    problems.dedup_by_key(|problem| line(problem));
    Err(problems)
}

fn convert_table(table: &DeTable<'_>, places: &Places<'_>, depth: usize) -> Table {
    let node = |key: &Spanned<_>, value: &Spanned<DeValue<'_>>| Node {
        key: places.at_span(key.span()),
        at: places.at_span(value.span()),
        value: convert(value.get_ref(), places, depth + 1),
    };
    table
        .iter()
        .map(|(key, value)| (key.get_ref().to_string(), node(key, value)))
        .collect()
}

fn convert(value: &DeValue<'_>, places: &Places<'_>, depth: usize) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(value) => Value::Integer(value),
            Err(_) => Value::Other(integer.to_string()),
        },
        DeValue::Float(float) => match float.as_str().parse() {
            Ok(value) => Value::Number(value),
            Err(_) => Value::Other(float.to_string()),
        },
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Datetime(_) => Value::Other("a date".to_owned()),
        DeValue::Array(_) if depth > DEPTH => Value::Other("a list".to_owned()),
        DeValue::Table(_) if depth > DEPTH => Value::Other("a table".to_owned()),
        DeValue::Array(values) => Value::List(
            values
                .iter()
                .map(|v| convert(v.get_ref(), places, depth + 1))
                .collect(),
        ),
        DeValue::Table(table) => Value::Table(convert_table(table, places, depth)),
    }
}

/// Turns offsets into lines and columns.
struct Places<'a> {
    path: Option<&'a Arc<str>>,
    text: &'a str,
    line_starts: Vec<usize>,
}

impl<'a> Places<'a> {
    fn new(path: Option<&'a Arc<str>>, text: &'a str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0)
            .chain(newlines.map(|(at, _)| at + 1))
            .collect();
        Self {
            path,
            text,
            line_starts,
        }
    }

    fn at_span(&self, span: Range<usize>) -> Origin {
        self.at(span.start)
    }

    fn at(&self, offset: usize) -> Origin {
        let Some(path) = self.path else {
            return Origin::Default;
        };
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self
            .line_starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or_default();
        let before = self.text.get(start..offset).unwrap_or_default();
        let path = Arc::clone(path);
        Origin::File {
            path,
            line,
            column: before.chars().count() + 1,
        }
    }
}

/// Lays `over` upon `base`: tables are merged, everything else is replaced.
/// `within` names the table for messages.
pub(crate) fn merge(base: &mut Table, over: Table, within: &str, problems: &mut Vec<Problem>) {
    for (key, node) in over {
        let name = if within.is_empty() {
            key.clone()
        } else {
            format!("{within}.{key}")
        };
        match (base.get_mut(&key).map(|node| &mut node.value), node.value) {
            (Some(Value::Table(base)), Value::Table(over)) => merge(base, over, &name, problems),
            (Some(Value::Table(_)), other) => {
                let message = format!("`{name}` must be a table, not {}", other.found());
                let hint = format!("write `[{name}]` on a line of its own, the settings below it");
                problems.push(Problem::new(&node.at, message).hint(Some(hint)));
            }
            (_, value) => {
                base.insert(key, Node { value, ..node });
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<String> {
        let problems = parse(Some(&"a.toml".into()), text).unwrap_err();
        problems.iter().map(Problem::line).collect()
    }

    #[test]
    fn keys_and_values_know_their_places() {
        let table = parse(Some(&"a.toml".into()), "\n['ä']\n\"ö\"   = 'x'\n").unwrap();
        let Value::Table(inner) = &table["ä"].value else {
            panic!()
        };
        assert_eq!(inner["ö"].key.to_string(), "a.toml:3:1");
        assert_eq!(inner["ö"].at.to_string(), "a.toml:3:9");
        assert_eq!(inner["ö"].at.short(), "a.toml:3");
    }

    #[test]
    fn every_syntax_error_is_reported_once() {
        assert_eq!(
            places("a = \nb = 1\nc = [1,\nd = 2\n"),
            [
                "a.toml:1:5: string values must be quoted, expected literal string",
                "a.toml:4:1: string values must be quoted, expected literal string",
            ]
        );
        assert_eq!(places("a = 1\na = 2"), ["a.toml:2:1: duplicate key"]);
    }

    #[test]
    fn endless_nesting_is_survived() {
        assert!(parse(None, &format!("{}a = 1", "a.".repeat(100_000))).is_err());
        assert!(parse(None, &format!("a = {}", "[".repeat(100_000))).is_err());
        assert!(parse(None, &"{a=".repeat(100_000)).is_err());
        let lists = format!("a = {}{}", "[".repeat(60), "]".repeat(60));
        assert!(parse(None, &lists).is_ok());
    }

    #[test]
    fn large_numbers_and_dates_are_named() {
        let table = parse(None, "a = 99999999999999999999\nb = 2026-01-02\nc = 1e999").unwrap();
        assert_eq!(table["a"].value.found(), "99999999999999999999");
        assert_eq!(table["b"].value.found(), "a date");
        assert_eq!(table["c"].value.found(), "inf");
    }
}
