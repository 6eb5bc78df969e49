#![allow(clippy::unwrap_used)]

use super::super::testing::{self, answer, message, settings, with_header};
use super::*;
use crate::deliver::Notice;

const URL: &str = "https://hooks.slack.com/services/T0/B0/x";

fn webhook() -> Slack {
    Slack::new(&settings(&KIND, &[("url", URL)])).unwrap()
}

fn bot() -> Slack {
    let given = [("token", "xoxb-1"), ("channel", "C1")];
    Slack::new(&settings(&KIND, &given)).unwrap()
}

fn body(message: &Message) -> Value {
    testing::json(&webhook().request(message).unwrap())
}

/// The texts of the blocks, in order.
fn shown(body: &Value) -> Vec<String> {
    let blocks = body["blocks"].as_array().unwrap();
    let text = |block: &Value| match block["type"].as_str().unwrap() {
        "context" => block["elements"][0]["text"].clone(),
        _ => block["text"]["text"].clone(),
    };
    let texts = blocks.iter().map(text);
    texts
        .filter_map(|text| Some(text.as_str()?.to_owned()))
        .collect()
}

/// Slack's limits, and that only our own label is markup.
fn check(body: &Value) {
    let text = body["text"].as_str().unwrap();
    assert!(!text.is_empty() && chars(text) <= TEXT && !text.contains('<'));
    let blocks = body["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50);
    let mut sum = 0;
    for block in blocks {
        let (object, limit) = match block["type"].as_str().unwrap() {
            "header" => (&block["text"], 150),
            "section" => (&block["text"], 3000),
            "context" => (&block["elements"][0], 2000),
            "divider" => continue,
            other => panic!("{other}"),
        };
        let text = object["text"].as_str().unwrap();
        assert!(!text.trim().is_empty() && chars(text) <= limit, "{text}");
        match object["type"].as_str().unwrap() {
            "plain_text" => assert_eq!(object["emoji"], false),
            _ => assert_eq!(text, "*What to do*"),
        }
        sum += chars(text);
    }
    assert!(sum <= 13_000, "{sum}");
}

#[test]
fn a_critical_through_a_webhook() {
    let request = webhook().request(&message()).unwrap();
    assert_eq!(request.url, URL);
    assert!(request.headers.is_empty());
    let body = testing::json(&request);
    check(&body);
    assert_eq!(body["text"], "CRITICAL: loss is NaN (run train, step 2404)");
    assert_eq!(
        shown(&body),
        [
            "🔴 CRITICAL: loss is NaN (run train, step 2404)",
            "loss was 2.31 at step 2403 and is NaN at step 2404.",
            "*What to do*",
            "Stop the run, go back to the last good checkpoint, and lower the learning rate.",
            "Run: train · Step: 2404 · Rank: 3 · Detector: non-finite · Host: gpu-7 · \
             Log: train.log:17\nloss: NaN · last: 2.31",
            "runwatch · 001122334455",
        ]
    );
    assert_eq!(body["unfurl_links"], false);
}

#[test]
fn a_bot_names_its_channel() {
    let request = bot().request(&message()).unwrap();
    assert_eq!(request.url, POST_MESSAGE);
    let header = ("authorization".to_owned(), "Bearer xoxb-1".to_owned());
    assert_eq!(request.headers, [header]);
    assert_eq!(testing::json(&request)["channel"], "C1");
}

#[test]
fn what_is_over_says_so_and_asks_for_nothing() {
    let over = shown(&body(&testing::resolved()));
    assert_eq!(over[0], "🟢 RESOLVED: loss is NaN (run train, step 2404)");
    assert!(!over.contains(&"*What to do*".to_owned()));
    let mut again = message();
    again.entries[0].notice = Notice::Reminder;
    assert!(shown(&body(&again))[1].starts_with("Still firing. loss was"));
}

#[test]
fn a_test_is_marked() {
    let mut test = message();
    test.test = true;
    let body = body(&test);
    assert!(shown(&body)[0].starts_with("🔴 [TEST] CRITICAL"));
    assert!(body["text"].as_str().unwrap().starts_with("[TEST]"));
}

#[test]
fn many_alerts_have_their_blocks_and_the_rest_is_counted() {
    let three = body(&testing::many(3));
    check(&three);
    let texts = shown(&three);
    assert!(texts[0].starts_with("🔴 3 alerts, worst CRITICAL: trouble 1"));
    assert!(texts[1].starts_with("🔴 CRITICAL: trouble 1 (run train, step 2404)\nloss was"));
    assert!(texts[5].starts_with("🟠 WARNING: trouble 0"));

    let many = body(&testing::many(12));
    check(&many);
    let rest = shown(&many).into_iter().rev().nth(1).unwrap();
    assert!(rest.starts_with("and 3 more: WARNING: trouble 9 (run train"));
}

#[test]
fn plain_is_text_alone() {
    let body = body(&testing::plain(testing::saying("<!here> & *x*")));
    assert!(body.get("blocks").is_none());
    assert_eq!(body["mrkdwn"], false);
    let text = body["text"].as_str().unwrap();
    assert!(text.starts_with("CRITICAL: &lt;!here&gt; &amp; *x* (run"));
}

#[test]
fn limits_hold_whatever_the_text() {
    for text in testing::HOSTILE {
        let hostile = testing::saying(text);
        check(&body(&hostile));
        let text = body(&testing::plain(hostile.clone()))["text"].clone();
        let text = text.as_str().unwrap();
        assert!(chars(text) <= TEXT && !text.contains('<'));
        assert!(!text.contains("&lt…") && !text.contains("&l…"));
        let mut many = hostile;
        many.entries = vec![many.entries[0].clone(); 20];
        check(&body(&many));
    }
    let mut empty = testing::saying("");
    empty.entries[0].alert.values.clear();
    check(&body(&empty));
}

#[test]
fn exactly_one_way_is_configured() {
    let refused = |given: &[(&str, &str)]| Slack::new(&settings(&KIND, given)).err().unwrap();
    assert!(refused(&[]).contains("`url` is missing"));
    assert!(refused(&[("channel", "C1")]).contains("`url` is missing"));
    assert!(refused(&[("token", "t")]).contains("needs a `channel`"));
    assert!(refused(&[("url", URL), ("channel", "C1")]).contains("goes with `token`"));
    let both = [("url", URL), ("token", "t"), ("channel", "C1")];
    assert!(refused(&both).contains("exclude each other"));
}

#[test]
fn verdicts_of_a_webhook() {
    let table = [
        (200, "ok", "delivered"),
        (200, "", "rejected"),
        (200, "<html>a captive portal</html>", "rejected"),
        (200, r#"{"ok":true}"#, "rejected"),
        (302, "", "broken"),
        (400, "invalid_payload", "rejected"),
        (400, "no_text", "rejected"),
        (400, "too_many_attachments", "rejected"),
        (400, "invalid_token", "broken"),
        (400, "user_not_found", "broken"),
        (403, "action_prohibited", "broken"),
        (403, "invalid_token", "broken"),
        (403, "posting_to_general_channel_denied", "broken"),
        (404, "channel_not_found", "broken"),
        (404, "no_service", "broken"),
        (404, "no_active_hooks", "broken"),
        (410, "channel_is_archived", "broken"),
        (429, "", "throttled"),
        (500, "rollup_error", "transient"),
        (503, "rollup_error", "transient"),
    ];
    for (status, body, name) in table {
        let verdict = webhook().verdict(&answer(status, body));
        assert_eq!(verdict.name(), name, "{status} {body}");
    }
}

#[test]
fn verdicts_of_the_web_api() {
    let sent = r#"{"ok":true,"channel":"C1","ts":"1503435956.000247","message":{}}"#;
    let remote = Some("C1/1503435956.000247".to_owned());
    assert_eq!(
        bot().verdict(&answer(200, sent)),
        Outcome::Delivered { remote }
    );
    for (error, name) in [
        ("invalid_blocks", "rejected"),
        ("msg_too_long", "rejected"),
        ("msg_blocks_too_long", "rejected"),
        ("no_text", "rejected"),
        ("a_new_error", "rejected"),
        ("channel_not_found", "broken"),
        ("not_in_channel", "broken"),
        ("is_archived", "broken"),
        ("invalid_auth", "broken"),
        ("token_revoked", "broken"),
        ("missing_scope", "broken"),
        ("ratelimited", "throttled"),
        ("rate_limited", "throttled"),
        ("fatal_error", "transient"),
        ("internal_error", "transient"),
    ] {
        let body = format!(r#"{{"ok":false,"error":"{error}"}}"#);
        let verdict = bot().verdict(&answer(200, &body));
        assert_eq!(verdict.name(), name, "{error}");
        assert!(verdict.why().unwrap().contains(error));
    }
    for (status, body, name) in [
        (200, "ok", "rejected"),
        (200, "{}", "rejected"),
        (200, r#"{"ok":false}"#, "rejected"),
        (429, r#"{"ok":false,"error":"ratelimited"}"#, "throttled"),
        (500, "", "transient"),
        (503, "", "transient"),
    ] {
        assert_eq!(bot().verdict(&answer(status, body)).name(), name, "{body}");
    }
}

#[test]
fn the_time_to_wait_is_in_the_header_or_in_the_body() {
    let body = r#"{"retry_after":1,"ok":false,"error":"rate_limited"}"#;
    let after = |answer| match webhook().verdict(&answer) {
        Outcome::Throttled { after, .. } => after,
        other => panic!("{other:?}"),
    };
    assert_eq!(after(answer(429, body)), Some(Duration::from_secs(1)));
    let header = with_header(429, body, &[("retry-after", "30")]);
    assert_eq!(after(header), Some(Duration::from_secs(30)));
    assert_eq!(after(answer(429, "")), None);
}
