//! `runwatch list runs`.

use std::collections::HashMap;

use clap::Args as ClapArgs;
use serde::Serialize;

use super::out::Found;
use super::step;
use crate::cli::Outcome;
use crate::cli::delivery::Looked;
use crate::cli::json::{Form, document, lines};
use crate::cli::output::print;
use crate::cli::scope::{Filters, unreadable};
use crate::cli::table::Column;
use crate::cli::times;
use crate::exit::{Ending, Failure};
use crate::ledger::{Filter, Ledger, RunRow};
use crate::view::{Counts, Run, Time};

/// The filters choose runs, `--detector` and `--level` also what is counted
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    looked: Looked,
}

/// Runs as Trackio lists them, the oldest first, and what is known of them.
#[derive(Serialize)]
struct Document<'a> {
    project: Option<&'a str>,
    runs: Vec<&'a str>,
    details: Vec<&'a Run>,
}

pub(super) fn run(args: &Args) -> Outcome {
    let ledger = args.looked.open()?;
    let form = args.form;
    let filters = &args.filters;
    let filter = filters.filter(&ledger, form.json || form.json_lines)?;
    let scope = filters.scope();
    let mut runs = scope.runs(&ledger, filter.project.as_deref())?;
    runs.retain(|run| was_active(run, &filter));
    if filter.detector.is_some() || filter.level.is_some() {
        runs = counted(&ledger, &filter, runs)?;
    }
    runs.reverse();
    let found = Found::new("runs", &runs, filter.limit);
    if form.json {
        let mut details: Vec<&Run> = found.items.iter().collect();
        details.sort_by_key(|run| run.created);
        let runs = details.iter().map(|run| run.run.as_str()).collect();
        let project = filter.project.as_deref();
        print(&document(&Document {
            project,
            runs,
            details,
        })?);
    } else if form.json_lines {
        print(&lines(found.items)?);
    } else {
        found.table(&columns(), cells);
    }
    found.note(form.json);
    Ok(Ending::Fine)
}

/// Whether anything was heard of a run in the time that is meant.
fn was_active(run: &Run, filter: &Filter) -> bool {
    let after = |since| run.last_activity.is_none_or(|last| last >= Time(since));
    let before = |until| run.created.is_none_or(|first| first < Time(until));
    filter.since.is_none_or(after) && filter.until.is_none_or(before)
}

/// Those of them with such alerts or muted findings, which alone are counted.
fn counted(ledger: &Ledger, filter: &Filter, runs: Vec<Run>) -> Result<Vec<Run>, Failure> {
    let all = Filter {
        since: None,
        until: None,
        limit: usize::MAX,
        ..filter.clone()
    };
    let rows = ledger.find_runs(&all).map_err(|error| unreadable(&error))?;
    let key = |row: RunRow| ((row.project.clone(), row.run.clone()), row);
    let rows: HashMap<(String, String), RunRow> = rows.into_iter().map(key).collect();
    let such = runs.into_iter().filter_map(|run| {
        let row = rows.get(&(run.project.clone(), run.run.clone()))?;
        let alerts = Counts {
            critical: row.critical.unsigned_abs(),
            warning: row.warning.unsigned_abs(),
            info: row.info.unsigned_abs(),
            resolved: row.resolved.unsigned_abs(),
        };
        let muted = row.muted.unsigned_abs();
        Some(Run {
            alerts,
            muted,
            ..run
        })
    });
    Ok(such.collect())
}

fn columns() -> [Column; 10] {
    [
        Column::whole("last"),
        Column::text("project"),
        Column::text("run"),
        Column::whole("state"),
        Column::number("rows"),
        Column::number("step"),
        Column::number("critical"),
        Column::number("warning"),
        Column::number("info"),
        Column::number("muted"),
    ]
}

fn cells(run: &Run) -> Vec<String> {
    let Counts {
        critical,
        warning,
        info,
        ..
    } = run.alerts;
    let last = run.last_activity.map(|last| times::show(last.0));
    let mut cells = vec![
        last.unwrap_or_default(),
        run.project.clone(),
        run.run.clone(),
        run.state.to_owned(),
        run.rows.to_string(),
        step(run.last_step),
    ];
    cells.extend([critical, warning, info, run.muted].map(|it| it.to_string()));
    cells
}
