//! The processes of a job besides its leader, as `/proc` has them.

use std::{fs, io};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpgid, getpgrp, getpid, getppid, getsid, waitid,
};
use signal_hook::consts::SIGUSR1;

/// A process, as far as it matters here.
struct Process {
    pid: Pid,
    parent: i32,
    group: i32,
    zombie: bool,
}

/// The living members of a group, its leader left out.
pub(super) fn members(leader: Pid) -> Vec<Pid> {
    processes()
        .filter(|process| process.group == leader.as_raw_pid() && process.pid != leader)
        .filter(|process| !process.zombie)
        .map(|process| process.pid)
        .collect()
}

/// The living processes that came to us because their parents ended. `own` are
/// those that we have started ourselves.
pub(super) fn adopted(own: &[Pid]) -> Vec<Pid> {
    let me = getpid().as_raw_pid();
    processes()
        .filter(|process| process.parent == me && !process.zombie && !own.contains(&process.pid))
        .map(|process| process.pid)
        .collect()
}

/// Whether anybody of a group lives, its leader included.
#[must_use]
pub fn is_alive(leader: Pid) -> bool {
    processes().any(|process| process.group == leader.as_raw_pid() && !process.zombie)
}

/// Sends a signal to all of a group.
///
/// # Errors
/// When nobody could be sent it.
pub fn signal(leader: Pid, signal: Signal) -> io::Result<()> {
    rustix::process::kill_process_group(leader, signal).map_err(Into::into)
}

/// Kills a group and all that it has started, such as workers with sessions of
/// their own.
///
/// # Errors
/// When nobody could be killed.
pub fn kill(leader: Pid) -> io::Result<()> {
    let all = super::processes::all();
    let of_job = super::processes::of_job(&all, leader.as_raw_pid().unsigned_abs());
    let killed = signal(leader, Signal::KILL);
    for process in of_job {
        let pid = i32::try_from(process.pid).ok().and_then(Pid::from_raw);
        // It may have been in the group.
        _ = pid.map(|pid| rustix::process::kill_process(pid, Signal::KILL));
    }
    killed
}

/// Sends SIGUSR1 to those of a group that expect it: the others would end.
///
/// # Errors
/// When nobody expects it.
pub fn signal_those_that_catch_usr1(leader: Pid) -> io::Result<()> {
    let group = processes().filter(|process| process.group == leader.as_raw_pid());
    let catching: Vec<Process> = group.filter(|process| catches_usr1(process.pid)).collect();
    if catching.is_empty() {
        return Err(io::Error::other("no process of the job catches it"));
    }
    for process in catching {
        // It may have ended meanwhile.
        _ = rustix::process::kill_process(process.pid, Signal::USR1);
    }
    Ok(())
}

fn catches_usr1(pid: Pid) -> bool {
    let path = format!("/proc/{}/status", pid.as_raw_pid());
    let status = fs::read_to_string(path).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (SIGUSR1 - 1) & 1 == 1)
}

/// Whether nobody else is in our own group.
pub(super) fn is_alone() -> bool {
    let (me, own) = (getpid(), getpgrp().as_raw_pid());
    !processes().any(|process| process.group == own && process.pid != me && !process.zombie)
}

/// Whether no process of our session could continue our group if it stopped:
/// none of another group has a child in it.
pub(super) fn is_orphaned() -> bool {
    let (own, session) = (getpgrp(), getsid(None).ok());
    let mut parent = getppid();
    while let Some(pid) = parent {
        if getpgid(Some(pid)).is_ok_and(|group| group != own) {
            return getsid(Some(pid)).ok() != session;
        }
        parent = process(pid.as_raw_pid()).and_then(|process| Pid::from_raw(process.parent));
    }
    true
}

/// Buries processes that came to us because their parents ended. `own` are
/// those that others wait for.
pub(super) fn reap_adopted(own: &[Pid]) {
    let me = getpid().as_raw_pid();
    let adopted = processes()
        .filter(|process| process.zombie && process.parent == me && !own.contains(&process.pid));
    for process in adopted {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        _ = waitid(WaitId::Pid(process.pid), options);
    }
}

/// All processes that can be seen; none where there is no `/proc`.
fn processes() -> impl Iterator<Item = Process> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| process(entry.file_name().to_str()?.parse().ok()?))
}

fn process(pid: i32) -> Option<Process> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse(pid, &String::from_utf8_lossy(&stat))
}

fn parse(pid: i32, stat: &str) -> Option<Process> {
    // The name in parentheses may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    Some(Process {
        pid: Pid::from_raw(pid)?,
        parent: fields.next()?.parse().ok()?,
        group: fields.next()?.parse().ok()?,
        zombie: matches!(state, "Z" | "X"),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let process = parse(7, "7 (a) Z 1 1 (b) S 5 6 7 0 -1\n").unwrap();
        assert_eq!((process.parent, process.group), (5, 6));
        assert!(!process.zombie);
        assert!(parse(7, "7 (x) Z 5 6").unwrap().zombie);
        assert!(parse(7, "").is_none());
    }
}
