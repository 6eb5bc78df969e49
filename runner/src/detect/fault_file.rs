//! The batch that made a detector fail, kept in a file of its own, so that its
//! author can make it fail again: `runwatch detector replay`.
//!
//! A file holds what the training has printed, so that it is the user's alone,
//! as the ledger is. Its name is made of its content: the same fault in the same
//! rows is the same file.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::account::Identity;
use crate::digest::{Parts, hex};
use crate::sandbox::bindings::types;
use crate::sandbox::component::CONTRACT_VERSION;
use crate::sandbox::instance::Columns;
use crate::sandbox::{Fault, Limits};

/// The most files that are kept; the oldest go.
const MOST_FILES: usize = 20;
/// The most bytes of one; what would be more is not kept.
const MOST_BYTES: usize = 8 << 20;

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultFile {
    /// The version of runwatch.
    pub runwatch: String,
    /// The version of the contract.
    pub contract: String,
    /// The detector's name in alerts.
    pub detector: String,
    /// The detector's own version.
    pub version: String,
    /// The file of the component; none for a built-in one.
    pub component: Option<PathBuf>,
    /// SHA-256 of the component, in hexadecimal digits.
    pub sha256: String,
    /// What a call may take.
    pub limits: Allowed,
    /// What the monitor was opened with.
    pub parameters: Vec<(String, String)>,
    /// The facts of the run.
    pub run: Vec<(String, String)>,
    /// The state that was saved last, in Base64.
    pub state: Option<String>,
    /// Rows that the monitor was shown since then, which are not here.
    pub rows_since_state: usize,
    /// The metrics that were announced: index, name, and printed name.
    pub defined: Vec<(u32, String, String)>,
    /// The stream's time.
    pub now: Number,
    /// The rows.
    pub batch: Batch,
    /// What happened.
    pub fault: What,
}

/// What a call may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Allowed {
    memory: usize,
    timeout_ms: u64,
}

/// The columns of a call; see [`Columns`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Steps by row.
    pub steps: Vec<i64>,
    /// Times by row.
    pub times: Vec<Number>,
    /// Ranks by row.
    pub ranks: Vec<u32>,
    /// Series by value.
    pub indices: Vec<u32>,
    /// Row by value.
    pub rows: Vec<u32>,
    /// The values.
    pub values: Vec<Number>,
    /// Texts.
    pub texts: Vec<Text>,
}

/// A text of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Text {
    /// The row.
    pub row: u32,
    kind: String,
    name: String,
    /// The text itself.
    pub content: String,
    fields: Vec<(String, String)>,
}

/// A fault as it is written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct What {
    /// The name of its kind.
    pub kind: String,
    /// The call that failed.
    pub call: String,
    /// What happened.
    pub message: String,
    /// What the detector said.
    pub output: Vec<String>,
    /// The innermost frames.
    pub frames: Vec<String>,
}

/// A number, written as the text that reads back as the same bits: JSON has
/// none for NaN, and its readers may round others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Number(pub f64);

impl From<Number> for String {
    fn from(Number(value): Number) -> Self {
        value.to_string()
    }
}

impl TryFrom<String> for Number {
    type Error = std::num::ParseFloatError;

    fn try_from(text: String) -> std::result::Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

/// What a shard knows of a fault besides the batch.
pub(super) struct Known<'a> {
    pub(super) detector: &'a str,
    pub(super) identity: Identity,
    pub(super) parameters: &'a [(String, String)],
    pub(super) run: Vec<(String, String)>,
    pub(super) state: Option<&'a [u8]>,
    pub(super) rows_since_state: usize,
    pub(super) defined: Vec<(u32, String, String)>,
    pub(super) now: f64,
}

impl FaultFile {
    pub(super) fn new(known: Known<'_>, columns: &Columns<'_>, fault: &Fault) -> Self {
        let Identity {
            version,
            digest,
            path,
            limits,
            ..
        } = known.identity;
        Self {
            runwatch: env!("CARGO_PKG_VERSION").to_owned(),
            contract: CONTRACT_VERSION.to_owned(),
            detector: known.detector.to_owned(),
            version,
            component: path,
            sha256: digest,
            limits: Allowed {
                memory: limits.memory,
                timeout_ms: u64::try_from(limits.timeout.as_millis()).unwrap_or(u64::MAX),
            },
            parameters: known.parameters.to_vec(),
            run: known.run,
            state: known.state.map(|state| STANDARD.encode(state)),
            rows_since_state: known.rows_since_state,
            defined: known.defined,
            now: Number(known.now),
            batch: Batch::of(columns),
            fault: What {
                kind: fault.kind.name().to_owned(),
                call: fault.call.to_owned(),
                message: fault.message.clone(),
                output: fault.output.clone(),
                frames: fault.frames.clone(),
            },
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or holds something else.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = || format!("`{}`", path.display());
        let text = fs::read_to_string(path).with_context(shown)?;
        let file: Self = serde_json::from_str(&text)
            .context("this is not what a detector's fault has left behind")
            .with_context(shown)?;
        let batch = &file.batch;
        let rows = batch.steps.len();
        let is_row = |row: u32| (row as usize) < rows;
        if batch.times.len() != rows
            || batch.ranks.len() != rows
            || batch.indices.len() != batch.values.len()
            || batch.rows.len() != batch.values.len()
            || !batch.rows.iter().all(|row| is_row(*row))
            || !batch.texts.iter().all(|text| is_row(text.row))
        {
            bail!(
                "`{}`: the columns of its batch do not fit each other",
                path.display()
            );
        }
        Ok(file)
    }

    /// The saved state.
    ///
    /// # Errors
    /// When it is not Base64.
    pub fn saved(&self) -> Result<Option<Vec<u8>>> {
        let decoded = self.state.as_ref().map(|text| STANDARD.decode(text));
        decoded.transpose().context("the state is not Base64")
    }

    /// The limits that the detector had.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            memory: self.limits.memory,
            timeout: Duration::from_millis(self.limits.timeout_ms),
            ..Limits::default()
        }
    }

    /// Writes the file into a folder, and gives its name there. None where that
    /// cannot be done: a fault is worth an alert, a file about it is not.
    pub(super) fn write(&self, folder: &Path) -> Option<String> {
        let text = serde_json::to_string(self).ok()?;
        if text.len() > MOST_BYTES {
            return None;
        }
        let name = self.name()?;
        private_folder(folder).ok()?;
        // Written beside and renamed, so that a reader never meets half a file.
        // Temporary files are the user's alone.
        let mut file = tempfile::NamedTempFile::new_in(folder).ok()?;
        file.write_all(text.as_bytes()).ok()?;
        file.persist(folder.join(&name)).ok()?;
        forget_oldest(folder);
        Some(name)
    }

    /// The name of the file.
    fn name(&self) -> Option<String> {
        let mut parts = Parts::after(b"fault 1");
        parts.add(&self.sha256);
        parts.add(&self.fault.call);
        parts.add(serde_json::to_string(&self.run).ok()?);
        parts.add(serde_json::to_string(&self.batch).ok()?);
        let digest = hex(parts.finish().get(..4)?);
        let harmless = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let detector: String = self.detector.chars().take(64).map(harmless).collect();
        Some(format!("{detector}-{digest}.json"))
    }
}

impl Batch {
    fn of(columns: &Columns<'_>) -> Self {
        let numbers = |values: &[f64]| values.iter().copied().map(Number).collect();
        let text = |text: &types::Text| Text {
            row: text.row,
            kind: text.kind.clone(),
            name: text.name.clone(),
            content: text.content.clone(),
            fields: text.fields.clone(),
        };
        Self {
            steps: columns.steps.to_vec(),
            times: numbers(columns.times),
            ranks: columns.ranks.to_vec(),
            indices: columns.indices.to_vec(),
            rows: columns.rows.to_vec(),
            values: numbers(columns.values),
            texts: columns.texts.iter().map(text).collect(),
        }
    }

    /// Rows `from..to` of it.
    #[must_use]
    pub fn part(&self, from: usize, to: usize) -> Self {
        let within = |row: u32| (from..to).contains(&(row as usize));
        let first = from as u32;
        let mut part = Self {
            steps: self.steps.get(from..to).unwrap_or_default().to_vec(),
            times: self.times.get(from..to).unwrap_or_default().to_vec(),
            ranks: self.ranks.get(from..to).unwrap_or_default().to_vec(),
            ..Self::default()
        };
        for ((&index, &row), &value) in self.indices.iter().zip(&self.rows).zip(&self.values) {
            if within(row) {
                part.indices.push(index);
                part.rows.push(row - first);
                part.values.push(value);
            }
        }
        for text in self.texts.iter().filter(|text| within(text.row)) {
            part.texts.push(Text {
                row: text.row - first,
                ..text.clone()
            });
        }
        part
    }

    /// Calls with the columns.
    pub fn with<T>(&self, call: impl FnOnce(&Columns<'_>) -> T) -> T {
        let plain = |numbers: &[Number]| numbers.iter().map(|it| it.0).collect::<Vec<f64>>();
        let text = |text: &Text| types::Text {
            row: text.row,
            kind: text.kind.clone(),
            name: text.name.clone(),
            content: text.content.clone(),
            fields: text.fields.clone(),
        };
        let texts: Vec<types::Text> = self.texts.iter().map(text).collect();
        call(&Columns {
            steps: &self.steps,
            times: &plain(&self.times),
            ranks: &self.ranks,
            indices: &self.indices,
            rows: &self.rows,
            values: &plain(&self.values),
            texts: &texts,
        })
    }
}

/// The usual place of these files: `runwatch/faults` in the XDG state folder.
/// None without a home.
#[must_use]
pub fn usual_folder(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let ledger = crate::ledger::usual_path(variable)?;
    Some(ledger.with_file_name("faults"))
}

fn private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn forget_oldest(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let is_ours = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
    let mut files: Vec<(SystemTime, PathBuf)> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(is_ours)
        .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
        .collect();
    files.sort();
    let excess = files.len().saturating_sub(MOST_FILES);
    for (_, path) in files.iter().take(excess) {
        // Another process may have been faster.
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_as_they_were() {
        for value in [0.1 + 0.2, 1e300, -0.0, 5e-324, f64::INFINITY, 1.0 / 3.0] {
            let json = serde_json::to_string(&Number(value)).unwrap();
            let back: Number = serde_json::from_str(&json).unwrap();
            assert_eq!(back.0.to_bits(), value.to_bits(), "{json}");
        }
        assert_eq!(serde_json::to_string(&Number(f64::NAN)).unwrap(), "\"NaN\"");
    }

    #[test]
    fn a_part_has_its_own_values_and_texts() {
        let text = |row| Text {
            row,
            kind: "text".to_owned(),
            name: "n".to_owned(),
            content: format!("of row {row}"),
            fields: Vec::new(),
        };
        let batch = Batch {
            steps: vec![10, 11, 12],
            times: [1.0, 2.0, 3.0].map(Number).to_vec(),
            ranks: vec![0, 1, 2],
            indices: vec![7, 7, 8, 7],
            rows: vec![0, 1, 1, 2],
            values: [0.1, 0.2, 0.3, 0.4].map(Number).to_vec(),
            texts: vec![text(0), text(2)],
        };
        assert_eq!(batch.part(0, 3), batch);
        let part = batch.part(1, 3);
        assert_eq!((part.steps, part.ranks), (vec![11, 12], vec![1, 2]));
        assert_eq!((part.indices, part.rows), (vec![7, 8, 7], vec![0, 0, 1]));
        assert_eq!(part.texts[0].row, 1);
        assert_eq!(part.texts[0].content, "of row 2");
    }
}
