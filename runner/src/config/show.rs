//! `config show` and `config init`: what is in force, and a file to start from.

use std::collections::BTreeMap;

use super::error::ConfigError;
use super::literal;
use super::load::{DEFAULTS, Loaded};
use super::parameters::resolve_with_origins;
use super::reader::Setting;
use crate::describe::{Description, Kind};

/// Where the comments stand, unless a line is longer.
const COLUMN: usize = 32;

/// The configuration in force, as TOML that means the same when it is read
/// again; each line ends with a comment that names its origin. `descriptions`
/// are those of the detectors, by their names in the configuration; of a
/// detector without one only what the user gave is shown.
///
/// # Errors
/// Parameters that do not fit their detector's description.
pub fn show(
    loaded: &Loaded,
    descriptions: &BTreeMap<String, Description>,
) -> Result<String, ConfigError> {
    let mut settings = loaded.settings.clone();
    let mut problems = Vec::new();
    for detector in &loaded.config.detectors {
        let section = format!("detectors.{}", detector.name);
        let parameters = match descriptions.get(&detector.name) {
            None => Ok(Vec::new()),
            Some(description) => resolve_with_origins(description, &detector.parameters),
        };
        match parameters {
            Ok(parameters) => settings.extend(parameters.into_iter().map(|parameter| Setting {
                section: section.clone(),
                key: literal::key(&parameter.name).into_owned(),
                value: Some(written(parameter.kind, &parameter.value)),
                origin: parameter.origin,
            })),
            Err(error) => problems.extend(error.problems),
        }
        if !descriptions.contains_key(&detector.name) {
            settings.extend(detector.parameters.iter().map(|given| Setting {
                section: section.clone(),
                key: literal::key(&given.name).into_owned(),
                value: Some(given.value.as_toml()),
                origin: given.key.clone(),
            }));
        }
    }
    ConfigError::check(problems)?;
    Ok(render(&settings))
}

/// A parameter's value as TOML.
pub(crate) fn written(kind: Kind, value: &str) -> String {
    match kind {
        Kind::Number | Kind::Integer | Kind::Boolean => value.to_owned(),
        Kind::Text => literal::text(value),
        Kind::List => literal::list(value.split(',').filter(|item| !item.is_empty())),
    }
}

fn render(settings: &[Setting]) -> String {
    // Sections in the order in which they first appear, each in one piece.
    let mut sections: Vec<&str> = Vec::new();
    for setting in settings {
        if !sections.contains(&setting.section.as_str()) {
            sections.push(&setting.section);
        }
    }
    let mut out = String::new();
    for section in sections {
        if !section.is_empty() {
            out.push_str(&format!("\n[{section}]\n"));
        }
        for setting in settings.iter().filter(|setting| setting.section == section) {
            let line = match &setting.value {
                Some(value) => format!("{} = {value}", setting.key),
                None => format!("# {} is not set", setting.key),
            };
            let origin = setting.origin.short();
            out.push_str(&match &setting.value {
                Some(_) => format!("{line:COLUMN$} # {origin}\n"),
                None => format!("{line}\n"),
            });
        }
    }
    out
}

/// A file to start from: the defaults, every setting commented out by `#`
/// without a space, so that removing one character changes one setting and
/// all the others keep following the defaults.
#[must_use]
pub fn template() -> String {
    let mut out = String::with_capacity(DEFAULTS.len() + 64);
    for line in DEFAULTS.lines() {
        if !line.is_empty() && !line.starts_with(['#', '[']) {
            out.push('#');
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}
