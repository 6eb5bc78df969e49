//! The way to services that are reached by HTTP: one request, one answer, and
//! for everything that can go wrong between them the outcome that it means.
//!
//! What went wrong before a connection stood did not arrive, and is tried again
//! or is for a person to mend. What went wrong afterwards may have arrived.

mod failure;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ureq::config::AutoHeaderValue;
use ureq::http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING,
};
use ureq::http::uri::Scheme;
use ureq::http::{Method as Word, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::transport::{self as layer, ConnectionDetails, Connector, DefaultConnector};
use ureq::{Agent, Body, Error, Proxy, ProxyProtocol};
use zeroize::Zeroizing;

use self::failure::{distrusts, unanswered, unsent};
use super::guard::Guard;
use super::message::Message;
use super::service::{Answer, Method, Request, Service};
use super::sink::{Outcome, Pace, Sink};
use super::transport::Transport;

const USER_AGENT: &str = concat!("runwatch/", env!("CARGO_PKG_VERSION"));
/// The part of an answer's body that is read, in bytes.
const MAX_BODY: u64 = 64 << 10;
/// The longest wait for a name, and for a connection with its handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Headers that say where a message ends: the client writes them.
const FRAMING: [HeaderName; 4] = [CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING];

/// A service, reached by HTTP.
pub struct HttpSink {
    service: Box<dyn Service>,
    http: Http,
}

impl HttpSink {
    /// The sink that this service makes.
    ///
    /// # Errors
    ///
    /// If there is no certificate in the `ca_file`.
    pub fn new(service: Box<dyn Service>, transport: Transport) -> Result<Self, String> {
        let http = Http::new(transport)?;
        Ok(Self { service, http })
    }
}

impl Sink for HttpSink {
    fn send(&mut self, message: &Message) -> Outcome {
        let request = match self.service.request(message) {
            Ok(request) => request,
            Err(unreadable) => return Outcome::Transient(unreadable.0).scrubbed(),
        };
        match self.http.exchange(&request) {
            Ok(answer) => self.service.verdict(&answer).scrubbed(),
            Err(outcome) => outcome,
        }
    }

    fn preview(&mut self, message: &Message) -> String {
        match self.service.request(message) {
            Ok(request) => request.written(),
            Err(unreadable) => format!("There is no request to show: {unreadable}"),
        }
    }

    fn batch(&self) -> usize {
        self.service.batch()
    }

    fn pace(&self) -> Pace {
        self.service.pace()
    }

    fn takes_resolved(&self) -> bool {
        self.service.takes_resolved()
    }
}

/// Sends requests.
pub struct Http {
    transport: Transport,
    authorities: Vec<Certificate<'static>>,
    client: Option<Client>,
}

impl Http {
    /// A sender with these settings.
    ///
    /// # Errors
    ///
    /// If there is no certificate in the `ca_file`.
    pub fn new(transport: Transport) -> Result<Self, String> {
        let authorities = match &transport.ca_file {
            Some(path) => certificates(path)?,
            None => Vec::new(),
        };
        Ok(Self {
            transport,
            authorities,
            client: None,
        })
    }

    /// Sends a request and waits for its answer, whatever its status is.
    ///
    /// # Errors
    ///
    /// With what the lack of an answer means for the message. Secrets are
    /// replaced in it.
    pub fn exchange(&mut self, request: &Request) -> Result<Answer, Outcome> {
        self.attempt(request).map_err(Outcome::scrubbed)
    }

    fn attempt(&mut self, request: &Request) -> Result<Answer, Outcome> {
        let uri = self.target(&request.url)?;
        let mut host = format!("`{}`", uri.host().unwrap_or_default());
        if self.transport.proxy.is_some() {
            host.push_str(" through the proxy");
        }
        let ready = ready(request, uri)?;
        let client = self.client()?;
        match client.run(&ready) {
            Ok(response) => answer(response, &host),
            Err(error) if client.may_have_sent() => Err(unanswered(&host, &error)),
            Err(error) => Err(unsent(&host, &error)),
        }
    }

    /// The address, if a request may go there as far as one can tell without
    /// asking for its name.
    fn target(&self, url: &str) -> Result<Uri, Outcome> {
        let bad = |why: &str| Outcome::Broken(format!("the address of the sink is wrong: {why}"));
        let uri: Uri = url.parse().map_err(|_| bad("it is no URL"))?;
        if uri.host().is_none_or(str::is_empty) {
            return Err(bad("it has no host; an address begins with `https://HOST`"));
        }
        match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => Ok(uri),
            Some(scheme) if *scheme == Scheme::HTTP && self.transport.allow_http => Ok(uri),
            Some(scheme) if *scheme == Scheme::HTTP => Err(bad(
                "it begins with `http://`, which anyone on the way can read; if that is meant, \
                 write `allow-http = true` in the sink's section",
            )),
            _ => Err(bad("it begins neither with `https://` nor with `http://`")),
        }
    }

    /// The client for the proxy as it is now.
    fn client(&mut self) -> Result<&Client, Outcome> {
        let proxy = match &self.transport.proxy {
            Some(secret) => Some(secret.read().map_err(|error| Outcome::Transient(error.0))?),
            None => None,
        };
        let client = match self.client.take() {
            Some(client) if client.proxy == proxy => client,
            _ => Client::new(&self.transport, &self.authorities, proxy)?,
        };
        Ok(self.client.insert(client))
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let failed = |why: &str| format!("ca-file `{}`: {why}", path.display());
    let pem = std::fs::read(path).map_err(|error| failed(&error.to_string()))?;
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(_) => return Err(failed("it is not in PEM form")),
        }
    }
    if found.is_empty() {
        return Err(failed("there is no certificate in it"));
    }
    Ok(found)
}

/// The request as the client takes it.
fn ready(request: &Request, uri: Uri) -> Result<ureq::http::Request<&[u8]>, Outcome> {
    let mut ready = ureq::http::Request::new(request.body.as_slice());
    *ready.uri_mut() = uri;
    *ready.method_mut() = match request.method {
        Method::Post => Word::POST,
        Method::Put => Word::PUT,
        Method::Patch => Word::PATCH,
    };
    let headers = ready.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(request.content_type));
    for (name, value) in &request.headers {
        let bad = || Outcome::Broken(format!("the header `{name}` cannot be sent as it is"));
        let value = HeaderValue::try_from(value).map_err(|_| bad())?;
        let name = HeaderName::try_from(name).map_err(|_| bad())?;
        if FRAMING.contains(&name) {
            return Err(bad());
        }
        headers.insert(name, value);
    }
    Ok(ready)
}

/// What sends requests through one proxy, or through none.
struct Client {
    proxy: Option<Zeroizing<String>>,
    /// One for the authorities of the `ca-file`, if there is one, and one for
    /// those of the system: ureq knows either these or those.
    agents: Vec<Agent>,
    connected: Arc<AtomicBool>,
}

impl Client {
    fn new(
        transport: &Transport,
        authorities: &[Certificate<'static>],
        proxy: Option<Zeroizing<String>>,
    ) -> Result<Self, Outcome> {
        let through = proxy.as_deref().map(|url| parse_proxy(url)).transpose()?;
        let connected = Arc::new(AtomicBool::new(false));
        let mut trusted = vec![RootCerts::PlatformVerifier];
        if !authorities.is_empty() {
            trusted.insert(0, RootCerts::new_with_certs(authorities));
        }
        let agents = trusted
            .into_iter()
            .map(|roots| agent(transport, roots, through.clone(), &connected))
            .collect();
        Ok(Self {
            proxy,
            agents,
            connected,
        })
    }

    /// Whether the request last run may have left.
    fn may_have_sent(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    fn run(
        &self,
        request: &ureq::http::Request<&[u8]>,
    ) -> Result<ureq::http::Response<Body>, Error> {
        let mut refused = None;
        for agent in &self.agents {
            self.connected.store(false, Ordering::Relaxed);
            match agent.run(request.clone()) {
                // That is before anything is sent: the next one may trust it.
                Err(error) if !self.may_have_sent() && distrusts(&error) => refused = Some(error),
                // A system without authorities has no say beside the file.
                Err(Error::Rustls(_)) if refused.is_some() => {}
                result => return result,
            }
        }
        Err(refused.unwrap_or(Error::ConnectionFailed))
    }
}

fn parse_proxy(url: &str) -> Result<Proxy, Outcome> {
    match Proxy::new(url) {
        Ok(proxy) if matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https) => {
            Ok(proxy)
        }
        _ => Err(Outcome::Broken(
            "the proxy must be `http://HOST:PORT` or `https://HOST:PORT`".to_owned(),
        )),
    }
}

fn agent(
    transport: &Transport,
    roots: RootCerts,
    proxy: Option<Proxy>,
    connected: &Arc<AtomicBool>,
) -> Agent {
    let total = transport.timeout;
    let connecting = Some(total.min(CONNECT_TIMEOUT));
    let guard = match (&proxy, transport.allow_private) {
        (Some(_), _) => Guard::Proxy,
        (None, true) => Guard::Private,
        (None, false) => Guard::Public,
    };
    let watch = Watch {
        connected: Arc::clone(connected),
        proxied: proxy.is_some(),
    };
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .https_only(!transport.allow_http)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(proxy)
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .user_agent(USER_AGENT)
        .accept_encoding(AutoHeaderValue::Provided(Arc::new("identity".to_owned())))
        // A connection kept open is closed by the other side at the wrong
        // moment, and nobody knows then whether the message has arrived.
        .max_idle_connections(0)
        .timeout_global(Some(total))
        .timeout_resolve(connecting)
        .timeout_connect(connecting)
        .timeout_send_request(Some(total))
        .timeout_send_body(Some(total))
        .timeout_recv_response(Some(total))
        .timeout_recv_body(Some(total))
        .build();
    Agent::with_parts(config, DefaultConnector::default().chain(watch), guard)
}

/// Notes that a connection stands: from then on something may have been sent.
#[derive(Debug)]
struct Watch {
    connected: Arc<AtomicBool>,
    proxied: bool,
}

impl<In: layer::Transport> Connector<In> for Watch {
    type Out = In;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<In>, Error> {
        // The connection to a proxy is made without one, and does not count.
        if details.config.proxy().is_some() == self.proxied {
            self.connected.store(true, Ordering::Relaxed);
        }
        Ok(chained)
    }
}

fn answer(response: ureq::http::Response<Body>, host: &str) -> Result<Answer, Outcome> {
    let (parts, body) = response.into_parts();
    let mut bytes = Vec::new();
    let whole = body.into_reader().take(MAX_BODY).read_to_end(&mut bytes);
    // A status that says no says it without a body too.
    if let Err(error) = whole
        && parts.status.is_success()
    {
        return Err(unanswered(host, &Error::from(error)));
    }
    Ok(Answer {
        status: parts.status.as_u16(),
        headers: readable(&parts.headers),
        body: bytes,
        at: now(),
    })
}

fn readable(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect()
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod server;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tls_tests;
