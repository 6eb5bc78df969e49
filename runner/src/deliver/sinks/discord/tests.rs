#![allow(clippy::unwrap_used)]

use super::super::testing::{self, answer, message, settings, with_header};
use super::*;

const URL: &str = "https://discord.com/api/webhooks/1/x";

fn discord(more: &[(&str, &str)]) -> Discord {
    let given = [&[("url", URL)], more].concat();
    Discord::new(&settings(&KIND, &given)).unwrap()
}

fn body(message: &Message) -> Value {
    let sink = discord(&[("mention-role", "42")]);
    testing::json(&sink.request(message).unwrap())
}

/// Discord's limits, and that nothing but the role can ping.
fn check(body: &Value) {
    assert_eq!(body["allowed_mentions"]["parse"], json!([]));
    let content = body["content"].as_str().unwrap_or_default();
    assert!(utf16(content) <= 2000);
    let told = content.strip_prefix("<@&42> ").unwrap_or(content);
    assert!(!told.contains("@e") && !told.contains("@h"), "{told}");
    let none = Vec::new();
    let embeds = body["embeds"].as_array().unwrap_or(&none);
    assert!(embeds.len() <= 10);
    let mut sum = 0;
    let mut measure = |text: &Value, limit: usize| {
        let text = text.as_str().unwrap();
        assert!(!text.trim().is_empty() && utf16(text) <= limit, "{text}");
        sum += utf16(text);
    };
    for embed in embeds {
        if let Some(title) = embed.get("title") {
            measure(title, 256);
        }
        if embed["description"] != Value::Null {
            measure(&embed["description"], 4096);
        }
        if let Some(footer) = embed.get("footer") {
            measure(&footer["text"], 2048);
        }
        let fields = embed["fields"].as_array().unwrap_or(&none);
        assert!(fields.len() <= 25);
        for field in fields {
            measure(&field["name"], 256);
            measure(&field["value"], 1024);
        }
    }
    assert!(sum <= 6000, "{sum}");
}

#[test]
fn a_critical_pings_the_role() {
    let body = body(&message());
    check(&body);
    assert_eq!(
        body["content"],
        "<@&42> CRITICAL: loss is NaN (run train, step 2404)"
    );
    assert_eq!(
        body["allowed_mentions"],
        json!({"parse": [], "roles": ["42"]})
    );
    let embed = &body["embeds"][0];
    assert_eq!(
        embed["title"],
        "🔴 CRITICAL: loss is NaN (run train, step 2404)"
    );
    assert_eq!(
        embed["description"],
        "loss was 2.31 at step 2403 and is NaN at step 2404."
    );
    assert_eq!(embed["color"], 0xd9_2d_20);
    let fields = embed["fields"].as_array().unwrap();
    let names: Vec<_> = fields.iter().map(|field| &field["name"]).collect();
    assert_eq!(
        names,
        [
            "What to do",
            "Values",
            "Run",
            "Step",
            "Rank",
            "Detector",
            "Host",
            "Log"
        ]
    );
    assert_eq!(fields[1]["value"], "loss: NaN · last: 2.31");
    assert_eq!(embed["footer"]["text"], "runwatch · 001122334455");
}

#[test]
fn nothing_else_pings() {
    let quiet = json!({"parse": []});
    let mut warning = message();
    warning.entries[0].alert.severity = Severity::Warning;
    let mut test = message();
    test.test = true;
    for message in [testing::resolved(), warning, test] {
        let body = body(&message);
        assert_eq!(body["allowed_mentions"], quiet);
        assert!(body.get("content").is_none());
    }
    let none = testing::json(&discord(&[]).request(&message()).unwrap());
    assert_eq!(none["allowed_mentions"], quiet);
    let plain = body(&testing::plain(message()));
    assert!(
        plain["content"]
            .as_str()
            .unwrap()
            .starts_with("<@&42> CRITICAL")
    );
}

#[test]
fn the_address() {
    let request = discord(&[("thread-id", "7")]).request(&message()).unwrap();
    assert_eq!(request.url, format!("{URL}?wait=true&thread_id=7"));
    let given = [("url", "https://discord.com/api/webhooks/1/x?a=b")];
    let sink = Discord::new(&settings(&KIND, &given)).unwrap();
    assert!(
        sink.request(&message())
            .unwrap()
            .url
            .ends_with("?a=b&wait=true")
    );
    for (key, id) in [
        ("thread-id", "7&wait=false"),
        ("mention-role", "@everyone"),
        ("mention-role", ""),
        ("mention-role", "+1"),
    ] {
        let refused = Discord::new(&settings(&KIND, &[("url", URL), (key, id)]));
        assert!(refused.err().unwrap().contains(key));
    }
}

#[test]
fn what_is_over_says_so_and_a_test_is_marked() {
    let over = &body(&testing::resolved())["embeds"][0];
    assert_eq!(
        over["title"],
        "🟢 RESOLVED: loss is NaN (run train, step 2404)"
    );
    assert_ne!(over["fields"][0]["name"], "What to do");
    let mut test = message();
    test.test = true;
    let title = body(&test)["embeds"][0]["title"].clone();
    assert!(title.as_str().unwrap().starts_with("🔴 [TEST] CRITICAL"));
}

#[test]
fn many_alerts_have_an_embed_each_and_the_rest_is_counted() {
    let three = body(&testing::many(3));
    check(&three);
    assert_eq!(three["embeds"].as_array().unwrap().len(), 3);
    assert!(
        three["content"]
            .as_str()
            .unwrap()
            .starts_with("<@&42> 3 alerts, worst CRITICAL: trouble 1")
    );
    let title = three["embeds"][1]["title"].as_str().unwrap();
    assert!(title.starts_with("🟠 WARNING: trouble 0"));

    let many = body(&testing::many(12));
    check(&many);
    let rest = many["embeds"][9]["description"].as_str().unwrap();
    assert!(rest.starts_with("and 3 more: WARNING: trouble 9"));
}

#[test]
fn plain_is_text_alone() {
    let body = body(&testing::plain(testing::resolved()));
    assert!(body.get("embeds").is_none());
    assert_eq!(body["flags"], 4);
    let text = body["content"].as_str().unwrap();
    assert!(text.starts_with("RESOLVED: loss is NaN"));
}

#[test]
fn limits_hold_and_nobody_is_paged_whatever_the_text() {
    for text in testing::HOSTILE {
        let hostile = testing::saying(text);
        check(&body(&hostile));
        check(&body(&testing::plain(hostile.clone())));
        let mut many = hostile;
        many.entries = vec![many.entries[0].clone(); 20];
        check(&body(&many));
    }
    check(&body(&testing::saying("")));
}

#[test]
fn markup_is_shown_as_it_is_written() {
    assert_eq!(
        escaped("**a_b** [x](https://e) <@&1> @here"),
        "\\*\\*a\\_b\\*\\* [x]\\(https://e) \\<@\u{200b}&1\\> @\u{200b}here"
    );
}

#[test]
fn verdicts() {
    let table = [
        (200, r#"{"id":"123","type":0}"#, "delivered"),
        (204, "", "accepted"),
        (200, "", "rejected"),
        (200, "<html>a captive portal</html>", "rejected"),
        (301, "", "broken"),
        (
            400,
            r#"{"message":"Invalid Form Body","code":50035}"#,
            "rejected",
        ),
        (
            400,
            r#"{"message":"Cannot send an empty message","code":50006}"#,
            "rejected",
        ),
        (400, r#"{"embeds":["0"]}"#, "rejected"),
        (
            400,
            r#"{"message":"forum channels need a thread","code":220001}"#,
            "broken",
        ),
        (
            400,
            r#"{"message":"Thread is archived","code":50083}"#,
            "broken",
        ),
        (
            401,
            r#"{"message":"Invalid Webhook Token","code":50027}"#,
            "broken",
        ),
        (
            403,
            r#"{"message":"Missing Permissions","code":50013}"#,
            "broken",
        ),
        (
            404,
            r#"{"message":"Unknown Webhook","code":10015}"#,
            "broken",
        ),
        (
            404,
            r#"{"message":"Unknown Channel","code":10003}"#,
            "broken",
        ),
        (
            429,
            r#"{"message":"You are being rate limited.","retry_after":0.5,"global":false}"#,
            "throttled",
        ),
        (429, "error code: 1015", "throttled"),
        (400, r#"{"message":"slowmode","code":20016}"#, "throttled"),
        (500, "", "transient"),
        (502, "<html>", "transient"),
        (503, "", "transient"),
    ];
    for (status, body, name) in table {
        let verdict = discord(&[]).verdict(&answer(status, body));
        assert_eq!(verdict.name(), name, "{status} {body}");
    }
    let remote = Some("123".to_owned());
    let sent = discord(&[]).verdict(&answer(200, r#"{"id":"123"}"#));
    assert_eq!(sent, Outcome::Delivered { remote });
}

#[test]
fn the_time_to_wait_has_three_places() {
    let after = |answer| match discord(&[]).verdict(&answer) {
        Outcome::Throttled { after, .. } => after.unwrap().as_millis(),
        other => panic!("{other:?}"),
    };
    let body = r#"{"retry_after":64.57,"global":true}"#;
    assert_eq!(
        after(with_header(429, body, &[("retry-after", "65")])),
        64_570
    );
    assert_eq!(
        after(with_header(429, "", &[("retry-after", "65")])),
        65_000
    );
    let header = [("x-ratelimit-reset-after", "1.25")];
    assert_eq!(after(with_header(429, "", &header)), 1250);
}
