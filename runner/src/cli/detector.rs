//! `runwatch detector`: what detectors there are, and what one is.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::{Args as ClapArgs, Subcommand};

use super::Outcome;
use super::options::Configured;
use super::output::print;
use crate::exit::{Ending, Failure};
use crate::load::{BUILTIN, Loader, builtin_names, is_component_path};
use crate::sandbox::component::CONTRACT_VERSION;
use crate::sandbox::{Component, Limits};

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
}

pub(super) fn run(args: &Args) -> Outcome {
    match &args.command {
        Command::List(list) => run_list(list),
        Command::Inspect(inspect) => run_inspect(inspect),
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
    let cached;
    let (origin, bytes) = match BUILTIN.iter().find(|(name, _)| *name == args.what) {
        Some((_, bytes)) => ("built in".to_owned(), *bytes),
        None => {
            let path = PathBuf::from(&args.what);
            if is_component_path(&args.what).is_none() && !path.exists() {
                return Err(unknown(&args.what));
            }
            cached = std::fs::read(&path)
                .with_context(|| format!("cannot read `{}`", path.display()))
                .map_err(|error| Failure::new(Ending::Detector, error))?;
            (path.display().to_string(), cached.as_slice())
        }
    };
    let component = loader
        .component(bytes, &Limits::default())
        .with_context(|| format!("`{}`", args.what))
        .map_err(|error| Failure::new(Ending::Detector, error))?;
    print(&describe(&component, &origin));
    Ok(Ending::Fine)
}

fn unknown(name: &str) -> Failure {
    let names = builtin_names();
    let nearest = names
        .iter()
        .copied()
        .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
    let hint = match nearest.filter(|nearest| strsim::jaro_winkler(nearest, name) > 0.75) {
        Some(nearest) => {
            format!("did you mean `{nearest}`? A file needs a path, as in `./{name}.wasm`")
        }
        None => format!("the built-in ones are {}", names.join(", ")),
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
        "\nparameters ([detector.{}] in runwatch.toml)",
        description.name
    );
    for parameter in &description.parameters {
        let unit = if parameter.unit.is_empty() {
            String::new()
        } else {
            format!(" {}", parameter.unit)
        };
        let default = if parameter.default.is_empty() {
            "\"\""
        } else {
            &parameter.default
        };
        let _ = writeln!(
            text,
            "  {} = {default}{unit}  ({})",
            parameter.name,
            parameter.expected()
        );
        if !parameter.doc.is_empty() {
            for line in textwrap::wrap(&parameter.doc, 90) {
                let _ = writeln!(text, "      {line}");
            }
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
