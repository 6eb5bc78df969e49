//! Slack, by an incoming webhook or with the token of a bot
//! (<https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>,
//! <https://docs.slack.dev/reference/methods/chat.postMessage>).
//!
//! A webhook says `ok` as plain text, or the name of an error with a status.
//! The Web API answers 200 to nearly everything: its `ok` and `error` count.
//! What a detector wrote goes into `plain_text` objects only, where Slack looks
//! for neither mentions nor markup.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Kind, Made, parts};
use crate::deliver::text::{chars, clean, clean_line, cut_chars, fit};
use crate::deliver::{
    Answer, Entry, Form, Key, Message, Outcome, Pace, Request, Service, Settings, Takes,
};
use crate::secret::{Secret, Unreadable};

pub(super) const KIND: Kind = Kind {
    name: "slack",
    summary: "Messages in a Slack channel, through an incoming webhook or as a bot.",
    network: true,
    keys: &[
        Key::optional(
            "url",
            Takes::Secret,
            "The incoming webhook, `https://hooks.slack.com/services/…`. It has its channel.",
        ),
        Key::optional(
            "token",
            Takes::Secret,
            "Instead of `url`: the token of a bot, `xoxb-…`, with the scope `chat:write`.",
        ),
        Key::optional(
            "channel",
            Takes::Text,
            "With `token`: the id of the channel, such as `C0123456789`. The bot must be in it.",
        ),
    ],
    make: |settings| Made::service(Slack::new(settings)?),
    example: "url = \"env:SLACK_WEBHOOK_URL\"",
};

const POST_MESSAGE: &str = "https://slack.com/api/chat.postMessage";

/// Characters of a header block.
const HEADER: usize = 150;
/// Characters of the text of a section.
const SECTION: usize = 3000;
/// Characters of a text in a context block; Slack names no limit of its own.
const CONTEXT: usize = 2000;
/// Characters of a text without blocks, above which Slack splits it.
const TEXT: usize = 3900;
/// Characters of all blocks: above some 13 000 comes `msg_blocks_too_long`.
const BLOCKS: usize = 10_000;
/// Alerts in a message: each has up to 5 blocks, and a message 50.
const SHOWN: usize = 9;

struct Slack {
    to: To,
}

enum To {
    Webhook(Arc<Secret>),
    Channel { token: Arc<Secret>, channel: String },
}

impl Slack {
    fn new(settings: &Settings) -> Result<Self, String> {
        let given = (
            settings.secret("url"),
            settings.secret("token"),
            settings.text("channel"),
        );
        let wrong = |why: &str| Err(why.to_owned());
        let to = match given {
            (Some(url), None, None) => To::Webhook(url),
            (None, Some(token), Some(channel)) => To::Channel { token, channel },
            (None, None, _) => return wrong("`url` is missing, or `token` with `channel`"),
            (None, Some(_), None) => return wrong("`token` needs a `channel` to post to"),
            (Some(_), Some(_), _) => {
                return wrong("`url` and `token` exclude each other: give one of them");
            }
            (Some(_), None, Some(_)) => {
                return wrong("`channel` goes with `token`; a webhook has its own channel");
            }
        };
        Ok(Self { to })
    }
}

impl Service for Slack {
    fn request(&self, message: &Message) -> Result<Request, Unreadable> {
        let mut body = match message.form {
            Form::Rich => rich(message),
            Form::Plain => json!({ "text": escaped(&message.plain()), "mrkdwn": false }),
        };
        // A link in a log must not make Slack fetch it.
        body["unfurl_links"] = false.into();
        body["unfurl_media"] = false.into();
        Ok(match &self.to {
            To::Webhook(url) => Request::json(url.read()?.as_str(), &body),
            To::Channel { token, channel } => {
                body["channel"] = channel.as_str().into();
                Request::json(POST_MESSAGE, &body)
                    .header("authorization", format!("Bearer {}", *token.read()?))
            }
        })
    }

    fn verdict(&self, answer: &Answer) -> Outcome {
        match (&self.to, answer.status) {
            (_, 429) => throttled(answer),
            (To::Webhook(_), _) => of_webhook(answer),
            (To::Channel { .. }, 200) => of_web_api(answer),
            (To::Channel { .. }, _) => answer.failure(),
        }
    }

    fn batch(&self) -> usize {
        SHOWN
    }

    /// One message a second and channel, short bursts allowed.
    fn pace(&self) -> Pace {
        Pace {
            burst: 3,
            every: Duration::from_secs(1),
        }
    }
}

fn rich(message: &Message) -> Value {
    json!({
        // What notifications and screen readers take.
        "text": escaped(&message.title()),
        "blocks": blocks(message),
    })
}

fn blocks(message: &Message) -> Vec<Value> {
    let entries = parts::worst_first(message);
    let (shown, rest) = entries.split_at(entries.len().min(SHOWN));
    let symbol = entries.first().map_or("", |entry| entry.symbol());
    let title = format!("{symbol} {}", message.title());
    let told = shown.len() == 1 && chars(&clean_line(&title)) <= HEADER;

    let title = cut_chars(&clean_line(&title), HEADER).into_owned();
    let mut blocks = vec![json!({ "type": "header", "text": plain_text(&title) })];
    for (at, entry) in shown.iter().enumerate() {
        if at > 0 {
            blocks.push(json!({ "type": "divider" }));
        }
        blocks.extend(of_entry(entry, told, BLOCKS / shown.len()));
    }
    blocks.extend(parts::rest(rest).map(|rest| context(&rest, CONTEXT)));
    blocks.push(context(&message.footer(), CONTEXT));
    blocks
}

/// The blocks of an alert, within `share` characters; without its headline if
/// that is told already.
fn of_entry(entry: &Entry, told: bool, share: usize) -> Vec<Value> {
    let mut text = entry.message();
    if !told {
        text = format!("{} {}\n{text}", entry.symbol(), entry.headline());
    }
    let mut blocks = Vec::new();
    if !text.trim().is_empty() {
        blocks.push(section(&text, share / 2));
    }
    if let Some(advice) = parts::advice(entry) {
        let label = json!({ "type": "mrkdwn", "text": "*What to do*", "verbatim": true });
        blocks.push(json!({ "type": "section", "text": label }));
        blocks.push(section(advice, share / 3));
    }
    blocks.push(context(&parts::details(entry), share / 6));
    blocks
}

fn section(text: &str, limit: usize) -> Value {
    let text = cut_chars(&clean(text), limit.min(SECTION)).into_owned();
    json!({ "type": "section", "text": plain_text(&text) })
}

fn context(text: &str, limit: usize) -> Value {
    let text = cut_chars(&clean(text), limit.min(CONTEXT)).into_owned();
    json!({ "type": "context", "elements": [plain_text(&text)] })
}

/// A text that is shown as it is: no markup, no mentions, no `:emoji:`.
fn plain_text(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text, "emoji": false })
}

/// For the `text` of a message, where `<` begins mentions and links.
fn escaped(text: &str) -> String {
    let escape = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    };
    fit(&clean(text), TEXT, escape, chars)
}

fn of_webhook(answer: &Answer) -> Outcome {
    match (answer.status, answer.text().as_str()) {
        (200, "ok") => Outcome::delivered(),
        (400, error) => of_error(error, answer),
        _ => answer.failure(),
    }
}

fn of_web_api(answer: &Answer) -> Outcome {
    let body = answer.json();
    let name = |key: &str| body[key].as_str();
    match (body["ok"].as_bool(), name("error")) {
        (Some(true), None) => Outcome::Delivered {
            // What `chat.update` needs to find the message again.
            remote: name("channel")
                .zip(name("ts"))
                .map(|(channel, ts)| format!("{channel}/{ts}")),
        },
        (Some(false), Some(error)) => of_error(error, answer),
        _ => answer.failure(),
    }
}

/// What the name of an error means, whatever the status. A name that we do not
/// know concerns the message: another one is given its chance.
fn of_error(error: &str, answer: &Answer) -> Outcome {
    let why = answer.said();
    match error {
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => throttled(answer),

        "fatal_error"
        | "internal_error"
        | "service_unavailable"
        | "request_timeout"
        | "rollup_error"
        | "team_added_to_org"
        | "org_login_required" => Outcome::Transient(why),

        "invalid_token"
        | "invalid_auth"
        | "not_authed"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "not_allowed_token_type"
        | "missing_scope"
        | "no_permission"
        | "access_denied"
        | "accesslimited"
        | "ekm_access_denied"
        | "enterprise_is_restricted"
        | "team_access_not_granted"
        | "two_factor_setup_required"
        | "method_deprecated"
        | "deprecated_endpoint"
        | "as_user_not_supported"
        | "action_prohibited"
        | "posting_to_general_channel_denied"
        | "channel_not_found"
        | "channel_is_archived"
        | "is_archived"
        | "not_in_channel"
        | "messages_tab_disabled"
        | "restricted_action"
        | "restricted_action_read_only_channel"
        | "restricted_action_thread_only_channel"
        | "restricted_action_non_threadable_channel"
        | "user_not_found"
        | "no_service"
        | "no_service_id"
        | "no_team"
        | "team_disabled"
        | "no_active_hooks" => Outcome::Broken(why),

        _ => Outcome::Rejected(why),
    }
}

/// The time is in the header; a webhook may have it in the body.
fn throttled(answer: &Answer) -> Outcome {
    let in_body = answer.json()["retry_after"].as_f64();
    let in_body = in_body.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Outcome::Throttled {
        after: answer.retry_after().or(in_body),
        why: answer.said(),
    }
}

#[cfg(test)]
mod tests;
