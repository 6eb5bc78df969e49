//! `runwatch detector`: what detectors there are, and what one is.

mod bench;
mod docs;
mod replay;
mod subject;
mod test;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, anyhow};
use clap::{Args as ClapArgs, Subcommand};

use super::Outcome;
use super::options::Configured;
use super::output::print;
use crate::config::{self, Config, Flags, Place, list_names, toml_value};
use crate::exit::{Ending, Failure};
use crate::load::{BUILTIN, Loader, builtin_names, is_component_path};
use crate::sandbox::component::CONTRACT_VERSION;
use crate::sandbox::{Component, Limits};
use crate::suggest::did_you_mean;

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
    Inspect(Inspect),
    Test(test::Args),
    /// Measure what a detector costs on healthy noise: time, fuel, memory
    Bench(bench::Args),
    Replay(replay::Args),
    /// Print the reference of the detectors that come with runwatch, as Markdown
    Docs,
}

#[derive(Debug, Clone, ClapArgs)]
struct List {
    #[command(flatten)]
    configured: Configured,
}

#[derive(Debug, Clone, ClapArgs)]
struct Inspect {
    /// The name of a detector, or a component file
    #[arg(value_name = "NAME|PATH")]
    what: String,
    #[command(flatten)]
    configured: Configured,
}

pub(super) fn run(args: &Args) -> Outcome {
    match &args.command {
        Command::List(list) => run_list(list),
        Command::Inspect(inspect) => run_inspect(inspect),
        Command::Test(args) => test::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Docs => run_docs(),
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

fn run_inspect(args: &Inspect) -> Outcome {
    let loader = Loader::new().map_err(|error| Failure::new(Ending::Detector, error))?;
    let builtin = BUILTIN.iter().find(|(name, _)| *name == args.what);
    let (component, origin) = match builtin {
        Some((_, bytes)) => (loader.component(bytes, &Limits::default()), None),
        None if is_component_path(&args.what).is_some() || Path::new(&args.what).is_file() => {
            let bytes = std::fs::read(&args.what)
                .with_context(|| format!("cannot read `{}`", args.what))
                .map_err(|error| Failure::new(Ending::Detector, error))?;
            let component = loader.component(&bytes, &Limits::default());
            (component, Some(args.what.clone()))
        }
        None => {
            // One of the user's own, by the name that the configuration gives it.
            let config = args.configured.load()?.config;
            let detector = config
                .detectors
                .iter()
                .find(|detector| detector.name == args.what)
                .ok_or_else(|| unknown(&args.what, &config))?;
            let path = detector
                .path
                .as_ref()
                .map(|path| path.display().to_string());
            (loader.detector(&config, detector), path)
        }
    };
    let component = component
        .with_context(|| format!("`{}`", args.what))
        .map_err(|error| Failure::new(Ending::Detector, error))?;
    let origin = origin.unwrap_or_else(|| "built in".to_owned());
    print(&describe(&component, &origin));
    Ok(Ending::Fine)
}

fn run_docs() -> Outcome {
    let failed = |error| Failure::new(Ending::Detector, error);
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

fn unknown(name: &str, config: &Config) -> Failure {
    let names = || {
        config
            .detectors
            .iter()
            .map(|detector| detector.name.as_str())
    };
    let hint = match did_you_mean(name, names()) {
        Some(question) => format!("{question} A file needs a path, as in `./{name}.wasm`"),
        None => format!("there are {}", list_names(names())),
    };
    Failure::new(Ending::Usage, anyhow!("there is no detector `{name}`")).hint(hint)
}

fn describe(component: &Component, origin: &str) -> String {
    let description = &component.description;
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{} {}: {}",
        description.name, description.version, description.summary
    );
    let _ = writeln!(text, "\nfrom      {origin}");
    let _ = writeln!(text, "sha256    {}", component.digest_hex());
    let _ = writeln!(
        text,
        "size      {} bytes, {} KiB of memory at start",
        component.size,
        component.memory >> 10
    );
    let _ = writeln!(text, "contract  runwatch:detector@{CONTRACT_VERSION}");
    let _ = writeln!(text, "compiled  {}", component.origin.name());
    let _ = writeln!(text, "\nimports");
    for import in &component.imports {
        let state = if import.granted { "virtual" } else { "DENIED " };
        let _ = writeln!(text, "  {state}  {}", import.name);
    }
    if component.imports.is_empty() {
        let _ = writeln!(text, "  none");
    }
    let _ = writeln!(
        text,
        "\nparameters ([detectors.{}] in runwatch.toml)",
        description.name
    );
    for parameter in &description.parameters {
        let default = toml_value(parameter.kind, &parameter.default);
        let expected = parameter.expected();
        let _ = writeln!(text, "  {} = {default}  # {expected}", parameter.name);
        for line in textwrap::wrap(&parameter.doc, 90) {
            let _ = writeln!(text, "      {line}");
        }
    }
    if description.parameters.is_empty() {
        let _ = writeln!(text, "  none");
    }
    if let Some((_, doc)) = description.facts.iter().find(|(name, _)| name == "doc") {
        let _ = writeln!(text, "\n{}", doc.trim_end());
    }
    text
}
