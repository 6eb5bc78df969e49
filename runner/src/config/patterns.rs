//! `[pattern.NAME]`: lines of a format that runwatch does not know.

use super::error::{Problem, list_names};
use super::kind::{expression, name, names};
use super::literal::printable;
use super::reader::{Named, Reader};
use super::tree::{Node, Table, Value};
use crate::decode::{Pattern, UNITS};
use crate::suggest::did_you_mean;

const KEYS: [&str; 3] = ["line", "units", "text"];

/// Reads `[pattern.*]`.
pub(super) fn read(reader: &mut Reader) -> Vec<Pattern> {
    let named = Named {
        what: "pattern",
        fits: |_| true,
        first: "line = '…'",
        found: Value::found,
    };
    let mut patterns = Vec::new();
    for (name, node, table) in reader.named("pattern", &named) {
        patterns.extend(pattern(reader, &name, &node, &table));
    }
    patterns
}

fn pattern(reader: &mut Reader, key: &str, node: &Node, table: &Table) -> Option<Pattern> {
    let section = format!("pattern.{key}");
    reader.reject_others(&format!("[{section}]"), table, &KEYS);
    let Some(line) = table.get("line") else {
        let message = format!("`[{section}]` has no `line`");
        let hint = "give it a regular expression: line = 'it=(?<step>\\d+) L=(?<loss>\\S+)'";
        let problem = Problem::new(&node.key, message).hint(Some(hint.to_owned()));
        reader.problems.push(problem);
        return None;
    };
    let text = reader.read(&section, "line", line, &expression())?;
    let mut pattern = match Pattern::new(key, &text) {
        Ok(pattern) => pattern,
        Err(error) => {
            let message = format!("`line` is no pattern: {error}");
            reader.problems.push(Problem::new(&line.at, message));
            return None;
        }
    };
    if let Some(node) = table.get("text") {
        for group in reader.read(&section, "text", node, &names())? {
            if !pattern.text(&group) {
                reader.problems.push(no_group(&group, node, &pattern));
            }
        }
    }
    if let Some(node) = table.get("units")
        && let Value::Table(units) = &node.value
    {
        let section = format!("{section}.units");
        for (group, node) in units {
            let unit = reader.read(&section, group, node, &name())?;
            if !pattern.groups().any(|known| known == group) {
                reader.problems.push(no_group(group, node, &pattern));
            } else if !pattern.unit(group, &unit) {
                let message = format!("there is no unit `{}`", printable(&unit));
                let hint = format!("there are {}", list_names(UNITS.map(|(name, _)| name)));
                let problem = Problem::new(&node.at, message).hint(Some(hint));
                reader.problems.push(problem);
            }
        }
    }
    Some(pattern)
}

fn no_group(group: &str, node: &Node, pattern: &Pattern) -> Problem {
    let message = format!("`line` has no group `{}`", printable(group));
    let hint = did_you_mean(group, pattern.groups())
        .unwrap_or_else(|| format!("there are {}", list_names(pattern.groups())));
    Problem::new(&node.key, message).hint(Some(hint))
}
