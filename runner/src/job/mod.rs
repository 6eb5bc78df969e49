//! A job: what its processes do, and how it ended.

pub mod crash;
pub mod ending;
pub mod evidence;
pub mod look;
pub mod postmortem;
pub mod processes;
pub mod stacks;
pub mod waits;

mod cgroup;
mod kernel_log;
