//! From a project's source to a component that has proved it runs.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use tempfile::NamedTempFile;

use super::contract;
use super::explain::explain;
use super::language::{Step, Tool};
use super::project::Project;
use super::sources::is_stale;
use crate::exit::{Ending, Failure};
use crate::load::Loader;
use crate::sandbox::{Component, Limits};

/// A project's component, built and checked.
pub struct Built {
    /// Where it is.
    pub file: PathBuf,
    /// What the load check found.
    pub component: Component,
    /// How long the load check took; if the code was not in the cache, most of
    /// it is its compilation.
    pub loading: Duration,
}

/// Builds a project and checks the component as a start of runwatch does; only
/// then it takes the place of the last one. `say` is told each command before
/// it runs, and what else its user should know.
///
/// # Errors
/// Which tool is missing, which step failed and what it said, or what is wrong
/// with the component.
pub fn build(
    project: &Project,
    loader: &Loader,
    say: &mut dyn FnMut(&str),
) -> Result<Built, Failure> {
    let missing = missing(&project.language.tools(Some(project)));
    if !missing.is_empty() {
        return Err(Failure {
            ending: Ending::Detector,
            errors: missing,
        });
    }
    if contract::pinned(project) == contract::Pinned::Differs {
        say(&format!(
            "# {} is not the contract of this runwatch, word for word; that is fine for another \
             0.1.x",
            contract::FILE
        ));
    }
    let bytes = compile(project, say)?;
    let built = check(project, loader, &bytes)?;
    keep(&bytes, &built.file).map_err(|error| Failure::new(Ending::Detector, error))?;
    Ok(built)
}

/// The component as it was built last, or built now if any source is newer.
///
/// # Errors
/// As [`build`].
pub fn current(
    project: &Project,
    loader: &Loader,
    say: &mut dyn FnMut(&str),
) -> Result<Built, Failure> {
    if is_stale(project) {
        return build(project, loader, say);
    }
    let file = project.component();
    let bytes = std::fs::read(&file)
        .with_context(|| format!("cannot read `{}`", file.display()))
        .map_err(|error| Failure::new(Ending::Detector, error))?;
    check(project, loader, &bytes)
}

/// Loads a component as a start of runwatch does, and asks for its name.
fn check(project: &Project, loader: &Loader, bytes: &[u8]) -> Result<Built, Failure> {
    let begin = Instant::now();
    let component = loader
        .component(bytes, &Limits::default())
        .with_context(|| format!("`{}` was built and does not load", project.name))
        .map_err(|error| Failure::new(Ending::Detector, error))?;
    let loading = begin.elapsed();
    let called = &component.description.name;
    if *called != project.name {
        let error = anyhow!(
            "the component calls itself `{called}`, and `detector.toml` says `{}`",
            project.name
        );
        let failure = Failure::new(Ending::Detector, error);
        return Err(failure.hint("write the same name in both places"));
    }
    let file = project.component();
    Ok(Built {
        file: file.strip_prefix(".").unwrap_or(&file).to_owned(),
        component,
        loading,
    })
}

/// The tools that are not there, each with the command that installs it.
#[must_use]
pub fn missing(tools: &[Tool]) -> Vec<(String, Option<String>)> {
    let missing = tools.iter().filter_map(|tool| {
        let why = tool.found.as_ref().err()?;
        let error = format!("`{}` is missing ({}): {why}", tool.name, tool.purpose);
        Some((error, Some(format!("install it: {}", tool.install))))
    });
    missing.collect()
}

/// Runs the steps, and gives the component.
fn compile(project: &Project, say: &mut dyn FnMut(&str)) -> Result<Vec<u8>, Failure> {
    let failed = |error: anyhow::Error| {
        let advice = explain(&format!("{error:#}"));
        let failure = Failure::new(Ending::Detector, error);
        advice.map_or(failure.clone(), |advice| failure.hint(advice))
    };
    let folder = &project.folder;
    if folder != Path::new(".") {
        say(&format!("$ cd {}", quoted(&folder.to_string_lossy())));
    }
    if !project.component().is_file() {
        say("# the first build takes the longest: up to a minute or two");
    }
    let mut bytes = None;
    for step in project.language.steps(project) {
        match step {
            Step::Run(command) => run(folder, &command, say)?,
            Step::CBindings { folder: bindings } => {
                say(&format!(
                    "# runwatch writes the C bindings of wit/ into {}/",
                    bindings.display()
                ));
                contract::write_c_bindings(folder, &folder.join(bindings)).map_err(failed)?;
            }
            Step::Componentize { module } => {
                say(&format!(
                    "# runwatch makes a component of {} and wit/",
                    module.display()
                ));
                let made = contract::componentize(folder, &folder.join(module));
                bytes = Some(made.map_err(failed)?);
            }
            Step::Take { from } => {
                let from = folder.join(from);
                let read = std::fs::read(&from)
                    .with_context(|| format!("no component was written to `{}`", from.display()));
                bytes = Some(read.map_err(failed)?);
            }
        }
    }
    let none = || anyhow!("no step makes a component of `{}`", project.name);
    bytes.ok_or_else(|| Failure::new(Ending::Detector, none()))
}

/// Runs a command in a folder. What it prints is shown if it fails or warns.
fn run(folder: &Path, command: &[String], say: &mut dyn FnMut(&str)) -> Result<(), Failure> {
    let words: Vec<String> = command.iter().map(|word| quoted(word)).collect();
    say(&format!("$ {}", words.join(" ")));
    let Some((program, arguments)) = command.split_first() else {
        return Ok(());
    };
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("`{program}` does not start"))
        .map_err(|error| Failure::new(Ending::Detector, error))?;
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    if output.status.success() {
        if printed.contains("warning") {
            say(printed.trim_end());
        }
        return Ok(());
    }
    say(printed.trim_end());
    let error = anyhow!("`{program}` failed ({})", output.status);
    let failure = Failure::new(Ending::Detector, error);
    Err(match explain(&printed) {
        Some(advice) => failure.hint(advice),
        None => failure,
    })
}

/// Writes the component beside its place and renames it, so that a watch that
/// reads it never meets half a file.
fn keep(bytes: &[u8], file: &Path) -> anyhow::Result<()> {
    let cannot = || format!("cannot write `{}`", file.display());
    let folder = file.parent().filter(|it| !it.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".built-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // As for any file that a compiler writes, less the user's mask.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut beside: NamedTempFile = builder
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .with_context(cannot)?;
    beside.write_all(bytes).with_context(cannot)?;
    beside.persist(file).with_context(cannot)?;
    Ok(())
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_can_be_pasted_into_a_shell() {
        assert_eq!(quoted("--target=wasm32-wasi"), "--target=wasm32-wasi");
        assert_eq!(quoted("my rule"), "'my rule'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
