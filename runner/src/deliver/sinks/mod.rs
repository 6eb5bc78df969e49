//! The types of sinks, one file each.

mod desktop;
#[cfg(feature = "network")]
mod email;
mod exec;
mod file;
mod ntfy;
#[cfg(test)]
pub(crate) mod testing;
mod trackio;

use super::service::Service;
use super::settings::{Key, Settings};
use super::sink::Sink;

/// A type of sink: its name, what it takes, and how one is made.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// The word after `type =`.
    pub name: &'static str,
    /// What it is, in a sentence for the reference.
    pub summary: &'static str,
    /// Whether messages leave this machine over the network.
    pub network: bool,
    /// Its settings, besides those that every sink has.
    pub keys: &'static [Key],
    /// Makes one.
    pub make: fn(&Settings) -> Result<Made, String>,
    /// A section of the configuration to start from, for the reference.
    pub example: &'static str,
}

/// A sink, or a service that HTTP makes one of.
pub enum Made {
    /// A service that is reached by HTTP.
    Service(Box<dyn Service>),
    /// Anything else.
    Sink(Box<dyn Sink>),
}

impl Made {
    fn service(service: impl Service + 'static) -> Result<Self, String> {
        Ok(Self::Service(Box::new(service)))
    }

    fn sink(sink: impl Sink + 'static) -> Result<Self, String> {
        Ok(Self::Sink(Box::new(sink)))
    }
}

/// Every type.
pub const KINDS: &[Kind] = &[
    desktop::KIND,
    #[cfg(feature = "network")]
    email::KIND,
    exec::KIND,
    file::KIND,
    ntfy::KIND,
    trackio::KIND,
];

/// The type with this name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}
