//! What a detector says about itself and hears about its run.

use std::fmt::Display;

use crate::decimal;

/// Facts about the run: `project`, `run`, `host`; and where it is watched live,
/// `since`, when that began, in seconds since 1970.
///
/// A list and not a map: it is short, and a map's code would be the larger part
/// of a small component.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts(pub Vec<(String, String)>);

impl Facts {
    /// A fact, if the runner gave it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let fact = self.0.iter().find(|(key, _)| key == name);
        fact.map(|(_, value)| value.as_str())
    }
}

/// The description of a detector; see [`Detector::describe`](crate::Detector::describe).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Description {
    /// Lower-case words joined by `-`.
    pub name: String,
    /// The detector's own version.
    pub version: String,
    /// One line: what it finds.
    pub summary: String,
    /// Its parameters, in the order in which they are shown.
    pub parameters: Vec<Parameter>,
    /// Further facts, such as `doc`.
    pub facts: Vec<(String, String)>,
}

impl Description {
    /// A description without parameters.
    #[must_use]
    pub fn new(name: &str, version: &str, summary: &str) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            summary: summary.into(),
            ..Self::default()
        }
    }

    /// Adds a parameter.
    #[must_use]
    pub fn parameter(mut self, parameter: Parameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// Adds the rule in Markdown, for the reference documentation.
    #[must_use]
    pub fn doc(mut self, doc: &str) -> Self {
        self.facts.push(("doc".into(), doc.into()));
        self
    }

    /// The default of every parameter: what `open` gets when the user says
    /// nothing. Handy in tests.
    #[must_use]
    pub fn defaults(&self) -> Parameters {
        Parameters(
            self.parameters
                .iter()
                .map(|p| (p.name.clone(), p.default.clone()))
                .collect(),
        )
    }
}

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any finite number.
    Number,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// Any text.
    Text,
    /// Texts joined by commas.
    List,
}

impl Kind {
    /// The kind's name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Text => "text",
            Self::List => "list",
        }
    }
}

/// One setting of a detector.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The name in the config file.
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// The default, as the user would write it.
    pub default: String,
    /// The unit, for people.
    pub unit: String,
    /// One sentence.
    pub doc: String,
    /// `min`, `max`, `choices`: enforced by the runner.
    pub limits: Vec<(String, String)>,
}

impl Parameter {
    fn new(name: &str, kind: Kind, default: String) -> Self {
        Self {
            name: name.into(),
            kind,
            default,
            unit: String::new(),
            doc: String::new(),
            limits: Vec::new(),
        }
    }

    /// A number.
    #[must_use]
    pub fn number(name: &str, default: f64) -> Self {
        Self::new(name, Kind::Number, decimal::plain(default))
    }

    /// A whole number.
    #[must_use]
    pub fn integer(name: &str, default: i64) -> Self {
        Self::new(name, Kind::Integer, default.to_string())
    }

    /// A switch.
    #[must_use]
    pub fn boolean(name: &str, default: bool) -> Self {
        Self::new(name, Kind::Boolean, default.to_string())
    }

    /// A text.
    #[must_use]
    pub fn text(name: &str, default: &str) -> Self {
        Self::new(name, Kind::Text, default.to_owned())
    }

    /// A list of texts.
    #[must_use]
    pub fn list(name: &str, default: &[&str]) -> Self {
        Self::new(name, Kind::List, default.join(","))
    }

    /// Names the unit.
    #[must_use]
    pub fn unit(mut self, unit: &str) -> Self {
        self.unit = unit.into();
        self
    }

    /// Says what the parameter does.
    #[must_use]
    pub fn doc(mut self, doc: &str) -> Self {
        self.doc = doc.into();
        self
    }

    /// Sets the smallest valid value.
    #[must_use]
    pub fn min(mut self, min: impl Into<f64>) -> Self {
        self.limits.push(("min".into(), decimal::plain(min.into())));
        self
    }

    /// Sets the largest valid value.
    #[must_use]
    pub fn max(mut self, max: impl Into<f64>) -> Self {
        self.limits.push(("max".into(), decimal::plain(max.into())));
        self
    }

    /// Lists the only valid values.
    #[must_use]
    pub fn choices(mut self, choices: &[&str]) -> Self {
        self.limits.push(("choices".into(), choices.join(",")));
        self
    }
}

/// The values of a detector's parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters(pub Vec<(String, String)>);

impl Parameters {
    fn parse<T>(
        &self,
        name: &str,
        kind: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, String> {
        let text = self.text(name)?;
        parse(text).ok_or_else(|| format!("parameter `{name}` is `{text}`, which is not {kind}"))
    }

    /// The value of a `number`.
    ///
    /// # Errors
    /// When it is missing or no number, which the runner has ruled out.
    pub fn number(&self, name: &str) -> Result<f64, String> {
        self.parse(name, "a number", decimal::parse)
    }

    /// The value of an `integer` that counts something.
    ///
    /// # Errors
    /// When it is missing or not a whole number from 0 on.
    pub fn count(&self, name: &str) -> Result<usize, String> {
        self.parse(name, "a whole number from 0 on", |text| text.parse().ok())
    }

    /// The value of a `boolean`.
    ///
    /// # Errors
    /// When it is missing or neither `true` nor `false`.
    pub fn boolean(&self, name: &str) -> Result<bool, String> {
        self.parse(name, "`true` or `false`", |text| text.parse().ok())
    }

    /// The value of a `text`.
    ///
    /// # Errors
    /// When it is missing.
    pub fn text(&self, name: &str) -> Result<&str, String> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.as_str())
            .ok_or_else(|| format!("parameter `{name}` is missing"))
    }

    /// The value of a `list`.
    ///
    /// # Errors
    /// When it is missing.
    pub fn list(&self, name: &str) -> Result<Vec<&str>, String> {
        Ok(self
            .text(name)?
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .collect())
    }

    /// Replaces a value; handy in tests.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Display) -> Self {
        self.0.retain(|(key, _)| key != name);
        self.0.push((name.to_owned(), value.to_string()));
        self
    }
}

/// Something a monitor wants to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    /// `metric`, `row`, `label`, `text`, `exception`, `event` or `tick`.
    pub kind: String,
    /// A name, a glob, a needle or a number of seconds.
    pub pattern: String,
    /// Options, by kind.
    pub options: Vec<(String, String)>,
}

impl Interest {
    fn new(kind: &str, pattern: &str) -> Self {
        Self {
            kind: kind.into(),
            pattern: pattern.into(),
            options: Vec::new(),
        }
    }

    /// Every value of the metrics whose canonical name matches; `*` stands for
    /// any run of characters.
    #[must_use]
    pub fn metric(pattern: &str) -> Self {
        Self::new("metric", pattern)
    }

    /// Of the matching metrics only the first value, those that are not finite,
    /// and the first finite value after one. Next to free on healthy data.
    #[must_use]
    pub fn metric_edges(pattern: &str) -> Self {
        let mut interest = Self::new("metric", pattern);
        interest.options.push(("values".into(), "edges".into()));
        interest
    }

    /// The texts of a label.
    #[must_use]
    pub fn label(pattern: &str) -> Self {
        Self::new("label", pattern)
    }

    /// Plain lines that contain a needle.
    #[must_use]
    pub fn text(needle: &str) -> Self {
        Self::new("text", needle)
    }

    /// Exceptions whose type matches.
    #[must_use]
    pub fn exception(pattern: &str) -> Self {
        Self::new("exception", pattern)
    }

    /// Events whose name matches: `cuda-oom`, `nccl-timeout`, `slurm-cancelled`, …
    #[must_use]
    pub fn event(pattern: &str) -> Self {
        Self::new("event", pattern)
    }

    /// A call of `tick` every so many seconds of stream time.
    #[must_use]
    pub fn tick(seconds: f64) -> Self {
        Self::new("tick", &decimal::plain(seconds))
    }

    /// Of these ticks only those that come when no row has come for so many
    /// seconds: the first right then. A run that goes on costs none.
    #[must_use]
    pub fn after_silence(mut self, seconds: f64) -> Self {
        self.options.push(("after".into(), decimal::plain(seconds)));
        self
    }

    /// Every row with its step, time and rank, whether or not it has a value
    /// that was asked for.
    #[must_use]
    pub fn rows() -> Self {
        Self::new("row", "*")
    }
}
