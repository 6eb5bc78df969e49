//! `runwatch list`: what there is in the ledger.

mod alerts;
mod deliveries;
mod muted;
mod names;
mod out;
mod runs;

use clap::{Args as ClapArgs, Subcommand};

use super::Outcome;

pub(super) use self::alerts::Args as Alerts;
pub(super) use self::alerts::run as alerts;
pub(super) use self::deliveries::why;
pub(super) use self::names::{metric_cells, metric_columns};

/// List what the ledger knows, the newest last
///
/// Times are in UTC, and those at which something was written down. Nothing
/// found is no failure; a project or a run that there is not is one.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Projects
    Projects(names::Projects),
    /// Runs, with their records, alerts and whether they live
    Runs(runs::Args),
    /// The metrics of a run
    Metrics(names::Metrics),
    /// Alerts
    Alerts(Box<Alerts>),
    /// Deliveries: what became of alerts at the sinks, with every attempt
    Deliveries(Box<deliveries::Args>),
    /// Findings that did not become alerts, counted by trouble and reason
    Muted(Box<muted::Args>),
    /// Silences that have not ended
    Silences(names::Silences),
    /// Sinks that something was sent to, and how they stand
    Sinks(names::Sinks),
}

pub(super) fn run(args: &Args) -> Outcome {
    match &args.command {
        Command::Projects(args) => names::projects(args),
        Command::Runs(args) => runs::run(args),
        Command::Metrics(args) => names::metrics(args),
        Command::Alerts(args) => alerts::run(args),
        Command::Deliveries(args) => deliveries::run(args),
        Command::Muted(args) => muted::run(args),
        Command::Silences(args) => names::silences(args),
        Command::Sinks(args) => names::sinks(args),
    }
}

/// As much of an alert's id as tells it from others.
fn short(id: &str) -> String {
    id.get(..8).unwrap_or(id).to_owned()
}

fn step(step: Option<i64>) -> String {
    step.map_or_else(String::new, |step| step.to_string())
}
