//! Discord, by a webhook (<https://discord.com/developers/docs/resources/webhook>).
//!
//! With `wait=true` the answer is 200 with the message, once it is stored;
//! without it a message that is lost causes no error. Each alert is an embed.
//! Mentions within embeds never ping, so the operator's role is in `content`,
//! and `allowed_mentions` lets nothing else ping from there.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::card::{Card, Limits};
use super::{Kind, Made};
use crate::alert::Severity;
use crate::deliver::text::{clean, clean_line, utf16};
use crate::deliver::{
    Answer, Form, Key, Message, Outcome, Pace, Request, Service, Settings, Takes,
};
use crate::secret::{Secret, Unreadable};

pub(super) const KIND: Kind = Kind {
    name: "discord",
    summary: "Messages in a Discord channel or thread, through a webhook.",
    network: true,
    keys: &[
        Key::required(
            "url",
            Takes::Secret,
            "The webhook, `https://discord.com/api/webhooks/…`.",
        ),
        Key::optional(
            "thread-id",
            Takes::Text,
            "The id of a thread in the channel of the webhook; a forum needs one.",
        ),
        Key::optional(
            "mention-role",
            Takes::Text,
            "The id of a role to ping, on firing criticals only.",
        ),
    ],
    make: |settings| Made::service(Discord::new(settings)?),
    example: "url = \"env:DISCORD_WEBHOOK_URL\"",
};

/// In characters. We count UTF-16 code units, which are never fewer.
const LIMITS: Limits = Limits {
    // There may be 10 embeds; one of them is for what is not shown.
    cards: 9,
    all: 6000,
    title: 256,
    text: 4096,
    field: 1024,
    escape: escaped,
    measure: utf16,
};
const CONTENT: usize = 2000;

/// `SUPPRESS_EMBEDS`: no previews of links that are in the text.
const NO_PREVIEWS: u32 = 1 << 2;

struct Discord {
    url: Arc<Secret>,
    thread: Option<String>,
    role: Option<String>,
}

impl Discord {
    fn new(settings: &Settings) -> Result<Self, String> {
        let id = |key: &str| match settings.text(key) {
            Some(id) if !is_id(&id) => Err(format!(
                "`{key}` takes an id of digits (Copy ID in Discord's developer mode)"
            )),
            id => Ok(id),
        };
        Ok(Self {
            url: settings.needed("url"),
            thread: id("thread-id")?,
            role: id("mention-role")?,
        })
    }

    fn address(&self) -> Result<String, Unreadable> {
        let url = self.url.read()?;
        let mark = if url.contains('?') { '&' } else { '?' };
        let thread = self.thread.as_ref().map(|id| format!("&thread_id={id}"));
        Ok(format!(
            "{}{mark}wait=true{}",
            *url,
            thread.unwrap_or_default()
        ))
    }

    /// The role to ping for this message.
    fn role(&self, message: &Message) -> Option<&str> {
        let critical = message.fires() && message.severity() == Severity::Critical;
        self.role.as_deref().filter(|_| critical && !message.test)
    }
}

impl Service for Discord {
    fn request(&self, message: &Message) -> Result<Request, Unreadable> {
        let role = self.role(message);
        let ping = role.map(|id| format!("<@&{id}> ")).unwrap_or_default();
        let told = |text: &str| {
            let room = CONTENT.saturating_sub(utf16(&ping));
            format!("{ping}{}", LIMITS.cut(text, room))
        };
        let mut body = match message.form {
            Form::Rich => json!({ "embeds": embeds(message) }),
            Form::Plain => {
                json!({ "content": told(&clean(&message.plain())), "flags": NO_PREVIEWS })
            }
        };
        if message.form == Form::Rich && (role.is_some() || message.entries.len() > 1) {
            body["content"] = told(&clean_line(&message.title())).into();
        }
        body["allowed_mentions"] = match role {
            Some(id) => json!({ "parse": [], "roles": [id] }),
            None => json!({ "parse": [] }),
        };
        Ok(Request::json(self.address()?, &body))
    }

    fn verdict(&self, answer: &Answer) -> Outcome {
        let body = answer.json();
        if answer.status == 200
            && let Some(id) = body["id"].as_str()
        {
            let remote = Some(id.to_owned());
            return Outcome::Delivered { remote };
        }
        match (answer.status, body["code"].as_u64()) {
            // The answer of a webhook without `wait`: taken, perhaps not kept.
            (204, _) => Outcome::Accepted { remote: None },
            // Slow mode, and the limit on writing of the channel.
            (429, _) | (_, Some(20016 | 20028)) => throttled(answer, &body),
            // Overloaded.
            (_, Some(130_000)) => Outcome::Transient(answer.said()),
            (400..=499, Some(code)) if is_of_the_sink(code) => Outcome::Broken(answer.said()),
            _ => answer.failure(),
        }
    }

    fn batch(&self) -> usize {
        LIMITS.cards
    }

    /// A webhook has some 30 messages a minute; what counts is the answer 429.
    fn pace(&self) -> Pace {
        Pace::per_minute(5, 30)
    }
}

/// A number of 64 bits, as all ids of Discord.
fn is_id(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u64>().is_ok()
}

fn embeds(message: &Message) -> Vec<Value> {
    let cards = LIMITS.cards(message);
    let mut embeds: Vec<_> = cards.cards.iter().map(embed).collect();
    embeds.extend(cards.rest.map(|rest| json!({ "description": rest })));
    if let Some(last) = embeds.last_mut() {
        last["footer"] = json!({ "text": cards.footer });
    }
    embeds
}

fn embed(card: &Card) -> Value {
    let fields: Vec<_> = card
        .fields
        .iter()
        .map(|field| json!({ "name": field.name, "value": field.value, "inline": field.short }))
        .collect();
    json!({
        "title": card.title,
        "description": (!card.text.trim().is_empty()).then_some(&card.text),
        "color": card.entry.colour(),
        "fields": fields,
    })
}

/// Discord's Markdown shown as it is written: of a link `[x](y)` it is enough
/// to part its halves. A backslash does not keep `@` from being a mention;
/// something invisible behind it does.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        let parts = c == '(' && escaped.ends_with(']');
        if parts || "\\*_~`|<>#".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
        if c == '@' {
            escaped.push('\u{200b}');
        }
    }
    escaped
}

/// An unknown channel or webhook, an invalid token, no access, an archived or
/// locked thread, a forum without a thread: no message will get through.
fn is_of_the_sink(code: u64) -> bool {
    matches!(code, 10003 | 10015 | 10016 | 50001 | 50013 | 50027 | 50083)
        || matches!(code, 160_005 | 220_001..=220_004)
}

/// The body has the time to the millisecond, the header in whole seconds.
fn throttled(answer: &Answer, body: &Value) -> Outcome {
    let in_body = body["retry_after"].as_f64();
    let in_body = in_body.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let bucket = || {
        Duration::try_from_secs_f64(answer.header("x-ratelimit-reset-after")?.parse().ok()?).ok()
    };
    Outcome::Throttled {
        after: in_body.or_else(|| answer.retry_after()).or_else(bucket),
        why: answer.said(),
    }
}

#[cfg(test)]
mod tests;
