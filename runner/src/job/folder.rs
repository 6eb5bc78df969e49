//! The folder of control files: `RUNWATCH_DIR`.
//!
//! One that is made for a run is removed with it, also when parts of runwatch
//! are killed: whoever has to do with the run holds a lock on it, and the last
//! to leave removes it. What is left when all were killed at once is removed
//! by a later start.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::environment::random;

/// In which the helpers find the folder that was made for their run.
pub const VARIABLE: &str = "RUNWATCH_OWN_DIR";

/// So young a folder may be about to be locked.
const YOUNG: Duration = Duration::from_secs(60);

/// A folder that was made for a run alone.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    lock: File,
}

impl Folder {
    /// Makes one below `jobs`, for the user's eyes only, and removes those that
    /// nobody needs any more.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make(jobs: &Path, run: &str) -> io::Result<Self> {
        fs::create_dir_all(jobs)?;
        sweep(jobs);
        let plain = |letter: char| match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => letter,
            _ => '_',
        };
        let name: String = run.chars().take(64).map(plain).collect();
        let path = jobs.join(format!("{name}-{}", random(8)));
        DirBuilder::new().mode(0o700).create(&path)?;
        Self::hold(path)
    }

    /// The folder that the environment names, for a helper.
    #[must_use]
    pub fn of_environment() -> Option<Self> {
        Self::hold(std::env::var_os(VARIABLE)?.into()).ok()
    }

    fn hold(path: PathBuf) -> io::Result<Self> {
        let lock = File::open(&path)?;
        // Without locks, as on some network filesystems, only the keeper
        // removes it.
        _ = flock(&lock, FlockOperation::NonBlockingLockShared);
        Ok(Self { path, lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it if nobody else holds it.
    pub fn leave(self) {
        if flock(&self.lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            self.remove();
        }
    }

    /// Removes it.
    pub fn remove(self) {
        // Whoever has done so before us has done no harm.
        _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes folders that nobody holds.
fn sweep(jobs: &Path) {
    for entry in fs::read_dir(jobs).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|folder| folder.modified());
        let age = age.ok().and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age > YOUNG)
            && let Ok(folder) = Folder::hold(entry.path())
        {
            folder.leave();
        }
    }
}

/// Makes the folder that the user named.
///
/// # Errors
/// When there is none and none can be made.
pub fn given(path: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(path)?;
    fs::canonicalize(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_last_to_leave_removes_it() {
        let jobs = tempfile::tempdir().unwrap();
        let folder = Folder::make(jobs.path(), "../a b").unwrap();
        let path = folder.path().to_owned();
        assert_eq!(path.parent(), Some(jobs.path()));
        let other = Folder::hold(path.clone()).unwrap();
        folder.leave();
        assert!(path.exists());
        other.leave();
        assert!(!path.exists());
    }

    #[test]
    fn what_nobody_holds_is_removed_by_a_later_start() {
        let jobs = tempfile::tempdir().unwrap();
        let [left, held, young] = ["left", "held", "young"].map(|name| jobs.path().join(name));
        for path in [&left, &held, &young] {
            fs::create_dir(path).unwrap();
            fs::write(path.join(".HALT"), "").unwrap();
        }
        for path in [&left, &held] {
            let long_ago = std::time::SystemTime::now() - 2 * YOUNG;
            File::open(path).unwrap().set_modified(long_ago).unwrap();
        }
        let _holder = Folder::hold(held.clone()).unwrap();
        sweep(jobs.path());
        assert!(!left.exists());
        assert!(held.exists() && young.exists());
    }
}
