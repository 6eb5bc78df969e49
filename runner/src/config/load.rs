//! Finds the layers of configuration and lays them upon each other.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::error::{ConfigError, Problem};
use super::flags::{Flags, environment_layer, shown};
use super::origin::Origin;
use super::presets;
use super::reader::{Reader, Setting};
use super::sections;
use super::tree::{self, Node, Table, Value};
use super::types::Config;
use crate::deliver::compat;

/// The embedded defaults; see [`template`](super::template).
pub(super) const DEFAULTS: &str = include_str!("default.toml");

/// The largest file read, so that `--config /dev/zero` ends.
const MAX_FILE: u64 = 4 << 20;

/// What surrounds the program, so that tests can say otherwise.
pub struct Place<'a> {
    /// The folder that `runwatch.toml` is looked for in; empty for the current one.
    pub folder: &'a Path,
    /// The environment: `&|name| std::env::var_os(name)`.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
}

impl Place<'_> {
    fn path_in(&self, name: &str) -> Option<PathBuf> {
        (self.variable)(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    }

    fn home(&self) -> Option<PathBuf> {
        self.path_in("HOME")
    }
}

/// The configuration in force, and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The user's file, if there is one.
    pub file: Option<PathBuf>,
    /// Every setting with its origin, in the order in which they are shown.
    pub settings: Vec<Setting>,
}

/// Loads the configuration: embedded defaults, then the preset, then the user's
/// file, then the environment, then the command line. `builtin` are the names of the
/// detectors that come with runwatch.
///
/// # Errors
/// Every problem that was found, in the order of their places. Parameters of
/// detectors are left to [`resolve`](super::resolve), which needs the
/// detector's description.
pub fn load(flags: &Flags, place: &Place<'_>, builtin: &[&str]) -> Result<Loaded, ConfigError> {
    let file = find(flags, place)?;
    let mut problems = Vec::new();
    let mut layers = Vec::new();
    if let Some((path, text)) = &file {
        let layer = tree::parse(Some(&shown(path)), text);
        layers.push(layer.map_err(|problems| ConfigError { problems })?);
    }
    layers.push(environment_layer(place.variable, &mut problems));
    layers.push(flags.layer(&mut problems));
    let preset = presets::layer(&layers.iter().collect::<Vec<_>>(), builtin);
    let mut root = defaults(builtin)?;
    let compat = flags
        .compat_env
        .then(|| compat_layer(place.variable))
        .transpose()?;
    for layer in compat.into_iter().chain(preset).chain(layers) {
        tree::merge(&mut root, layer, "", &mut problems);
    }

    let file = file.map(|(path, _)| path);
    let folder = file
        .as_deref()
        .and_then(Path::parent)
        .map(Path::to_path_buf);
    let mut reader = Reader::new(root, problems);
    let config = sections::config(
        &mut reader,
        builtin,
        place.home(),
        folder.unwrap_or_default(),
    );
    reader.reject_unknown(sections::OPEN);
    ConfigError::check(std::mem::take(&mut reader.problems))?;
    Ok(Loaded {
        config,
        file,
        settings: reader.settings,
    })
}

/// The sinks that the variables of other tools stand for, as if somebody had
/// written them.
fn compat_layer(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Table, ConfigError> {
    let found = compat::sinks(variable).map_err(Problem::nowhere)?;
    let mut sinks = toml::Table::new();
    for sink in found {
        let mut section = sink.settings;
        section.insert("type".to_owned(), sink.kind.into());
        if let Some(severity) = sink.min_severity {
            section.insert("min-severity".to_owned(), severity.name().into());
        }
        sinks.insert(sink.name.to_owned(), section.into());
    }
    let mut layer = toml::Table::new();
    layer.insert("sinks".to_owned(), sinks.into());
    let text = layer.to_string();
    tree::parse(Some(&"--compat-env".into()), &text).map_err(|problems| ConfigError { problems })
}

/// The embedded defaults, with a table for each built-in detector, so that
/// whatever is not a table in the user's file is refused.
fn defaults(builtin: &[&str]) -> Result<Table, ConfigError> {
    let mut root = tree::parse(None, DEFAULTS).map_err(|problems| ConfigError { problems })?;
    let empty = || Node::whole(&Origin::Default, Value::Table(Table::new()));
    let detectors = root.entry("detectors".to_owned()).or_insert_with(empty);
    if let Value::Table(tables) = &mut detectors.value {
        tables.extend(builtin.iter().map(|name| ((*name).to_owned(), empty())));
    }
    Ok(root)
}

/// The user's file: the one that is named, else the first that exists.
fn find(flags: &Flags, place: &Place<'_>) -> Result<Option<(PathBuf, String)>, ConfigError> {
    if let Some(path) = &flags.config {
        let flag = Origin::Flag(format!("--config {}", path.display()).into());
        return named(path, &flag).map(Some);
    }
    if let Some(path) = place.path_in("RUNWATCH_CONFIG") {
        return named(&path, &Origin::Environment("RUNWATCH_CONFIG")).map(Some);
    }
    // The XDG specification says to ignore a relative path.
    let xdg = place
        .path_in("XDG_CONFIG_HOME")
        .filter(|path| path.is_absolute());
    let user = xdg.or_else(|| place.home().map(|home| home.join(".config")));
    let usual = [
        Some(place.folder.join("runwatch.toml")),
        user.map(|folder| folder.join("runwatch").join("config.toml")),
    ];
    for path in usual.into_iter().flatten() {
        match read(&path) {
            Ok(text) => return Ok(Some((path, text))),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => return Err(Problem::nowhere(cannot_read(&path, &error)).into()),
        }
    }
    Ok(None)
}

fn named(path: &Path, origin: &Origin) -> Result<(PathBuf, String), ConfigError> {
    match read(path) {
        Ok(text) => Ok((path.to_path_buf(), text)),
        Err(error) => {
            let hint = "`runwatch config init` writes a file to start from".to_owned();
            let hint = Some(hint).filter(|_| error.kind() == ErrorKind::NotFound);
            Err(Problem::new(origin, cannot_read(path, &error))
                .hint(hint)
                .into())
        }
    }
}

fn cannot_read(path: &Path, error: &io::Error) -> String {
    format!(
        "cannot read `{}`: {error}",
        super::literal::printable(&path.to_string_lossy())
    )
}

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::new(
            ErrorKind::FileTooLarge,
            "it is larger than 4 MiB",
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        io::Error::new(
            ErrorKind::InvalidData,
            format!("line {line} is not valid UTF-8"),
        )
    })
}
