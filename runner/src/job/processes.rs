//! Which processes there are, and which of them belong to a job.
//!
//! `/proc/PID/stat` is all that is read here: it takes no lock of the process,
//! so that it never hangs, whatever the process hangs in. Where there is no
//! `/proc` the lists are empty.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Ticks of the kernel's clock per second, as programs are told them. The same
/// on every machine of today.
pub const TICKS: u64 = 100;

/// A process as the kernel's table has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The process that started it, or that took it over.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// Its session.
    pub session: u32,
    /// What it is called, in at most 15 bytes.
    pub name: String,
    /// What it is doing.
    pub state: State,
    /// How many threads it has.
    pub threads: u32,
    /// CPU time that it has used, in [`TICKS`].
    pub cpu: u64,
    /// When it started, in [`TICKS`] since the machine did.
    pub started: u64,
}

/// What a process or a thread is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct State(pub char);

impl State {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            'R' => "running",
            'S' => "asleep",
            'D' => "blocked in the kernel",
            'T' => "stopped",
            't' => "stopped by a debugger",
            'Z' => "dead, not yet waited for",
            'X' | 'x' => "dead",
            'I' => "idle",
            _ => "in an unknown state",
        }
    }

    /// Whether there is nothing left to look at.
    #[must_use]
    pub fn is_dead(self) -> bool {
        matches!(self.0, 'Z' | 'X' | 'x')
    }
}

/// Reads a line of `/proc/PID/stat`.
#[must_use]
pub fn parse_stat(text: &str) -> Option<Process> {
    // The name may hold anything, brackets and spaces too.
    let (pid, rest) = text.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let small = |at: usize| u32::try_from(number(at)?).ok();
    Some(Process {
        pid: pid.trim().parse().ok()?,
        name: name.to_owned(),
        state: State(fields.first()?.chars().next()?),
        parent: small(1)?,
        group: small(2)?,
        session: small(3)?,
        cpu: number(11)?.saturating_add(number(12)?),
        threads: small(17)?,
        started: number(19)?,
    })
}

/// The process with this number.
#[must_use]
pub fn find(pid: u32) -> Option<Process> {
    parse_stat(&read(&format!("/proc/{pid}/stat"))?)
}

/// What a process does about signals: `SigIgn` are those that it ignores,
/// `SigCgt` those that it handles. A bit each; none where nobody says.
pub(super) fn signals(pid: u32, mask: &str) -> u64 {
    let status = read(&format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(mask)?.strip_prefix(':'));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// Whether a signal is among those of a mask.
pub(super) fn has(mask: u64, signal: i32) -> bool {
    u32::try_from(signal - 1)
        .ok()
        .and_then(|bit| 1_u64.checked_shl(bit))
        .is_some_and(|bit| mask & bit != 0)
}

/// All processes, by number.
#[must_use]
pub fn all() -> Vec<Process> {
    numbers(Path::new("/proc"))
        .into_iter()
        .filter_map(find)
        .collect()
}

/// The threads of a process.
#[must_use]
pub fn threads(pid: u32) -> Vec<Process> {
    let folder = format!("/proc/{pid}/task");
    numbers(Path::new(&folder))
        .into_iter()
        .filter_map(|thread| parse_stat(&read(&format!("{folder}/{thread}/stat"))?))
        .collect()
}

/// The processes of a job, given the one that leads it: those of its process
/// group, of its session if it leads one, and all that any of them started.
#[must_use]
pub fn of_job(all: &[Process], leader: u32) -> Vec<Process> {
    let is_of_job = |it: &Process| it.pid == leader || it.group == leader || it.session == leader;
    let roots = all.iter().filter(|it| is_of_job(it)).map(|it| it.pid);
    with_descendants(all, roots)
}

/// These processes and all that they started.
#[must_use]
pub fn with_descendants(all: &[Process], roots: impl Iterator<Item = u32>) -> Vec<Process> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for process in all {
        children
            .entry(process.parent)
            .or_default()
            .push(process.pid);
    }
    let mut found = BTreeSet::new();
    let mut open: Vec<u32> = roots.collect();
    while let Some(pid) = open.pop() {
        if found.insert(pid) {
            open.extend(children.get(&pid).into_iter().flatten());
        }
    }
    let chosen = all.iter().filter(|it| found.contains(&it.pid));
    chosen.cloned().collect()
}

/// When a process started, in seconds since 1970; none where that is unknown.
#[must_use]
pub fn started_at(process: &Process) -> Option<f64> {
    let boot = boot_time(&read("/proc/stat")?)?;
    Some(boot as f64 + process.started as f64 / TICKS as f64)
}

/// When the machine started, in seconds since 1970, from `/proc/stat`.
fn boot_time(stat: &str) -> Option<u64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

/// The text of a file of the kernel's; names of processes are any bytes.
pub(super) fn read(path: &str) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The entries of a folder that are numbers, in order.
pub(super) fn numbers(folder: &Path) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut numbers: Vec<u32> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const STAT: &str = "7451 (pt) main (x) S 7448 7440 7430 0 -1 4194304 2881 6550 1 0 7 1 6 3 20 0 52 0 \
                        6265734 92479488 3446 18446744073709551615 1 2 3 0 0 0 0 16781318 0 0 0 0 17 1 0 0";

    #[test]
    fn a_line_of_stat() {
        let process = parse_stat(STAT).unwrap();
        assert_eq!(
            process,
            Process {
                pid: 7451,
                parent: 7448,
                group: 7440,
                session: 7430,
                name: "pt) main (x".to_owned(),
                state: State('S'),
                threads: 52,
                cpu: 8,
                started: 6_265_734,
            }
        );
        assert_eq!(parse_stat("7451 (x) S 1 2"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn the_start_of_the_machine() {
        let stat = "cpu  1 2 3\nctxt 5\nbtime 1795300000\nprocesses 7\n";
        assert_eq!(boot_time(stat), Some(1_795_300_000));
        assert_eq!(boot_time("cpu 1"), None);
    }

    #[test]
    fn a_job_is_its_group_its_session_and_what_they_started() {
        let process = |pid, parent, group, session| Process {
            pid,
            parent,
            group,
            session,
            ..parse_stat(STAT).unwrap()
        };
        let all = [
            process(1, 0, 1, 1),
            process(10, 1, 10, 10),
            process(11, 10, 11, 11),
            process(12, 11, 11, 11),
            // Its parent is gone.
            process(13, 1, 14, 10),
            process(20, 1, 20, 20),
        ];
        let found = of_job(&all, 10);
        let pids: Vec<u32> = found.iter().map(|it| it.pid).collect();
        assert_eq!(pids, [10, 11, 12, 13]);
        assert_eq!(of_job(&all, 99), []);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_there() {
        let own = find(std::process::id()).unwrap();
        assert!(all().iter().any(|it| it.pid == own.pid));
        assert!(!threads(own.pid).is_empty());
        let age = jiff::Timestamp::now().as_second() as f64 - started_at(&own).unwrap();
        assert!((-5.0..86_400.0).contains(&age), "{age}");
    }
}
