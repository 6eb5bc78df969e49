//! The sandbox: everything a detector can do to this process is in this folder.
//!
//! - [`engine`]: how wasmtime is set up, and the clock that interrupts.
//! - [`wasi`]: the only WASI a detector sees; everything else is denied.
//! - [`limits`]: how much memory, time and output a call may take.
//! - [`cache`]: compiled code on disk, the one place with `unsafe`.
//! - [`component`]: loading and checking a component file.
//! - [`instance`]: a running component and its monitors.
//! - `finding`: whether a finding has the form that the contract asks for.
//! - [`fault`]: how a detector can fail, by name.

pub mod bindings;
pub mod cache;
pub mod component;
pub mod engine;
pub mod fault;
mod finding;
pub mod instance;
pub mod limits;
pub mod wasi;

pub use component::Component;
pub use engine::Engine;
pub use fault::{Fault, FaultKind};
pub use instance::Instance;
pub use limits::Limits;
