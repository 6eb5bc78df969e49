//! `runwatch detector docs`: the reference of detectors, in Markdown.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};

use crate::alert::{Alert, State};
use crate::cli::options::PLAIN_WIDTH;
use crate::config::Config;
use crate::decode::{Decoder, Options};
use crate::deliver::print::Printer as _;
use crate::deliver::print::console::{Console, Form};
use crate::describe::{Description, ParameterSpec};
use crate::judge::{Judge, Policy};
use crate::load::{Loader, alone};
use crate::pipeline::Pipeline;
use crate::sandbox::Component;

/// The reference of the detectors that come with runwatch.
///
/// # Errors
/// When one cannot be loaded, or its example cannot be run.
pub(super) fn reference(loader: &Loader, config: &Config) -> Result<String> {
    let mut text = String::new();
    for detector in config.detectors.iter().filter(|it| it.path.is_none()) {
        let component = loader.detector(config, detector)?;
        let description = component.description.clone();
        text.push_str(&section(&description));
        if let Some(example) = loader.example(&detector.name) {
            let shown = alert_of(component, example)
                .with_context(|| format!("the example of `{}`", description.name))?;
            // Writing to a String cannot fail.
            let _ = writeln!(text, "\nAn alert:\n\n```text\n{shown}```");
        }
    }
    Ok(text)
}

/// What a detector is and what can be set.
fn section(description: &Description) -> String {
    let Description {
        name,
        version,
        summary,
        parameters,
        facts,
    } = description;
    let mut text = format!("\n## {name}\n\n{summary}. Version {version}.\n\n");
    if let Some((_, doc)) = facts.iter().find(|(key, _)| key == "doc") {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}\n", doc.trim());
    }
    if parameters.is_empty() {
        text.push_str("It has no parameters.\n");
        return text;
    }
    text.push_str("| parameter | default | what | valid |\n|---|---|---|---|\n");
    text.extend(parameters.iter().map(row));
    text
}

fn row(parameter: &ParameterSpec) -> String {
    let ParameterSpec {
        name,
        default,
        unit,
        doc,
        ..
    } = parameter;
    let default = match default.as_str() {
        "" => "`\"\"`".to_owned(),
        // A long list may break where it has commas.
        list if list.contains(',') => {
            let items: Vec<_> = list.split(',').map(|item| format!("`{item}`")).collect();
            items.join(", ")
        }
        one => format!("`{one}` {unit}").trim_end().to_owned(),
    };
    format!(
        "| `{name}` | {default} | {doc} | {} |\n",
        parameter.expected()
    )
}

/// The worst alert of the detector's example, as the console shows it.
fn alert_of(component: Component, example: &str) -> Result<String> {
    let judge = Judge::new(Policy::default(), "gpu-7".to_owned());
    let mut pipeline = Pipeline::new(alone(component, &[])?, judge);
    let mut decoder = Decoder::new(Options {
        input: "train.log".into(),
        run: "example".to_owned(),
        interests: pipeline.interests(),
        ..Options::default()
    });
    decoder.push(example.as_bytes());
    decoder.finish();
    let mut alerts = Vec::new();
    pipeline.submit(decoder.take(), &mut alerts);
    pipeline.finish("unknown", &mut alerts);
    let firing = alerts.iter().filter(|alert| alert.state == State::Firing);
    // Of the worst ones the first.
    let worst = firing.rev().max_by_key(|alert| alert.severity);
    show(worst.context("no alert")?)
}

fn show(alert: &Alert) -> Result<String> {
    let mut text = Vec::new();
    let mut console = Console::new(&mut text, Form::Panel, false, Some(PLAIN_WIDTH));
    console
        .print(alert)
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    console
        .flush()
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let text = String::from_utf8(text).context("the console writes text")?;
    Ok(text.trim_start_matches('\n').to_owned())
}
