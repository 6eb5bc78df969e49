//! For those who write detectors: a project, how it is made, built, tested and
//! measured.
//!
//! - [`project`]: a folder with a `detector.toml`.
//! - [`language`]: what is different in each language: files, tools, steps.
//! - [`programs`]: looks for the tools.

pub mod language;
pub mod programs;
pub mod project;
