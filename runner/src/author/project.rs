//! A detector's project: a folder with a `detector.toml`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::language::Language;
use crate::sandbox::component::CONTRACT_VERSION;

/// The file that makes a folder a project.
pub const FILE: &str = "detector.toml";

/// What `detector.toml` says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Manifest {
    name: String,
    language: Language,
    contract: String,
    #[serde(default)]
    test: Tests,
}

/// How the project is tested.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tests {
    /// The most fuel that a point (a value or a text) may cost over a whole
    /// case; fuel counts instructions, so that it is the same on any machine.
    pub max_fuel_per_point: Option<u64>,
}

/// A detector's project.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    /// Where it is.
    pub folder: PathBuf,
    /// The detector's name.
    pub name: String,
    /// What it is written in.
    pub language: Language,
    /// How it is tested.
    pub tests: Tests,
}

impl Project {
    /// Reads the project in a folder.
    ///
    /// # Errors
    /// Says which file, and what is wrong with it.
    pub fn open(folder: &Path) -> Result<Self> {
        let file = folder.join(FILE);
        let text = std::fs::read_to_string(&file).with_context(|| {
            format!(
                "`{}` cannot be read, so that `{}` is no detector's project",
                file.display(),
                folder.display()
            )
        })?;
        let manifest: Manifest =
            toml::from_str(&text).with_context(|| format!("`{}`", file.display()))?;
        if !manifest.contract.starts_with("0.1.") {
            bail!(
                "`{}` is for version {} of the contract, and this runwatch reads {CONTRACT_VERSION}",
                file.display(),
                manifest.contract
            );
        }
        Ok(Self {
            folder: folder.to_owned(),
            name: manifest.name,
            language: manifest.language,
            tests: manifest.test,
        })
    }

    /// The component that the project is built to: `NAME.wasm` in its folder.
    #[must_use]
    pub fn component(&self) -> PathBuf {
        self.folder.join(format!("{}.wasm", self.name))
    }

    /// The detector's name as most languages spell it, with `_` for `-`.
    #[must_use]
    pub fn identifier(&self) -> String {
        self.name.replace('-', "_")
    }
}
