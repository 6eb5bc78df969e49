//! From the configuration of a sink to the sink.

use super::settings::Settings;
use super::sink::Sink;
use super::sinks::{self, Made};
use super::transport::Transport;

/// Makes a sink of the type with this name.
///
/// # Errors
///
/// If there is no such type, its settings contradict each other, or this build
/// has no network.
pub fn build(
    kind: &str,
    settings: &Settings,
    transport: &Transport,
) -> Result<Box<dyn Sink>, String> {
    let found = sinks::kind(kind).ok_or_else(|| format!("there is no type of sink `{kind}`"))?;
    match (found.make)(settings)? {
        Made::Sink(sink) => Ok(sink),
        Made::Service(service) => over_http(service, transport),
    }
}

#[cfg(feature = "network")]
fn over_http(
    service: Box<dyn super::Service>,
    transport: &Transport,
) -> Result<Box<dyn Sink>, String> {
    let sink = super::HttpSink::new(service, transport.clone())?;
    Ok(Box::new(sink))
}

#[cfg(not(feature = "network"))]
fn over_http(_: Box<dyn super::Service>, _: &Transport) -> Result<Box<dyn Sink>, String> {
    Err("this runwatch was built without the feature `network`".to_owned())
}
