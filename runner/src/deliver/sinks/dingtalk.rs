//! DingTalk, through a custom robot of a group
//! (<https://open.dingtalk.com/document/orgapp/custom-robot-access>).
//!
//! One POST of JSON, at most 20 000 bytes. The answer is HTTP 200 also where
//! the message was refused: only `"errcode":0` is success. With a secret the
//! address is signed: `timestamp` (ms) and `sign`, good for an hour.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::blocks::{self, Pieces, Style, json_len};
use super::mentions::Mentions;
use super::{Kind, Made, parts, sign};
use crate::deliver::text::chars;
use crate::deliver::{
    Answer, Entry, Form, Key, Message, Outcome, Pace, Request, Service, Settings, Takes,
};
use crate::secret::{Secret, Unreadable, in_url};

pub(super) const KIND: Kind = Kind {
    name: "dingtalk",
    summary: "A DingTalk group, through its custom robot.",
    network: true,
    keys: &[
        Key::required(
            "url",
            Takes::Secret,
            "The robot's address, with its `access_token`.",
        ),
        Key::optional(
            "secret",
            Takes::Secret,
            "The robot's signing secret, `SEC…`. A robot that asks for a keyword instead takes \
             `runwatch`, which is in every message.",
        ),
        Key::optional(
            "mention",
            Takes::List,
            "Whom to call when something critical fires: mobile numbers, user ids, or `all`.",
        ),
    ],
    make: |settings| Made::service(DingTalk::new(settings)?),
    example: "url = \"env:DINGTALK_URL\"\nsecret = \"env:DINGTALK_SECRET\"",
};

/// Bytes in JSON of all alerts together. The body may have 20 000; the rest is
/// for the title, the count of what has no room, the footer and mentions.
const ALERTS: usize = 14_000;
/// Of the texts of one alert.
const ALERT: usize = 6_000;
/// Of any other line.
const LINE: usize = 600;
/// Characters of the title, which a notification shows.
const TITLE_CHARS: usize = 100;
/// Bytes in JSON of the plain form.
const PLAIN: usize = 2_000;
/// Who is called at most.
const MENTIONS: usize = 20;

/// Texts within Markdown.
const RICH: Style = Style {
    write: escape,
    measure: json_len,
};
/// The plain form.
const TEXT: Style = Style {
    write: unnamed,
    measure: json_len,
};
/// What a notification shows.
const TITLE: Style = Style {
    write: unnamed,
    measure: chars,
};

struct DingTalk {
    url: Arc<Secret>,
    secret: Option<Arc<Secret>>,
    mention: Mentions,
}

impl DingTalk {
    fn new(settings: &Settings) -> Result<Self, String> {
        Ok(Self {
            url: settings.needed("url"),
            secret: settings.secret("secret"),
            mention: Mentions::new(settings, MENTIONS, "mobile numbers, user ids and `all`")?,
        })
    }

    /// The address, signed for this moment (milliseconds since 1970).
    fn address(&self, at: i64) -> Result<String, Unreadable> {
        let url = self.url.read()?;
        let Some(secret) = &self.secret else {
            return Ok(url.to_string());
        };
        let secret = secret.read()?;
        let signed = format!("{at}\n{}", *secret);
        let sign = in_url(&sign::hmac_sha256(secret.as_bytes(), signed.as_bytes()));
        let joint = if url.contains('?') { '&' } else { '?' };
        Ok(format!("{}{joint}timestamp={at}&sign={sign}", *url))
    }
}

impl Service for DingTalk {
    fn request(&self, message: &Message) -> Result<Request, Unreadable> {
        let called = self.mention.of(message);
        let text = match message.form {
            Form::Rich => markdown(message),
            Form::Plain => blocks::plain(message, PLAIN, &TEXT),
        };
        let text = with_mentions(text, called);
        let mut body = match message.form {
            Form::Rich => {
                let title = TITLE.line(&message.title(), TITLE_CHARS);
                json!({"msgtype": "markdown", "markdown": {"title": title, "text": text}})
            }
            Form::Plain => json!({"msgtype": "text", "text": {"content": text}}),
        };
        body["at"] = at(called);
        Ok(Request::json(self.address(message.at)?, &body))
    }

    fn verdict(&self, answer: &Answer) -> Outcome {
        let body = answer.json();
        match (answer.status, body["errcode"].as_i64()) {
            (200, Some(0)) => Outcome::delivered(),
            (200, Some(code)) => refusal(code, answer),
            _ => answer.failure(),
        }
    }

    /// 20 a minute, else the robot is banned for 10 minutes.
    fn pace(&self) -> Pace {
        Pace {
            burst: 5,
            every: Duration::from_secs(4),
        }
    }
}

/// What an error code means. One that is not known may be throttling all the
/// same, which its text tells.
fn refusal(code: i64, answer: &Answer) -> Outcome {
    let why = answer.said();
    let text = why.to_lowercase();
    match code {
        -1 => Outcome::Transient(why),
        130_101 | 410_100 => throttled(why),
        310_000 => Outcome::Broken(format!(
            "{why} (the robot's security settings: give its `secret`, or set the keyword \
             `runwatch`, or allow this machine's address)"
        )),
        // The token is not known, the group dissolved, the robot stopped or gone.
        300_001 | 300_005 | 400_101 | 400_013 | 400_102 | 400_106 => Outcome::Broken(why),
        // A parameter is missing, the type is wrong, the message too long, or
        // its content not liked.
        40_035 | 43_004 | 400_105 | 460_101 | 430_101..=430_104 => Outcome::Rejected(why),
        _ if text.contains("too fast") || text.contains("exceed") => throttled(why),
        _ => Outcome::Rejected(why),
    }
}

fn throttled(why: String) -> Outcome {
    Outcome::Throttled {
        after: Some(Duration::from_secs(60)),
        why,
    }
}

fn markdown(message: &Message) -> String {
    let symbol = parts::worst_first(message)
        .first()
        .map_or("", |entry| entry.symbol());
    let title = RICH.line(&message.title(), LINE);
    let mut parts = vec![format!("#### {symbol} {title}")];
    let several = message.entries.len() > 1;
    let (alerts, more) = blocks::pack(
        message,
        ALERTS,
        |entry| block(entry, several),
        |block| json_len(block),
    );
    parts.extend(alerts);
    parts.extend(more.map(|more| RICH.line(&more, LINE)));
    parts.push(RICH.line(&message.footer(), LINE));
    parts.join("\n\n")
}

/// One alert, with a headline of its own if it is not the only one.
fn block(entry: &Entry, several: bool) -> String {
    let pieces = Pieces::of(entry, ALERT, &RICH);
    let mut parts = Vec::new();
    if several {
        parts.push(format!("---\n\n**{} {}**", entry.symbol(), pieces.headline));
    }
    let facts = pieces.facts_line();
    parts.push(pieces.message);
    parts.extend(
        pieces
            .advice
            .map(|advice| format!("> **What to do:** {advice}")),
    );
    parts.extend(pieces.values);
    parts.push(facts);
    parts.join("\n\n")
}

/// The text as Markdown that shows it as it is. A line break needs two blanks
/// before it.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\n' => escaped.push_str("  \n"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '~' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    // Behind `]` no `(` begins the address of a link or an image, also where a
    // client does not know `\]`.
    blocks::disarm(&escaped, &['@', ']'])
}

/// No name in it is a mention.
fn unnamed(text: &str) -> String {
    blocks::disarm(text, &['@'])
}

/// A mention counts only where the text holds it too.
fn with_mentions(mut text: String, called: &[String]) -> String {
    if !called.is_empty() {
        let names: Vec<String> = called.iter().map(|name| format!("@{name}")).collect();
        text.push_str(&format!("\n\n{}", names.join(" ")));
    }
    text
}

fn at(called: &[String]) -> Value {
    let everyone = |name: &&String| name.as_str() == "all";
    let mobile = |name: &&String| name.chars().all(|c| c.is_ascii_digit() || "+-".contains(c));
    let named = || called.iter().filter(|name| !everyone(name));
    json!({
        "atMobiles": named().filter(mobile).collect::<Vec<_>>(),
        "atUserIds": named().filter(|name| !mobile(name)).collect::<Vec<_>>(),
        "isAtAll": called.iter().any(|name| everyone(&name)),
    })
}

#[cfg(test)]
mod tests;
