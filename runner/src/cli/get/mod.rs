//! `runwatch get`: one thing of the ledger, with all that is known of it.

mod alert;
mod run;
mod values;

use clap::{Args as ClapArgs, Subcommand};

use super::{Outcome, list};

pub(super) use self::run::heading;

/// Show one thing of the ledger: a project, a run, a metric, an alert
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// A project and its runs
    Project(run::Project),
    /// A run: how far it is, its alerts and its metrics
    Run(run::Run),
    /// The values of a metric
    Metric(values::Metric),
    /// The values of all metrics at a step or a time, or around it
    Snapshot(values::Snapshot),
    /// An alert, and what became of it at each sink
    Alert(alert::Args),
    /// The same as `list alerts`
    Alerts(Box<list::Alerts>),
}

pub(super) fn run(args: &Args) -> Outcome {
    match &args.command {
        Command::Project(args) => run::project(args),
        Command::Run(args) => run::run(args),
        Command::Metric(args) => values::metric(args),
        Command::Snapshot(args) => values::snapshot(args),
        Command::Alert(args) => alert::run(args),
        Command::Alerts(args) => list::alerts(args),
    }
}
