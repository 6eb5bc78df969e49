#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::super::testing::{self, answer, message, settings, with_header};
use super::*;
use crate::deliver::Notice;

const URL: (&str, &str) = ("url", "https://hooks.example/in");
const KEY: &str = "whsec_cnVud2F0Y2gtdGVzdC1rZXktMDEyMzQ1Njc4OWFiY2Q=";

fn webhook(given: &[(&str, &str)]) -> Webhook {
    made(given).unwrap()
}

fn made(given: &[(&str, &str)]) -> Result<Webhook, String> {
    let given: Vec<_> = [URL].iter().chain(given).copied().collect();
    Webhook::new(&settings(&KIND, &given))
}

fn body(payload: &str, message: &Message) -> Value {
    testing::json(&webhook(&[("payload", payload)]).request(message).unwrap())
}

fn as_test(mut message: Message) -> Message {
    message.test = true;
    message
}

fn ended() -> Message {
    let mut ended = message();
    ended.entries[0].notice = Notice::Ended;
    ended
}

#[test]
fn the_request() {
    let sink = webhook(&[
        ("headers", "X-Team=ml,Authorization=Bearer x"),
        ("method", "PUT"),
    ]);
    let request = sink.request(&message()).unwrap();
    assert_eq!(request.method, Method::Put);
    assert_eq!(request.url, URL.1);
    assert_eq!(request.content_type, "application/json; charset=utf-8");
    let expected = [
        ("X-Team", "ml"),
        ("Authorization", "Bearer x"),
        ("webhook-id", "00112233445566778899aabbccddeeff"),
        ("webhook-timestamp", "1700000000"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(request.headers, expected);
    let body = testing::json(&request);
    let mut alert = json!(message().entries[0].alert);
    alert["notice"] = json!("new");
    assert_eq!(
        body,
        json!({
            "schema": 1,
            "id": "00112233445566778899aabbccddeeff",
            "group": "ffeeddccbbaa99887766554433221100",
            "test": false,
            "alerts": [alert],
        })
    );
}

#[test]
fn a_signature_is_of_the_very_body() {
    let request = webhook(&[("signing-key", KEY)])
        .request(&message())
        .unwrap();
    let (_, signature) = request.headers.last().unwrap();
    let id = "00112233445566778899aabbccddeeff";
    let expected = signature::sign(KEY, id, 1_700_000_000, &request.body).unwrap();
    assert_eq!(*signature, expected);

    let error = webhook(&[("signing-key", "canary")]).request(&message());
    assert!(error.err().unwrap().0.contains("whsec_"));
}

#[test]
fn runwatch_tells_all_of_a_message() {
    let many = body("runwatch", &as_test(testing::many(3)));
    assert_eq!(many["alerts"].as_array().unwrap().len(), 3);
    assert_eq!(many["test"], true);
    assert_eq!(body("runwatch", &ended())["alerts"][0]["notice"], "ended");
    let over = body("runwatch", &testing::resolved());
    assert_eq!(over["alerts"][0]["state"], "resolved");
    assert_eq!(webhook(&[]).batch(), 20);
}

#[test]
fn rlwatch() {
    assert_eq!(
        body("rlwatch", &message()),
        json!({
            "detector": "non-finite",
            "severity": "critical",
            "step": 2404,
            "run_id": "train",
            "message": "loss was 2.31 at step 2403 and is NaN at step 2404.",
            "recommendation": "Stop the run, go back to the last good checkpoint, and lower the \
                learning rate.",
            "metrics": {"loss": "NaN", "last": 2.31},
            "timestamp": "2023-11-14T22:13:20+00:00",
        })
    );
    let over = body("rlwatch", &ended());
    assert_eq!(over["severity"], "info");
    let text = over["message"].as_str().unwrap();
    assert!(text.starts_with("ENDED: The run ended while this was firing. "));
    let sink = webhook(&[("payload", "rlwatch")]);
    assert!(sink.batch() == 1 && !sink.takes_resolved());
}

#[test]
fn trackio() {
    assert_eq!(
        body("trackio", &message()),
        json!({
            "level": "error",
            "title": "loss is NaN",
            "text": "loss was 2.31 at step 2403 and is NaN at step 2404.\nWhat to do: Stop the \
                run, go back to the last good checkpoint, and lower the learning rate.",
            "project": "default",
            "run": "train",
            "step": 2404,
            "timestamp": "2023-11-14T22:13:20+00:00",
        })
    );
    let over = body("trackio", &as_test(testing::resolved()));
    assert_eq!(over["level"], "info");
    assert_eq!(over["title"], "[TEST] RESOLVED: loss is NaN");
    assert_eq!(webhook(&[("payload", "trackio")]).batch(), 1);
}

#[test]
fn alertmanager() {
    let firing = body("alertmanager-v4", &testing::many(2));
    assert_eq!(firing["version"], "4");
    assert_eq!(firing["status"], "firing");
    assert_eq!(
        firing["groupLabels"],
        json!({"project": "default", "run": "train"})
    );
    assert_eq!(firing["commonLabels"]["alertname"], "non-finite");
    assert!(firing["commonLabels"]["severity"].is_null());
    assert!(firing["commonAnnotations"]["title"].is_null());
    let [first, second] = firing["alerts"].as_array().unwrap().as_slice() else {
        panic!("two alerts");
    };
    assert_eq!(first["endsAt"], "0001-01-01T00:00:00Z");
    assert_eq!(second["labels"]["severity"], "critical");
    assert_eq!(first["fingerprint"].as_str().unwrap().len(), 16);

    let over = body("alertmanager-v4", &testing::resolved());
    assert_eq!(over["status"], "resolved");
    assert_eq!(over["alerts"][0]["endsAt"], "2023-11-14T22:13:20Z");
    assert_eq!(over["alerts"][0]["fingerprint"], first["fingerprint"]);
    assert_eq!(body("alertmanager-v4", &ended())["status"], "firing");
}

#[test]
fn a_template_instead() {
    let sink = webhook(&[
        ("template", "{{ alert.label }} {{ alert.title }}"),
        ("content-type", "text/plain"),
    ]);
    let request = sink.request(&message()).unwrap();
    assert_eq!(request.body, b"CRITICAL loss is NaN");
    assert_eq!(request.content_type, "text/plain; charset=utf-8");
    assert_eq!(sink.batch(), 1);
}

#[test]
fn the_plain_form_is_short() {
    let long = "x".repeat(5000);
    for payload in ["runwatch", "rlwatch", "trackio", "alertmanager-v4"] {
        let plain = body(payload, &testing::plain(testing::saying(&long)));
        let rich = body(payload, &testing::saying(&long));
        assert!(plain.to_string().len() < rich.to_string().len());
    }
    let plain = body("runwatch", &testing::plain(message()));
    assert_eq!(plain["alerts"][0]["values"], json!({}));
}

#[test]
fn hostile_texts_are_data() {
    for payload in ["rlwatch", "trackio", "alertmanager-v4"] {
        for text in testing::HOSTILE {
            let body = body(payload, &testing::saying(text)).to_string();
            assert!(
                !body.contains('\u{202e}') && !body.contains("\\u001b"),
                "{body}"
            );
        }
    }
}

#[test]
fn mistakes_of_the_configuration() {
    let fails = |given: &[(&str, &str)], why: &str| {
        let error = made(given).err().unwrap();
        assert!(error.contains(why), "{error}");
    };
    fails(&[("headers", "X Y=1")], "cannot be the name");
    fails(&[("headers", "Webhook-Id=1")], "set by runwatch");
    fails(&[("headers", "Content-Type=x/y")], "set `content-type`");
    fails(&[("template", "x"), ("payload", "rlwatch")], "exclude");
    fails(&[("content-type", "text/plain")], "is for a `template`");
    fails(&[("template", "{{ nothing }}")], "line 1");

    let smuggled = webhook(&[("headers", "X-Y=a\r\nX-Z: b")]).request(&message());
    assert!(smuggled.err().unwrap().0.contains("`X-Y`"));
}

#[test]
fn verdicts() {
    let verdict = |status, body: &str| webhook(&[]).verdict(&answer(status, body)).name();
    for body in [
        "",
        "ok",
        r#"{"ok":true}"#,
        r#"{"success":true,"error":null,"errors":[],"errcode":0}"#,
        r#"[{"error":"of another"}]"#,
    ] {
        assert_eq!(verdict(200, body), "delivered", "{body}");
    }
    assert_eq!(verdict(204, ""), "delivered");
    assert_eq!(verdict(202, ""), "accepted");
    for body in [
        r#"{"ok":false}"#,
        r#"{"success":false}"#,
        r#"{"error":"no such channel"}"#,
        r#"{"errors":["x"]}"#,
        r#"{"errcode":310000,"errmsg":"sign"}"#,
        r#"{"status":"error"}"#,
        "\n<!DOCTYPE html><form>log in</form>",
        "<html>",
    ] {
        assert_eq!(verdict(200, body), "rejected", "{body}");
    }
    for status in [301, 401, 403, 404, 405, 410] {
        assert_eq!(verdict(status, ""), "broken", "{status}");
    }
    for status in [400, 413, 415, 422] {
        assert_eq!(verdict(status, ""), "rejected", "{status}");
    }
    for status in [408, 425, 500, 502, 503, 504] {
        assert_eq!(verdict(status, ""), "transient", "{status}");
    }
    assert_eq!(verdict(429, ""), "throttled");
}

#[test]
fn whoever_says_when_is_believed() {
    for status in [429, 502, 503, 504] {
        let date = [("retry-after", "Tue, 14 Nov 2023 22:14:20 GMT")];
        for header in [date, [("retry-after", "60")]] {
            let outcome = webhook(&[]).verdict(&with_header(status, "", &header));
            assert!(
                matches!(outcome, Outcome::Throttled { after: Some(after), .. } if after.as_secs() == 60),
                "{status}"
            );
        }
    }
}
