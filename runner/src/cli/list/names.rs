//! `runwatch list projects`, `metrics`, `silences` and `sinks`: short lists that
//! are always whole.

use clap::Args as ClapArgs;
use serde::Serialize;

use super::out::Found;
use crate::cli::Outcome;
use crate::cli::delivery::Looked;
use crate::cli::json::{Form, document, lines};
use crate::cli::output::{number, print};
use crate::cli::scope::{self, Scope, unreadable};
use crate::cli::table::Column;
use crate::deliver::post::wall_clock;
use crate::exit::Ending;
use crate::ledger::SinkRow;
use crate::view::{self, Metric};

#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Projects {
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    looked: Looked,
}

#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Metrics {
    #[command(flatten)]
    scope: Scope,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    looked: Looked,
}

#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Silences {
    /// Those that have ended, too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    looked: Looked,
}

#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Sinks {
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    looked: Looked,
}

/// Prints a list that has no order in time.
fn show<T: Serialize>(
    form: Form,
    what: &'static str,
    items: &[T],
    whole: &impl Serialize,
    columns: &[Column],
    row: fn(&T) -> Vec<String>,
) -> Outcome {
    let found = Found::new(what, items, usize::MAX);
    if form.json {
        print(&document(whole)?);
    } else if form.json_lines {
        print(&lines(items)?);
    } else {
        found.table(columns, row);
    }
    found.note(form.json);
    Ok(Ending::Fine)
}

pub(super) fn projects(args: &Projects) -> Outcome {
    #[derive(Serialize)]
    struct Document<'a> {
        projects: &'a [String],
    }
    let ledger = args.looked.open()?;
    let projects = ledger.projects().map_err(|error| unreadable(&error))?;
    let whole = Document {
        projects: &projects,
    };
    let columns = [Column::whole("project")];
    show(args.form, "projects", &projects, &whole, &columns, |it| {
        vec![it.clone()]
    })
}

pub(super) fn metrics(args: &Metrics) -> Outcome {
    #[derive(Serialize)]
    struct Document<'a> {
        project: &'a str,
        run: &'a str,
        metrics: Vec<&'a str>,
        details: &'a [Metric],
    }
    let ledger = args.looked.open()?;
    let run = args.scope.the_run(&ledger)?;
    let mut metrics = scope::metrics(&ledger, &run)?;
    metrics.sort_by(|a, b| a.name.cmp(&b.name));
    let whole = Document {
        project: &run.project,
        run: &run.run,
        metrics: metrics.iter().map(|metric| metric.name.as_str()).collect(),
        details: &metrics,
    };
    show(
        args.form,
        "metrics",
        &metrics,
        &whole,
        &metric_columns(),
        metric_cells,
    )
}

pub(in crate::cli) fn metric_columns() -> [Column; 9] {
    [
        Column::text("metric"),
        Column::number("values"),
        Column::number("from"),
        Column::number("to"),
        Column::number("first"),
        Column::number("last"),
        Column::number("min"),
        Column::number("max"),
        Column::number("not finite"),
    ]
}

pub(in crate::cli) fn metric_cells(metric: &Metric) -> Vec<String> {
    let extreme = |value: Option<f64>| value.map(number).unwrap_or_default();
    vec![
        metric.name.clone(),
        metric.rows.to_string(),
        metric.first_step.to_string(),
        metric.last_step.to_string(),
        number(metric.first.0),
        number(metric.last.0),
        extreme(metric.min),
        extreme(metric.max),
        match metric.nonfinite {
            0 => String::new(),
            some => some.to_string(),
        },
    ]
}

pub(super) fn silences(args: &Silences) -> Outcome {
    #[derive(Serialize)]
    struct Document<'a> {
        silences: &'a [view::Silence],
    }
    let ledger = args.looked.open()?;
    let rows = view::silences(&ledger, args.all, wall_clock());
    let rows = rows.map_err(|error| unreadable(&error))?;
    let columns = [
        Column::whole("silence"),
        Column::whole("state"),
        Column::text("matchers"),
        Column::whole("until"),
        Column::whole("up to"),
        Column::text("by"),
        Column::text("comment"),
    ];
    let whole = Document { silences: &rows };
    show(args.form, "silences", &rows, &whole, &columns, |row| {
        vec![
            row.id.clone(),
            row.state.to_owned(),
            row.matchers.clone(),
            row.until.clone(),
            row.severity.to_owned(),
            row.by.clone(),
            row.comment.clone(),
        ]
    })
}

pub(super) fn sinks(args: &Sinks) -> Outcome {
    #[derive(Serialize)]
    struct Document<'a> {
        sinks: &'a [SinkRow],
    }
    let ledger = args.looked.open()?;
    let sinks = ledger.find_sinks().map_err(|error| unreadable(&error))?;
    let columns = [
        Column::text("sink"),
        Column::number("waiting"),
        Column::number("dead"),
        Column::number("delivered"),
        Column::number("failures"),
        Column::text("switched off"),
    ];
    let whole = Document { sinks: &sinks };
    show(args.form, "sinks", &sinks, &whole, &columns, |row| {
        let mut cells = vec![row.name.clone()];
        let numbers = [row.waiting, row.dead, row.delivered, row.failures];
        cells.extend(numbers.map(|number| number.to_string()));
        cells.push(row.broken.clone().unwrap_or_default());
        cells
    })
}
