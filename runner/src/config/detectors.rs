//! The detectors that the configuration knows: which are on, where they come
//! from, what they are allowed, and the parameters that the user gave them.

use std::path::PathBuf;

use super::error::{Problem, list_names};
use super::flags::is_detector_name;
use super::kind::{Kind, boolean, sha256};
use super::literal::printable;
use super::origin::Origin;
use super::reader::Reader;
use super::sections::{memory, timeout};
use super::tree::{Node, Table, Value};
use super::types::{Detector, Given};
use crate::record::MAX_DETECTORS;
use crate::suggest::did_you_mean;

/// The keys of `[detectors.NAME]` that are ours; all others are parameters.
/// A detector may not have parameters of these names.
pub const RESERVED: &[&str] = &[
    "enabled",
    "source",
    "sha256",
    "memory",
    "timeout",
    "strict-imports",
    "halt",
];

/// The keys of `[detectors]` that concern all of them; the others are names of
/// detectors.
const COMMON: &[&str] = &["preset", "enable", "strict-imports"];

/// Reads `[detectors.*]`. `enable` is the list of built-in detectors that are
/// on, none for all of them.
pub(super) fn read(
    reader: &mut Reader,
    builtin: &[&str],
    enable: Option<&[String]>,
    strict: bool,
    own_path: &Kind<PathBuf>,
) -> Vec<Detector> {
    let mut tables = reader.table("detectors");
    let enable_node = tables.remove("enable");
    tables.retain(|name, _| !COMMON.contains(&name.as_str()));
    let mut names: Vec<&str> = builtin.to_vec();
    names.extend(
        tables
            .iter()
            .filter(|(_, node)| has_path(node))
            .map(|(name, _)| name.as_str()),
    );
    names.sort_unstable();
    names.dedup();
    let (enable_key, enable_at) =
        enable_node.map_or_else(Default::default, |node| (node.key, node.at));
    for name in enable
        .unwrap_or_default()
        .iter()
        .filter(|name| !names.contains(&name.as_str()))
    {
        reader.problems.push(no_detector(name, &enable_at, &names));
    }
    for (name, node) in &tables {
        match &node.value {
            Value::Table(_) if !names.contains(&name.as_str()) => {
                reader.problems.push(no_detector(name, &node.key, &names));
            }
            Value::Table(_) if !is_detector_name(name) => {
                let message = format!("`{}` is no name for a detector", printable(name));
                let hint = "a name is lower-case words joined by `-`".to_owned();
                reader
                    .problems
                    .push(Problem::new(&node.key, message).hint(Some(hint)));
            }
            Value::Table(_) => {}
            _ if !names.contains(&name.as_str()) => {
                let only = Table::from_iter([(name.clone(), node.clone())]);
                reader.reject_others("[detectors]", &only, COMMON);
            }
            other => {
                let name = printable(name);
                let message = format!("`detectors.{name}` must be a table, not {}", other.found());
                let hint = format!(
                    "write `[detectors.{name}]`, and `enabled = false` below it to switch it off"
                );
                reader
                    .problems
                    .push(Problem::new(&node.key, message).hint(Some(hint)));
            }
        }
    }
    let mut detectors = Vec::new();
    for name in names {
        let node = tables.get(name);
        // A rule is on because its section is there.
        let listed =
            name == "rule" || enable.is_none_or(|list| list.iter().any(|listed| listed == name));
        let default = (listed || !builtin.contains(&name), &enable_key);
        detectors.push(detector(reader, name, node, default, strict, own_path));
    }
    limit_enabled(reader, &detectors);
    detectors
}

fn has_path(node: &Node) -> bool {
    matches!(&node.value, Value::Table(table) if table.contains_key("source"))
}

fn no_detector(name: &str, at: &Origin, names: &[&str]) -> Problem {
    let hint = did_you_mean(name, names.iter().copied()).unwrap_or_else(|| {
        let names = list_names(names.iter().copied());
        format!("there are {names}; one of your own needs `source = \"….wasm\"`")
    });
    Problem::new(at, format!("there is no detector `{}`", printable(name))).hint(Some(hint))
}

fn detector(
    reader: &mut Reader,
    name: &str,
    node: Option<&Node>,
    (enabled, enabled_at): (bool, &Origin),
    strict: bool,
    own_path: &Kind<PathBuf>,
) -> Detector {
    let section = format!("detectors.{name}");
    let empty = Table::new();
    let table = match node.map(|node| &node.value) {
        Some(Value::Table(table)) => table,
        _ => &empty,
    };
    let enabled = match table.get("enabled") {
        Some(node) => reader
            .read(&section, "enabled", node, &boolean())
            .unwrap_or_default(),
        None => {
            let is_own = table.get("source").map(|node| &node.key);
            let at = is_own.unwrap_or(enabled_at);
            reader.note(&section, "enabled", Some(enabled.to_string()), at);
            enabled
        }
    };
    let path = table.get("source").and_then(|node| match node.at {
        // A path on the command line starts where the command is given.
        Origin::Flag(_) => {
            let kind = super::kind::path(None, PathBuf::new());
            reader.read(&section, "source", node, &kind)
        }
        _ => reader.read(&section, "source", node, own_path),
    });
    let mut read = Reading {
        reader,
        section: &section,
        table,
    };
    let sha256 = read.key("sha256", &sha256());
    let memory = read.key("memory", &memory());
    let timeout = read.key("timeout", &timeout());
    let strict_imports = read.key("strict-imports", &boolean()).unwrap_or(strict);
    let halt = read.key("halt", &super::halt::reach());
    let parameters = table
        .iter()
        .filter(|(key, _)| !RESERVED.contains(&key.as_str()))
        .map(|(key, node)| Given {
            name: key.clone(),
            value: node.value.clone(),
            key: node.key.clone(),
            at: node.at.clone(),
        })
        .collect();
    let name = name.to_owned();
    Detector {
        name,
        enabled,
        path,
        sha256,
        memory,
        timeout,
        strict_imports,
        halt,
        parameters,
    }
}

/// One detector's table and where to read it into.
struct Reading<'a> {
    reader: &'a mut Reader,
    section: &'a str,
    table: &'a Table,
}

impl Reading<'_> {
    fn key<T>(&mut self, key: &str, kind: &Kind<T>) -> Option<T> {
        let node = self.table.get(key)?;
        self.reader.read(self.section, key, node, kind)
    }
}

fn limit_enabled(reader: &mut Reader, detectors: &[Detector]) {
    let enabled = detectors.iter().filter(|detector| detector.enabled).count();
    if enabled > MAX_DETECTORS {
        let message = format!("{enabled} detectors are enabled, and the most is {MAX_DETECTORS}");
        let hint = "switch some off with `enabled = false`".to_owned();
        reader
            .problems
            .push(Problem::nowhere(message).hint(Some(hint)));
    }
}
