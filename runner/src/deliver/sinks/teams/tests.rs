#![allow(clippy::unwrap_used)]

use super::super::testing::{self, answer, message, settings, with_header};
use super::*;
use crate::deliver::Notice;

const URL: &str = "https://prod-1.logic.azure.com:443/workflows/1/triggers/manual/paths/invoke\
                   ?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=a-b_c";

fn with(more: &[(&str, &str)]) -> Teams {
    let mut given = vec![("url", URL)];
    given.extend(more);
    Teams::new(&settings(&KIND, &given)).unwrap()
}

fn body(message: &Message) -> Value {
    testing::json(&with(&[]).request(message).unwrap())
}

fn card(body: &Value) -> &Value {
    &body["attachments"][0]["content"]
}

/// What is shown, a line per block, and that no text is in a block of another
/// type than this.
fn lines(value: &Value, only: &str) -> Vec<String> {
    let parts = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let line = |part: &Value| match part["type"].as_str().unwrap() {
        "Container" => lines(&part["items"], only),
        kind => {
            assert_eq!(kind, only);
            let text = |run: &Value| run["text"].as_str().unwrap().to_owned();
            match kind {
                "TextBlock" => vec![text(part)],
                _ => vec![parts(&part["inlines"]).iter().map(text).collect()],
            }
        }
    };
    parts(value).iter().flat_map(line).collect()
}

fn shown(body: &Value) -> Vec<String> {
    lines(&card(body)["body"], "RichTextBlock")
}

#[test]
fn a_critical() {
    let request = with(&[]).request(&message()).unwrap();
    assert_eq!(request.url, URL);
    let body = testing::json(&request);
    assert_eq!(body["type"], "message");
    assert_eq!(
        body["attachments"][0]["contentType"],
        "application/vnd.microsoft.card.adaptive"
    );
    assert_eq!(card(&body)["version"], "1.2");
    assert_eq!(card(&body)["body"][1]["style"], "attention");
    assert_eq!(
        shown(&body),
        [
            "🔴 CRITICAL: loss is NaN (run train, step 2404)",
            "loss was 2.31 at step 2403 and is NaN at step 2404.",
            "👉 What to do: Stop the run, go back to the last good checkpoint, and lower the \
             learning rate.",
            "loss: NaN · last: 2.31",
            "Run: train · Step: 2404 · Rank: 3 · Detector: non-finite · Host: gpu-7 · Log: \
             train.log:17",
            "runwatch · 001122334455",
        ]
    );
}

#[test]
fn what_is_over_and_what_is_told_again() {
    let over = body(&testing::resolved());
    assert_eq!(card(&over)["body"][1]["style"], "good");
    assert!(shown(&over)[0].starts_with("🟢 RESOLVED: "));
    assert!(!shown(&over).iter().any(|line| line.contains("What to do")));
    let mut again = message();
    again.entries[0].notice = Notice::Reminder;
    assert!(shown(&body(&again))[1].starts_with("Still firing. "));
}

#[test]
fn several_alerts_the_worst_first() {
    let three = shown(&body(&testing::many(3)));
    assert!(three[0].starts_with("🔴 3 alerts, worst CRITICAL: trouble 1"));
    assert!(three[1].starts_with("🔴 CRITICAL: trouble 1"));
    assert!(three.iter().any(|line| line.contains("trouble 2")));
    let many = body(&testing::many(100));
    assert!(many.to_string().len() <= 28_000);
    let lines = shown(&many);
    let headlines = lines
        .iter()
        .skip(1)
        .filter(|line| line.contains("(run train") && !line.starts_with("and "));
    let more = format!("and {} more: WARNING: trouble ", 100 - headlines.count());
    assert!(lines.iter().any(|line| line.starts_with(&more)), "{more}");
}

#[test]
fn a_usual_batch_has_room() {
    let lines = shown(&body(&testing::many(with(&[]).batch())));
    assert!(!lines.iter().any(|line| line.starts_with("and ")));
}

#[test]
fn plain_and_test() {
    let mut message = testing::plain(message());
    message.test = true;
    let body = body(&message);
    let lines = lines(&card(&body)["body"], "TextBlock");
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("TEST") && lines[0].contains("CRITICAL: loss is NaN"));
}

#[test]
fn only_the_operator_calls_people_and_only_for_criticals() {
    let teams = with(&[("mention", "me@corp.example")]);
    let fires = testing::json(&teams.request(&message()).unwrap());
    let entity = &card(&fires)["msteams"]["entities"][0];
    assert_eq!(entity["text"], "<at>me@corp.example</at>");
    assert_eq!(entity["mentioned"]["id"], "me@corp.example");
    assert!(
        card(&fires)["body"]
            .to_string()
            .contains("<at>me@corp.example</at>")
    );
    let over = testing::json(&teams.request(&testing::resolved()).unwrap());
    assert!(!over.to_string().contains("<at>"));
    let wrong = settings(&KIND, &[("url", URL), ("mention", "</at>")]);
    assert!(Teams::new(&wrong).is_err());
}

#[test]
fn limits_hold_and_nothing_is_markup_whatever_the_text() {
    let crowd = vec!["x".repeat(super::super::mentions::NAME_CHARS); MENTIONS].join(",");
    let crowded = with(&[("mention", &crowd)]);
    for hostile in testing::HOSTILE {
        let mut several = testing::many(20);
        several
            .entries
            .fill(testing::saying(hostile).entries[0].clone());
        for message in [testing::saying(hostile), several] {
            assert!(crowded.request(&message).unwrap().body.len() <= 28_000);
            let body = body(&message);
            assert_eq!(card(&body)["msteams"]["entities"], json!([]));
            assert_eq!(shown(&body).last().unwrap(), "runwatch · 001122334455");
        }
        let plain = body(&testing::plain(testing::saying(hostile)));
        let text = lines(&card(&plain)["body"], "TextBlock").concat();
        assert!(text.len() <= PLAIN && !text.contains("<at") && !text.contains("]("));
    }
}

#[test]
fn verdicts() {
    let teams = with(&[]);
    let run = with_header(202, "", &[("x-ms-workflow-run-id", "0858")]);
    assert!(matches!(
        teams.verdict(&run),
        Outcome::Accepted { remote: Some(id) } if id == "0858"
    ));
    for (status, body, outcome) in [
        (202, "", "accepted"),
        (200, "", "accepted"),
        (200, r#"{"done":true}"#, "accepted"),
        (200, "1", "rejected"),
        (
            200,
            "Webhook message delivery failed with error",
            "rejected",
        ),
        (200, "<html>a captive portal</html>", "rejected"),
        (200, r#"{"error":{"code":"Oops"}}"#, "rejected"),
        (204, "", "rejected"),
        (302, "", "broken"),
        (
            400,
            r#"{"error":{"code":"TriggerInputSchemaMismatch"}}"#,
            "rejected",
        ),
        (
            400,
            r#"{"error":{"code":"WorkflowTriggerIsNotEnabled"}}"#,
            "broken",
        ),
        (
            401,
            r#"{"error":{"code":"DirectApiAuthorizationRequired"}}"#,
            "broken",
        ),
        (403, "", "broken"),
        (404, r#"{"error":{"code":"WorkflowNotFound"}}"#, "broken"),
        (413, "", "rejected"),
        (429, "", "throttled"),
        (502, r#"{"error":{"code":"NoResponse"}}"#, "transient"),
    ] {
        let verdict = teams.verdict(&answer(status, body));
        assert_eq!(verdict.name(), outcome, "{status} {body}");
    }
}
