//! What an agent passes to a tool: read leniently where the meaning is plain,
//! refused with a way on where it is not.

use serde_json::{Map, Value, json};

use super::tools::{Kind, Parameter, Tool};
use crate::alert::Severity;
use crate::cli::times;
use crate::deliver::post::wall_clock;
use crate::exit::Failure;
use crate::ledger::LedgerError;
use crate::suggest::did_you_mean;

/// What a tool could not do, for the agent to act on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What happened.
    pub(super) error: String,
    /// What to do next.
    pub(super) hint: Option<String>,
}

impl Refusal {
    pub(super) fn new(error: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            hint: None,
        }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        let hint = Some(hint.into());
        Self { hint, ..self }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let first = failure.errors.into_iter().next();
        let (error, hint) = first.unwrap_or_default();
        Self { error, hint }
    }
}

impl From<LedgerError> for Refusal {
    fn from(error: LedgerError) -> Self {
        Self::new(error.0)
    }
}

/// The arguments of a call, of which each is of its parameter's kind.
#[derive(Debug)]
pub(super) struct Arguments<'a>(&'a Map<String, Value>);

impl<'a> Arguments<'a> {
    /// Checks that a tool takes these, and that none is missing.
    pub(super) fn check(tool: &Tool, given: &'a Map<String, Value>) -> Result<Self, Refusal> {
        for (name, value) in given {
            let Some(parameter) = tool.parameter(name) else {
                return Err(unknown(tool, name));
            };
            let fits = match parameter.kind {
                _ if value.is_null() => true,
                Kind::Text | Kind::Time => value.is_string(),
                Kind::Texts => texts(value).is_some(),
                Kind::Flag => flag(value).is_some(),
                Kind::Step => integer(value).is_some(),
                Kind::Count { .. } => integer(value).is_some_and(|number| number >= 1),
                Kind::Size => number(value).is_some_and(|number| number >= 0.0),
                Kind::Choice(names) => value.as_str().is_some_and(|name| names.contains(&name)),
            };
            if !fits {
                return Err(unfit(parameter, value));
            }
        }
        let arguments = Self(given);
        let missing = |parameter: &&Parameter| parameter.required && !arguments.has(parameter.name);
        match tool.parameters.iter().find(missing) {
            Some(missing) => Err(Refusal::new(format!("`{}` is missing", missing.name))
                .hint(format!("{}: {}", missing.name, missing.doc))),
            None => Ok(arguments),
        }
    }

    fn value(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Whether it was given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.value(name)?.as_str()
    }

    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// A text that is required.
    pub(super) fn needed(&self, name: &str) -> &'a str {
        self.text(name).unwrap_or_default()
    }

    /// The texts of a list.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let given = self.value(name).and_then(texts).unwrap_or_default();
        given.into_iter().map(str::to_owned).collect()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.value(name).and_then(flag).unwrap_or_default()
    }

    pub(super) fn step(&self, name: &str) -> Option<i64> {
        self.value(name).and_then(integer)
    }

    /// A number that is not negative.
    pub(super) fn size(&self, name: &str) -> Option<f64> {
        self.value(name).and_then(number)
    }

    /// How many, at most as many as the tool gives.
    pub(super) fn count(&self, tool: &Tool, name: &str) -> usize {
        let Some(Kind::Count { usual, most }) = tool.parameter(name).map(|it| it.kind) else {
            return 0;
        };
        let given = self.step(name).and_then(|it| usize::try_from(it).ok());
        given.unwrap_or(usual).min(most)
    }

    pub(super) fn level(&self, name: &str) -> Option<Severity> {
        match self.text(name)? {
            "warn" => Some(Severity::Warning),
            "error" => Some(Severity::Critical),
            level => Severity::from_name(level),
        }
    }

    /// A moment, in milliseconds since 1970.
    pub(super) fn time(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let time = times::parse(text, wall_clock());
        time.map(Some).ok_or_else(|| {
            Refusal::new(format!("`{name}`: `{text}` is no time")).hint(
                "write it with its offset (2026-11-22T18:00:00Z), or how long ago it was: 30m, 2h, \
                 3d",
            )
        })
    }
}

fn unknown(tool: &Tool, name: &str) -> Refusal {
    let names = || tool.parameters.iter().map(|parameter| parameter.name);
    let known = match did_you_mean(name, names()) {
        Some(question) => question,
        None if tool.parameters.is_empty() => format!("`{}` takes no arguments", tool.name),
        None => {
            let names: Vec<&str> = names().collect();
            format!("`{}` takes {}", tool.name, names.join(", "))
        }
    };
    Refusal::new(format!("there is no argument `{name}`")).hint(known)
}

fn unfit(parameter: &Parameter, value: &Value) -> Refusal {
    let wanted = match parameter.kind {
        Kind::Text => "a text".to_owned(),
        Kind::Time => "a text such as 2026-11-22T18:00:00Z, or 2h for two hours ago".to_owned(),
        Kind::Texts => "a list of texts".to_owned(),
        Kind::Flag => "true or false".to_owned(),
        Kind::Step => "an integer".to_owned(),
        Kind::Count { most, .. } => format!("an integer from 1 to {most}"),
        Kind::Size => "a number that is not negative".to_owned(),
        Kind::Choice(names) => format!("one of {}", names.join(", ")),
    };
    let text = value.to_string();
    let text = crate::deliver::text::cut_chars(&text, 60);
    Refusal::new(format!("`{}` is {text}", parameter.name)).hint(format!("it must be {wanted}"))
}

/// An integer; models write `10.0` and `"10"` too.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_i64().or_else(|| {
            let number = number.as_f64()?;
            let whole = number.fract() == 0.0 && number.abs() < 9e15;
            whole.then_some(number as i64)
        }),
        _ => None,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.trim().parse().ok().filter(|it: &f64| it.is_finite()),
        value => value.as_f64(),
    }
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn texts(value: &Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

impl Kind {
    /// The JSON Schema of such an argument.
    pub(super) fn schema(self, doc: &str) -> Value {
        match self {
            Self::Text | Self::Time => json!({ "type": "string", "description": doc }),
            Self::Texts => json!({
                "type": "array", "items": { "type": "string" }, "description": doc
            }),
            Self::Flag => json!({ "type": "boolean", "description": doc, "default": false }),
            Self::Step => json!({ "type": "integer", "description": doc }),
            Self::Count { usual, most } => json!({
                "type": "integer", "description": doc, "minimum": 1, "maximum": most,
                "default": usual
            }),
            Self::Size => json!({ "type": "number", "description": doc, "minimum": 0 }),
            Self::Choice(names) => json!({ "type": "string", "enum": names, "description": doc }),
        }
    }
}
