//! `[[routes]]`, `[[inhibit]]` and `[labels]`: where alerts go.

use std::time::Duration;

use super::error::{Problem, list_names};
use super::kind::{self, Kind, boolean, duration, severity};
use super::literal::{may_hold_a_token, printable};
use super::origin::Origin;
use super::reader::Reader;
use super::tree::{Node, Table, Value};
use super::types::Sink;
use crate::deliver::inhibit::Rule;
use crate::deliver::matcher::{LABELS, Matcher, parse_all};
use crate::deliver::routes::Route;
use crate::suggest::did_you_mean;

const ROUTE: [&str; 10] = [
    "name",
    "match",
    "sinks",
    "continue",
    "min-severity",
    "group-by",
    "group-wait",
    "group-interval",
    "repeat",
    "halt",
];
const INHIBIT: [&str; 3] = ["source", "target", "equal"];

/// Reads `[labels]`.
pub(super) fn labels(reader: &mut Reader) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    for (label, node) in reader.table("labels") {
        if LABELS.contains(&label.as_str()) {
            let message = format!("every alert has a label `{}` already", printable(&label));
            let hint = "give yours another name".to_owned();
            let problem = Problem::new(&node.key, message).hint(Some(hint));
            reader.problems.push(problem);
        } else if let Some(value) = reader.read("labels", &label, &node, &kind::name()) {
            labels.push((label, value));
        }
    }
    labels
}

/// Reads `[[routes]]`.
pub(super) fn routes(
    reader: &mut Reader,
    sinks: &[Sink],
    known: &[String],
    labels: &[(String, String)],
) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for (at, table) in reader.tables("routes") {
        let section = Section {
            section: "[[routes]]",
            reader,
            table: &table,
            at,
            labels,
        };
        let Some(mut route) = section.route(known) else {
            continue;
        };
        let taken = route.name.is_some() && routes.iter().any(|other| other.name == route.name);
        if let (true, Some(node)) = (taken, table.get("name")) {
            let problem = Problem::new(&node.at, "another route has this name");
            reader.problems.push(problem);
        }
        // A sink that is switched off gets nothing, and is no mistake.
        route
            .sinks
            .retain(|name| sinks.iter().any(|sink| sink.name == *name));
        routes.push(route);
    }
    routes
}

/// Reads `[[inhibit]]`.
pub(super) fn inhibitions(reader: &mut Reader, labels: &[(String, String)]) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (at, table) in reader.tables("inhibit") {
        let section = Section {
            section: "[[inhibit]]",
            reader,
            table: &table,
            at,
            labels,
        };
        rules.push(section.inhibition());
    }
    rules
}

/// One route or rule.
struct Section<'a> {
    section: &'static str,
    reader: &'a mut Reader,
    table: &'a Table,
    at: Origin,
    labels: &'a [(String, String)],
}

impl Section<'_> {
    fn route(mut self, known: &[String]) -> Option<Route> {
        self.reader.reject_others(self.section, self.table, &ROUTE);
        let usual = Route::default();
        let matchers = self.matchers("match");
        let sinks = self.key("sinks", &kind::names());
        if sinks.is_none() && !self.table.contains_key("sinks") {
            let hint = "write sinks = [\"NAME\"]; [] keeps alerts without sending them";
            self.problem("a route has no `sinks`", hint);
        }
        let sinks = sinks?;
        self.check_sinks(&sinks, known);
        Some(Route {
            name: self.key("name", &kind::name()),
            matchers,
            sinks,
            goes_on: self.key("continue", &boolean()).unwrap_or_default(),
            min_severity: self.key("min-severity", &severity()),
            group_by: self.label_names("group-by").unwrap_or(usual.group_by),
            group_wait: self.key("group-wait", &time(0)).unwrap_or(usual.group_wait),
            group_interval: self
                .key("group-interval", &time(0))
                .unwrap_or(usual.group_interval),
            repeat: self.key("repeat", &time_or_off()).unwrap_or(usual.repeat),
            halt: self.key("halt", &super::halt::reach()),
        })
    }

    fn inhibition(mut self) -> Rule {
        self.reader
            .reject_others(self.section, self.table, &INHIBIT);
        for key in ["source", "target"] {
            if !self.table.contains_key(key) {
                let hint = "without both `source` and `target` it would mute nothing";
                self.problem(&format!("an `[[inhibit]]` has no `{key}`"), hint);
            }
        }
        Rule {
            source: self.matchers("source"),
            target: self.matchers("target"),
            equal: self.label_names("equal").unwrap_or_default(),
            after: false,
        }
    }

    fn key<T>(&mut self, key: &str, kind: &Kind<T>) -> Option<T> {
        let node = self.table.get(key)?;
        self.reader.check(key, node, kind)
    }

    fn problem(&mut self, message: &str, hint: &str) {
        let problem = Problem::new(&self.at, message).hint(Some(hint.to_owned()));
        self.reader.problems.push(problem);
    }

    fn check_sinks(&mut self, sinks: &[String], known: &[String]) {
        let Some(node) = self.table.get("sinks") else {
            return;
        };
        for name in sinks.iter().filter(|name| !known.contains(name)) {
            let names = || known.iter().map(String::as_str);
            if may_hold_a_token(name) {
                let hint = "write its address into `[sinks.NAME]`, and the name here".to_owned();
                let problem = Problem::new(&node.at, "this is no name of a sink");
                self.reader.problems.push(problem.hint(Some(hint)));
                continue;
            }
            let message = format!("there is no sink `{}`", printable(name));
            let hint = did_you_mean(name, names()).unwrap_or_else(|| match known {
                [] => format!("write `[sinks.{}]` with a `type`", printable(name)),
                _ => format!("there are {}", list_names(names())),
            });
            let problem = Problem::new(&node.at, message).hint(Some(hint));
            self.reader.problems.push(problem);
        }
    }

    fn matchers(&mut self, key: &str) -> Vec<Matcher> {
        let Some(node) = self.table.get(key) else {
            return Vec::new();
        };
        let texts = match &node.value {
            Value::Text(text) => Some(vec![text.clone()]),
            _ => self.reader.check(key, node, &matchers()),
        };
        let mut all = Vec::new();
        for text in texts.unwrap_or_default() {
            match parse_all(&text, self.labels) {
                Ok(matchers) => all.extend(matchers),
                Err(mistake) => {
                    let message = format!(
                        "`{}`: {} (character {})",
                        printable(&text),
                        mistake.message,
                        mistake.column
                    );
                    let problem = Problem::new(&node.at, message).hint(mistake.hint);
                    self.reader.problems.push(problem);
                }
            }
        }
        all
    }

    fn label_names(&mut self, key: &str) -> Option<Vec<String>> {
        let names = self.key(key, &kind::names())?;
        let own = self.labels.iter().map(|(name, _)| name.as_str());
        let known: Vec<&str> = LABELS.iter().copied().chain(own).collect();
        let at = self.table.get(key).map(|node: &Node| node.at.clone())?;
        for name in names.iter().filter(|name| !known.contains(&name.as_str())) {
            let message = format!("there is no label `{}`", printable(name));
            let hint = did_you_mean(name, known.iter().copied())
                .unwrap_or_else(|| format!("there are {}", list_names(known.iter().copied())));
            let problem = Problem::new(&at, message).hint(Some(hint));
            self.reader.problems.push(problem);
        }
        Some(names)
    }
}

fn time(least: u64) -> Kind<Duration> {
    duration(Duration::from_secs(least)..=Duration::from_secs(7 * 24 * 3600))
}

fn time_or_off() -> Kind<Option<Duration>> {
    let Kind { read, write, .. } = time(60);
    let read = move |value: &Value| match value.text() {
        Some("off") => Some(None),
        _ => read(value).map(Some),
    };
    let write = move |time: &Option<Duration>| match time {
        Some(time) => write(time),
        None => "\"off\"".to_owned(),
    };
    Kind::new(
        "a duration from 1m to 7d such as \"6h\", or \"off\"",
        read,
        write,
    )
}

fn matchers() -> Kind<Vec<String>> {
    let Kind { read, write, .. } = kind::names();
    let expected = "a list of matchers such as [\"severity=critical\", \"run=~prod-.*\"]";
    Kind::new(expected, read, write)
}
