//! Detectors of the user's own that change while they are at work.
//!
//! A thread looks at their files. One that has changed and is left alone is
//! loaded and checked there, which takes as long as it takes, and handed over
//! when it is ready. One that does not pass is said once, and the one before
//! goes on.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use crate::config::{self, Config};
use crate::detect::{self, Replacement};
use crate::digest;
use crate::load::Loader;

/// The time between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// What became of a file that has changed.
pub enum Change {
    /// Something to be said.
    Note(String),
    /// A detector that is ready to take the place of the one before.
    Ready(Box<Replacement>),
}

/// What becomes of files that change. The thread ends with it.
pub struct Changes {
    inbox: Receiver<Change>,
    _alive: Sender<()>,
}

impl Changes {
    /// The next change, if there is one by now.
    #[must_use]
    pub fn next(&self) -> Option<Change> {
        self.inbox.try_recv().ok()
    }
}

/// Looks at the files of own detectors, and loads those that have changed.
pub struct Reload {
    loader: Loader,
    config: Config,
    host: String,
    files: Vec<File>,
}

/// The file of one detector.
struct File {
    number: usize,
    detector: config::Detector,
    /// What was looked into last.
    known: Option<Stamp>,
    /// What was there at the last look: not looked into while it changes.
    last: Option<Stamp>,
    /// The digest of the detector at work.
    at_work: String,
    /// That of the last which was not good enough.
    refused: Option<String>,
}

/// What shows that a file has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    /// Another file may have been put in its place.
    inode: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Some(Self {
            modified: metadata.modified().ok(),
            length: metadata.len(),
            inode,
        })
    }
}

impl Reload {
    /// Will look at the files of those detectors at work that have one.
    #[must_use]
    pub fn new(loader: Loader, config: &Config, host: &str, at_work: &[detect::Detector]) -> Self {
        let file = |(number, detector): (usize, &detect::Detector)| {
            let mut all = config.detectors.iter();
            Some(File {
                number,
                detector: all.find(|it| *it.name == *detector.name)?.clone(),
                known: None,
                last: None,
                at_work: detector.source.identity().digest,
                refused: None,
            })
        };
        let own = at_work.iter().enumerate().filter(|(_, it)| it.own);
        Self {
            files: own.filter_map(file).collect(),
            loader,
            config: config.clone(),
            host: host.to_owned(),
        }
    }

    /// Looks at them on a thread of its own; none if there is nothing to look at.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(mut self) -> Result<Option<Changes>> {
        if self.files.is_empty() {
            return Ok(None);
        }
        let (outbox, inbox) = channel();
        let (alive, until) = channel::<()>();
        std::thread::Builder::new()
            .name("reload".into())
            .spawn(move || {
                while until.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                    for change in self.look() {
                        if outbox.send(change).is_err() {
                            return;
                        }
                    }
                }
            })
            .context("cannot start the thread that looks at detectors' files")?;
        Ok(Some(Changes {
            inbox,
            _alive: alive,
        }))
    }

    /// Looks at the files once. A change is looked into at the look after the
    /// one that saw it, if the file is still the same: it may be half written.
    pub fn look(&mut self) -> Vec<Change> {
        let Self {
            loader,
            config,
            host,
            files,
        } = self;
        let each = files.iter_mut().filter_map(|file| file.look());
        each.flat_map(|(file, bytes)| file.change(&bytes, loader, config, host))
            .collect()
    }
}

impl File {
    /// The content of the file, if it has changed and is left alone.
    fn look(&mut self) -> Option<(&mut Self, Vec<u8>)> {
        let path = self.detector.path.clone()?;
        // A file that is away for a moment is about to be replaced.
        let stamp = Stamp::of(&path)?;
        let before = self.last.replace(stamp);
        if self.known == Some(stamp) || before != Some(stamp) {
            return None;
        }
        let bytes = std::fs::read(&path).ok()?;
        self.known = Some(stamp);
        Some((self, bytes))
    }

    /// What becomes of this content.
    fn change(
        &mut self,
        bytes: &[u8],
        loader: &Loader,
        config: &Config,
        host: &str,
    ) -> Vec<Change> {
        let digest = digest::sha256_hex(bytes);
        if digest == self.at_work || self.refused.as_ref() == Some(&digest) {
            return Vec::new();
        }
        match self.load(bytes, loader, config, host) {
            Ok(changes) => {
                self.at_work = digest;
                changes
            }
            Err(error) => {
                self.refused = Some(digest);
                let name = &self.detector.name;
                vec![Change::Note(format!(
                    "detector `{name}` was changed and cannot be used, the one before goes on: \
                     {error:#}"
                ))]
            }
        }
    }

    fn load(
        &self,
        bytes: &[u8],
        loader: &Loader,
        config: &Config,
        host: &str,
    ) -> Result<Vec<Change>> {
        let wanted = &self.detector;
        let component = loader.detector_of(config, wanted, bytes)?;
        let name = || format!("detector `{}`", wanted.name);
        let parameters = config::resolve(&component.description, &wanted.parameters);
        let parameters = parameters.with_context(name)?;
        let denied: Vec<&str> = component.denied().collect();
        let denied = (!denied.is_empty()).then(|| {
            let denied = denied.join(", ");
            Change::Note(format!("{} asks for {denied}: denied", name()))
        });
        let detector = detect::Detector {
            name: wanted.name.as_str().into(),
            source: Box::new(component),
            parameters,
            own: true,
        };
        let ready = Replacement::new(self.number, detector, host).with_context(name)?;
        let ready = Change::Ready(Box::new(ready));
        Ok(denied.into_iter().chain([ready]).collect())
    }
}

#[cfg(test)]
mod tests;
