#![allow(clippy::unwrap_used)]

use super::super::testing::{self, answer, message, settings};
use super::*;
use crate::deliver::Notice;

const URL: &str = "https://oapi.dingtalk.com/robot/send?access_token=T";

fn with(more: &[(&str, &str)]) -> DingTalk {
    let mut given = vec![("url", URL)];
    given.extend(more);
    DingTalk::new(&settings(&KIND, &given)).unwrap()
}

fn body(message: &Message) -> Value {
    testing::json(&with(&[]).request(message).unwrap())
}

fn text(body: &Value) -> &str {
    let text = &body["markdown"]["text"];
    text.as_str().or(body["text"]["content"].as_str()).unwrap()
}

#[test]
fn the_signature_is_encoded_once() {
    for (secret, at, sign) in [
        (
            "SECdemo",
            1_599_360_473_000,
            "tGWkA5eQOQNCNPDgphtxIoNLO%2B%2FgD8Lcb705KQoRzeY%3D",
        ),
        (
            "SECabc",
            1_700_000_000_123,
            "IqXBU%2FaLfwMA3S%2FtDcfRmHx5vWHw9Y1aOgFLBr1Ti9w%3D",
        ),
    ] {
        let mut message = message();
        message.at = at;
        let request = with(&[("secret", secret)]).request(&message).unwrap();
        assert_eq!(request.url, format!("{URL}&timestamp={at}&sign={sign}"));
    }
    assert_eq!(with(&[]).request(&message()).unwrap().url, URL);
}

#[test]
fn a_critical() {
    let body = body(&message());
    assert_eq!(body["msgtype"], "markdown");
    assert_eq!(
        body["markdown"]["title"],
        "CRITICAL: loss is NaN (run train, step 2404)"
    );
    assert_eq!(
        text(&body),
        "#### 🔴 CRITICAL: loss is NaN (run train, step 2404)\n\n\
         loss was 2.31 at step 2403 and is NaN at step 2404.\n\n\
         > **What to do:** Stop the run, go back to the last good checkpoint, and lower the \
         learning rate.\n\n\
         loss: NaN · last: 2.31\n\n\
         Run: train · Step: 2404 · Rank: 3 · Detector: non-finite · Host: gpu-7 · Log: \
         train.log:17\n\n\
         runwatch · 001122334455"
    );
    assert_eq!(
        body["at"],
        json!({"atMobiles": [], "atUserIds": [], "isAtAll": false})
    );
}

#[test]
fn what_is_over_and_what_is_told_again() {
    let over = body(&testing::resolved());
    assert!(text(&over).starts_with("#### 🟢 RESOLVED: "));
    assert!(!text(&over).contains("What to do"));
    let mut again = message();
    again.entries[0].notice = Notice::Reminder;
    assert!(text(&body(&again)).contains("Still firing. loss was"));
}

#[test]
fn several_alerts_the_worst_first() {
    let three = body(&testing::many(3));
    assert_eq!(
        three["markdown"]["title"],
        "3 alerts, worst CRITICAL: trouble 1 (run train, step 2404)"
    );
    let place = |headline: &str| text(&three).find(headline).unwrap();
    assert!(place("**🔴 CRITICAL: trouble 1") < place("**🟠 WARNING: trouble 0"));
    let many = body(&testing::many(200));
    assert!(many.to_string().len() <= 20_000);
    assert!(text(&many).contains("more: WARNING: trouble "));
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
    assert_eq!(body["msgtype"], "text");
    assert!(text(&body).starts_with("[TEST] CRITICAL: loss is NaN"));
}

#[test]
fn only_the_operator_calls_people_and_only_for_criticals() {
    let dingtalk = with(&[("mention", "13900001111,manager42,all")]);
    let body = testing::json(&dingtalk.request(&message()).unwrap());
    assert_eq!(
        body["at"],
        json!({"atMobiles": ["13900001111"], "atUserIds": ["manager42"], "isAtAll": true})
    );
    assert!(text(&body).ends_with("@13900001111 @manager42 @all"));
    let over = testing::json(&dingtalk.request(&testing::resolved()).unwrap());
    assert_eq!(over["at"]["isAtAll"], false);
    assert!(!text(&over).contains('@'));
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
        let rich = testing::saying(hostile);
        for message in [testing::plain(rich.clone()), rich, several] {
            assert!(crowded.request(&message).unwrap().body.len() <= 20_000);
            let body = body(&message);
            let text = text(&body);
            assert!(text.ends_with("runwatch · 001122334455"));
            for call in ["@everyone", "@all", "@channel", "@here"] {
                assert!(!text.contains(call), "{text}");
            }
            if message.form == Form::Rich {
                assert!(!text.contains('<') && !text.contains("](") && !text.contains("![i]"));
                assert!(!text.contains(" *bold*") && !text.contains("```"));
            }
        }
    }
}

#[test]
fn verdicts() {
    let dingtalk = with(&[]);
    for (code, text, outcome) in [
        (0, "ok", "delivered"),
        (310_000, "keywords not in content", "broken"),
        (
            130_101,
            "send too fast, exceed 20 times per minute",
            "throttled",
        ),
        (410_100, "throttled", "throttled"),
        (999_001, "send too fast", "throttled"),
        (999_002, "exceed the limit", "throttled"),
        (999_003, "something new", "rejected"),
        (300_001, "token is not exist", "broken"),
        (300_005, "token is not exist", "broken"),
        (400_101, "token is not exist", "broken"),
        (400_106, "robot is not exist", "broken"),
        (400_013, "group disbanded", "broken"),
        (400_102, "robot stopped", "broken"),
        (40_035, "invalid parameter", "rejected"),
        (43_004, "invalid content type", "rejected"),
        (460_101, "message too long, exceed 20000 bytes", "rejected"),
        (-1, "system busy", "transient"),
    ] {
        let body = format!(r#"{{"errcode":{code},"errmsg":"{text}"}}"#);
        let verdict = dingtalk.verdict(&answer(200, &body));
        assert_eq!(verdict.name(), outcome, "{body}");
        if let Outcome::Throttled { after, .. } = verdict {
            assert_eq!(after, Some(Duration::from_secs(60)));
        }
    }
    for (status, body, outcome) in [
        (200, "<html>a captive portal</html>", "rejected"),
        (200, r#"{"errmsg":"ok"}"#, "rejected"),
        (403, "", "broken"),
        (429, "", "throttled"),
        (502, r#"{"errcode":0}"#, "transient"),
    ] {
        let verdict = dingtalk.verdict(&answer(status, body));
        assert_eq!(verdict.name(), outcome, "{status} {body}");
    }
}
