//! Every service against every status, with an answer that says nothing else:
//! what holds for all of them, whatever words of its own a service has.

use super::testing::{self, answer};
use super::{KINDS, Kind, Made};
use crate::deliver::{Outcome, Service};

/// Answers without words that the services document as success.
const SUCCESS_WITHOUT_WORDS: &[(&str, u16, &[&str])] = &[
    // An alert is taken with an empty body.
    ("alertmanager", 200, &[""]),
    // A webhook without `wait=true`.
    ("discord", 204, &["", "{}"]),
    // The workflow has started; it may end with an answer of its own.
    ("teams", 200, &["", "{}"]),
    ("teams", 202, &["", "{}"]),
];

/// Whether this is success. A webhook of one's own says it by the status.
fn is_success(kind: &str, status: u16, body: &str) -> bool {
    let documented = SUCCESS_WITHOUT_WORDS
        .iter()
        .any(|(name, code, bodies)| *name == kind && *code == status && bodies.contains(&body));
    documented || (kind == "webhook" && (200..300).contains(&status))
}

/// The outcomes that a status leaves open, success aside.
fn allowed(status: u16) -> &'static [&'static str] {
    match status {
        300..=399 | 401 | 403 | 404 | 410 | 501 | 505 => &["broken"],
        408 | 425 => &["transient"],
        429 => &["throttled"],
        400 | 413 | 415 | 422 => &["rejected"],
        200..=299 => &["rejected", "transient"],
        400..=499 => &["rejected", "broken", "transient"],
        _ => &["transient", "throttled"],
    }
}

/// A service with the settings of its example.
fn service(kind: &Kind) -> Option<Box<dyn Service>> {
    let example: toml::Table = kind.example.parse().unwrap();
    let given: Vec<(&str, String)> = example
        .iter()
        .map(|(name, value)| (name.as_str(), written(value)))
        .collect();
    for key in kind.keys.iter().filter(|key| key.required) {
        assert!(
            example.contains_key(key.name),
            "the example of {} lacks `{}`",
            kind.name,
            key.name
        );
    }
    let given: Vec<(&str, &str)> = given
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    match (kind.make)(&testing::settings(kind, &given)) {
        Ok(Made::Service(service)) => Some(service),
        Ok(Made::Sink(_)) => None,
        Err(error) => panic!("the example of {}: {error}", kind.name),
    }
}

/// A setting as [`testing::settings`] takes it.
fn written(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(values) => {
            let texts: Vec<String> = values.iter().map(written).collect();
            texts.join(",")
        }
        toml::Value::Table(pairs) => {
            let texts: Vec<String> = pairs
                .iter()
                .map(|(name, value)| format!("{name}={}", written(value)))
                .collect();
            texts.join(",")
        }
        value => value.to_string(),
    }
}

fn services() -> impl Iterator<Item = (&'static str, Box<dyn Service>)> {
    KINDS
        .iter()
        .filter_map(|kind| Some((kind.name, service(kind)?)))
}

#[test]
fn every_status_of_every_service() {
    let mut wrong = Vec::new();
    for (kind, service) in services() {
        for status in 200..=599 {
            for body in ["", "{}"] {
                let outcome = service.verdict(&answer(status, body));
                let fits = match is_success(kind, status, body) {
                    true => outcome.is_success(),
                    false => allowed(status).contains(&outcome.name()),
                };
                if !fits {
                    wrong.push(format!("{kind} {status} `{body}`: {outcome:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_failure_says_why() {
    for (kind, service) in services() {
        for status in 200..=599 {
            let outcome = service.verdict(&answer(status, "a proxy speaking"));
            if let Some(why) = outcome.why() {
                assert!(why.contains(&status.to_string()), "{kind} {status}: {why}");
            }
        }
    }
}

/// A page that answers 200 for a service is the likeliest false success.
#[test]
fn a_captive_portal_takes_no_message() {
    let page = "<!doctype html><html><body>Please log in. ok success</body></html>";
    for (kind, service) in services().filter(|(kind, _)| *kind != "webhook") {
        let outcome = service.verdict(&answer(200, page));
        assert!(!outcome.is_success(), "{kind}: {outcome:?}");
    }
}

#[test]
fn whatever_the_service_a_wait_is_kept_to() {
    for (kind, service) in services() {
        let slow = testing::with_header(429, "", &[("retry-after", "7")]);
        match service.verdict(&slow) {
            Outcome::Throttled {
                after: Some(after), ..
            } => assert!(after.as_secs() >= 7, "{kind}: {after:?}"),
            outcome => panic!("{kind}: {outcome:?}"),
        }
    }
}
