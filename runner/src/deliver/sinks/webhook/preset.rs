//! Bodies that receivers know already.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::alert::{Alert, Location};
use crate::deliver::sinks::{alertmanager, values};
use crate::deliver::text::{clean, clean_line, cut_chars};
use crate::deliver::{Entry, Form, Message};

/// Characters of a title and of a text in the plain form.
const PLAIN_CHARS: (usize, usize) = (250, 1000);

/// The alert with its texts cleaned; in the plain form they are short, and
/// there are no values: what remains is what every receiver can take.
pub(super) fn tidy(alert: &Alert, form: Form) -> Alert {
    let short = form == Form::Plain;
    let text = |text: &str, limit| match short {
        true => cut_chars(&clean(text), limit).into_owned(),
        false => clean(text).into_owned(),
    };
    let line = |text: &str| clean_line(text).into_owned();
    let values = alert.values.iter().filter(|_| !short);
    let location = alert.location.as_ref();
    let (title, long) = PLAIN_CHARS;
    Alert {
        project: line(&alert.project),
        run: line(&alert.run),
        host: line(&alert.host),
        detector: line(&alert.detector),
        key: line(&alert.key),
        title: text(&alert.title, title),
        message: text(&alert.message, long),
        recommendation: text(&alert.recommendation, long),
        values: values.map(|(name, value)| (line(name), *value)).collect(),
        location: location.map(|location| Location {
            input: line(&location.input),
            line: location.line,
        }),
        ..alert.clone()
    }
}

/// The alerts as they are everywhere else (`docs/alert.md`), in an envelope.
pub(in crate::deliver::sinks) fn runwatch(message: &Message) -> Value {
    let alerts: Vec<_> = message
        .entries
        .iter()
        .map(|entry| {
            let mut alert = match message.form {
                Form::Rich => json!(entry.alert),
                Form::Plain => json!(tidy(&entry.alert, Form::Plain)),
            };
            alert["notice"] = json!(entry.notice.name());
            alert
        })
        .collect();
    json!({
        "schema": 1,
        "id": message.id,
        "group": message.group,
        "test": message.test,
        "alerts": alerts,
    })
}

/// What rlwatch posts to its webhook by default, as strict JSON: a value that
/// is not finite is a text, a step that is not known null.
pub(super) fn rlwatch(message: &Message, entry: &Entry) -> Value {
    let alert = tidy(&entry.alert, message.form);
    let metrics: BTreeMap<_, _> = alert
        .values
        .iter()
        .map(|(name, value)| (name, values::json_number(*value)))
        .collect();
    json!({
        "detector": alert.detector,
        // rlwatch knows no end of an alarm; nobody should be paged by one.
        "severity": if entry.fires() { alert.severity.name() } else { "info" },
        "step": alert.step,
        "run_id": alert.run,
        "message": format!("{}{}", mark(message, entry), told(entry, &alert)),
        "recommendation": alert.recommendation,
        "metrics": metrics,
        "timestamp": python_time(&alert, message.at),
    })
}

/// What Trackio posts to a webhook that is neither Slack nor Discord.
pub(super) fn trackio(message: &Message, entry: &Entry) -> Value {
    let alert = tidy(&entry.alert, message.form);
    let level = match (entry.fires(), alert.severity.name()) {
        (true, "critical") => "error",
        (true, "warning") => "warn",
        _ => "info",
    };
    let mut text = told(entry, &alert);
    if entry.fires() {
        text.push_str(&format!("\nWhat to do: {}", alert.recommendation));
    }
    json!({
        "level": level,
        "title": format!("{}{}", mark(message, entry), alert.title),
        "text": text,
        "project": alert.project,
        "run": alert.run,
        "step": alert.step,
        "timestamp": python_time(&alert, message.at),
    })
}

/// What Alertmanager posts to its webhook receivers, version 4.
pub(super) fn alertmanager_v4(message: &Message) -> Value {
    let alerts: Vec<_> = message
        .entries
        .iter()
        .map(|entry| {
            let over = alertmanager::is_over(entry);
            let time = values::time(&entry.alert, message.at);
            json!({
                "status": if over { "resolved" } else { "firing" },
                "labels": alertmanager::labels(message, entry, entry.alert.severity),
                "annotations": alertmanager::annotations(message, entry),
                "startsAt": time,
                "endsAt": if over { time.as_str() } else { "0001-01-01T00:00:00Z" },
                "generatorURL": "",
                "fingerprint": entry.alert.fingerprint.get(..16),
            })
        })
        .collect();
    let labels = common(&alerts, "labels");
    let group: BTreeMap<_, _> = labels
        .iter()
        .filter(|(name, _)| ["project", "run"].contains(&name.as_str()))
        .collect();
    let firing = alerts.iter().any(|alert| alert["status"] == "firing");
    json!({
        "version": "4",
        "groupKey": message.group,
        "truncatedAlerts": 0,
        "status": if firing { "firing" } else { "resolved" },
        "receiver": "runwatch",
        "groupLabels": group,
        "commonLabels": labels,
        "commonAnnotations": common(&alerts, "annotations"),
        "externalURL": "",
        "alerts": alerts,
    })
}

/// What all alerts have in common of their labels or annotations.
fn common(alerts: &[Value], field: &str) -> BTreeMap<String, Value> {
    let of = |alert: &Value| alert[field].as_object().cloned().unwrap_or_default();
    let mut common: BTreeMap<_, _> = alerts
        .first()
        .map(of)
        .unwrap_or_default()
        .into_iter()
        .collect();
    common.retain(|name, value| alerts.iter().all(|alert| alert[field][name] == *value));
    common
}

/// What stands before a text that a tool without our states shows.
fn mark(message: &Message, entry: &Entry) -> String {
    let test = if message.test { "[TEST] " } else { "" };
    match entry.label() {
        label @ ("RESOLVED" | "ENDED") => format!("{test}{label}: "),
        _ => test.to_owned(),
    }
}

/// The message of the entry, with the text of the tidied alert.
fn told(entry: &Entry, alert: &Alert) -> String {
    Entry {
        alert: alert.clone(),
        notice: entry.notice,
    }
    .message()
}

/// As Python's `isoformat` writes UTC, and before 3.11 alone can read it.
fn python_time(alert: &Alert, at: i64) -> String {
    let time = values::time(alert, at);
    match time.strip_suffix('Z') {
        Some(time) => format!("{time}+00:00"),
        None => time,
    }
}
