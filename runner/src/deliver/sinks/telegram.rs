//! Telegram, through a bot (<https://core.telegram.org/bots/api#sendmessage>).
//!
//! Success is `{"ok":true,"result":{"message_id":…}}`. The text may have 4096
//! UTF-16 code units; it is sent plain, with its styles beside it as `entities`
//! (offsets in the same unit), so nothing in it can be taken for markup and no
//! stray `_` makes the message fail. A group that has become a supergroup has a
//! new id, which is in the answer and is used from then on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::blocks::{self, Pieces, Style};
use super::{Kind, Made, parts};
use crate::alert::Severity;
use crate::deliver::text::utf16;
use crate::deliver::{
    Answer, Entry, Form, Key, Message, Outcome, Pace, Request, Service, Settings, Takes,
};
use crate::secret::{Secret, Unreadable};

pub(super) const KIND: Kind = Kind {
    name: "telegram",
    summary: "A Telegram chat, through a bot.",
    network: true,
    keys: &[
        Key::required("token", Takes::Secret, "The token of the bot."),
        Key::required(
            "chat",
            Takes::Text,
            "The chat: its number, as text (`\"-1001234567890\"`), or `@name` of a public one.",
        ),
        Key::optional(
            "thread",
            Takes::Integer(1, i64::MAX),
            "The topic in a group that has topics: its `message_thread_id`.",
        ),
        Key::optional(
            "server",
            Takes::Address,
            "A Bot API server of your own, instead of `https://api.telegram.org`.",
        ),
    ],
    make: |settings| Made::service(Telegram::new(settings)?),
    example: "token = \"env:TELEGRAM_BOT_TOKEN\"\nchat = \"-1001234567890\"",
};

/// UTF-16 code units of a text.
const TEXT: usize = 4096;
/// Of its first line.
const TITLE: usize = 300;
/// Of all alerts together; the rest is for the title, the count of what has
/// no room, and the footer.
const ALERTS: usize = TEXT - 3 * TITLE;
/// Of the texts of one alert.
const ALERT: usize = 2800;
/// Of the plain form.
const PLAIN: usize = 1000;

/// Telegram finds mentions in plain text by itself.
const STYLE: Style = Style {
    write: |text| blocks::disarm(text, &['@']),
    measure: utf16,
};

/// The errors with status 400 that no other message would avoid, in the words
/// of the server.
const BROKEN: &[&str] = &[
    "chat not found",
    "chat was deleted",
    "chat was upgraded",
    "user is deactivated",
    "bot was kicked",
    "bot was blocked",
    "bot is not a member",
    "peer_id_invalid",
    "chat_id is empty",
    "chat_write_forbidden",
    "chat_restricted",
    "not enough rights",
    "no rights to send",
    "need administrator rights",
    "message thread not found",
    "topic_closed",
    "topic_deleted",
];

struct Telegram {
    server: Arc<Secret>,
    token: Arc<Secret>,
    chat: String,
    thread: Option<i64>,
    /// The new id of a group that has become a supergroup.
    moved: Mutex<Option<i64>>,
}

impl Telegram {
    fn new(settings: &Settings) -> Result<Self, String> {
        let usual = || Arc::new(Secret::literal("https://api.telegram.org"));
        let chat = settings.text("chat").unwrap_or_default().trim().to_owned();
        if chat.parse::<i64>().is_err() && !chat.starts_with('@') {
            return Err(format!(
                "`chat` is the number of a chat or `@name` of a public one, not `{chat}`"
            ));
        }
        Ok(Self {
            server: settings.secret("server").unwrap_or_else(usual),
            token: settings.needed("token"),
            chat,
            thread: settings.integer("thread"),
            moved: Mutex::default(),
        })
    }

    fn chat_id(&self) -> Value {
        let moved = *self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        match moved.or_else(|| self.chat.parse().ok()) {
            Some(number) => number.into(),
            None => self.chat.as_str().into(),
        }
    }

    /// The next attempt goes to the new id, unless it comes from there.
    fn follow(&self, new: i64) -> Outcome {
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        let why = format!("the group has become a supergroup: set `chat = \"{new}\"`");
        match moved.replace(new) {
            Some(old) if old == new => Outcome::Broken(why),
            _ => Outcome::Transient(why),
        }
    }
}

impl Service for Telegram {
    fn request(&self, message: &Message) -> Result<Request, Unreadable> {
        let (text, entities) = match message.form {
            Form::Rich => assemble(&rich(message)),
            Form::Plain => (blocks::plain(message, PLAIN, &STYLE), Vec::new()),
        };
        let loud = message.fires() && message.severity() == Severity::Critical;
        let mut body = json!({
            "chat_id": self.chat_id(),
            "text": text,
            "disable_notification": !loud,
            "link_preview_options": {"is_disabled": true},
        });
        if !entities.is_empty() {
            body["entities"] = entities.into();
        }
        if let Some(thread) = self.thread {
            body["message_thread_id"] = thread.into();
        }
        let server = self.server.read()?;
        let token = self.token.read()?;
        let url = format!("{}/bot{}/sendMessage", server.trim_end_matches('/'), *token);
        Ok(Request::json(url, &body))
    }

    fn verdict(&self, answer: &Answer) -> Outcome {
        let body = answer.json();
        match body["ok"].as_bool() {
            Some(true) if answer.status == 200 => match body["result"]["message_id"].as_i64() {
                Some(id) => Outcome::Delivered {
                    remote: Some(id.to_string()),
                },
                None => answer.failure(),
            },
            Some(false) => self.refusal(answer, &body),
            _ => answer.failure(),
        }
    }

    /// In a group 20 messages a minute; we stay below, and below the one a
    /// second that holds for every chat.
    fn pace(&self) -> Pace {
        Pace {
            burst: 5,
            every: Duration::from_secs(4),
        }
    }

    /// More would not fit into one text.
    fn batch(&self) -> usize {
        8
    }
}

impl Telegram {
    /// What `"ok":false` means. The code in the body is the status, also where
    /// a server says 200.
    fn refusal(&self, answer: &Answer, body: &Value) -> Outcome {
        let parameters = &body["parameters"];
        if let Some(new) = parameters["migrate_to_chat_id"].as_i64() {
            return self.follow(new);
        }
        let code = body["error_code"].as_u64();
        let said = Answer {
            status: code
                .and_then(|code| code.try_into().ok())
                .unwrap_or(answer.status),
            ..answer.clone()
        };
        let description = body["description"].as_str().unwrap_or_default();
        let description = description.to_lowercase();
        match said.status {
            429 => Outcome::Throttled {
                after: (parameters["retry_after"].as_f64())
                    .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                    .or_else(|| answer.retry_after()),
                why: said.said(),
            },
            400 if BROKEN.iter().any(|words| description.contains(words)) => {
                Outcome::Broken(said.said())
            }
            401 | 404 => Outcome::Broken(format!("{} (is the token right?)", said.said())),
            // Another program uses the bot at this moment.
            409 => Outcome::Transient(said.said()),
            _ => said.failure(),
        }
    }
}

/// A piece of text and its style, the `type` of an entity.
type Span = (Option<&'static str>, String);

fn plain(text: impl Into<String>) -> Span {
    (None, text.into())
}

fn bold(text: impl Into<String>) -> Span {
    (Some("bold"), text.into())
}

/// The whole message.
fn rich(message: &Message) -> Vec<Span> {
    let symbol = parts::worst_first(message)
        .first()
        .map_or("", |entry| entry.symbol());
    let title = STYLE.line(&message.title(), TITLE);
    let mut spans = vec![plain(format!("{symbol} ")), bold(title)];
    let several = message.entries.len() > 1;
    let length = |block: &Vec<Span>| block.iter().map(|(_, text)| utf16(text)).sum();
    let (alerts, more) = blocks::pack(message, ALERTS, |entry| block(entry, several), length);
    spans.extend(alerts.into_iter().flatten());
    if let Some(more) = more {
        spans.push(plain(format!("\n\n{}", STYLE.line(&more, TITLE))));
    }
    let footer = STYLE.line(&message.footer(), TITLE / 2);
    spans.push((Some("italic"), format!("\n\n{footer}")));
    spans
}

/// One alert, with a headline of its own if it is not the only one.
fn block(entry: &Entry, several: bool) -> Vec<Span> {
    let pieces = Pieces::of(entry, ALERT, &STYLE);
    let mut spans = Vec::new();
    if several {
        spans.push(plain(format!("\n\n{} ", entry.symbol())));
        spans.push(bold(pieces.headline.as_str()));
    }
    spans.push(plain(format!("\n{}", pieces.message)));
    if let Some(advice) = &pieces.advice {
        spans.push(bold(format!("\n👉 What to do: {advice}")));
    }
    if let Some(values) = &pieces.values {
        spans.push(plain("\n"));
        spans.push((Some("code"), values.clone()));
    }
    spans.extend(facts(&pieces.facts));
    spans
}

/// Where it was seen. The place in the log is code, which can be copied with a
/// touch; in plain text `/data` would be a command to send.
fn facts(facts: &[(&str, String)]) -> Vec<Span> {
    let mut spans = Vec::new();
    for (at, (name, value)) in facts.iter().enumerate() {
        let joint = if at == 0 { "\n" } else { " · " };
        spans.push(plain(format!("{joint}{name}: ")));
        let style = if *name == "Log" { "code" } else { "italic" };
        spans.push((Some(style), value.clone()));
    }
    spans
}

/// The text, and where in it which style is. A style must not begin or end
/// with a line break.
fn assemble(spans: &[Span]) -> (String, Vec<Value>) {
    let mut text = String::new();
    let mut entities = Vec::new();
    for (style, span) in spans {
        let trimmed = span.trim();
        if let (Some(style), false) = (style, trimmed.is_empty()) {
            let blanks = span.len() - span.trim_start().len();
            entities.push(json!({
                "type": style,
                "offset": utf16(&text) + utf16(span.get(..blanks).unwrap_or_default()),
                "length": utf16(trimmed),
            }));
        }
        text.push_str(span);
    }
    (text, entities)
}

#[cfg(test)]
mod tests;
