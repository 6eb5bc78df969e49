//! Makes a new project.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::contract;
use super::language::{Language, Template};
use super::project;
use crate::sandbox::component::CONTRACT_VERSION;

/// What all languages share. `README.md` is made of two texts.
const COMMON: &[Template] = &[
    Template {
        path: project::FILE,
        text: include_str!("templates/common/detector.toml"),
    },
    Template {
        path: "README.md",
        text: include_str!("templates/common/README.md"),
    },
    Template {
        path: "runwatch.toml",
        text: include_str!("templates/common/runwatch.toml"),
    },
    Template {
        path: ".gitignore",
        text: include_str!("templates/common/gitignore"),
    },
    Template {
        path: contract::FILE,
        text: contract::TEXT,
    },
    Template {
        path: "tests/rising/input.log",
        text: include_str!("templates/cases/rising/input.log"),
    },
    Template {
        path: "tests/rising/expected.jsonl",
        text: include_str!("templates/cases/rising/expected.jsonl"),
    },
    Template {
        path: "tests/healthy/input.log",
        text: include_str!("templates/cases/healthy/input.log"),
    },
    Template {
        path: "tests/healthy/expected.jsonl",
        text: include_str!("templates/cases/healthy/expected.jsonl"),
    },
    Template {
        path: "tests/parameters/input.log",
        text: include_str!("templates/cases/parameters/input.log"),
    },
    Template {
        path: "tests/parameters/expected.jsonl",
        text: include_str!("templates/cases/parameters/expected.jsonl"),
    },
    Template {
        path: "tests/parameters/config.toml",
        text: include_str!("templates/cases/parameters/config.toml"),
    },
];

/// Writes a new project into a folder, which is made if absent, and gives the
/// paths of its files in it.
///
/// # Errors
/// Says which file cannot be written.
pub fn create(folder: &Path, name: &str, language: Language) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for template in COMMON.iter().cloned().chain(language.templates()) {
        let path = PathBuf::from(fill(template.path, name, language));
        let file = folder.join(&path);
        let parent = file.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent)
            .with_context(|| format!("cannot make the folder `{}`", parent.display()))?;
        std::fs::write(&file, fill(template.text, name, language))
            .with_context(|| format!("cannot write `{}`", file.display()))?;
        written.push(path);
    }
    Ok(written)
}

/// Puts in what a template leaves open.
fn fill(text: &str, name: &str, language: Language) -> String {
    let (files, notes) = about(language);
    let open = [
        ("{{files}}", files),
        ("{{language notes}}", notes),
        ("{{language}}", language.name()),
        ("{{contract}}", CONTRACT_VERSION),
        ("{{fuel}}", fuel(language)),
        ("{{identifier}}", &name.replace('-', "_")),
        ("{{name}}", name),
    ];
    open.iter()
        .filter(|(mark, _)| text.contains(mark))
        .fold(text.to_owned(), |text, (mark, put)| text.replace(mark, put))
}

/// A language's part of the README: its files, as rows of a table, and notes.
fn about(language: Language) -> (&'static str, &'static str) {
    let text = match language {
        Language::Rust => include_str!("templates/common/rust.md"),
        Language::Python => include_str!("templates/common/python.md"),
        Language::JavaScript => include_str!("templates/common/js.md"),
        Language::C => include_str!("templates/common/c.md"),
    };
    let (files, notes) = text.split_once("\n\n").unwrap_or((text, ""));
    (files, notes.trim_end())
}

/// What a point of the example may cost, with room for a rule that does more.
fn fuel(language: Language) -> &'static str {
    match language {
        Language::Rust | Language::C => "100000",
        Language::Python | Language::JavaScript => "5000000",
    }
}
