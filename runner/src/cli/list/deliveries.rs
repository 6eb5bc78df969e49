//! `runwatch list deliveries`.

use clap::Args as ClapArgs;
use clap::builder::PossibleValuesParser;

use super::out::{Found, Head};
use super::short;
use crate::cli::Outcome;
use crate::cli::delivery::Looked;
use crate::cli::json::Form;
use crate::cli::scope::{Filters, unreadable};
use crate::cli::table::Column;
use crate::cli::times;
use crate::exit::Ending;
use crate::ledger::{Filter, STATES, Told};

#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    /// To this sink
    #[arg(long, value_name = "NAME")]
    sink: Option<String>,
    /// That stand like this
    #[arg(long, value_name = "STATE", value_parser = PossibleValuesParser::new(STATES))]
    state: Option<String>,
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
        sink: args.sink.clone(),
        state: args.state.clone(),
        // One more, to know whether there are more.
        limit: filter.limit.saturating_add(1),
        ..filter.clone()
    };
    let all = ledger
        .find_deliveries(&more)
        .map_err(|error| unreadable(&error))?;
    let columns = [
        Column::whole("time"),
        Column::whole("alert"),
        Column::text("sink"),
        Column::whole("state"),
        Column::number("tries"),
        Column::text("title"),
        Column::text("why"),
    ];
    let head = Head::new(&args.filters, &filter);
    Found::new("deliveries", &all, filter.limit).show(args.form, &head, &columns, cells)?;
    Ok(Ending::Fine)
}

fn cells(told: &Told) -> Vec<String> {
    let title = match told.notice.as_str() {
        "new" => told.title.clone(),
        notice => format!("{notice}: {}", told.title),
    };
    vec![
        times::show(told.made),
        short(&told.alert),
        told.sink.clone(),
        told.state.clone(),
        told.attempts.len().to_string(),
        title,
        why(told),
    ]
}

/// Why a delivery stands where it stands, if that needs a reason.
pub(in crate::cli) fn why(told: &Told) -> String {
    let why = told.error.as_ref().or(told.reason.as_ref());
    why.cloned().unwrap_or_default()
}
