//! Alerts appended to a file as JSON lines.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::json::JsonLines;
use crate::alert::Alert;
use crate::deliver::print::{PrintError, Printer};

/// Appends to a file, which only its owner can read if we create it: messages
/// quote the log. Every alert is in the hands of the operating system when
/// `print` returns.
#[derive(Debug)]
pub struct AlertFile(JsonLines<Appender>);

impl AlertFile {
    /// Opens the file, or creates it.
    ///
    /// # Errors
    ///
    /// With the path, if that is not possible.
    pub fn open(path: &Path) -> Result<Self, PrintError> {
        let attempt = || format!("open `{}` for alerts", path.display());
        let file = Appender::open(path).map_err(|error| PrintError::from_io(attempt, error))?;
        Ok(Self(JsonLines::new(
            format!("file `{}`", path.display()),
            file,
        )))
    }
}

impl Printer for AlertFile {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn print(&mut self, alert: &Alert) -> Result<(), PrintError> {
        self.0.print(alert)
    }
}

/// A file to which whole lines are appended.
#[derive(Debug)]
pub(in crate::deliver) struct Appender {
    file: File,
    /// The file ends within a line: a crash or a full disk cut it short.
    torn: bool,
}

impl Appender {
    pub(in crate::deliver) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        let torn = ends_within_a_line(path).unwrap_or(false);
        Ok(Self { file, torn })
    }

    /// Waits until nobody else holds the file, for a second at most: who is
    /// stopped while he holds it must not stop us. Where there are no locks, or
    /// the second is over, it goes on without.
    pub(in crate::deliver) fn hold(&mut self, path: &Path) {
        for _ in 0..100 {
            match self.file.try_lock() {
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(10)),
                _ => break,
            }
        }
        // Somebody may have written since.
        self.torn = ends_within_a_line(path).unwrap_or(false);
    }

    /// Whether the file still has this name.
    pub(in crate::deliver) fn is_at(&self, path: &Path) -> io::Result<bool> {
        let (ours, there) = (self.file.metadata()?, fs::metadata(path)?);
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino()))
        }
        #[cfg(not(unix))]
        Ok(ours.len() == there.len())
    }
}

/// Whether the last byte is something else than a line break. A file that we
/// may not read is taken to be whole, and so is a pipe.
fn ends_within_a_line(path: &Path) -> io::Result<bool> {
    if !fs::metadata(path)?.is_file() {
        return Ok(false);
    }
    let mut file = File::open(path)?;
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

impl Write for Appender {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.torn {
            self.file.write_all(b"\n")?;
        }
        // Should this fail half-way, the next line must not go on from there.
        self.torn = true;
        self.file.write_all(line)?;
        self.torn = !line.ends_with(b"\n");
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::deliver::sample;

    #[test]
    fn appends_lines_that_are_there_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts.jsonl");
        let mut first = AlertFile::open(&path).unwrap();
        first.print(&sample()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
        let mut second = AlertFile::open(&path).unwrap();
        second.print(&sample()).unwrap();
        first.print(&sample()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 3);
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts.jsonl");
        AlertFile::open(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_torn_line_stays_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts.jsonl");
        fs::write(&path, "{\"id\":\"01").unwrap();
        let mut sink = AlertFile::open(&path).unwrap();
        sink.print(&sample()).unwrap();
        sink.print(&sample()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], "{\"id\":\"01");
        serde_json::from_str::<serde_json::Value>(lines[1]).unwrap();
    }

    #[test]
    fn an_error_names_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("missing").join("alerts.jsonl");
        let error = AlertFile::open(&path).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot open `{}` for alerts: ", path.display())));
    }
}
