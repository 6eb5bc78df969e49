//! `runwatch list alerts`, once or for as long as somebody reads.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use clap::Args as ClapArgs;
use serde::Serialize;

use super::out::{Document, Found, Head};
use super::{short, step};
use crate::alert::{Severity, State};
use crate::cli::Outcome;
use crate::cli::delivery::Looked;
use crate::cli::json::{Form, document, line, lines};
use crate::cli::output::print;
use crate::cli::scope::{Filters, LIMIT, unreadable};
use crate::cli::table::Column;
use crate::cli::times;
use crate::deliver::Entry;
use crate::deliver::text::clean_line;
use crate::exit::{Ending, Failure};
use crate::ledger::{Filter, Ledger, LedgerError};
use crate::view::{self, Alert, Number, Time};

/// How often the ledger is asked whether it has changed.
const POLL: Duration = Duration::from_millis(250);

#[derive(Debug, Clone, ClapArgs)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    filters: Filters,
    /// Then go on: print each new alert as it is written down, until Ctrl-C
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    looked: Looked,
}

pub(in crate::cli) fn run(args: &Args) -> Outcome {
    let ledger = args.looked.open()?;
    if args.follow {
        return follow(args, &ledger);
    }
    let filters = &args.filters;
    let form = args.form;
    let filter = filters.filter(&ledger, form.json || form.json_lines)?;
    let (mut alerts, more) = find(&ledger, &filter, None, filter.limit)?;
    alerts.reverse();
    let items = alerts.as_slice();
    let found = Found {
        what: "alerts",
        items,
        more,
    };
    if form.json {
        let head = Head::new(filters, &filter);
        let newest = items.iter().rev().map(Row::new).collect();
        let name = found.what;
        print(&document(&Document {
            head: &head,
            name,
            newest,
        })?);
    } else if form.json_lines {
        print(&lines(&plain(items))?);
    } else {
        found.table(&columns(), cells);
    }
    found.note(form.json);
    Ok(Ending::Fine)
}

/// Those with a number above this, the newest first, and whether there are more.
fn find(
    ledger: &Ledger,
    filter: &Filter,
    after: Option<i64>,
    limit: usize,
) -> Result<(Vec<Alert>, bool), Failure> {
    let which = view::Filter {
        project: filter.project.clone(),
        run: filter.run.clone(),
        detector: filter.detector.clone(),
        level: filter.level,
        since: filter.since,
        until: filter.until,
        after,
        ..view::Filter::default()
    };
    view::alerts(ledger, &which, limit).map_err(|error| unreadable(&error))
}

/// Prints what there is and then what comes. The reader's end is ours.
fn follow(args: &Args, ledger: &Ledger) -> Outcome {
    // Of the first ones there may be none.
    let first = args.filters.limit.unwrap_or(LIMIT);
    let filter = args.filters.unlimited(ledger)?;
    let show = |alerts: &[Alert]| -> Result<bool, Failure> {
        let mut text = String::new();
        for alert in alerts.iter().rev() {
            if args.form.json || args.form.json_lines {
                text.push_str(&line(&alert.alert)?);
            } else {
                text.push_str(&told(alert));
            }
        }
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        Ok(written.is_ok())
    };
    let mut version = changed(ledger)?;
    // Whatever they are about, so that those before are not looked at again.
    let (any, _) = find(ledger, &Filter::default(), None, 1)?;
    let (alerts, _) = find(ledger, &filter, None, first)?;
    let newest = any.iter().chain(&alerts).map(|alert| alert.seq).max();
    let mut last = newest.unwrap_or(0);
    let mut wanted = show(&alerts)?;
    while wanted {
        thread::sleep(POLL);
        let now = changed(ledger)?;
        if now == version {
            continue;
        }
        version = now;
        let (alerts, _) = find(ledger, &filter, Some(last), usize::MAX)?;
        if let Some(newest) = alerts.first() {
            last = newest.seq;
            wanted = show(&alerts)?;
        }
    }
    Ok(Ending::Fine)
}

fn changed(ledger: &Ledger) -> Result<i64, Failure> {
    ledger
        .version()
        .map_err(|error: LedgerError| unreadable(&error))
}

/// The alerts in their usual form, `docs/alert.md`.
fn plain(alerts: &[Alert]) -> Vec<&crate::alert::Alert> {
    alerts.iter().map(|alert| &alert.alert).collect()
}

/// An alert as Trackio has it, and what it has no room for.
#[derive(Serialize)]
struct Row<'a> {
    timestamp: Option<Time>,
    run: &'a str,
    title: &'a str,
    text: String,
    level: &'static str,
    step: Option<i64>,
    id: &'a str,
    seq: i64,
    project: &'a str,
    detector: &'a str,
    key: &'a str,
    severity: Severity,
    state: State,
    time: Option<&'a str>,
    message: &'a str,
    recommendation: &'a str,
    values: Values<'a>,
    ranks: &'a [u32],
    first_step: Option<i64>,
    count: u64,
    acknowledged: Option<&'a view::Acknowledged>,
}

struct Values<'a>(&'a [(String, f64)]);

impl Serialize for Values<'_> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, value)| (name, Number(*value))))
    }
}

impl<'a> Row<'a> {
    fn new(of: &'a Alert) -> Self {
        let alert = &of.alert;
        let fires = alert.state == State::Firing;
        Self {
            timestamp: of.made,
            run: &alert.run,
            title: &alert.title,
            text: match fires {
                true => format!("{}\nWhat to do: {}", alert.message, alert.recommendation),
                false => alert.message.clone(),
            },
            level: match alert.severity {
                Severity::Critical => "error",
                Severity::Warning => "warn",
                Severity::Info => "info",
            },
            step: alert.step,
            id: &alert.id,
            seq: of.seq,
            project: &alert.project,
            detector: &alert.detector,
            key: &alert.key,
            severity: alert.severity,
            state: alert.state,
            time: alert.time.as_deref(),
            message: &alert.message,
            recommendation: &alert.recommendation,
            values: Values(&alert.values),
            ranks: &alert.ranks,
            first_step: alert.first_step,
            count: alert.count,
            acknowledged: of.acknowledged.as_ref(),
        }
    }
}

fn columns() -> [Column; 7] {
    [
        Column::whole("time"),
        Column::whole("alert"),
        Column::whole("severity"),
        Column::text("run"),
        Column::number("step"),
        Column::text("detector"),
        Column::text("title"),
    ]
}

fn cells(of: &Alert) -> Vec<String> {
    let alert = &of.alert;
    vec![
        of.made.map(|made| times::show(made.0)).unwrap_or_default(),
        short(&alert.id),
        Entry::new(alert.clone()).label().to_lowercase(),
        alert.run.clone(),
        step(alert.step),
        alert.detector.clone(),
        alert.title.clone(),
    ]
}

/// An alert as a line of its own: of what is to come, no table knows the widths.
fn told(of: &Alert) -> String {
    let alert = &of.alert;
    let [time, id, label] = [
        of.made.map(|made| times::show(made.0)).unwrap_or_default(),
        short(&alert.id),
        Entry::new(alert.clone()).label().to_lowercase(),
    ];
    let at = alert
        .step
        .map_or_else(String::new, |step| format!(" step {step}"));
    let rest = format!(
        "{}/{}{at}  {}: {}",
        alert.project, alert.run, alert.detector, alert.title
    );
    format!("{time}  {id}  {label:<8}  {}\n", clean_line(&rest))
}
