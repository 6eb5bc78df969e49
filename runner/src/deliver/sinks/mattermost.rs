//! Mattermost, by an incoming webhook
//! (<https://developers.mattermost.com/integrate/webhooks/incoming/>).
//!
//! Success is 200 with `ok`; errors are JSON with an `id`, or text. The server
//! looks for mentions in the text and in attachments, in its own way (`@all`)
//! and in Slack's (`<!channel>`).

use std::sync::Arc;

use super::card::Limits;
use super::{Kind, Made, attachment};
use crate::deliver::text::chars;
use crate::deliver::{Answer, Key, Message, Outcome, Pace, Request, Service, Settings, Takes};
use crate::secret::{Secret, Unreadable};

pub(super) const KIND: Kind = Kind {
    name: "mattermost",
    summary: "Messages in a Mattermost channel, through an incoming webhook.",
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
            "The name of another channel than that of the webhook, or `@` and a user, \
             if the webhook is not locked to its channel.",
        ),
    ],
    make: |settings| Made::service(Mattermost::new(settings)),
    example: "url = \"env:MATTERMOST_WEBHOOK_URL\"",
};

/// Attachments are properties of a post, which may have 8000 characters as JSON
/// in old servers; longer ones become several posts.
const LIMITS: Limits = Limits {
    cards: 10,
    all: 6000,
    title: 250,
    text: 3000,
    field: 1500,
    escape: escaped,
    measure: chars,
};
/// Characters of a post in old servers, now 16 383.
const PLAIN: usize = 4000;

struct Mattermost {
    url: Arc<Secret>,
    channel: Option<String>,
}

impl Mattermost {
    fn new(settings: &Settings) -> Self {
        Self {
            url: settings.needed("url"),
            channel: settings.text("channel"),
        }
    }
}

impl Service for Mattermost {
    fn request(&self, message: &Message) -> Result<Request, Unreadable> {
        let mut body = attachment::body(message, &LIMITS, PLAIN);
        if let Some(channel) = &self.channel {
            body["channel"] = channel.as_str().into();
        }
        Ok(Request::json(self.url.read()?.as_str(), &body))
    }

    fn verdict(&self, answer: &Answer) -> Outcome {
        match (answer.status, answer.text().as_str()) {
            (200, "ok") => Outcome::delivered(),
            (400, why) if is_of_the_sink(why) => Outcome::Broken(answer.said()),
            _ => answer.failure(),
        }
    }

    fn batch(&self) -> usize {
        LIMITS.cards
    }

    /// The server's limit is for all integrations behind one address.
    fn pace(&self) -> Pace {
        Pace::per_minute(10, 60)
    }
}

/// Whether a 400 is about the webhook, its channel or its user: by the `id` of
/// the error, or in the words of a server that sends text.
fn is_of_the_sink(why: &str) -> bool {
    [
        "web.incoming_webhook.invalid.",
        "web.incoming_webhook.channel.",
        "web.incoming_webhook.channel_locked.",
        "web.incoming_webhook.permissions.",
        "web.incoming_webhook.user.",
        "Invalid webhook",
        "Couldn't find the channel",
        "Couldn't find the user",
    ]
    .iter()
    .any(|known| why.contains(known))
}

/// Mattermost's Markdown shown as it is written: of a link `[x](y)` it is
/// enough to part its halves. Something invisible behind `@` keeps it from
/// being a mention.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '@' => escaped.push_str("@\u{200b}"),
            '(' if escaped.ends_with(']') => escaped.push_str("\\("),
            c if "\\*_~`|#$".contains(c) => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::Value;

    use super::super::attachment::tests::{check, texts};
    use super::super::testing::{self, answer, message, settings, with_header};
    use super::*;

    const URL: &str = "https://chat.example/hooks/x";

    fn mattermost() -> Mattermost {
        Mattermost::new(&settings(&KIND, &[("url", URL)]))
    }

    fn body(message: &Message) -> Value {
        testing::json(&mattermost().request(message).unwrap())
    }

    #[test]
    fn a_critical() {
        let body = body(&message());
        check(&body, &LIMITS, PLAIN);
        assert_eq!(body["text"], "CRITICAL: loss is NaN (run train, step 2404)");
        assert!(body.get("channel").is_none());
        let alert = &body["attachments"][0];
        assert_eq!(alert["color"], "#d92d20");
        assert_eq!(
            alert["title"],
            "🔴 CRITICAL: loss is NaN (run train, step 2404)"
        );
        assert_eq!(
            alert["text"],
            "loss was 2.31 at step 2403 and is NaN at step 2404."
        );
        assert_eq!(alert["fields"][0]["title"], "What to do");
        assert_eq!(alert["fields"][1]["value"], "loss: NaN · last: 2.31");
        assert_eq!(alert["fields"][2]["short"], true);
        assert_eq!(body["attachments"][1]["text"], "runwatch · 001122334455");
    }

    #[test]
    fn another_channel() {
        let given = [("url", URL), ("channel", "alerts")];
        let request = Mattermost::new(&settings(&KIND, &given))
            .request(&message())
            .unwrap();
        assert_eq!(request.url, URL);
        assert_eq!(testing::json(&request)["channel"], "alerts");
    }

    #[test]
    fn resolved_test_many_and_plain() {
        let over = body(&testing::resolved());
        assert_eq!(over["attachments"][0]["color"], "#12b76a");
        assert!(over["text"].as_str().unwrap().starts_with("RESOLVED: loss"));
        let mut test = message();
        test.test = true;
        assert!(body(&test)["text"].as_str().unwrap().starts_with("[TEST] "));

        let many = body(&testing::many(12));
        check(&many, &LIMITS, PLAIN);
        assert!(
            many["text"]
                .as_str()
                .unwrap()
                .starts_with("12 alerts, worst")
        );
        let last = many["attachments"][10]["text"].as_str().unwrap();
        assert!(last.starts_with("and 2 more: WARNING: trouble 10"));

        let plain = body(&testing::plain(message()));
        assert!(plain.get("attachments").is_none());
        let text = plain["text"].as_str().unwrap();
        assert!(text.contains("What to do: Stop the run"));
    }

    #[test]
    fn limits_hold_and_nobody_is_mentioned_whatever_the_text() {
        for text in testing::HOSTILE {
            let hostile = testing::saying(text);
            check(&body(&testing::plain(hostile.clone())), &LIMITS, PLAIN);
            let mut many = hostile.clone();
            many.entries = vec![many.entries[0].clone(); 20];
            for message in [hostile, many] {
                let body = body(&message);
                check(&body, &LIMITS, PLAIN);
                assert!(!texts(&body).iter().any(|text| text.contains('<')));
            }
        }
        check(&body(&testing::saying("")), &LIMITS, PLAIN);
    }

    #[test]
    fn markup_is_shown_as_it_is_written() {
        assert_eq!(
            escaped("grad_norm *a* [x](y) <!here> @all & |"),
            "grad\\_norm \\*a\\* [x]\\(y) &lt;!here&gt; @\u{200b}all &amp; \\|"
        );
    }

    #[test]
    fn verdicts() {
        let id = |id: &str| format!(r#"{{"id":"{id}.app_error","message":"…","status_code":400}}"#);
        let table = [
            (200, "ok".to_owned(), "delivered"),
            (200, "<html>the web app</html>".to_owned(), "rejected"),
            (200, String::new(), "rejected"),
            (302, String::new(), "broken"),
            (400, "Unable to parse incoming data".to_owned(), "rejected"),
            (400, id("web.incoming_webhook.parse"), "rejected"),
            (400, id("web.incoming_webhook.text"), "rejected"),
            (
                400,
                id("web.incoming_webhook.split_props_length"),
                "rejected",
            ),
            (400, id("web.incoming_webhook.invalid"), "broken"),
            (400, id("web.incoming_webhook.channel"), "broken"),
            (400, "Couldn't find the channel".to_owned(), "broken"),
            (400, "Invalid webhook".to_owned(), "broken"),
            (403, id("web.incoming_webhook.channel_locked"), "broken"),
            (404, id("web.incoming_webhook.channel"), "broken"),
            (413, String::new(), "rejected"),
            (429, "limit exceeded".to_owned(), "throttled"),
            (500, String::new(), "transient"),
            (501, id("web.incoming_webhook.disabled"), "broken"),
            (503, String::new(), "transient"),
        ];
        for (status, body, name) in table {
            let verdict = mattermost().verdict(&answer(status, &body));
            assert_eq!(verdict.name(), name, "{status} {body}");
        }
        let wait = mattermost().verdict(&with_header(429, "", &[("retry-after", "7")]));
        assert!(
            matches!(wait, Outcome::Throttled { after: Some(after), .. } if after.as_secs() == 7)
        );
    }
}
