//! Reads settings from the merged tree. It remembers which keys it was asked
//! for, and so knows the unknown ones; every problem is kept, so that all are
//! reported at once; what it read is what `config show` shows.

use super::error::{Problem, list_names};
use super::kind::Kind;
use super::literal::printable;
use super::origin::Origin;
use super::tree::{Node, Table, Value};
use crate::suggest::did_you_mean;

/// One setting in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The table, such as `alerts` or `detectors.loss-spike`; empty at the top.
    pub section: String,
    /// The key, as TOML.
    pub key: String,
    /// The value, as TOML; none if it is not set and has no default.
    pub value: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
}

/// What sections with names of the user's own are like.
pub(crate) struct Named {
    /// What one is: "sink".
    pub(crate) what: &'static str,
    /// Whether it can have this name.
    pub(crate) fits: fn(&str) -> bool,
    /// What is written below the header first.
    pub(crate) first: &'static str,
    /// How a value in the wrong place is shown.
    pub(crate) found: fn(&Value) -> String,
}

pub(crate) struct Reader {
    root: Table,
    known: Vec<(&'static str, &'static str)>,
    pub(crate) settings: Vec<Setting>,
    pub(crate) problems: Vec<Problem>,
}

impl Reader {
    pub(crate) fn new(root: Table, problems: Vec<Problem>) -> Self {
        Self {
            root,
            known: Vec::new(),
            settings: Vec::new(),
            problems,
        }
    }

    /// The table of a section; an empty one if there is none.
    pub(crate) fn table(&self, section: &str) -> Table {
        match self.root.get(section).map(|node| &node.value) {
            Some(Value::Table(table)) => table.clone(),
            _ => Table::new(),
        }
    }

    /// The tables in a section, each by the name that the user gave it:
    /// `[section.NAME]`.
    pub(crate) fn named(
        &mut self,
        section: &'static str,
        named: &Named,
    ) -> Vec<(String, Node, Table)> {
        let mut tables = Vec::new();
        for (name, node) in self.table(section) {
            let shown = printable(&name).into_owned();
            let (message, hint) = match &node.value {
                Value::Table(_) if !(named.fits)(&name) => (
                    format!("`{shown}` is no name for a {}", named.what),
                    "a name is lower-case words joined by `-`".to_owned(),
                ),
                Value::Table(table) => {
                    let table = table.clone();
                    tables.push((name, node, table));
                    continue;
                }
                other => (
                    format!(
                        "`{section}.{shown}` must be a table, not {}",
                        (named.found)(other)
                    ),
                    format!("write `[{section}.NAME]`, and below it `{}`", named.first),
                ),
            };
            self.problems
                .push(Problem::new(&node.key, message).hint(Some(hint)));
        }
        tables
    }

    /// Reports the keys of a table that are none of these; `within` is its
    /// header.
    pub(crate) fn reject_others(&mut self, within: &str, table: &Table, known: &[&'static str]) {
        let others = table
            .iter()
            .filter(|(key, _)| !known.contains(&key.as_str()));
        for (key, node) in others {
            let message = format!("unknown key `{}` in `{within}`", printable(key));
            let hint = did_you_mean(key, known.iter().copied())
                .unwrap_or_else(|| format!("there are {}", list_names(known.iter().copied())));
            self.problems
                .push(Problem::new(&node.key, message).hint(Some(hint)));
        }
    }

    /// The tables of a list at the top, `[[name]]`, each with its place; the
    /// whole list is one setting.
    pub(crate) fn tables(&mut self, name: &'static str) -> Vec<(Origin, Table)> {
        let Some(node) = self.find("", name) else {
            return Vec::new();
        };
        let Value::List(values) = &node.value else {
            let message = format!(
                "`{name}` must be a list of tables, not {}",
                node.value.found()
            );
            let hint = format!("write `[[{name}]]` on a line of its own");
            self.problems
                .push(Problem::new(&node.key, message).hint(Some(hint)));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for value in values {
            if let Value::Table(table) = value {
                // Of its keys the first names the place best.
                let at = table.values().map(|node| &node.key).min();
                tables.push((at.unwrap_or(&node.key).clone(), table.clone()));
            } else {
                let message = format!("`{name}` must be a list of tables, not {}", value.found());
                self.problems.push(Problem::new(&node.at, message));
            }
        }
        self.note("", name, Some(node.value.as_toml()), &node.key);
        tables
    }

    fn find(&mut self, section: &'static str, key: &'static str) -> Option<Node> {
        self.known.push((section, key));
        if section.is_empty() {
            self.root.get(key).cloned()
        } else {
            self.table(section).remove(key)
        }
    }

    /// The value of a setting that has a default. After a problem it is
    /// whatever fills the place, since nobody will see it.
    pub(crate) fn get<T: Default>(
        &mut self,
        section: &'static str,
        key: &'static str,
        kind: &Kind<T>,
    ) -> T {
        let Some(node) = self.find(section, key) else {
            let message = format!("the embedded default.toml lacks `{key}` in `[{section}]`");
            self.problems.push(Problem::nowhere(message));
            return T::default();
        };
        self.read(section, key, &node, kind).unwrap_or_default()
    }

    /// The value of a setting without a default.
    pub(crate) fn optional<T>(
        &mut self,
        section: &'static str,
        key: &'static str,
        kind: &Kind<T>,
    ) -> Option<T> {
        match self.find(section, key) {
            Some(node) => self.read(section, key, &node, kind),
            None => {
                self.note(section, key, None, &Origin::Default);
                None
            }
        }
    }

    /// Reads one node, and notes the setting or the problem.
    pub(crate) fn read<T>(
        &mut self,
        section: &str,
        key: &str,
        node: &Node,
        kind: &Kind<T>,
    ) -> Option<T> {
        let value = self.check(key, node, kind)?;
        self.note(section, key, Some((kind.write)(&value)), &node.key);
        Some(value)
    }

    /// Reads one node, and notes the problem.
    pub(crate) fn check<T>(&mut self, key: &str, node: &Node, kind: &Kind<T>) -> Option<T> {
        let value = (kind.read)(&node.value);
        match &value {
            Some(_) => {}
            None => {
                let name = printable(key);
                let found = node.value.found();
                let message = format!("`{name}` must be {}, not {found}", kind.expected);
                let hint = node
                    .value
                    .text()
                    .and_then(|text| did_you_mean(text, kind.choices.iter().copied()));
                self.problems
                    .push(Problem::new(&node.at, message).hint(hint));
            }
        }
        value
    }

    pub(crate) fn note(&mut self, section: &str, key: &str, value: Option<String>, at: &Origin) {
        let key = super::literal::key(key).into_owned();
        let section = section.to_owned();
        self.settings.push(Setting {
            section,
            key,
            value,
            origin: at.clone(),
        });
    }

    /// Reports the keys that nobody asked for. `open` are sections whose keys
    /// are the user's own.
    pub(crate) fn reject_unknown(&mut self, open: &[&'static str]) {
        let mut problems = Vec::new();
        for (key, node) in &self.root {
            let is_section = open.contains(&key.as_str()) || self.keys_of(key).next().is_some();
            match &node.value {
                Value::Table(_) if open.contains(&key.as_str()) => {}
                Value::Table(table) if is_section => {
                    let unknown = table
                        .iter()
                        .filter(|(k, _)| !self.keys_of(key).any(|n| n == *k));
                    problems.extend(unknown.map(|(k, node)| self.unknown(key, k, node, open)));
                }
                _ if self.keys_of("").any(|name| name == key) => {}
                _ => problems.push(self.unknown("", key, node, open)),
            }
        }
        self.problems.append(&mut problems);
    }

    fn keys_of(&self, section: &str) -> impl Iterator<Item = &'static str> {
        self.known
            .iter()
            .filter(move |(known, _)| *known == section)
            .map(|(_, key)| *key)
    }

    fn sections(&self) -> Vec<&'static str> {
        let mut sections: Vec<_> = self.known.iter().map(|(section, _)| *section).collect();
        sections.dedup();
        sections.retain(|section| !section.is_empty());
        sections
    }

    fn unknown(&self, section: &str, key: &str, node: &Node, open: &[&'static str]) -> Problem {
        let name = printable(key);
        let is_table = matches!(node.value, Value::Table(_));
        if section.is_empty() && is_table {
            let mut sections = self.sections();
            let more = open.iter().filter(|open| !self.keys_of(open).any(|_| true));
            sections.extend(more);
            let hint = did_you_mean(key, sections.iter().copied())
                .unwrap_or_else(|| format!("the sections are {}", list_names(sections)));
            return Problem::new(&node.key, format!("unknown section `[{name}]`")).hint(Some(hint));
        }
        let place = if section.is_empty() {
            "at the top of the file".to_owned()
        } else {
            format!("in `[{section}]`")
        };
        // The right key in the wrong table is the likeliest slip of all.
        let elsewhere = self
            .known
            .iter()
            .find(|(_, known)| *known == key)
            .map(|(home, _)| {
                if home.is_empty() {
                    format!("`{name}` belongs at the top of the file, above the first section")
                } else {
                    format!("`{name}` belongs in `[{home}]`")
                }
            });
        let hint = did_you_mean(key, self.keys_of(section)).filter(|_| elsewhere.is_none());
        let hint = hint.or(elsewhere).unwrap_or_else(|| {
            format!("the keys {place} are {}", list_names(self.keys_of(section)))
        });
        Problem::new(&node.key, format!("unknown key `{name}` {place}")).hint(Some(hint))
    }
}
