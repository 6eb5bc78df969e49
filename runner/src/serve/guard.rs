//! Who may ask: what every request goes through before anything is done.
//!
//! The name in `Host` must be ours, so that no page of the web can reach us by
//! a name of its own that it points at this machine. What changes something
//! must come from our own page or from a program, never from another page. With
//! a token, whoever asks must know it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, Request, State};
use axum::http::header::{
    self, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE,
    WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::answer::Problem;
use super::{App, ingest, page};
use crate::digest::hex;

/// How long an answer may take to begin.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a page may do: fetch from here, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'";

/// What is in every answer.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Where a browser says that a request comes from.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Who may ask.
pub(super) struct Guard {
    listens: IpAddr,
    /// The name of this machine, for a server that listens on all addresses.
    host: String,
    key: Option<Key>,
}

/// The token, as far as it must be known to compare with it.
struct Key {
    token: [u8; 32],
    /// The name of the cookie and its value: one says nothing of the token.
    cookie: (String, String),
}

impl Guard {
    pub(super) fn new(address: SocketAddr, token: Option<Zeroizing<String>>) -> Self {
        let key = token.map(|token| {
            let value = Sha256::new_with_prefix(b"runwatch cookie\0")
                .chain_update(token.as_bytes())
                .finalize();
            Key {
                token: Sha256::digest(token.as_bytes()).into(),
                // Cookies know no ports: two servers must not share one.
                cookie: (format!("runwatch-{}", address.port()), hex(&value)),
            }
        });
        Self {
            listens: address.ip(),
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            key,
        }
    }

    /// Whether this is a name of ours. The port may be another: that of a
    /// tunnel.
    fn is_ours(&self, host: &str) -> bool {
        let name = without_port(host);
        if name.eq_ignore_ascii_case("localhost") {
            return true;
        }
        let literal = name.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = literal.parse::<IpAddr>() {
            // An address is no name that somebody could point elsewhere.
            let all = self.listens.is_unspecified();
            return address.is_loopback() || address == self.listens || all;
        }
        !self.listens.is_loopback() && name.eq_ignore_ascii_case(&self.host)
    }

    fn knows_token(&self, headers: &HeaderMap) -> bool {
        let Some(key) = &self.key else { return true };
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = text(AUTHORIZATION)
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        if let Some((_, token)) = bearer {
            return key.is(token.trim());
        }
        let cookies = headers.get_all(COOKIE).iter();
        let mut cookies = cookies
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        let (name, value) = (key.cookie.0.as_str(), key.cookie.1.as_bytes());
        cookies.any(|(given, told)| given == name && equal(told.as_bytes(), value))
    }
}

impl Key {
    fn is(&self, told: &str) -> bool {
        // What is compared are hashes, all of one length.
        equal(&Sha256::digest(told.as_bytes()), &self.token)
    }
}

/// Compares in a time that does not depend on where they differ.
fn equal(one: &[u8], other: &[u8]) -> bool {
    let differ = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && std::hint::black_box(differ) == 0
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // Colons stand in addresses of IPv6, too, between brackets.
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Lets a request through, or says why not.
pub(super) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let is_page = matches!(request.uri().path(), "/" | "/app.js" | "/app.css");
    let mut response = match check(&app, &request) {
        Ok(None) => match tokio::time::timeout(PATIENCE, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "this takes too long")
                .hint("ask for less: a shorter range, fewer points")
                .into_response(),
        },
        Ok(Some(response)) => response,
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let cached = if is_page { "no-cache" } else { "no-store" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cached));
    response
}

/// The answer to whom is to be let in, or is not; none: the request goes on.
fn check(app: &App, request: &Request) -> Result<Option<Response>, Problem> {
    let headers = request.headers();
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().host()).unwrap_or_default();
    if !app.guard.is_ours(host) {
        let error = "this name is not one that runwatch serves at";
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, error)
            .hint("use localhost, or the address that `runwatch serve` printed"));
    }
    // A link to the dashboard is fine. Whatever else another page asks for, it
    // could not read, but keep us busy.
    let site = headers.get(FETCH_SITE).map(HeaderValue::as_bytes);
    let own = site.is_none_or(|site| matches!(site, b"same-origin" | b"none"));
    if !own && request.uri().path() != "/" {
        return Err(elsewhere());
    }
    if let Some(response) = let_in(app, request) {
        return Ok(Some(response));
    }
    if !app.guard.knows_token(headers) {
        return Ok(Some(stranger(request)));
    }
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(None);
    }
    from_here(headers, host)?;
    if request.uri().path() == ingest::PATH {
        // Not with a cookie, which a browser sends by itself.
        let told = headers.contains_key(AUTHORIZATION);
        return Ok((!told).then(|| stranger(request)));
    }
    may_change(app, headers)?;
    Ok(None)
}

/// `/?token=…` with the right token sets the cookie and goes to `/`.
fn let_in(app: &App, request: &Request) -> Option<Response> {
    let key = app.guard.key.as_ref()?;
    if request.uri().path() != "/" || request.method() != Method::GET {
        return None;
    }
    let Query(asked) = Query::<Vec<(String, String)>>::try_from_uri(request.uri()).ok()?;
    let (_, token) = asked.into_iter().find(|(name, _)| name == "token")?;
    if !key.is(&token) {
        return Some(stranger(request));
    }
    let (name, value) = &key.cookie;
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict");
    let to = [(LOCATION, "/".to_owned()), (SET_COOKIE, cookie)];
    Some((StatusCode::SEE_OTHER, to).into_response())
}

/// The answer to whoever does not know the token.
fn stranger(request: &Request) -> Response {
    let asks = [(WWW_AUTHENTICATE, "Bearer")];
    if request.uri().path() == "/" {
        return (StatusCode::UNAUTHORIZED, asks, page::ask_for_token()).into_response();
    }
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "the token is missing or wrong")
        .hint("send `Authorization: Bearer TOKEN`, or open /?token=TOKEN in a browser");
    (asks, problem).into_response()
}

fn elsewhere() -> Problem {
    Problem::forbidden("this comes from another page")
        .hint("only the dashboard itself, and programs, may ask this")
}

/// Whether a request that is to change something comes from our own page, or
/// from a program: every browser says where it comes from.
fn from_here(headers: &HeaderMap, host: &str) -> Result<(), Problem> {
    let own = |origin: &str| {
        let address = origin.split_once("://").map(|(_, address)| address);
        address.is_some_and(|address| address.eq_ignore_ascii_case(host))
    };
    let origin = headers.get(ORIGIN);
    let origin = origin.map(|origin| origin.to_str().unwrap_or_default());
    match origin {
        Some(origin) if !own(origin) => Err(elsewhere()),
        _ => Ok(()),
    }
}

/// Whether a request may change something.
fn may_change(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    if app.options.read_only {
        return Err(Problem::forbidden("nothing can be changed here")
            .hint("`runwatch serve` was started with --read-only"));
    }
    let kind = headers.get(CONTENT_TYPE);
    let kind = kind.map_or("", |kind| kind.to_str().unwrap_or_default());
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let error = "the body must be JSON";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error)
            .hint("send `Content-Type: application/json`"));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn guard(listens: &str) -> Guard {
        Guard {
            host: "trainbox".to_owned(),
            ..Guard::new(listens.parse().unwrap(), None)
        }
    }

    #[test]
    fn only_names_that_nobody_can_point_here_are_ours() {
        let loopback = guard("127.0.0.1:7077");
        for host in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1:7077",
            "127.8.9.1",
            "[::1]:7077",
        ] {
            assert!(loopback.is_ours(host), "{host}");
        }
        for host in [
            "",
            ":7077",
            "trainbox",
            "10.0.0.5:7077",
            "localhost.example",
            "[::2]",
        ] {
            assert!(!loopback.is_ours(host), "{host}");
        }
        let one = guard("10.0.0.5:7077");
        assert!(one.is_ours("10.0.0.5:7077") && one.is_ours("TrainBox:7077"));
        assert!(!one.is_ours("10.0.0.6:7077") && !one.is_ours("evil.example:7077"));
        let all = guard("0.0.0.0:7077");
        assert!(all.is_ours("10.0.0.6:7077") && all.is_ours("[fe80::1]:7077"));
        assert!(all.is_ours("trainbox") && !all.is_ours("evil.example"));
    }

    #[test]
    fn equal_is_equal() {
        assert!(equal(b"abc", b"abc") && equal(b"", b""));
        assert!(!equal(b"abc", b"abd") && !equal(b"abc", b"ab") && !equal(b"", b"a"));
    }
}
