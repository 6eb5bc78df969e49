//! `runwatch detector inspect`: what a component is, before anyone runs it.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use clap::Args as ClapArgs;
use serde_json::{Value, json};

use crate::cli::Outcome;
use crate::cli::options::Configured;
use crate::cli::output::print;
use crate::config::{self, Config, list_names, toml_value};
use crate::describe::Interest;
use crate::exit::{Ending, Failure};
use crate::load::{BUILTIN, Loader, is_component_path};
use crate::sandbox::{Component, Instance, Limits};
use crate::suggest::did_you_mean;

#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Args {
    /// The name of a detector, or a component file
    #[arg(value_name = "NAME|PATH")]
    what: String,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    configured: Configured,
}

pub(super) fn run(args: &Args) -> Outcome {
    let failed = |error| Failure::new(Ending::Detector, error);
    let loader = Loader::new().map_err(failed)?;
    let (component, source) = find(args, &loader)?;
    let component = component
        .with_context(|| format!("`{}`", args.what))
        .map_err(failed)?;
    let interests = interests(&component);
    if args.json {
        print(&format!(
            "{:#}\n",
            as_json(&component, source.as_deref(), &interests)
        ));
    } else {
        print(&as_text(&component, source.as_deref(), &interests));
    }
    Ok(Ending::Fine)
}

type Found = (anyhow::Result<Component>, Option<String>);

/// The component, and the file that it comes from if it is not built in.
fn find(args: &Args, loader: &Loader) -> Result<Found, Failure> {
    let what = &args.what;
    if let Some((_, bytes)) = BUILTIN.iter().find(|(name, _)| name == what) {
        return Ok((loader.component(bytes, &Limits::default()), None));
    }
    if is_component_path(what).is_some() || Path::new(what).is_file() {
        let bytes = std::fs::read(what)
            .with_context(|| format!("cannot read `{what}`"))
            .map_err(|error| Failure::new(Ending::Detector, error))?;
        let component = loader.component(&bytes, &Limits::default());
        return Ok((component, Some(what.clone())));
    }
    // One of the user's own, by the name that the configuration gives it.
    let config = args.configured.load()?.config;
    let detector = config
        .detectors
        .iter()
        .find(|detector| detector.name == *what)
        .ok_or_else(|| unknown(what, &config))?;
    let path = detector.path.as_ref();
    let path = path.map(|path| path.display().to_string());
    Ok((loader.detector(&config, detector), path))
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

/// What it asks for with the defaults; the error is why nobody knows.
fn interests(component: &Component) -> Result<Vec<Interest>, String> {
    let parameters = config::resolve(&component.description, &[]).map_err(|it| it.to_string())?;
    let mut instance = Instance::new(component).map_err(|error| format!("{error:#}"))?;
    let monitor = instance
        .open(&[], &parameters)
        .map_err(|fault| fault.to_string())?
        .map_err(|refusal| format!("it refuses its own defaults: {refusal}"))?;
    instance
        .interests(monitor)
        .map_err(|fault| fault.to_string())
}

fn as_json(
    component: &Component,
    source: Option<&str>,
    interests: &Result<Vec<Interest>, String>,
) -> Value {
    let description = &component.description;
    let imports = component.imports.iter().map(|import| {
        let state = if import.granted { "virtual" } else { "denied" };
        json!({"name": import.name, "state": state})
    });
    let parameters = description.parameters.iter().map(|it| {
        let limits: serde_json::Map<_, _> = it
            .limits
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect();
        json!({
            "name": it.name, "kind": it.kind.name(), "default": it.default, "unit": it.unit,
            "doc": it.doc, "limits": limits,
        })
    });
    let interests = interests.as_ref().map_or_else(
        |problem| json!({"error": problem}),
        |interests| {
            let interests = interests.iter().map(|it| {
                let options: serde_json::Map<_, _> = it
                    .options
                    .iter()
                    .map(|(name, value)| (name.clone(), value.as_str().into()))
                    .collect();
                json!({"kind": it.kind, "pattern": it.pattern, "options": options})
            });
            interests.collect()
        },
    );
    let facts: serde_json::Map<_, _> = description
        .facts
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    json!({
        "name": description.name,
        "version": description.version,
        "summary": description.summary,
        "source": source,
        "sha256": component.digest_hex(),
        "bytes": component.size,
        "memory_bytes": component.memory,
        "contract": component.contract,
        "compiled": component.origin.word(),
        "imports": imports.collect::<Vec<_>>(),
        "interests": interests,
        "parameters": parameters.collect::<Vec<_>>(),
        "facts": facts,
    })
}

fn as_text(
    component: &Component,
    source: Option<&str>,
    interests: &Result<Vec<Interest>, String>,
) -> String {
    let description = &component.description;
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{} {}: {}",
        description.name, description.version, description.summary
    );
    let _ = writeln!(text, "\nfrom      {}", source.unwrap_or("built in"));
    let _ = writeln!(text, "sha256    {}", component.digest_hex());
    let _ = writeln!(
        text,
        "size      {} bytes, {} KiB of memory at start",
        component.size,
        component.memory >> 10
    );
    let _ = writeln!(text, "contract  runwatch:detector@{}", component.contract);
    let _ = writeln!(text, "compiled  {}", component.origin.name());
    let _ = writeln!(text, "\nimports");
    for import in &component.imports {
        let state = if import.granted { "virtual" } else { "DENIED " };
        let _ = writeln!(text, "  {state}  {}", import.name);
    }
    if component.imports.is_empty() {
        let _ = writeln!(text, "  none");
    }
    let _ = writeln!(text, "\nasks for");
    match interests {
        Ok(interests) => text.extend(interests.iter().map(asked_for)),
        Err(problem) => {
            let _ = writeln!(text, "  unknown: {problem}");
        }
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

fn asked_for(interest: &Interest) -> String {
    let options = interest.options.iter();
    let options: String = options
        .map(|(name, value)| format!("  {name} = {value}"))
        .collect();
    // It is the detector's own text.
    let line = format!("{:<9} {}{options}", interest.kind, interest.pattern);
    let harmless = line.replace(char::is_control, "\u{fffd}");
    format!("  {harmless}\n")
}
