//! Rocket.Chat, by an incoming webhook
//! (<https://docs.rocket.chat/docs/integrations>).
//!
//! Success is 200 with `{"success":true}`; a 200 may say `"success":false`.

use std::sync::Arc;
use std::time::Duration;

use super::card::Limits;
use super::{Kind, Made, attachment};
use crate::deliver::text::chars;
use crate::deliver::{Answer, Key, Message, Outcome, Pace, Request, Service, Settings, Takes};
use crate::secret::{Secret, Unreadable};

pub(super) const KIND: Kind = Kind {
    name: "rocketchat",
    summary: "Messages in a Rocket.Chat channel, through an incoming webhook.",
    network: true,
    keys: &[
        Key::required(
            "url",
            Takes::Secret,
            "The incoming webhook, `https://…/hooks/…`.",
        ),
        Key::optional(
            "channel",
            Takes::Text,
            "Another channel than that of the webhook, `#name` or `@user`, if the webhook \
             allows it.",
        ),
    ],
    make: |settings| Made::service(RocketChat::new(settings)),
    example: "url = \"env:ROCKETCHAT_WEBHOOK_URL\"",
};

/// Rocket.Chat limits the text of a message only; the rest is for people.
const LIMITS: Limits = Limits {
    cards: 10,
    all: 6000,
    title: 250,
    text: 3000,
    field: 1500,
    escape: escaped,
    measure: chars,
};
/// Characters of the text: a setting of the server, usually 5000.
const PLAIN: usize = 1000;

struct RocketChat {
    url: Arc<Secret>,
    channel: Option<String>,
}

impl RocketChat {
    fn new(settings: &Settings) -> Self {
        Self {
            url: settings.needed("url"),
            channel: settings.text("channel"),
        }
    }
}

impl Service for RocketChat {
    fn request(&self, message: &Message) -> Result<Request, Unreadable> {
        let mut body = attachment::body(message, &LIMITS, PLAIN);
        body["parseUrls"] = false.into();
        if let Some(channel) = &self.channel {
            body["channel"] = channel.as_str().into();
        }
        Ok(Request::json(self.url.read()?.as_str(), &body))
    }

    fn verdict(&self, answer: &Answer) -> Outcome {
        let body = answer.json();
        let error = body["error"].as_str().unwrap_or_default();
        match (answer.status, body["success"].as_bool()) {
            (200, Some(true)) => Outcome::delivered(),
            (429, _) => throttled(answer),
            (200 | 400, Some(false)) if error.contains("too-many-requests") => throttled(answer),
            (200 | 400, Some(false)) if is_of_the_sink(error) => Outcome::Broken(answer.said()),
            (200, Some(false)) => Outcome::Rejected(answer.said()),
            _ => answer.failure(),
        }
    }

    fn batch(&self) -> usize {
        LIMITS.cards
    }

    /// The usual limit of a server is 10 requests a minute and webhook.
    fn pace(&self) -> Pace {
        Pace::per_minute(8, 10)
    }
}

/// Whether an error is about the webhook, its channel or its user.
fn is_of_the_sink(error: &str) -> bool {
    [
        "Invalid integration",
        "overriding destination channel",
        "invalid-channel",
        "invalid-room",
        "room-not-found",
        "error-not-allowed",
        "not-authorized",
        "unauthorized",
    ]
    .iter()
    .any(|known| error.contains(known))
}

/// The end of the server's window stands in a header, in milliseconds since
/// 1970, if it does not say `Retry-After`.
fn throttled(answer: &Answer) -> Outcome {
    let reset = || {
        let reset: i64 = answer.header("x-ratelimit-reset")?.trim().parse().ok()?;
        let left = u64::try_from(reset.checked_sub(answer.at)?).ok()?;
        Some(Duration::from_millis(left))
    };
    Outcome::Throttled {
        after: answer.retry_after().or_else(reset),
        why: answer.said(),
    }
}

/// Keeps `@` from being a mention and parts what would be a link with another
/// text or a spoiler, `[x](y)`, `<y|x>`, `||x||`. There is no way to escape
/// `*` and `_`: a backslash would be shown.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '@' => escaped.push_str("@\u{200b}"),
            '!' if escaped.ends_with('<') => escaped.push_str("\u{200b}!"),
            '(' if escaped.ends_with(']') => escaped.push_str("\u{200b}("),
            '|' => escaped.push_str(" |"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::Value;

    use super::super::attachment::tests::check;
    use super::super::testing::{self, answer, message, settings, with_header};
    use super::*;

    const URL: &str = "https://chat.example/hooks/1/x";

    fn rocketchat() -> RocketChat {
        RocketChat::new(&settings(&KIND, &[("url", URL)]))
    }

    fn body(message: &Message) -> Value {
        testing::json(&rocketchat().request(message).unwrap())
    }

    #[test]
    fn a_critical() {
        let request = rocketchat().request(&message()).unwrap();
        assert_eq!(request.url, URL);
        let body = testing::json(&request);
        check(&body, &LIMITS, PLAIN);
        assert_eq!(body["text"], "CRITICAL: loss is NaN (run train, step 2404)");
        let alert = &body["attachments"][0];
        assert_eq!(alert["color"], "#d92d20");
        assert_eq!(alert["fields"][0]["title"], "What to do");
        assert_eq!(alert["fields"][1]["value"], "loss: NaN · last: 2.31");
        assert_eq!(body["attachments"][1]["text"], "runwatch · 001122334455");
    }

    #[test]
    fn another_channel() {
        let given = [("url", URL), ("channel", "#alerts")];
        let request = RocketChat::new(&settings(&KIND, &given)).request(&message());
        assert_eq!(testing::json(&request.unwrap())["channel"], "#alerts");
    }

    #[test]
    fn resolved_test_many_and_plain() {
        let over = body(&testing::resolved());
        assert!(over["text"].as_str().unwrap().starts_with("RESOLVED: loss"));
        let mut test = message();
        test.test = true;
        assert!(body(&test)["text"].as_str().unwrap().starts_with("[TEST] "));
        let many = body(&testing::many(12));
        check(&many, &LIMITS, PLAIN);
        let last = many["attachments"][10]["text"].as_str().unwrap();
        assert!(last.starts_with("and 2 more: WARNING: trouble 10"));
        let plain = body(&testing::plain(message()));
        assert!(plain.get("attachments").is_none());
    }

    #[test]
    fn limits_hold_and_nobody_is_mentioned_whatever_the_text() {
        for text in testing::HOSTILE {
            let hostile = testing::saying(text);
            check(&body(&testing::plain(hostile.clone())), &LIMITS, PLAIN);
            let mut many = hostile.clone();
            many.entries = vec![many.entries[0].clone(); 20];
            check(&body(&hostile), &LIMITS, PLAIN);
            check(&body(&many), &LIMITS, PLAIN);
        }
    }

    #[test]
    fn no_link_hides_where_it_leads() {
        assert_eq!(
            escaped("[x](https://e) <https://e|x> ||y|| @all"),
            "[x]\u{200b}(https://e) <https://e |x>  | |y | | @\u{200b}all"
        );
    }

    #[test]
    fn verdicts() {
        let failed = |error: &str| format!(r#"{{"success":false,"error":"{error}"}}"#);
        let table = [
            (200, r#"{"success":true}"#.to_owned(), "delivered"),
            (200, failed("error-message-size-exceeded"), "rejected"),
            (200, failed("invalid-channel"), "broken"),
            (200, "{}".to_owned(), "rejected"),
            (200, "<html>the web app</html>".to_owned(), "rejected"),
            (400, failed("unknown-error"), "rejected"),
            (400, failed("error-running-script"), "rejected"),
            (400, failed("invalid-channel"), "broken"),
            (
                400,
                failed("Invalid integration id or token provided."),
                "broken",
            ),
            (
                400,
                failed("overriding destination channel is disabled for this integration"),
                "broken",
            ),
            (
                400,
                failed("too long [error-too-many-requests]"),
                "throttled",
            ),
            (401, String::new(), "broken"),
            (404, String::new(), "broken"),
            (
                429,
                failed("slow down [error-too-many-requests]"),
                "throttled",
            ),
            (500, String::new(), "transient"),
            (503, failed("Service Unavailable"), "transient"),
        ];
        for (status, body, name) in table {
            let verdict = rocketchat().verdict(&answer(status, &body));
            assert_eq!(verdict.name(), name, "{status} {body}");
        }
    }

    #[test]
    fn the_time_to_wait_is_the_end_of_the_window() {
        // Answers of tests are of 1 700 000 000 000.
        let header = [("x-ratelimit-reset", "1700000032500")];
        let wait = rocketchat().verdict(&with_header(429, "", &header));
        assert!(
            matches!(wait, Outcome::Throttled { after: Some(after), .. } if after.as_millis() == 32_500)
        );
        let past = [("x-ratelimit-reset", "1600000000000")];
        let wait = rocketchat().verdict(&with_header(429, "", &past));
        assert!(matches!(wait, Outcome::Throttled { after: None, .. }));
    }
}
