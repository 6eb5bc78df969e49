#![allow(clippy::unwrap_used)]

use super::super::testing::{self, answer, message, settings};
use super::*;
use crate::deliver::Notice;

const URL: &str = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=K";
/// Bytes of a text of Markdown.
const MARKDOWN: usize = 4096;

fn with(more: &[(&str, &str)]) -> WeCom {
    let mut given = vec![("url", URL)];
    given.extend(more);
    WeCom::new(&settings(&KIND, &given)).unwrap()
}

fn body(message: &Message) -> Value {
    testing::json(&with(&[]).request(message).unwrap())
}

fn markdown_of(message: &Message) -> String {
    let body = body(message);
    body["markdown"]["content"].as_str().unwrap().to_owned()
}

#[test]
fn a_critical() {
    let request = with(&[]).request(&message()).unwrap();
    assert_eq!(request.url, URL);
    assert_eq!(testing::json(&request)["msgtype"], "markdown");
    assert_eq!(
        markdown_of(&message()),
        "**<font color=\"warning\">🔴 CRITICAL: loss is NaN (run train, step 2404)</font>**\n\n\
         loss was 2.31 at step 2403 and is NaN at step 2404.\n\
         > **What to do:** Stop the run, go back to the last good checkpoint, and lower the \
         learning rate.\n\
         loss: NaN · last: 2.31\n\
         <font color=\"comment\">Run: train · Step: 2404 · Rank: 3 · Detector: non-finite · Host: \
         gpu-7 · Log: train.log:17</font>\n\n\
         <font color=\"comment\">runwatch · 001122334455</font>"
    );
}

#[test]
fn what_is_over_and_what_is_told_again() {
    let over = markdown_of(&testing::resolved());
    assert!(over.starts_with("**<font color=\"info\">🟢 RESOLVED: "));
    assert!(!over.contains("What to do"));
    let mut ended = message();
    ended.entries[0].notice = Notice::Ended;
    let ended = markdown_of(&ended);
    assert!(ended.starts_with("**<font color=\"comment\">⚪ ENDED: "));
    assert!(ended.contains("The run ended while this was firing. "));
}

#[test]
fn several_alerts_the_worst_first() {
    let three = markdown_of(&testing::many(3));
    assert!(three.contains("🔴 3 alerts, worst CRITICAL: trouble 1"));
    let place = |headline: &str| three.find(headline).unwrap();
    assert!(place("**🔴 CRITICAL: trouble 1") < place("**🟠 WARNING: trouble 0"));
    let usual = markdown_of(&testing::many(with(&[]).batch()));
    assert!(!usual.contains("more: WARNING: trouble "));
    let many = markdown_of(&testing::many(100));
    let more = format!("and {} more: ", 100 - many.matches("What to do").count());
    assert!(many.contains(&more) && many.len() <= MARKDOWN, "{many}");
}

#[test]
fn plain_and_test() {
    let mut message = testing::plain(message());
    message.test = true;
    let body = body(&message);
    assert_eq!(body["msgtype"], "text");
    let text = body["text"]["content"].as_str().unwrap();
    assert!(text.starts_with("[TEST] CRITICAL: loss is NaN"));
    assert_eq!(body["text"]["mentioned_list"], json!([]));
}

#[test]
fn only_the_operator_calls_people_and_only_for_criticals() {
    let wecom = with(&[("mention", "zhang.san,li-si")]);
    let body = |message: &Message| testing::json(&wecom.request(message).unwrap());
    assert!(
        body(&message())
            .to_string()
            .contains("<@zhang.san><@li-si>")
    );
    let plain = body(&testing::plain(message()));
    assert_eq!(
        plain["text"]["mentioned_list"],
        json!(["zhang.san", "li-si"])
    );
    assert!(!body(&testing::resolved()).to_string().contains("<@"));
    let wrong = settings(&KIND, &[("url", URL), ("mention", "a> <@b")]);
    assert!(WeCom::new(&wrong).is_err());
}

#[test]
fn limits_hold_and_nothing_is_markup_whatever_the_text() {
    let names = vec!["x".repeat(super::super::mentions::NAME_CHARS); MENTIONS].join(",");
    let crowded = with(&[("mention", &names)]);
    for hostile in testing::HOSTILE {
        let mut several = testing::many(6);
        several
            .entries
            .fill(testing::saying(hostile).entries[0].clone());
        for message in [testing::saying(hostile), several] {
            let body = testing::json(&crowded.request(&message).unwrap());
            let text = body["markdown"]["content"].as_str().unwrap();
            assert!(text.len() <= MARKDOWN, "{}", text.len());
            assert!(text.ends_with("runwatch · 001122334455</font>"));
            assert!(!text.contains("](") && !text.contains('`') && !text.contains("*bold*"));
            let tags = text.matches('<').count();
            let ours = ["<font color=\"", "</font>", "<@xxx", "<\u{200b}"];
            let known: usize = ours.iter().map(|tag| text.matches(tag).count()).sum();
            assert_eq!(tags, known, "{text}");
        }
        let plain = body(&testing::plain(testing::saying(hostile)));
        let text = plain["text"]["content"].as_str().unwrap();
        assert!(text.len() <= PLAIN && !text.contains("<@") && !text.contains("@all"));
    }
}

#[test]
fn verdicts() {
    let wecom = with(&[]);
    for (status, body, outcome) in [
        (200, r#"{"errcode":0,"errmsg":"ok"}"#, "delivered"),
        (200, r#"{"errcode":-1,"errmsg":"system busy"}"#, "transient"),
        (
            200,
            r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#,
            "throttled",
        ),
        (
            200,
            r#"{"errcode":45033,"errmsg":"too many calls"}"#,
            "throttled",
        ),
        (
            200,
            r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#,
            "broken",
        ),
        (
            200,
            r#"{"errcode":40058,"errmsg":"content exceed max length"}"#,
            "rejected",
        ),
        (200, r#"{"errcode":77777,"errmsg":"new"}"#, "rejected"),
        (200, r#"{"errmsg":"ok"}"#, "rejected"),
        (200, "<html>a captive portal</html>", "rejected"),
        (404, "", "broken"),
        (429, "", "throttled"),
        (502, r#"{"errcode":0}"#, "transient"),
    ] {
        let verdict = wecom.verdict(&answer(status, body));
        assert_eq!(verdict.name(), outcome, "{status} {body}");
        if let Outcome::Throttled {
            after: Some(after), ..
        } = verdict
        {
            assert_eq!(after, Duration::from_secs(60));
        }
    }
}
