//! Services that call a model: their events through standard input and files.
//!
//! Each fault of the Hermes plugin that told of fallbacks has a test here, in
//! the detector's own tests or in `serve/ingest.rs`.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;

use serde_json::Value;

use crate::support::{Test, alerts, fields};

/// An event as a service writes it down, with what else it may hold.
fn event(session: &str, provider: &str, model: &str, more: &str) -> String {
    format!(
        "{{\"session_id\": {session}, \"provider\": \"{provider}\", \"model\": \"{model}\", \
         \"platform\": \"telegram\", \"finish_reason\": \"stop\"{more}}}\n"
    )
}

/// The alerts that a watch of this writes to its file.
fn watched(config: &str, events: &str) -> Vec<Value> {
    let config =
        format!("[detectors]\nenable = [\"fallback\"]\n[file]\npath = \"alerts.jsonl\"\n{config}");
    let output = Test::new("--quiet --run r")
        .file("runwatch.toml", config)
        .stdin(events)
        .any_stdout()
        .any_stderr()
        .run();
    assert_eq!(output.text(), events, "what passes through is unchanged");
    let path = output.folder.path().join("alerts.jsonl");
    alerts(&std::fs::read_to_string(path).unwrap())
}

fn brief(alerts: &[Value]) -> Vec<String> {
    fields(alerts, &["state", "step", "title"])
}

#[test]
fn a_fallback_another_one_and_the_way_back_are_told() {
    let events = [
        event("\"s1\"", "anthropic", "claude", ""),
        event("\"s2\"", "anthropic", "claude", ""),
        event("\"s1\"", "openai", "gpt", ""),
        event("\"s1\"", "groq", "llama", ""),
        event("\"s1\"", "anthropic", "claude", ""),
    ];
    let alerts = watched("", &events.concat());
    assert_eq!(
        brief(&alerts),
        [
            "firing 3 Fallback to openai/gpt",
            "resolved 4 No longer openai/gpt",
            "firing 4 Fallback to groq/llama",
            "resolved 5 Back to anthropic/claude"
        ]
    );
    assert_eq!(
        alerts[0]["message"],
        "Session s1 began with anthropic/claude and is now answered by openai/gpt (provider and \
         model). platform: telegram, finish_reason: stop."
    );
}

#[test]
fn who_names_no_session_is_none() {
    let mut events = String::new();
    for provider in ["anthropic", "openai"] {
        events += &event("null", provider, "m", "");
        events += &event("\"\"", provider, "m", "");
        writeln!(events, "{{\"provider\": \"{provider}\", \"model\": \"m\"}}").unwrap();
    }
    assert_eq!(watched("", &events), Vec::<Value>::new());
    // A number is a name.
    let events = event("7", "anthropic", "m", "") + &event("7", "openai", "m", "");
    assert_eq!(
        brief(&watched("", &events)),
        ["firing 2 Fallback to openai/m"]
    );
}

#[test]
fn a_session_may_begin_with_a_fallback() {
    let config = "[detectors.fallback]\nfallbacks = [\"groq/*\"]\n";
    let events = event("1", "groq", "llama", "") + &event("1", "anthropic", "claude", "");
    let alerts = watched(config, &events);
    assert_eq!(
        brief(&alerts),
        [
            "firing 1 Fallback to groq/llama",
            "resolved 2 Back to anthropic/claude"
        ]
    );
    let message = alerts[0]["message"].as_str().unwrap();
    assert!(message.contains("begins with groq/llama"), "{message}");
}

#[test]
fn a_clock_that_is_set_back_hides_nothing() {
    let at = |provider: &str, time: u64| event("1", provider, "m", &format!(", \"time\": {time}"));
    let now = 1_764_000_000;
    let events = [
        at("anthropic", now),
        at("openai", now + 1),
        at("anthropic", now + 2),
        at("openai", now - 7200),
    ];
    let told = watched("[alerts]\ncooldown-steps = 0\n", &events.concat());
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[2]["state"], "firing");
}

#[test]
fn what_is_in_a_name_is_text_and_nothing_else() {
    let name = "\"a_b`*[x](y)\\u001b[31m<b>\"";
    let events = event(name, "p_1", "m*", "") + &event(name, "p_2", "`m`", "");
    let alerts = watched("", &events);
    assert_eq!(brief(&alerts), ["firing 2 Fallback to p_2/`m`"]);
    let message = alerts[0]["message"].as_str().unwrap();
    assert!(message.starts_with("Session a_b`*[x](y)"), "{message}");
}

#[cfg(unix)]
#[test]
fn a_file_of_events_is_followed() {
    let test = Test::new("--plain --run r --interval 0.01 --follow events.jsonl")
        .file("runwatch.toml", "[detectors]\nenable = [\"fallback\"]\n");
    let path = test.folder().join("events.jsonl");
    std::fs::write(&path, event("1", "anthropic", "m", "")).unwrap();
    let mut session = test.start();
    session.await_stderr("following events.jsonl");
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(event("1", "openai", "m", "").as_bytes())
        .unwrap();
    let line = session.await_stderr("Fallback to openai/m");
    assert!(line.contains("platform: telegram"), "{line}");
    file.write_all(event("1", "anthropic", "m", "").as_bytes())
        .unwrap();
    session.await_stderr("Back to anthropic/m");
    session.signal("TERM");
    session.wait();
}
