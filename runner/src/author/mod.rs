//! For those who write detectors: a project, how it is made, built, tested and
//! measured.
//!
//! - [`project`]: a folder with a `detector.toml`.
//! - [`language`]: what is different in each language: files, tools, steps.
//! - [`reference`]: the contract, for people.

pub mod language;
pub mod project;
pub mod reference;

/// The contract that this runwatch reads, as WIT.
pub const CONTRACT: &str = include_str!("../../../wit/v0.1/detector.wit");
