//! What a command for authors is about: a project or a component file.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::build::open;
use crate::author::build::build;
use crate::author::project::{self, Project};
use crate::author::sources::is_stale;
use crate::cli::output::say;
use crate::exit::{Ending, Failure};
use crate::load::Loader;
use crate::sandbox::{Component, Limits};

/// What is tested or measured: a component, and perhaps its project.
pub(super) struct Subject {
    /// The component's file.
    pub(super) component: PathBuf,
    /// The folder that it is in.
    pub(super) folder: PathBuf,
    /// What it is built of, if that is there.
    pub(super) project: Option<Project>,
}

impl Subject {
    /// The project in a folder, built if any source is newer than its component,
    /// or a component file.
    pub(super) fn of(what: &Path) -> Result<Self, Failure> {
        let usage = |error| Failure::new(Ending::Usage, error);
        if what.is_dir() {
            let project = open(what)?;
            if is_stale(&project) {
                let loader =
                    Loader::new().map_err(|error| Failure::new(Ending::Detector, error))?;
                build(&project, &loader, &mut |line| say(line))?;
            }
            return Ok(Self {
                component: project.component(),
                folder: project.folder.clone(),
                project: Some(project),
            });
        }
        let parent = what.parent().filter(|it| !it.as_os_str().is_empty());
        let folder = parent.unwrap_or(Path::new(".")).to_owned();
        let project = match folder.join(project::FILE).is_file() {
            true => Some(Project::open(&folder).map_err(usage)?),
            false => None,
        };
        Ok(Self {
            component: what.to_owned(),
            folder,
            project,
        })
    }

    /// The component.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, Failure> {
        std::fs::read(&self.component)
            .with_context(|| format!("cannot read `{}`", self.component.display()))
            .map_err(|error| Failure::new(Ending::Detector, error))
    }

    /// Loads the component into an engine that counts what it costs.
    pub(super) fn metered(&self, bytes: &[u8]) -> Result<Component, Failure> {
        let failed = |error| Failure::new(Ending::Detector, error);
        let loader = Loader::metered().map_err(failed)?;
        loader
            .component(bytes, &Limits::default())
            .with_context(|| format!("`{}`", self.component.display()))
            .map_err(failed)
    }
}
