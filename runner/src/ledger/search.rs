//! Alerts by what a user remembers of them.

use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use super::alerts::read_alert;
use super::{Ledger, LedgerError, Result};
use crate::alert::{Alert, Severity};

/// Which alerts are meant. What is not said does not matter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Search<'a> {
    /// The project.
    pub project: Option<&'a str>,
    /// The run.
    pub run: Option<&'a str>,
    /// The detector.
    pub detector: Option<&'a str>,
    /// The least severity.
    pub level: Option<Severity>,
    /// Firing, or resolved.
    pub firing: Option<bool>,
    /// Part of the title, the message, the detector or the run, in any case.
    pub text: Option<&'a str>,
    /// Written down from this time on, in milliseconds since 1970.
    pub since: Option<i64>,
    /// Written down before this time.
    pub until: Option<i64>,
    /// With a lower number.
    pub before: Option<i64>,
    /// With a higher number.
    pub after: Option<i64>,
}

/// An alert with its number, and when it was written down.
type Numbered = (i64, i64, Alert);

impl Ledger {
    /// At most `limit` alerts, the newest first, each with its number and when
    /// it was written down.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn search(&self, search: &Search<'_>, limit: usize) -> Result<Vec<Numbered>> {
        let (mut conditions, mut values) = (String::from("1"), Vec::<Value>::new());
        let mut and = |condition: &str, value: Option<Value>| {
            if let Some(value) = value {
                conditions.push_str(" AND ");
                conditions.push_str(condition);
                values.push(value);
            }
        };
        let text = |text: Option<&str>| text.map(|text| Value::from(text.to_owned()));
        // Of a whole project the newest are found by going back, not by its index.
        let project = match search.run {
            Some(_) => "project = ?",
            None => "+project = ?",
        };
        and(project, text(search.project));
        and("run = ?", text(search.run));
        and("detector = ?", text(search.detector));
        and("severity >= ?", search.level.map(|it| (it as i64).into()));
        and("firing = ?", search.firing.map(|it| i64::from(it).into()));
        and("made >= ?", search.since.map(Value::from));
        and("made < ?", search.until.map(Value::from));
        // Numbers rise with time: what is older or newer is not looked at.
        and(
            "seq >= (SELECT min(seq) FROM alert INDEXED BY alert_by_age WHERE made >= ?)",
            search.since.map(Value::from),
        );
        and(
            "seq <= (SELECT max(seq) FROM alert INDEXED BY alert_by_age WHERE made < ?)",
            search.until.map(Value::from),
        );
        and("seq < ?", search.before.map(Value::from));
        and("seq > ?", search.after.map(Value::from));
        // A line between them, so that nothing is found across two.
        and(
            "instr(lower(concat_ws(char(10), body ->> 'title', body ->> 'message', detector, run)),
             ?) > 0",
            search.text.map(|text| text.to_lowercase().into()),
        );
        values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        let query = format!(
            "SELECT seq, made, body FROM alert WHERE {conditions} ORDER BY seq DESC LIMIT ?"
        );
        let rows: Vec<(i64, i64, String)> = self.read(|connection| {
            let mut statement = connection.prepare_cached(&query)?;
            let rows = statement.query_map(params_from_iter(values), row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })?;
        rows.into_iter().map(numbered).collect()
    }

    /// The alert with this id, or with the only id that begins like this, with
    /// its number and when it was written down.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read, or the beginning fits several.
    pub fn numbered_alert(&self, id: &str) -> Result<Option<Numbered>> {
        let rows: Vec<(i64, i64, String)> = self.read(|connection| {
            let mut query = connection.prepare_cached(
                "SELECT seq, made, body FROM alert WHERE id >= ?1 AND id < ?2 LIMIT 2",
            )?;
            let rows = query.query_map([id, &format!("{id}g")], row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })?;
        if rows.len() > 1 {
            return Err(LedgerError(format!(
                "several alerts have an id that begins with `{id}`"
            )));
        }
        rows.into_iter().next().map(numbered).transpose()
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<(i64, i64, String)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn numbered((seq, made, body): (i64, i64, String)) -> Result<Numbered> {
    Ok((seq, made, read_alert(&body)?))
}
