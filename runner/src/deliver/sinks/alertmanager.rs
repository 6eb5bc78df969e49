//! Alertmanager, by its API of version 2
//! (<https://prometheus.io/docs/alerting/latest/clients/>).
//!
//! `POST /api/v2/alerts` with a list of alerts; 200 without a body is success,
//! 400 comes with the reason.
//!
//! Alertmanager ends an alert by itself: after its `resolve_timeout`, unless
//! the alert says when. So what fires is given 24 hours, and each reminder
//! gives 24 more. When a run ends while something fires, that is not resolved:
//! Alertmanager never tells what begins and ends within its `group_wait`, and
//! what is wrong just before a crash matters most.
//!
//! Its alerts are what their labels are, severity included. So whatever is told
//! of an alert also ends its twins of a lower severity.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Kind, Made, values};
use crate::alert::{Severity, State};
use crate::deliver::text::{clean, clean_line, cut_chars};
use crate::deliver::{
    Answer, Entry, Form, Key, Message, Notice, Outcome, Request, Service, Settings, Takes,
};
use crate::secret::{Secret, Unreadable};

pub(super) const KIND: Kind = Kind {
    name: "alertmanager",
    summary: "Alerts for a Prometheus Alertmanager, which routes them further.",
    network: true,
    keys: &[
        Key::required(
            "url",
            Takes::Address,
            "The server, such as `https://alertmanager.example.com`. What fires ends there after \
             24 hours without a reminder, whatever its `resolve_timeout`.",
        ),
        Key::optional(
            "token",
            Takes::Secret,
            "A bearer token, or with `user` the password.",
        ),
        Key::optional("user", Takes::Text, "The user of basic authentication."),
    ],
    make: |settings| Made::service(Alertmanager::new(settings)?),
    example: "url = \"https://alertmanager.example.com\"",
};

const PATH: &str = "/api/v2/alerts";
/// What fires ends there, unless it is told again.
const FIRES_FOR: i64 = 24 * 3600 * 1000;
/// A test is soon over.
const TEST_FOR: i64 = 5 * 60 * 1000;
/// Characters of a label. Alertmanager has no limit; this one keeps it legible.
const LABEL_CHARS: usize = 500;
/// Characters of an annotation, for the same reason; in the plain form fewer.
const ANNOTATION_CHARS: usize = 8000;
const PLAIN_CHARS: usize = 500;

struct Alertmanager {
    url: Arc<Secret>,
    token: Option<Arc<Secret>>,
    user: Option<String>,
}

impl Alertmanager {
    fn new(settings: &Settings) -> Result<Self, String> {
        let (token, user) = (settings.secret("token"), settings.text("user"));
        if user.is_some() && token.is_none() {
            return Err("`user` needs its password as `token`".to_owned());
        }
        Ok(Self {
            url: settings.needed("url"),
            token,
            user,
        })
    }

    fn address(&self) -> Result<String, Unreadable> {
        let url = self.url.read()?;
        let base = url.trim_end_matches('/');
        Ok(format!("{}{PATH}", base.strip_suffix(PATH).unwrap_or(base)))
    }
}

impl Service for Alertmanager {
    fn request(&self, message: &Message) -> Result<Request, Unreadable> {
        let alerts: Vec<Value> = message
            .entries
            .iter()
            .flat_map(|entry| posted(message, entry))
            .collect();
        let request = Request::json(self.address()?, &Value::Array(alerts));
        let Some(token) = &self.token else {
            return Ok(request);
        };
        let token = token.read()?;
        let credentials = match &self.user {
            Some(user) => format!("Basic {}", STANDARD.encode(format!("{user}:{}", *token))),
            None => format!("Bearer {}", *token),
        };
        Ok(request.header("authorization", credentials))
    }

    fn verdict(&self, answer: &Answer) -> Outcome {
        let empty = answer.body.iter().all(u8::is_ascii_whitespace);
        match answer.status {
            200 if empty || answer.json()["status"] == "success" => Outcome::delivered(),
            _ => answer.failure(),
        }
    }
}

/// The alert, and the ends of its twins of a lower severity.
fn posted(message: &Message, entry: &Entry) -> Vec<Value> {
    let told = entry.alert.severity;
    let lower = [Severity::Info, Severity::Warning]
        .into_iter()
        .filter(|severity| *severity < told);
    let mut all = vec![post(message, entry, told, is_over(entry))];
    all.extend(lower.map(|severity| post(message, entry, severity, true)));
    all
}

/// One alert. Ends go by the clock of this attempt: an end in the future, by
/// the clock of a log, would be none.
fn post(message: &Message, entry: &Entry, severity: Severity, over: bool) -> Value {
    let lasts = match (over, message.test) {
        (true, _) => 0,
        (false, true) => TEST_FOR,
        (false, false) => FIRES_FOR,
    };
    let mut alert = json!({
        "labels": labels(message, entry, severity),
        "annotations": annotations(message, entry),
        "endsAt": values::rfc3339(message.at.saturating_add(lasts)),
    });
    // Without a start, what is over starts when it ends, and an alert that is
    // known keeps its own.
    if !over {
        alert["startsAt"] = json!(starts(entry, message.at));
    }
    alert
}

/// When the alert was made, but not in the future.
fn starts(entry: &Entry, at: i64) -> String {
    let made = entry.alert.time.as_deref();
    let made = made.and_then(|time| time.parse::<jiff::Timestamp>().ok());
    values::rfc3339(made.map_or(at, |time| time.as_millisecond().min(at)))
}

/// Whether the trouble has ended, and not just its run.
pub(super) fn is_over(entry: &Entry) -> bool {
    entry.alert.state == State::Resolved && entry.notice != Notice::Ended
}

/// What names the alert, which must not change while it lasts: so no step and
/// no rank.
pub(super) fn labels(
    message: &Message,
    entry: &Entry,
    severity: Severity,
) -> BTreeMap<&'static str, String> {
    let alert = &entry.alert;
    let mut labels = BTreeMap::from([
        ("alertname", alert.detector.as_str()),
        ("host", &alert.host),
        ("key", &alert.key),
        ("project", &alert.project),
        ("run", &alert.run),
        ("severity", severity.name()),
    ]);
    if message.test {
        labels.insert("test", "true");
    }
    labels
        .into_iter()
        .map(|(name, text)| (name, cut_chars(&clean_line(text), LABEL_CHARS).into_owned()))
        .filter(|(_, text)| !text.is_empty())
        .collect()
}

/// What is told of the alert. `summary` and `description` are what most
/// templates show.
pub(super) fn annotations(message: &Message, entry: &Entry) -> BTreeMap<&'static str, String> {
    let alert = &entry.alert;
    let test = if message.test { "[TEST] " } else { "" };
    let told = entry.message();
    let mut all = BTreeMap::from([
        ("title", format!("{test}{}", alert.title)),
        ("message", told.clone()),
        ("recommendation", alert.recommendation.clone()),
        ("summary", format!("{test}{}", entry.headline())),
    ]);
    let limit = match message.form {
        Form::Rich => {
            let todo = match entry.fires() {
                true => format!("\nWhat to do: {}", alert.recommendation),
                false => String::new(),
            };
            all.insert("description", format!("{told}{todo}"));
            all.insert("values", values::values_line(alert));
            for (name, text) in entry.facts() {
                match name {
                    "Step" => all.insert("step", text),
                    "Rank" | "Ranks" => all.insert("ranks", text),
                    "Log" => all.insert("log", text),
                    _ => None,
                };
            }
            ANNOTATION_CHARS
        }
        Form::Plain => PLAIN_CHARS,
    };
    all.into_iter()
        .map(|(name, text)| (name, cut_chars(&clean(&text), limit).into_owned()))
        .filter(|(_, text)| !text.is_empty())
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::testing::{self, answer, message, settings};
    use super::*;

    fn alertmanager() -> Alertmanager {
        let url = ("url", "https://am.example/prefix/");
        Alertmanager::new(&settings(&KIND, &[url])).unwrap()
    }

    fn posted(message: &Message) -> Value {
        testing::json(&alertmanager().request(message).unwrap())
    }

    #[test]
    fn the_request() {
        let request = alertmanager().request(&message()).unwrap();
        assert_eq!(request.url, "https://am.example/prefix/api/v2/alerts");
        assert!(request.headers.is_empty());
        let body = testing::json(&request);
        assert_eq!(
            body[0],
            json!({
                "labels": {
                    "alertname": "non-finite", "host": "gpu-7", "key": "loss",
                    "project": "default", "run": "train", "severity": "critical",
                },
                "annotations": {
                    "title": "loss is NaN",
                    "summary": "CRITICAL: loss is NaN (run train, step 2404)",
                    "message": "loss was 2.31 at step 2403 and is NaN at step 2404.",
                    "description": "loss was 2.31 at step 2403 and is NaN at step 2404.\n\
                        What to do: Stop the run, go back to the last good checkpoint, and lower \
                        the learning rate.",
                    "recommendation": "Stop the run, go back to the last good checkpoint, and \
                        lower the learning rate.",
                    "values": "loss = NaN, last = 2.31",
                    "step": "2404", "ranks": "3", "log": "train.log:17",
                },
                "startsAt": "2023-11-14T22:13:20Z",
                "endsAt": "2023-11-15T22:13:20.123Z",
            })
        );
    }

    #[test]
    fn an_escalation_ends_what_it_replaces() {
        let body = posted(&message());
        let twins: Vec<_> = body.as_array().unwrap().iter().skip(1).collect();
        assert_eq!(twins.len(), 2);
        for (twin, severity) in twins.iter().zip(["info", "warning"]) {
            assert_eq!(twin["labels"]["severity"], severity);
            assert_eq!(twin["endsAt"], "2023-11-14T22:13:20.123Z");
            assert!(twin["startsAt"].is_null());
        }
    }

    #[test]
    fn the_end_has_the_labels_of_the_beginning() {
        let over = posted(&testing::resolved());
        assert_eq!(over[0]["labels"], posted(&message())[0]["labels"]);
        assert_eq!(over[0]["endsAt"], "2023-11-14T22:13:20.123Z");
    }

    #[test]
    fn the_end_of_the_run_is_not_the_end_of_the_trouble() {
        let mut ended = message();
        ended.entries[0].notice = Notice::Ended;
        let body = posted(&ended);
        assert_eq!(body[0]["endsAt"], "2023-11-15T22:13:20.123Z");
        let told = body[0]["annotations"]["message"].as_str().unwrap();
        assert!(told.starts_with("The run ended while this was firing. "));
    }

    #[test]
    fn a_start_is_never_in_the_future() {
        let mut early = message();
        early.entries[0].alert.time = Some("2033-11-14T22:13:20Z".to_owned());
        assert_eq!(posted(&early)[0]["startsAt"], "2023-11-14T22:13:20.123Z");
    }

    #[test]
    fn a_test_is_marked_and_short() {
        let mut test = message();
        test.test = true;
        let body = posted(&test);
        assert_eq!(body[0]["labels"]["test"], "true");
        assert_eq!(body[0]["annotations"]["title"], "[TEST] loss is NaN");
        assert_eq!(body[0]["endsAt"], "2023-11-14T22:18:20.123Z");
    }

    #[test]
    fn many_and_plain() {
        let body = posted(&testing::many(3));
        let firing = |alert: &&Value| alert["startsAt"].is_string();
        assert_eq!(body.as_array().unwrap().iter().filter(firing).count(), 3);
        let plain = posted(&testing::plain(testing::many(1)));
        assert!(plain[0]["annotations"]["values"].is_null());
        assert_eq!(plain[0]["annotations"]["title"], "trouble 0");
    }

    #[test]
    fn limits_hold_whatever_the_text() {
        for text in testing::HOSTILE {
            let body = posted(&testing::saying(text));
            let within = |field: &str, limit| {
                let all = body[0][field].as_object().unwrap();
                all.values()
                    .all(|text| text.as_str().unwrap().chars().count() <= limit)
            };
            assert!(within("labels", LABEL_CHARS) && within("annotations", ANNOTATION_CHARS));
            assert!(!body.to_string().contains('\u{202e}'));
        }
    }

    #[test]
    fn credentials() {
        let header = |given: &[(&str, &str)]| {
            let sink = Alertmanager::new(&settings(&KIND, given)).unwrap();
            sink.request(&message()).unwrap().headers[0].1.clone()
        };
        let (url, token) = (("url", "https://am.example"), ("token", "secret"));
        assert_eq!(header(&[url, token]), "Bearer secret");
        // `me:secret`
        let basic = header(&[url, token, ("user", "me")]);
        assert_eq!(basic, "Basic bWU6c2VjcmV0");
        assert!(Alertmanager::new(&settings(&KIND, &[url, ("user", "me")])).is_err());
    }

    #[test]
    fn verdicts() {
        let verdict = |status, body: &str| alertmanager().verdict(&answer(status, body)).name();
        assert_eq!(verdict(200, ""), "delivered");
        assert_eq!(verdict(200, r#"{"status":"success"}"#), "delivered");
        assert_eq!(verdict(200, "<html>log in</html>"), "rejected");
        assert_eq!(verdict(200, r#"{"status":"error"}"#), "rejected");
        assert_eq!(verdict(202, ""), "rejected");
        assert_eq!(verdict(302, ""), "broken");
        assert_eq!(verdict(400, r#""bad labels""#), "rejected");
        for status in [401, 403, 404] {
            assert_eq!(verdict(status, ""), "broken");
        }
        assert_eq!(verdict(429, ""), "throttled");
        for status in [500, 502, 503] {
            assert_eq!(verdict(status, ""), "transient");
        }
    }
}
