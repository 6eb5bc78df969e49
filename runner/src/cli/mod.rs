//! The command line: one file per subcommand, thin.

mod act;
pub(crate) mod compare;
mod config;
mod decode;
mod delivery;
mod demo;
mod detector;
pub(crate) mod diagnose;
mod evaluate;
mod exec;
mod export;
mod follow;
mod get;
mod halt;
mod import;
#[cfg(feature = "network")]
mod ingest;
mod json;
mod list;
mod live;
mod lock;
mod logs;
mod mcp;
mod options;
mod output;
mod panics;
mod plot;
mod progress;
mod query;
mod report;
mod review;
mod route;
mod scope;
#[cfg(feature = "network")]
mod serve;
mod silence;
mod sink;
mod table;
pub(crate) mod times;
mod watch;
mod watch_dir;

use std::io::IsTerminal;

use clap::{CommandFactory, Parser, Subcommand};

use crate::exit::{Ending, Failure};

/// Watches machine-learning training runs and says, in time and in plain words,
/// what is going wrong and what to do about it.
///
/// Without a subcommand it watches standard input, which passes through to
/// standard output unchanged; alerts appear on standard error:
///
///     python train.py 2>&1 | runwatch
///
/// With `--follow` it watches files as they grow:
///
///     runwatch --follow runs/exp1/train.log
#[derive(Debug, Parser)]
#[command(
    name = "runwatch",
    version,
    verbatim_doc_comment,
    args_conflicts_with_subcommands = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    watch: watch::Args,
}

#[derive(Debug, Subcommand)]
enum Command {
    Exec(exec::Args),
    Watch(watch_dir::Args),
    Review(review::Args),
    Decode(decode::Args),
    Demo(demo::Args),
    Detector(detector::Args),
    Evaluate(evaluate::Args),
    Sink(sink::Args),
    Route(route::Args),
    Silence(silence::Args),
    List(list::Args),
    Get(get::Args),
    Import(import::Args),
    Export(export::Args),
    Plot(plot::Args),
    Query(query::Args),
    Diagnose(diagnose::Args),
    Compare(compare::Args),
    Mcp(mcp::Args),
    #[cfg(feature = "network")]
    Serve(serve::Args),
    Config(config::Args),
    Lock(lock::Args),
}

/// What a subcommand ends with.
type Outcome = Result<Ending, Failure>;

/// Parses the command line, does what it says, and gives the exit code.
#[must_use]
pub fn main() -> u8 {
    panics::scrub_messages();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for; anything else is a usage error.
            let asked = error.exit_code() == 0;
            // Nothing can be done about a closed standard error.
            let _ = error.print();
            if asked {
                return Ending::Fine.code();
            }
            if meant_to_watch() {
                watch::only_pass_through();
            }
            return Ending::Usage.code();
        }
    };
    let outcome = match cli.command {
        None => watch::run(&cli.watch),
        // Its exit code is the job's.
        Some(Command::Exec(args)) => match exec::run(&args) {
            Ok(code) => return code,
            Err(failure) => Err(failure),
        },
        Some(Command::Watch(args)) => watch_dir::run(&args),
        Some(Command::Review(args)) => review::run(&args),
        Some(Command::Decode(args)) => decode::run(&args),
        Some(Command::Demo(args)) => demo::run(&args),
        Some(Command::Detector(args)) => detector::run(&args),
        Some(Command::Evaluate(args)) => evaluate::run(&args),
        Some(Command::Sink(args)) => sink::run(&args),
        Some(Command::Route(args)) => route::run(&args),
        Some(Command::Silence(args)) => silence::run(&args),
        Some(Command::List(args)) => list::run(&args),
        Some(Command::Get(args)) => get::run(&args),
        Some(Command::Import(args)) => import::run(&args),
        Some(Command::Export(args)) => export::run(&args),
        Some(Command::Plot(args)) => plot::run(&args),
        Some(Command::Query(args)) => query::run(&args),
        Some(Command::Diagnose(args)) => diagnose::run(&args),
        Some(Command::Compare(args)) => compare::run(&args),
        Some(Command::Mcp(args)) => mcp::run(&args),
        #[cfg(feature = "network")]
        Some(Command::Serve(args)) => serve::run(&args),
        Some(Command::Config(args)) => config::run(&args),
        Some(Command::Lock(args)) => lock::run(&args),
    };
    match outcome {
        Ok(ending) => ending.code(),
        Err(failure) => {
            output::say(&failure.to_string());
            failure.ending.code()
        }
    }
}

/// Whether a job may be writing to us, though the command line is wrong: one
/// that names no subcommand and no file, at the end of a pipe. Ending would
/// kill the job.
fn meant_to_watch() -> bool {
    let command = Cli::command();
    let reads_elsewhere = std::env::args_os().skip(1).any(|argument| {
        argument.to_string_lossy().starts_with("--follow")
            || command
                .get_subcommands()
                .any(|sub| argument == sub.get_name())
    });
    !reads_elsewhere && !std::io::stdin().is_terminal()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    /// Two flags or groups of one name would stop each start of the program.
    #[test]
    fn arguments_do_not_collide() {
        Cli::command().debug_assert();
    }
}
