//! `[rule.NAME]`: conditions that the user wrote.

use super::error::Problem;
use super::expression::{self, Mistake, Yields};
use super::flags::is_detector_name;
use super::kind::{Kind, boolean, count, sentence, severity};
use super::origin::Origin;
use super::reader::{Named, Reader};
use super::tree::{Node, Table, Value};
use crate::alert::Severity;

const KEYS: [&str; 7] = [
    "when",
    "for",
    "severity",
    "title",
    "message",
    "recommendation",
    "enabled",
];

/// A rule: the parameters of the detector that runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The name, which is the key of its alerts.
    pub name: String,
    /// A value for every parameter of the detector `rule`.
    pub parameters: Vec<(String, String)>,
}

/// Reads `[rule.*]`.
pub(super) fn read(reader: &mut Reader) -> Vec<Rule> {
    let named = Named {
        what: "rule",
        fits: is_detector_name,
        first: "when = \"…\"",
        found: Value::found,
    };
    let mut rules = Vec::new();
    for (name, node, table) in reader.named("rule", &named) {
        rules.extend(Section::new(reader, &name, &node, &table).rule());
    }
    rules
}

/// One rule's section.
struct Section<'a> {
    reader: &'a mut Reader,
    name: &'a str,
    section: String,
    node: &'a Node,
    table: &'a Table,
    /// What the texts show: as written, and compiled.
    shown: Vec<(String, String)>,
}

impl<'a> Section<'a> {
    fn new(reader: &'a mut Reader, name: &'a str, node: &'a Node, table: &'a Table) -> Self {
        Self {
            reader,
            name,
            section: format!("rule.{name}"),
            node,
            table,
            shown: Vec::new(),
        }
    }

    fn rule(mut self) -> Option<Rule> {
        self.reader
            .reject_others(&format!("[{}]", self.section), self.table, &KEYS);
        let enabled = self.key("enabled", &boolean()).unwrap_or(true);
        let rows: u32 = self.key("for", &count(1..=1_000_000)).unwrap_or(1);
        let severity = self
            .key("severity", &severity())
            .unwrap_or(Severity::Warning);
        let (when, program) = self.when()?;
        let title = self.text("title").unwrap_or_else(|| self.name.to_owned());
        let message = self.text("message");
        if !self.table.contains_key("recommendation") {
            let hint = "say what to do: recommendation = \"Lower the learning rate.\"";
            self.lacks("recommendation", hint);
        }
        let recommendation = self.text("recommendation")?;
        let message = message.unwrap_or_else(|| self.usual_message(&when, &program.metrics, rows));
        let shown: Vec<_> = self
            .shown
            .iter()
            .map(|(text, program)| format!("{text}\t{program}"))
            .collect();
        let parameters = [
            ("name", self.name.to_owned()),
            ("when", program.program),
            ("rows", rows.to_string()),
            ("severity", severity.name().to_owned()),
            ("title", title),
            ("message", message),
            ("recommendation", recommendation),
            ("shown", shown.join("\n")),
        ];
        let parameters = parameters
            .map(|(name, value)| (name.to_owned(), value))
            .into();
        enabled.then(|| Rule {
            name: self.name.to_owned(),
            parameters,
        })
    }

    fn key<T>(&mut self, key: &str, kind: &Kind<T>) -> Option<T> {
        let node = self.table.get(key)?;
        self.reader.read(&self.section, key, node, kind)
    }

    fn lacks(&mut self, key: &str, hint: &str) {
        let message = format!("`[{}]` has no `{key}`", self.section);
        let problem = Problem::new(&self.node.key, message).hint(Some(hint.to_owned()));
        self.reader.problems.push(problem);
    }

    /// The condition as it was written, and compiled.
    fn when(&mut self) -> Option<(String, expression::Compiled)> {
        let Some(node) = self.table.get("when") else {
            self.lacks(
                "when",
                "give it a condition: when = \"loss > 2.0 * loss.min(200)\"",
            );
            return None;
        };
        let text = self.key("when", &sentence())?;
        let compiled = match expression::compile(&text) {
            Ok(compiled) => compiled,
            Err(mistake) => {
                self.reader
                    .problems
                    .push(problem(&node.at, "when", &mistake, 0));
                return None;
            }
        };
        let refuse = match compiled.yields {
            Yields::Truth if compiled.depends => None,
            Yields::Truth => Some("`when` names no metric and no label"),
            _ => Some("`when` must be true or false, such as `loss > 2`"),
        };
        if let Some(message) = refuse {
            self.reader.problems.push(Problem::new(&node.at, message));
            return None;
        }
        Some((text, compiled))
    }

    /// A text whose `{expressions}` became `{0}`, `{1}`, …
    fn text(&mut self, key: &str) -> Option<String> {
        let node = self.table.get(key)?;
        let text = self.key(key, &sentence())?;
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let Some((inner, after)) = after.split_once('}') else {
                let message = format!("`{key}` has a `{{` that is never closed");
                self.reader.problems.push(Problem::new(&node.at, message));
                return None;
            };
            match expression::compile(inner) {
                Ok(compiled) => out.push_str(&self.place(inner, &compiled.program)),
                Err(mistake) => {
                    let column =
                        text.chars().count() - after.chars().count() - inner.chars().count() - 1;
                    self.reader
                        .problems
                        .push(problem(&node.at, key, &mistake, column));
                    return None;
                }
            }
            rest = after;
        }
        out.push_str(rest);
        Some(out)
    }

    /// The place of an expression in the texts.
    fn place(&mut self, text: &str, program: &str) -> String {
        let known = self.shown.iter().position(|(_, it)| it == program);
        let at = known.unwrap_or_else(|| {
            let text = text.trim().replace(['\t', '\n', '\r'], " ");
            self.shown.push((text, program.to_owned()));
            self.shown.len() - 1
        });
        format!("{{{at}}}")
    }

    fn usual_message(&mut self, when: &str, metrics: &[String], rows: u32) -> String {
        let held = match rows {
            1 => "holds".to_owned(),
            rows => format!("has held for {rows} rows"),
        };
        // A brace would be taken for a place.
        let when = when.replace(['{', '}'], "");
        let mut values = Vec::new();
        for metric in metrics {
            if let Ok(compiled) = expression::compile(&format!("metric({metric:?})")) {
                values.push(format!(
                    "`{metric}` is {}",
                    self.place(metric, &compiled.program)
                ));
            }
        }
        match values.as_slice() {
            [] => format!("`{when}` {held}."),
            values => format!("`{when}` {held}: {}.", values.join(", ")),
        }
    }
}

/// A mistake within a text that stands at `origin`; `before` are the characters
/// of the text before the expression.
fn problem(origin: &Origin, key: &str, mistake: &Mistake, before: usize) -> Problem {
    let column = mistake.column + before;
    let message = format!("`{key}`, column {column}: {}", mistake.message);
    Problem::new(origin, message).hint(mistake.hint.clone())
}
