//! The user's terminal: who has it, how large it is, and one for the job that
//! writes to where we read.
//!
//! The job keeps the user's terminal as its controlling one, so that Ctrl-C and
//! Ctrl-Z reach it and it can ask for a password. Only what it writes goes
//! through a pseudoterminal.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::signal::{SigSet, Signal as NixSignal};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, getpgrp};
use rustix::pty::{OpenptFlags, grantpt, openpt, unlockpt};
use rustix::termios::{
    OptionalActions, OutputModes, Winsize, isatty, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr,
    tcsetpgrp, tcsetwinsize,
};

/// The size of a terminal that there is not: wide enough for a log.
const UNSEEN: Winsize = Winsize {
    ws_row: 24,
    ws_col: 120,
    ws_xpixel: 0,
    ws_ypixel: 0,
};

/// Writing to the terminal from the background, or taking it back, would stop
/// this thread and those that it starts, if the terminal is set so.
pub fn never_stop_for_output() {
    let mut set = SigSet::empty();
    set.add(NixSignal::SIGTTOU);
    _ = set.thread_block();
}

/// The terminal that this process belongs to.
#[derive(Debug)]
pub(super) struct Terminal {
    fd: OwnedFd,
    own: Pid,
}

impl Terminal {
    /// None without one.
    pub(super) fn controlling() -> Option<Self> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = rustix::fs::open("/dev/tty", flags, Mode::empty()).ok()?;
        Some(Self { fd, own: getpgrp() })
    }

    /// Whether the user's keys come to our own group.
    pub(super) fn is_ours(&self) -> bool {
        self.belongs_to(self.own)
    }

    /// Whether the user's keys come to this group.
    pub(super) fn belongs_to(&self, group: Pid) -> bool {
        tcgetpgrp(&self.fd).is_ok_and(|now| now == group)
    }

    /// From now on they do.
    pub(super) fn give(&self, group: Pid) {
        _ = tcsetpgrp(&self.fd, group);
    }

    /// They come to us again, if they came to this group.
    pub(super) fn take_back(&self, group: Pid) {
        if self.belongs_to(group) {
            self.give(self.own);
        }
    }
}

/// A pseudoterminal: the side to read from, and the job's. What is written
/// comes out as it went in.
///
/// # Errors
/// When the system has none left.
pub(super) fn pseudoterminal(like: Option<BorrowedFd<'_>>) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    #[cfg(target_os = "linux")]
    let flags = flags | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    rustix::io::fcntl_setfd(&master, rustix::io::FdFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let job = other_side(&master)?;
    let mut modes = match like.map(tcgetattr) {
        Some(Ok(modes)) => modes,
        _ => tcgetattr(&job)?,
    };
    // The user's terminal does that.
    modes.output_modes.remove(OutputModes::OPOST);
    tcsetattr(&job, OptionalActions::Now, &modes)?;
    let size = like.and_then(|fd| tcgetwinsize(fd).ok()).unwrap_or(UNSEEN);
    tcsetwinsize(&job, size)?;
    Ok((master, job))
}

#[cfg(target_os = "linux")]
fn other_side(master: &OwnedFd) -> io::Result<OwnedFd> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    Ok(rustix::pty::ioctl_tiocgptpeer(master, flags)?)
}

#[cfg(not(target_os = "linux"))]
fn other_side(master: &OwnedFd) -> io::Result<OwnedFd> {
    let name = rustix::pty::ptsname(master, Vec::new())?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(name, flags, Mode::empty())?)
}

/// The user's window, whose size the job's terminals follow.
#[derive(Debug)]
pub(super) struct Window {
    user: OwnedFd,
    size: Winsize,
}

impl Window {
    /// None if this is no terminal.
    pub(super) fn of(fd: BorrowedFd<'_>) -> Option<Self> {
        if !isatty(fd) {
            return None;
        }
        Some(Self {
            user: fd.try_clone_to_owned().ok()?,
            size: tcgetwinsize(fd).ok()?,
        })
    }

    /// Gives these terminals the window's size, if it has changed. True if so.
    ///
    /// The kernel tells a change to the foreground group, which is the job's:
    /// it has to be looked for.
    pub(super) fn follow<'a>(&mut self, terminals: impl Iterator<Item = &'a OwnedFd>) -> bool {
        let Ok(size) = tcgetwinsize(&self.user) else {
            return false;
        };
        if same(size, self.size) {
            return false;
        }
        self.size = size;
        for terminal in terminals {
            _ = tcsetwinsize(terminal, size);
        }
        true
    }
}

fn same(one: Winsize, other: Winsize) -> bool {
    let key = |size: Winsize| (size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel);
    key(one) == key(other)
}

/// Whether this is a terminal.
pub(super) fn is_terminal(fd: impl AsFd) -> bool {
    isatty(fd)
}
