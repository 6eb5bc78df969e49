//! The files that a command line means: files as they are, folders walked,
//! patterns expanded, each file once and in an order that is always the same.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use glob::MatchOptions;
use rustc_hash::FxHashSet;
use walkdir::WalkDir;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The inputs, in order; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// Files in folders and archives that are hidden or no logs by their name.
    pub left_out: usize,
    /// What is missing or cannot be listed, each in a sentence.
    pub problems: Vec<String>,
    /// How many files the path at hand means, known or not.
    matched: usize,
    /// The files by where they really are, so that none comes twice.
    known: FxHashSet<PathBuf>,
}

/// Endings of files that hold no log: weights, pictures, code, documents,
/// packages. Compressed ones are looked into.
const NO_LOGS: &[&str] = &[
    "arrow",
    "avi",
    "bin",
    "c",
    "ckpt",
    "cpp",
    "cu",
    "engine",
    "gif",
    "gguf",
    "h",
    "h5",
    "hdf5",
    "html",
    "ini",
    "ipynb",
    "jpeg",
    "jpg",
    "keras",
    "lock",
    "md",
    "mmap",
    "model",
    "mp3",
    "mp4",
    "npy",
    "npz",
    "o",
    "onnx",
    "parquet",
    "pb",
    "pdf",
    "pickle",
    "pid",
    "pkl",
    "png",
    "pt",
    "pth",
    "py",
    "pyc",
    "rst",
    "safetensors",
    "sh",
    "so",
    "svg",
    "tflite",
    "toml",
    "wasm",
    "wav",
    "webp",
    "whl",
    "yaml",
    "yml",
    "zip",
];

/// Folders that hold no logs.
const NO_LOG_FOLDERS: &[&str] = &["__pycache__", "node_modules", "site-packages"];

/// Whether a file found in a folder or an archive may be a log, by its name.
#[must_use]
pub fn may_be_log(path: &Path) -> bool {
    let visible = path.components().all(|part| !is_hidden(part.as_os_str()));
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    // MLflow's metrics have files that are named by the metric alone.
    visible && !is_dump(path) && !NO_LOGS.iter().any(|ending| extension == *ending)
}

/// Whether a file is what a watchdog leaves for people to look at: stacks, and
/// the values of its alert, which are no new ones.
fn is_dump(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stacks = name.starts_with("stackdump_") || name.starts_with("watchdog_stackdump_");
    stacks || name.ends_with("_details.json")
}

fn is_hidden(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b".") && name != b"." && name != b".."
}

/// Whether a path is a pattern and not a file that is merely named like one.
fn is_pattern(path: &Path) -> bool {
    let text = path.to_string_lossy();
    text.contains(['*', '?', '[']) && fs::symlink_metadata(path).is_err()
}

/// Whether more files may turn up under this path: a pattern or a folder.
#[must_use]
pub fn may_grow(path: &Path) -> bool {
    is_pattern(path) || path.is_dir()
}

impl Found {
    /// Finds what each of the paths means.
    #[must_use]
    pub fn all(paths: &[PathBuf]) -> Self {
        let mut found = Self::default();
        for path in paths {
            found.add(path);
        }
        found
    }

    /// Finds what one path means. One that is missing is a problem, unless it
    /// is `-`.
    pub fn add(&mut self, path: &Path) {
        let shown = path.display();
        if is_pattern(path) {
            self.matched = 0;
            self.pattern(path);
            if self.matched == 0 {
                self.problems.push(format!("no file matches `{shown}`"));
            }
        } else if path.is_dir() {
            self.matched = 0;
            self.folder(path);
            if self.matched == 0 {
                self.problems
                    .push(format!("there is no log in the folder `{shown}`"));
            }
        } else {
            // Named twice is read twice; only what is found beside it is not.
            self.is_new(path);
            self.files.push(path.to_owned());
        }
    }

    fn pattern(&mut self, pattern: &Path) {
        let options = MatchOptions {
            require_literal_leading_dot: true,
            ..MatchOptions::default()
        };
        let text = pattern.to_string_lossy();
        let matches = match glob::glob_with(&text, options) {
            Ok(matches) => matches,
            Err(error) => {
                self.problems
                    .push(format!("`{text}` is no pattern: {error}"));
                return;
            }
        };
        for path in matches {
            match path {
                Ok(path) if path.is_dir() => self.folder(&path),
                Ok(path) => self.found(path),
                Err(error) => self.problems.push(format!("cannot list `{text}`: {error}")),
            }
        }
    }

    fn folder(&mut self, folder: &Path) {
        let wanted = |entry: &walkdir::DirEntry| {
            let name = entry.file_name();
            entry.depth() == 0
                || !entry.file_type().is_dir()
                || !is_hidden(name) && NO_LOG_FOLDERS.iter().all(|folder| name != *folder)
        };
        let entries = WalkDir::new(folder)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(wanted);
        for entry in entries {
            match entry {
                Ok(entry) if entry.file_type().is_dir() => {}
                Ok(entry) if entry.path().is_file() => {
                    if may_be_log(Path::new(entry.file_name())) {
                        self.found(entry.into_path());
                    } else {
                        self.left_out += 1;
                    }
                }
                // Sockets, pipes, and links to nowhere.
                Ok(_) => {}
                Err(error) => self.problems.push(format!(
                    "cannot list all of `{}`: {error}",
                    folder.display()
                )),
            }
        }
    }

    fn found(&mut self, path: PathBuf) {
        self.matched += 1;
        if self.is_new(&path) {
            self.files.push(path);
        }
    }

    fn is_new(&mut self, path: &Path) -> bool {
        fs::canonicalize(path).is_ok_and(|real| self.known.insert(real))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn found(folder: &tempfile::TempDir, paths: &[&str]) -> (Vec<String>, Found) {
        let paths: Vec<PathBuf> = paths.iter().map(|path| folder.path().join(path)).collect();
        let found = Found::all(&paths);
        let short = |path: &PathBuf| {
            let path = path.strip_prefix(folder.path()).unwrap_or(path);
            path.to_string_lossy().into_owned()
        };
        (found.files.iter().map(short).collect(), found)
    }

    #[test]
    fn folders_are_walked_in_order_without_what_is_no_log() {
        let folder = folder(&[
            "b.log",
            "a/z.jsonl",
            "a/.hidden",
            ".git/x.log",
            "model.safetensors",
            "__pycache__/x.log",
            "a/b/loss",
            "a/stackdump_1700000000.txt",
            "a/gate_collapse_details.json",
        ]);
        let (files, found) = found(&folder, &[""]);
        assert_eq!(files, ["a/b/loss", "a/z.jsonl", "b.log"]);
        assert_eq!(found.left_out, 4);
        assert!(found.problems.is_empty());
    }

    #[test]
    fn patterns_are_expanded_and_nothing_comes_twice() {
        let folder = folder(&[
            "a/rank1.log",
            "a/rank0.log",
            "b/rank0.log",
            "b/.c/rank0.log",
        ]);
        let (files, _) = found(&folder, &["*/rank*.log", "a", "**/*.log"]);
        assert_eq!(files, ["a/rank0.log", "a/rank1.log", "b/rank0.log"]);
        let (files, _) = found(&folder, &["a/rank0.log", "a", "a/rank0.log"]);
        assert_eq!(files, ["a/rank0.log", "a/rank1.log", "a/rank0.log"]);
    }

    #[test]
    fn a_name_with_a_star_in_it_is_a_name() {
        let folder = folder(&["a[1].log", "a1.log"]);
        assert_eq!(found(&folder, &["a[1].log"]).0, ["a[1].log"]);
    }

    #[test]
    fn what_is_missing_is_said() {
        let folder = folder(&["empty/x.py"]);
        let (files, found) = found(&folder, &["*.log", "empty", "missing.log"]);
        assert_eq!(files, ["missing.log"]);
        assert_eq!(found.problems.len(), 2);
    }

    #[test]
    #[cfg(unix)]
    fn links_do_not_lead_in_circles() {
        let folder = folder(&["run-1/a.log"]);
        let link = |to: &str, name: &str| {
            std::os::unix::fs::symlink(to, folder.path().join(name)).unwrap();
        };
        link("run-1", "latest-run");
        link("..", "run-1/up");
        link("run-1/a.log", "latest.log");
        assert_eq!(found(&folder, &[""]).0.len(), 1);
    }
}
