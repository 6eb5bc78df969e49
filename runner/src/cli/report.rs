//! The reports that `runwatch review` writes besides its output.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use clap::Args;

use super::output::{print, say};
use crate::exit::{Ending, Failure};
use crate::report::{self, Report};

/// Where to write what the review found.
#[derive(Debug, Clone, Args)]
pub(super) struct Reports {
    /// Write a page with charts of all metrics, for a browser; one file, no network
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    html: Option<PathBuf>,
    /// Write a comment for a pull request; here and below `-` is standard output
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    markdown: Option<PathBuf>,
    /// Write test results for CI: a suite per run, a case per detector
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    junit: Option<PathBuf>,
    /// Write results for code hosts (SARIF 2.1.0)
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    sarif: Option<PathBuf>,
}

type Form = fn(&Report) -> Result<String>;

impl Reports {
    fn all(&self) -> impl Iterator<Item = (&'static str, &Path, Form)> {
        let forms: [(_, _, Form); 4] = [
            ("--html", &self.html, |report| Ok(report::html(report)?)),
            ("--markdown", &self.markdown, |report| {
                Ok(report::markdown(report))
            }),
            ("--junit", &self.junit, report::junit),
            ("--sarif", &self.sarif, |report| Ok(report::sarif(report))),
        ];
        forms
            .into_iter()
            .filter_map(|(flag, path, form)| Some((flag, path.as_deref()?, form)))
    }

    /// Whether any is wanted.
    pub(super) fn any(&self) -> bool {
        self.all().next().is_some()
    }

    /// Whether metrics and exceptions are to be collected as well.
    pub(super) fn in_full(&self) -> bool {
        self.html.is_some()
    }

    /// Whether one goes to standard output, which then has nothing else.
    pub(super) fn to_stdout(&self) -> bool {
        self.all().any(|(_, path, _)| is_stdout(path))
    }

    /// Refuses what cannot be meant, before anything is read.
    pub(super) fn check(&self, json: bool, inputs: &[PathBuf]) -> Result<(), Failure> {
        let wrong =
            |text: String, hint: &str| Err(Failure::new(Ending::Usage, anyhow!(text)).hint(hint));
        let mut taken: Vec<(&str, &Path)> = Vec::new();
        if json && self.to_stdout() {
            taken.push(("--json", Path::new("-")));
        }
        for (flag, path, _) in self.all() {
            if let Some((other, _)) = taken.iter().find(|(_, known)| *known == path) {
                let what = match is_stdout(path) {
                    true => "standard output".to_owned(),
                    false => format!("`{}`", path.display()),
                };
                return wrong(
                    format!("{other} and {flag} both write to {what}"),
                    "give each a file of its own",
                );
            }
            taken.push((flag, path));
            let real = fs::canonicalize(path);
            let is_input = |input: &PathBuf| {
                real.as_ref()
                    .is_ok_and(|real| fs::canonicalize(input).is_ok_and(|input| input == *real))
            };
            if !is_stdout(path) && inputs.iter().any(is_input) {
                return wrong(
                    format!("{flag} would overwrite the input `{}`", path.display()),
                    "give it another file",
                );
            }
        }
        Ok(())
    }

    /// Writes them; false: one could not be written, which has been said.
    pub(super) fn write(&self, report: &Report, quiet: bool) -> bool {
        if !quiet && !report.left_out.is_empty() {
            let what = report.left_out.join(", ");
            say(&format!("runwatch: left out of the report: {what}"));
        }
        let mut fine = true;
        for (flag, path, form) in self.all() {
            let written = form(report).and_then(|text| put(path, &text));
            if let Err(error) = written {
                let error = error.context(format!("cannot write the report `{}`", path.display()));
                let failure = Failure::new(Ending::Delivery, error).hint(format!(
                    "give {flag} a file in a folder that exists and can be written"
                ));
                say(&failure.to_string());
                fine = false;
            }
        }
        fine
    }
}

fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Writes a text to a file, or to standard output. Nobody sees half a file: it
/// gets its name when it is whole.
fn put(path: &Path, text: &str) -> Result<()> {
    if is_stdout(path) {
        print(text);
        return Ok(());
    }
    // Not a link is replaced but what it leads to.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
        // A pipe or a device has no other name.
        return fs::write(path, text).context("writing to it failed");
    }
    replace(path, text).map_err(Into::into)
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".runwatch-");
    // A CI system often collects files as another user.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
