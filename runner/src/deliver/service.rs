//! Services that are reached by HTTP: each says what to send and what an
//! answer means, both without touching the network.

use std::time::Duration;

use super::message::Message;
use super::sink::{Outcome, Pace};
use crate::secret::Unreadable;

/// A service that takes messages over HTTP.
pub trait Service: Send {
    /// What to send. Pure but for reading secrets, which may be changed while
    /// we run.
    ///
    /// # Errors
    ///
    /// If a secret cannot be read.
    fn request(&self, message: &Message) -> Result<Request, Unreadable>;

    /// What an answer means. Success only where the service's own words say so:
    /// an answer that is not understood is a failure.
    fn verdict(&self, answer: &Answer) -> Outcome;

    /// See [`Sink::batch`](super::Sink::batch).
    fn batch(&self) -> usize {
        20
    }

    /// See [`Sink::pace`](super::Sink::pace).
    fn pace(&self) -> Pace {
        Pace::default()
    }

    /// See [`Sink::takes_resolved`](super::Sink::takes_resolved).
    fn takes_resolved(&self) -> bool {
        true
    }
}

/// How a request is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `PATCH`.
    Patch,
}

impl Method {
    /// The word on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
        }
    }
}

/// A request. It may hold secrets, so it cannot be printed as it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// How.
    pub method: Method,
    /// Where to, with whatever secret is in it.
    pub url: String,
    /// Headers beyond those that every request has.
    pub headers: Vec<(String, String)>,
    /// The media type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A POST of JSON.
    #[must_use]
    pub fn json(url: impl Into<String>, body: &serde_json::Value) -> Self {
        Self {
            method: Method::Post,
            url: url.into(),
            headers: Vec::new(),
            content_type: "application/json; charset=utf-8",
            body: body.to_string().into_bytes(),
        }
    }

    /// With a header more.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The request as text, secrets included: to be
    /// [scrubbed](crate::secret::scrub) before anyone sees it.
    #[must_use]
    pub fn written(&self) -> String {
        let mut text = format!("{} {}\n", self.method.name(), self.url);
        text.push_str(&format!("content-type: {}\n", self.content_type));
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\n"));
        }
        text.push('\n');
        match serde_json::from_slice::<serde_json::Value>(&self.body) {
            Ok(body) => text.push_str(&format!("{body:#}")),
            Err(_) => text.push_str(&String::from_utf8_lossy(&self.body)),
        }
        text
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The first 64 KiB of the body.
    pub body: Vec<u8>,
    /// The moment of the answer, in milliseconds since 1970: for a
    /// `Retry-After` that is a date.
    pub at: i64,
}

impl Answer {
    /// The first header with this name, which must be in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text, cut to what a person would read. Secrets that it
    /// echoes are replaced first: the half that a cut leaves would not be known.
    #[must_use]
    pub fn text(&self) -> String {
        let body = String::from_utf8_lossy(&self.body);
        let text = crate::secret::scrub(&body);
        super::text::cut_chars(text.trim(), 500).into_owned()
    }

    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or(serde_json::Value::Null)
    }

    /// `HTTP 404: no_service`, for the reason of a failure.
    #[must_use]
    pub fn said(&self) -> String {
        match self.text() {
            text if text.is_empty() => format!("HTTP {}", self.status),
            text => format!("HTTP {}: {text}", self.status),
        }
    }

    /// `Retry-After`, in seconds or as a date.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.header("retry-after")?.trim();
        if let Ok(seconds) = value.parse::<f64>() {
            return Duration::try_from_secs_f64(seconds.max(0.0)).ok();
        }
        let date = httpdate::parse_http_date(value).ok()?;
        let now = std::time::UNIX_EPOCH + Duration::from_millis(u64::try_from(self.at).ok()?);
        Some(date.duration_since(now).unwrap_or_default())
    }

    /// What a status means where the service gives it no meaning of its own.
    /// A success status is none here: only the service can say that.
    ///
    /// Transient: 408, 425 and 5xx but 501 and 505. For good: 400, 413, 415 and
    /// 422 concern the message; 401, 403, 404, 405, 410, 501, 505 and every
    /// redirect concern the sink.
    #[must_use]
    pub fn failure(&self) -> Outcome {
        let why = self.said();
        match self.status {
            429 => Outcome::Throttled {
                after: self.retry_after(),
                why,
            },
            503 if self.retry_after().is_some() => Outcome::Throttled {
                after: self.retry_after(),
                why,
            },
            300..=399 => Outcome::Broken(format!(
                "HTTP {}: redirects are not followed; set the address that it leads to",
                self.status
            )),
            401 | 403 | 404 | 405 | 410 | 501 | 505 => Outcome::Broken(why),
            408 | 425 | 500..=599 => Outcome::Transient(why),
            400..=499 => Outcome::Rejected(why),
            200..=299 => Outcome::Rejected(format!("not the answer of this service: {why}")),
            _ => Outcome::Transient(why),
        }
    }
}
