//! runwatch watches machine-learning training runs.
//!
//! One way through the house: input → decode → detect → judge → deliver.
//! `docs/architecture.md` has the map.

pub mod alert;
pub mod decode;
pub mod describe;
pub mod detect;
pub mod names;
pub mod record;
pub mod sandbox;
