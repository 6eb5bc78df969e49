//! Whether anything in a project has changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use walkdir::{DirEntry, WalkDir};

use super::project::Project;

/// Folders that tools write to.
const MADE: [&str; 5] = [
    "bindings",
    "node_modules",
    "target",
    "__pycache__",
    "componentize-py.out",
];
/// Files that are not made into the component, and folders of such.
const BESIDE: [&str; 4] = ["tests", "README.md", "runwatch.toml", ".gitignore"];

/// Every file that somebody may have changed, with its time and its size.
pub type Snapshot = BTreeMap<PathBuf, (SystemTime, u64)>;

/// What is in a folder now, without what tools have made.
#[must_use]
pub fn snapshot(folder: &Path) -> Snapshot {
    let entries = WalkDir::new(folder).into_iter();
    let entries = entries.filter_entry(|entry| entry.depth() == 0 || !is_made(entry));
    let files = entries
        .flatten()
        .filter(|entry| entry.file_type().is_file());
    // A file that has just gone is no file.
    let facts = files.filter_map(|entry| {
        let meta = entry.metadata().ok()?;
        Some((entry.path().to_owned(), (meta.modified().ok()?, meta.len())))
    });
    facts.collect()
}

/// Whether a project's component is not there or older than what it is made of.
#[must_use]
pub fn is_stale(project: &Project) -> bool {
    let Ok(built) = std::fs::metadata(project.component()).and_then(|meta| meta.modified()) else {
        return true;
    };
    let is_source = |path: &Path| {
        let name = path.strip_prefix(&project.folder).unwrap_or(path);
        !BESIDE.iter().any(|beside| name.starts_with(beside))
    };
    snapshot(&project.folder)
        .iter()
        .any(|(path, (changed, _))| is_source(path) && *changed > built)
}

fn is_made(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    if entry.file_type().is_dir() {
        return name.starts_with('.') || MADE.contains(&name.as_ref());
    }
    // What editors and tools write while they save begins with a dot, or ends in
    // a tilde; cargo writes its lock file as it builds.
    name.ends_with(".wasm")
        || name.ends_with('~')
        || name.starts_with('.') && name != ".gitignore"
        || name == "Cargo.lock"
}
