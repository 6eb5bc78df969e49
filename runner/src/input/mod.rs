//! Bytes in.
//!
//! A piped stream goes through [`passthrough`], which hands it on at once and
//! keeps a copy in a [`queue`] for the decoder; a file is simply read.

pub mod passthrough;
pub mod queue;

pub use queue::Queue;
