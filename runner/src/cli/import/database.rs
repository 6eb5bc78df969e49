//! Databases of other tools: a copy to read from, and their alerts as ours.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::alert::{Alert, SCHEMA, State};
use crate::decode::{Foreign, Tool, each_alert};
use crate::deliver::text::cut_bytes;
use crate::digest::{Parts, hex};
use crate::judge::{Fingerprint, rfc3339};
use crate::record::Run;

/// How a database begins.
pub(super) const MAGIC: &[u8] = b"SQLite format 3\0";

/// Bytes of a title, and of a message or a recommendation.
const TITLE: usize = 256;
const TEXT: usize = 8192;

/// A copy of a database, which may be a job's that runs.
pub(super) struct Database {
    original: PathBuf,
    copy: PathBuf,
    _folder: TempDir,
}

impl Database {
    pub(super) fn copy(original: &Path, bytes: &mut dyn Read) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let copy = folder.path().join("copy.db");
        io::copy(bytes, &mut std::fs::File::create_new(&copy)?)?;
        Ok(Self {
            original: original.to_owned(),
            copy,
            _folder: folder,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.copy
    }

    /// Whose it is, and its alerts.
    pub(super) fn alerts(&self) -> rusqlite::Result<(Option<Tool>, Vec<Foreign>)> {
        let mut alerts = Vec::new();
        let tool = each_alert(&self.copy, &self.original, &mut |alert| alerts.push(alert))?;
        Ok((tool, alerts))
    }

    /// The project whose database is called like this.
    pub(super) fn project(&self) -> Option<String> {
        let stem = self.original.file_stem()?.to_string_lossy();
        (stem != "-").then(|| stem.into_owned())
    }
}

/// The alert as one of ours, and when it was written down. The same alert has
/// the same id whenever it is read.
pub(super) fn ours(alert: Foreign, project: &str, run: &str, now: i64) -> (Alert, i64) {
    let run = Run {
        project: project.into(),
        run: run.into(),
    };
    let detector = match (alert.tool, alert.detector) {
        (Tool::Rlwatch, Some(detector)) => detector,
        (Tool::Rlwatch, None) => "rlwatch".to_owned(),
        (Tool::Trackio, _) => "trackio".to_owned(),
    };
    let title = alert.title.unwrap_or_else(|| sentence(&detector));
    let message = if alert.message.is_empty() {
        title.clone()
    } else {
        alert.message
    };
    let recommendation = alert.recommendation.filter(|text| !text.trim().is_empty());
    let recommendation = recommendation
        .unwrap_or_else(|| "None came with the alert: look at the metrics around it.".to_owned());
    let time = alert.time.unwrap_or(f64::NAN);
    let key = match alert.tool {
        Tool::Rlwatch => &detector,
        Tool::Trackio => &title,
    };
    let mut id = Parts::after(b"runwatch:imported:v1");
    for part in [project, &run.run, &detector, &alert.id, &title, &message] {
        id.add(part);
    }
    id.add(alert.severity.name());
    id.add(alert.step.unwrap_or(i64::MIN).to_be_bytes());
    id.add(time.to_bits().to_be_bytes());
    let ours = Alert {
        id: hex(&id.finish()),
        schema: SCHEMA,
        fingerprint: Fingerprint::new(&run, &detector, key).to_string(),
        episode: 1,
        project: run.project.to_string(),
        run: run.run.to_string(),
        rank: None,
        ranks: Vec::new(),
        host: String::new(),
        key: cut_bytes(key, TITLE).into_owned(),
        detector: cut_bytes(&detector, TITLE).into_owned(),
        severity: alert.severity,
        state: State::Firing,
        step: alert.step,
        time: rfc3339(time),
        title: cut_bytes(&title, TITLE).into_owned(),
        message: cut_bytes(&message, TEXT).into_owned(),
        recommendation: cut_bytes(&recommendation, TEXT).into_owned(),
        values: alert.values,
        location: None,
        first_step: alert.step,
        count: 1,
        route: None,
        recent: None,
        halt: None,
        evidence: None,
    };
    let made = if time.is_finite() {
        (time * 1000.0).round() as i64
    } else {
        now
    };
    (ours, made)
}

/// `entropy_collapse` as `Entropy collapse`.
fn sentence(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => words,
    }
}
