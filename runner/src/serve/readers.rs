//! A few read-only connections to the ledger, taken in turns.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::answer::Problem;
use crate::ledger::{Ledger, Result};

/// How many look into the ledger at once.
const MOST: usize = 4;

/// The connections.
pub(super) struct Readers {
    shared: Arc<Shared>,
    turns: Arc<Semaphore>,
}

struct Shared {
    path: PathBuf,
    idle: Mutex<Vec<Reader>>,
}

/// A connection, and which file it is to.
pub(super) struct Reader {
    pub(super) ledger: Ledger,
    file: File,
}

/// Tells a file from another that came to the same place later.
type File = (u64, u64);

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        let idle = Mutex::default();
        Self {
            shared: Arc::new(Shared { path, idle }),
            turns: Arc::new(Semaphore::new(MOST)),
        }
    }

    /// Looks into the ledger on a thread that may wait. Without a ledger there
    /// is nothing to look into, which `look` is told.
    pub(super) async fn look<T, F>(&self, look: F) -> std::result::Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(Option<&Ledger>) -> std::result::Result<T, Problem> + Send + 'static,
    {
        let turns = self.turns.clone();
        // It is never closed.
        let turn = turns.acquire_owned().await.map_err(|_| Problem::broken())?;
        let shared = self.shared.clone();
        let looked = spawn_blocking(move || {
            let _turn = turn;
            let reader = shared.take()?;
            let found = look(reader.as_ref().map(|reader| &reader.ledger))?;
            // One that failed is not used again.
            shared.give_back(reader);
            Ok(found)
        });
        looked.await.map_err(|_| Problem::broken())?
    }

    /// Looks, and answers with what was found as JSON.
    pub(super) async fn answer<T, F>(&self, look: F) -> std::result::Result<Response, Problem>
    where
        T: Serialize,
        F: FnOnce(Option<&Ledger>) -> std::result::Result<T, Problem> + Send + 'static,
    {
        // What is long takes its time to write, too.
        let json = self.look(|ledger| {
            let found = look(ledger)?;
            serde_json::to_vec(&found).map_err(|error| Problem::bad(error.to_string()))
        });
        Ok(([(CONTENT_TYPE, "application/json")], json.await?).into_response())
    }
}

impl Shared {
    fn take(&self) -> Result<Option<Reader>> {
        let Some(file) = file(&self.path) else {
            return Ok(None);
        };
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(reader) = idle.pop() {
            if reader.file == file {
                return Ok(Some(reader));
            }
        }
        drop(idle);
        Reader::open(&self.path)
    }

    fn give_back(&self, reader: Option<Reader>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.extend(reader);
    }
}

impl Reader {
    /// A connection; none if there is no ledger yet.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        let Some(file) = file(path) else {
            return Ok(None);
        };
        let ledger = Ledger::open_if_made(path)?;
        Ok(ledger.map(|ledger| Self { ledger, file }))
    }

    /// Whether its file is still the one at this place.
    pub(super) fn is_current(&self, path: &Path) -> bool {
        file(path) == Some(self.file)
    }
}

/// Which file is there; none if it is empty, which a ledger is while it is made.
fn file(path: &Path) -> Option<File> {
    let found = std::fs::metadata(path).ok()?;
    if found.len() == 0 {
        return None;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        Some((found.dev(), found.ino()))
    }
    #[cfg(not(unix))]
    Some((0, 0))
}
