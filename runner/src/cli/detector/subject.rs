//! What a command for authors is about: a project or a component file.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, anyhow};

use crate::author::project::{self, Project};
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
    /// The project in a folder, which must have been built, or a component file.
    pub(super) fn of(what: &Path) -> Result<Self, Failure> {
        let usage = |error| Failure::new(Ending::Usage, error);
        if what.is_dir() {
            let project = Project::open(what).map_err(usage)?;
            check_built(&project)?;
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

/// Refuses a project whose component is missing or older than its sources.
fn check_built(project: &Project) -> Result<(), Failure> {
    let component = project.component();
    let modified = |path: &Path| path.metadata().and_then(|it| it.modified()).ok();
    let problem = match modified(&component) {
        None => format!("there is no `{}` yet", component.display()),
        Some(built) => match newest(project).filter(|(_, at)| *at > built) {
            None => return Ok(()),
            Some((path, _)) => format!(
                "`{}` is older than `{}`",
                component.display(),
                path.display()
            ),
        },
    };
    let folder = project.folder.display();
    Err(Failure::new(Ending::Detector, anyhow!(problem))
        .hint(format!("build it with `runwatch detector build {folder}`")))
}

/// The source that was changed last.
fn newest(project: &Project) -> Option<(PathBuf, SystemTime)> {
    const NO_SOURCES: [&str; 5] = ["tests", "target", "bindings", "node_modules", "__pycache__"];
    let is_source = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || !(name.starts_with('.') || NO_SOURCES.contains(&name.as_ref()))
    };
    const ENDS: [&str; 8] = ["rs", "toml", "py", "js", "mjs", "c", "h", "wit"];
    let is_code = |path: &Path| {
        let settings = path.file_name().is_some_and(|name| name == "runwatch.toml");
        let end = path.extension().unwrap_or_default().to_string_lossy();
        !settings && ENDS.contains(&end.as_ref())
    };
    walkdir::WalkDir::new(&project.folder)
        .into_iter()
        .filter_entry(is_source)
        .flatten()
        .filter(|entry| entry.file_type().is_file() && is_code(entry.path()))
        .filter_map(|entry| {
            let at = entry.metadata().ok()?.modified().ok()?;
            Some((entry.into_path(), at))
        })
        .max_by_key(|(_, at)| *at)
}
