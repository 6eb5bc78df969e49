//! `runwatch mcp`: the ledger for agents.

use std::io;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args as ClapArgs;

use super::Outcome;
use super::delivery::Delivering;
use super::options::Configured;
use crate::deliver::silence::author;
use crate::exit::{Ending, Failure};
use crate::mcp::Server;

/// Serve the ledger to agents over the Model Context Protocol, on standard input and output
///
/// For clients that start it by themselves: `{ "command": "runwatch", "args": ["mcp"] }`.
/// Its tools list and show runs, metrics, alerts, deliveries and silences, and
/// answer SQL; nothing is changed unless `--allow-silence` is given.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    /// Let agents acknowledge alerts and silence warnings, for at most a day
    #[arg(long)]
    allow_silence: bool,
    /// Read this configuration file instead of ./runwatch.toml
    #[arg(long, value_name = "PATH", help_heading = "Configuration")]
    config: Option<PathBuf>,
    #[command(flatten)]
    delivering: Delivering,
}

pub(super) fn run(args: &Args) -> Outcome {
    args.delivering.close_network()?;
    let config = Configured::by_file(args.config.clone()).load()?.config;
    let server = Server {
        ledger: args.delivering.needed_path(&config)?,
        may_silence: args.allow_silence,
        author: match author().as_str() {
            "" => "an agent".to_owned(),
            user => format!("an agent of {user}"),
        },
    };
    server
        .serve(io::stdin().lock(), io::stdout().lock())
        .map_err(|error| Failure::new(Ending::Input, anyhow!("standard input: {error}")))?;
    Ok(Ending::Fine)
}
