#![allow(clippy::unwrap_used)]

use super::super::testing::{self, answer, message, settings};
use super::*;
use crate::deliver::Notice;

const URL: &str = "https://open.feishu.cn/open-apis/bot/v2/hook/T";

fn with(more: &[(&str, &str)]) -> Feishu {
    let mut given = vec![("url", URL)];
    given.extend(more);
    Feishu::new(&settings(&KIND, &given)).unwrap()
}

fn body(message: &Message) -> Value {
    testing::json(&with(&[]).request(message).unwrap())
}

fn title(body: &Value) -> &str {
    body["card"]["header"]["title"]["content"].as_str().unwrap()
}

/// Every text of a card, with its tag.
fn texts(value: &Value, found: &mut Vec<(String, String)>) {
    if let (Some(tag), Some(content)) = (value["tag"].as_str(), value["content"].as_str()) {
        found.push((tag.to_owned(), content.to_owned()));
    }
    let inner: Vec<&Value> = match value {
        Value::Array(parts) => parts.iter().collect(),
        Value::Object(parts) => parts.values().collect(),
        _ => Vec::new(),
    };
    inner.into_iter().for_each(|part| texts(part, found));
}

fn shown(body: &Value) -> Vec<String> {
    let mut found = Vec::new();
    texts(&body["card"]["elements"], &mut found);
    found.into_iter().map(|(_, text)| text).collect()
}

#[test]
fn the_signature_is_in_the_body() {
    assert_eq!(
        signature("demo", 100),
        "jquNHnVOwmDRfw+vqTIrY5dooJAgi5EcRtLsQE4wfXg="
    );
    let mut message = message();
    message.at = 100_999;
    let request = with(&[("secret", "demo")]).request(&message).unwrap();
    assert_eq!(request.url, URL);
    let signed = testing::json(&request);
    assert_eq!(signed["timestamp"], "100");
    assert_eq!(
        signed["sign"],
        "jquNHnVOwmDRfw+vqTIrY5dooJAgi5EcRtLsQE4wfXg="
    );
    assert!(body(&message).get("sign").is_none());
}

#[test]
fn a_critical() {
    let body = body(&message());
    assert_eq!(body["msg_type"], "interactive");
    assert_eq!(body["card"]["header"]["template"], "red");
    assert_eq!(
        title(&body),
        "🔴 CRITICAL: loss is NaN (run train, step 2404)"
    );
    assert_eq!(
        shown(&body),
        [
            "loss was 2.31 at step 2403 and is NaN at step 2404.",
            "**👉 What to do**",
            "Stop the run, go back to the last good checkpoint, and lower the learning rate.",
            "loss: NaN · last: 2.31",
            "Run: train",
            "Step: 2404",
            "Rank: 3",
            "Detector: non-finite",
            "Host: gpu-7",
            "Log: train.log:17",
            "runwatch · 001122334455",
        ]
    );
}

#[test]
fn what_is_over_and_what_is_told_again() {
    let over = body(&testing::resolved());
    assert_eq!(over["card"]["header"]["template"], "green");
    assert!(title(&over).starts_with("🟢 RESOLVED: "));
    assert!(!shown(&over).iter().any(|text| text.contains("What to do")));
    let mut ended = message();
    ended.entries[0].notice = Notice::Ended;
    let ended = body(&ended);
    assert_eq!(ended["card"]["header"]["template"], "grey");
    assert!(shown(&ended)[0].starts_with("The run ended while this was firing. "));
}

#[test]
fn several_alerts_the_worst_first() {
    let three = body(&testing::many(3));
    assert!(title(&three).starts_with("🔴 3 alerts, worst CRITICAL: trouble 1"));
    let texts = shown(&three);
    assert!(texts[0].starts_with("🔴 CRITICAL: trouble 1"));
    assert!(texts.iter().any(|text| text.contains("trouble 2")));
    let many = body(&testing::many(100));
    assert!(many.to_string().len() <= 20_000);
    let texts = shown(&many);
    let headlines = texts
        .iter()
        .filter(|text| text.contains("(run train") && !text.starts_with("and "));
    let more = format!("and {} more: WARNING: trouble ", 100 - headlines.count());
    assert!(texts.iter().any(|text| text.starts_with(&more)), "{more}");
}

#[test]
fn a_usual_batch_has_room() {
    let batch = body(&testing::many(with(&[]).batch())).to_string();
    assert!(!batch.contains("more: WARNING: trouble "));
}

#[test]
fn plain_and_test() {
    let mut message = testing::plain(message());
    message.test = true;
    let body = body(&message);
    assert_eq!(body["msg_type"], "text");
    let text = body["content"]["text"].as_str().unwrap();
    assert!(text.starts_with("[TEST] CRITICAL: loss is NaN"));
}

#[test]
fn only_the_operator_calls_people_and_only_for_criticals() {
    let feishu = with(&[("mention", "ou_1,all")]);
    let request = |message: &Message| testing::json(&feishu.request(message).unwrap()).to_string();
    assert!(request(&message()).contains("<at id=ou_1></at> <at id=all></at>"));
    assert!(request(&testing::plain(message())).contains(r#"<at user_id=\"all\"></at>"#));
    assert!(!request(&testing::resolved()).contains("<at"));
    let wrong = settings(&KIND, &[("url", URL), ("mention", "a></at><at id=all")]);
    assert!(Feishu::new(&wrong).is_err());
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
            assert!(crowded.request(&message).unwrap().body.len() <= 20_000);
            let body = body(&message);
            let mut found = Vec::new();
            texts(&body, &mut found);
            let marked = found.iter().filter(|(tag, _)| tag != "plain_text");
            marked.for_each(|(_, text)| assert_eq!(text, "**👉 What to do**"));
        }
        let plain = body(&testing::plain(testing::saying(hostile)));
        let text = plain["content"]["text"].as_str().unwrap();
        assert!(text.len() <= PLAIN && !text.contains("<at"), "{text}");
        assert!(text.ends_with("runwatch · 001122334455"));
    }
}

#[test]
fn verdicts() {
    let feishu = with(&[]);
    for (status, body, outcome) in [
        (200, r#"{"code":0,"msg":"success","data":{}}"#, "delivered"),
        (
            200,
            r#"{"StatusCode":0,"StatusMessage":"success"}"#,
            "rejected",
        ),
        (200, "<html>a captive portal</html>", "rejected"),
        (200, r#"{"code":9499,"msg":"Bad Request"}"#, "rejected"),
        (400, r#"{"code":9499,"msg":"Bad Request"}"#, "rejected"),
        (200, r#"{"code":19001,"msg":"token invalid"}"#, "broken"),
        (200, r#"{"code":19021,"msg":"sign match fail"}"#, "broken"),
        (200, r#"{"code":19022,"msg":"Ip Not Allowed"}"#, "broken"),
        (
            200,
            r#"{"code":19024,"msg":"Key Words Not Found"}"#,
            "broken",
        ),
        (
            200,
            r#"{"code":11232,"msg":"frequency limited"}"#,
            "throttled",
        ),
        (
            400,
            r#"{"code":99991400,"msg":"frequency limit"}"#,
            "throttled",
        ),
        (200, r#"{"code":77777,"msg":"new"}"#, "rejected"),
        (404, r#"{"code":77777,"msg":"new"}"#, "broken"),
        (429, "", "throttled"),
        (500, r#"{"code":0}"#, "transient"),
    ] {
        let verdict = feishu.verdict(&answer(status, body));
        assert_eq!(verdict.name(), outcome, "{status} {body}");
    }
}
