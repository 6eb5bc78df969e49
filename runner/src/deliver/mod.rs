//! Alerts on their way out.
//!
//! [`mod@print`] shows them at once on this machine. A [`Sink`] takes them further:
//! to people, services, files and commands. What a sink gets is a [`Message`],
//! what it says of it an [`Outcome`].

mod build;
pub(crate) mod command;
pub mod compat;
mod courier;
pub mod dispatch;
#[cfg(feature = "network")]
mod guard;
#[cfg(feature = "network")]
mod http;
pub mod inhibit;
pub mod matcher;
mod message;
pub(crate) mod owner;
pub mod post;
pub mod print;
pub mod routes;
mod sample;
mod service;
mod settings;
pub mod silence;
mod sink;
pub mod sinks;
pub mod sparkline;
#[cfg(test)]
mod tests;
pub mod text;
mod transport;

pub use self::build::build;
#[cfg(feature = "network")]
pub use self::http::{Http, HttpSink};
pub use self::message::{Entry, Form, Message, Notice};
pub(crate) use self::sample::sample;
pub use self::service::{Answer, Method, Request, Service};
pub use self::settings::{Given, Key, Settings, Takes};
pub use self::sink::{Outcome, Pace, Sink};
pub use self::transport::Transport;
