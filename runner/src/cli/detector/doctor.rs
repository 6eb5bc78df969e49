//! `runwatch detector doctor`: what is missing, and what installs it.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum as _};

use super::build::open;
use crate::author::contract::{self, Pinned};
use crate::author::language::{Language, Tool};
use crate::author::project::{self, Project};
use crate::cli::Outcome;
use crate::cli::output::print;
use crate::cli::table::{Column, Table};
use crate::exit::Ending;
use crate::sandbox::cache::Cache;
use crate::sandbox::component::CONTRACT_VERSION;

#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Doctor {
    /// A project's folder: only its language is looked at
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// The language to look at; all of them if neither it nor a project is there
    #[arg(long, value_name = "LANGUAGE")]
    lang: Option<Language>,
}

pub(super) fn run(args: &Doctor) -> Outcome {
    let project = project(args)?;
    let language = args.lang.or(project.as_ref().map(|it| it.language));
    let languages = match language {
        Some(language) => vec![language],
        None => Language::value_variants().to_vec(),
    };
    let checked: Vec<(Language, Vec<Tool>)> = languages
        .into_iter()
        .map(|language| (language, language.tools(project.as_ref())))
        .collect();
    let mut text = table(&checked);
    text.push_str(&advice(&checked));
    text.push_str(&around(project.as_ref()));
    print(&text);
    let one = checked.iter().any(|(_, tools)| is_complete(tools));
    Ok(if one { Ending::Fine } else { Ending::Detector })
}

/// The project in the folder that was named, or in this one if there is one.
fn project(args: &Doctor) -> Result<Option<Project>, crate::exit::Failure> {
    let here = PathBuf::from(".");
    match &args.folder {
        Some(folder) => open(folder).map(Some),
        None if here.join(project::FILE).is_file() => open(&here).map(Some),
        None => Ok(None),
    }
}

fn is_complete(tools: &[Tool]) -> bool {
    !tools.is_empty() && tools.iter().all(|tool| tool.found.is_ok())
}

fn table(checked: &[(Language, Vec<Tool>)]) -> String {
    let mut table = Table::new([
        Column::whole("language"),
        Column::whole("tool"),
        Column::whole(""),
        Column::text("which"),
    ]);
    for (language, tools) in checked {
        for tool in tools {
            let (state, which) = match &tool.found {
                Ok(which) => ("ok", which),
                Err(why) => ("MISSING", why),
            };
            table.row([language.name(), tool.name, state, which].map(str::to_owned));
        }
    }
    table.text()
}

/// What to do for each language, or that nothing is to do.
fn advice(checked: &[(Language, Vec<Tool>)]) -> String {
    let mut text = String::new();
    for (language, tools) in checked {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n{}", language.name());
        if is_complete(tools) {
            let _ = writeln!(text, "  ready: runwatch detector build");
        }
        let mut told = Vec::new();
        for tool in tools.iter().filter(|tool| tool.found.is_err()) {
            if !told.contains(&&tool.install) {
                let _ = writeln!(text, "  install: {}", tool.install);
                told.push(&tool.install);
            }
        }
    }
    text
}

/// What does not hang on the language.
fn around(project: Option<&Project>) -> String {
    let mut text = format!("\ncontract  runwatch:detector@{CONTRACT_VERSION}");
    if let Some(project) = project {
        text.push_str(match contract::pinned(project) {
            Pinned::Same => "; wit/detector.wit is the same",
            Pinned::Differs => "; wit/detector.wit differs from it: fine if another 0.1.x wrote it",
            Pinned::Missing => "; wit/detector.wit is MISSING, and nothing can be built without",
        });
    }
    let cache = match Cache::user().folder() {
        Some(folder) => format!("{}: compiled detectors are kept", folder.display()),
        None => "NOT USABLE: each start compiles anew. Set XDG_CACHE_HOME to a folder that only \
                 you can write to"
            .to_owned(),
    };
    // Writing to a String cannot fail.
    let _ = write!(text, "\ncache     {cache}\n");
    text
}
