//! A file of JSON lines, as documented in `docs/alert.md`, that is kept from
//! growing without end.
//!
//! The file is opened for each message: whoever else moves or removes it, the
//! next line goes where its name says.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::{Kind, Made};
use crate::deliver::print::file::Appender;
use crate::deliver::{Key, Message, Outcome, Settings, Sink, Takes};

pub(super) const KIND: Kind = Kind {
    name: "file",
    summary: "A file with one line of JSON for each alert, rotated by size.",
    network: false,
    keys: &[
        Key::required(
            "path",
            Takes::Text,
            "The file. If it is not there, it is made so that only its owner can read it.",
        ),
        Key::optional(
            "max-size",
            Takes::Integer(4096, 1 << 50),
            "Bytes after which it becomes `<path>.1` and a new one is begun; 64 MiB if not set.",
        ),
        Key::optional(
            "keep",
            Takes::Integer(1, 1000),
            "How many of the old ones are kept, `<path>.1` being the newest; 5 if not set.",
        ),
    ],
    make: |settings| Made::sink(Rotated::new(settings)),
    example: "path = \"~/alerts.jsonl\"",
};

/// How often to open the file that others keep moving away.
const ATTEMPTS: u32 = 20;

struct Rotated {
    path: PathBuf,
    max_size: u64,
    keep: u64,
}

impl Rotated {
    fn new(settings: &Settings) -> Self {
        let number = |key, usual| settings.integer(key).unwrap_or(usual).unsigned_abs();
        Self {
            path: settings.path("path").unwrap_or_default(),
            max_size: number("max-size", 64 << 20),
            keep: number("keep", 5),
        }
    }

    /// Several processes may do so at once: each holds the file while it looks
    /// and writes.
    fn append(&self, lines: &[u8]) -> io::Result<()> {
        for _ in 0..ATTEMPTS {
            let mut file = Appender::open(&self.path)?;
            file.hold(&self.path);
            if !file.is_at(&self.path).unwrap_or(false) {
                continue;
            }
            // What cannot be rotated is longer than wished for, and no reason
            // to lose an alert.
            if self.is_full(lines.len() as u64)? && self.rotate().is_ok() {
                continue;
            }
            // In one piece, for readers who follow the file.
            return file.write_all(lines);
        }
        Appender::open(&self.path)?.write_all(lines)
    }

    fn rotate(&self) -> io::Result<()> {
        for number in (1..self.keep).rev() {
            let (from, to) = (old(&self.path, number), old(&self.path, number + 1));
            match fs::rename(from, to) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, old(&self.path, 1))
    }

    /// A device or a pipe never is.
    fn is_full(&self, more: u64) -> io::Result<bool> {
        let file = fs::metadata(&self.path)?;
        Ok(file.is_file() && file.len() > 0 && file.len().saturating_add(more) > self.max_size)
    }
}

/// `alerts.jsonl.2`
fn old(path: &Path, number: u64) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    name.into()
}

impl Sink for Rotated {
    fn send(&mut self, message: &Message) -> Outcome {
        let lines = match lines(message) {
            Ok(lines) => lines,
            Err(error) => return Outcome::Rejected(error.to_string()),
        };
        match self.append(&lines) {
            Ok(()) => Outcome::delivered(),
            Err(error) => failed(&self.path, &error),
        }
    }

    fn preview(&mut self, message: &Message) -> String {
        let lines = lines(message).unwrap_or_default();
        let path = self.path.display();
        format!(">> {path}\n{}", String::from_utf8_lossy(&lines))
    }
}

fn lines(message: &Message) -> serde_json::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for entry in &message.entries {
        serde_json::to_writer(&mut lines, &entry.alert)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

fn failed(path: &Path, error: &io::Error) -> Outcome {
    let why = format!("cannot write to `{}`: {error}", path.display());
    match error.kind() {
        ErrorKind::NotFound
        | ErrorKind::PermissionDenied
        | ErrorKind::NotADirectory
        | ErrorKind::IsADirectory
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::InvalidFilename
        | ErrorKind::InvalidInput => Outcome::Broken(why),
        _ => Outcome::Transient(why),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::testing::{self, message};
    use super::*;
    use crate::alert::Alert;
    use crate::deliver::sample;

    fn sink(path: &Path, max_size: u64, keep: u64) -> Rotated {
        Rotated {
            path: path.to_owned(),
            max_size,
            keep,
        }
    }

    fn titled(title: &str) -> Message {
        testing::of([Alert {
            title: title.to_owned(),
            ..sample()
        }])
    }

    fn titles(path: &Path) -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        let title = |line: &str| {
            let alert: serde_json::Value = serde_json::from_str(line).unwrap();
            alert["title"].as_str().unwrap().to_owned()
        };
        text.lines().map(title).collect()
    }

    #[test]
    fn each_alert_is_a_line_in_its_documented_form() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts.jsonl");
        let mut sink = sink(&path, 1 << 20, 5);
        assert_eq!(sink.send(&message()), Outcome::delivered());
        assert_eq!(sink.send(&testing::many(3)), Outcome::delivered());
        let text = fs::read_to_string(&path).unwrap();
        let first = serde_json::to_string(&sample()).unwrap();
        assert_eq!(text.lines().next(), Some(first.as_str()));
        assert_eq!(text.lines().count(), 4);
        for text in testing::HOSTILE {
            assert_eq!(sink.send(&testing::saying(text)), Outcome::delivered());
        }
        assert_eq!(titles(&path).len(), 4 + testing::HOSTILE.len());
    }

    #[test]
    fn a_full_file_makes_way_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts.jsonl");
        let two = 2 * lines(&titled("a")).unwrap().len() as u64;
        let mut sink = sink(&path, two, 2);
        for title in ["a", "b", "c", "d", "e", "f", "g"] {
            assert_eq!(sink.send(&titled(title)), Outcome::delivered());
        }
        assert_eq!(titles(&path), ["g"]);
        assert_eq!(titles(&old(&path, 1)), ["e", "f"]);
        assert_eq!(titles(&old(&path, 2)), ["c", "d"]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
        // What is larger than a file gets one of its own.
        assert_eq!(sink.send(&titled(&"h".repeat(9999))), Outcome::delivered());
        assert_eq!(titles(&path).len(), 1);
        assert_eq!(titles(&old(&path, 1)), ["g"]);
    }

    #[test]
    fn several_writers_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts.jsonl");
        let size = 10 * lines(&titled("00")).unwrap().len() as u64;
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let mut sink = sink(&path, size, 1000);
                scope.spawn(move || {
                    for number in 0..50 {
                        let message = titled(&format!("{writer}-{number}"));
                        assert_eq!(sink.send(&message), Outcome::delivered());
                    }
                });
            }
        });
        let files = fs::read_dir(dir.path()).unwrap();
        let mut all: Vec<_> = files
            .flat_map(|file| titles(&file.unwrap().path()))
            .collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 200);
    }

    #[test]
    fn the_name_says_where_the_next_line_goes() {
        let dir = tempfile::tempdir().unwrap();
        let (path, away) = (dir.path().join("alerts.jsonl"), dir.path().join("away"));
        let mut sink = sink(&path, 1 << 20, 5);
        sink.send(&titled("a"));
        fs::rename(&path, &away).unwrap();
        sink.send(&titled("b"));
        assert_eq!(
            (titles(&away), titles(&path)),
            (vec!["a".into()], vec!["b".into()])
        );
        fs::remove_file(&path).unwrap();
        sink.send(&titled("c"));
        assert_eq!(titles(&path), ["c"]);
    }

    #[test]
    fn a_torn_line_stays_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts.jsonl");
        fs::write(&path, "{\"id\":\"01").unwrap();
        assert!(sink(&path, 1 << 20, 5).send(&message()).is_success());
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("{\"id\":\"01\n{\"id\":"), "{text}");
    }

    #[cfg(unix)]
    #[test]
    fn every_new_file_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts.jsonl");
        let mut sink = sink(&path, 1, 5);
        sink.send(&message());
        sink.send(&message());
        for path in [path.clone(), old(&path, 1)] {
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_can_be_mended_is_broken_and_a_full_disk_passes() {
        let dir = tempfile::tempdir().unwrap();
        for (path, expected) in [
            (dir.path().join("missing/alerts.jsonl"), "broken"),
            (dir.path().to_owned(), "broken"),
            (PathBuf::from("/dev/full"), "transient"),
        ] {
            let outcome = sink(&path, 1, 5).send(&message());
            assert_eq!(outcome.name(), expected, "{outcome:?}");
            assert!(outcome.why().unwrap().contains(path.to_str().unwrap()));
        }
    }

    #[test]
    fn the_usual_settings() {
        let usual = Rotated::new(&testing::settings(&KIND, &[("path", "alerts.jsonl")]));
        assert_eq!((usual.max_size, usual.keep), (64 << 20, 5));
        assert_eq!(usual.path, Path::new("alerts.jsonl"));
    }
}
