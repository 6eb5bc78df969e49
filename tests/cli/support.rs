//! A builder for tests: what goes in, what must come out.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// A test that hangs is a test that fails; nothing is ever this slow.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs runwatch once, in a folder and an environment of its own.
///
/// What is not said is expected to be empty, and the exit code to be 0.
#[must_use]
pub(crate) struct Test {
    folder: TempDir,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    input: Chunks,
    /// `None`: anything.
    stdout: Option<Vec<u8>>,
    stderr: Option<String>,
    code: u8,
}

/// What is written to standard input, each in a write of its own.
type Chunks = Vec<Vec<u8>>;

/// What came out.
pub(crate) struct Output {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    pub(crate) folder: TempDir,
}

impl Test {
    /// Arguments are separated by blanks; none of ours has blanks in it.
    pub(crate) fn new(arguments: &str) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            arguments: arguments.split_whitespace().map(str::to_owned).collect(),
            environment: Vec::new(),
            input: Vec::new(),
            stdout: Some(Vec::new()),
            stderr: Some(String::new()),
            code: 0,
        }
    }

    pub(crate) fn arguments(mut self, more: &str) -> Self {
        let more = more.split_whitespace().map(str::to_owned);
        self.arguments.extend(more);
        self
    }

    pub(crate) fn argument(mut self, argument: impl AsRef<Path>) -> Self {
        let argument = argument.as_ref().to_str().unwrap().to_owned();
        self.arguments.push(argument);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes a file, and the folders that it is in.
    pub(crate) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    pub(crate) fn stdin(self, input: impl Into<Vec<u8>>) -> Self {
        self.stdin_in_chunks(vec![input.into()])
    }

    pub(crate) fn stdin_in_chunks(mut self, input: Chunks) -> Self {
        self.input = input;
        self
    }

    pub(crate) fn stdout(mut self, expected: impl Into<Vec<u8>>) -> Self {
        self.stdout = Some(expected.into());
        self
    }

    /// The caller looks at standard output itself.
    pub(crate) fn any_stdout(mut self) -> Self {
        self.stdout = None;
        self
    }

    pub(crate) fn stderr(mut self, expected: impl Into<String>) -> Self {
        self.stderr = Some(expected.into());
        self
    }

    /// The caller looks at standard error itself.
    pub(crate) fn any_stderr(mut self) -> Self {
        self.stderr = None;
        self
    }

    pub(crate) fn code(mut self, expected: u8) -> Self {
        self.code = expected;
        self
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The program, as this test wants it started.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            // Compiled detectors are worth sharing: else each test compiles.
            .env("XDG_CACHE_HOME", shared_cache())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(self) -> Output {
        let command = self.command(Path::new(BINARY));
        self.finish(command)
    }

    /// Runs a shell script in which `"$0"` is runwatch and `"$@"` are the
    /// arguments.
    #[cfg(unix)]
    pub(crate) fn run_in_shell(mut self, script: &str) -> Output {
        let own = std::mem::take(&mut self.arguments);
        self.arguments = ["-c", script, BINARY].map(str::to_owned).to_vec();
        self.arguments.extend(own);
        let mut command = self.command(Path::new("/bin/sh"));
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        self.finish(command)
    }

    fn finish(mut self, mut command: Command) -> Output {
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = std::mem::take(&mut self.input);
        let writer = thread::spawn(move || {
            for chunk in input {
                // A program that does not want it all is no failure here.
                if stdin.write_all(&chunk).is_err() {
                    return;
                }
            }
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        let stderr = normal(&String::from_utf8(output.stderr).unwrap());
        let shown = String::from_utf8_lossy(&output.stdout);
        let context = || format!("\n--- stdout\n{shown}\n--- stderr\n{stderr}");
        assert_eq!(
            output.status.code(),
            Some(i32::from(self.code)),
            "exit code{}",
            context()
        );
        if let Some(expected) = &self.stderr {
            assert_eq!(stderr, *expected, "stderr{}", context());
        }
        if let Some(expected) = &self.stdout
            && output.stdout != *expected
        {
            let expected = String::from_utf8_lossy(expected);
            panic!("stdout is not\n{expected}\n{}", context());
        }
        Output {
            stdout: output.stdout,
            stderr,
            folder: self.folder,
        }
    }

    /// Starts runwatch and lets the caller talk with it. Expectations are not
    /// looked at.
    pub(crate) fn start(self) -> Session {
        let mut child = self.command(Path::new(BINARY)).spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        Session {
            stdin: child.stdin.take(),
            stdout: child.stdout.take().map(BufReader::new),
            stderr: lines_of(stderr),
            child,
            folder: self.folder,
        }
    }
}

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_runwatch");

pub(crate) fn shared_cache() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli-cache");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

impl Output {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// The alerts of `--json`: each line must be strict JSON.
    pub(crate) fn alerts(&self) -> Vec<Value> {
        alerts(self.text())
    }
}

pub(crate) fn alerts(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// Some fields of alerts, for comparison at a glance.
pub(crate) fn fields(alerts: &[Value], names: &[&str]) -> Vec<String> {
    let field = |alert: &Value, name: &str| match &alert[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    alerts
        .iter()
        .map(|alert| {
            let fields: Vec<_> = names.iter().map(|name| field(alert, name)).collect();
            fields.join(" ")
        })
        .collect()
}

/// Puts `TIME` for each time of day, which no test can know.
pub(crate) fn normal(text: &str) -> String {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    let is_time = |text: &[u8]| {
        text.len() >= SHAPE.len()
            && text.iter().zip(SHAPE).all(|(byte, shape)| match shape {
                b'0' => byte.is_ascii_digit(),
                _ => byte == shape,
            })
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = (0..rest.len()).find(|&at| is_time(&rest.as_bytes()[at..])) {
        out.push_str(&rest[..at]);
        out.push_str("TIME");
        rest = rest[at + SHAPE.len()..]
            .trim_start_matches(|c: char| c == '.' || c.is_ascii_digit())
            .trim_start_matches('Z');
    }
    out.push_str(rest);
    out
}

/// A runwatch that is running.
pub(crate) struct Session {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
    stderr: Receiver<String>,
    folder: TempDir,
}

/// Reads lines on a thread, so that waiting for one can end.
fn lines_of(from: ChildStderr) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            if sender.send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    receiver
}

impl Session {
    /// Writes a file while it runs.
    pub(crate) fn file(&self, path: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.folder.path().join(path), content).unwrap();
    }

    pub(crate) fn write(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    /// The next line of standard output, with its end.
    pub(crate) fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
        line
    }

    /// So many bytes of standard output.
    pub(crate) fn read(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut bytes)
            .unwrap();
        bytes
    }

    /// Reads standard error up to a line that contains `text`, and gives it.
    pub(crate) fn await_stderr(&mut self, text: &str) -> String {
        self.stderr_up_to(text).pop().unwrap()
    }

    /// The lines of standard error up to one that contains `text`.
    pub(crate) fn stderr_up_to(&mut self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.stderr.recv_timeout(PATIENCE) {
                Ok(line) => lines.push(line),
                Err(_) => panic!("standard error never said {text:?}, but {lines:?}"),
            }
            if lines.last().is_some_and(|line| line.contains(text)) {
                return lines;
            }
        }
    }

    pub(crate) fn close_stdout(&mut self) {
        self.stdout = None;
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Ends standard input and gives the end, with what was not read yet.
    pub(crate) fn end(mut self) -> (ExitStatus, String, String) {
        self.stdin = None;
        self.wait()
    }

    /// Waits for the end without ending standard input.
    pub(crate) fn wait(mut self) -> (ExitStatus, String, String) {
        let mut stdout = Vec::new();
        if let Some(mut rest) = self.stdout.take() {
            rest.read_to_end(&mut stdout).unwrap();
        }
        let status = self.child.wait().unwrap();
        let stderr: Vec<String> = self.stderr.iter().collect();
        let stdout = String::from_utf8_lossy(&stdout).into_owned();
        (status, stdout, stderr.join("\n"))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // For a test that failed half-way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
