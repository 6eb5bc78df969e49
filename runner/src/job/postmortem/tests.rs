//! With real processes, and with what launchers write.
#![allow(clippy::unwrap_used)]

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};

use super::*;

fn ending(status: ExitStatus) -> Option<JobEnding> {
    let killed = status.signal().map(JobEnding::Killed);
    killed.or_else(|| status.code().map(JobEnding::Exited))
}

/// Runs a script to its end.
fn facts(script: &str) -> Facts {
    let folder = tempfile::tempdir().unwrap();
    // It waits until things were noted.
    let waits = format!("read go; {script}");
    let mut command = Command::new("sh");
    command.args(["-c", &waits]).current_dir(folder.path());
    let mut child = command
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let before = Before::take(child.id(), folder.path());
    before.facts(end(&mut child), &[])
}

fn end(child: &mut Child) -> Option<JobEnding> {
    use std::io::Write as _;
    _ = child.stdin.take().map(|mut stdin| stdin.write_all(b"go\n"));
    ending(child.wait().unwrap())
}

#[test]
fn signals_and_codes_are_told_apart() {
    for (script, guess) in [
        ("kill -SEGV $$", Guess::Segmentation),
        ("kill -BUS $$", Guess::Bus),
        ("kill -ILL $$", Guess::IllegalInstruction),
        ("kill -ABRT $$", Guess::Aborted),
        ("kill -TERM $$", Guess::AskedToEnd),
        ("kill -USR1 $$", Guess::Unhandled),
        ("exit 139", Guess::Segmentation),
        ("exit 143", Guess::AskedToEnd),
        ("exit 1", Guess::Failed),
        ("exit 3", Guess::Failed),
        ("exec no-such-command-here", Guess::NoCommand),
        ("exit 0", Guess::Unknown),
    ] {
        assert_eq!(
            facts(&format!("ulimit -c 0; {script}")).guess,
            guess,
            "{script}"
        );
    }
}

#[test]
fn a_kill_from_outside_is_a_question() {
    // Unless the kernel has killed somebody for want of memory meanwhile.
    let facts = facts("kill -KILL $$");
    assert_eq!(facts.guess, Guess::KilledFromOutside, "{facts:?}");
    assert!(recommendation(&facts.guess).contains("scheduler"));
}

#[test]
fn exit_codes_have_a_meaning() {
    assert!(facts("exit 137").sentences[0].contains("128 + 9"));
    assert!(facts("exit 127").sentences[0].contains("not found"));
    assert!(facts("exit 1").sentences[0].contains("exception"));
}

#[test]
fn what_torchrun_says_counts() {
    let lines = "\
Root Cause (first observed failure):
[0]:
  time      : 2026-05-01_03:00:00
  host      : node-7
  rank      : 5 (local_rank: 1)
  exitcode  : -9 (pid: 4242)
  error_file: <N/A>
  traceback : Signal 9 (SIGKILL) received by PID 4242
============================================================";
    let lines: Vec<String> = lines.lines().map(str::to_owned).collect();
    let (text, signal) = told(&lines).unwrap();
    assert_eq!(text, "The launcher says that rank 5 was ended by SIGKILL.");
    assert_eq!(signal, Some(9));
    let lines = ["  exitcode  : 1 (pid: 7)".to_owned()];
    let (text, signal) = told(&lines).unwrap();
    assert_eq!(
        text,
        "The launcher says that a process ended with exit code 1."
    );
    assert_eq!(signal, None);
    assert_eq!(told(&["x".to_owned()]), None);
}

#[test]
fn no_space_left_is_the_reason_if_the_job_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let before = Before::take(std::process::id(), folder.path());
    let lines = ["OSError: [Errno 28] No space left on device: 'x.pt'".to_owned()];
    let facts = before.facts(Some(JobEnding::Exited(1)), &lines);
    assert_eq!(facts.guess, Guess::DiskFull);
}

/// A group with a limit of memory, where this machine lets us make one.
#[cfg(target_os = "linux")]
struct Limited(PathBuf);

#[cfg(target_os = "linux")]
impl Limited {
    fn new(bytes: u64) -> Option<Self> {
        let name = format!("runwatch-test-{}", std::process::id());
        for (parent, limit) in [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
        ] {
            let folder = Path::new(parent).join(&name);
            if !folder
                .parent()
                .is_some_and(|it| it.join("cgroup.procs").exists())
                || std::fs::create_dir(&folder).is_err()
            {
                continue;
            }
            let made = Self(folder);
            if std::fs::write(made.0.join(limit), bytes.to_string()).is_ok() {
                return Some(made);
            }
        }
        None
    }
}

#[cfg(target_os = "linux")]
impl Drop for Limited {
    fn drop(&mut self) {
        _ = std::fs::remove_dir(&self.0);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_the_kernel_kills_for_want_of_memory_is_known() {
    let Some(group) = Limited::new(64 << 20) else {
        eprintln!("note: no group with a limit of memory can be made here");
        return;
    };
    let script = "read go; exec tail -c 1000m /dev/zero";
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    std::fs::write(group.0.join("cgroup.procs"), child.id().to_string()).unwrap();
    let before = Before::take(child.id(), Path::new("/"));
    let ending = end(&mut child);
    assert_eq!(ending, Some(JobEnding::Killed(9)));
    let facts = before.facts(ending, &[]);
    assert_eq!(facts.guess, Guess::OutOfMemory);
    let told = &facts.sentences[0];
    assert!(
        told.contains("a process of the job's control group") && told.contains("64 MiB"),
        "{facts:?}"
    );
    if before.log.is_readable() {
        let of_log = format!("process {} (the job) (tail)", child.id());
        assert!(
            facts.sentences.iter().any(|it| it.contains(&of_log)),
            "{facts:?}"
        );
    }
}
