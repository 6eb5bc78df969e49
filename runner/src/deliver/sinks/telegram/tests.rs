#![allow(clippy::unwrap_used)]

use super::super::testing::{self, answer, message, settings, with_header};
use super::*;
use crate::deliver::Notice;

fn telegram() -> Telegram {
    with(&[])
}

fn with(more: &[(&str, &str)]) -> Telegram {
    let mut given = vec![("token", "123:abc"), ("chat", "-100777")];
    given.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    given.extend(more);
    Telegram::new(&settings(&KIND, &given)).unwrap()
}

fn body(message: &Message) -> Value {
    testing::json(&telegram().request(message).unwrap())
}

/// What an entity covers, by the unit of Telegram.
fn covered(body: &Value, entity: &Value) -> String {
    let units: Vec<u16> = body["text"].as_str().unwrap().encode_utf16().collect();
    let place = |name: &str| usize::try_from(entity[name].as_u64().unwrap()).unwrap();
    String::from_utf16(&units[place("offset")..][..place("length")]).unwrap()
}

#[test]
fn a_critical() {
    let request = telegram().request(&message()).unwrap();
    assert_eq!(
        request.url,
        "https://api.telegram.org/bot123:abc/sendMessage"
    );
    let body = testing::json(&request);
    assert_eq!(body["chat_id"], -100_777);
    assert_eq!(body["disable_notification"], false);
    assert_eq!(body["link_preview_options"]["is_disabled"], true);
    assert!(body.get("parse_mode").is_none() && body.get("message_thread_id").is_none());
    assert_eq!(
        body["text"],
        "🔴 CRITICAL: loss is NaN (run train, step 2404)\n\
         loss was 2.31 at step 2403 and is NaN at step 2404.\n\
         👉 What to do: Stop the run, go back to the last good checkpoint, and lower the learning \
         rate.\n\
         loss: NaN · last: 2.31\n\
         Run: train · Step: 2404 · Rank: 3 · Detector: non-finite · Host: gpu-7 · Log: \
         train.log:17\n\n\
         runwatch · 001122334455"
    );
    let styled: Vec<(String, String)> = body["entities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entity| (entity["type"].to_string(), covered(&body, entity)))
        .collect();
    let found = |style: &str, text: &str| {
        let wanted = |(its, covers): &(String, String)| its.contains(style) && covers == text;
        assert!(styled.iter().any(wanted), "{style} {text}: {styled:?}");
    };
    found("bold", "CRITICAL: loss is NaN (run train, step 2404)");
    found(
        "bold",
        "👉 What to do: Stop the run, go back to the last good checkpoint, and lower the learning \
         rate.",
    );
    found("code", "train.log:17");
    found("code", "loss: NaN · last: 2.31");
    found("italic", "runwatch · 001122334455");
}

#[test]
fn where_it_goes() {
    let telegram = with(&[
        ("chat", "@my_channel"),
        ("thread", "42"),
        ("server", "https://bots.example/"),
    ]);
    let request = telegram.request(&message()).unwrap();
    assert_eq!(request.url, "https://bots.example/bot123:abc/sendMessage");
    let body = testing::json(&request);
    assert_eq!(body["chat_id"], "@my_channel");
    assert_eq!(body["message_thread_id"], 42);
    let wrong = settings(&KIND, &[("token", "1"), ("chat", "my channel")]);
    assert!(Telegram::new(&wrong).is_err());
}

#[test]
fn only_what_is_critical_now_makes_a_sound() {
    assert_eq!(body(&message())["disable_notification"], false);
    assert_eq!(body(&testing::resolved())["disable_notification"], true);
    let mut warning = message();
    warning.entries[0].alert.severity = Severity::Warning;
    assert_eq!(body(&warning)["disable_notification"], true);
}

#[test]
fn what_is_over_and_what_is_told_again() {
    let over = body(&testing::resolved());
    let text = over["text"].as_str().unwrap();
    assert!(text.starts_with("🟢 RESOLVED: loss is NaN"), "{text}");
    assert!(!text.contains("What to do"));
    let mut ended = message();
    ended.entries[0].notice = Notice::Ended;
    let ended = body(&ended);
    let text = ended["text"].as_str().unwrap();
    assert!(text.starts_with("⚪ ENDED: ") && text.contains("The run ended while"));
}

#[test]
fn several_alerts_the_worst_first() {
    let body = body(&testing::many(3));
    let text = body["text"].as_str().unwrap();
    assert!(text.starts_with("🔴 3 alerts, worst CRITICAL: trouble 1"));
    let order: Vec<_> = [
        "🔴 CRITICAL: trouble 1",
        "🟠 WARNING: trouble 0",
        "🟠 WARNING: trouble 2",
    ]
    .map(|line| text.find(line).unwrap())
    .into();
    assert!(order.is_sorted(), "{text}");
}

#[test]
fn what_has_no_room_is_counted() {
    let body = body(&testing::many(40));
    let text = body["text"].as_str().unwrap();
    let shown = text.matches("What to do").count();
    assert!(shown >= 6, "{shown}");
    assert!(text.contains(&format!("and {} more: WARNING: trouble ", 40 - shown)));
    assert!(utf16(text) <= TEXT);
    // The server ignores what is beyond a hundred.
    assert!(body["entities"].as_array().unwrap().len() <= 100);
}

#[test]
fn a_usual_batch_has_room() {
    let batch = body(&testing::many(telegram().batch())).to_string();
    assert!(!batch.contains("more: WARNING: trouble "));
}

#[test]
fn plain_and_test() {
    let plain = body(&testing::plain(message()));
    assert!(plain.get("entities").is_none());
    assert!(plain["text"].as_str().unwrap().starts_with("CRITICAL: "));
    let mut test = message();
    test.test = true;
    let test = body(&test);
    assert!(
        test["text"]
            .as_str()
            .unwrap()
            .starts_with("🔴 [TEST] CRITICAL")
    );
}

#[test]
fn limits_hold_and_nobody_is_called_whatever_the_text() {
    for text in testing::HOSTILE {
        let mut several = testing::many(8);
        several
            .entries
            .fill(testing::saying(text).entries[0].clone());
        for message in [
            testing::saying(text),
            testing::plain(testing::saying(text)),
            several,
        ] {
            let body = body(&message);
            let text = body["text"].as_str().unwrap();
            assert!(utf16(text) <= TEXT, "{}", utf16(text));
            assert!(text.ends_with("runwatch · 001122334455"));
            assert!(!text.contains("@e") && !text.contains("@a") && !text.contains("@u"));
            assert!(!text.contains('\u{202e}') && !text.contains('\0'));
            for entity in body["entities"].as_array().into_iter().flatten() {
                let covered = covered(&body, entity);
                assert_eq!(covered.trim(), covered);
            }
        }
    }
}

#[test]
fn a_group_that_moved_is_followed_once() {
    let telegram = telegram();
    let moved = answer(
        400,
        r#"{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a
            supergroup chat","parameters":{"migrate_to_chat_id":-1009}}"#
            .replace('\n', " ")
            .as_str(),
    );
    let first = telegram.verdict(&moved);
    assert!(matches!(&first, Outcome::Transient(why) if why.contains("-1009")));
    let again = testing::json(&telegram.request(&message()).unwrap());
    assert_eq!(again["chat_id"], -1009);
    assert_eq!(telegram.verdict(&moved).name(), "broken");
}

#[test]
fn verdicts() {
    let telegram = telegram();
    let refused = |code: u16, description: &str| {
        format!(r#"{{"ok":false,"error_code":{code},"description":"{description}"}}"#)
    };
    let sent = telegram.verdict(&answer(200, r#"{"ok":true,"result":{"message_id":7}}"#));
    assert!(matches!(sent, Outcome::Delivered { remote: Some(id) } if id == "7"));
    for (status, body, outcome) in [
        (200, r#"{"ok":true}"#.to_owned(), "rejected"),
        (200, "<html>a captive portal</html>".to_owned(), "rejected"),
        (
            200,
            refused(403, "Forbidden: bot was blocked by the user"),
            "broken",
        ),
        (400, refused(400, "Bad Request: chat not found"), "broken"),
        (
            400,
            refused(400, "Bad Request: user is deactivated"),
            "broken",
        ),
        (
            400,
            refused(400, "Bad Request: message thread not found"),
            "broken",
        ),
        (
            400,
            refused(400, "Bad Request: can't parse entities"),
            "rejected",
        ),
        (
            400,
            refused(400, "Bad Request: message is too long"),
            "rejected",
        ),
        (401, refused(401, "Unauthorized"), "broken"),
        (403, refused(403, "Forbidden: bot was kicked"), "broken"),
        (404, refused(404, "Not Found"), "broken"),
        (409, refused(409, "Conflict"), "transient"),
        (500, refused(500, "Internal Server Error"), "transient"),
        (502, "<html>".to_owned(), "transient"),
        (302, String::new(), "broken"),
    ] {
        let verdict = telegram.verdict(&answer(status, &body));
        assert_eq!(verdict.name(), outcome, "{status} {body}");
    }
}

#[test]
fn a_flood_says_how_long() {
    let telegram = telegram();
    let after = |answer: &Answer| match telegram.verdict(answer) {
        Outcome::Throttled { after, .. } => after.map(|after| after.as_secs()),
        other => panic!("{other:?}"),
    };
    let flood = r#"{"ok":false,"error_code":429,"parameters":{"retry_after":35}}"#;
    assert_eq!(after(&answer(429, flood)), Some(35));
    assert_eq!(after(&answer(200, flood)), Some(35));
    assert_eq!(
        after(&with_header(429, "", &[("retry-after", "3")])),
        Some(3)
    );
}
