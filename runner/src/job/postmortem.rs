//! Why a job has ended: what the machine can say about it afterwards.
//!
//! A job that is killed cannot say why. The kernel has counted and logged it,
//! if it was the kernel; what was counted before is needed to tell.

mod guess;
#[cfg(all(test, unix))]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

pub use self::guess::{Guess, recommendation};

use super::cgroup::Groups;
use super::ending::JobEnding;
use super::evidence::size;
use super::kernel_log::{Entry, KernelLog, xid};
use super::processes::read;
use crate::deliver::text::{clean_line, cut_chars};

/// Lines of the kernel that are quoted.
const QUOTED: usize = 8;
/// What is less than this is a full disk: a checkpoint does not fit.
const FULL: u64 = 16 << 20;
/// A disk that does not answer is not waited for.
const DISK: Duration = Duration::from_secs(2);

/// The state of the machine when the job started.
#[derive(Debug)]
pub struct Before {
    pid: u32,
    folder: PathBuf,
    groups: Groups,
    log: KernelLog,
    at: SystemTime,
}

/// What is known about an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What it most likely was.
    pub guess: Guess,
    /// What was found, in sentences.
    pub sentences: Vec<String>,
}

impl Before {
    /// Notes how things are: right after the job was started, while `pid` is
    /// there. `folder` is its working directory.
    #[must_use]
    pub fn take(pid: u32, folder: &Path) -> Self {
        Self {
            pid,
            folder: folder.to_owned(),
            groups: Groups::of(pid),
            log: KernelLog::from_now(),
            at: SystemTime::now(),
        }
    }

    /// What can be said about the end. `ending` is none if it is not known,
    /// `lines` are the last ones of the job: launchers tell there how their
    /// processes have ended.
    #[must_use]
    pub fn facts(&self, ending: Option<JobEnding>, lines: &[String]) -> Facts {
        let mut clues = guess::Clues {
            signal: signal_of(ending),
            code: match ending {
                Some(JobEnding::Exited(code)) => Some(code & 0xff),
                _ => None,
            },
            ..guess::Clues::default()
        };
        let mut sentences = Vec::new();
        sentences.extend(clues.code.and_then(meaning));
        if let Some((text, signal)) = told(lines) {
            sentences.push(text);
            clues.signal = clues.signal.or(signal);
        }
        self.memory(&mut clues, &mut sentences);
        self.kernel(&mut clues, &mut sentences);
        self.disks(&mut clues, lines, &mut sentences);
        let guess = guess::guess(&clues);
        if clues.signal.is_some_and(dumps_core) {
            sentences.extend(self.core());
        }
        if guess == Guess::KilledFromOutside && !self.log.is_readable() {
            sentences.push("The kernel's log cannot be read here, so that it may have been killed for want of memory all the same.".to_owned());
        }
        Facts { guess, sentences }
    }

    fn memory(&self, clues: &mut guess::Clues, sentences: &mut Vec<String>) {
        let peak = |peak: Option<u64>| {
            peak.map_or_else(String::new, |it| {
                format!(", of which at most {} were used", size(it))
            })
        };
        if let Some(kills) = self.groups.kills_since() {
            clues.memory = true;
            let what = if kills.count == 1 {
                "a process".to_owned()
            } else {
                format!("{} processes", kills.count)
            };
            let limit = kills.limit.map_or_else(
                || "the machine's memory".to_owned(),
                |limit| format!("the limit of its control group, {}", size(limit)),
            );
            sentences.push(format!("The kernel killed {what} of the job's control group for want of memory ({limit}{}).", peak(kills.peak)));
        } else if clues.signal == Some(9)
            && let Some((limit, used)) = self.groups.nearest_limit()
        {
            sentences.push(format!(
                "Its control group is limited to {} of memory{}; the kernel counts no kill there.",
                size(limit),
                peak(used)
            ));
        }
    }

    fn kernel(&self, clues: &mut guess::Clues, sentences: &mut Vec<String>) {
        let entries = self.log.entries();
        let mut said = BTreeSet::new();
        for entry in &entries {
            match entry {
                // Numbers differ within containers: any such kill is a clue.
                Entry::OutOfMemory { .. } => clues.memory_in_log = true,
                Entry::Xid { number, .. } => clues.gpu |= !matches!(number, 13 | 31 | 43 | 63),
                Entry::Fault { .. } | Entry::Device(_) => {}
            }
            if said.len() < QUOTED {
                said.insert(self.sentence(entry));
            }
        }
        sentences.extend(said);
        let more = entries.len().saturating_sub(QUOTED);
        if more > 0 {
            sentences.push(format!(
                "The kernel's log has {more} more such lines since the start."
            ));
        }
    }

    fn sentence(&self, entry: &Entry) -> String {
        let whose = |pid: &u32| if *pid == self.pid { " (the job)" } else { "" };
        let quote = |text: &str| cut_chars(&clean_line(text), 240).into_owned();
        match entry {
            Entry::OutOfMemory {
                pid,
                name,
                resident,
                by_limit,
            } => {
                let had = resident.map_or_else(String::new, |kib| {
                    format!(", which had {}", size(kib.saturating_mul(1024)))
                });
                let why = if *by_limit {
                    "its group was at its limit"
                } else {
                    "the machine had no memory left"
                };
                format!(
                    "The kernel's log: process {pid}{} ({}){had}, was killed because {why}.",
                    whose(pid),
                    clean_line(name)
                )
            }
            Entry::Fault { pid, text } => {
                format!("The kernel's log{}: {}", whose(pid), quote(text))
            }
            Entry::Xid { number, text } => {
                format!(
                    "The GPU's driver reports Xid {number} ({}): {}",
                    xid(*number),
                    quote(text)
                )
            }
            Entry::Device(text) => format!("The kernel's log: {}", quote(text)),
        }
    }

    fn disks(&self, clues: &mut guess::Clues, lines: &[String], sentences: &mut Vec<String>) {
        let shared = PathBuf::from("/dev/shm");
        let folders = [
            Some(self.folder.clone()),
            (clues.signal == Some(7)).then_some(shared),
        ];
        for folder in folders.into_iter().flatten() {
            match free(&folder) {
                Disk::Full(left) => {
                    clues.disk = true;
                    sentences.push(format!("The disk of {} is full: {left}.", folder.display()));
                }
                Disk::Silent => {
                    sentences.push(format!("The disk of {} does not answer.", folder.display()))
                }
                Disk::Fine => {}
            }
        }
        clues.disk |= lines
            .iter()
            .any(|line| line.contains("No space left on device"));
    }

    /// Where the core dump is.
    fn core(&self) -> Option<String> {
        let pattern = read("/proc/sys/kernel/core_pattern")?;
        let pattern = pattern.trim();
        if pattern.contains("systemd-coredump") {
            return Some(format!(
                "`coredumpctl info {}` shows the core dump, if one was kept.",
                self.pid
            ));
        }
        if let Some(program) = pattern.strip_prefix('|') {
            let program = program.split(' ').next().unwrap_or_default();
            return Some(format!(
                "A core dump would have gone to {}.",
                clean_line(program)
            ));
        }
        let names = ["core".to_owned(), format!("core.{}", self.pid)];
        let found = names
            .iter()
            .map(|name| self.folder.join(name))
            .find(|path| {
                let changed = path.metadata().and_then(|about| about.modified());
                changed.is_ok_and(|changed| changed >= self.at)
            })?;
        Some(format!("The core dump is {}.", found.display()))
    }
}

/// The signal that ended it, told by its status or, by a shell's convention,
/// by its exit code.
fn signal_of(ending: Option<JobEnding>) -> Option<i32> {
    match ending? {
        JobEnding::Killed(signal) => Some(signal),
        JobEnding::Exited(code) => {
            let code = code & 0xff;
            (129..=159).contains(&code).then(|| code - 128)
        }
    }
}

/// What an exit code usually means.
fn meaning(code: i32) -> Option<String> {
    let text = match code {
        0 => return None,
        1 => {
            "Exit code 1: an exception that nobody caught, as a rule, or a launcher of which a process failed."
        }
        2 => "Exit code 2: the arguments were not understood, as a rule.",
        120 => "Exit code 120: Python could not write the last of its output.",
        126 => "Exit code 126: the command is there but cannot be executed.",
        127 => "Exit code 127: the command was not found.",
        255 => {
            "Exit code 255: a program that ended with −1; ssh and srun do so when they fail themselves."
        }
        129..=159 => {
            let signal = code - 128;
            return Some(format!(
                "Exit code {code}: by a shell's convention that is 128 + {signal}, so that a process below it was ended by {}.",
                signal_name(signal)
            ));
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// What a launcher told about the end of its processes: torchrun's report, or a
/// shell's word.
fn told(lines: &[String]) -> Option<(String, Option<i32>)> {
    // The first failure is the root cause, and torchrun has it in the end.
    let mut rank = None;
    let mut found = None;
    for line in lines {
        let mut parts = line.splitn(2, ':');
        let (name, value) = (
            parts.next()?.trim(),
            parts.next().unwrap_or_default().trim(),
        );
        if name.ends_with("rank") && value.contains("local_rank") {
            rank = value
                .split(' ')
                .next()
                .and_then(|it| it.parse::<u32>().ok());
        }
        if name.ends_with("exitcode")
            && let Some(code) = value
                .split(' ')
                .next()
                .and_then(|it| it.parse::<i32>().ok())
        {
            found = Some((rank.take(), code));
        }
    }
    let (rank, code) = found?;
    let who = rank.map_or_else(|| "a process".to_owned(), |rank| format!("rank {rank}"));
    let signal = (-64..0).contains(&code).then_some(-code);
    let how = match signal {
        Some(signal) => format!("was ended by {}", signal_name(signal)),
        None => format!("ended with exit code {code}"),
    };
    Some((format!("The launcher says that {who} {how}."), signal))
}

/// `SIGKILL`.
#[must_use]
pub fn signal_name(signal: i32) -> String {
    #[cfg(unix)]
    if let Some(name) = signal_hook::low_level::signal_name(signal) {
        return name.to_owned();
    }
    format!("signal {signal}")
}

fn dumps_core(signal: i32) -> bool {
    matches!(signal, 3 | 4 | 5 | 6 | 7 | 8 | 11 | 31)
}

enum Disk {
    Fine,
    /// With how much is left, in words.
    Full(String),
    Silent,
}

/// How full the disk of a folder is, asked on a thread: a network filesystem may
/// never answer.
fn free(folder: &Path) -> Disk {
    let (tell, told) = mpsc::channel();
    let folder = folder.to_owned();
    let work = move || _ = tell.send(left(&folder));
    if thread::Builder::new()
        .name("disk".to_owned())
        .spawn(work)
        .is_err()
    {
        return Disk::Fine;
    }
    match told.recv_timeout(DISK) {
        Ok(Some(left)) => Disk::Full(left),
        Ok(None) => Disk::Fine,
        Err(_) => Disk::Silent,
    }
}

#[cfg(unix)]
fn left(folder: &Path) -> Option<String> {
    let about = rustix::fs::statvfs(folder).ok()?;
    let bytes = about.f_bavail.saturating_mul(about.f_frsize);
    // Some have no such numbers at all.
    if about.f_blocks > 0 && bytes < FULL {
        return Some(format!("{} are left", size(bytes)));
    }
    (about.f_files > 0 && about.f_favail == 0).then(|| "no file can be made any more".to_owned())
}

#[cfg(not(unix))]
fn left(_: &Path) -> Option<String> {
    None
}
