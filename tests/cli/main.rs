//! The program as its users meet it: arguments, files and pipes in; output,
//! messages and exit codes out.

#![allow(clippy::unwrap_used)]

#[path = "../common/hostile.rs"]
mod fixture;

mod airgap;
mod attempts;
#[cfg(unix)]
mod author;
mod chunks;
mod commands;
mod decode;
mod demo;
mod detectors;
mod endings;
mod evaluate;
#[cfg(unix)]
mod exec;
mod exports;
mod follow;
mod formats;
mod hardship;
mod history;
mod hostile;
mod imports;
mod inputs;
mod lock;
mod mail;
mod mcp;
mod own;
mod passthrough;
mod plot;
mod queries;
mod reports;
mod review;
mod rules;
mod runs;
mod secrets;
#[cfg(feature = "network")]
mod serve;
mod server;
mod services;
mod silences;
mod sinks;
mod streams;
mod support;
mod watch_dir;
