//! A line that says how far a long review has come, where somebody looks.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A review that is over before this needs no such line.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the line changes.
const EVERY: Duration = Duration::from_millis(200);

/// How far the inputs have been read.
pub(super) struct Progress {
    wanted: bool,
    input: String,
    /// The bytes of all files, as they lie on disk; unknown with a pipe among them.
    total: Option<u64>,
    read: Arc<AtomicU64>,
    began: Instant,
    next: Instant,
    shown: bool,
}

impl Progress {
    /// Never shown when quiet, or when standard error is no terminal.
    pub(super) fn new(files: &[PathBuf], quiet: bool) -> Self {
        let size = |path: &PathBuf| match fs::metadata(path) {
            Ok(file) if file.is_file() => Some(file.len()),
            // What is missing takes no time.
            Err(_) if path.as_os_str() != "-" => Some(0),
            _ => None,
        };
        let wanted = !quiet && io::stderr().is_terminal();
        let began = Instant::now();
        Self {
            wanted,
            input: String::new(),
            total: if wanted {
                files.iter().map(size).sum()
            } else {
                None
            },
            read: Arc::default(),
            began,
            next: began + PATIENCE,
            shown: false,
        }
    }

    /// Makes a file count its bytes as they are read.
    pub(super) fn counter(&self) -> impl FnOnce(File) -> Counted + use<> {
        let read = self.read.clone();
        |file| Counted(file, read)
    }

    /// Another input begins.
    pub(super) fn input(&mut self, input: &str) {
        self.input = input.to_owned();
    }

    /// Writes the line anew if it is time to.
    pub(super) fn show(&mut self) {
        if !self.wanted || Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + EVERY;
        self.shown = true;
        let done = self.read.load(Ordering::Relaxed);
        let text = line(&self.input, done, self.total, self.began.elapsed());
        // One row of the terminal: a longer line could not be taken back.
        let width = textwrap::termwidth().saturating_sub(1);
        let text: String = text.chars().take(width).collect();
        put(&format!("\r{text}\x1b[K"));
    }

    /// Takes the line away, for something else to be written.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            put("\r\x1b[K");
        }
    }
}

fn put(text: &str) {
    let mut err = io::stderr().lock();
    // With nobody to read it there is nobody to tell.
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

fn line(input: &str, done: u64, total: Option<u64>, elapsed: Duration) -> String {
    let rate = done as f64 / elapsed.as_secs_f64().max(1e-9);
    let speed = format!("{}/s", bytes(rate));
    match total {
        Some(total) if total > 0 && done <= total => {
            let percent = done as f64 / total as f64 * 100.0;
            let left = (total - done) as f64 / rate.max(1.0);
            let total = bytes(total as f64);
            format!(
                "{percent:3.0} % of {total}, {speed}, {} left: {input}",
                time(left)
            )
        }
        _ => format!("{}, {speed}: {input}", bytes(done as f64)),
    }
}

fn bytes(number: f64) -> String {
    let (size, unit) = match number {
        n if n < 1e6 => (n / 1e3, "kB"),
        n if n < 1e9 => (n / 1e6, "MB"),
        n => (n / 1e9, "GB"),
    };
    format!("{size:.1} {unit}")
}

fn time(seconds: f64) -> String {
    // A first guess may be absurd.
    let seconds = seconds.min(359_999.0) as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// A file whose bytes are counted as they are read.
pub(super) struct Counted(File, Arc<AtomicU64>);

impl Read for Counted {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let len = self.0.read(to)?;
        self.1.fetch_add(len as u64, Ordering::Relaxed);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_rate_and_time_left() {
        let ten = Duration::from_secs(10);
        assert_eq!(
            line("a.log", 500_000_000, Some(2_000_000_000), ten),
            " 25 % of 2.0 GB, 50.0 MB/s, 30 s left: a.log"
        );
        assert_eq!(
            line("a.log", 1_000_000, Some(7_400_000_000), ten),
            "  0 % of 7.4 GB, 100.0 kB/s, 20 h 33 min left: a.log"
        );
        assert_eq!(line("-", 30_000, None, ten), "30.0 kB, 3.0 kB/s: -");
        assert_eq!(time(61.5), "1 min 01 s");
        assert_eq!(time(f64::INFINITY), "99 h 59 min");
    }

    #[test]
    fn nothing_is_shown_where_nobody_looks() {
        let mut progress = Progress::new(&[], true);
        progress.next = Instant::now();
        progress.show();
        assert!(!progress.shown);
    }
}
