//! Bytes in.
//!
//! A piped stream goes through [`passthrough`], which hands it on at once and
//! keeps a copy in a [`queue`] for the decoder. Files are [found](find) from
//! what the command line says, [named](naming), and either [opened](open) and
//! read to their end or [followed](follow) while they grow.

pub mod archive;
pub mod compressed;
pub mod find;
pub mod follow;
pub mod last_lines;
pub mod naming;
pub mod open;
pub mod passthrough;
pub mod queue;
mod tail;

pub use queue::Queue;
