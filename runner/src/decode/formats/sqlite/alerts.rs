//! Alerts in databases of rlwatch and Trackio.
//!
//! ```text
//! rlwatch  alerts(id, run_id, step, timestamp, detector, severity, message,
//!                 metric_values_json: JSON, recommendation)
//! Trackio  alerts(id, run_id, timestamp, run_name, title, text, level, step, alert_id)
//! ```

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::{open, quoted, real, stored};
use crate::alert::Severity;
use crate::decode::time;

/// Whose database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Rlwatch,
    Trackio,
}

/// An alert that another tool wrote down.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Foreign {
    pub(crate) tool: Tool,
    /// What tells it from others of the same database.
    pub(crate) id: String,
    /// The run, as its metrics name it.
    pub(crate) run: Option<String>,
    pub(crate) step: Option<i64>,
    /// Seconds since 1970.
    pub(crate) time: Option<f64>,
    /// The detector; Trackio's alerts come from the training itself.
    pub(crate) detector: Option<String>,
    pub(crate) severity: Severity,
    /// None with rlwatch.
    pub(crate) title: Option<String>,
    pub(crate) message: String,
    /// None with Trackio.
    pub(crate) recommendation: Option<String>,
    /// The numbers of the message, by name.
    pub(crate) values: Vec<(String, f64)>,
}

/// The columns of a table of alerts.
struct Columns {
    names: Vec<String>,
    tool: Tool,
}

/// Gives every alert in the database whose bytes are in `copy`, in the order in
/// which they were written. `original` is its path, beside which the last rows
/// of a job that runs may be. Says whose database it is, if that is known.
pub(crate) fn each_alert(
    copy: &Path,
    original: &Path,
    take: &mut dyn FnMut(Foreign),
) -> rusqlite::Result<Option<Tool>> {
    let size = std::fs::metadata(copy).map_or(0, |file| file.len());
    let (database, mut texts) = open(copy, size, original)?;
    let Some(tool) = tool(&database)? else {
        return Ok(None);
    };
    let columns = Columns {
        names: stored(&database, "alerts")?,
        tool,
    };
    if columns.names.is_empty() {
        return Ok(Some(tool));
    }
    let wanted: Vec<String> = columns.names.iter().map(|name| quoted(name)).collect();
    let query = format!("SELECT {} FROM alerts", wanted.join(", "));
    let mut statement = database.prepare(&query)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        texts.take(row, columns.names.len())?;
        take(columns.read(row)?);
    }
    Ok(Some(tool))
}

fn tool(database: &Connection) -> rusqlite::Result<Option<Tool>> {
    let known = |table: &str, wanted: &[&str]| -> rusqlite::Result<bool> {
        let names = stored(database, table)?;
        Ok(wanted.iter().all(|it| names.iter().any(|name| name == it)))
    };
    Ok(if known("metrics", &["run_name", "step", "metrics"])? {
        Some(Tool::Trackio)
    } else if known("alerts", &["run_id", "detector", "severity", "message"])? {
        Some(Tool::Rlwatch)
    } else {
        None
    })
}

impl Columns {
    fn read(&self, row: &Row<'_>) -> rusqlite::Result<Foreign> {
        let value = |wanted: &str| -> rusqlite::Result<ValueRef<'_>> {
            match self.names.iter().position(|name| name == wanted) {
                Some(at) => row.get_ref(at),
                None => Ok(ValueRef::Null),
            }
        };
        let text = |wanted: &str| -> rusqlite::Result<Option<String>> { Ok(words(value(wanted)?)) };
        let (run, level, message) = match self.tool {
            Tool::Trackio => ("run_name", "level", "text"),
            Tool::Rlwatch => ("run_id", "severity", "message"),
        };
        let id = match text("alert_id")? {
            Some(id) => id,
            None => text("id")?.unwrap_or_default(),
        };
        Ok(Foreign {
            tool: self.tool,
            id,
            run: text(run)?,
            step: real(value("step")?).map(|step| step as i64),
            time: match value("timestamp")? {
                ValueRef::Text(text) => time::from_text(text),
                number => real(number).and_then(time::from_number),
            },
            detector: text("detector")?,
            severity: severity(text(level)?.as_deref()),
            title: text("title")?,
            message: text(message)?.unwrap_or_default(),
            recommendation: text("recommendation")?,
            values: text("metric_values_json")?.map_or_else(Vec::new, |json| numbers(&json)),
        })
    }
}

/// What is not known is a warning, as it is with Trackio.
fn severity(level: Option<&str>) -> Severity {
    match level.map(str::to_ascii_lowercase).as_deref() {
        Some("info") => Severity::Info,
        Some("error" | "critical") => Severity::Critical,
        _ => Severity::Warning,
    }
}

/// A text, or a number as one.
fn words(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Text(text) | ValueRef::Blob(text) => {
            Some(String::from_utf8_lossy(text).into_owned())
        }
        ValueRef::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The numbers of a JSON object, in which Python writes a bare NaN.
fn numbers(json: &str) -> Vec<(String, f64)> {
    use jiter::JsonValue;
    let parsed = JsonValue::parse(json.as_bytes(), true);
    let Ok(JsonValue::Object(object)) = parsed else {
        return Vec::new();
    };
    let number = |value: &JsonValue<'_>| match value {
        JsonValue::Int(value) => Some(*value as f64),
        JsonValue::Float(value) => Some(*value),
        _ => None,
    };
    object
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), number(value)?)))
        .collect()
}
