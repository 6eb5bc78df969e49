//! The processes of a job besides its leader, as `/proc` has them.

use std::io;

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpgid, getpgrp, getpid, getppid, getsid, waitid,
};
use signal_hook::consts::SIGUSR1;

use super::processes::{self, Process};

/// The living members of a group, its leader left out.
pub(super) fn members(leader: Pid) -> Vec<Pid> {
    let group = living().filter(|process| process.group == number(leader));
    group
        .filter_map(|process| pid(&process))
        .filter(|pid| *pid != leader)
        .collect()
}

/// The living processes that came to us because their parents ended. `own` are
/// those that we have started ourselves.
pub(super) fn adopted(own: &[Pid]) -> Vec<Pid> {
    let me = number(getpid());
    let ours = living().filter(|process| process.parent == me);
    ours.filter_map(|process| pid(&process))
        .filter(|pid| !own.contains(pid))
        .collect()
}

/// Whether anybody of a group lives, its leader included.
#[must_use]
pub fn is_alive(leader: Pid) -> bool {
    living().any(|process| process.group == number(leader))
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
    let of_job = processes::of_job(&processes::all(), number(leader));
    let killed = signal(leader, Signal::KILL);
    for pid in of_job.iter().filter_map(pid) {
        // It may have been in the group.
        _ = rustix::process::kill_process(pid, Signal::KILL);
    }
    killed
}

/// Sends SIGUSR1 to those of a group that expect it: the others would end.
///
/// # Errors
/// When nobody expects it.
pub fn signal_those_that_catch_usr1(leader: Pid) -> io::Result<()> {
    let group = living().filter(|process| process.group == number(leader));
    let catching = group
        .filter_map(|process| pid(&process))
        .filter(|pid| catches_usr1(*pid));
    let catching: Vec<Pid> = catching.collect();
    if catching.is_empty() {
        return Err(io::Error::other("no process of the job catches it"));
    }
    for pid in catching {
        // It may have ended meanwhile.
        _ = rustix::process::kill_process(pid, Signal::USR1);
    }
    Ok(())
}

fn catches_usr1(pid: Pid) -> bool {
    processes::has(processes::signals(number(pid), "SigCgt"), SIGUSR1)
}

/// Whether nobody else is in our own group.
pub(super) fn is_alone() -> bool {
    let (me, own) = (number(getpid()), number(getpgrp()));
    !living().any(|process| process.group == own && process.pid != me)
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
        let process = processes::find(number(pid));
        parent = process.and_then(|process| from_number(process.parent));
    }
    true
}

/// Buries processes that came to us because their parents ended. `own` are
/// those that others wait for.
pub(super) fn reap_adopted(own: &[Pid]) {
    let me = number(getpid());
    let zombies = processes::all().into_iter().filter(|it| it.state.is_dead());
    let adopted = zombies.filter(|process| process.parent == me);
    for pid in adopted
        .filter_map(|process| pid(&process))
        .filter(|pid| !own.contains(pid))
    {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        _ = waitid(WaitId::Pid(pid), options);
    }
}

/// The processes that can be seen, zombies left out; none where there is no
/// `/proc`.
fn living() -> impl Iterator<Item = Process> {
    processes::all()
        .into_iter()
        .filter(|it| !it.state.is_dead())
}

fn pid(process: &Process) -> Option<Pid> {
    from_number(process.pid)
}

fn from_number(number: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(number).ok()?)
}

fn number(pid: Pid) -> u32 {
    pid.as_raw_pid().unsigned_abs()
}
