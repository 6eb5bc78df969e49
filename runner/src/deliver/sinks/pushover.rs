//! Pushover: push messages to a phone (<https://pushover.net/api>).
//!
//! One POST of a form, secrets in the body; success is 200 with `"status":1`.
//! A title may have 250 characters, a message 1024. Priority 2 is repeated on
//! the phone until somebody confirms it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{Kind, Made, values};
use crate::alert::Severity;
use crate::deliver::text::{chars, clean, clean_line, cut_chars};
use crate::deliver::{
    Answer, Entry, Form, Key, Message, Method, Outcome, Pace, Request, Service, Settings, Takes,
};
use crate::secret::{Secret, Unreadable, in_url};

pub(super) const KIND: Kind = Kind {
    name: "pushover",
    summary: "Push messages to a phone through Pushover.",
    network: true,
    keys: &[
        Key::required(
            "token",
            Takes::Secret,
            "The API token of your application at Pushover.",
        ),
        Key::required("user", Takes::Secret, "The key of the user or group."),
        Key::optional(
            "emergency",
            Takes::Boolean,
            "Whether a critical alert is repeated every minute until somebody confirms it, for at \
             most an hour.",
        ),
        Key::optional(
            "server",
            Takes::Address,
            "The server, instead of `https://api.pushover.net`.",
        ),
    ],
    make: |settings| Made::service(Pushover::new(settings)),
    example: "token = \"env:PUSHOVER_TOKEN\"\nuser = \"env:PUSHOVER_USER\"",
};

const TITLE_CHARS: usize = 250;
const MESSAGE_CHARS: usize = 1024;
/// How often an emergency is repeated, and when that ends, in seconds. At
/// least 30 and at most 10800.
const RETRY: &str = "60";
const EXPIRE: &str = "3600";

struct Pushover {
    server: Arc<Secret>,
    token: Arc<Secret>,
    user: Arc<Secret>,
    emergency: bool,
}

impl Pushover {
    fn new(settings: &Settings) -> Self {
        let usual = || Arc::new(Secret::literal("https://api.pushover.net"));
        Self {
            server: settings.secret("server").unwrap_or_else(usual),
            token: settings.needed("token"),
            user: settings.needed("user"),
            emergency: settings.boolean("emergency").unwrap_or(false),
        }
    }

    /// −1 makes no sound, 1 passes quiet hours, 2 wants to be confirmed.
    fn priority(&self, message: &Message) -> &'static str {
        match (message.fires(), message.severity()) {
            (true, Severity::Critical) if self.emergency && !message.test => "2",
            (true, Severity::Critical) => "1",
            (true, Severity::Warning) => "0",
            (true, Severity::Info) | (false, _) => "-1",
        }
    }
}

impl Service for Pushover {
    fn request(&self, message: &Message) -> Result<Request, Unreadable> {
        let title = message.title();
        let text = match message.form {
            Form::Rich => text(message),
            Form::Plain => cut_chars(&clean(&message.plain()), MESSAGE_CHARS).into_owned(),
        };
        let priority = self.priority(message);
        let (token, user) = (self.token.read()?, self.user.read()?);
        let seconds = message.at.div_euclid(1000).to_string();
        let mut form = vec![
            ("token", token.as_str()),
            ("user", &user),
            ("priority", priority),
            ("message", &text),
        ];
        let title = cut_chars(&clean_line(&title), TITLE_CHARS).into_owned();
        if message.form == Form::Rich {
            form.extend([("title", title.as_str()), ("timestamp", &seconds)]);
        }
        if priority == "2" {
            form.extend([("retry", RETRY), ("expire", EXPIRE)]);
        }
        Ok(Request {
            method: Method::Post,
            url: format!(
                "{}/1/messages.json",
                self.server.read()?.trim_end_matches('/')
            ),
            headers: Vec::new(),
            content_type: "application/x-www-form-urlencoded",
            body: encoded(&form).into_bytes(),
        })
    }

    fn verdict(&self, answer: &Answer) -> Outcome {
        let body = answer.json();
        match answer.status {
            200 if body["status"] == 1 => Outcome::Delivered {
                remote: body["request"].as_str().map(str::to_owned),
            },
            // What the account may send in a month is used up.
            429 => Outcome::Throttled {
                after: answer.retry_after().or_else(|| until_reset(answer)),
                why: answer.said(),
            },
            400 if is_about_the_account(&body) => Outcome::Broken(answer.said()),
            _ => answer.failure(),
        }
    }

    /// It takes two requests at a time, and as many in a month as were paid for.
    fn pace(&self) -> Pace {
        Pace::per_minute(10, 30)
    }
}

fn encoded(form: &[(&str, &str)]) -> String {
    let pairs = form
        .iter()
        .map(|(name, value)| format!("{name}={}", in_url(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// As many alerts as there is room for, the worst first, and how many more.
fn text(message: &Message) -> String {
    let mut entries: Vec<&Entry> = message.entries.iter().collect();
    entries.sort_by_key(|entry| std::cmp::Reverse((entry.fires(), entry.alert.severity)));
    let footer = format!("\n\n{}", message.footer());
    let alone = entries.len() == 1;
    let blocks: Vec<String> = entries
        .iter()
        .map(|entry| clean(&block(entry, alone)).into_owned())
        .collect();
    let mut text = String::new();
    for (at, block) in blocks.iter().enumerate() {
        let gap = if at == 0 { "" } else { "\n\n" };
        let left = blocks.len() - at - 1;
        let more = |left: usize| match left {
            0 => footer.clone(),
            left => format!("\n\nand {left} more{footer}"),
        };
        let room = MESSAGE_CHARS.saturating_sub(chars(&text) + gap.len() + chars(&more(left)));
        if chars(block) > room && at > 0 {
            return text + &more(left + 1);
        }
        text = format!("{text}{gap}{}", cut_chars(block, room));
    }
    text + &footer
}

/// One alert. What to do comes before the numbers and the facts, which are cut
/// first; alone, its headline is the title.
fn block(entry: &Entry, alone: bool) -> String {
    let alert = &entry.alert;
    let mut lines = Vec::new();
    if !alone {
        lines.push(entry.headline());
    }
    let todo = format!("What to do: {}", alert.recommendation);
    let todo = entry.fires().then_some(todo);
    // A long message leaves room for what to do.
    let limit = if todo.is_some() { 400 } else { 800 };
    lines.push(cut_chars(&entry.message(), limit).into_owned());
    lines.extend(todo.map(|todo| cut_chars(&todo, 400).into_owned()));
    if !alert.values.is_empty() {
        lines.push(values::values_line(alert));
    }
    let facts = entry.facts().into_iter();
    let facts = facts.map(|(name, value)| format!("{name}: {value}"));
    lines.push(facts.collect::<Vec<_>>().join(" · "));
    lines.join("\n")
}

/// The time until the quota begins anew, which comes in seconds since 1970.
fn until_reset(answer: &Answer) -> Option<Duration> {
    let reset: i64 = answer.header("x-limit-app-reset")?.trim().parse().ok()?;
    let left = reset.saturating_sub(answer.at.div_euclid(1000));
    Some(Duration::from_secs(u64::try_from(left).unwrap_or(0)))
}

/// A token or user that is wrong will be wrong for the next message too: it
/// says `"token":"invalid"` or `"user":"invalid"`.
fn is_about_the_account(body: &Value) -> bool {
    ["token", "user"]
        .iter()
        .any(|field| body[field] == "invalid")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::testing::{self, answer, message, settings, with_header};
    use super::*;

    fn pushover() -> Pushover {
        Pushover::new(&settings(&KIND, &[("token", "to ken"), ("user", "u&1")]))
    }

    fn decoded(text: &str) -> String {
        let mut bytes = text.bytes();
        let mut plain = Vec::new();
        while let Some(byte) = bytes.next() {
            plain.push(match byte {
                b'%' => {
                    let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                byte => byte,
            });
        }
        String::from_utf8(plain).unwrap()
    }

    fn form(service: &Pushover, message: &Message) -> Vec<(String, String)> {
        let body = service.request(message).unwrap().body;
        let pairs = std::str::from_utf8(&body).unwrap().split('&');
        pairs
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), decoded(value)))
            .collect()
    }

    fn field(message: &Message, name: &str) -> Option<String> {
        let form = form(&pushover(), message).into_iter();
        form.rev()
            .find_map(|(n, value)| (n == name).then_some(value))
    }

    #[test]
    fn the_request() {
        let request = pushover().request(&message()).unwrap();
        assert_eq!(request.url, "https://api.pushover.net/1/messages.json");
        assert_eq!(request.content_type, "application/x-www-form-urlencoded");
        let expected = [
            ("token", "to ken"),
            ("user", "u&1"),
            ("priority", "1"),
            (
                "message",
                "loss was 2.31 at step 2403 and is NaN at step 2404.\n\
                 What to do: Stop the run, go back to the last good checkpoint, and lower the \
                 learning rate.\n\
                 loss = NaN, last = 2.31\n\
                 Run: train · Step: 2404 · Rank: 3 · Detector: non-finite · Host: gpu-7 · \
                 Log: train.log:17\n\n\
                 runwatch · 001122334455",
            ),
            ("title", "CRITICAL: loss is NaN (run train, step 2404)"),
            ("timestamp", "1700000000"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(form(&pushover(), &message()), expected);
    }

    #[test]
    fn an_emergency_only_if_asked_for() {
        let asked = [("token", "t"), ("user", "u"), ("emergency", "true")];
        let asked = Pushover::new(&settings(&KIND, &asked));
        let urgent = form(&asked, &message());
        for (name, value) in [("priority", "2"), ("retry", "60"), ("expire", "3600")] {
            assert!(urgent.contains(&(name.to_owned(), value.to_owned())));
        }
        let mut test = message();
        test.test = true;
        assert_eq!(asked.priority(&test), "1");
        assert_eq!(asked.priority(&testing::resolved()), "-1");
        assert_eq!(field(&message(), "retry"), None);
    }

    #[test]
    fn many_are_told_worst_first_and_the_rest_counted() {
        let text = field(&testing::many(20), "message").unwrap();
        assert!(text.starts_with("CRITICAL: trouble 1 "), "{text}");
        let told = text.matches("What to do: ").count();
        assert!((1..20).contains(&told));
        assert!(
            text.contains(&format!("and {} more\n", 20 - told)),
            "{text}"
        );
        assert!(text.ends_with("runwatch · 001122334455"));
    }

    #[test]
    fn plain_and_test() {
        let plain = testing::plain(message());
        assert_eq!(field(&plain, "title"), None);
        assert_eq!(field(&plain, "message").unwrap(), message().plain());
        let mut test = message();
        test.test = true;
        assert!(field(&test, "title").unwrap().starts_with("[TEST] "));
    }

    #[test]
    fn limits_hold_whatever_the_text() {
        for hostile in testing::HOSTILE {
            let message = testing::saying(hostile);
            for message in [message.clone(), testing::plain(message)] {
                let text = field(&message, "message").unwrap();
                assert!(chars(&text) <= MESSAGE_CHARS, "{}", chars(&text));
                assert!(!text.is_empty() && !text.contains(['\u{202e}', '\0']));
                let title = field(&message, "title").unwrap_or_default();
                assert!(chars(&title) <= TITLE_CHARS);
            }
        }
        let long = field(&testing::saying(testing::HOSTILE[8]), "message").unwrap();
        assert!(long.contains("What to do: "), "{long}");
    }

    #[test]
    fn verdicts() {
        let verdict = |status, body: &str| pushover().verdict(&answer(status, body)).name();
        let taken = pushover().verdict(&answer(200, r#"{"status":1,"request":"r"}"#));
        let remote = Some("r".to_owned());
        assert_eq!(taken, Outcome::Delivered { remote });
        assert_eq!(verdict(200, r#"{"status":0,"request":"r"}"#), "rejected");
        assert_eq!(verdict(200, "<html>a captive portal</html>"), "rejected");
        let token = r#"{"token":"invalid","errors":["application token is invalid"],"status":0}"#;
        assert_eq!(verdict(400, token), "broken");
        let user = r#"{"user":"invalid","errors":["user identifier is invalid"],"status":0}"#;
        assert_eq!(verdict(400, user), "broken");
        let empty = r#"{"message":"cannot be blank","errors":["message cannot be blank"]}"#;
        assert_eq!(verdict(400, empty), "rejected");
        assert_eq!(verdict(404, ""), "broken");
        assert_eq!(verdict(500, ""), "transient");
        assert_eq!(verdict(429, ""), "throttled");
    }

    #[test]
    fn a_used_up_month_is_waited_for() {
        let reset = [("x-limit-app-reset", "1700003600")];
        let limited = pushover().verdict(&with_header(429, r#"{"status":0}"#, &reset));
        assert!(
            matches!(limited, Outcome::Throttled { after: Some(after), .. } if after.as_secs() == 3600)
        );
    }
}
