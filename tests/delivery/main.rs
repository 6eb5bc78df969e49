//! Alerts on their way out, with the real program and real servers on loopback:
//! crashes, ends, dead sinks, storms, signals, and every failure of a server.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod crash;
mod dead;
mod endings;
mod failures;
mod flaky;
mod place;
mod server;
mod storm;
