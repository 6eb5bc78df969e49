//! Which of several copies of a tool is taken.

use std::path::PathBuf;

use crate::author::programs;
use crate::author::project::Project;

/// A program that may be installed for one project.
pub(super) struct Program {
    /// What to run in the project's folder.
    pub(super) command: String,
    /// Where it is, if it is there.
    at: Option<PathBuf>,
}

/// The program that a variable names, or the project's own, or that of `PATH`.
pub(super) fn program(
    variable: &str,
    project: Option<&Project>,
    own: &'static str,
    name: &'static str,
) -> Program {
    if let Some(named) = std::env::var(variable).ok().filter(|it| !it.is_empty()) {
        return Program {
            at: programs::find(&named),
            command: named,
        };
    }
    let in_project = project.map(|project| project.folder.join(own));
    match in_project.filter(|path| path.is_file()) {
        Some(path) => Program {
            command: own.to_owned(),
            at: Some(path),
        },
        None => Program {
            command: name.to_owned(),
            at: programs::find(name),
        },
    }
}

impl Program {
    /// Where it is, if it answers a question such as `--version`; the error says
    /// what is missing.
    pub(super) fn answers(&self, question: &str) -> Result<String, String> {
        let Some(path) = &self.at else {
            return Err("neither in the project's folder nor in PATH".to_owned());
        };
        let path = path.display().to_string();
        let first = programs::version(&[&path, question])?;
        Ok(format!("{path}: {first}"))
    }
}
