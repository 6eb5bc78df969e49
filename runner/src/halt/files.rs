//! The control files, by which a job is asked to end: `.HALT`,
//! `.anomaly_type`, and `TYPE_details.json` (docs/halting.md has their form).
//!
//! A file appears whole or not at all: it is written under a temporary name
//! and renamed. `.HALT` comes last, and by a hard link, which fails where there
//! is one already: of several watchers one writes it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{Cause, Reach};
use crate::alert::Alert;
use crate::deliver::owner;
use crate::deliver::text::{clean_line, cut_bytes};
use crate::judge::rfc3339;

/// The file that a trainer looks for.
pub(super) const HALT: &str = ".HALT";
const ANOMALY: &str = ".anomaly_type";
/// Says that somebody is about to write `.HALT`, such as while a hook runs.
const CLAIM: &str = ".HALT.claim";
const DETAILS: &str = "_details.json";
/// What temporary names begin with; whose they are follows.
const TEMPORARY: &str = ".runwatch-";
/// How old a temporary file may be.
const TEMPORARY_AGE: Duration = Duration::from_secs(60);
/// More of a control file is not read.
const MAX_BYTES: u64 = 1 << 20;
/// The longest line of `.HALT`.
const LINE_BYTES: usize = 1 << 10;

/// A folder of control files.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

/// What `.HALT` says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Halt {
    /// The type; empty if it does not say.
    pub(super) kind: String,
    pub(super) run: Option<String>,
    /// The start that it is for; none in a file of the trainer's own.
    pub(super) token: Option<String>,
    pub(super) reason: Option<String>,
    /// The id of the alert that caused it.
    pub(super) alert: Option<String>,
    /// The process that writes it: [`owner::me`].
    pub(super) by: Option<String>,
    /// How far it goes.
    pub(super) reach: Option<Reach>,
    /// When it was written, in seconds since 1970.
    pub(super) at: f64,
}

/// What became of `.HALT`.
#[derive(Debug, PartialEq)]
pub(super) enum Written {
    /// It is ours.
    Ours,
    /// There was one already.
    Theirs(Halt),
}

/// Whose halt is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) project: &'a str,
    pub(super) run: &'a str,
    pub(super) token: &'a str,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Asks the job to end, unless somebody has asked already. `alert` is the
    /// cause, if it was seen here.
    pub(super) fn write(
        &self,
        of: Of<'_>,
        cause: &Cause,
        alert: Option<&Alert>,
        now: f64,
    ) -> io::Result<Written> {
        fs::create_dir_all(&self.path)?;
        if let Some(theirs) = self.halt() {
            return Ok(Written::Theirs(theirs));
        }
        let time = rfc3339(now).unwrap_or_default();
        if let Some(alert) = alert {
            let details = details(of, cause, alert, &time);
            self.replace(&format!("{}{DETAILS}", cause.kind), details.as_bytes())?;
        }
        self.replace(ANOMALY, format!("{}\n", cause.kind).as_bytes())?;
        let written = self.create(HALT, text(of, cause, &time).as_bytes())?;
        // That names are on the disk cannot be had everywhere.
        _ = File::open(&self.path).and_then(|folder| folder.sync_all());
        if written {
            self.withdraw(of.token);
            return Ok(Written::Ours);
        }
        let theirs = self.halt().ok_or(ErrorKind::AlreadyExists)?;
        Ok(Written::Theirs(theirs))
    }

    /// Says that a halt is about to begin; false if somebody else has said so,
    /// and what they say counts.
    pub(super) fn announce(
        &self,
        of: Of<'_>,
        cause: &Cause,
        now: f64,
        counts: impl Fn(&Halt) -> bool,
    ) -> io::Result<bool> {
        fs::create_dir_all(&self.path)?;
        let text = text(of, cause, &rfc3339(now).unwrap_or_default());
        if self.create(CLAIM, text.as_bytes())? {
            return Ok(true);
        }
        if self.claim().is_some_and(|theirs| counts(&theirs)) {
            return Ok(false);
        }
        remove(&self.path.join(CLAIM))?;
        self.create(CLAIM, text.as_bytes())
    }

    /// Takes back what was announced.
    pub(super) fn withdraw(&self, token: &str) {
        let ours = self.claim().and_then(|claim| claim.token);
        if ours.as_deref() == Some(token) {
            _ = remove(&self.path.join(CLAIM));
        }
    }

    /// What `.HALT` says; none if there is none.
    pub(super) fn halt(&self) -> Option<Halt> {
        self.parsed(HALT)
    }

    fn claim(&self) -> Option<Halt> {
        self.parsed(CLAIM)
    }

    fn parsed(&self, name: &str) -> Option<Halt> {
        let path = self.path.join(name);
        let text = read(&path)?;
        Some(parse(&text, modified(&path)))
    }

    /// Removes what an earlier start has left: files that are for another one,
    /// those of the trainer's own that are older than this one (`began`, in
    /// seconds since 1970), and temporary files that nobody will rename. `again`
    /// says that the token may have been an earlier start's too: what is older
    /// is not ours then either.
    ///
    /// # Errors
    ///
    /// If something could not be removed.
    pub(super) fn clean(&self, token: &str, began: f64, again: bool) -> io::Result<()> {
        let mut result = Ok(());
        let stale = |at: f64, named: Option<&str>| match named {
            Some(named) => named != token || (again && at < began),
            None => at < began,
        };
        let halt = self.halt();
        let is_stale = halt.as_ref().map(|it| stale(it.at, it.token.as_deref()));
        // It goes first: nobody must be asked to end without it being said why.
        if is_stale == Some(true) {
            result = result.and(remove(&self.path.join(HALT)));
        }
        let anomaly = self.path.join(ANOMALY);
        let old = is_stale.unwrap_or_else(|| modified(&anomaly) < began);
        if anomaly.is_file() && old {
            result = result.and(remove(&anomaly));
        }
        let claim = self.claim();
        if claim.is_some_and(|it| stale(it.at, it.token.as_deref())) {
            result = result.and(remove(&self.path.join(CLAIM)));
        }
        for (name, path) in self.entries() {
            let gone = match details_token(&name, &path) {
                Some(named) => stale(modified(&path), Some(&named)),
                None => name.starts_with(TEMPORARY) && is_left(&name, &path),
            };
            if gone {
                result = result.and(remove(&path));
            }
        }
        result
    }

    /// Removes what is for this start.
    pub(super) fn clear(&self, token: &str) {
        self.withdraw(token);
        let ours = self.halt().and_then(|it| it.token);
        if ours.as_deref() != Some(token) {
            return;
        }
        // What remains is removed by the next start.
        _ = remove(&self.path.join(HALT));
        _ = remove(&self.path.join(ANOMALY));
        for (name, path) in self.entries() {
            if details_token(&name, &path).as_deref() == Some(token) {
                _ = remove(&path);
            }
        }
    }

    fn entries(&self) -> Vec<(String, PathBuf)> {
        let Ok(entries) = fs::read_dir(&self.path) else {
            return Vec::new();
        };
        let named = entries.filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().into_string().ok()?, entry.path()))
        });
        named.collect()
    }

    /// Writes a file in the place of the one that there may be.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let temporary = self.temporary(bytes)?;
        let result = fs::rename(&temporary, self.path.join(name));
        if result.is_err() {
            _ = fs::remove_file(&temporary);
        }
        result
    }

    /// Writes a file if there is none of this name; says whether it did.
    pub(super) fn create(&self, name: &str, bytes: &[u8]) -> io::Result<bool> {
        let (path, temporary) = (self.path.join(name), self.temporary(bytes)?);
        let linked = fs::hard_link(&temporary, &path);
        _ = fs::remove_file(&temporary);
        match linked {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            // Some file systems know no links.
            Err(_) => create_here(&path, bytes),
        }
    }

    /// Writes a file under a name of its own, on the disk.
    fn temporary(&self, bytes: &[u8]) -> io::Result<PathBuf> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let owner = owner::me().replace(['/', '~'], "-").replace(' ', "~");
        let path = self.path.join(format!("{TEMPORARY}{owner}~{number}"));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        let result = file.write_all(bytes).and_then(|()| file.sync_all());
        if let Err(error) = result {
            _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(path)
    }
}

fn create_here(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    match file {
        Ok(mut file) => {
            file.write_all(bytes)?;
            file.sync_all()?;
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A file's text, as far as it is read. A pipe of this name must not hold us up.
pub(super) fn read(path: &Path) -> Option<String> {
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    let file = File::open(path).ok()?;
    file.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// When a file was written, in seconds since 1970.
fn modified(path: &Path) -> f64 {
    let time = fs::metadata(path).and_then(|about| about.modified()).ok();
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0.0, |since| since.as_secs_f64())
}

/// Whether a temporary file was left behind: its process is gone, or has taken
/// too long.
fn is_left(name: &str, path: &Path) -> bool {
    let owner = name.strip_prefix(TEMPORARY).unwrap_or_default();
    let dead = !owner::is_alive(&owner.replace('~', " "));
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0.0, |now| now.as_secs_f64());
    dead || now - modified(path) > TEMPORARY_AGE.as_secs_f64()
}

/// The text of `.HALT`.
fn text(of: Of<'_>, cause: &Cause, time: &str) -> String {
    let lines = [
        ("halt", cause.kind.as_str()),
        ("run", of.run),
        ("token", of.token),
        ("time", time),
        ("reason", &cause.reason),
        ("project", of.project),
        ("alert", &cause.alert),
        ("up-to", cause.reach.name()),
        ("by", &owner::me()),
    ];
    let line = |(name, value): (&str, &str)| {
        let value = clean_line(value);
        format!("{name}: {}\n", cut_bytes(&value, LINE_BYTES))
    };
    lines.into_iter().map(line).collect()
}

fn parse(text: &str, at: f64) -> Halt {
    let value = |wanted: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(name, _)| name.trim() == wanted)?;
        Some(found.1.trim().to_owned()).filter(|value| !value.is_empty())
    };
    Halt {
        kind: value("halt").unwrap_or_default(),
        run: value("run"),
        token: value("token"),
        reason: value("reason"),
        alert: value("alert"),
        by: value("by"),
        reach: value("up-to").and_then(|reach| Reach::from_name(&reach)),
        at,
    }
}

/// The alert, with its values at the top too, where the NSA watchdog has them.
fn details(of: Of<'_>, cause: &Cause, alert: &Alert, time: &str) -> String {
    let mut details = serde_json::Map::new();
    details.insert("type".to_owned(), json!(cause.kind));
    details.insert("token".to_owned(), json!(of.token));
    details.insert("time".to_owned(), json!(time));
    details.insert("alert".to_owned(), json!(alert));
    for (name, value) in &alert.values {
        details.entry(name.as_str()).or_insert_with(|| json!(value));
    }
    format!("{:#}\n", Value::Object(details))
}

/// The start that a file of details is for; none if it is no file of ours.
fn details_token(name: &str, path: &Path) -> Option<String> {
    let kind = name.strip_suffix(DETAILS)?;
    let details: Value = serde_json::from_str(&read(path)?).ok()?;
    let of_its_name = details.get("type")?.as_str()? == kind && details.get("alert").is_some();
    let token = details.get("token")?.as_str()?;
    of_its_name.then(|| token.to_owned())
}
