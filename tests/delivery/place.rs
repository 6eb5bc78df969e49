//! A folder with a configuration and a ledger, in which runwatch is started as
//! often as a test likes.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use runwatch::ledger::Ledger;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_runwatch");

/// No detector but rules and NaNs: they start fast.
pub(crate) const LEAN: &str = "[detectors]\nenable = [\"non-finite\", \"rule\"]\n\
                               [console]\nstyle = \"off\"\n";

/// Its loss becomes NaN at once.
pub(crate) const NAN: &str = "{\"step\": 1, \"loss\": 1.0}\n{\"step\": 2, \"loss\": NaN}\n";

pub(crate) struct Place {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

/// What came out of a run.
#[derive(Debug)]
pub(crate) struct Output {
    /// None: a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("runwatch.toml"), config).unwrap();
        Self {
            folder,
            environment: Vec::new(),
        }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::open(&self.path("ledger.sqlite")).unwrap()
    }

    /// The program with these arguments, which are separated by blanks, and the
    /// ledger of this place.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = self.bare(arguments);
        command.args(["--ledger", "ledger.sqlite"]);
        command
    }

    /// The same without a ledger.
    pub(crate) fn bare(&self, arguments: &str) -> Command {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli-cache");
        std::fs::create_dir_all(&cache).unwrap();
        let mut command = Command::new(BINARY);
        command
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            // Compiled detectors are worth sharing: else each test compiles.
            .env("XDG_CACHE_HOME", cache)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &str, input: &str) -> Output {
        std::fs::write(self.path("input"), input).unwrap();
        let input = std::fs::File::open(self.path("input")).unwrap();
        let child = self.command(arguments).stdin(input).spawn().unwrap();
        finish(child)
    }
}

/// Ends standard input, if it is open, and waits for the end.
pub(crate) fn finish(mut child: Child) -> Output {
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    Output {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Reads standard output on a thread, so that the program can go on writing.
pub(crate) fn drain(child: &mut Child) -> thread::JoinHandle<Vec<u8>> {
    let mut stdout = child.stdout.take().unwrap();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

pub(crate) fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-s", name, &id]).status();
    assert!(sent.unwrap().success());
}

/// The section of a webhook on loopback, whose address is in a variable.
pub(crate) fn webhook(name: &str, more: &str) -> String {
    let variable = name.to_uppercase();
    format!(
        "[sinks.{name}]\ntype = \"webhook\"\nurl = \"env:{variable}\"\nallow-http = true\n\
         allow-private = true\n{more}\n"
    )
}

/// The most memory that a running process has had, in MiB.
pub(crate) fn memory_peak(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.unwrap().trim().strip_suffix(" kB").unwrap();
    kib.parse::<u64>().unwrap() >> 10
}
