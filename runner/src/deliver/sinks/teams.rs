//! Microsoft Teams, through a workflow (Power Automate) that posts a card
//! (<https://learn.microsoft.com/power-automate/teams/send-a-message-in-teams>).
//!
//! One POST of an adaptive card, about 28 KB at most. The address is a signed
//! link and used as it is. The answer 202 says that the workflow has begun,
//! not that the card was posted, so a message is accepted and never delivered.
//! Texts are in `RichTextBlock`s, in which, other than in a `TextBlock`, there
//! is no Markdown. The older Office 365 connectors are not supported.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::blocks::{self, Pieces, Style, json_len};
use super::mentions::Mentions;
use super::{Kind, Made, parts};
use crate::deliver::{
    Answer, Entry, Form, Key, Message, Outcome, Pace, Request, Service, Settings, Takes,
};
use crate::secret::{Secret, Unreadable};

pub(super) const KIND: Kind = Kind {
    name: "teams",
    summary: "A Microsoft Teams channel or chat, through a workflow.",
    network: true,
    keys: &[
        Key::required(
            "url",
            Takes::Secret,
            "The workflow's address, from its step \"When a Teams webhook request is received\".",
        ),
        Key::optional(
            "mention",
            Takes::List,
            "Whom to call when something critical fires: user principal names (`me@corp.example`) \
             or Entra object ids.",
        ),
    ],
    make: |settings| Made::service(Teams::new(settings)?),
    example: "url = \"env:TEAMS_WORKFLOW_URL\"",
};

/// Bytes in JSON of the blocks of all alerts. The card may have about 28 000;
/// the rest is for the title, the count of what has no room, the footer and
/// mentions.
const ALERTS: usize = 20_000;
/// Of the texts of one alert.
const ALERT: usize = 8_000;
/// Of any other line.
const LINE: usize = 600;
/// Of the plain form.
const PLAIN: usize = 2_000;
/// Who is called at most.
const MENTIONS: usize = 10;

/// Texts of a `TextRun`.
const RICH: Style = Style {
    write: str::to_owned,
    measure: json_len,
};
/// The plain form, in a `TextBlock`. Behind `]` no `(` begins the address of a
/// link, and behind `<` no `at` a mention.
const TEXT: Style = Style {
    write: |text| blocks::disarm(text, &[']', '<']),
    measure: json_len,
};

struct Teams {
    url: Arc<Secret>,
    mention: Mentions,
}

impl Teams {
    fn new(settings: &Settings) -> Result<Self, String> {
        Ok(Self {
            url: settings.needed("url"),
            mention: Mentions::new(settings, MENTIONS, "user principal names and object ids")?,
        })
    }
}

impl Service for Teams {
    fn request(&self, message: &Message) -> Result<Request, Unreadable> {
        let called = self.mention.of(message);
        let mut parts = match message.form {
            Form::Rich => rich(message),
            Form::Plain => vec![text_block(&blocks::plain(message, PLAIN, &TEXT))],
        };
        if !called.is_empty() {
            let calls: Vec<String> = called.iter().map(|name| tag(name)).collect();
            parts.push(text_block(&calls.join(" ")));
        }
        let body = json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": null,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.2",
                    "body": parts,
                    "msteams": {"width": "full", "entities": entities(called)},
                },
            }],
        });
        Ok(Request::json(self.url.read()?.as_str(), &body))
    }

    fn verdict(&self, answer: &Answer) -> Outcome {
        let body = answer.json();
        let code = body["error"]["code"].as_str().unwrap_or_default();
        let accepted = || Outcome::Accepted {
            remote: answer.header("x-ms-workflow-run-id").map(str::to_owned),
        };
        match answer.status {
            202 => accepted(),
            // A workflow may end with a response of its own. A connector
            // answers `1` or an error as text, a captive portal a page.
            200 if code.is_empty() && (answer.body.is_empty() || body.is_object()) => accepted(),
            400 if STOPPED.iter().any(|word| code.contains(word)) => Outcome::Broken(answer.said()),
            _ => answer.failure(),
        }
    }

    /// More than 4 a second are throttled.
    fn pace(&self) -> Pace {
        Pace {
            burst: 4,
            every: Duration::from_millis(500),
        }
    }
}

/// What the code of an error holds if the workflow is switched off or gone, or
/// the link's signature is not valid.
const STOPPED: &[&str] = &["NotEnabled", "Disabled", "NotFound", "Authorization"];

fn rich(message: &Message) -> Vec<Value> {
    let worst = parts::worst_first(message).into_iter().next();
    let symbol = worst.map_or("", Entry::symbol);
    let title = RICH.line(&message.title(), LINE);
    let colour = worst.map_or("Default", colour);
    let mut parts = vec![runs(&[json!({
        "type": "TextRun",
        "text": format!("{symbol} {title}"),
        "weight": "Bolder",
        "size": "Medium",
        "color": colour,
    })])];
    let several = message.entries.len() > 1;
    let length = |block: &Value| block.to_string().len() + 1;
    let (alerts, more) = blocks::pack(message, ALERTS, |entry| block(entry, several), length);
    parts.extend(alerts);
    parts.extend(more.map(|more| runs(&[run(&RICH.line(&more, LINE))])));
    let footer = RICH.line(&message.footer(), LINE);
    parts.push(runs(&[small(&footer)]));
    parts
}

/// One alert, with a headline of its own if it is not the only one.
fn block(entry: &Entry, several: bool) -> Value {
    let pieces = Pieces::of(entry, ALERT, &RICH);
    let mut items = Vec::new();
    if several {
        let headline = format!("{} {}", entry.symbol(), pieces.headline);
        items.push(runs(&[bold(&headline)]));
    }
    items.push(runs(&[run(&pieces.message)]));
    if let Some(advice) = &pieces.advice {
        items.push(runs(&[bold("👉 What to do: "), bold(advice)]));
    }
    items.extend(pieces.values.as_deref().map(|values| runs(&[run(values)])));
    items.push(runs(&[small(&pieces.facts_line())]));
    json!({"type": "Container", "separator": several, "style": style(entry), "items": items})
}

/// The colour of the title.
fn colour(entry: &Entry) -> &'static str {
    match entry.label() {
        "CRITICAL" => "Attention",
        "WARNING" => "Warning",
        "INFO" => "Accent",
        "RESOLVED" => "Good",
        _ => "Default",
    }
}

/// The background of an alert.
fn style(entry: &Entry) -> &'static str {
    match entry.label() {
        "CRITICAL" => "attention",
        "WARNING" => "warning",
        "INFO" => "accent",
        "RESOLVED" => "good",
        _ => "emphasis",
    }
}

fn runs(runs: &[Value]) -> Value {
    json!({"type": "RichTextBlock", "inlines": runs})
}

fn run(text: &str) -> Value {
    json!({"type": "TextRun", "text": text})
}

fn bold(text: &str) -> Value {
    json!({"type": "TextRun", "text": text, "weight": "Bolder"})
}

fn small(text: &str) -> Value {
    json!({"type": "TextRun", "text": text, "size": "Small", "isSubtle": true})
}

/// A text in which Teams knows some Markdown and mentions.
fn text_block(text: &str) -> Value {
    json!({"type": "TextBlock", "text": text, "wrap": true})
}

fn tag(name: &str) -> String {
    format!("<at>{name}</at>")
}

/// What makes each `<at>` a mention.
fn entities(called: &[String]) -> Vec<Value> {
    let entity = |name: &String| {
        json!({
            "type": "mention",
            "text": tag(name),
            "mentioned": {"id": name, "name": name},
        })
    };
    called.iter().map(entity).collect()
}

#[cfg(test)]
mod tests;
