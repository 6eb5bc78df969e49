//! runwatch watches machine-learning training runs.
//!
//! One way through the house: input → decode → detect → judge → deliver.
//! `docs/architecture.md` has the map.

pub mod alert;
pub mod describe;
pub mod record;
pub mod sandbox;
