//! For those who write detectors: a project, how it is made, built, tested and
//! measured.
//!
//! - [`project`]: a folder with a `detector.toml`.
//! - [`create`]: a new one.
//! - [`contract`]: its copy of the contract, and what is made of that.
//! - [`language`]: what is different in each language: files, tools, steps.
//! - [`programs`]: whether tools are there.
//! - [`build`]: from source to a component that has proved it runs.
//! - [`explain`]: what to do about errors that tools are known for.
//! - [`sources`]: whether anything has changed.
//! - [`compare`]: the alerts of a log, and what changed in them.

pub mod build;
pub mod compare;
pub mod contract;
pub mod create;
pub mod explain;
pub mod language;
pub mod programs;
pub mod project;
pub mod sources;
