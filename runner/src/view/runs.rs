//! The runs that a ledger knows, from their records, their alerts, or both.

use std::collections::BTreeMap;

use super::{Counts, Run, Time};
use crate::deliver::owner;
use crate::ledger::history::Span;
use crate::ledger::{Ledger, Result, Tally};

/// All runs, or those of one project, the one heard of last coming first.
///
/// # Errors
///
/// If the ledger cannot be read.
pub fn runs(ledger: &Ledger, project: Option<&str>) -> Result<Vec<Run>> {
    let mut runs: BTreeMap<(String, String), Run> = BTreeMap::new();
    for span in ledger.spans(project)? {
        let key = (span.project.clone(), span.run.clone());
        runs.insert(key, of_span(span));
    }
    for tally in ledger.tally(project, None)? {
        let key = (tally.project.clone(), tally.run.clone());
        add(runs.entry(key).or_insert_with(|| silent(&tally)), &tally);
    }
    let mut runs: Vec<Run> = runs.into_values().collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.last_activity));
    Ok(runs)
}

/// One run.
///
/// # Errors
///
/// If the ledger cannot be read.
pub fn run(ledger: &Ledger, project: &str, run: &str) -> Result<Option<Run>> {
    let mut found = ledger.span(project, run)?.map(of_span);
    for tally in ledger.tally(Some(project), Some(run))? {
        add(found.get_or_insert_with(|| silent(&tally)), &tally);
    }
    Ok(found)
}

fn of_span(span: Span) -> Run {
    let (first_step, last_step) = span.steps.unzip();
    let watched = || span.owner.as_deref().is_some_and(owner::is_alive);
    let state = match span.ended {
        Some(_) => "ended",
        None if watched() => "live",
        None => "unknown",
    };
    Run {
        created: Some(Time(span.made)),
        last_activity: Some(Time(span.seen)),
        first_step,
        last_step,
        rows: span.rows,
        metrics: span.metrics,
        alerts: Counts::default(),
        muted: 0,
        state,
        project: span.project,
        run: span.run,
    }
}

/// A run of which there are only alerts.
fn silent(tally: &Tally) -> Run {
    Run {
        project: tally.project.clone(),
        run: tally.run.clone(),
        created: Some(Time(tally.first)),
        last_activity: Some(Time(tally.last)),
        first_step: tally.first_step,
        last_step: tally.last_step,
        rows: 0,
        metrics: 0,
        alerts: Counts::default(),
        muted: 0,
        state: if tally.over { "ended" } else { "unknown" },
    }
}

fn add(run: &mut Run, tally: &Tally) {
    run.alerts = tally.alerts;
    run.muted = tally.muted;
    run.created = run.created.min(Some(Time(tally.first)));
    run.last_activity = run.last_activity.max(Some(Time(tally.last)));
}
