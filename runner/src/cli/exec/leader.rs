//! The job's process group, for whoever signals it or looks at it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::alert::Alert;
use crate::cli::act::{LOOK, Scene};
use crate::halt::{Job, Signal};
use crate::job::evidence::{self, Asked, Evidence, Whose};
use crate::job::group;

/// The leader of the job's group, once there is one. Its number is not used
/// again while the watcher lives: the keeper buries it afterwards.
#[derive(Debug, Default)]
pub(super) struct Leader(AtomicU32);

impl Leader {
    /// The job was started, with this process.
    pub(super) fn set(&self, pid: u32) {
        self.0.store(pid, Ordering::Relaxed);
    }

    fn pid(&self) -> Option<rustix::process::Pid> {
        let pid = i32::try_from(self.0.load(Ordering::Relaxed)).ok()?;
        rustix::process::Pid::from_raw(pid)
    }
}

impl Job for Arc<Leader> {
    fn is_alive(&mut self) -> bool {
        self.pid().is_some_and(group::is_alive)
    }

    fn signal(&mut self, signal: Signal) -> io::Result<()> {
        let Some(leader) = self.pid() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        match signal {
            // It ends a process that does not expect it.
            Signal::Usr1 => group::signal_those_that_catch_usr1(leader),
            Signal::Term => group::signal(leader, rustix::process::Signal::TERM),
            Signal::Kill => group::kill(leader),
        }
    }
}

impl Scene for Leader {
    fn look(&self, _: &Alert, last_lines: &[(String, Vec<String>)]) -> Option<Evidence> {
        let leader = self.pid()?.as_raw_pid().unsigned_abs();
        Some(evidence::collect(&Asked {
            whose: Whose::Job { leader },
            deadline: LOOK,
            lines: last_lines,
            behind: "",
        }))
    }
}
