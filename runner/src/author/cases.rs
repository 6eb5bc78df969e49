//! The golden cases of a project: a folder each in `tests/`, with what goes in
//! and what must come out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

use crate::alert::{Alert, Severity, State};
use crate::config::{Given, parameters_in};
use crate::suggest::did_you_mean;

/// The folder of the cases, in that of the project.
pub const FOLDER: &str = "tests";
/// What must come out, in the folder of a case.
pub const EXPECTED: &str = "expected.jsonl";
/// The parameters, in the folder of a case.
const PARAMETERS: &str = "config.toml";

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// The name of its folder.
    pub name: String,
    /// What goes in: the one file `input.*`.
    pub input: PathBuf,
    /// The parameters that it sets, unchecked.
    pub parameters: Vec<Given>,
    /// Where the alerts stand that must come out.
    pub expected: PathBuf,
}

/// What a case says of an alert: what an author cares for, and nothing that
/// depends on the machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The run, if the log has others than the case's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    key: String,
    severity: Severity,
    state: State,
    step: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rank: Option<u32>,
    title: String,
    message: String,
    recommendation: String,
    values: BTreeMap<String, Readable>,
}

/// A number; one that is not finite is a text, as JSON has none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Readable {
    Finite(f64),
    Other(String),
}

impl Readable {
    fn of(value: f64) -> Self {
        if value.is_finite() {
            Self::Finite(value)
        } else {
            Self::Other(value.to_string())
        }
    }
}

impl Case {
    /// The cases in a project's folder, by name; none if there is no `tests/`.
    ///
    /// # Errors
    /// Says which file cannot be read, or what is missing.
    pub fn all(project: &Path) -> Result<Vec<Self>> {
        let folder = project.join(FOLDER);
        let mut cases = Vec::new();
        for path in entries(&folder)? {
            if path.is_dir() {
                cases.push(Self::open(&path)?);
            }
        }
        Ok(cases)
    }

    /// The case of this name alone.
    ///
    /// # Errors
    /// When there is none.
    pub fn named(cases: Vec<Self>, name: &str) -> Result<Vec<Self>> {
        let (found, others): (Vec<_>, Vec<_>) = cases.into_iter().partition(|it| it.name == name);
        if found.is_empty() {
            let names = || others.iter().map(|case| case.name.as_str());
            let question = did_you_mean(name, names())
                .unwrap_or_else(|| format!("There are {}", crate::config::list_names(names())));
            bail!("there is no case `{name}` in `{FOLDER}/`. {question}");
        }
        Ok(found)
    }

    fn open(folder: &Path) -> Result<Self> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let is_input = |path: &PathBuf| path.file_stem().is_some_and(|stem| stem == "input");
        let inputs: Vec<PathBuf> = entries(folder)?.into_iter().filter(is_input).collect();
        let [input] = inputs.as_slice() else {
            bail!(
                "`{}` has {} files `input.*`, and a case has one, such as `input.log`",
                folder.display(),
                inputs.len()
            );
        };
        Ok(Self {
            name: name.into_owned(),
            input: input.clone(),
            parameters: parameters(&folder.join(PARAMETERS))?,
            expected: folder.join(EXPECTED),
        })
    }

    /// What goes in.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        fs::read(&self.input).with_context(|| format!("cannot read `{}`", self.input.display()))
    }

    /// The alerts that must come out, a line each, to be compared with those
    /// that were found; none where nobody has said so.
    ///
    /// # Errors
    /// Says which line is no alert.
    pub fn expected(&self, found: &[String]) -> Result<Option<Vec<String>>> {
        let shown = self.expected.display();
        let text = match fs::read_to_string(&self.expected) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(anyhow!(error).context(format!("cannot read `{shown}`"))),
        };
        let lines = text.lines().enumerate();
        let alert = |(number, line): (usize, &str)| -> Result<String> {
            if found.iter().any(|it| it == line) {
                return Ok(line.to_owned());
            }
            // In the form that we write, however it was written.
            let alert: Expected = serde_json::from_str(line)
                .with_context(|| format!("`{shown}`, line {}", number + 1))?;
            Ok(serde_json::to_string(&alert)?)
        };
        let alerts = lines.filter(|(_, line)| !line.trim().is_empty()).map(alert);
        alerts.collect::<Result<_>>().map(Some)
    }

    /// Writes down the alerts that must come out.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn bless(&self, alerts: &[String]) -> Result<()> {
        let text: String = alerts.iter().map(|alert| format!("{alert}\n")).collect();
        fs::write(&self.expected, text)
            .with_context(|| format!("cannot write `{}`", self.expected.display()))
    }

    /// An alert in the form in which a case expects it, on one line.
    #[must_use]
    pub fn line(&self, alert: &Alert) -> String {
        let values = alert.values.iter();
        let expected = Expected {
            run: (alert.run != self.name).then(|| alert.run.clone()),
            key: alert.key.clone(),
            severity: alert.severity,
            state: alert.state,
            step: alert.step,
            rank: alert.rank,
            title: alert.title.clone(),
            message: alert.message.clone(),
            recommendation: alert.recommendation.clone(),
            values: values
                .map(|(name, value)| (name.clone(), Readable::of(*value)))
                .collect(),
        };
        // Texts and finite numbers: there is nothing that JSON cannot hold.
        serde_json::to_string(&expected).unwrap_or_default()
    }
}

/// What is in a folder, by name; nothing if it is not there.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = match fs::read_dir(folder) {
        Ok(read) => read,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(anyhow!(error).context(format!("cannot read `{}`", folder.display())));
        }
    };
    let paths = read.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<Result<Vec<PathBuf>>>()?;
    paths.sort();
    Ok(paths)
}

/// The parameters in a case's `config.toml`, unchecked; none if there is no such
/// file.
///
/// # Errors
/// When it cannot be read, or is not made of `key = value`.
pub fn parameters(path: &Path) -> Result<Vec<Given>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(parameters_in(&path.display().to_string(), &text)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(anyhow!(error).context(format!("cannot read `{}`", path.display()))),
    }
}
