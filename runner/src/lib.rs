//! runwatch watches machine-learning training runs.
//!
//! One way through the house: input → decode → detect → judge → deliver.
//! `docs/architecture.md` has the map.

pub mod airgap;
pub mod alert;
pub mod author;
pub mod chart;
pub mod cli;
pub mod config;
pub mod decode;
pub mod deliver;
pub mod describe;
pub mod detect;
mod digest;
pub mod downsample;
pub mod evaluate;
pub mod exit;
pub mod halt;
pub mod input;
pub mod job;
pub mod judge;
pub mod ledger;
pub mod load;
pub mod lock;
pub mod mcp;
pub mod names;
pub mod pipeline;
mod recent;
pub mod record;
pub mod reload;
pub mod report;
pub mod restart;
pub mod sandbox;
pub mod secret;
#[cfg(feature = "network")]
pub mod serve;
mod suggest;
pub mod view;
