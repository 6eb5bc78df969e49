//! `runwatch detector build`: from source to a component that loads.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;

use crate::author::build::{self, Built};
use crate::author::project::Project;
use crate::cli::Outcome;
use crate::cli::output::{grouped, print};
use crate::exit::{Ending, Failure};
use crate::load::Loader;

#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Build {
    /// The project's folder
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
}

pub(super) fn run(args: &Build) -> Outcome {
    let project = open(&args.folder)?;
    let loader = Loader::new().map_err(|error| Failure::new(Ending::Detector, error))?;
    let built = build::build(&project, &loader, &mut |line| print(&format!("{line}\n")))?;
    print(&report(&built));
    Ok(Ending::Fine)
}

/// Opens the project in a folder; a folder without one is the user's slip.
pub(super) fn open(folder: &Path) -> Result<Project, Failure> {
    Project::open(folder).map_err(|error| {
        Failure::new(Ending::Usage, error).hint(
            "go into the project's folder, name it, or make one: \
             `runwatch detector new my-rule --lang python`",
        )
    })
}

fn report(built: &Built) -> String {
    let component = &built.component;
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\nsize      {} bytes", grouped(component.size as u64));
    let _ = writeln!(
        text,
        "compiled  {}; loaded in {} ms",
        component.origin.name(),
        built.loading.as_millis()
    );
    let _ = writeln!(text, "memory    {} KiB at start", component.memory >> 10);
    let mut heading = "imports";
    for import in &component.imports {
        let state = if import.granted { "virtual" } else { "DENIED" };
        let _ = writeln!(text, "{heading:<8}  {state:<7}  {}", import.name);
        heading = "";
    }
    if component.imports.is_empty() {
        let _ = writeln!(text, "imports   none");
    }
    let _ = writeln!(
        text,
        "\nok: {} is {} {}; next: runwatch detector test",
        built.file.display(),
        component.description.name,
        component.description.version
    );
    text
}
