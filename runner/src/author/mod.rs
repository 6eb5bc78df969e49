//! For those who write detectors: a project, how it is made, built, tested and
//! measured.
//!
//! - [`project`]: a folder with a `detector.toml`.
//! - [`language`]: what is different in each language: files, tools, steps.
//! - [`observed`]: a detector that is watched while it works.
//! - [`play`]: a log played through one detector, in calls of a chosen size.
//! - [`cases`]: the golden cases of a project.
//! - [`golden`]: the cases of a project, and whether they hold.
//! - [`lint`]: what an author should know, though nothing is wrong.
//! - [`bench`]: what a detector costs on synthetic streams.
//! - [`replay`]: what made a detector fail, shown to it again.

pub mod bench;
pub mod cases;
pub mod golden;
pub mod language;
pub mod lint;
pub mod observed;
pub mod play;
pub mod project;
pub mod replay;
