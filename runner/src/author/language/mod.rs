//! What is different in each language: the files of a new project, the tools
//! that must be there, and the steps from source to component.

mod c;
mod chosen;
mod javascript;
mod python;
mod rust;

use std::path::PathBuf;

use clap::ValueEnum;
use serde::Deserialize;

use super::project::Project;

/// A language that a new detector can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// Rust, through the SDK
    Rust,
    /// Python, through componentize-py
    Python,
    /// JavaScript, through componentize-qjs
    #[value(name = "js", alias = "javascript")]
    #[serde(rename = "js", alias = "javascript")]
    JavaScript,
    /// C, through clang
    C,
}

/// A file of a new project. In its text, `{{name}}` stands for the detector's
/// name and `{{identifier}}` for the same with `_` for `-`.
#[derive(Debug, Clone)]
pub struct Template {
    /// The path in the project, in which `{{identifier}}` may stand.
    pub path: &'static str,
    /// The text.
    pub text: &'static str,
}

/// A program, or a part of one, without which nothing is built.
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// Where it was found, with its version if it said one; the error says
    /// what is missing.
    pub found: Result<String, String>,
    /// The command that installs it.
    pub install: String,
}

/// One step from source to component.
pub enum Step {
    /// Runs a command in the project's folder.
    Run(Vec<String>),
    /// Writes the C bindings of `wit/` into this folder.
    CBindings {
        /// The folder.
        folder: PathBuf,
    },
    /// Makes a component of a core module and of `wit/`.
    Componentize {
        /// The core module.
        module: PathBuf,
    },
    /// Takes the component that a tool has written.
    Take {
        /// Where the tool has written it.
        from: PathBuf,
    },
}

impl Language {
    /// The name on the command line and in `detector.toml`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::JavaScript => "js",
            Self::C => "c",
        }
    }

    /// The files of a new project, but for those that all languages share.
    #[must_use]
    pub fn templates(self) -> Vec<Template> {
        match self {
            Self::Rust => rust::templates(),
            Self::Python => python::templates(),
            Self::JavaScript => javascript::templates(),
            Self::C => c::templates(),
        }
    }

    /// What must be there to build; looked for in a project's folder as well,
    /// if there is one.
    #[must_use]
    pub fn tools(self, project: Option<&Project>) -> Vec<Tool> {
        match self {
            Self::Rust => rust::tools(),
            Self::Python => python::tools(project),
            Self::JavaScript => javascript::tools(project),
            Self::C => c::tools(),
        }
    }

    /// The steps from source to component.
    #[must_use]
    pub fn steps(self, project: &Project) -> Vec<Step> {
        match self {
            Self::Rust => rust::steps(project),
            Self::Python => python::steps(project),
            Self::JavaScript => javascript::steps(project),
            Self::C => c::steps(project),
        }
    }
}
