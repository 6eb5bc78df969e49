//! The configuration: found, laid in layers, checked, and shown.
//!
//! [`load`] reads the embedded defaults, the user's file, the environment and
//! the command line into a typed [`Config`], or says everything that is wrong
//! at its place ([`ConfigError`]). A detector's parameters are checked by
//! [`resolve`] once it has described itself. [`show`] prints what is in force,
//! [`template`] a file to start from. `default.toml` is the defaults, the
//! template and the documentation in one.
//!
//! Rust code holds no defaults of settings: they stand in `default.toml` alone.

mod detectors;
mod error;
mod expression;
mod flags;
mod halt;
mod kind;
mod literal;
mod load;
mod origin;
mod parameters;
mod patterns;
mod presets;
mod reader;
mod routes;
mod rules;
mod sections;
mod show;
mod sinks;
#[cfg(test)]
mod tests;
mod tree;
mod types;
pub mod units;

pub use detectors::RESERVED;
pub(crate) use error::list_names;
pub use error::{ConfigError, Problem};
pub use flags::Flags;
pub(crate) use literal::{number, printable};
pub use load::{Loaded, Place, load};
pub use origin::Origin;
pub use parameters::{Parameter, parameters_in, resolve, resolve_with_origins};
pub use reader::Setting;
pub use rules::Rule;
pub(crate) use show::written as toml_value;
pub use show::{show, template};
pub use tree::{Node, Value};
pub use types::{
    Alerts, Color, Config, Console, Decode, Delivery, Detector, Faults, Given, Halt, History,
    Limits, Restart, Sink, Style,
};
