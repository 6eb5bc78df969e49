//! Google Chat, by an incoming webhook
//! (<https://developers.google.com/workspace/chat/quickstart/webhooks>,
//! <https://developers.google.com/workspace/chat/api/reference/rest/v1/spaces.messages/create>).
//!
//! Success is 200 with the message as JSON. The texts of a card take a little
//! HTML and no mentions; a text outside of cards takes `<users/all>`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::card::{Card, Limits};
use super::{Kind, Made};
use crate::deliver::text::{clean, clean_line, fit};
use crate::deliver::{
    Answer, Form, Key, Message, Outcome, Pace, Request, Service, Settings, Takes,
};
use crate::secret::{Secret, Unreadable};

pub(super) const KIND: Kind = Kind {
    name: "google-chat",
    summary: "Messages in a Google Chat space, through an incoming webhook.",
    network: true,
    keys: &[Key::required(
        "url",
        Takes::Secret,
        "The webhook, `https://chat.googleapis.com/v1/spaces/…/messages?key=…&token=…`.",
    )],
    make: |settings| Made::service(GoogleChat::new(settings)),
    example: "url = \"env:GOOGLE_CHAT_WEBHOOK_URL\"",
};

/// A message may have 32 000 bytes, as JSON with everything around the texts
/// and a backslash before every quote.
const LIMITS: Limits = Limits {
    cards: 10,
    all: 12_000,
    title: 300,
    text: 4000,
    field: 2000,
    escape: html,
    measure: str::len,
};
/// Bytes of a title outside of the sections.
const TITLE: usize = 300;
/// Bytes of a text without cards.
const TEXT: usize = 4000;

struct GoogleChat {
    url: Arc<Secret>,
}

impl GoogleChat {
    fn new(settings: &Settings) -> Self {
        Self {
            url: settings.needed("url"),
        }
    }
}

impl Service for GoogleChat {
    fn request(&self, message: &Message) -> Result<Request, Unreadable> {
        let url = self.url.read()?;
        if message.form == Form::Plain {
            let body = json!({ "text": outside(&clean(&message.plain()), TEXT) });
            return Ok(Request::json(url.as_str(), &body));
        }
        // A second attempt with the same id gives the message of the first. The
        // plain form does without, should a webhook ever refuse the parameter.
        let mark = if url.contains('?') { '&' } else { '?' };
        let address = format!("{}{mark}requestId={}", *url, message.id);
        Ok(Request::json(address, &rich(message)))
    }

    fn verdict(&self, answer: &Answer) -> Outcome {
        let body = answer.json();
        if answer.status == 200
            && let Some(name) = body["name"].as_str()
            && name.starts_with("spaces/")
        {
            let remote = Some(name.to_owned());
            return Outcome::Delivered { remote };
        }
        let error = &body["error"];
        match (answer.status, error["status"].as_str()) {
            (400..=499, Some("RESOURCE_EXHAUSTED")) => Outcome::Throttled {
                after: answer.retry_after(),
                why: answer.said(),
            },
            (409, Some("ABORTED")) => Outcome::Transient(answer.said()),
            // The key is a part of the address, but its fault is a 400.
            (400, _) if is_of_the_key(error) => Outcome::Broken(answer.said()),
            _ => answer.failure(),
        }
    }

    fn batch(&self) -> usize {
        LIMITS.cards
    }

    /// A space takes one message a second from all webhooks together.
    fn pace(&self) -> Pace {
        Pace::per_minute(3, 60)
    }
}

fn is_of_the_key(error: &Value) -> bool {
    let message = error["message"].as_str().unwrap_or_default();
    let details = error["details"].as_array();
    message.starts_with("API key")
        || details.is_some_and(|details| details.iter().any(|d| d["reason"] == "API_KEY_INVALID"))
}

fn rich(message: &Message) -> Value {
    let cards = LIMITS.cards(message);
    let title = outside(&clean_line(&message.title()), TITLE);
    let mut header = json!({ "title": title });
    let several = message.entries.len() > 1;
    if !several && let Some(card) = cards.cards.first() {
        header["title"] = format!("{} {title}", card.entry.symbol()).into();
    }
    let mut sections: Vec<_> = cards
        .cards
        .iter()
        .map(|card| section(card, several))
        .collect();
    let last: Vec<_> = cards.rest.into_iter().chain([cards.footer]).collect();
    sections.push(json!({ "widgets": [paragraph(&last.join("<br>"))] }));
    json!({
        // What notifications take.
        "fallbackText": title,
        "cardsV2": [{
            "cardId": message.id,
            "card": { "header": header, "sections": sections },
        }],
    })
}

fn section(card: &Card, with_title: bool) -> Value {
    let (short, long): (Vec<_>, Vec<_>) = card.fields.iter().partition(|field| field.short);
    let short: Vec<_> = short
        .iter()
        .map(|field| format!("{}: {}", field.name, field.value))
        .collect();
    let text = (!card.text.trim().is_empty()).then(|| paragraph(&card.text));
    let long = long
        .iter()
        .map(|field| paragraph(&format!("<b>{}</b><br>{}", field.name, field.value)));
    let facts = (!short.is_empty()).then(|| paragraph(&short.join(" · ")));
    let widgets: Vec<_> = text.into_iter().chain(long).chain(facts).collect();
    let mut section = json!({ "widgets": widgets });
    if with_title {
        section["header"] = card.title.as_str().into();
    }
    section
}

fn paragraph(html: &str) -> Value {
    json!({ "textParagraph": { "text": html } })
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\n', "<br>")
}

/// A text outside of sections, where nothing can be escaped: something
/// invisible behind `<` keeps it from being a mention or a link.
fn outside(text: &str, limit: usize) -> String {
    fit(text, limit, |text| text.replace('<', "<\u{200b}"), str::len)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::testing::{self, answer, message, settings, with_header};
    use super::*;

    const URL: &str = "https://chat.googleapis.com/v1/spaces/S/messages?key=K&token=T";

    fn google_chat() -> GoogleChat {
        GoogleChat::new(&settings(&KIND, &[("url", URL)]))
    }

    fn body(message: &Message) -> Value {
        testing::json(&google_chat().request(message).unwrap())
    }

    fn sections(body: &Value) -> &Vec<Value> {
        body["cardsV2"][0]["card"]["sections"].as_array().unwrap()
    }

    /// The texts of a section.
    fn texts(section: &Value) -> Vec<&str> {
        let widgets = section["widgets"].as_array().unwrap().iter();
        widgets
            .map(|widget| widget["textParagraph"]["text"].as_str().unwrap())
            .collect()
    }

    /// The limits, and that there is no HTML but ours.
    fn check(body: &Value) {
        assert!(body.to_string().len() <= 32_000);
        let mut widgets = 0;
        for section in sections(body) {
            let header = section["header"].as_str().unwrap_or_default();
            for text in texts(section).into_iter().chain([header]) {
                let bare = ["<b>What to do</b>", "<b>Values</b>", "<br>"]
                    .iter()
                    .fold(text.to_owned(), |text, ours| text.replace(ours, ""));
                assert!(!bare.contains('<') && !bare.contains('>'), "{text}");
            }
            widgets += texts(section).len();
            assert!(!texts(section).contains(&""));
        }
        assert!(widgets <= 100);
        for text in [
            &body["fallbackText"],
            &body["cardsV2"][0]["card"]["header"]["title"],
        ] {
            assert!(!text.as_str().unwrap().contains("<u"));
        }
    }

    #[test]
    fn a_critical() {
        let request = google_chat().request(&message()).unwrap();
        assert_eq!(
            request.url,
            format!("{URL}&requestId=00112233445566778899aabbccddeeff")
        );
        let body = testing::json(&request);
        check(&body);
        assert_eq!(
            body["fallbackText"],
            "CRITICAL: loss is NaN (run train, step 2404)"
        );
        assert_eq!(
            body["cardsV2"][0]["card"]["header"]["title"],
            "🔴 CRITICAL: loss is NaN (run train, step 2404)"
        );
        let sections = sections(&body);
        assert!(sections[0].get("header").is_none());
        assert_eq!(
            texts(&sections[0]),
            [
                "loss was 2.31 at step 2403 and is NaN at step 2404.",
                "<b>What to do</b><br>Stop the run, go back to the last good checkpoint, and \
                 lower the learning rate.",
                "<b>Values</b><br>loss: NaN · last: 2.31",
                "Run: train · Step: 2404 · Rank: 3 · Detector: non-finite · Host: gpu-7 · \
                 Log: train.log:17",
            ]
        );
        assert_eq!(texts(&sections[1]), ["runwatch · 001122334455"]);
    }

    #[test]
    fn resolved_and_test() {
        let over = body(&testing::resolved());
        let title = over["cardsV2"][0]["card"]["header"]["title"].as_str();
        assert!(title.unwrap().starts_with("🟢 RESOLVED: loss"));
        assert!(!texts(&sections(&over)[0])[1].contains("What to do"));
        let mut test = message();
        test.test = true;
        let title = body(&test)["fallbackText"].clone();
        assert!(title.as_str().unwrap().starts_with("[TEST] CRITICAL"));
    }

    #[test]
    fn many_alerts_have_a_section_each_and_the_rest_is_counted() {
        let many = body(&testing::many(12));
        check(&many);
        let sections = sections(&many);
        assert_eq!(sections.len(), 11);
        let header = sections[0]["header"].as_str().unwrap();
        assert!(header.starts_with("🔴 CRITICAL: trouble 1"));
        let last = texts(&sections[10])[0];
        assert!(last.starts_with("and 2 more: WARNING: trouble 10"));
        assert!(last.ends_with("<br>runwatch · 001122334455"));
    }

    #[test]
    fn plain_is_text_alone() {
        let request = google_chat()
            .request(&testing::plain(testing::saying("<users/all>")))
            .unwrap();
        assert_eq!(request.url, URL);
        let body = testing::json(&request);
        assert!(body.get("cardsV2").is_none());
        let text = body["text"].as_str().unwrap();
        assert!(text.starts_with("CRITICAL: <\u{200b}users/all>"));
    }

    #[test]
    fn limits_hold_and_nobody_is_mentioned_whatever_the_text() {
        let quotes = "\"\\".repeat(20_000);
        for text in testing::HOSTILE.iter().copied().chain([&*quotes]) {
            let hostile = testing::saying(text);
            check(&body(&hostile));
            let plain = body(&testing::plain(hostile.clone()));
            let text = plain["text"].as_str().unwrap();
            assert!(text.len() <= TEXT && !text.contains("<u"));
            let mut many = hostile;
            many.entries = vec![many.entries[0].clone(); 20];
            check(&body(&many));
        }
    }

    #[test]
    fn verdicts() {
        let error = |status: &str| format!(r#"{{"error":{{"message":"…","status":"{status}"}}}}"#);
        let key = r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}"#;
        let table = [
            (
                200,
                r#"{"name":"spaces/S/messages/M.M"}"#.to_owned(),
                "delivered",
            ),
            (200, "{}".to_owned(), "rejected"),
            (200, "<html>a captive portal</html>".to_owned(), "rejected"),
            (400, error("INVALID_ARGUMENT"), "rejected"),
            (400, key.to_owned(), "broken"),
            (401, error("UNAUTHENTICATED"), "broken"),
            (403, error("PERMISSION_DENIED"), "broken"),
            (404, error("NOT_FOUND"), "broken"),
            (409, error("ABORTED"), "transient"),
            (429, error("RESOURCE_EXHAUSTED"), "throttled"),
            (429, String::new(), "throttled"),
            (500, error("INTERNAL"), "transient"),
            (503, error("UNAVAILABLE"), "transient"),
            (504, error("DEADLINE_EXCEEDED"), "transient"),
        ];
        for (status, body, name) in table {
            let verdict = google_chat().verdict(&answer(status, &body));
            assert_eq!(verdict.name(), name, "{status} {body}");
        }
        let sent = google_chat().verdict(&answer(200, r#"{"name":"spaces/S/messages/M"}"#));
        let remote = Some("spaces/S/messages/M".to_owned());
        assert_eq!(sent, Outcome::Delivered { remote });
        let wait = google_chat().verdict(&with_header(429, "", &[("retry-after", "9")]));
        assert!(
            matches!(wait, Outcome::Throttled { after: Some(after), .. } if after.as_secs() == 9)
        );
    }
}
