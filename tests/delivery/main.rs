//! Alerts on their way out, with the real program and real servers on loopback:
//! crashes, ends, dead sinks, storms, signals, and every failure of a server.

// The words of its errors, and what it says of a process's memory.
#![cfg(target_os = "linux")]
// What a crash test found is of use only if it can be read.
#![allow(clippy::print_stderr)]
#![allow(clippy::unwrap_used)]

mod crash;
mod dead;
mod endings;
mod failures;
mod flaky;
mod place;
mod server;
mod storm;
