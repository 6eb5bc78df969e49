//! The room as a whole: layers, origins, every error text, and the promise
//! that `default.toml`, the code and `config show` say the same.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::ffi::OsString;

use tempfile::TempDir;

use super::{Config, ConfigError, Detector, Flags, Loaded, Place, Value, load, resolve};
use crate::describe::{Description, Kind, ParameterSpec};

mod delivery;
mod documentation;
mod errors;
mod halting;
mod layers;
mod panics;
mod show;

const BUILTIN: &[&str] = &["grad-norm", "loss-spike", "non-finite"];

/// A sealed surrounding: its own folder, its own environment.
struct Sealed {
    folder: TempDir,
    variables: BTreeMap<&'static str, OsString>,
    flags: Flags,
}

impl Sealed {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        Self {
            folder,
            variables: BTreeMap::new(),
            flags: Flags::default(),
        }
    }

    /// One with a `runwatch.toml`.
    fn with(text: &str) -> Self {
        Self::new().file("runwatch.toml", text)
    }

    fn file(self, name: &str, text: &str) -> Self {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn variable(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.insert(name, value.into());
        self
    }

    fn set(mut self, text: &str) -> Self {
        self.flags.set.push(text.to_owned());
        self
    }

    fn detector(mut self, text: &str) -> Self {
        self.flags.detector.push(text.to_owned());
        self
    }

    fn load(&self) -> Result<Loaded, ConfigError> {
        let variable = |name: &str| self.variables.get(name).cloned();
        load(
            &self.flags,
            &Place {
                folder: self.folder.path(),
                variable: &variable,
            },
            BUILTIN,
        )
    }

    fn loaded(&self) -> Loaded {
        self.load().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The error, with the folder taken out of paths.
    fn error(&self) -> String {
        self.tidy(&self.load().unwrap_err().to_string())
    }

    fn tidy(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.folder.path().display()), "")
    }

    fn origin(&self, section: &str, key: &str) -> String {
        let loaded = self.loaded();
        let mut settings = loaded.settings.iter();
        let setting = settings
            .find(|s| s.section == section && s.key == key)
            .unwrap();
        self.tidy(&setting.origin.short())
    }

    fn of<'a>(&self, loaded: &'a Loaded, name: &str) -> &'a Detector {
        loaded
            .config
            .detectors
            .iter()
            .find(|detector| detector.name == name)
            .unwrap()
    }
}

fn spec(name: &str, kind: Kind, default: &str, limits: &[(&str, &str)]) -> ParameterSpec {
    ParameterSpec {
        name: name.into(),
        kind,
        default: default.into(),
        unit: if name == "window" {
            "rows".into()
        } else {
            String::new()
        },
        doc: String::new(),
        limits: limits
            .iter()
            .map(|(k, v)| ((*k).into(), (*v).into()))
            .collect(),
    }
}

fn loss_spike() -> Description {
    let description = Description {
        name: "loss-spike".into(),
        version: "1".into(),
        summary: "spikes".into(),
        parameters: vec![
            spec(
                "window",
                Kind::Integer,
                "128",
                &[("min", "8"), ("max", "4096")],
            ),
            spec("ratio", Kind::Number, "2.5", &[("min", "0")]),
            spec("quiet", Kind::Boolean, "false", &[]),
            spec("mode", Kind::Text, "both", &[("choices", "rise,fall,both")]),
            spec("metrics", Kind::List, "loss,val/loss", &[]),
        ],
        facts: Vec::new(),
    };
    assert_eq!(description.check(), Ok(()));
    description
}

fn resolved(sealed: &Sealed) -> Result<Vec<(String, String)>, String> {
    let loaded = sealed.loaded();
    let detector = sealed.of(&loaded, "loss-spike");
    resolve(&loss_spike(), &detector.parameters).map_err(|e| sealed.tidy(&e.to_string()))
}

fn descriptions() -> BTreeMap<String, Description> {
    BTreeMap::from([("loss-spike".to_owned(), loss_spike())])
}

/// `default.toml` with every setting in force, those without a default too.
fn everything() -> String {
    let lines = super::load::DEFAULTS
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => setting,
            _ => line,
        });
    lines.collect::<Vec<_>>().join("\n")
}

/// The configuration without origins, and without the parameters of the
/// detector whose defaults `show` has filled in.
fn plain(mut config: Config) -> Config {
    for detector in &mut config.detectors {
        detector
            .parameters
            .retain(|_| detector.name != "loss-spike");
        for given in &mut detector.parameters {
            (given.key, given.at) = Default::default();
            given.value = match &given.value {
                Value::Bare(text) => Value::Text(text.clone()),
                Value::List(values) => Value::Text(format!("{} values", values.len())),
                value => value.clone(),
            };
        }
    }
    for sink in &mut config.sinks {
        sink.at = Default::default();
    }
    config
}
