#![allow(clippy::unwrap_used)]

use super::*;
use crate::deliver::sinks::{self, Made, testing};

fn found(environment: &[(&str, &str)]) -> Result<Vec<Found>, String> {
    sinks(&|name| {
        let set = environment.iter().find(|(known, _)| *known == name);
        set.map(|(_, value)| OsString::from(value))
    })
}

fn one(environment: &[(&str, &str)]) -> Found {
    let mut found = found(environment).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// The settings as a section of the configuration.
fn section(found: &Found) -> Vec<String> {
    let lines = found.settings.iter();
    lines
        .map(|(key, value)| format!("{key} = {value}"))
        .collect()
}

#[test]
fn nothing_stands_for_nothing() {
    assert_eq!(found(&[]).unwrap(), []);
    let half = [
        ("TRACKIO_WEBHOOK_URL", " "),
        ("TRACKIO_WEBHOOK_MIN_LEVEL", "error"),
        ("RLWATCH_SMTP_HOST", "mail.example"),
        ("RLWATCH_WEBHOOK_TEMPLATE", "{}"),
        ("FALLBACK_ALERT_TELEGRAM_BOT_TOKEN", "t"),
    ];
    assert_eq!(found(&half).unwrap(), []);
}

#[test]
fn trackio_recognises_the_service() {
    for (url, kind) in [
        ("https://hooks.slack.com/services/T/B/canary", "slack"),
        ("https://discord.com/api/webhooks/1/canary", "discord"),
        ("https://discordapp.com/api/webhooks/1/canary", "discord"),
    ] {
        let found = one(&[("TRACKIO_WEBHOOK_URL", url)]);
        assert_eq!((found.name, found.kind), ("trackio", kind));
        assert_eq!(section(&found), [r#"url = "env:TRACKIO_WEBHOOK_URL""#]);
        assert_eq!(found.min_severity, None);
        assert!(!format!("{found:?}").contains("canary"));
    }
    let other = one(&[("TRACKIO_WEBHOOK_URL", "https://hooks.example/x")]);
    assert_eq!(other.kind, "webhook");
    assert_eq!(
        section(&other),
        [
            r#"payload = "trackio""#,
            r#"url = "env:TRACKIO_WEBHOOK_URL""#
        ]
    );
}

#[test]
fn trackio_levels() {
    let with = |level| {
        let url = ("TRACKIO_WEBHOOK_URL", "https://hooks.example/x");
        found(&[url, ("TRACKIO_WEBHOOK_MIN_LEVEL", level)])
    };
    for (level, severity) in [
        ("info", Severity::Info),
        ("warn", Severity::Warning),
        ("ERROR", Severity::Critical),
    ] {
        assert_eq!(with(level).unwrap()[0].min_severity, Some(severity));
    }
    assert!(
        with("fatal")
            .unwrap_err()
            .contains("`info`, `warn` or `error`")
    );
}

#[test]
fn rlwatch() {
    let all = found(&[
        ("RLWATCH_SLACK_WEBHOOK_URL", "https://hooks.slack.com/x"),
        ("RLWATCH_SLACK_CHANNEL", "#ml"),
        ("RLWATCH_DISCORD_WEBHOOK_URL", "https://discord.com/x"),
        ("RLWATCH_WEBHOOK_URL", "https://hooks.example/x"),
    ])
    .unwrap();
    let seen: Vec<_> = all.iter().map(|f| (f.name, f.kind, section(f))).collect();
    let reference = |name: &str| format!("url = \"env:RLWATCH_{name}WEBHOOK_URL\"");
    let payload = r#"payload = "rlwatch""#.to_owned();
    assert_eq!(
        seen,
        [
            ("rlwatch-slack", "slack", vec![reference("SLACK_")]),
            ("rlwatch-discord", "discord", vec![reference("DISCORD_")]),
            ("rlwatch-webhook", "webhook", vec![payload, reference("")]),
        ]
    );
}

#[test]
fn rlwatch_mail() {
    let least = one(&[("RLWATCH_EMAIL_TO", "a@x.org, b@x.org,")]);
    assert_eq!(
        section(&least),
        [
            r#"encryption = "starttls""#,
            r#"server = "smtp.gmail.com:587""#,
            r#"to = ["a@x.org", "b@x.org"]"#,
        ]
    );
    let whole = [
        ("RLWATCH_EMAIL_TO", "a@x.org"),
        ("RLWATCH_EMAIL_FROM", "me@x.org"),
        ("RLWATCH_SMTP_HOST", "mail.x.org"),
        ("RLWATCH_SMTP_PORT", "2525"),
        ("RLWATCH_SMTP_USER", "me"),
        ("RLWATCH_SMTP_PASSWORD", "canary"),
    ];
    assert_eq!(
        section(&one(&whole)),
        [
            r#"encryption = "starttls""#,
            r#"from = "me@x.org""#,
            r#"password = "env:RLWATCH_SMTP_PASSWORD""#,
            r#"server = "mail.x.org:2525""#,
            r#"to = ["a@x.org"]"#,
            r#"user = "me""#,
        ]
    );
    let port = [
        ("RLWATCH_EMAIL_TO", "a@x.org"),
        ("RLWATCH_SMTP_PORT", "smtp"),
    ];
    assert!(found(&port).unwrap_err().contains("RLWATCH_SMTP_PORT"));
}

#[test]
fn the_fallback_plugin_needs_both() {
    let both = one(&[
        ("FALLBACK_ALERT_TELEGRAM_BOT_TOKEN", "canary"),
        ("FALLBACK_ALERT_TELEGRAM_CHAT_ID", "-100123"),
        ("TELEGRAM_BOT_TOKEN", "other"),
    ]);
    assert_eq!((both.name, both.kind), ("fallback-telegram", "telegram"));
    assert_eq!(
        section(&both),
        [
            r#"chat = "-100123""#,
            r#"token = "env:FALLBACK_ALERT_TELEGRAM_BOT_TOKEN""#,
        ]
    );
    let fork = one(&[
        ("TELEGRAM_BOT_TOKEN", "t"),
        ("TELEGRAM_HOME_CHANNEL", "@ml"),
    ]);
    assert_eq!(
        section(&fork),
        [r#"chat = "@ml""#, r#"token = "env:TELEGRAM_BOT_TOKEN""#]
    );
}

#[test]
fn a_template_of_rlwatch_says_the_same_here() {
    let python = r#"{"text": "[${severity_upper}] ${detector} at ${step}: ${message}",
        "price": "$$5", "run": "$run_id", "m": ${metrics_json}, "at": "${timestamp}"}"#;
    let found = one(&[
        ("RLWATCH_WEBHOOK_URL", "https://hooks.example/x"),
        ("RLWATCH_WEBHOOK_TEMPLATE", python),
    ]);
    let kind = sinks::kind(found.kind).unwrap();
    let template = found.settings["template"].as_str().unwrap();
    let settings = testing::settings(kind, &[("url", "https://x"), ("template", template)]);
    let Ok(Made::Service(service)) = (kind.make)(&settings) else {
        panic!("the template is refused: {template}");
    };
    let body = testing::json(&service.request(&testing::message()).unwrap());
    assert_eq!(
        body,
        serde_json::json!({
            "text": "[CRITICAL] non-finite at 2404: \
                loss was 2.31 at step 2403 and is NaN at step 2404.",
            "price": "$5",
            "run": "train",
            "m": {"loss": null, "last": 2.31},
            "at": "2023-11-14T22:13:20Z",
        })
    );
    assert_eq!(service.batch(), 1);
}
