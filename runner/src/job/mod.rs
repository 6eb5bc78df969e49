//! A job wrapped by `runwatch exec`.
//!
//! Three processes, all of this program, so that none can take the job with it:
//!
//! - the [`keeper`] is what the user starts. It starts the others and the job,
//!   forwards signals, waits, and ends as the job ended;
//! - a [`relay`] for each of the job's output streams copies it to where the
//!   user's stream goes, and tells the watcher in [`frames`];
//! - the watcher does all the rest (`cli/exec/watcher.rs`).
//!
//! The keeper holds every pipe's reading end too, so that a relay or a watcher
//! that dies can be started again and goes on where the other stopped.

pub mod crash;
pub mod ending;
pub mod evidence;
pub mod frames;
pub mod look;
pub mod postmortem;
pub mod processes;
pub mod stacks;
pub mod waits;

mod cgroup;
mod kernel_log;

#[cfg(unix)]
pub mod environment;
#[cfg(unix)]
pub mod group;
#[cfg(unix)]
pub mod keeper;
#[cfg(unix)]
pub mod relay;
#[cfg(unix)]
mod roles;
#[cfg(unix)]
pub mod signals;
#[cfg(unix)]
mod streams;
#[cfg(unix)]
pub mod terminal;

#[cfg(unix)]
pub use roles::Order;
