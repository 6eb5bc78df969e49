//! What a detector says about itself: the host's copy of the contract's types.
//!
//! A description comes from a component and is not to be trusted: it is
//! checked once at load ([`Description::check`]), and relied upon afterwards.

use crate::config::RESERVED;

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    const ALL: [Self; 5] = [
        Self::Number,
        Self::Integer,
        Self::Boolean,
        Self::Text,
        Self::List,
    ];

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

    /// The kind with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One setting of a detector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterSpec {
    /// The name in the config file.
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// The value in force when the user says nothing, as the user would write it.
    pub default: String,
    /// The unit, for people; may be empty.
    pub unit: String,
    /// One sentence that says what the parameter does.
    pub doc: String,
    /// `min`, `max`, `choices`; others are ignored.
    pub limits: Vec<(String, String)>,
}

/// What a detector is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description {
    /// Lower-case words joined by `-`.
    pub name: String,
    /// The detector's own version.
    pub version: String,
    /// One line: what it finds.
    pub summary: String,
    /// Its parameters, in the order in which they are shown.
    pub parameters: Vec<ParameterSpec>,
    /// Further facts, such as `doc`.
    pub facts: Vec<(String, String)>,
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

impl Description {
    /// Checks that the description is usable: well-formed unique names, limits
    /// that can be read, defaults within them.
    ///
    /// # Errors
    /// What is wrong, to read on after "cannot describe itself:".
    pub fn check(&self) -> Result<(), String> {
        if !is_name(&self.name, "-") {
            return Err(format!(
                "the name {:?} is not lower-case words joined by `-`",
                self.name
            ));
        }
        if self.version.is_empty() || self.version.len() > 64 {
            return Err("the version is not a text of 1 to 64 bytes".to_owned());
        }
        if self.summary.trim().is_empty() {
            return Err("it has no summary".to_owned());
        }
        for (index, parameter) in self.parameters.iter().enumerate() {
            let name = &parameter.name;
            if !is_name(name, "-_") {
                return Err(format!(
                    "the parameter name {name:?} is not lower-case words joined by `-` or `_`"
                ));
            }
            if RESERVED.contains(&name.as_str()) {
                return Err(format!(
                    "`{name}` is runwatch's own setting and cannot be a parameter"
                ));
            }
            if self.parameters[..index]
                .iter()
                .any(|earlier| earlier.name == *name)
            {
                return Err(format!("there are two parameters `{name}`"));
            }
            let is_numeric = matches!(parameter.kind, Kind::Number | Kind::Integer);
            for limit in ["min", "max"] {
                let unusable = |text: &str| !is_numeric || finite(text).is_none();
                if let Some(text) = parameter.limit(limit).filter(|text| unusable(text)) {
                    return Err(format!(
                        "`{name}` has the limit {limit} = {text:?}, which makes no sense"
                    ));
                }
            }
            if parameter.accept(&parameter.default).is_none() {
                let (default, expected) = (&parameter.default, parameter.expected());
                return Err(format!(
                    "the default of `{name}` is {default:?}, which is not {expected}"
                ));
            }
        }
        Ok(())
    }
}

/// Whether a text is lower-case words joined by one of these.
pub(crate) fn is_name(name: &str, joints: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    name.len() <= 64 && name.split(|c| joints.contains(c)).all(word)
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

impl ParameterSpec {
    /// The value of a limit.
    #[must_use]
    pub fn limit(&self, name: &str) -> Option<&str> {
        self.limits
            .iter()
            .find(|(limit, _)| limit == name)
            .map(|(_, value)| value.as_str())
    }

    /// The only valid texts; empty when there are others.
    pub fn choices(&self) -> impl Iterator<Item = &str> {
        items(self.limit("choices").unwrap_or_default())
    }

    /// The value in the form that the detector gets, if it is valid.
    #[must_use]
    pub fn accept(&self, text: &str) -> Option<String> {
        let text = text.trim();
        let within = |value: f64| {
            let bound = |name| self.limit(name).and_then(finite);
            bound("min").is_none_or(|min| value >= min)
                && bound("max").is_none_or(|max| value <= max)
        };
        let chosen =
            |item: &str| self.choices().next().is_none() || self.choices().any(|c| c == item);
        match self.kind {
            Kind::Number => finite(text)
                .filter(|value| within(*value))
                .map(crate::config::number),
            Kind::Integer => {
                // A limit of 2^53 or more would be compared inexactly; nobody has one.
                text.parse()
                    .ok()
                    .filter(|value: &i64| within(*value as f64))
                    .map(|v| v.to_string())
            }
            Kind::Boolean => text.parse().ok().map(|value: bool| value.to_string()),
            Kind::Text => chosen(text).then(|| text.to_owned()),
            Kind::List => {
                let items: Vec<_> = items(text).collect();
                items
                    .iter()
                    .all(|item| chosen(item))
                    .then(|| items.join(","))
            }
        }
    }

    /// What fits, to read on after "must be".
    #[must_use]
    pub fn expected(&self) -> String {
        let choices: Vec<_> = self.choices().map(|choice| format!("{choice:?}")).collect();
        let mut text = match self.kind {
            Kind::Number => "a number".to_owned(),
            Kind::Integer => "a whole number".to_owned(),
            Kind::Boolean => "true or false".to_owned(),
            Kind::Text if choices.is_empty() => "a text".to_owned(),
            Kind::Text => format!("one of {}", choices.join(", ")),
            Kind::List if choices.is_empty() => "a list of texts without commas".to_owned(),
            Kind::List => format!("a list of any of {}", choices.join(", ")),
        };
        match (self.limit("min"), self.limit("max")) {
            (Some(min), Some(max)) => text.push_str(&format!(" from {min} to {max}")),
            (Some(min), None) => text.push_str(&format!(" from {min} on")),
            (None, Some(max)) => text.push_str(&format!(" up to {max}")),
            (None, None) => {}
        }
        if !self.unit.is_empty() {
            text.push_str(&format!(" ({})", self.unit));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(kind: Kind, default: &str, limits: &[(&str, &str)]) -> ParameterSpec {
        ParameterSpec {
            name: "x".into(),
            kind,
            default: default.into(),
            unit: String::new(),
            doc: String::new(),
            limits: limits
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
        }
    }

    fn check(parameters: Vec<ParameterSpec>) -> Result<(), String> {
        let text = String::from;
        let facts = Vec::new();
        Description {
            name: text("a-b"),
            version: text("1"),
            summary: text("s"),
            parameters,
            facts,
        }
        .check()
    }

    #[test]
    fn values_take_the_form_that_detectors_read() {
        let number = spec(Kind::Number, "1", &[("min", "0"), ("max", "10")]);
        assert_eq!(number.accept(" 2.50 ").as_deref(), Some("2.5"));
        assert_eq!(number.accept("1e1").as_deref(), Some("10"));
        for wrong in ["-1", "11", "NaN", "inf", "", "x"] {
            assert_eq!(number.accept(wrong), None, "{wrong}");
        }
        let integer = spec(Kind::Integer, "1", &[("min", "1")]);
        assert_eq!(integer.accept("007").as_deref(), Some("7"));
        assert_eq!(integer.accept("1.0"), None);
        assert_eq!(integer.accept("0"), None);
        let list = spec(Kind::List, "", &[("choices", "a, b")]);
        assert_eq!(list.accept(" a , b ,").as_deref(), Some("a,b"));
        assert_eq!(list.accept("").as_deref(), Some(""));
        assert_eq!(list.accept("c"), None);
        assert_eq!(
            spec(Kind::Text, "", &[("choices", "a,b")]).accept("c"),
            None
        );
        assert_eq!(spec(Kind::Boolean, "", &[]).accept("yes"), None);
    }

    #[test]
    fn what_fits_is_said() {
        let mut number = spec(Kind::Number, "1", &[("min", "0"), ("max", "10")]);
        number.unit = "nats".into();
        assert_eq!(number.expected(), "a number from 0 to 10 (nats)");
        assert_eq!(
            spec(Kind::Integer, "1", &[("min", "1")]).expected(),
            "a whole number from 1 on"
        );
        assert_eq!(
            spec(Kind::Text, "a", &[("choices", "a,b")]).expected(),
            "one of \"a\", \"b\""
        );
    }

    #[test]
    fn faulty_descriptions_are_refused() {
        assert_eq!(
            check(vec![spec(Kind::Integer, "1", &[("min", "1")])]),
            Ok(())
        );
        let refused = |parameters, text: &str| assert_eq!(check(parameters), Err(text.to_owned()));
        let fine = || spec(Kind::Integer, "1", &[]);
        refused(vec![fine(), fine()], "there are two parameters `x`");
        refused(
            vec![spec(Kind::Integer, "0", &[("min", "1")])],
            "the default of `x` is \"0\", which is not a whole number from 1 on",
        );
        refused(
            vec![spec(Kind::Text, "", &[("max", "1")])],
            "`x` has the limit max = \"1\", which makes no sense",
        );
        refused(
            vec![ParameterSpec {
                name: "source".into(),
                ..fine()
            }],
            "`source` is runwatch's own setting and cannot be a parameter",
        );
        refused(
            vec![ParameterSpec {
                name: "a.b".into(),
                ..fine()
            }],
            "the parameter name \"a.b\" is not lower-case words joined by `-` or `_`",
        );
    }
}
