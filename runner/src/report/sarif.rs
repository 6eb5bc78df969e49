//! Results in the Static Analysis Results Interchange Format (SARIF 2.1.0, an
//! OASIS standard), which code hosts show at lines of files.

use std::path::Path;

use serde_json::{Value, json};

use super::{Report, Run};
use crate::alert::{Alert, Severity};
use crate::deliver::text::clean;
use crate::judge::HOST_DETECTOR;

/// The report as JSON.
#[must_use]
pub fn sarif(report: &Report) -> String {
    let own = (
        HOST_DETECTOR,
        "What runwatch itself has to say: detectors that fail, alerts that are too many.",
    );
    let known = report.detectors.iter();
    let mut rules: Vec<(&str, &str)> = known
        .map(|it| (it.name.as_str(), it.summary.as_str()))
        .chain([own])
        .collect();
    for alert in report.runs.iter().flat_map(Run::firing) {
        if !rules.iter().any(|(name, _)| *name == alert.detector) {
            rules.push((&alert.detector, ""));
        }
    }
    let mut results = Vec::new();
    for run in &report.runs {
        results.extend(run.firing().map(|alert| result(run, alert, &rules)));
    }
    let unread = report.skipped.iter().filter_map(|input| {
        let text = format!("{}: {}", input.input, input.unread()?);
        Some(json!({"level": "error", "message": {"text": plain(&text)}}))
    });
    let left_out = report
        .left_out
        .iter()
        .map(|what| json!({"level": "warning", "message": {"text": format!("left out: {what}")}}));
    let notes: Vec<Value> = unread.chain(left_out).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "runwatch",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|(name, summary)| rule(name, summary)).collect::<Vec<_>>(),
            }},
            "invocations": [{"executionSuccessful": true, "toolExecutionNotifications": notes}],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn rule(name: &str, summary: &str) -> Value {
    let mut rule = json!({"id": name, "name": name});
    if !summary.is_empty() {
        rule["shortDescription"] = json!({"text": plain(summary)});
    }
    rule
}

fn result(run: &Run, alert: &Alert, rules: &[(&str, &str)]) -> Value {
    let rule = rules.iter().position(|(name, _)| *name == alert.detector);
    // Hosts drop results without a place.
    let (input, line) = match &alert.location {
        Some(location) => (location.input.as_str(), location.line.max(1)),
        None => (run.inputs.first().map_or("stdin", String::as_str), 1),
    };
    let text = format!(
        "{}: {}\n{}",
        alert.title, alert.message, alert.recommendation
    );
    json!({
        "ruleId": alert.detector,
        "ruleIndex": rule,
        "level": level(alert.severity),
        "message": {"text": plain(&text)},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": uri(input)},
            "region": {"startLine": line},
        }}],
        "partialFingerprints": {"runwatchAlert/v1": alert.id},
        "properties": {
            "project": alert.project,
            "run": alert.run,
            "step": alert.step,
            "ranks": alert.ranks,
            "key": alert.key,
        },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn plain(text: &str) -> String {
    clean(text).into_owned()
}

/// A path as a reference of RFC 3986: relative as it is, absolute with `file:`.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let mut uri = String::new();
    if Path::new(path).is_absolute() {
        uri.push_str("file://");
    }
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::testing::{hostile, report};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_references() {
        assert_eq!(uri("runs/a b/rank0.jsonl"), "runs/a%20b/rank0.jsonl");
        assert_eq!(uri("./train.log"), "train.log");
        assert_eq!(uri("/var/log/ü#1"), "file:///var/log/%C3%BC%231");
        assert_eq!(uri("c:d"), "c%3Ad");
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_place(text in hostile()) {
            let log: Value = serde_json::from_str(&sarif(&report(&text))).unwrap();
            let run = &log["runs"][0];
            let result = &run["results"][0];
            prop_assert_eq!(run["results"].as_array().map(Vec::len), Some(1));
            prop_assert_eq!(&result["level"], "error");
            prop_assert_eq!(&result["properties"]["key"], &text);
            let rule = result["ruleIndex"].as_u64().unwrap() as usize;
            prop_assert_eq!(&run["tool"]["driver"]["rules"][rule]["id"], "loss-spike");
            let place = &result["locations"][0]["physicalLocation"];
            prop_assert!(place["artifactLocation"]["uri"].as_str().unwrap().is_ascii());
        }
    }
}
