//! `runwatch exec -- CMD`: the job as if nothing were around it.

#[cfg(target_os = "linux")]
mod deaths;
mod halting;
mod terminal;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::streams::NAN;
use crate::support::{BINARY, shared_cache};

/// Nothing is ever this slow.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder to run in, which is the home, too.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// A program in this place's environment.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("XDG_CACHE_HOME", shared_cache())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// `runwatch exec OPTIONS -- JOB…`.
    fn exec(&self, options: &str, job: &[&str]) -> Command {
        let mut command = self.command(BINARY);
        command
            .arg("exec")
            .args(options.split_whitespace())
            .arg("--")
            .args(job);
        command
    }

    /// The same with a script of the shell.
    fn shell(&self, options: &str, script: &str) -> Command {
        self.exec(options, &["sh", "-c", script])
    }

    /// The folders of control files that there are.
    fn folders(&self) -> Vec<PathBuf> {
        let jobs = self.path().join(".local/state/runwatch/jobs");
        let entries = fs::read_dir(jobs).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

/// Waits until this is so.
fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs to the end; it must have ended with this code.
fn ends_with(code: i32, mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
    output
}

#[test]
fn any_byte_passes_and_the_streams_stay_apart() {
    let place = Place::new();
    let junk: Vec<u8> = (0..300_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    fs::write(place.path().join("junk"), &junk).unwrap();
    let output = ends_with(0, place.shell("--quiet", "cat junk; printf err >&2"));
    assert!(output.stdout == junk);
    assert_eq!(text(&output.stderr), "err");
}

#[test]
fn streams_that_are_one_file_keep_their_order() {
    let place = Place::new();
    let script = "i=0; while [ $i -lt 500 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done";
    let own = format!("exec \"$0\" exec --quiet -- sh -c '{script}' > both 2>&1");
    let mut command = place.command("sh");
    command.args(["-c", &own, BINARY]);
    ends_with(0, command);
    let expected: String = (0..500).map(|n| format!("out {n}\nerr {n}\n")).collect();
    let both = fs::read_to_string(place.path().join("both")).unwrap();
    assert!(both == expected, "{both}");
}

#[test]
fn output_can_be_appended_to_a_file() {
    let place = Place::new();
    fs::write(place.path().join("log"), "before\n").unwrap();
    let mut command = place.command("sh");
    let script = "\"$0\" exec --quiet -- seq 1 5000 >> log && echo after >> log";
    command.args(["-c", script, BINARY]);
    ends_with(0, command);
    let numbers: String = (1..=5000).map(|n| format!("{n}\n")).collect();
    let log = fs::read_to_string(place.path().join("log")).unwrap();
    assert!(log == format!("before\n{numbers}after\n"));
}

#[test]
fn the_job_reads_our_standard_input() {
    let place = Place::new();
    let mut command = place.command("sh");
    command.args(["-c", "echo hello | \"$0\" exec --quiet -- cat", BINARY]);
    assert_eq!(text(&ends_with(0, command).stdout), "hello\n");
}

#[test]
fn exit_codes_pass() {
    let place = Place::new();
    for code in [0, 1, 3, 255] {
        ends_with(code, place.shell("--quiet", &format!("exit {code}")));
    }
    assert!(place.folders().is_empty());
}

#[test]
fn what_cannot_be_started_is_said() {
    let place = Place::new();
    let output = ends_with(127, place.exec("", &["no-such-program", "--flag"]));
    assert!(
        text(&output.stderr).starts_with("error: cannot start `no-such-program`: "),
        "{}",
        text(&output.stderr)
    );
    fs::write(place.path().join("plain"), "").unwrap();
    let output = ends_with(126, place.exec("", &["./plain"]));
    assert!(
        text(&output.stderr).contains("\nhint: may it be executed?"),
        "{}",
        text(&output.stderr)
    );
    assert!(place.folders().is_empty());
}

#[test]
fn a_wrong_configuration_starts_nothing() {
    let place = Place::new();
    fs::write(
        place.path().join("runwatch.toml"),
        "[alerts]\nno-such-key = 1\n",
    )
    .unwrap();
    let output = ends_with(2, place.exec("", &["touch", "started"]));
    assert!(text(&output.stderr).contains("unknown key `no-such-key`"));
    assert!(!place.path().join("started").exists());
}

#[test]
fn what_only_the_watcher_notices_does_not_stop_the_job() {
    let place = Place::new();
    fs::write(place.path().join("broken.wasm"), "no component").unwrap();
    let output = ends_with(
        3,
        place.shell("--detector ./broken.wasm", "echo out; exit 3"),
    );
    assert_eq!(text(&output.stdout), "out\n");
    let stderr = text(&output.stderr);
    assert!(stderr.contains("not a WebAssembly file"), "{stderr}");
    assert!(
        stderr.ends_with("runwatch: not watching; the job goes on\n"),
        "{stderr}"
    );
}

#[test]
fn an_alert_of_either_stream_appears() {
    let place = Place::new();
    fs::write(place.path().join("nan"), NAN).unwrap();
    for (script, location) in [("cat nan", "stdout:3"), ("cat nan >&2", "stderr:3")] {
        let output = ends_with(0, place.shell("--run r", script));
        let stderr = text(&output.stderr);
        assert!(stderr.contains("CRITICAL · default/r · step 3"), "{stderr}");
        assert!(
            stderr.contains(&format!("non-finite · {location} ")),
            "{stderr}"
        );
    }
}

#[test]
fn a_death_by_signal_is_passed_on() {
    let place = Place::new();
    for (name, number) in [("KILL", 9), ("SEGV", 11), ("TERM", 15), ("ABRT", 6)] {
        let mut command = place.shell("--quiet", &format!("echo out; kill -{name} $$"));
        let output = command.output().unwrap();
        assert_eq!(output.status.signal(), Some(number), "{}", output.status);
        assert_eq!(text(&output.stdout), "out\n");
    }
}

#[test]
fn signals_are_forwarded() {
    let place = Place::new();
    for (name, number) in [("TERM", 15), ("INT", 2), ("USR1", 10), ("USR2", 12)] {
        let script = format!(
            "trap 'echo got {name}; exit 5' {name}; : > ready; while :; do sleep 0.05; done"
        );
        let child = place.shell("--quiet", &script).spawn().unwrap();
        let ready = place.path().join("ready");
        eventually("the job is ready", || ready.exists());
        kill(child.id(), name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(5), "{name} {number}");
        assert_eq!(text(&output.stdout), format!("got {name}\n"));
        fs::remove_file(ready).unwrap();
    }
}

#[test]
fn what_was_ignored_stays_so() {
    let place = Place::new();
    let mut command = place.command("sh");
    // As nohup does it.
    let script = "trap '' HUP; exec \"$0\" exec --quiet -- \
                  sh -c ': > ready; while [ ! -e go ]; do sleep 0.05; done; echo done'";
    command.args(["-c", script, BINARY]);
    let child = command.spawn().unwrap();
    eventually("the job is ready", || place.path().join("ready").exists());
    kill(child.id(), "HUP");
    fs::write(place.path().join("go"), "").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "done\n");
}

#[test]
fn the_environment_names_the_run() {
    let place = Place::new();
    let script = r#"ls -ld "$RUNWATCH_DIR" | cut -c1-10
        echo "$RUNWATCH_PROJECT/$RUNWATCH_RUN $RUNWATCH_TOKEN $RUNWATCH_ATTEMPT""#;
    let mut command = place.shell("--quiet --run a/b --project p", script);
    command.env("RUNWATCH_TOKEN", "t");
    let output = ends_with(0, command);
    assert_eq!(text(&output.stdout), "drwx------\np/a/b t 1\n");
    assert!(place.folders().is_empty());

    let mut command = place.shell(
        "--quiet --dir control",
        "echo $RUNWATCH_DIR; echo $RUNWATCH_RUN",
    );
    command.env("SLURM_JOB_ID", "7");
    let output = ends_with(0, command);
    let folder = fs::canonicalize(place.path().join("control")).unwrap();
    assert_eq!(
        text(&output.stdout),
        format!("{}\nslurm-7\n", folder.display())
    );
}

#[test]
fn a_reader_that_leaves_ends_neither_the_job_nor_the_watch() {
    let place = Place::new();
    fs::write(place.path().join("nan"), NAN).unwrap();
    let mut command = place.command("sh");
    let script = "\"$0\" exec --plain -- sh -c 'seq 1 100000; cat nan; echo $? > code' | head -n 1";
    command.args(["-c", script, BINARY]);
    let output = ends_with(0, command);
    assert_eq!(text(&output.stdout), "1\n");
    let code = fs::read_to_string(place.path().join("code")).unwrap();
    assert_eq!(code, "0\n");
    assert!(text(&output.stderr).contains("CRITICAL non-finite"));
}

#[test]
#[cfg(target_os = "linux")]
fn what_a_failed_job_leaves_behind_ends_with_it() {
    let place = Place::new();
    let output = ends_with(1, place.shell("", "sleep 1000 & echo $! > left; exit 1"));
    let left = fs::read_to_string(place.path().join("left")).unwrap();
    assert!(!is_alive(left.trim().parse().unwrap()));
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("runwatch: ending a process that the job left behind\n"),
        "{stderr}"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn what_a_job_leaves_behind_on_purpose_goes_on() {
    let place = Place::new();
    let script = "sh -c 'while [ ! -e go ]; do sleep 0.05; done; echo late' & echo $! > left";
    let child = place.shell("", script).spawn().unwrap();
    eventually("the keeper has ended", || !is_alive(child.id()));
    let left = fs::read_to_string(place.path().join("left")).unwrap();
    assert!(is_alive(left.trim().parse().unwrap()));
    fs::write(place.path().join("go"), "").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), "late\n");
    assert!(
        text(&output.stderr).contains("runwatch: the job has ended and left "),
        "{}",
        text(&output.stderr)
    );
}

fn kill(pid: u32, signal: &str) {
    let mut kill = Command::new("kill");
    kill.args(["-s", signal, &pid.to_string()]);
    assert!(kill.status().unwrap().success());
}

/// Whether the process is there, and no zombie.
#[cfg(target_os = "linux")]
fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}
