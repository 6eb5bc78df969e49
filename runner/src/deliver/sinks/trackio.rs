//! Trackio: the alerts appear in its dashboard and in `trackio list alerts`
//! (<https://github.com/gradio-app/trackio>, as of 0.43).
//!
//! Trackio keeps one SQLite file per project in its folder, with a table of
//! alerts; its writers hold `PROJECT.lock` meanwhile. Where the file does not
//! exist yet, or SQLite is not safe, Trackio's own writers leave JSON lines in
//! `inbox/`, which its dashboard imports: so do we, and never make a database
//! whose schema is Trackio's to decide.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use serde_json::json;

use super::{Kind, Made};
use crate::alert::Severity;
use crate::deliver::text::{clean, clean_line, cut_chars};
use crate::deliver::{Entry, Key, Message, Notice, Outcome, Settings, Sink, Takes};

pub(super) const KIND: Kind = Kind {
    name: "trackio",
    summary: "Trackio's dashboard: the alerts appear beside the run's metrics.",
    network: false,
    keys: &[
        Key::required(
            "project",
            Takes::Text,
            "The project, as given to `trackio.init`. The run's name is that of the alert.",
        ),
        Key::optional(
            "dir",
            Takes::Text,
            "Trackio's folder, if neither `TRACKIO_DIR` nor `HF_HOME` says where it is.",
        ),
    ],
    make: |settings| Made::sink(Trackio::new(settings)?),
    example: "project = \"my-project\"",
};

/// Characters of a title in the dashboard.
const TITLE_CHARS: usize = 300;
/// Characters of a text.
const TEXT_CHARS: usize = 4000;
/// How long to wait for Trackio's own writers.
const PATIENCE: Duration = Duration::from_secs(10);

struct Trackio {
    dir: PathBuf,
    project: String,
    /// Trackio was told to keep away from SQLite.
    inbox_only: bool,
}

/// A row of Trackio's table.
struct Row {
    /// Its own name for the alert: the same over all attempts.
    id: String,
    run: String,
    title: String,
    text: String,
    level: &'static str,
    step: Option<i64>,
    timestamp: String,
}

impl Trackio {
    fn new(settings: &Settings) -> Result<Self, String> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let dir = settings.path("dir").or_else(|| usual_dir(variable));
        Ok(Self {
            dir: dir.ok_or("there is no home directory: set `dir` to Trackio's folder")?,
            project: settings.text("project").unwrap_or_default(),
            inbox_only: variable("TRACKIO_STORAGE_MODE").is_some_and(|mode| mode == "jsonl"),
        })
    }

    fn database(&self) -> PathBuf {
        self.dir.join(format!("{}.db", on_disk(&self.project)))
    }
}

/// Where Trackio looks: `TRACKIO_DIR`, else within Hugging Face's folder.
fn usual_dir(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if let Some(dir) = variable("TRACKIO_DIR") {
        return Some(dir.into());
    }
    let hub = variable("HF_HOME").map(PathBuf::from).or_else(|| {
        let cache = variable("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache")));
        Some(cache?.join("huggingface"))
    });
    Some(hub?.join("trackio"))
}

/// The name of a project in file names.
fn on_disk(project: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let name: String = project.chars().filter(kept).collect();
    if name.is_empty() {
        "default".to_owned()
    } else {
        name
    }
}

impl Sink for Trackio {
    fn send(&mut self, message: &Message) -> Outcome {
        if !self.dir.is_dir() {
            return Outcome::Broken(format!(
                "`{}` is no folder: log something with Trackio on this machine first, or set \
                 `dir`",
                self.dir.display()
            ));
        }
        let rows: Vec<Row> = message.entries.iter().map(|e| row(message, e)).collect();
        let database = self.database();
        if self.inbox_only || !database.exists() {
            return match self.leave_in_inbox(&message.id, &rows) {
                Ok(path) => Outcome::Accepted {
                    remote: Some(path.display().to_string()),
                },
                Err(error) => unwritable(&self.dir, &error),
            };
        }
        let lock = match self.lock() {
            Ok(Some(lock)) => lock,
            Ok(None) => return Outcome::Transient("Trackio's database is in use".to_owned()),
            Err(error) => return unwritable(&self.dir, &error),
        };
        let outcome = match insert(&database, &rows) {
            Ok(()) => Outcome::delivered(),
            Err(error) => refused(&database, &error),
        };
        drop(lock);
        outcome
    }

    fn preview(&mut self, message: &Message) -> String {
        let rows: Vec<Row> = message.entries.iter().map(|e| row(message, e)).collect();
        let database = self.database();
        format!(
            "{}, table `alerts`:\n{}",
            database.display(),
            self.fragment(&rows)
        )
    }
}

impl Trackio {
    /// Trackio's lock for writers; none if others do not let go of it.
    fn lock(&self) -> io::Result<Option<File>> {
        let path = self.dir.join(format!("{}.lock", on_disk(&self.project)));
        let file = File::options().create(true).append(true).open(path)?;
        let pause = Duration::from_millis(50);
        for _ in 0..PATIENCE.as_millis() / pause.as_millis() {
            match file.try_lock() {
                Err(fs::TryLockError::WouldBlock) => thread::sleep(pause),
                Err(fs::TryLockError::Error(error)) if error.kind() != ErrorKind::Unsupported => {
                    return Err(error);
                }
                _ => return Ok(Some(file)),
            }
        }
        Ok(None)
    }

    /// A file of JSON lines for the dashboard to import. A second attempt
    /// replaces the first.
    fn leave_in_inbox(&self, id: &str, rows: &[Row]) -> io::Result<PathBuf> {
        let dir = self.dir.join("inbox").join("runwatch");
        let path = dir.join(format!("{id}.jsonl"));
        let attempt = || {
            fs::create_dir_all(&dir)?;
            let mut file = tempfile::NamedTempFile::new_in(&dir)?;
            file.write_all(self.fragment(rows).as_bytes())?;
            file.persist(&path)?;
            Ok(path.clone())
        };
        // Trackio removes the folder whenever it finds it empty.
        attempt().or_else(|error: io::Error| match error.kind() {
            ErrorKind::NotFound => attempt(),
            _ => Err(error),
        })
    }

    fn fragment(&self, rows: &[Row]) -> String {
        let line = |row: &Row| {
            let record = json!({
                "v": 1,
                "kind": "alert",
                "project": self.project,
                "run": row.run,
                "run_id": null,
                "title": row.title,
                "text": row.text,
                "level": row.level,
                "step": row.step,
                "timestamp": row.timestamp,
                "alert_id": row.id,
            });
            format!("{record}\n")
        };
        rows.iter().map(line).collect()
    }
}

fn row(message: &Message, entry: &Entry) -> Row {
    let alert = &entry.alert;
    let level = match (entry.fires(), alert.severity) {
        (true, Severity::Critical) => "error",
        (true, Severity::Warning) => "warn",
        _ => "info",
    };
    let test = if message.test { "[TEST] " } else { "" };
    // The level says how bad it is, but not that it is over.
    let title = match (entry.fires(), entry.label()) {
        (true, _) => format!("{test}{}", alert.title),
        (false, label) => format!("{test}{label}: {}", alert.title),
    };
    let mut text = entry.message();
    if entry.fires() {
        text.push_str(&format!("\nWhat to do: {}", alert.recommendation));
    }
    Row {
        id: match entry.notice {
            Notice::New if !message.test => alert.id.clone(),
            // It is told more than once.
            notice => format!("{}-{}-{}", alert.id, notice.name(), message.id),
        },
        run: clean_line(&alert.run).into_owned(),
        title: cut_chars(&clean_line(&title), TITLE_CHARS).into_owned(),
        text: cut_chars(&clean(&text), TEXT_CHARS).into_owned(),
        level,
        step: alert.step,
        timestamp: timestamp(alert.time.as_deref(), message.at),
    }
}

/// The time of the alert as Python's `isoformat` writes it: Trackio compares
/// times as text.
fn timestamp(time: Option<&str>, at: i64) -> String {
    let time = time
        .and_then(|time| time.parse::<Timestamp>().ok())
        .or_else(|| Timestamp::from_millisecond(at).ok())
        .unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string()
}

fn insert(database: &Path, rows: &[Row]) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(database, flags)?;
    connection.busy_timeout(PATIENCE)?;
    let transaction = connection.transaction()?;
    for row in rows {
        // The run's latest id, as Trackio finds it; else its name.
        let run_id: Option<String> = transaction
            .query_row(
                "SELECT run_id FROM metrics WHERE run_name = ?1 GROUP BY run_id
                 ORDER BY MIN(timestamp) DESC LIMIT 1",
                [&row.run],
                |found| found.get(0),
            )
            .optional()?;
        transaction.execute(
            "INSERT INTO alerts (run_id, timestamp, run_name, title, text, level, step, alert_id)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
             WHERE NOT EXISTS (SELECT 1 FROM alerts WHERE alert_id = ?8)",
            params![
                run_id.as_ref().unwrap_or(&row.run),
                row.timestamp,
                row.run,
                row.title,
                row.text,
                row.level,
                row.step,
                row.id
            ],
        )?;
    }
    transaction.commit()
}

fn refused(database: &Path, error: &rusqlite::Error) -> Outcome {
    let why = format!("`{}`: {error}", database.display());
    match error.sqlite_error_code() {
        // "No such table", "no such column".
        Some(ErrorCode::Unknown) => Outcome::Broken(format!(
            "{why}: this database was made by a Trackio that has no alerts or another form of \
             them; upgrade Trackio and log something"
        )),
        Some(
            ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::NotADatabase
            | ErrorCode::DatabaseCorrupt,
        ) => Outcome::Broken(why),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
            Outcome::Rejected(why)
        }
        _ => Outcome::Transient(why),
    }
}

fn unwritable(dir: &Path, error: &io::Error) -> Outcome {
    let why = format!("cannot write to `{}`: {error}", dir.display());
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::NotADirectory => {
            Outcome::Broken(why)
        }
        _ => Outcome::Transient(why),
    }
}
