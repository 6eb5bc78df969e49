//! `[sinks.NAME]`: ways out for alerts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::error::{Problem, list_names};
use super::flags::is_detector_name;
use super::kind::{self, Kind, boolean, duration, sentence, severity};
use super::literal::{self, printable};
use super::reader::{Named, Reader};
use super::tree::{Node, Table, Value};
use super::types::Sink;
use crate::alert::Severity;
use crate::deliver::sinks::{self, KINDS};
use crate::deliver::{Given, Key, Settings, Takes, Transport};
use crate::secret::Secret;
use crate::suggest::did_you_mean;

/// What every sink takes.
const COMMON: [&str; 3] = ["type", "min-severity", "enabled"];
/// What every sink on the network takes as well.
const NETWORK: [&str; 5] = ["timeout", "allow-private", "allow-http", "ca-file", "proxy"];

/// Where paths begin.
pub(super) struct Folders {
    pub(super) home: Option<PathBuf>,
    pub(super) file: PathBuf,
}

/// Reads `[sinks.*]`.
pub(super) fn read(reader: &mut Reader, folders: &Folders) -> Vec<Sink> {
    let named = Named {
        what: "sink",
        fits: is_detector_name,
        first: "type = \"…\"",
        found: shape,
    };
    let mut sinks = Vec::new();
    for (name, node, table) in reader.named("sinks", &named) {
        let section = Section {
            section: format!("sinks.{name}"),
            reader,
            name: &name,
            node: &node,
            table: &table,
            folders,
        };
        sinks.extend(section.sink());
    }
    sinks
}

/// One sink's section.
struct Section<'a> {
    reader: &'a mut Reader,
    name: &'a str,
    section: String,
    node: &'a Node,
    table: &'a Table,
    folders: &'a Folders,
}

impl Section<'_> {
    fn sink(mut self) -> Option<Sink> {
        let kind = self.kind()?;
        self.reject_unknown(kind);
        let enabled = self.key("enabled", &boolean()).unwrap_or(true);
        let min_severity = self
            .key("min-severity", &severity())
            .unwrap_or(Severity::Info);
        let transport = self.transport(kind);
        let problems = self.reader.problems.len();
        let settings = self.settings(kind);
        if self.reader.problems.len() > problems {
            return None;
        }
        if let Err(why) = (kind.make)(&settings) {
            let message = format!("`[{}]`: {why}", self.section);
            self.reader
                .problems
                .push(Problem::new(&self.node.key, message));
            return None;
        }
        enabled.then(|| Sink {
            name: self.name.to_owned(),
            kind: kind.name,
            min_severity,
            transport,
            settings,
            at: self.node.key.clone(),
        })
    }

    fn kind(&mut self) -> Option<&'static sinks::Kind> {
        let names = || KINDS.iter().map(|kind| kind.name);
        let Some(node) = self.table.get("type") else {
            let message = format!("`[{}]` has no `type`", self.section);
            let hint = format!("there are {}", list_names(names()));
            let problem = Problem::new(&self.node.key, message).hint(Some(hint));
            self.reader.problems.push(problem);
            return None;
        };
        let text = self
            .reader
            .read(&self.section, "type", node, &kind::name())?;
        let found = sinks::kind(&text);
        if found.is_none() {
            let message = match literal::may_hold_a_token(&text) {
                true => "this is no type of sink".to_owned(),
                false => format!("there is no type of sink `{}`", printable(&text)),
            };
            let hint = did_you_mean(&text, names())
                .unwrap_or_else(|| format!("there are {}", list_names(names())));
            let problem = Problem::new(&node.at, message).hint(Some(hint));
            self.reader.problems.push(problem);
        }
        found
    }

    fn reject_unknown(&mut self, kind: &'static sinks::Kind) {
        let network = NETWORK.iter().filter(|_| is_http(kind));
        let known: Vec<&str> = COMMON
            .iter()
            .chain(network)
            .copied()
            .chain(kind.keys.iter().map(|key| key.name))
            .collect();
        for (key, node) in self.table {
            if known.contains(&key.as_str()) {
                continue;
            }
            let message = format!(
                "a sink of type `{}` takes no `{}`",
                kind.name,
                printable(key)
            );
            let hint = did_you_mean(key, known.iter().copied())
                .unwrap_or_else(|| format!("it takes {}", list_names(known.iter().copied())));
            let problem = Problem::new(&node.key, message).hint(Some(hint));
            self.reader.problems.push(problem);
        }
    }

    fn key<T>(&mut self, key: &str, kind: &Kind<T>) -> Option<T> {
        let node = self.table.get(key)?;
        self.reader.read(&self.section, key, node, kind)
    }

    fn transport(&mut self, kind: &sinks::Kind) -> Transport {
        let usual = Transport::default();
        if !is_http(kind) {
            return usual;
        }
        // A type may have a setting of the same name with a meaning of its own.
        let own = |name: &str| kind.keys.iter().any(|key| key.name == name);
        let seconds = Duration::from_secs(1)..=Duration::from_secs(120);
        let timeout = (!own("timeout")).then(|| self.key("timeout", &duration(seconds)));
        let path = kind::path(self.folders.home.clone(), self.folders.file.clone());
        Transport {
            timeout: timeout.flatten().unwrap_or(usual.timeout),
            allow_private: self.key("allow-private", &boolean()).unwrap_or_default(),
            allow_http: self.key("allow-http", &boolean()).unwrap_or_default(),
            ca_file: self.key("ca-file", &path),
            proxy: self.table.get("proxy").and_then(|node| {
                let key = Key::optional("proxy", Takes::Address, "");
                match self.value(&key, node)? {
                    Given::Secret(proxy) => Some(proxy),
                    _ => None,
                }
            }),
        }
    }

    fn settings(&mut self, kind: &'static sinks::Kind) -> Settings {
        let mut values = Vec::new();
        for key in kind.keys {
            match self.table.get(key.name) {
                Some(node) => {
                    values.extend(
                        self.value(key, node)
                            .map(|value| (key.name.to_owned(), value)),
                    );
                }
                None if key.required => {
                    let message = format!("`[{}]` has no `{}`", self.section, key.name);
                    let hint = match key.takes {
                        Takes::Secret => {
                            format!("{} Write {}", key.doc, self.by_variable(key.name))
                        }
                        _ => key.doc.to_owned(),
                    };
                    let problem = Problem::new(&self.node.key, message).hint(Some(hint));
                    self.reader.problems.push(problem);
                }
                None => {}
            }
        }
        Settings::new(values)
    }

    fn value(&mut self, key: &Key, node: &Node) -> Option<Given> {
        let section = self.section.clone();
        let name = key.name;
        match key.takes {
            Takes::Secret | Takes::Address => {
                let secret = self.secret(name, node, key.takes == Takes::Address)?;
                self.reader.note(
                    &section,
                    name,
                    Some(literal::text(&secret.reference())),
                    &node.key,
                );
                Some(Given::Secret(Arc::new(secret)))
            }
            Takes::Text => self
                .reader
                .read(&section, name, node, &text())
                .map(Given::Text),
            Takes::Word(words) => self
                .reader
                .read(&section, name, node, &word(words))
                .map(Given::Text),
            Takes::Integer(least, most) => self
                .reader
                .read(&section, name, node, &integer(least, most))
                .map(Given::Integer),
            Takes::Boolean => self
                .reader
                .read(&section, name, node, &boolean())
                .map(Given::Boolean),
            Takes::List => self
                .reader
                .read(&section, name, node, &kind::names())
                .map(Given::List),
            Takes::Pairs => self.pairs(name, node).map(Given::Pairs),
        }
    }

    /// A reference to a secret. What is written out is refused without being
    /// shown, unless it is an address in which there is nothing to hide.
    fn secret(&mut self, name: &str, node: &Node, address: bool) -> Option<Secret> {
        let Some(text) = node.value.text() else {
            let message = format!("`{name}` must be a text");
            let hint = format!("write {}", self.by_variable(name));
            self.reader
                .problems
                .push(Problem::new(&node.at, message).hint(Some(hint)));
            return None;
        };
        let (home, folder) = (self.folders.home.as_deref(), self.folders.file.as_path());
        if let Some(secret) = Secret::from_reference(text, home, folder) {
            return Some(secret);
        }
        if address && is_harmless(text) {
            return Some(Secret::literal(text));
        }
        let message = format!("`{name}` is a secret, and a configuration file is no place for one");
        let hint = format!(
            "put it into an environment variable and write {}, into a file and write \
             {name} = \"file:PATH\", or have a command print it: {name} = \"cmd:COMMAND\"",
            self.by_variable(name)
        );
        self.reader
            .problems
            .push(Problem::new(&node.at, message).hint(Some(hint)));
        None
    }

    fn by_variable(&self, key: &str) -> String {
        let variable = format!("{}_{key}", self.name)
            .replace('-', "_")
            .to_uppercase();
        format!("{key} = \"env:{variable}\"")
    }

    fn pairs(&mut self, name: &str, node: &Node) -> Option<Vec<(String, Arc<Secret>)>> {
        let Value::Table(table) = &node.value else {
            let message = format!(
                "`{name}` must be a table of texts, not {}",
                shape(&node.value)
            );
            let hint = format!("write {name} = {{ \"name\" = \"value\" }}");
            self.reader
                .problems
                .push(Problem::new(&node.at, message).hint(Some(hint)));
            return None;
        };
        let mut pairs = Vec::new();
        for (key, node) in table {
            let secret = match node.value.text() {
                Some(text) if !names_a_secret(key) => {
                    let (home, folder) =
                        (self.folders.home.as_deref(), self.folders.file.as_path());
                    Secret::from_reference(text, home, folder)
                        .unwrap_or_else(|| Secret::literal(text))
                }
                _ => self.secret(key, node, false)?,
            };
            let section = format!("{}.{name}", self.section);
            self.reader.note(
                &section,
                key,
                Some(literal::text(&secret.reference())),
                &node.key,
            );
            pairs.push((key.clone(), Arc::new(secret)));
        }
        Some(pairs)
    }
}

/// What a value is, without a word of it: it stands where a secret may.
fn shape(value: &Value) -> String {
    match value.text() {
        Some(_) => "a text".to_owned(),
        None => value.found(),
    }
}

/// Whether it is reached by HTTP. A type on the network with a `ca-file` of its
/// own has its own way.
fn is_http(kind: &sinks::Kind) -> bool {
    kind.network && !kind.keys.iter().any(|key| key.name == "ca-file")
}

/// Whether a header or variable of this name is likely to hold a secret.
fn names_a_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    [
        "auth",
        "token",
        "key",
        "secret",
        "password",
        "cookie",
        "signature",
    ]
    .iter()
    .any(|word| name.contains(word))
}

/// Whether an address has nothing in it that looks like a token: no user, no
/// query, no long piece with digits.
fn is_harmless(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    let token = |piece: &str| piece.len() >= 16 && piece.bytes().any(|b| b.is_ascii_digit());
    let path = rest.split_once('/').map_or("", |(_, path)| path);
    !rest.contains(['@', '?', '#']) && !path.split('/').any(token)
}

/// A text that may be long, such as a template.
fn text() -> Kind<String> {
    sentence()
}

/// One of a few words.
fn word(words: &'static [&'static str]) -> Kind<String> {
    let quoted: Vec<_> = words.iter().map(|word| literal::text(word)).collect();
    let read = move |value: &Value| {
        let text = value.text()?;
        words.contains(&text).then(|| text.to_owned())
    };
    let kind = Kind::new(
        format!("one of {}", quoted.join(", ")),
        read,
        |word: &String| literal::text(word),
    );
    Kind {
        choices: words.to_vec(),
        ..kind
    }
}

/// A whole number within bounds.
fn integer(least: i64, most: i64) -> Kind<i64> {
    let read = move |value: &Value| value.integer().filter(|n| (least..=most).contains(n));
    Kind::new(
        format!("a whole number from {least} to {most}"),
        read,
        i64::to_string,
    )
}

/// Where a file's relative paths begin.
pub(super) fn folders(home: Option<PathBuf>, file: &Path) -> Folders {
    Folders {
        home,
        file: file.to_path_buf(),
    }
}
