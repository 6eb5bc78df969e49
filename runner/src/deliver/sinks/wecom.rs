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

use super::blocks::{self, Pieces};
use super::{Kind, Made};
use crate::alert::Severity;
use crate::deliver::text::{clean_line, fit};
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
/// Characters of a user id.
const NAME_CHARS: usize = 64;

struct WeCom {
    url: Arc<Secret>,
    mention: Vec<String>,
}

impl WeCom {
    fn new(settings: &Settings) -> Result<Self, String> {
        let mention = settings.list("mention");
        let fits = |c: char| c.is_ascii_alphanumeric() || "@._-".contains(c);
        let named = |name: &String| name.len() <= NAME_CHARS && name.chars().all(fits);
        if let Some(wrong) = mention.iter().find(|name| !named(name)) {
            return Err(format!("`mention` takes user ids, not `{wrong}`"));
        }
        if mention.len() > MENTIONS {
            return Err(format!("`mention` takes {MENTIONS} user ids at most"));
        }
        Ok(Self {
            url: settings.needed("url"),
            mention,
        })
    }

    /// Whom this message calls.
    fn called(&self, message: &Message) -> &[String] {
        if message.fires() && message.severity() == Severity::Critical {
            &self.mention
        } else {
            &[]
        }
    }
}

impl Service for WeCom {
    fn request(&self, message: &Message) -> Result<Request, Unreadable> {
        let called = self.called(message);
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
    let worst = blocks::worst_first(message).into_iter().next();
    let symbol = worst.map_or("", Entry::symbol);
    let title = written(&clean_line(&message.title()), LINE);
    let colour = worst.map_or("comment", colour);
    let mut parts = vec![format!(
        "**{}**",
        font(colour, &format!("{symbol} {title}"))
    )];
    let several = message.entries.len() > 1;
    let length = |block: &String| block.len() + 2;
    let (alerts, more) = blocks::pack(message, ALERTS, |entry| block(entry, several), length);
    parts.extend(alerts);
    parts.extend(more.map(|more| written(&more, LINE)));
    if !called.is_empty() {
        let calls: Vec<String> = called.iter().map(|name| format!("<@{name}>")).collect();
        parts.push(calls.concat());
    }
    let footer = written(&clean_line(&message.footer()), LINE / 2);
    parts.push(font("comment", &footer));
    parts.join("\n\n")
}

/// One alert, with a headline of its own if it is not the only one.
fn block(entry: &Entry, several: bool) -> String {
    let pieces = Pieces::of(entry, ALERT, written);
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

/// The text so that nothing in it is markup or a mention, within a limit in
/// bytes.
fn written(text: &str, limit: usize) -> String {
    let broken = |text: &str| {
        let text = text.replace('`', "'");
        blocks::disarm(&text, &['<', '@', ']', '*', '#'])
    };
    fit(text, limit, broken, str::len)
}

/// The plain form, in which the mentions are beside the text.
fn text(message: &Message, called: &[String]) -> Value {
    let disarmed = |text: &str| blocks::disarm(text, &['<', '@']);
    let text = blocks::plain(message, PLAIN, |text, limit| {
        fit(text, limit, disarmed, str::len)
    });
    json!({"msgtype": "text", "text": {"content": text, "mentioned_list": called}})
}

#[cfg(test)]
mod tests;
