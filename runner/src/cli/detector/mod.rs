//! `runwatch detector`: what detectors there are, and what one is.

mod bench;
mod build;
mod docs;
mod doctor;
mod inspect;
mod new;
mod replay;
mod subject;
mod test;
mod watch;

use std::fmt::Write as _;
use std::path::Path;

use clap::{Args as ClapArgs, Subcommand};

use super::Outcome;
use super::options::Configured;
use super::output::print;
use crate::author;
use crate::config::{self, Flags, Place};
use crate::exit::{Ending, Failure};
use crate::load::{Loader, builtin_names};

/// List detectors, or inspect one
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// List the detectors, and whether they are on
    List(List),
    /// Show what a detector is, which parameters it has, and what it asks for
    Inspect(inspect::Args),
    /// Make the project of a new detector
    New(new::New),
    /// Say what is missing to build detectors, and what installs it
    Doctor(doctor::Doctor),
    /// Build a project's component and check it
    Build(build::Build),
    Test(test::Args),
    /// Build and play logs again whenever a file of a project changes
    Watch(watch::Watch),
    /// Measure what a detector costs on healthy noise: time, fuel, memory
    Bench(bench::Args),
    Replay(replay::Args),
    /// Print the reference of the detectors that come with runwatch, as Markdown
    Docs(Docs),
}

#[derive(Debug, Clone, ClapArgs)]
struct List {
    #[command(flatten)]
    configured: Configured,
}

#[derive(Debug, Clone, ClapArgs)]
struct Docs {
    /// That of the contract between runwatch and detectors instead
    #[arg(long)]
    contract: bool,
}

pub(super) fn run(args: &Args) -> Outcome {
    match &args.command {
        Command::List(list) => run_list(list),
        Command::Inspect(args) => inspect::run(args),
        Command::New(args) => new::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Build(args) => build::run(args),
        Command::Test(args) => test::run(args),
        Command::Watch(args) => watch::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Docs(docs) => run_docs(docs),
    }
}

fn run_list(args: &List) -> Outcome {
    let loaded = args.configured.load()?;
    let loader = Loader::new().map_err(|error| Failure::new(Ending::Detector, error))?;
    let mut ending = Ending::Fine;
    let mut text = String::new();
    for detector in &loaded.config.detectors {
        let state = if detector.enabled { "on " } else { "off" };
        let (version, summary) = match loader.detector(&loaded.config, detector) {
            Ok(component) => (component.description.version, component.description.summary),
            Err(error) => {
                ending = Ending::Detector;
                ("-".to_owned(), format!("cannot be loaded: {error:#}"))
            }
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{state}  {:<18} {version:<8} {summary}",
            detector.name
        );
    }
    print(&text);
    Ok(ending)
}

fn run_docs(args: &Docs) -> Outcome {
    let failed = |error| Failure::new(Ending::Detector, error);
    if args.contract {
        print(&author::reference::contract().map_err(failed)?);
        return Ok(Ending::Fine);
    }
    // What is said of a detector does not depend on what somebody has set.
    let defaults = Place {
        folder: Path::new("/dev/null"),
        variable: &|_| None,
    };
    let loaded = config::load(&Flags::default(), &defaults, &builtin_names())?;
    let loader = Loader::new().map_err(failed)?;
    print(&docs::reference(&loader, &loaded.config).map_err(failed)?);
    Ok(Ending::Fine)
}
