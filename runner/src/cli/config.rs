//! `runwatch config`: start a configuration, check it, see what is in force.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::{Args as ClapArgs, Subcommand};

use super::Outcome;
use super::options::Configured;
use super::output::{count, print, say};
use crate::config;
use crate::deliver::routes::Route;
use crate::exit::{Ending, Failure};
use crate::load::Loader;

/// Start a configuration, check it, or show what is in force
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Write a configuration file in which every setting is explained
    Init(Init),
    /// Check the configuration, and that every detector loads with it
    Check(Check),
    /// Show every setting in force, and where its value comes from
    Show(Check),
}

#[derive(Debug, Clone, ClapArgs)]
struct Init {
    /// The file to write; `-` for standard output
    #[arg(default_value = "runwatch.toml", value_name = "PATH")]
    path: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, ClapArgs)]
struct Check {
    #[command(flatten)]
    configured: Configured,
}

pub(super) fn run(args: &Args) -> Outcome {
    match &args.command {
        Command::Init(init) => run_init(init),
        Command::Check(check) => run_check(check),
        Command::Show(show) => run_show(show),
    }
}

fn run_init(args: &Init) -> Outcome {
    let text = config::template();
    if args.path == Path::new("-") {
        print(&text);
        return Ok(Ending::Fine);
    }
    let shown = args.path.display();
    let mut open = OpenOptions::new();
    open.write(true);
    if args.force {
        open.create(true).truncate(true);
    } else {
        open.create_new(true);
    }
    let mut file = open.open(&args.path).map_err(|error| {
        let exists = error.kind() == ErrorKind::AlreadyExists;
        let error = anyhow!(error).context(format!("cannot write `{shown}`"));
        let failure = Failure::new(Ending::Usage, error);
        if exists {
            failure.hint("add `--force` to replace it")
        } else {
            failure
        }
    })?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("cannot write `{shown}`"))
        .map_err(|error| Failure::new(Ending::Usage, error))?;
    say(&format!(
        "wrote `{shown}`; remove the `#` of a line to change it"
    ));
    Ok(Ending::Fine)
}

fn run_check(args: &Check) -> Outcome {
    let loaded = args.configured.load()?;
    let loader = Loader::new().map_err(|error| Failure::new(Ending::Detector, error))?;
    let detectors = loader.enabled(&loaded.config, |note| say(&format!("note: {note}")))?;
    let routes = &loaded.config.routes;
    if !routes.is_empty() && !routes.iter().any(Route::takes_everything) {
        say(
            "note: an alert that no route takes is kept and not sent; a last `[[routes]]` without \
             `match` takes what is left",
        );
    }
    let from = loaded
        .file
        .as_deref()
        .map_or_else(|| "the defaults".into(), Path::to_string_lossy);
    say(&format!(
        "{from}: fine, {} on",
        count(detectors.len() as u64, "detector", "detectors")
    ));
    Ok(Ending::Fine)
}

fn run_show(args: &Check) -> Outcome {
    let loaded = args.configured.load()?;
    let loader = Loader::new().map_err(|error| Failure::new(Ending::Detector, error))?;
    print(&config::show(
        &loaded,
        &loader.descriptions(&loaded.config),
    )?);
    Ok(Ending::Fine)
}
