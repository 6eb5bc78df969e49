//! PagerDuty, by the Events API of version 2
//! (<https://developer.pagerduty.com/docs/events-api-v2/overview/>).
//!
//! One event per request; 202 with `"status":"success"` means that it is taken
//! on. Events with the same `dedup_key` are one incident while it is open, so
//! a repetition does no harm; the end of an alarm resolves it.
//!
//! A run that ends while something fires resolves nothing: an incident that
//! closes by itself a minute after it woke somebody would pass for a false
//! alarm. It is noted as an event of severity `info` on the open incident.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Kind, Made, values};
use crate::alert::{Severity, State};
use crate::deliver::text::{clean, clean_line, cut_chars};
use crate::deliver::{
    Answer, Entry, Form, Key, Message, Notice, Outcome, Pace, Request, Service, Settings, Takes,
};
use crate::secret::{Secret, Unreadable};

pub(super) const KIND: Kind = Kind {
    name: "pagerduty",
    summary: "Incidents in PagerDuty, resolved when the trouble is over.",
    network: true,
    keys: &[
        Key::required(
            "routing-key",
            Takes::Secret,
            "The integration key of the service, type Events API v2: 32 characters.",
        ),
        Key::optional(
            "server",
            Takes::Address,
            "The server, instead of `https://events.pagerduty.com`; for Europe \
             `https://events.eu.pagerduty.com`.",
        ),
    ],
    make: |settings| Made::service(PagerDuty::new(settings)),
    example: "routing-key = \"env:PAGERDUTY_ROUTING_KEY\"",
};

/// Characters of a summary.
const SUMMARY_CHARS: usize = 1024;
/// Characters of any other text and numbers in the details: an event may have
/// 512 KB.
const TEXT_CHARS: usize = 8000;
/// Characters of the one text in the plain form.
const PLAIN_CHARS: usize = 1000;
const NAME_CHARS: usize = 200;
const VALUES: usize = 200;

struct PagerDuty {
    server: Arc<Secret>,
    routing_key: Arc<Secret>,
}

impl PagerDuty {
    fn new(settings: &Settings) -> Self {
        let usual = || Arc::new(Secret::literal("https://events.pagerduty.com"));
        Self {
            server: settings.secret("server").unwrap_or_else(usual),
            routing_key: settings.needed("routing-key"),
        }
    }
}

impl Service for PagerDuty {
    fn request(&self, message: &Message) -> Result<Request, Unreadable> {
        let url = format!("{}/v2/enqueue", self.server.read()?.trim_end_matches('/'));
        let mut event = message.first().map_or(Value::Null, |e| event(message, e));
        event["routing_key"] = json!(*self.routing_key.read()?);
        Ok(Request::json(url, &event))
    }

    fn verdict(&self, answer: &Answer) -> Outcome {
        let body = answer.json();
        match answer.status {
            202 if body["status"] == "success" => Outcome::Accepted {
                remote: body["dedup_key"].as_str().map(str::to_owned),
            },
            400 if is_about_the_key(&body) => Outcome::Broken(answer.said()),
            // It gives no time; its advice is some minutes.
            429 => Outcome::Throttled {
                after: answer.retry_after().or(Some(Duration::from_secs(60))),
                why: answer.said(),
            },
            _ => answer.failure(),
        }
    }

    fn batch(&self) -> usize {
        1
    }

    /// About 120 a minute and key.
    fn pace(&self) -> Pace {
        Pace::per_minute(10, 100)
    }
}

/// The event, but for the routing key.
fn event(message: &Message, entry: &Entry) -> Value {
    let key = match message.test {
        true => format!("test-{}", message.id),
        false => entry.alert.fingerprint.clone(),
    };
    if entry.alert.state == State::Resolved && entry.notice != Notice::Ended && !message.test {
        return json!({"event_action": "resolve", "dedup_key": key});
    }
    let alert = &entry.alert;
    let name = |text: &str| cut_chars(&clean_line(text), NAME_CHARS).into_owned();
    let mut payload = json!({
        "summary": cut_chars(&clean_line(&message.title()), SUMMARY_CHARS),
        "source": some(name(&alert.host)),
        "severity": severity(entry),
        "timestamp": values::time(alert, message.at),
    });
    if message.form == Form::Rich {
        payload["component"] = json!(name(&alert.run));
        payload["group"] = json!(name(&alert.project));
        payload["class"] = json!(name(&alert.detector));
        payload["custom_details"] = details(message, entry);
    } else {
        let plain = message.plain();
        payload["custom_details"] = json!({"text": cut_chars(&clean(&plain), PLAIN_CHARS)});
    }
    json!({
        "event_action": "trigger",
        "dedup_key": key,
        "client": "runwatch",
        "payload": payload,
    })
}

/// PagerDuty demands a source.
fn some(text: String) -> String {
    if text.is_empty() {
        "runwatch".to_owned()
    } else {
        text
    }
}

/// What is told is over may page nobody anew.
fn severity(entry: &Entry) -> &'static str {
    match (entry.fires(), entry.alert.severity) {
        (true, Severity::Critical) => "critical",
        (true, Severity::Warning) => "warning",
        (true, Severity::Info) | (false, _) => "info",
    }
}

fn details(message: &Message, entry: &Entry) -> Value {
    let text = |text: &str| cut_chars(&clean(text), TEXT_CHARS).into_owned();
    let name = |text: &str| cut_chars(&clean_line(text), NAME_CHARS).into_owned();
    let values = entry.alert.values.iter().take(VALUES);
    let values: Map<_, _> = values
        .map(|(key, value)| (name(key), values::json_number(*value)))
        .collect();
    let mut details = json!({
        "message": text(&entry.message()),
        "recommendation": text(&entry.alert.recommendation),
        "values": values,
        "sent by": message.footer(),
    });
    for (key, value) in entry.facts() {
        details[key.to_ascii_lowercase()] = json!(text(&value));
    }
    details
}

/// A key that is wrong will be wrong for the next message too.
fn is_about_the_key(body: &Value) -> bool {
    let text = format!("{} {}", body["message"], body["errors"]).to_ascii_lowercase();
    text.contains("routing_key") || text.contains("routing key")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::testing::{self, answer, message, settings};
    use super::*;

    fn pagerduty() -> PagerDuty {
        PagerDuty::new(&settings(&KIND, &[("routing-key", "R012")]))
    }

    fn sent(message: &Message) -> Value {
        testing::json(&pagerduty().request(message).unwrap())
    }

    #[test]
    fn a_critical_triggers() {
        let request = pagerduty().request(&message()).unwrap();
        assert_eq!(request.url, "https://events.pagerduty.com/v2/enqueue");
        assert_eq!(
            testing::json(&request),
            json!({
                "routing_key": "R012",
                "event_action": "trigger",
                "dedup_key": message().entries[0].alert.fingerprint,
                "client": "runwatch",
                "payload": {
                    "summary": "CRITICAL: loss is NaN (run train, step 2404)",
                    "source": "gpu-7",
                    "severity": "critical",
                    "timestamp": "2023-11-14T22:13:20Z",
                    "component": "train",
                    "group": "default",
                    "class": "non-finite",
                    "custom_details": {
                        "message": "loss was 2.31 at step 2403 and is NaN at step 2404.",
                        "recommendation": "Stop the run, go back to the last good checkpoint, \
                            and lower the learning rate.",
                        "values": {"loss": "NaN", "last": 2.31},
                        "run": "train", "step": "2404", "rank": "3",
                        "detector": "non-finite", "host": "gpu-7", "log": "train.log:17",
                        "sent by": "runwatch · 001122334455",
                    },
                },
            })
        );
    }

    #[test]
    fn the_end_resolves_what_the_beginning_opened() {
        let over = sent(&testing::resolved());
        assert_eq!(over["event_action"], "resolve");
        assert_eq!(over["dedup_key"], sent(&message())["dedup_key"]);
        assert_eq!(over["dedup_key"].as_str().unwrap().len(), 32);
    }

    #[test]
    fn the_end_of_the_run_is_noted_on_the_open_incident() {
        let mut ended = message();
        ended.entries[0].notice = Notice::Ended;
        let note = sent(&ended);
        assert_eq!(note["event_action"], "trigger");
        assert_eq!(note["dedup_key"], sent(&message())["dedup_key"]);
        assert_eq!(note["payload"]["severity"], "info");
        assert_eq!(
            note["payload"]["summary"],
            "ENDED: loss is NaN (run train, step 2404)"
        );
    }

    #[test]
    fn plain_and_test() {
        let plain = sent(&testing::plain(message()));
        assert_eq!(
            plain["payload"]["custom_details"],
            json!({"text": message().plain()})
        );
        assert_eq!(plain["payload"]["severity"], "critical");
        let mut test = message();
        test.test = true;
        let test = sent(&test);
        assert_ne!(test["dedup_key"], plain["dedup_key"]);
        let summary = test["payload"]["summary"].as_str().unwrap();
        assert!(summary.starts_with("[TEST] CRITICAL"));
        assert_eq!(pagerduty().batch(), 1);
    }

    #[test]
    fn limits_hold_whatever_the_text() {
        for text in testing::HOSTILE {
            let mut message = testing::saying(text);
            message.entries[0].alert.values = (0..5000)
                .map(|at| (format!("{at}{text}"), f64::NAN))
                .collect();
            let request = pagerduty().request(&message).unwrap();
            assert!(request.body.len() <= 512 << 10, "{}", request.body.len());
            let body = testing::json(&request);
            let summary = body["payload"]["summary"].as_str().unwrap();
            assert!(summary.chars().count() <= SUMMARY_CHARS);
            assert!(!body.to_string().contains('\u{202e}'));
        }
    }

    #[test]
    fn verdicts() {
        let verdict = |status, body: &str| pagerduty().verdict(&answer(status, body)).name();
        let taken = pagerduty().verdict(&answer(
            202,
            r#"{"status":"success","message":"Event processed","dedup_key":"k"}"#,
        ));
        let remote = Some("k".to_owned());
        assert_eq!(taken, Outcome::Accepted { remote });
        assert_eq!(verdict(202, "{}"), "rejected");
        assert_eq!(verdict(200, "<html>a captive portal</html>"), "rejected");
        let invalid = r#"{"status":"invalid event","message":"Event object is invalid",
            "errors":["'payload.severity' is invalid"]}"#;
        assert_eq!(verdict(400, invalid), "rejected");
        let key = r#"{"status":"invalid event","message":"Event object is invalid",
            "errors":["'routing_key' is invalid (must be a 32 character string)"]}"#;
        assert_eq!(verdict(400, key), "broken");
        assert_eq!(verdict(413, ""), "rejected");
        for status in [302, 401, 403, 404] {
            assert_eq!(verdict(status, ""), "broken");
        }
        for status in [500, 502, 503] {
            assert_eq!(verdict(status, ""), "transient");
        }
        let limited = pagerduty().verdict(&answer(429, ""));
        assert!(
            matches!(limited, Outcome::Throttled { after: Some(after), .. } if after.as_secs() == 60)
        );
    }
}
