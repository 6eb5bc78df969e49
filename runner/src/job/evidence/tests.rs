//! With real processes.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::*;

/// A job in a process group of its own, killed in the end.
struct Job(Child);

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(group) = Pid::from_raw(self.0.id() as i32) {
            _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        _ = self.0.wait();
    }
}

impl Job {
    /// Starts it and waits until it says that it is ready.
    fn start(command: &mut Command) -> Self {
        let child = command.process_group(0).stdout(Stdio::piped()).spawn();
        let mut job = Self(child.unwrap());
        let stdout = job.0.stdout.take().unwrap();
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        job
    }

    fn shell(script: &str) -> Self {
        Self::start(Command::new("sh").args(["-c", script]))
    }

    /// Waits until some process of it is in this state.
    fn wait_for(&self, wanted: impl Fn(&Process) -> bool) {
        let until = Instant::now() + Duration::from_secs(20);
        while !processes::of_job(&processes::all(), self.0.id())
            .iter()
            .any(&wanted)
        {
            assert!(Instant::now() < until, "it never came to that");
            thread::sleep(PAUSE);
        }
    }

    fn evidence(&self) -> Evidence {
        self.asked(&[], "")
    }

    fn asked(&self, lines: &[(String, Vec<String>)], behind: &str) -> Evidence {
        let leader = self.0.id();
        collect(&Asked {
            whose: Whose::Job { leader },
            deadline: DEADLINE,
            lines,
            behind,
        })
    }
}

fn sections(evidence: &Evidence) -> Vec<&str> {
    let titles = evidence.text.lines();
    titles.filter_map(|line| line.strip_prefix("== ")).collect()
}

#[test]
fn a_job_that_sleeps_is_described() {
    let job = Job::shell("sleep 1000 --token=geheim 2>/dev/null & echo ready; sleep 1000");
    job.wait_for(|it| it.name == "sleep");
    let lines = [(
        "stderr".to_owned(),
        vec!["step 7".to_owned(), "\u{1b}[31mhm".to_owned()],
    )];
    let evidence = job.asked(&lines, "rank 1 is 12 steps behind");
    let found = sections(&evidence);
    assert_eq!(
        found[..2],
        ["summary", "which ranks are behind"],
        "{}",
        evidence.text
    );
    assert_eq!(found.last(), Some(&"last lines of stderr"));
    assert!(evidence.text.contains("rank 1 is 12 steps behind\n"));
    assert!(
        evidence
            .text
            .contains("sleep 1000: asleep, waits for a time: it sleeps"),
        "{}",
        evidence.text
    );
    assert!(evidence.text.contains("step 7\n") && !evidence.text.contains('\u{1b}'));
    assert!(!evidence.text.contains("geheim"));
    assert!(evidence.summary.contains("asleep"), "{}", evidence.summary);
}

#[test]
fn a_stopped_process_is_pointed_at() {
    let job = Job::shell("echo ready; exec sleep 1000");
    kill_process(Pid::from_child(&job.0), Signal::STOP).unwrap();
    job.wait_for(|it| it.state == State('T'));
    let evidence = job.evidence();
    assert!(
        evidence.text.contains("Look at this first: pid") && evidence.text.contains("is stopped."),
        "{}",
        evidence.text
    );
}

#[test]
fn a_fifo_that_nobody_opens_is_named_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let job = Job::shell(&format!("echo ready; cat '{}'", fifo.display()));
    let opens = |it: &Process| {
        let place = processes::read(&format!("/proc/{}/wchan", it.pid)).unwrap_or_default();
        place.contains("wait_for_partner") || place.contains("fifo_open")
    };
    if processes::read("/proc/self/wchan").is_none() {
        return;
    }
    job.wait_for(opens);
    let evidence = job.evidence();
    assert!(
        evidence
            .text
            .contains("waits for somebody to open the other end of a FIFO"),
        "{}",
        evidence.text
    );
}

#[test]
fn a_process_that_spins_is_busy() {
    let job = Job::shell("echo ready; while :; do :; done");
    let evidence = job.evidence();
    // How much of a core it gets is up to the machine.
    assert!(
        evidence.text.contains("of a core during the look") || evidence.text.contains("running"),
        "{}",
        evidence.text
    );
}

#[test]
fn a_job_that_is_gone_is_said_to_be() {
    let mut child = Command::new("true").process_group(0).spawn().unwrap();
    child.wait().unwrap();
    let evidence = collect(&Asked {
        whose: Whose::Job { leader: child.id() },
        deadline: DEADLINE,
        lines: &[],
        behind: "",
    });
    assert_eq!(evidence.summary, "No process of the job is there any more.");
}

#[test]
fn ranks_are_found_by_their_heartbeats_unless_the_number_is_another_s() {
    let job = Job::shell("echo ready; exec sleep 1000");
    let pid = job.0.id();
    let now = jiff::Timestamp::now().as_second() as f64;
    let claim = |rank, pid, host: Option<&str>, seen| Claim {
        rank,
        pid,
        host: host.map(str::to_owned),
        seen,
    };
    let here = gethostname::gethostname().to_string_lossy().into_owned();
    let ask = |claims: Vec<Claim>| {
        collect(&Asked {
            whose: Whose::Ranks(claims),
            deadline: DEADLINE,
            lines: &[],
            behind: "",
        })
    };
    let evidence = ask(vec![
        claim(4, pid, Some("some.other.host"), now),
        claim(3, u32::MAX - 7, None, now),
        claim(2, pid, Some(&here), now + 60.0),
    ]);
    assert!(
        evidence
            .text
            .contains(&format!("== rank 2 (pid {pid}): sleep 1000\n")),
        "{}",
        evidence.text
    );
    assert!(evidence.text.contains("Rank 4 is on another machine"));
    assert!(evidence.text.contains("Rank 3 is gone"));
    // The heartbeat is of yesterday, the process of today.
    let evidence = ask(vec![claim(0, pid, None, now - 86_400.0)]);
    assert!(
        evidence.text.contains("Rank 0 is gone"),
        "{}",
        evidence.text
    );
}

#[test]
fn many_processes_are_bounded_and_counted() {
    let script = "i=0; while [ $i -lt 300 ]; do sleep 1000 & i=$((i+1)); done; echo ready; wait";
    let evidence = Job::shell(script).evidence();
    assert!(evidence.text.len() <= crate::alert::EVIDENCE_BYTES);
    assert!(
        evidence.text.contains("45 more were not looked at"),
        "{}",
        evidence.text
    );
    assert!(
        evidence.text.contains("… and 261 more\n"),
        "{}",
        evidence.text
    );
}

/// A Python whose main thread waits for a lock, as a thread of its does.
const HANGS: &str = "\
import os, threading
lock = threading.Lock()
lock.acquire()
def load_batch():
    lock.acquire()
def train_step():
    print('ready', flush=True)
    lock.acquire()
threading.Thread(target=load_batch, name='loader', daemon=True).start()
train_step()
";

#[test]
fn the_code_in_which_a_python_hangs_is_shown() {
    let Some(python) = std::env::var_os("RUNWATCH_PY_SPY_PYTHON") else {
        eprintln!("note: RUNWATCH_PY_SPY_PYTHON is not set: there is no py-spy to test with");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("train.py");
    std::fs::write(&script, HANGS).unwrap();
    // Found beside the Python of the job.
    assert!(Path::new(&python).with_file_name("py-spy").is_file());
    let job = Job::start(
        Command::new(&python)
            .arg(&script)
            .env("RANK", "1")
            .env("WORLD_SIZE", "2"),
    );
    let pid = job.0.id();
    let evidence = job.evidence();
    let summary = &evidence.summary;
    assert!(
        summary.starts_with(&format!("Rank 1 (pid {pid}) is in train_step, ")),
        "{summary}"
    );
    assert!(summary.contains("train.py:8."), "{summary}");
    let text = &evidence.text;
    for part in [
        "RANK=1 WORLD_SIZE=2",
        "thread MainThread (idle)\n",
        "thread loader (idle)\n    load_batch, ",
        "asleep, waits for another thread or a lock",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    if std::env::var_os("RUNWATCH_SHOW").is_some() {
        eprintln!("{summary}\n\n{text}");
    }
}
