//! Messages with attachments: the format of Slack's early days, which
//! Mattermost and Rocket.Chat took over.

use serde_json::{Value, json};

use super::card::{Card, Limits};
use crate::deliver::text::{clean, clean_line, cut_chars};
use crate::deliver::{Form, Message};

/// Characters of the line above the attachments.
const LINE: usize = 300;

/// The body of a message: a line that notifications show, and an attachment
/// for each alert. In the plain form a text of at most `plain` characters.
pub(super) fn body(message: &Message, limits: &Limits, plain: usize) -> Value {
    if message.form == Form::Plain {
        return json!({ "text": limits.cut(&clean(&message.plain()), plain) });
    }
    let cards = limits.cards(message);
    let mut attachments: Vec<_> = cards.cards.iter().map(attachment).collect();
    let last: Vec<_> = cards.rest.into_iter().chain([cards.footer]).collect();
    attachments.push(json!({ "text": last.join("\n") }));
    json!({
        "text": limits.cut(&clean_line(&message.title()), LINE),
        "attachments": attachments,
    })
}

fn attachment(card: &Card) -> Value {
    let fields: Vec<_> = card
        .fields
        .iter()
        .map(|field| json!({ "title": field.name, "value": field.value, "short": field.short }))
        .collect();
    json!({
        // For clients that show no attachments, as text without markup.
        "fallback": cut_chars(&clean_line(&card.entry.headline()), LINE),
        "color": format!("#{:06x}", card.entry.colour()),
        "title": card.title,
        "text": card.text,
        "fields": fields,
    })
}

/// What the tests of both services want to know of a body.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;
    use crate::deliver::text::chars;

    /// The texts in which a service looks for mentions and markup.
    pub(in super::super) fn texts(body: &Value) -> Vec<String> {
        let none = Vec::new();
        let mut texts = vec![body["text"].clone()];
        for attachment in body["attachments"].as_array().unwrap_or(&none) {
            texts.extend([attachment["title"].clone(), attachment["text"].clone()]);
            for field in attachment["fields"].as_array().unwrap_or(&none) {
                texts.push(field["value"].clone());
            }
        }
        let text = |text: Value| Some(text.as_str()?.to_owned());
        texts.into_iter().filter_map(text).collect()
    }

    /// That no limit is passed and nobody is mentioned.
    pub(in super::super) fn check(body: &Value, limits: &Limits, plain: usize) {
        let texts = texts(body);
        let attached = body.get("attachments").is_some();
        assert!(chars(&texts[0]) <= if attached { LINE } else { plain });
        assert!(!texts[0].trim().is_empty());
        let sum: usize = texts[1..].iter().map(|text| chars(text)).sum();
        assert!(sum <= limits.all, "{sum}");
        for text in texts {
            let mentions = ["@all", "@here", "@channel", "@everyone", "<!", "](http"];
            let found = mentions.iter().find(|mention| text.contains(**mention));
            assert!(found.is_none(), "{found:?} in {text}");
        }
    }
}
