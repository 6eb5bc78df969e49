//! Any receiver of HTTP: what it gets is one of four known bodies or a
//! template's, signed as Standard Webhooks (<https://www.standardwebhooks.com>)
//! if there is a key.
//!
//! Delivered is what is answered with 2xx, unless the body disowns it: `ok` or
//! `success` is false, `error`, `errors` or `errcode` says something, `status`
//! is a word for failure, or the body is a web page, which is what a portal or
//! a login answers. 202 is accepted. `webhook-id` is the same over all
//! attempts, so a receiver can tell a repetition.

mod preset;
mod signature;
mod template;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value;

pub(super) use self::preset::runwatch as payload;
use self::template::{Content, Template};
use super::{Kind, Made};
use crate::deliver::{Answer, Key, Message, Method, Outcome, Request, Service, Settings, Takes};
use crate::secret::{Secret, Unreadable};

pub(super) const KIND: Kind = Kind {
    name: "webhook",
    summary: "Any receiver of HTTP, with a payload that it knows or a template, signed if you like.",
    network: true,
    keys: &[
        Key::required("url", Takes::Address, "Where to send it."),
        Key::optional(
            "method",
            Takes::Word(&["POST", "PUT", "PATCH"]),
            "How to send it; `POST` if not set.",
        ),
        Key::optional("headers", Takes::Pairs, "Headers to send along."),
        Key::optional(
            "signing-key",
            Takes::Secret,
            "A key of Standard Webhooks, `whsec_…`. Several, with spaces between, sign each: so \
             keys can be changed.",
        ),
        Key::optional(
            "payload",
            Takes::Word(&["runwatch", "rlwatch", "trackio", "alertmanager-v4"]),
            "The body: `runwatch` (if not set; all alerts of the message, as in docs/alert.md), \
             what `rlwatch` or `trackio` would post (one alert each; a value that is not finite \
             as text), or what Alertmanager posts to its webhooks (`alertmanager-v4`).",
        ),
        Key::optional(
            "template",
            Takes::Text,
            "The body as a template (minijinja, like Jinja2) instead. It sees `title`, `text`, \
             `severity`, `firing`, `test`, `id`, `group`, `now`, and `alerts`, each as in \
             docs/alert.md with `notice` and `label`; one that names `alert` is sent one alert at \
             a time. Texts are escaped for the content type, in JSON without quotes: \
             `\"{{ title }}\"` or `{{ title|tojson }}`. What is not defined is an error.",
        ),
        Key::optional(
            "content-type",
            Takes::Word(Content::WORDS),
            "What the template gives; `application/json` if not set.",
        ),
    ],
    make: |settings| Made::service(Webhook::new(settings)?),
    example: "url = \"env:WEBHOOK_URL\"\nsigning-key = \"env:WEBHOOK_KEY\"",
};

/// Headers that are made here or by HTTP itself.
const OURS: &[&str] = &[
    "connection",
    "content-length",
    "content-type",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

struct Webhook {
    url: Arc<Secret>,
    method: Method,
    headers: Vec<(String, Arc<Secret>)>,
    signing_key: Option<Arc<Secret>>,
    payload: Payload,
}

enum Payload {
    Runwatch,
    Rlwatch,
    Trackio,
    AlertmanagerV4,
    Template(Box<Template>),
}

impl Webhook {
    fn new(settings: &Settings) -> Result<Self, String> {
        let headers = settings.pairs("headers");
        for (name, _) in &headers {
            check_header(name)?;
        }
        Ok(Self {
            url: settings.needed("url"),
            method: match settings.text("method").as_deref() {
                Some("PUT") => Method::Put,
                Some("PATCH") => Method::Patch,
                _ => Method::Post,
            },
            headers,
            signing_key: settings.secret("signing-key"),
            payload: Payload::new(settings)?,
        })
    }
}

fn check_header(name: &str) -> Result<(), String> {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(token) {
        return Err(format!("`{name}` cannot be the name of a header"));
    }
    if OURS.contains(&name.to_ascii_lowercase().as_str()) {
        let hint = match name.to_ascii_lowercase().as_str() {
            "content-type" => "; set `content-type` beside the template",
            _ => "",
        };
        return Err(format!("the header `{name}` is set by runwatch{hint}"));
    }
    Ok(())
}

impl Payload {
    fn new(settings: &Settings) -> Result<Self, String> {
        let preset = settings.text("payload");
        let content = settings.text("content-type");
        if let Some(source) = settings.text("template") {
            if preset.is_some() {
                return Err("`payload` and `template` exclude each other".to_owned());
            }
            let content = content.as_deref().and_then(Content::from_word);
            let template = Template::new(source, content.unwrap_or(Content::Json))?;
            return Ok(Self::Template(Box::new(template)));
        }
        if content.is_some() {
            return Err("`content-type` is for a `template`; a payload is JSON".to_owned());
        }
        Ok(match preset.as_deref() {
            Some("rlwatch") => Self::Rlwatch,
            Some("trackio") => Self::Trackio,
            Some("alertmanager-v4") => Self::AlertmanagerV4,
            _ => Self::Runwatch,
        })
    }

    fn body(&self, message: &Message) -> Result<Vec<u8>, String> {
        let of_first = |preset: fn(&Message, &_) -> Value| match message.first() {
            Some(entry) => preset(message, entry),
            None => Value::Null,
        };
        let body = match self {
            Self::Runwatch => preset::runwatch(message),
            Self::Rlwatch => of_first(preset::rlwatch),
            Self::Trackio => of_first(preset::trackio),
            Self::AlertmanagerV4 => preset::alertmanager_v4(message),
            Self::Template(template) => return template.render(message),
        };
        Ok(body.to_string().into_bytes())
    }

    fn content_type(&self) -> &'static str {
        match self {
            Self::Template(template) => template.content_type(),
            _ => Content::Json.header(),
        }
    }

    /// Whether the body speaks of one alert only.
    fn is_single(&self) -> bool {
        match self {
            Self::Rlwatch | Self::Trackio => true,
            Self::Template(template) => template.single,
            Self::Runwatch | Self::AlertmanagerV4 => false,
        }
    }
}

impl Service for Webhook {
    fn request(&self, message: &Message) -> Result<Request, Unreadable> {
        let mut request = Request {
            method: self.method,
            url: self.url.read()?.to_string(),
            headers: Vec::new(),
            content_type: self.payload.content_type(),
            body: self.payload.body(message).map_err(Unreadable)?,
        };
        for (name, value) in &self.headers {
            let value = value.read()?;
            if value.chars().any(char::is_control) {
                let why = format!("the header `{name}` holds a control character");
                return Err(Unreadable(why));
            }
            request = request.header(name, value.as_str());
        }
        let seconds = message.at.div_euclid(1000);
        request = request
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", seconds.to_string());
        let Some(keys) = &self.signing_key else {
            return Ok(request);
        };
        let signature = signature::sign(&keys.read()?, &message.id, seconds, &request.body)
            .map_err(|why| Unreadable(format!("{}: {why}", keys.reference())))?;
        Ok(request.header("webhook-signature", signature))
    }

    fn verdict(&self, answer: &Answer) -> Outcome {
        match answer.status {
            200..=299 => match disowned(answer) {
                Some(why) => Outcome::Rejected(format!("{why}: {}", answer.said())),
                None if answer.status == 202 => Outcome::Accepted { remote: None },
                None => Outcome::delivered(),
            },
            502 | 504 if answer.retry_after().is_some() => Outcome::Throttled {
                after: answer.retry_after(),
                why: answer.said(),
            },
            _ => answer.failure(),
        }
    }

    fn batch(&self) -> usize {
        if self.payload.is_single() { 1 } else { 20 }
    }

    /// rlwatch has no way to say that it is over.
    fn takes_resolved(&self) -> bool {
        !matches!(self.payload, Payload::Rlwatch)
    }
}

/// Why an answer of success is none.
fn disowned(answer: &Answer) -> Option<&'static str> {
    let start = answer.body.get(..200).unwrap_or(&answer.body);
    let start = String::from_utf8_lossy(start)
        .trim_start()
        .to_ascii_lowercase();
    if start.starts_with("<!doctype html") || start.starts_with("<html") {
        return Some("a web page is not the answer of a webhook");
    }
    let body = answer.json();
    let says = |field: &str| match &body[field] {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(all) => !all.is_empty(),
        Value::Object(all) => !all.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Bool(true) => true,
    };
    let status = body["status"].as_str().unwrap_or_default();
    let failed = ["error", "fail", "failed", "failure"]
        .iter()
        .any(|word| status.eq_ignore_ascii_case(word))
        || body["ok"] == false
        || body["success"] == false
        || ["error", "errors", "errcode"].into_iter().any(says);
    failed.then_some("the answer says that it failed")
}
