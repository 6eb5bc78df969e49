//! `runwatch get project` and `get run`.

use clap::Args as ClapArgs;
use serde::Serialize;

use crate::cli::Outcome;
use crate::cli::delivery::Looked;
use crate::cli::json::{Json, Object, document};
use crate::cli::list::{metric_cells, metric_columns};
use crate::cli::output::{count, grouped, print};
use crate::cli::scope::{self, Scope, unreadable};
use crate::cli::table::{Column, Table};
use crate::cli::times;
use crate::deliver::text::clean_line;
use crate::exit::Ending;
use crate::view::{self, Counts, Time};

#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Project {
    /// The project; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    #[command(flatten)]
    form: Json,
    #[command(flatten)]
    looked: Looked,
}

#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Run {
    #[command(flatten)]
    scope: Scope,
    #[command(flatten)]
    form: Json,
    #[command(flatten)]
    looked: Looked,
}

/// A project as Trackio has it: the oldest run first, and the highest step as
/// its last activity.
#[derive(Serialize)]
struct ProjectRow<'a> {
    project: &'a str,
    num_runs: usize,
    runs: Vec<Named<'a>>,
    last_activity: Option<i64>,
}

#[derive(Serialize)]
struct Named<'a> {
    id: &'a str,
    name: &'a str,
    created_at: Option<Time>,
    last_activity: Option<Time>,
    rows: u64,
    last_step: Option<i64>,
    alerts: Counts,
    muted: u64,
    state: &'static str,
}

pub(super) fn project(args: &Project) -> Outcome {
    let ledger = args.looked.open()?;
    let scope = Scope {
        project: args.project.clone(),
        run: None,
    };
    let project = scope.the_project(&ledger)?;
    let mut runs = view::runs(&ledger, Some(&project)).map_err(|error| unreadable(&error))?;
    runs.sort_by_key(|run| run.created);
    let last_activity = runs.iter().filter_map(|run| run.last_step).max();
    if args.form.json {
        let named = runs.iter().map(|run| Named {
            id: &run.run,
            name: &run.run,
            created_at: run.created,
            last_activity: run.last_activity,
            rows: run.rows,
            last_step: run.last_step,
            alerts: run.alerts,
            muted: run.muted,
            state: run.state,
        });
        print(&document(&ProjectRow {
            project: &project,
            num_runs: runs.len(),
            runs: named.collect(),
            last_activity,
        })?);
        return Ok(Ending::Fine);
    }
    let mut table = Table::new([
        Column::whole("created"),
        Column::text("run"),
        Column::whole("state"),
        Column::number("rows"),
        Column::number("step"),
        Column::number("critical"),
        Column::number("warning"),
    ]);
    for run in &runs {
        let step = run.last_step.map(|step| step.to_string());
        table.row([
            shown(run.created),
            run.run.clone(),
            run.state.to_owned(),
            run.rows.to_string(),
            step.unwrap_or_default(),
            run.alerts.critical.to_string(),
            run.alerts.warning.to_string(),
        ]);
    }
    let number = count(runs.len() as u64, "run", "runs");
    let project = clean_line(&project);
    print(&format!("Project {project}: {number}\n\n{}", table.text()));
    Ok(Ending::Fine)
}

/// A run as Trackio has it, and what it has no room for.
#[derive(Serialize)]
struct RunRow<'a> {
    project: &'a str,
    run: &'a str,
    /// Trackio gives null here whenever a run is asked for by its name.
    run_id: Option<&'a str>,
    num_logs: u64,
    metrics: Vec<&'a str>,
    /// What the job was configured with is nothing that a log says.
    config: Object<'a, ()>,
    last_step: Option<i64>,
    first_step: Option<i64>,
    created: Option<Time>,
    last_activity: Option<Time>,
    alerts: Counts,
    muted: u64,
    state: &'static str,
    details: &'a [view::Metric],
}

pub(super) fn run(args: &Run) -> Outcome {
    let ledger = args.looked.open()?;
    let run = args.scope.the_run(&ledger)?;
    let mut metrics = scope::metrics(&ledger, &run)?;
    if args.form.json {
        metrics.sort_by(|a, b| a.name.cmp(&b.name));
        print(&document(&RunRow {
            project: &run.project,
            run: &run.run,
            run_id: None,
            num_logs: run.rows,
            metrics: metrics.iter().map(|metric| metric.name.as_str()).collect(),
            config: Object(&[]),
            last_step: run.last_step,
            first_step: run.first_step,
            created: run.created,
            last_activity: run.last_activity,
            alerts: run.alerts,
            muted: run.muted,
            state: run.state,
            details: &metrics,
        })?);
        return Ok(Ending::Fine);
    }
    let mut text = heading(&run);
    if !metrics.is_empty() {
        let mut table = Table::new(metric_columns());
        metrics.iter().for_each(|it| table.row(metric_cells(it)));
        text.push_str(&format!("\n{}", table.text()));
    }
    print(&text);
    Ok(Ending::Fine)
}

/// What there is to say of a run before its metrics.
pub(in crate::cli) fn heading(run: &view::Run) -> String {
    let Counts {
        critical,
        warning,
        info,
        resolved,
    } = run.alerts;
    let steps = match (run.first_step, run.last_step) {
        (Some(first), Some(last)) => format!(", steps {first} to {last}"),
        _ => String::new(),
    };
    let name = format!("{}/{}", run.project, run.run);
    format!(
        "Run     {} ({})\nSeen    {} to {}\nRecords {}{steps}\nAlerts  {}, {}, {}; {resolved} \
         resolved, {} muted\n",
        clean_line(&name),
        run.state,
        shown(run.created),
        shown(run.last_activity),
        grouped(run.rows),
        count(critical, "critical", "criticals"),
        count(warning, "warning", "warnings"),
        count(info, "info", "infos"),
        grouped(run.muted),
    )
}

fn shown(time: Option<Time>) -> String {
    time.map(|time| times::show(time.0)).unwrap_or_default()
}
