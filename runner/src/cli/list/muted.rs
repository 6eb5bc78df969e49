//! `runwatch list muted`.

use clap::Args as ClapArgs;

use super::out::{Found, Head};
use super::step;
use crate::cli::Outcome;
use crate::cli::delivery::Looked;
use crate::cli::json::Form;
use crate::cli::scope::{Filters, unreadable};
use crate::cli::table::Column;
use crate::cli::times;
use crate::exit::Ending;
use crate::ledger::{Filter, MutedRow};

#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    looked: Looked,
}

pub(super) fn run(args: &Args) -> Outcome {
    let ledger = args.looked.open()?;
    let json = args.form.json || args.form.json_lines;
    let filter = args.filters.filter(&ledger, json)?;
    let more = Filter {
        // One more, to know whether there are more.
        limit: filter.limit.saturating_add(1),
        ..filter.clone()
    };
    let all = ledger
        .find_muted(&more)
        .map_err(|error| unreadable(&error))?;
    let columns = [
        Column::whole("last"),
        Column::whole("severity"),
        Column::text("run"),
        Column::text("detector"),
        Column::text("key"),
        Column::whole("reason"),
        Column::number("count"),
        Column::number("step"),
        Column::text("title"),
    ];
    let head = Head::new(&args.filters, &filter);
    let mut found = Found::new("muted", &all, filter.limit);
    if !args.form.json {
        found.what = "muted findings";
    }
    found.show(args.form, &head, &columns, cells)?;
    Ok(Ending::Fine)
}

fn cells(row: &MutedRow) -> Vec<String> {
    vec![
        times::show(row.last),
        row.severity.name().to_owned(),
        row.run.clone(),
        row.detector.clone(),
        row.key.clone(),
        row.reason.clone(),
        row.count.to_string(),
        step(row.last_step),
        row.title.clone(),
    ]
}
