//! Dispatch, ledger and couriers together, on a clock that the test turns.

#![allow(clippy::unwrap_used)]

mod bench;
mod couriers;
mod crashes;
mod muting;
mod scenarios;
mod table;
