//! Host bindings of the contract, generated from `wit/v0.1`.
#![allow(missing_docs, clippy::all, unreachable_pub)]

wasmtime::component::bindgen!({
    path: "../wit/v0.1",
    world: "detector-component",
});

pub use self::runwatch::detector::types;
pub use exports::runwatch::detector::detector as contract;
