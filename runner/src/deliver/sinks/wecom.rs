//! WeCom (WeChat Work), through the robot of a group
//! (<https://developer.work.weixin.qq.com/document/path/91770>).
//!
//! One POST of JSON. A text of Markdown may have 4096 bytes, a plain one 2048.
//! The answer is HTTP 200 also where the message was refused: only
//! `"errcode":0` is success. There is no signature. WeCom documents no way to
//! escape its Markdown, so an invisible character breaks what would be markup.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::blocks::{self, Pieces, Style};
use super::mentions::Mentions;
use super::{Kind, Made, parts};
use crate::deliver::{
    Answer, Entry, Form, Key, Message, Outcome, Pace, Request, Service, Settings, Takes,
};
use crate::secret::{Secret, Unreadable};

pub(super) const KIND: Kind = Kind {
    name: "wecom",
    summary: "A WeCom (WeChat Work) group, through its robot.",
    network: true,
    keys: &[
        Key::required("url", Takes::Secret, "The robot's address, with its `key`."),
        Key::optional(
            "mention",
            Takes::List,
            "Whom to call when something critical fires: user ids.",
        ),
    ],
    make: |settings| Made::service(WeCom::new(settings)?),
    example: "url = \"env:WECOM_URL\"",
};

/// Bytes of all alerts together. The text may have 4096; the rest is for the
/// title, the count of what has no room, the footer and mentions.
const ALERTS: usize = 2_700;
/// Of the texts of one alert.
const ALERT: usize = 2_400;
/// Of any other line.
const LINE: usize = 300;
/// Of the plain form, which may have 2048.
const PLAIN: usize = 1_500;
/// Who is called at most.
const MENTIONS: usize = 8;

/// Texts within Markdown, with nothing left that is markup or a mention.
const RICH: Style = Style {
    write: |text| blocks::disarm(&text.replace('`', "'"), &['<', '@', ']', '*', '#']),
    measure: str::len,
};
/// The plain form.
const TEXT: Style = Style {
    write: |text| blocks::disarm(text, &['<', '@']),
    measure: str::len,
};

struct WeCom {
    url: Arc<Secret>,
    mention: Mentions,
}

impl WeCom {
    fn new(settings: &Settings) -> Result<Self, String> {
        Ok(Self {
            url: settings.needed("url"),
            mention: Mentions::new(settings, MENTIONS, "user ids")?,
        })
    }
}

impl Service for WeCom {
    fn request(&self, message: &Message) -> Result<Request, Unreadable> {
        let called = self.mention.of(message);
        let body = match message.form {
            Form::Rich => json!({
                "msgtype": "markdown",
                "markdown": {"content": markdown(message, called)},
            }),
            Form::Plain => text(message, called),
        };
        Ok(Request::json(self.url.read()?.as_str(), &body))
    }

    fn verdict(&self, answer: &Answer) -> Outcome {
        let body = answer.json();
        match (answer.status, body["errcode"].as_i64()) {
            (200, Some(0)) => Outcome::delivered(),
            (200, Some(code)) => refusal(code, answer),
            _ => answer.failure(),
        }
    }

    /// 20 a minute.
    fn pace(&self) -> Pace {
        Pace {
            burst: 5,
            every: Duration::from_secs(4),
        }
    }

    /// More would not fit into one text.
    fn batch(&self) -> usize {
        6
    }
}

/// What an error code means; one that is not known is a refusal of the message.
fn refusal(code: i64, answer: &Answer) -> Outcome {
    let why = answer.said();
    match code {
        -1 => Outcome::Transient(why),
        // Too many in a minute, too many at once.
        45_009 | 45_033 => Outcome::Throttled {
            after: Some(Duration::from_secs(60)),
            why,
        },
        // The address is not valid or the robot was removed, stopped, or is
        // not in the group.
        93_000 | 93_004 | 93_008 => Outcome::Broken(why),
        _ => Outcome::Rejected(why),
    }
}

fn markdown(message: &Message, called: &[String]) -> String {
    let worst = parts::worst_first(message).into_iter().next();
    let symbol = worst.map_or("", Entry::symbol);
    let title = RICH.line(&message.title(), LINE);
    let colour = worst.map_or("comment", colour);
    let mut parts = vec![format!(
        "**{}**",
        font(colour, &format!("{symbol} {title}"))
    )];
    let several = message.entries.len() > 1;
    let length = |block: &String| block.len() + 2;
    let (alerts, more) = blocks::pack(message, ALERTS, |entry| block(entry, several), length);
    parts.extend(alerts);
    parts.extend(more.map(|more| RICH.line(&more, LINE)));
    if !called.is_empty() {
        let calls: Vec<String> = called.iter().map(|name| format!("<@{name}>")).collect();
        parts.push(calls.concat());
    }
    let footer = RICH.line(&message.footer(), LINE / 2);
    parts.push(font("comment", &footer));
    parts.join("\n\n")
}

/// One alert, with a headline of its own if it is not the only one.
fn block(entry: &Entry, several: bool) -> String {
    let pieces = Pieces::of(entry, ALERT, &RICH);
    let facts = font("comment", &pieces.facts_line());
    let mut lines = Vec::new();
    if several {
        let headline = format!("{} {}", entry.symbol(), pieces.headline);
        lines.push(format!("**{headline}**"));
    }
    lines.push(pieces.message);
    // A quotation ends with its line.
    let quoted = |advice: String| format!("> **What to do:** {}", advice.replace('\n', " "));
    lines.extend(pieces.advice.map(quoted));
    lines.extend(pieces.values);
    lines.push(facts);
    lines.join("\n")
}

/// The colour of the title: there is orange, green and grey.
fn colour(entry: &Entry) -> &'static str {
    match entry.label() {
        "CRITICAL" | "WARNING" => "warning",
        "RESOLVED" => "info",
        _ => "comment",
    }
}

fn font(colour: &str, text: &str) -> String {
    format!("<font color=\"{colour}\">{text}</font>")
}

/// The plain form, in which the mentions are beside the text.
fn text(message: &Message, called: &[String]) -> Value {
    let text = blocks::plain(message, PLAIN, &TEXT);
    json!({"msgtype": "text", "text": {"content": text, "mentioned_list": called}})
}

#[cfg(test)]
mod tests;
