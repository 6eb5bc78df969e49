//! `runwatch get alert`: one alert, and what became of it at each sink.

use anyhow::anyhow;
use clap::Args as ClapArgs;
use serde::Serialize;

use crate::alert::Alert;
use crate::cli::Outcome;
use crate::cli::delivery::Looked;
use crate::cli::json::line;
use crate::cli::list::why;
use crate::cli::output::print;
use crate::cli::scope::unreadable;
use crate::cli::table::{Column, Table};
use crate::cli::times;
use crate::deliver::Entry;
use crate::deliver::text::clean;
use crate::exit::{Ending, Failure};
use crate::ledger::Told;

#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    /// The alert's id, or how it begins
    #[arg(value_name = "ID")]
    id: String,
    /// As one line of JSON: the alert with its `deliveries`
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    looked: Looked,
}

/// An alert in its usual form with one field more.
#[derive(Serialize)]
struct Full<'a> {
    #[serde(flatten)]
    alert: &'a Alert,
    deliveries: &'a [Told],
}

pub(super) fn run(args: &Args) -> Outcome {
    let ledger = args.looked.open()?;
    let found = match args.id.as_str() {
        // Such as of a variable that is not set.
        "" => None,
        id => ledger.alert(id).map_err(|error| unreadable(&error))?,
    };
    let Some(alert) = found else {
        let error = anyhow!("there is no alert `{}` in the ledger", args.id);
        return Err(Failure::new(Ending::Input, error)
            .hint("`runwatch list alerts` shows those that there are"));
    };
    let deliveries = ledger
        .deliveries_of(&alert.id)
        .map_err(|error| unreadable(&error))?;
    if args.json {
        let (alert, deliveries) = (&alert, deliveries.as_slice());
        print(&line(&Full { alert, deliveries })?);
    } else {
        print(&text(alert, &deliveries));
    }
    Ok(Ending::Fine)
}

fn text(alert: Alert, deliveries: &[Told]) -> String {
    let mut last = format!("Alert: {}", alert.id);
    if let Some(time) = &alert.time {
        last.push_str(&format!(" · Time: {time}"));
    }
    let evidence = match &alert.evidence {
        Some(evidence) => format!("{}\n\n", evidence.trim_end()),
        None => String::new(),
    };
    let text = format!("{}\n{last}\n\n{evidence}", Entry::new(alert).plain());
    let became = match deliveries {
        [] => "It was meant for no sink.\n".to_owned(),
        some => table(some),
    };
    clean(&text).into_owned() + &became
}

fn table(deliveries: &[Told]) -> String {
    // In full, though it may be wider than a screen.
    let mut table = Table::new([
        Column::whole("sink"),
        Column::whole("notice"),
        Column::whole("state"),
        Column::number("tries"),
        Column::whole("last"),
        Column::whole("why"),
    ]);
    for told in deliveries {
        let tried = told.attempts.last().map(|attempt| attempt.at);
        table.row([
            told.sink.clone(),
            told.notice.clone(),
            told.state.clone(),
            told.attempts.len().to_string(),
            times::show(tried.or(told.done).unwrap_or(told.made)),
            why(told),
        ]);
    }
    table.text()
}
