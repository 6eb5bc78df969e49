//! `runwatch list`: what there is in the ledger.

use std::num::NonZeroUsize;

use anyhow::anyhow;
use clap::builder::PossibleValuesParser;
use clap::{Args as ClapArgs, Subcommand};
use serde::Serialize;

use super::Outcome;
use super::delivery::Looked;
use super::output::{grouped, print, say};
use super::table::{Column, Table};
use super::times;
use crate::alert::{Alert, Severity};
use crate::deliver::Entry;
use crate::deliver::post::wall_clock;
use crate::exit::{Ending, Failure};
use crate::ledger::{Filter, Ledger, MutedRow, Result, RunRow, STATES, Told, Written};

/// List alerts, deliveries, muted findings or runs of the ledger, the newest last
///
/// Times are in UTC, and those at which something was written down. Nothing
/// found is no failure.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Alerts
    Alerts(Common),
    /// Deliveries: what became of alerts at the sinks, with every attempt
    Deliveries(Deliveries),
    /// Findings that did not become alerts, counted by trouble and reason
    Muted(Common),
    /// Runs that there were alerts or muted findings of
    Runs(Common),
}

#[derive(Debug, Clone, ClapArgs)]
struct Deliveries {
    /// To this sink
    #[arg(long, value_name = "NAME")]
    sink: Option<String>,
    /// That stand like this
    #[arg(long, value_name = "STATE", value_parser = PossibleValuesParser::new(STATES))]
    state: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, ClapArgs)]
struct Common {
    /// Of this project
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Of this run
    #[arg(long, value_name = "NAME")]
    run: Option<String>,
    /// Of this detector
    #[arg(long, value_name = "NAME")]
    detector: Option<String>,
    /// At least so severe: info, warning (or warn), critical (or error)
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    level: Option<Severity>,
    /// From this time on: `2026-11-22T18:00:00+01:00`, or `2h` for two hours ago
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// At most so many, the newest
    #[arg(long, value_name = "NUMBER", default_value = "50")]
    limit: NonZeroUsize,
    /// One object per line as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    looked: Looked,
}

pub(super) fn run(args: &Args) -> Outcome {
    match &args.command {
        Command::Alerts(common) => {
            let columns = [
                Column::whole("time"),
                Column::whole("alert"),
                Column::whole("severity"),
                Column::text("run"),
                Column::number("step"),
                Column::text("detector"),
                Column::text("title"),
            ];
            let list = List {
                what: "alerts",
                columns: &columns,
                row: alert,
            };
            let json = |written: &Written| line(&written.alert);
            list.show(common, common.filter()?, Ledger::find_alerts, json)
        }
        Command::Deliveries(deliveries) => {
            let columns = [
                Column::whole("time"),
                Column::whole("alert"),
                Column::text("sink"),
                Column::whole("state"),
                Column::number("tries"),
                Column::text("title"),
                Column::text("why"),
            ];
            let list = List {
                what: "deliveries",
                columns: &columns,
                row: delivery,
            };
            let filter = Filter {
                sink: deliveries.sink.clone(),
                state: deliveries.state.clone(),
                ..deliveries.common.filter()?
            };
            list.show(&deliveries.common, filter, Ledger::find_deliveries, line)
        }
        Command::Muted(common) => {
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
            let list = List {
                what: "muted findings",
                columns: &columns,
                row: muted,
            };
            list.show(common, common.filter()?, Ledger::find_muted, line)
        }
        Command::Runs(common) => {
            let columns = [
                Column::whole("last"),
                Column::text("project"),
                Column::text("run"),
                Column::number("critical"),
                Column::number("warning"),
                Column::number("info"),
                Column::number("resolved"),
                Column::number("muted"),
                Column::number("step"),
            ];
            let list = List {
                what: "runs",
                columns: &columns,
                row: of_run,
            };
            list.show(common, common.filter()?, Ledger::find_runs, line)
        }
    }
}

/// How one kind of things is listed.
struct List<'a, T> {
    what: &'static str,
    columns: &'a [Column],
    row: fn(&T) -> Vec<String>,
}

impl<T> List<'_, T> {
    fn show(
        &self,
        common: &Common,
        filter: Filter,
        find: fn(&Ledger, &Filter) -> Result<Vec<T>>,
        json: fn(&T) -> std::result::Result<String, Failure>,
    ) -> Outcome {
        let ledger = common.looked.open()?;
        let limit = filter.limit;
        // One more, to know whether there are more.
        let more = Filter {
            limit: limit.saturating_add(1),
            ..filter
        };
        let found = find(&ledger, &more).map_err(|error| wrong(&error.0))?;
        let shown = &found[found.len().saturating_sub(limit)..];
        if common.json {
            let lines: std::result::Result<String, Failure> = shown.iter().map(json).collect();
            print(&lines?);
        } else if !shown.is_empty() {
            let mut table = Table::new(self.columns.iter().cloned());
            shown.iter().for_each(|it| table.row((self.row)(it)));
            print(&table.text());
        }
        if found.is_empty() {
            say(&format!("no {} found", self.what));
        } else if shown.len() < found.len() {
            let (what, limit) = (self.what, grouped(limit as u64));
            say(&format!(
                "only the newest {what}, {limit}: --limit shows more"
            ));
        }
        Ok(Ending::Fine)
    }
}

impl Common {
    fn filter(&self) -> std::result::Result<Filter, Failure> {
        let now = wall_clock();
        Ok(Filter {
            project: self.project.clone(),
            run: self.run.clone(),
            detector: self.detector.clone(),
            level: self.level,
            since: time(self.since.as_deref(), now)?,
            until: time(self.until.as_deref(), now)?,
            sink: None,
            state: None,
            limit: self.limit.get(),
        })
    }
}

fn time(text: Option<&str>, now: i64) -> std::result::Result<Option<i64>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let hint = "write it with its offset (2026-11-22T18:00:00+01:00, or …Z), or how long ago it \
                was: 2h, 3d";
    let time = times::parse(text, now);
    time.map(Some)
        .ok_or_else(|| wrong(&format!("`{text}` is no time")).hint(hint))
}

/// A severity, also by the names that Trackio gives to them.
fn level(text: &str) -> std::result::Result<Severity, String> {
    match text {
        "warn" => Ok(Severity::Warning),
        "error" => Ok(Severity::Critical),
        name => super::delivery::severity(name),
    }
}

fn wrong(what: &str) -> Failure {
    Failure::new(Ending::Usage, anyhow!("{what}"))
}

/// A line of JSON.
pub(super) fn line(it: &impl Serialize) -> std::result::Result<String, Failure> {
    let json = serde_json::to_string(it).map_err(|error| wrong(&error.to_string()))?;
    Ok(format!("{json}\n"))
}

/// As much of an alert's id as tells it from others.
pub(super) fn short(id: &str) -> String {
    id.get(..8).unwrap_or(id).to_owned()
}

fn step(step: Option<i64>) -> String {
    step.map_or_else(String::new, |step| step.to_string())
}

fn alert(written: &Written) -> Vec<String> {
    let alert: &Alert = &written.alert;
    vec![
        times::show(written.made),
        short(&alert.id),
        Entry::new(alert.clone()).label().to_lowercase(),
        alert.run.clone(),
        step(alert.step),
        alert.detector.clone(),
        alert.title.clone(),
    ]
}

fn delivery(told: &Told) -> Vec<String> {
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
pub(super) fn why(told: &Told) -> String {
    let why = told.error.as_ref().or(told.reason.as_ref());
    why.cloned().unwrap_or_default()
}

fn muted(row: &MutedRow) -> Vec<String> {
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

fn of_run(row: &RunRow) -> Vec<String> {
    let numbers = [row.critical, row.warning, row.info, row.resolved, row.muted];
    let mut cells = vec![times::show(row.last), row.project.clone(), row.run.clone()];
    cells.extend(numbers.map(|number| number.to_string()));
    cells.push(step(row.last_step));
    cells
}
