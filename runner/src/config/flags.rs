//! What the command line says about the configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::Problem;
use super::origin::Origin;
use super::tree::{Node, Table, Value};

/// The flags that bear on the configuration, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--config PATH`.
    pub config: Option<PathBuf>,
    /// `--project NAME`.
    pub project: Option<String>,
    /// `--run NAME`.
    pub run: Option<String>,
    /// `--preset NAME`.
    pub preset: Option<String>,
    /// `--set DETECTOR.PARAMETER=VALUE`, each.
    pub set: Vec<String>,
    /// `--detector NAME`, `--detector NAME=off`, `--detector PATH.wasm`, each.
    pub detector: Vec<String>,
    /// `--compat-env`: the variables of other tools mean sinks.
    pub compat_env: bool,
}

impl Flags {
    /// The flags as a layer of configuration. A later flag wins.
    pub(crate) fn layer(&self, problems: &mut Vec<Problem>) -> Table {
        let mut layer = Table::new();
        for (key, value) in [("project", &self.project), ("run", &self.run)] {
            if let Some(value) = value {
                let flag = Origin::Flag(format!("--{key} {value}").into());
                insert(&mut layer, &[key], &flag, Value::Bare(value.clone()));
            }
        }
        if let Some(name) = &self.preset {
            let flag = Origin::Flag(format!("--preset {name}").into());
            let value = Value::Bare(name.clone());
            insert(&mut layer, &["detectors", "preset"], &flag, value);
        }
        for text in &self.detector {
            if let Err(problem) = detector(&mut layer, text) {
                problems.push(problem);
            }
        }
        for text in &self.set {
            if let Err(problem) = set(&mut layer, text) {
                problems.push(problem);
            }
        }
        layer
    }
}

fn set(layer: &mut Table, text: &str) -> Result<(), Problem> {
    let flag = Origin::Flag(format!("--set {text}").into());
    let parts = text.split_once('=').and_then(|(path, value)| {
        let (name, key) = path.trim().split_once('.')?;
        (!name.is_empty() && !key.is_empty()).then_some((name, key, value.trim()))
    });
    let Some((name, key, value)) = parts else {
        let hint = "write `--set detector.parameter=value`, such as `--set loss-spike.window=64`";
        return Err(
            Problem::new(&flag, "does not name a parameter and its value")
                .hint(Some(hint.to_owned())),
        );
    };
    insert(
        layer,
        &["detectors", name, key],
        &flag,
        Value::Bare(value.to_owned()),
    );
    Ok(())
}

fn detector(layer: &mut Table, text: &str) -> Result<(), Problem> {
    let flag = Origin::Flag(format!("--detector {text}").into());
    if text.ends_with(".wasm") || text.contains(['/', '\\']) {
        return own_detector(layer, text, &flag);
    }
    let (name, state) = text.split_once('=').unwrap_or((text, "on"));
    let enabled = match state {
        "on" => true,
        "off" => false,
        _ => {
            let message = "says neither on nor off";
            let hint = format!("write `--detector {name}` or `--detector {name}=off`");
            return Err(Problem::new(&flag, message).hint(Some(hint)));
        }
    };
    insert(
        layer,
        &["detectors", name, "enabled"],
        &flag,
        Value::Boolean(enabled),
    );
    Ok(())
}

/// A component by path is known by its file name: `./my_rule.wasm` is `my-rule`.
fn own_detector(layer: &mut Table, text: &str, flag: &Origin) -> Result<(), Problem> {
    let stem = Path::new(text)
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    let name = stem.to_lowercase().replace(['_', ' '], "-");
    if !is_detector_name(&name) {
        let hint = "name it in the configuration file: `[detectors.NAME]` with `source = \"…\"`";
        let message = "no detector name can be made of the file's name";
        return Err(Problem::new(flag, message).hint(Some(hint.to_owned())));
    }
    if let Some(Node {
        value: Value::Table(detectors),
        ..
    }) = layer.get("detectors")
        && let Some(Node {
            value: Value::Table(earlier),
            ..
        }) = detectors.get(&name)
        && let Some(path) = earlier
            .get("source")
            .filter(|path| path.value.text() != Some(text))
    {
        let message = format!("there is a detector `{name}` already, from {}", path.at);
        let hint = "give them different file names".to_owned();
        return Err(Problem::new(flag, message).hint(Some(hint)));
    }
    insert(
        layer,
        &["detectors", &name, "source"],
        flag,
        Value::Bare(text.to_owned()),
    );
    insert(
        layer,
        &["detectors", &name, "enabled"],
        flag,
        Value::Boolean(true),
    );
    Ok(())
}

/// Whether a name is made of lower-case words joined by `-`.
pub(crate) fn is_detector_name(name: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    name.len() <= 64 && name.split('-').all(word)
}

/// Sets `path` in the tree, making the tables on the way.
pub(crate) fn insert(table: &mut Table, path: &[&str], at: &Origin, value: Value) {
    match path {
        [] => {}
        [key] => {
            table.insert((*key).to_owned(), Node::whole(at, value));
        }
        [key, rest @ ..] => {
            let empty = || Node::whole(at, Value::Table(Table::new()));
            let node = table.entry((*key).to_owned()).or_insert_with(empty);
            if let Value::Table(inner) = &mut node.value {
                insert(inner, rest, at, value);
            }
        }
    }
}

/// The environment's variables that set something, as a layer.
pub(crate) fn environment_layer(
    variable: &dyn Fn(&str) -> Option<std::ffi::OsString>,
    problems: &mut Vec<Problem>,
) -> Table {
    let mut layer = Table::new();
    for (key, name) in [("project", "RUNWATCH_PROJECT"), ("run", "RUNWATCH_RUN")] {
        // An empty variable is the shell's way of saying that there is none.
        let Some(value) = variable(name).filter(|value| !value.is_empty()) else {
            continue;
        };
        let at = Origin::Environment(name);
        match value.into_string() {
            Ok(value) => insert(&mut layer, &[key], &at, Value::Bare(value)),
            Err(_) => problems.push(Problem::new(&at, "the value is not valid UTF-8")),
        }
    }
    layer
}

/// The name of a file for messages.
pub(crate) fn shown(path: &Path) -> Arc<str> {
    path.to_string_lossy().into()
}
