//! What the tests of sinks share.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::Kind;
use crate::alert::{Alert, Severity, State};
use crate::deliver::sample;
use crate::deliver::{Answer, Entry, Form, Given, Message, Request, Settings, Takes};
use crate::secret::Secret;

/// A message with one critical alert.
pub(crate) fn message() -> Message {
    of([sample()])
}

/// The same trouble, over.
pub(crate) fn resolved() -> Message {
    of([Alert {
        state: State::Resolved,
        ..sample()
    }])
}

/// A message with these alerts.
pub(crate) fn of(alerts: impl IntoIterator<Item = Alert>) -> Message {
    Message {
        id: "00112233445566778899aabbccddeeff".to_owned(),
        group: "ffeeddccbbaa99887766554433221100".to_owned(),
        entries: alerts.into_iter().map(Entry::new).collect(),
        form: Form::Rich,
        at: 1_700_000_000_123,
        delayed: None,
        doubtful: false,
        test: false,
    }
}

/// The same message in its plain form.
pub(crate) fn plain(message: Message) -> Message {
    Message {
        form: Form::Plain,
        ..message
    }
}

/// A message in which every text that a detector or a log can choose is this.
pub(crate) fn saying(text: &str) -> Message {
    let mut alert = Alert {
        run: text.to_owned(),
        project: text.to_owned(),
        title: text.to_owned(),
        message: text.to_owned(),
        recommendation: text.to_owned(),
        key: text.to_owned(),
        detector: text.to_owned(),
        values: vec![(text.to_owned(), f64::INFINITY)],
        ..sample()
    };
    if let Some(location) = &mut alert.location {
        location.input = text.to_owned();
    }
    of([alert])
}

/// As many different alerts as one asks for.
pub(crate) fn many(number: usize) -> Message {
    of((0..number).map(|at| Alert {
        id: format!("{at:032x}"),
        title: format!("trouble {at}"),
        severity: if at == 1 {
            Severity::Critical
        } else {
            Severity::Warning
        },
        ..sample()
    }))
}

/// Texts that try to page everyone, to break out of markup, or to burst limits.
pub(crate) static HOSTILE: &[&str] = &[
    "<!channel> <!here> <!everyone> <@U1> <!subteam^S1>",
    "@everyone @here <@&1> <@1> @all @channel",
    "<at user_id=\"all\"></at> <users/all> <@userid>",
    "</b><a href=\"javascript:alert(1)\">x</a> & &amp; &lt;",
    "```\n*bold* _it_ ~x~ `code` [x](https://evil.example) ![i](https://evil.example/i.png)",
    "a\u{202e}b\u{200b}c\0d\u{1b}[31m\u{7}",
    "subject\r\nBcc: everyone@example.com",
    "{{ 7 * 7 }} {% for x in y %}",
    LONG,
    EMOJI,
];

static LONG_BYTES: [u8; 20_000] = [b'<'; 20_000];

static LONG: &str = match std::str::from_utf8(&LONG_BYTES) {
    Ok(text) => text,
    Err(_) => "",
};

const EMOJI: &str = "𝛁∇🔥训练𝛁∇🔥训练𝛁∇🔥训练𝛁∇🔥训练𝛁∇🔥训练𝛁∇🔥训练𝛁∇🔥训练𝛁∇🔥训练𝛁∇🔥训练";

/// Settings of this type, where secrets and addresses are given as they are.
pub(crate) fn settings(kind: &Kind, given: &[(&str, &str)]) -> Settings {
    let value = |name: &str, text: &str| {
        let key = kind.keys.iter().find(|key| key.name == name);
        match key.unwrap_or_else(|| panic!("no key `{name}`")).takes {
            Takes::Secret | Takes::Address => Given::Secret(Arc::new(Secret::literal(text))),
            Takes::Text | Takes::Word(_) => Given::Text(text.to_owned()),
            Takes::Integer(..) => Given::Integer(text.parse().unwrap()),
            Takes::Boolean => Given::Boolean(text.parse().unwrap()),
            Takes::List => Given::List(text.split(',').map(str::to_owned).collect()),
            Takes::Pairs => {
                let pair = |(name, value): (&str, &str)| {
                    (name.to_owned(), Arc::new(Secret::literal(value)))
                };
                let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
                Given::Pairs(pairs.map(pair).collect())
            }
        }
    };
    Settings::new(
        given
            .iter()
            .map(|(name, text)| ((*name).to_owned(), value(name, text))),
    )
}

/// An answer without headers.
pub(crate) fn answer(status: u16, body: &str) -> Answer {
    with_header(status, body, &[])
}

/// An answer with headers, their names in lower case.
pub(crate) fn with_header(status: u16, body: &str, headers: &[(&str, &str)]) -> Answer {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Answer {
        status,
        headers: headers.iter().map(owned).collect(),
        body: body.as_bytes().to_vec(),
        at: 1_700_000_000_000,
    }
}

/// The body of a request.
pub(crate) fn json(request: &Request) -> serde_json::Value {
    serde_json::from_slice(&request.body).unwrap()
}
