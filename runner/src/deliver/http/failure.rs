//! What the lack of an answer means for a message.

use std::io;

use ureq::{Error, Timeout};

use crate::deliver::Outcome;
use crate::deliver::guard::Refused;

/// The outcome when no connection stood.
pub(super) fn unsent(host: &str, error: &Error) -> Outcome {
    match error {
        Error::Timeout(Timeout::Resolve) => {
            Outcome::Transient(format!("the name {host} was not found in time"))
        }
        Error::Timeout(_) => Outcome::Transient(format!("no connection to {host} in time")),
        Error::Other(inner) if inner.is::<Refused>() => Outcome::Broken(inner.to_string()),
        _ if distrusts(error) => Outcome::Broken(format!(
            "the certificate of {host} is not trusted ({}); {}",
            plain(error),
            remedy(error)
        )),
        Error::ConnectProxyFailed(_) if forbids(error) => Outcome::Broken(format!(
            "the proxy does not let us through to {host}: {error}"
        )),
        // No authorities on this system; a host that is no name.
        Error::Rustls(_) | Error::Tls(_) => Outcome::Broken(format!(
            "no secure connection to {host} can be made ({error}); `ca-file` in the sink's section \
             names an authority to trust"
        )),
        // Without the error's own words, which may quote the address.
        Error::BadUri(_)
        | Error::Http(_)
        | Error::Protocol(_)
        | Error::RequireHttpsOnly(_)
        | Error::TlsRequired => Outcome::Broken(format!("no request can be made to {host}")),
        // A gateway may say so for a while; an address does so for ever.
        _ if plain(error).starts_with("received corrupt message") => Outcome::Transient(format!(
            "{host} does not answer in TLS ({}); does its address begin with `http://`?",
            plain(error)
        )),
        _ => Outcome::Transient(format!("cannot reach {host}: {}", plain(error))),
    }
}

/// The outcome when a connection stood and no whole answer came.
pub(super) fn unanswered(host: &str, error: &Error) -> Outcome {
    Outcome::Ambiguous(match error {
        Error::Timeout(_) => format!("{host} did not answer in time"),
        _ => format!("the answer of {host} broke off: {}", plain(error)),
    })
}

/// The reason without the names of the layers that pass it on.
fn plain(error: &Error) -> String {
    match error {
        Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}

/// Whether the other side's certificate was refused. The error of the TLS
/// library comes wrapped; its text is all that can be had without naming that
/// library's types.
pub(super) fn distrusts(error: &Error) -> bool {
    let text = match error {
        Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => error.to_string(),
        Error::Rustls(error) => error.to_string(),
        _ => return false,
    };
    text.starts_with("invalid peer certificate")
}

/// What to do about a certificate that is not trusted.
fn remedy(error: &Error) -> &'static str {
    match plain(error).contains("CaUsedAsEndEntity") {
        true => {
            "it is the certificate of an authority, which a server must not show as its own: \
             give the server one that was made with `basicConstraints=CA:FALSE`"
        }
        false => {
            "if an authority of your own has signed it, name its certificate with `ca-file` in \
             the sink's section"
        }
    }
}

/// Whether a proxy refuses for good: it wants a password, or not this target.
fn forbids(error: &Error) -> bool {
    let Error::ConnectProxyFailed(why) = error else {
        return false;
    };
    ["responded 403", "responded 407"]
        .iter()
        .any(|status| why.contains(status))
}
