//! What a user asks of a ledger: deliveries, what was muted, runs by detector.
//! Looking changes nothing, and makes no ledger where there is none.

use std::path::Path;
use std::sync::Mutex;

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, Row, params_from_iter};
use serde::{Serialize, Serializer};

use super::{BUSY, Ledger, LedgerError, Result, history, schema};
use crate::alert::Severity;

/// Which of them are meant. What is not said does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The project.
    pub project: Option<String>,
    /// The run.
    pub run: Option<String>,
    /// The detector.
    pub detector: Option<String>,
    /// The least severity.
    pub level: Option<Severity>,
    /// From this time on, in milliseconds since 1970: when an alert or a
    /// delivery was written down, when something was muted last.
    pub since: Option<i64>,
    /// Before this time.
    pub until: Option<i64>,
    /// The sink of a delivery.
    pub sink: Option<String>,
    /// Where a delivery stands.
    pub state: Option<String>,
    /// At most so many, the newest.
    pub limit: usize,
}

/// A delivery with all that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Its number.
    pub id: i64,
    /// The alert's id.
    pub alert: String,
    /// The alert's project.
    pub project: String,
    /// The alert's run.
    pub run: String,
    /// The alert's detector.
    pub detector: String,
    /// The alert's severity.
    pub severity: Severity,
    /// The alert's title.
    pub title: String,
    /// The sink.
    pub sink: String,
    /// Why it is told: `new`, `reminder`, `ended`.
    pub notice: String,
    /// Where it stands.
    pub state: String,
    /// Why it is held, suppressed, dropped or expired.
    pub reason: Option<String>,
    /// When it was made.
    #[serde(serialize_with = "as_text")]
    pub made: i64,
    /// When it ended.
    #[serde(serialize_with = "as_text_or_null")]
    pub done: Option<i64>,
    /// What the last failure said.
    pub error: Option<String>,
    /// What was tried, the newest last. Several deliveries that went out in
    /// one message share them.
    pub attempts: Vec<Attempt>,
}

/// One attempt to send a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// When.
    #[serde(serialize_with = "as_text")]
    pub at: i64,
    /// How long it took.
    pub took_ms: i64,
    /// The class of the outcome.
    pub outcome: String,
    /// What the failure said.
    pub error: Option<String>,
}

/// Findings of one trouble that did not become alerts, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MutedRow {
    /// The project.
    pub project: String,
    /// The run.
    pub run: String,
    /// The detector.
    pub detector: String,
    /// The key; `*` for what is not told apart any more.
    pub key: String,
    /// The highest severity.
    pub severity: Severity,
    /// The last title.
    pub title: String,
    /// Why.
    pub reason: String,
    /// How many.
    pub count: i64,
    /// The first step.
    pub first_step: Option<i64>,
    /// The last step.
    pub last_step: Option<i64>,
    /// When the first was muted.
    #[serde(serialize_with = "as_text")]
    pub first: i64,
    /// When the last was muted.
    #[serde(serialize_with = "as_text")]
    pub last: i64,
}

/// A run that there were alerts of, or that something was muted of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunRow {
    /// The project.
    pub project: String,
    /// The run.
    pub run: String,
    /// All alerts.
    pub alerts: i64,
    /// Criticals that fired.
    pub critical: i64,
    /// Warnings that fired.
    pub warning: i64,
    /// Infos that fired.
    pub info: i64,
    /// Troubles that were over.
    pub resolved: i64,
    /// Findings that did not become alerts.
    pub muted: i64,
    /// The last step that anything was said of.
    pub last_step: Option<i64>,
    /// When the first was written down.
    #[serde(serialize_with = "as_text")]
    pub first: i64,
    /// When the last was written down.
    #[serde(serialize_with = "as_text")]
    pub last: i64,
    /// Whether the run is known to have ended after its last alert.
    pub ended: Option<bool>,
}

impl Ledger {
    /// Opens a ledger that there is, to look into and not to change.
    ///
    /// # Errors
    ///
    /// With the path, if it cannot be opened, is no ledger, or was made by a
    /// newer runwatch.
    pub fn open_read_only(path: &Path) -> Result<Self> {
        let failed = |error: LedgerError| {
            LedgerError(format!(
                "cannot open the ledger `{}`: {error}",
                path.display()
            ))
        };
        let connection = read_only(path).map_err(failed)?;
        if !schema::is_current(&connection).map_err(failed)? {
            // From before an update of runwatch: only a writer can mend that.
            drop(Self::open(path)?);
        }
        Ok(Self {
            connection: Mutex::new(connection),
            path: Some(path.to_owned()),
            note: None,
        })
    }

    /// Deliveries with their attempts, the newest last.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn find_deliveries(&self, filter: &Filter) -> Result<Vec<Told>> {
        self.told(Which::deliveries(filter), filter.limit)
    }

    /// The deliveries of one alert, the newest last.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn deliveries_of(&self, alert: &str) -> Result<Vec<Told>> {
        let mut which = Which::new();
        which.and("d.alert = ?", Some(alert.to_owned()));
        self.told(which, usize::MAX)
    }

    fn told(&self, which: Which, limit: usize) -> Result<Vec<Told>> {
        let query = format!(
            "SELECT d.id, d.alert, a.project, a.run, a.detector, a.severity,
             json_extract(a.body, '$.title'), d.sink, d.notice, d.state, d.reason, d.made, d.done,
             d.error, (SELECT json_group_array(json_array(t.at, t.took, t.outcome, t.error)
                 ORDER BY t.rowid) FROM attempt t WHERE t.message = d.message)
             FROM delivery d JOIN alert a ON a.id = d.alert WHERE {} ORDER BY d.id DESC",
            which.text
        );
        let rows = self.newest(&query, which, limit, |row| {
            let told = Told {
                id: row.get(0)?,
                alert: row.get(1)?,
                project: row.get(2)?,
                run: row.get(3)?,
                detector: row.get(4)?,
                severity: severity(row.get(5)?),
                title: row.get(6)?,
                sink: row.get(7)?,
                notice: row.get(8)?,
                state: row.get(9)?,
                reason: row.get(10)?,
                made: row.get(11)?,
                done: row.get(12)?,
                error: row.get(13)?,
                attempts: Vec::new(),
            };
            Ok((told, row.get::<_, String>(14)?))
        })?;
        rows.into_iter()
            .map(|(told, tried)| {
                let attempts = attempts(&tried)?;
                Ok(Told { attempts, ..told })
            })
            .collect()
    }

    /// What did not become alerts, what was muted last coming last.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn find_muted(&self, filter: &Filter) -> Result<Vec<MutedRow>> {
        let which = Which::muted(filter);
        let query = format!(
            "SELECT m.project, m.run, m.detector, m.key, m.severity, m.title, m.reason, m.count,
             m.first_step, m.last_step, m.first_at, m.last_at FROM muted m WHERE {}
             ORDER BY m.last_at DESC, m.fingerprint DESC, m.reason DESC",
            which.text
        );
        self.newest(&query, which, filter.limit, |row| {
            Ok(MutedRow {
                project: row.get(0)?,
                run: row.get(1)?,
                detector: row.get(2)?,
                key: row.get(3)?,
                severity: severity(row.get(4)?),
                title: row.get(5)?,
                reason: row.get(6)?,
                count: row.get(7)?,
                first_step: row.get(8)?,
                last_step: row.get(9)?,
                first: row.get(10)?,
                last: row.get(11)?,
            })
        })
    }

    /// The runs of such alerts and of what was muted, that with the newest last.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn find_runs(&self, filter: &Filter) -> Result<Vec<RunRow>> {
        let (mut which, muted) = (Which::alerts(filter), Which::muted(filter));
        let query = format!(
            "SELECT project, run, sum(alerts), sum(severity IS 2), sum(severity IS 1),
             sum(severity IS 0), sum(resolved), sum(muted), max(step), min(first), max(last),
             min(over) FROM (
                 SELECT a.project, a.run, 1 AS alerts, iif(a.firing, a.severity, NULL) AS severity,
                     NOT a.firing AS resolved, 0 AS muted, a.step, a.made AS first,
                     a.made AS last, a.over FROM alert a WHERE {}
                 UNION ALL
                 SELECT m.project, m.run, 0, NULL, 0, m.count, m.last_step, m.first_at,
                     m.last_at, NULL FROM muted m WHERE {}
             ) GROUP BY project, run ORDER BY max(last) DESC, project DESC, run DESC",
            which.text, muted.text
        );
        which.values.extend(muted.values);
        self.newest(&query, which, filter.limit, |row| {
            Ok(RunRow {
                project: row.get(0)?,
                run: row.get(1)?,
                alerts: row.get(2)?,
                critical: row.get(3)?,
                warning: row.get(4)?,
                info: row.get(5)?,
                resolved: row.get(6)?,
                muted: row.get(7)?,
                last_step: row.get(8)?,
                first: row.get(9)?,
                last: row.get(10)?,
                ended: row.get(11)?,
            })
        })
    }

    /// The first rows of a query in descending order, turned round.
    fn newest<T>(
        &self,
        query: &str,
        which: Which,
        limit: usize,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let query = format!("{query} LIMIT ?");
        let mut values = which.values;
        values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        self.read(|connection| {
            let mut statement = connection.prepare(&query)?;
            let rows = statement.query_map(params_from_iter(values), read)?;
            let mut rows: Vec<T> = rows.collect::<rusqlite::Result<_>>()?;
            rows.reverse();
            Ok(rows)
        })
    }
}

/// The conditions of a query and the values in them.
struct Which {
    text: String,
    values: Vec<Value>,
}

impl Which {
    fn new() -> Self {
        let (text, values) = ("1".to_owned(), Vec::new());
        Self { text, values }
    }

    fn and(&mut self, condition: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.text.push_str(" AND ");
            self.text.push_str(condition);
            self.values.push(value.into());
        }
    }

    fn alerts(filter: &Filter) -> Self {
        Self::of(filter, "a", "a.made")
    }

    fn muted(filter: &Filter) -> Self {
        Self::of(filter, "m", "m.last_at")
    }

    fn deliveries(filter: &Filter) -> Self {
        let mut which = Self::of(filter, "a", "d.made");
        which.and("d.sink = ?", filter.sink.clone());
        which.and("d.state = ?", filter.state.clone());
        which
    }

    fn of(filter: &Filter, table: &str, time: &str) -> Self {
        let mut which = Self::new();
        which.and(&format!("{table}.project = ?"), filter.project.clone());
        which.and(&format!("{table}.run = ?"), filter.run.clone());
        which.and(&format!("{table}.detector = ?"), filter.detector.clone());
        let level = filter.level.map(|level| level as i64);
        which.and(&format!("{table}.severity >= ?"), level);
        which.and(&format!("{time} >= ?"), filter.since);
        which.and(&format!("{time} < ?"), filter.until);
        which
    }
}

fn read_only(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "query_only", "ON")?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    history::register(&connection)?;
    Ok(connection)
}

fn attempts(json: &str) -> Result<Vec<Attempt>> {
    let rows: Vec<(i64, i64, String, Option<String>)> =
        serde_json::from_str(json).map_err(|error| LedgerError(error.to_string()))?;
    let attempt = |(at, took_ms, outcome, error)| Attempt {
        at,
        took_ms,
        outcome,
        error,
    };
    Ok(rows.into_iter().map(attempt).collect())
}

fn severity(number: i64) -> Severity {
    match number {
        0 => Severity::Info,
        1 => Severity::Warning,
        _ => Severity::Critical,
    }
}

fn as_text<S: Serializer>(millis: &i64, to: S) -> std::result::Result<S::Ok, S::Error> {
    to.collect_str(&Timestamp::from_millisecond(*millis).unwrap_or_default())
}

fn as_text_or_null<S: Serializer>(
    millis: &Option<i64>,
    to: S,
) -> std::result::Result<S::Ok, S::Error> {
    match millis {
        Some(millis) => as_text(millis, to),
        None => to.serialize_none(),
    }
}
