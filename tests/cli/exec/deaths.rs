//! Parts of runwatch are killed at some moment: the job never notices.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout};

use super::{Place, eventually, is_alive, kill};

/// What the job prints, and writes into a file: a line a millisecond or so.
const LINES: u32 = 3000;

const JOB: &str = "\
import sys, time
with open('file', 'w') as file:
    for n in range(int(sys.argv[1])):
        print(n, flush=True)
        print(n, file=file, flush=True)
        time.sleep(0.0005)
";

struct Running {
    place: Place,
    keeper: Child,
    stdout: BufReader<ChildStdout>,
    read: String,
}

impl Running {
    fn start() -> Self {
        let place = Place::new();
        let lines = LINES.to_string();
        let job = ["python3", "-c", JOB, &lines];
        let mut command = place.exec("--quiet", &job);
        command.stderr(std::process::Stdio::null());
        let mut keeper = command.spawn().unwrap();
        let stdout = BufReader::new(keeper.stdout.take().unwrap());
        Self {
            place,
            keeper,
            stdout,
            read: String::new(),
        }
    }

    /// Reads up to this line.
    fn read_to(&mut self, line: u32) {
        while self.read.lines().last() != Some(&line.to_string()) {
            let len = self.stdout.read_line(&mut self.read).unwrap();
            assert!(len > 0, "the output ended early");
        }
    }

    /// The helpers of a role that are alive.
    fn helpers(&self, role: &str) -> Vec<u32> {
        let id = self.keeper.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let words = children.unwrap_or_default();
        words
            .split_whitespace()
            .map(|pid| pid.parse().unwrap())
            .filter(|pid| {
                let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                let role = format!("--role\0{role}\0");
                is_alive(*pid) && String::from_utf8_lossy(&words).contains(&role)
            })
            .collect()
    }

    fn kill_helpers(&self, role: &str) {
        eventually("the helpers are there", || !self.helpers(role).is_empty());
        for pid in self.helpers(role) {
            kill(pid, "KILL");
        }
    }

    /// All lines are there, on both ways, and nothing is left.
    fn ends_well(mut self, code: Option<i32>) {
        self.stdout.read_to_string(&mut self.read).unwrap();
        let expected: String = (0..LINES).map(|n| format!("{n}\n")).collect();
        let lines = self.read.lines().count();
        assert!(self.read == expected, "{lines} lines");
        let file = fs::read_to_string(self.place.path().join("file")).unwrap();
        assert!(file == expected);
        assert_eq!(self.keeper.wait().unwrap().code(), code);
        let place = self.place;
        eventually("nobody and nothing is left", || {
            processes_in(&place).is_empty() && place.folders().is_empty()
        });
    }
}

/// The processes whose home is this place.
fn processes_in(place: &Place) -> Vec<String> {
    let home = format!("HOME={}", place.path().display());
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| {
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|variable| variable == home.as_bytes())
        })
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn the_relays_die() {
    let mut job = Running::start();
    for line in [1, 200, 777, 1500, 1501, 2400] {
        job.read_to(line);
        job.kill_helpers("relay");
    }
    job.ends_well(Some(0));
}

#[test]
fn the_watcher_dies() {
    let mut job = Running::start();
    for line in [1, 900, 1800, 2400, 2700] {
        job.read_to(line);
        let watchers = job.helpers("watcher");
        watchers.iter().for_each(|pid| kill(*pid, "KILL"));
    }
    job.ends_well(Some(0));
}

#[test]
fn the_keeper_dies() {
    for line in [1, 1000] {
        let mut job = Running::start();
        job.read_to(line);
        job.keeper.kill().unwrap();
        job.ends_well(None);
    }
}

#[test]
fn all_that_is_called_runwatch_dies() {
    let mut job = Running::start();
    job.read_to(500);
    let watchers = job.helpers("watcher");
    job.keeper.kill().unwrap();
    watchers.iter().for_each(|pid| kill(*pid, "KILL"));
    job.stdout.read_to_string(&mut job.read).unwrap();
    let expected: String = (0..LINES).map(|n| format!("{n}\n")).collect();
    assert!(job.read == expected);
    eventually("nobody is left", || processes_in(&job.place).is_empty());
}

#[test]
fn what_ends_runwatch_by_signal_is_for_the_job() {
    let mut job = Running::start();
    job.read_to(300);
    // What `pkill runwatch` does, but for the keeper, which would pass it on.
    for pid in job.helpers("watcher").iter().chain(&job.helpers("relay")) {
        kill(*pid, "TERM");
        kill(*pid, "INT");
    }
    job.ends_well(Some(0));
}
