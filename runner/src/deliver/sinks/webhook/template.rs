//! A body by a template of the operator (minijinja, the syntax of Jinja2).
//!
//! What a template sees: `id`, `group`, `test`, `now`, `title`, `text`,
//! `severity`, `firing`; `alerts`, each as in `docs/alert.md` with `notice` and
//! `label`; and `alert`, the first of them. Text is escaped for the type of the
//! content, without quotes: `"{{ alert.title }}: {{ alert.message }}"` is right
//! in JSON, and nothing that a log says can break out of it.

use minijinja::value::{Serde, Value};
use minijinja::{Environment, Error, Output, State, UndefinedBehavior};
use serde_json::json;

use super::preset::tidy;
use crate::alert::{self, Alert};
use crate::deliver::Message;
use crate::deliver::sinks::values;
use crate::deliver::text::{clean, clean_line};
use crate::secret::in_url;

/// Steps of a template: a loop over 20 alerts takes some thousand.
const FUEL: u64 = 500_000;
const NAME: &str = "template";

/// What the body is, which decides how text in it is escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Json,
    Text,
    Markdown,
    Form,
    Xml,
}

impl Content {
    /// The words of the setting.
    pub(super) const WORDS: &'static [&'static str] = &[
        "application/json",
        "text/plain",
        "text/markdown",
        "application/x-www-form-urlencoded",
        "application/xml",
    ];

    /// The content with this word.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "application/json" => Self::Json,
            "text/plain" => Self::Text,
            "text/markdown" => Self::Markdown,
            "application/x-www-form-urlencoded" => Self::Form,
            "application/xml" => Self::Xml,
            _ => return None,
        })
    }

    /// The header.
    pub(super) fn header(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::Text => "text/plain; charset=utf-8",
            Self::Markdown => "text/markdown; charset=utf-8",
            Self::Form => "application/x-www-form-urlencoded",
            Self::Xml => "application/xml; charset=utf-8",
        }
    }

    /// Writes what stands in `{{ … }}`. `tojson` and `safe` have escaped it.
    fn write(self, to: &mut Output, value: &Value) -> Result<(), Error> {
        if value.is_safe() {
            write!(to, "{value}")?;
        } else if self == Self::Json {
            to.write_str(&in_json(value))?;
        } else if !value.is_none() {
            to.write_str(&self.escape(&value.to_string()))?;
        }
        Ok(())
    }

    fn escape(self, text: &str) -> String {
        match self {
            Self::Form => in_url(text),
            Self::Xml => text
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
                .replace('"', "&quot;")
                .replace('\'', "&#39;"),
            Self::Json | Self::Text | Self::Markdown => text.to_owned(),
        }
    }
}

/// JSON, but a text without its quotes.
fn in_json(value: &Value) -> String {
    let written = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    let inner = || written.strip_prefix('"')?.strip_suffix('"');
    inner().map(str::to_owned).unwrap_or(written)
}

/// A template that has rendered every kind of alert without a fault.
pub(super) struct Template {
    environment: Environment<'static>,
    content: Content,
    /// It speaks of one alert.
    pub(super) single: bool,
}

impl Template {
    /// Reads a template and tries it on sample messages.
    ///
    /// # Errors
    ///
    /// Says what is wrong and in which line.
    pub(super) fn new(source: String, content: Content) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_formatter(move |to: &mut Output, _: &mut State, value: &Value| {
            content.write(to, value)
        });
        environment
            .add_template_owned(NAME, source)
            .map_err(|error| told(&error))?;
        let single = environment
            .get_template(NAME)
            .map_err(|error| told(&error))?
            .undeclared_variables(false)
            .contains("alert");
        let template = Self {
            environment,
            content,
            single,
        };
        for (sample, what) in samples() {
            template
                .render(&sample)
                .map_err(|error| format!("{error} (tried on {what})"))?;
        }
        Ok(template)
    }

    /// The body for a message.
    ///
    /// # Errors
    ///
    /// If the template fails, or gives no JSON where it should.
    pub(super) fn render(&self, message: &Message) -> Result<Vec<u8>, String> {
        let body = self
            .environment
            .get_template(NAME)
            .and_then(|template| template.render(Serde(context(message))))
            .map_err(|error| told(&error))?;
        if self.content == Content::Json {
            serde_json::from_str::<serde::de::IgnoredAny>(&body)
                .map_err(|error| format!("the template gives no valid JSON: {error}"))?;
        }
        Ok(body.into_bytes())
    }

    /// The header for the body.
    pub(super) fn content_type(&self) -> &'static str {
        self.content.header()
    }
}

fn told(error: &Error) -> String {
    let line = error
        .line()
        .map(|line| format!(", line {line}"))
        .unwrap_or_default();
    let detail = error
        .detail()
        .map(|detail| format!(": {detail}"))
        .unwrap_or_default();
    format!("template{line}: {}{detail}", error.kind())
}

fn context(message: &Message) -> serde_json::Value {
    let alerts: Vec<_> = message
        .entries
        .iter()
        .map(|entry| {
            let mut alert = json!(tidy(&entry.alert, message.form));
            alert["notice"] = json!(entry.notice.name());
            alert["label"] = json!(entry.label());
            alert
        })
        .collect();
    json!({
        "id": message.id,
        "group": message.group,
        "test": message.test,
        "now": values::rfc3339(message.at),
        "title": clean_line(&message.title()),
        "text": clean(&message.plain()),
        "severity": message.severity().name(),
        "firing": message.fires(),
        "alert": alerts.first(),
        "alerts": alerts,
    })
}

/// Messages that show what a template must bear: quotes and line breaks in
/// texts, and everything absent that may be.
fn samples() -> [(Message, &'static str); 2] {
    let full = Alert {
        run: "a \"sample\" \\ run".to_owned(),
        title: "loss is \"NaN\"".to_owned(),
        message: "loss was 2.31,\nand is NaN now.".to_owned(),
        recommendation: "Go back to the last \"good\" checkpoint.".to_owned(),
        recent: None,
        halt: None,
        evidence: None,
        ..crate::deliver::sample()
    };
    let bare = Alert {
        rank: None,
        ranks: Vec::new(),
        state: alert::State::Resolved,
        step: None,
        time: None,
        values: Vec::new(),
        location: None,
        first_step: None,
        ..full.clone()
    };
    [
        (sample(full), "an alert with something in every field"),
        (
            sample(bare),
            "an alert without step, time, rank, place and values",
        ),
    ]
}

fn sample(alert: Alert) -> Message {
    Message {
        test: true,
        ..Message::one(alert, 1_700_000_000_000)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::deliver::sinks::testing;

    fn template(source: &str, content: Content) -> Result<Template, String> {
        Template::new(source.to_owned(), content)
    }

    fn rendered(source: &str, content: Content, message: &Message) -> String {
        let body = template(source, content).unwrap().render(message).unwrap();
        String::from_utf8(body).unwrap()
    }

    const BOTH_WAYS: &str = r#"{"text": "{{ alert.title }}: {{ alert.message }}",
        "title": {{ alert.title|tojson }}, "step": {{ alert.step }},
        "values": {{ alert.values }}, "first": {{ alert.values.loss|default(none) }}}"#;

    #[test]
    fn json_is_escaped_with_and_without_tojson() {
        let body = rendered(BOTH_WAYS, Content::Json, &testing::message());
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            body,
            json!({
                "text": "loss is NaN: loss was 2.31 at step 2403 and is NaN at step 2404.",
                "title": "loss is NaN",
                "step": 2404,
                "values": {"loss": null, "last": 2.31},
                "first": null,
            })
        );
    }

    #[test]
    fn hostile_text_stays_text() {
        let template = template(BOTH_WAYS, Content::Json).unwrap();
        for text in testing::HOSTILE
            .iter()
            .chain(&["\",\"admin\":true,\"x\":\"\\"])
        {
            let body = template.render(&testing::saying(text)).unwrap();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body.as_object().unwrap().len(), 5, "{text}");
            assert_eq!(body["first"], json!(null));
        }
    }

    #[test]
    fn each_type_has_its_escapes() {
        let message = testing::saying("<a> & b");
        let body = |content| rendered("x={{ alert.title }}{{ none }}", content, &message);
        assert_eq!(body(Content::Form), "x=%3Ca%3E%20%26%20b");
        assert_eq!(body(Content::Xml), "x=&lt;a&gt; &amp; b");
        assert_eq!(body(Content::Text), "x=<a> & b");
    }

    #[test]
    fn mistakes_show_at_start_with_their_line() {
        let fails = |source: &str, parts: &[&str]| {
            let error = template(source, Content::Json).err().unwrap();
            for part in parts {
                assert!(error.contains(part), "{error}");
            }
        };
        fails("{\n\"a\": \"{{ alert.titel }}\"}", &["line 2", "undefined"]);
        fails("{\n\n{% if %}", &["line 3", "syntax error"]);
        fails("{{ alert.title|shout }}", &["line 1", "shout"]);
        fails(r#"{"a": {{ alert.title }}}"#, &["no valid JSON"]);
        fails(r#"{"a": {{ alert.values.loss }}}"#, &["without step"]);
        fails(r#"{"a": {{ alert.location.line }}}"#, &["without step"]);
        fails(
            "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}",
            &["fuel"],
        );
    }

    #[test]
    fn what_speaks_of_one_alert_is_sent_one_at_a_time() {
        let single = |source| template(source, Content::Text).unwrap().single;
        assert!(single("{{ alert.title }}"));
        assert!(!single("{{ text }}"));
        assert!(!single(
            "{% for alert in alerts %}{{ alert.title }}{% endfor %}"
        ));
    }
}
