//! The types of sinks, one file each.

mod alertmanager;
mod attachment;
mod blocks;
mod card;
mod desktop;
mod dingtalk;
mod discord;
#[cfg(feature = "network")]
mod email;
mod exec;
mod feishu;
mod file;
mod google_chat;
mod mattermost;
mod mentions;
mod ntfy;
mod pagerduty;
mod parts;
mod pushover;
mod rocketchat;
mod sign;
mod slack;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod statuses;
mod teams;
mod telegram;
#[cfg(test)]
pub(crate) mod testing;
mod trackio;
mod values;
mod webhook;
mod wecom;

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
    alertmanager::KIND,
    desktop::KIND,
    dingtalk::KIND,
    discord::KIND,
    #[cfg(feature = "network")]
    email::KIND,
    exec::KIND,
    feishu::KIND,
    file::KIND,
    google_chat::KIND,
    mattermost::KIND,
    ntfy::KIND,
    pagerduty::KIND,
    pushover::KIND,
    rocketchat::KIND,
    slack::KIND,
    teams::KIND,
    telegram::KIND,
    trackio::KIND,
    webhook::KIND,
    wecom::KIND,
];

/// The type with this name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}
