//! Checks the user's parameters of a detector against its description.

use super::detectors::RESERVED;
use super::error::{ConfigError, Problem, list_names};
use super::literal::{self, printable};
use super::origin::Origin;
use super::tree::{self, Value};
use super::types::Given;
use crate::describe::{Description, Kind, ParameterSpec};
use crate::suggest::did_you_mean;

/// A parameter in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// The name.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// The value as the contract carries it.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// The value of every parameter, in the description's order: what a monitor is
/// opened with.
///
/// # Errors
/// Unknown names and values that do not fit, all of them.
pub fn resolve(
    description: &Description,
    given: &[Given],
) -> Result<Vec<(String, String)>, ConfigError> {
    let parameters = resolve_with_origins(description, given)?;
    Ok(parameters
        .into_iter()
        .map(|parameter| (parameter.name, parameter.value))
        .collect())
}

/// The parameters of a file that holds nothing else: `key = value` lines, as
/// under `[detectors.NAME]`. `path` is for messages.
///
/// # Errors
/// When the text is no TOML.
pub fn parameters_in(path: &str, text: &str) -> Result<Vec<Given>, ConfigError> {
    let table =
        tree::parse(Some(&path.into()), text).map_err(|problems| ConfigError { problems })?;
    Ok(table
        .into_iter()
        .map(|(name, node)| Given {
            name,
            value: node.value,
            key: node.key,
            at: node.at,
        })
        .collect())
}

/// Like [`resolve`], with the kinds and origins for `config show`.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_with_origins(
    description: &Description,
    given: &[Given],
) -> Result<Vec<Parameter>, ConfigError> {
    let is_known = |given: &&Given| description.parameters.iter().any(|p| p.name == given.name);
    let unknown = given.iter().filter(|given| !is_known(given));
    let mut problems: Vec<Problem> = unknown
        .map(|given| no_parameter(description, given))
        .collect();
    let mut parameters = Vec::with_capacity(description.parameters.len());
    for spec in &description.parameters {
        let given = given.iter().find(|given| given.name == spec.name);
        let value = match given {
            None => spec.default.clone(),
            Some(given) => match text_of(&given.value, spec).and_then(|text| spec.accept(&text)) {
                Some(value) => value,
                None => {
                    problems.push(does_not_fit(description, spec, given));
                    continue;
                }
            },
        };
        let origin = given.map_or(Origin::Default, |given| given.key.clone());
        parameters.push(Parameter {
            name: spec.name.clone(),
            kind: spec.kind,
            value,
            origin,
        });
    }
    ConfigError::check(problems)?;
    Ok(parameters)
}

/// The value as the contract would carry it, if it is of the right type.
fn text_of(value: &Value, spec: &ParameterSpec) -> Option<String> {
    match (spec.kind, value) {
        (_, Value::Bare(text)) => Some(text.clone()),
        (Kind::Number | Kind::Integer, Value::Integer(value)) => Some(value.to_string()),
        (Kind::Number, Value::Number(value)) => Some(literal::number(*value)),
        (Kind::Boolean, Value::Boolean(value)) => Some(value.to_string()),
        (Kind::Text, Value::Text(text)) => Some(text.clone()),
        (Kind::List, Value::List(values)) => {
            // The contract joins by commas: one within an item would split it.
            let item = |value: &Value| match value {
                Value::Text(text) if !text.contains(',') => Some(text.clone()),
                _ => None,
            };
            Some(
                values
                    .iter()
                    .map(item)
                    .collect::<Option<Vec<_>>>()?
                    .join(","),
            )
        }
        _ => None,
    }
}

fn no_parameter(description: &Description, given: &Given) -> Problem {
    let detector = &description.name;
    let names = || {
        description
            .parameters
            .iter()
            .map(|parameter| parameter.name.as_str())
    };
    let hint = if matches!(given.value, Value::Table(_)) {
        format!("parameters stand in `[detectors.{detector}]` itself")
    } else if let Some(hint) = did_you_mean(&given.name, names().chain(RESERVED.iter().copied())) {
        hint
    } else if description.parameters.is_empty() {
        "it has none".to_owned()
    } else {
        format!("it has {}", list_names(names()))
    };
    let message = format!("`{detector}` has no parameter `{}`", printable(&given.name));
    Problem::new(&given.key, message).hint(Some(hint))
}

fn does_not_fit(description: &Description, spec: &ParameterSpec, given: &Given) -> Problem {
    let (detector, name) = (&description.name, &spec.name);
    let found = given.value.found();
    let message = format!(
        "`{name}` of `{detector}` must be {}, not {found}",
        spec.expected()
    );
    let hint = match &given.value {
        Value::Text(text) if !matches!(spec.kind, Kind::Text | Kind::List) => spec
            .accept(text)
            .map(|value| format!("without the quotes: `{name} = {value}`")),
        Value::Text(text) if spec.kind == Kind::List => {
            let items = literal::list(text.split(',').map(str::trim));
            Some(format!("write a list: `{name} = {items}`"))
        }
        Value::Text(text) | Value::Bare(text) => did_you_mean(text, spec.choices()),
        _ => None,
    };
    Problem::new(&given.at, message).hint(hint)
}
