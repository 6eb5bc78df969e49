//! Feishu and Lark, through a custom bot of a group
//! (<https://open.larksuite.com/document/client-docs/bot-v3/add-custom-bot>).
//!
//! One POST of JSON, at most 20 KB: a card whose texts are all `plain_text`, so
//! nothing in them is markup or a mention. The answer may be HTTP 200 also
//! where the message was refused: only `"code":0` is success. With a secret the
//! body is signed; other than at DingTalk the secret is in the key, nothing is
//! signed with it, and the time is in seconds.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::blocks::{self, Pieces, Style, json_len};
use super::mentions::Mentions;
use super::{Kind, Made, parts, sign};
use crate::deliver::{
    Answer, Entry, Form, Key, Message, Outcome, Pace, Request, Service, Settings, Takes,
};
use crate::secret::{Secret, Unreadable};

pub(super) const KIND: Kind = Kind {
    name: "feishu",
    summary: "A Feishu or Lark group, through its custom bot.",
    network: true,
    keys: &[
        Key::required(
            "url",
            Takes::Secret,
            "The bot's address, `https://open.feishu.cn/open-apis/bot/v2/hook/…` or the same at \
             `open.larksuite.com`.",
        ),
        Key::optional(
            "secret",
            Takes::Secret,
            "The bot's signing secret. A bot that asks for a keyword instead takes `runwatch`, \
             which is in every message.",
        ),
        Key::optional(
            "mention",
            Takes::List,
            "Whom to call when something critical fires: open ids (`ou_…`) or `all`.",
        ),
    ],
    make: |settings| Made::service(Feishu::new(settings)?),
    example: "url = \"env:FEISHU_URL\"\nsecret = \"env:FEISHU_SECRET\"",
};

/// Bytes in JSON of the blocks of all alerts. The body may have 20 000; the
/// rest is for the title, the count of what has no room, the footer, mentions.
const ALERTS: usize = 15_000;
/// Of the texts of one alert.
const ALERT: usize = 6_000;
/// Of any other line.
const LINE: usize = 500;
/// Of the plain form.
const PLAIN: usize = 2_000;
/// Who is called at most.
const MENTIONS: usize = 20;

/// Texts of a card.
const RICH: Style = Style {
    write: str::to_owned,
    measure: json_len,
};
/// The plain form, in which `<at …>` would be a mention.
const TEXT: Style = Style {
    write: |text| blocks::disarm(text, &['<']),
    measure: json_len,
};

struct Feishu {
    url: Arc<Secret>,
    secret: Option<Arc<Secret>>,
    mention: Mentions,
}

impl Feishu {
    fn new(settings: &Settings) -> Result<Self, String> {
        Ok(Self {
            url: settings.needed("url"),
            secret: settings.secret("secret"),
            mention: Mentions::new(settings, MENTIONS, "open ids (`ou_…`) and `all`")?,
        })
    }
}

impl Service for Feishu {
    fn request(&self, message: &Message) -> Result<Request, Unreadable> {
        let called = self.mention.of(message);
        let mut body = match message.form {
            Form::Rich => json!({"msg_type": "interactive", "card": card(message, called)}),
            Form::Plain => json!({"msg_type": "text", "content": {"text": text(message, called)}}),
        };
        if let Some(secret) = &self.secret {
            let seconds = message.at.div_euclid(1000);
            body["timestamp"] = seconds.to_string().into();
            body["sign"] = signature(&secret.read()?, seconds).into();
        }
        Ok(Request::json(self.url.read()?.as_str(), &body))
    }

    fn verdict(&self, answer: &Answer) -> Outcome {
        match (answer.status, answer.json()["code"].as_i64()) {
            (200, Some(0)) => Outcome::delivered(),
            (200..=499, Some(code)) => refusal(code, answer),
            _ => answer.failure(),
        }
    }

    /// 100 a minute and 5 a second.
    fn pace(&self) -> Pace {
        Pace {
            burst: 5,
            every: Duration::from_secs(1),
        }
    }
}

/// What a code means; one that is not known means what the status does.
fn refusal(code: i64, answer: &Answer) -> Outcome {
    let why = answer.said();
    match code {
        // Of the bot, and of the whole platform.
        11_232 | 99_991_400 => Outcome::Throttled {
            after: answer.retry_after().or(Some(Duration::from_secs(60))),
            why,
        },
        // The token is not known.
        19_001 => Outcome::Broken(why),
        19_021 => Outcome::Broken(format!(
            "{why} (the bot's `secret`, or this machine's clock is wrong by an hour)"
        )),
        19_022 => Outcome::Broken(format!("{why} (allow this machine's address)")),
        19_024 => Outcome::Broken(format!("{why} (set the bot's keyword `runwatch`)")),
        9_499 => Outcome::Rejected(why),
        _ => answer.failure(),
    }
}

fn signature(secret: &str, seconds: i64) -> String {
    sign::hmac_sha256(format!("{seconds}\n{secret}").as_bytes(), b"")
}

fn card(message: &Message, called: &[String]) -> Value {
    let worst = parts::worst_first(message).into_iter().next();
    let symbol = worst.map_or("", Entry::symbol);
    let title = RICH.line(&message.title(), LINE);
    let several = message.entries.len() > 1;
    let length = |block: &Vec<Value>| block.iter().map(|part| part.to_string().len() + 1).sum();
    let (alerts, more) = blocks::pack(message, ALERTS, |entry| block(entry, several), length);
    let mut elements: Vec<Value> = alerts.into_iter().flatten().collect();
    elements.extend(more.map(|more| div(&RICH.line(&more, LINE))));
    if !called.is_empty() {
        let calls: Vec<String> = called
            .iter()
            .map(|name| format!("<at id={name}></at>"))
            .collect();
        elements.push(marked(&calls.join(" ")));
    }
    let footer = RICH.line(&message.footer(), LINE);
    elements.push(json!({"tag": "note", "elements": [plain(&footer)]}));
    json!({
        "config": {"wide_screen_mode": true},
        "header": {
            "template": worst.map_or("grey", template),
            "title": plain(&format!("{symbol} {title}")),
        },
        "elements": elements,
    })
}

/// The colour of the header.
fn template(entry: &Entry) -> &'static str {
    match entry.label() {
        "CRITICAL" => "red",
        "WARNING" => "orange",
        "INFO" => "blue",
        "RESOLVED" => "green",
        _ => "grey",
    }
}

/// One alert, with a headline of its own if it is not the only one.
fn block(entry: &Entry, several: bool) -> Vec<Value> {
    let pieces = Pieces::of(entry, ALERT, &RICH);
    let mut parts = Vec::new();
    if several {
        parts.push(json!({"tag": "hr"}));
        parts.push(div(&format!("{} {}", entry.symbol(), pieces.headline)));
    }
    parts.push(div(&pieces.message));
    if let Some(advice) = &pieces.advice {
        parts.push(marked("**👉 What to do**"));
        parts.push(div(advice));
    }
    parts.extend(pieces.values.as_deref().map(div));
    parts.push(if several {
        div(&pieces.facts_line())
    } else {
        fields(&pieces.facts)
    });
    parts
}

/// Names and values in two columns, which takes more room than a line.
fn fields(facts: &[(&str, String)]) -> Value {
    let field = |(name, value): &(&str, String)| {
        let text = plain(&format!("{name}: {value}"));
        json!({"is_short": true, "text": text})
    };
    json!({"tag": "div", "fields": facts.iter().map(field).collect::<Vec<_>>()})
}

/// A text that is shown as it is.
fn plain(text: &str) -> Value {
    json!({"tag": "plain_text", "content": text})
}

fn div(text: &str) -> Value {
    json!({"tag": "div", "text": plain(text)})
}

/// A text in Markdown: ours only.
fn marked(text: &str) -> Value {
    json!({"tag": "div", "text": {"tag": "lark_md", "content": text}})
}

/// The text of the plain form.
fn text(message: &Message, called: &[String]) -> String {
    let mut text = blocks::plain(message, PLAIN, &TEXT);
    for name in called {
        text.push_str(&format!(" <at user_id=\"{name}\"></at>"));
    }
    text
}

#[cfg(test)]
mod tests;
