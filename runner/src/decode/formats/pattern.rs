//! Lines of a format that the user describes: a regular expression whose named
//! groups are the fields.

use std::fmt;

use regex::bytes::Regex;

use crate::decode::cursor::Cursor;
use crate::decode::format::{Format, Line, Out};

/// A line pattern from the configuration.
#[derive(Clone)]
pub struct Pattern {
    name: &'static str,
    line: Regex,
    fields: Vec<Field>,
}

/// A named group.
#[derive(Debug, Clone)]
struct Field {
    name: Box<str>,
    group: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// A number in this unit; multiplied by the factor it is in the base unit.
    Number(f64),
    /// A label, whatever it looks like.
    Text,
}

/// Units with their factors: times become seconds, shares ratios, sizes bytes,
/// and counts ones.
pub const UNITS: [(&str, f64); 17] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("min", 60.0),
    ("h", 3600.0),
    ("%", 0.01),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("B", 1.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
];

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.line)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.line.as_str() == other.line.as_str()
    }
}

impl Pattern {
    /// A format called `name` of lines that match `line` as a whole, without
    /// colours and launchers' prefixes.
    ///
    /// # Errors
    /// When `line` is no regular expression, or names no group.
    pub fn new(name: &str, line: &str) -> Result<Self, String> {
        let regex = Regex::new(&format!("^(?:{line})$")).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
            // The message shows the expression and underlines the mistake.
            other => other.to_string(),
        })?;
        let fields: Vec<Field> = regex
            .capture_names()
            .enumerate()
            .filter_map(|(group, name)| {
                Some(Field {
                    name: name?.into(),
                    group,
                    kind: Kind::Number(1.0),
                })
            })
            .collect();
        if fields.is_empty() {
            return Err(
                "it names no group; a field is written (?<loss>\\S+), and a step (?<step>\\d+)"
                    .to_owned(),
            );
        }
        Ok(Self {
            // As long-lived as the table of formats, of which it is a part.
            name: String::leak(name.to_owned()),
            line: regex,
            fields,
        })
    }

    /// The format's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The names of the groups.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| &*field.name)
    }

    /// Gives a group a unit of [`UNITS`]. False if there is no such group or unit.
    pub fn unit(&mut self, group: &str, unit: &str) -> bool {
        let factor = UNITS.iter().find(|(name, _)| *name == unit);
        factor.is_some_and(|(_, factor)| self.set(group, Kind::Number(*factor)))
    }

    /// Makes a group a label. False if there is no such group.
    pub fn text(&mut self, group: &str) -> bool {
        self.set(group, Kind::Text)
    }

    fn set(&mut self, group: &str, kind: Kind) -> bool {
        let field = self.fields.iter_mut().find(|field| &*field.name == group);
        field.map(|field| field.kind = kind).is_some()
    }
}

impl Format for Pattern {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        let Some(groups) = self.line.captures(line.text) else {
            return false;
        };
        out.begin();
        for field in &self.fields {
            let Some(found) = groups.get(field.group) else {
                continue;
            };
            let (name, text) = (field.name.as_bytes(), found.as_bytes());
            let mut number = Cursor::new(text);
            match (field.kind, number.number()) {
                (Kind::Number(factor), Some(value)) if number.is_done() => {
                    out.number(name, value * factor);
                }
                (Kind::Text, _) => out.label(name, text),
                _ => out.field(name, text),
            }
        }
        out.end(line)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::decode::Options;
    use crate::decode::formats::testing::records_with;

    fn read(pattern: Pattern, log: &str) -> Vec<String> {
        let options = Options {
            patterns: vec![pattern],
            ..Options::default()
        };
        records_with(options, log)
    }

    #[test]
    fn groups_are_fields() {
        let line = r"it=(?<step>\d+) L=(?<loss>\S+) took (?<dt>\d+)(?: in (?<phase>\S+))?";
        let mut pattern = Pattern::new("mine", line).unwrap();
        assert!(pattern.unit("dt", "ms") && pattern.text("phase"));
        assert!(!pattern.unit("dt", "parsec") && !pattern.unit("loss2", "ms"));
        let log = "it=7 L=nan took 1500 in 2nd\nit=8 L=1.5e1 took 20\nits=9 L=1 took 1\n";
        assert_eq!(
            read(pattern, log),
            [
                "step 7: loss=NaN dt=1.5 label:phase=2nd",
                "step 8: loss=15 dt=0.02"
            ]
        );
    }

    #[test]
    fn what_cannot_be_a_pattern() {
        for (line, problem) in [
            (r"loss (\S+)", "names no group"),
            (r"(?<loss>\S+", "unclosed group"),
            (r"(?<loss>\w{9999}{9999})", "too large"),
        ] {
            let error = Pattern::new("mine", line).unwrap_err();
            assert!(error.contains(problem), "{line}: {error}");
        }
    }
}
