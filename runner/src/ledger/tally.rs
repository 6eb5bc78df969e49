//! How many alerts and muted findings each run has.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{Ledger, Result};
use crate::view::Counts;

/// What was said of a run, counted. Times are in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The project.
    pub project: String,
    /// The run.
    pub run: String,
    /// Alerts.
    pub alerts: Counts,
    /// Findings that did not become alerts.
    pub muted: u64,
    /// When the first of them was written down.
    pub first: i64,
    /// When the last of them was written down.
    pub last: i64,
    /// The first step that anything was said of.
    pub first_step: Option<i64>,
    /// The last one.
    pub last_step: Option<i64>,
    /// The run is known to have ended after its last alert.
    pub over: bool,
}

impl Ledger {
    /// Counts what was said: of one run, of a project's runs, or of all.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn tally(&self, project: Option<&str>, run: Option<&str>) -> Result<Vec<Tally>> {
        self.read(|connection| {
            let mut tallies = BTreeMap::new();
            alerts(connection, project, run, &mut tallies)?;
            muted(connection, project, run, &mut tallies)?;
            Ok(tallies.into_values().collect())
        })
    }
}

type Tallies = BTreeMap<(String, String), Tally>;

fn alerts(
    connection: &Connection,
    project: Option<&str>,
    run: Option<&str>,
    tallies: &mut Tallies,
) -> Result<()> {
    // The index has all of it, so that alerts themselves are not read.
    let mut query = connection.prepare_cached(&format!(
        "SELECT project, run, firing, severity, count(*), min(made), max(made), min(step),
         max(step), min(over) FROM alert INDEXED BY alert_tally
         WHERE {} GROUP BY project, run, firing, severity",
        condition(project, run)
    ))?;
    let mut rows = query.query(params![project, run])?;
    while let Some(row) = rows.next()? {
        let tally = entry(tallies, row.get(0)?, row.get(1)?, row.get(5)?, row.get(6)?);
        tally.steps(row.get(7)?, row.get(8)?);
        tally.over = row.get(9)?;
        let number = row.get::<_, i64>(4)?.unsigned_abs();
        let counts = &mut tally.alerts;
        let count = match (row.get::<_, bool>(2)?, row.get::<_, i64>(3)?) {
            (false, _) => &mut counts.resolved,
            (true, 0) => &mut counts.info,
            (true, 1) => &mut counts.warning,
            (true, _) => &mut counts.critical,
        };
        *count += number;
    }
    Ok(())
}

fn muted(
    connection: &Connection,
    project: Option<&str>,
    run: Option<&str>,
    tallies: &mut Tallies,
) -> Result<()> {
    let mut query = connection.prepare_cached(&format!(
        "SELECT project, run, sum(count), min(first_at), max(last_at), min(first_step),
         max(last_step) FROM muted WHERE {} GROUP BY project, run",
        condition(project, run)
    ))?;
    let mut rows = query.query(params![project, run])?;
    while let Some(row) = rows.next()? {
        let tally = entry(tallies, row.get(0)?, row.get(1)?, row.get(3)?, row.get(4)?);
        tally.muted = row.get::<_, i64>(2)?.unsigned_abs();
        tally.steps(row.get(5)?, row.get(6)?);
    }
    Ok(())
}

/// Which rows, said so that an index finds them. It names both parameters.
fn condition(project: Option<&str>, run: Option<&str>) -> &'static str {
    match (project, run) {
        (Some(_), Some(_)) => "project = ?1 AND run = ?2",
        (Some(_), None) => "project = ?1 AND ?2 IS NULL",
        (None, Some(_)) => "?1 IS NULL AND run = ?2",
        (None, None) => "?1 IS NULL AND ?2 IS NULL",
    }
}

fn entry(tallies: &mut Tallies, project: String, run: String, first: i64, last: i64) -> &mut Tally {
    let tally = tallies
        .entry((project.clone(), run.clone()))
        .or_insert_with(|| Tally {
            project,
            run,
            alerts: Counts::default(),
            muted: 0,
            first,
            last,
            first_step: None,
            last_step: None,
            over: false,
        });
    tally.first = tally.first.min(first);
    tally.last = tally.last.max(last);
    tally
}

impl Tally {
    fn steps(&mut self, first: Option<i64>, last: Option<i64>) {
        let sooner = [self.first_step, first].into_iter().flatten().min();
        (self.first_step, self.last_step) = (sooner, self.last_step.max(last));
    }
}
