//! `runwatch.lock`: which files the detectors of one's own were when somebody
//! looked at them.
//!
//! A component's digest names one file and no source: of two builds of one
//! Python source the digests differ. So a lock is written by hand, after a look,
//! and `--locked` takes nothing that is not in it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use serde::{Deserialize, Serialize};

use crate::config::{Detector, Loaded};
use crate::exit::{Ending, Failure};
use crate::sandbox::Component;

/// The name of the file, beside the configuration.
pub const FILE: &str = "runwatch.lock";

const HEAD: &str = "# Written by `runwatch lock`. With `--locked` no other files are loaded.\n\n";

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    #[serde(default, rename = "detector")]
    detectors: Vec<Locked>,
}

/// One detector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// The name in the configuration.
    pub name: String,
    /// The detector's version, for people.
    pub version: String,
    /// The file, for people.
    pub source: String,
    /// The digest of the file, in lower-case hexadecimal.
    pub sha256: String,
}

impl Locked {
    /// What a detector is now.
    #[must_use]
    pub fn now(detector: &Detector, component: &Component) -> Self {
        let source = detector.path.as_deref().unwrap_or(Path::new(""));
        Self {
            name: detector.name.clone(),
            version: component.description.version.clone(),
            source: source.display().to_string(),
            sha256: component.digest_hex(),
        }
    }
}

/// Where the lock of a configuration is.
#[must_use]
pub fn path(loaded: &Loaded) -> PathBuf {
    let folder = loaded.file.as_deref().and_then(Path::parent);
    folder.unwrap_or(Path::new("")).join(FILE)
}

impl Lock {
    /// A lock of these detectors.
    #[must_use]
    pub fn new(detectors: Vec<Locked>) -> Self {
        Self { detectors }
    }

    /// The lock at a path; none if there is no such file.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(anyhow!(error).context(format!("cannot read `{}`", path.display())));
            }
        };
        let lock = toml::from_str(&text).with_context(|| format!("`{}`", path.display()))?;
        Ok(Some(lock))
    }

    /// Writes it, all or nothing.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = format!("{HEAD}{}", toml::to_string(self)?);
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        file.write_all(text.as_bytes())?;
        file.persist(path)?;
        Ok(())
    }

    /// A detector by its name in the configuration.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Locked> {
        self.detectors.iter().find(|locked| locked.name == name)
    }

    /// What is in it.
    #[must_use]
    pub fn detectors(&self) -> &[Locked] {
        &self.detectors
    }
}

/// Pins every detector of one's own to what the lock says.
///
/// # Errors
/// When there is no lock, a detector is not in it, or the configuration pins
/// another file.
pub fn pin(loaded: &mut Loaded) -> Result<(), Failure> {
    let path = path(loaded);
    let own = |detector: &&mut Detector| detector.enabled && detector.path.is_some();
    let mut detectors = loaded.config.detectors.iter_mut().filter(own).peekable();
    if detectors.peek().is_none() {
        return Ok(());
    }
    let refused = |message: String| {
        Failure::new(Ending::Usage, anyhow!(message))
            .hint("look at the detectors, then let `runwatch lock` write down which they are")
    };
    let lock = Lock::read(&path)
        .map_err(|error| Failure::new(Ending::Usage, error))?
        .ok_or_else(|| refused(format!("--locked: there is no `{}`", path.display())))?;
    for detector in detectors {
        let locked = lock.get(&detector.name).ok_or_else(|| {
            refused(format!(
                "--locked: detector `{}` is not in `{}`",
                detector.name,
                path.display()
            ))
        })?;
        if let Some(pinned) = &detector.sha256
            && *pinned != locked.sha256
        {
            return Err(refused(format!(
                "--locked: `{}` has detector `{}` with the sha256 {}, and the configuration \
                 pins {pinned}",
                path.display(),
                detector.name,
                locked.sha256
            )));
        }
        detector.sha256 = Some(locked.sha256.clone());
    }
    Ok(())
}
