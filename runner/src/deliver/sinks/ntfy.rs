//! ntfy: push messages to a phone (<https://docs.ntfy.sh/publish/>).
//!
//! One POST of JSON to the root of the server, success 200 with the message
//! as JSON. The body of a message may have 4096 bytes; more would become an
//! attachment. Errors come as `{"code":42901,"http":429,"error":…}`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{Kind, Made};
use crate::alert::Severity;
use crate::deliver::text::{clean, clean_line, cut_bytes, cut_chars};
use crate::deliver::{Answer, Key, Message, Outcome, Pace, Request, Service, Settings, Takes};
use crate::secret::{Secret, Unreadable};

pub(super) const KIND: Kind = Kind {
    name: "ntfy",
    summary: "Push messages to a phone through ntfy.sh or a server of your own.",
    network: true,
    keys: &[
        Key::required(
            "topic",
            Takes::Secret,
            "The topic. On a public server its name is all that protects it.",
        ),
        Key::optional(
            "server",
            Takes::Address,
            "The server, instead of `https://ntfy.sh`.",
        ),
        Key::optional("token", Takes::Secret, "An access token, `tk_…`."),
    ],
    make: |settings| Made::service(Ntfy::new(settings)),
    example: "topic = \"env:NTFY_TOPIC\"",
};

/// Bytes of a message before it becomes an attachment.
const MESSAGE_BYTES: usize = 4096;
/// Characters of a title: what a phone shows.
const TITLE_CHARS: usize = 250;

struct Ntfy {
    server: Arc<Secret>,
    topic: Arc<Secret>,
    token: Option<Arc<Secret>>,
}

impl Ntfy {
    fn new(settings: &Settings) -> Self {
        let usual = || Arc::new(Secret::literal("https://ntfy.sh"));
        Self {
            server: settings.secret("server").unwrap_or_else(usual),
            topic: settings.needed("topic"),
            token: settings.secret("token"),
        }
    }
}

impl Service for Ntfy {
    fn request(&self, message: &Message) -> Result<Request, Unreadable> {
        let priority = match (message.fires(), message.severity()) {
            (true, Severity::Critical) => 5,
            (true, Severity::Warning) => 4,
            _ => 3,
        };
        let body = json!({
            "topic": *self.topic.read()?,
            "title": cut_chars(&clean_line(&message.title()), TITLE_CHARS),
            "message": cut_bytes(&clean(&message.plain()), MESSAGE_BYTES),
            "priority": priority,
        });
        let request = Request::json(self.server.read()?.trim_end_matches('/'), &body);
        Ok(match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {}", *token.read()?)),
            None => request,
        })
    }

    fn verdict(&self, answer: &Answer) -> Outcome {
        let body = answer.json();
        match (answer.status, body["id"].as_str(), body["code"].as_u64()) {
            (200, Some(id), None) => Outcome::Delivered {
                remote: Some(id.to_owned()),
            },
            // The quota of the day: seconds will not help.
            (429, _, Some(42908)) => Outcome::Throttled {
                after: Some(Duration::from_secs(3600)),
                why: answer.said(),
            },
            _ => answer.failure(),
        }
    }

    /// ntfy.sh: 60 requests at once, then one every 5 seconds.
    fn pace(&self) -> Pace {
        Pace {
            burst: 60,
            every: Duration::from_secs(5),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::testing::{self, answer, message, settings};
    use super::*;

    fn ntfy() -> Ntfy {
        Ntfy::new(&settings(
            &KIND,
            &[("topic", "my-topic"), ("token", "tk_1")],
        ))
    }

    #[test]
    fn the_request() {
        let request = ntfy().request(&message()).unwrap();
        let body = testing::json(&request);
        assert_eq!(request.url, "https://ntfy.sh");
        assert_eq!(body["topic"], "my-topic");
        assert_eq!(
            body["title"],
            "CRITICAL: loss is NaN (run train, step 2404)"
        );
        assert_eq!(body["priority"], 5);
        assert_eq!(
            request.headers,
            [("authorization".to_owned(), "Bearer tk_1".to_owned())]
        );
    }

    #[test]
    fn what_is_over_is_quiet_and_what_is_many_is_counted() {
        let over = testing::json(&ntfy().request(&testing::resolved()).unwrap());
        assert_eq!(over["priority"], 3);
        let many = testing::json(&ntfy().request(&testing::many(3)).unwrap());
        assert_eq!(
            many["title"],
            "3 alerts, worst CRITICAL: trouble 1 (run train, step 2404)"
        );
        let plain = ntfy().request(&testing::plain(testing::many(3))).unwrap();
        assert_eq!(testing::json(&plain)["message"], many["message"]);
    }

    #[test]
    fn limits_hold_whatever_the_text() {
        for text in testing::HOSTILE {
            let body = testing::json(&ntfy().request(&testing::saying(text)).unwrap());
            assert!(body["message"].as_str().unwrap().len() <= MESSAGE_BYTES);
            assert!(body["title"].as_str().unwrap().chars().count() <= TITLE_CHARS);
        }
    }

    #[test]
    fn verdicts() {
        let ntfy = ntfy();
        let verdict = |status, body: &str| ntfy.verdict(&answer(status, body)).name();
        assert_eq!(verdict(200, r#"{"id":"x","event":"message"}"#), "delivered");
        assert_eq!(verdict(200, "<html>a captive portal</html>"), "rejected");
        assert_eq!(
            verdict(403, r#"{"code":40301,"http":403,"error":"forbidden"}"#),
            "broken"
        );
        assert_eq!(verdict(413, r#"{"code":41303,"http":413}"#), "rejected");
        assert_eq!(verdict(429, r#"{"code":42901,"http":429}"#), "throttled");
        assert_eq!(verdict(500, ""), "transient");
        let day = ntfy.verdict(&answer(429, r#"{"code":42908,"http":429}"#));
        assert!(
            matches!(day, Outcome::Throttled { after: Some(after), .. } if after.as_secs() == 3600)
        );
    }
}
