//! For those who write detectors: a project, how it is made, built, tested and
//! measured.
//!
//! - [`project`]: a folder with a `detector.toml`.
//! - [`create`]: a new one.
//! - [`contract`]: its copy of the contract, and what is made of that.
//! - [`mod@reference`]: the contract, for people.
//! - [`language`]: what is different in each language: files, tools, steps.
//! - [`programs`]: whether tools are there.
//! - [`build`]: from source to a component that has proved it runs.
//! - [`explain`]: what to do about errors that tools are known for.
//! - [`sources`]: whether anything has changed.
//! - [`observed`]: a detector that is watched while it works.
//! - [`play`]: a log played through one detector, in calls of a chosen size.
//! - [`cases`]: the golden cases of a project.
//! - [`golden`]: whether they hold.
//! - [`lint`]: what an author should know, though nothing is wrong.
//! - [`mod@bench`]: what a detector costs on synthetic streams.
//! - [`replay`]: what made a detector fail, shown to it again.

pub mod bench;
pub mod build;
pub mod cases;
pub mod contract;
pub mod create;
pub mod explain;
pub mod golden;
pub mod language;
pub mod lint;
pub mod observed;
pub mod play;
pub mod programs;
pub mod project;
pub mod reference;
pub mod replay;
pub mod sources;
