//! Alerts on their way out.
//!
//! [`print`] shows them at once on this machine. A [`Sink`] takes them further:
//! to people, services, files and commands. What a sink gets is a [`Message`],
//! what it says of it an [`Outcome`].

#[cfg(feature = "network")]
mod guard;
#[cfg(feature = "network")]
mod http;
mod message;
pub mod print;
mod service;
mod settings;
mod sink;
pub mod sinks;
pub mod text;

#[cfg(feature = "network")]
pub use self::http::{Http, HttpSink, Transport};
pub use self::message::{Entry, Form, Message, Notice};
pub use self::service::{Answer, Method, Request, Service};
pub use self::settings::{Given, Key, Settings, Takes};
pub use self::sink::{Outcome, Pace, Sink};
