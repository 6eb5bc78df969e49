//! What becomes of what was posted.

// A test that was skipped must be seen to have been.
#![allow(clippy::print_stderr)]

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use super::super::{PATIENCE, fresh};
use super::{TOKEN, call, fallback, hook, ingest};
use crate::server::Server;
use crate::support::fields;

#[cfg(unix)]
#[test]
fn what_is_posted_becomes_alerts_in_the_ledger_and_at_a_sink() {
    let (_folder, ledger) = fresh();
    let server = Server::content();
    let service = ingest(&ledger, "", &hook(server.port));
    let reply = service.post("/ingest", &fallback("s1"));
    assert_eq!((reply.status, reply.json()), (202, json!({"accepted": 2})));
    let alerts = service.alerts(1);
    assert_eq!(
        fields(&alerts, &["project", "run", "detector", "state", "title"]),
        ["default api fallback firing Fallback to other/m"]
    );
    let message = alerts[0]["message"].as_str().unwrap();
    assert!(message.contains("Session s1 began with usual/m and is now answered by other/m"));
    assert!(message.ends_with("platform: telegram, finish_reason: length."));
    assert!(server.next().contains("Fallback to other/m"));
    // The way back is told, too, in a later body of the same session.
    assert_eq!(service.post("/ingest", &call("s1", "usual")).status, 202);
    assert_eq!(service.alerts(2)[1]["state"], "resolved");
    let runs = service.until("/api/runs", |it| it["runs"][0]["rows"] == 3);
    assert_eq!(runs["runs"][0]["state"], "live");
    let stderr = service.end();
    for told in [
        "Fallback to other/m",
        "Back to usual/m",
        "runwatch: ingest/default/api: 3 records in 3 lines",
        "runwatch: 1 alert",
    ] {
        assert!(stderr.contains(told), "{told}: {stderr}");
    }
    assert!(server.next().contains("Back to usual/m"));
}

#[cfg(unix)]
#[test]
fn projects_runs_and_their_sessions_are_apart() {
    let (_folder, ledger) = fresh();
    let service = ingest(&ledger, "", "");
    for (path, provider) in [
        ("/ingest?project=shop&run=web", "usual"),
        ("/ingest?project=shop&run=mail", "other"),
        ("/ingest?project=forum&run=web", "third"),
        ("/ingest?project=shop", "fourth"),
        ("/ingest", "fifth"),
        ("/ingest?project=forum&run=web", "other"),
        // Who names a run in a record means one of the same project.
        ("/ingest?project=shop&run=mail", "other"),
    ] {
        assert_eq!(service.post(path, &call("s1", provider)).status, 202);
    }
    let own =
        "{\"run\": \"web\", \"session_id\": \"s1\", \"provider\": \"sixth\", \"model\": \"m\"}";
    assert_eq!(service.post("/ingest?project=shop", own).status, 202);
    assert_eq!(
        fields(&service.alerts(2), &["project", "run", "title"]),
        [
            "forum web Fallback to other/m",
            "shop web Fallback to sixth/m"
        ]
    );
    let answer = service.until("/api/runs", |it| {
        it["runs"].as_array().is_some_and(|runs| runs.len() == 5)
    });
    let mut runs = fields(answer["runs"].as_array().unwrap(), &["project", "run"]);
    runs.sort();
    assert_eq!(
        runs,
        [
            "default api",
            "forum web",
            "shop api",
            "shop mail",
            "shop web"
        ]
    );
    service.end();
}

#[cfg(unix)]
#[test]
fn more_services_than_are_remembered_lose_no_record() {
    let (_folder, ledger) = fresh();
    let service = ingest(&ledger, "", "[decode]\nmax-runs = 300\n");
    for number in 0..300 {
        let reply = service.post(&format!("/ingest?run=r{number}"), &call("s1", "usual"));
        assert_eq!(reply.status, 202, "{number}: {}", reply.body);
    }
    let reply = service.post("/ingest?run=one-more", &call("s1", "usual"));
    assert_eq!(reply.status, 507, "{}", reply.body);
    // A run whose input was given up is the same run.
    assert_eq!(
        service.post("/ingest?run=r0", &call("s1", "other")).status,
        202
    );
    assert_eq!(fields(&service.alerts(1), &["run"]), ["r0"]);
    service.end();
}

#[cfg(unix)]
#[test]
fn thousands_of_sessions_come_and_go() {
    let (_folder, ledger) = fresh();
    let service = ingest(&ledger, "", "");
    for batch in 0..20 {
        let mut body = String::new();
        for session in 0..1000 {
            body += &call(&format!("s{batch}-{session}"), "usual");
        }
        // Nobody is a session together.
        for provider in ["usual", "other"] {
            writeln!(body, "{{\"provider\": \"{provider}\", \"model\": \"m\"}}").unwrap();
        }
        assert_eq!(service.post("/ingest", &body).status, 202);
    }
    // One that is long forgotten begins anew, one that is not is known. (4096
    // are remembered.)
    let last = call("s0-0", "other") + &call("s19-999", "other");
    assert_eq!(service.post("/ingest", &last).status, 202);
    let alerts = service.alerts(1);
    let message = alerts[0]["message"].as_str().unwrap();
    assert!(message.starts_with("Session s19-999 began"), "{message}");
    let stderr = service.end();
    assert!(stderr.contains("runwatch: 1 alert"), "{stderr}");
}

#[cfg(unix)]
#[test]
fn an_outage_for_all_sessions_is_told_in_a_few_alerts() {
    let (_folder, ledger) = fresh();
    let service = ingest(&ledger, "", "");
    for provider in ["usual", "other", "usual"] {
        let calls = (0..500).map(|session| call(&format!("s{session}"), provider));
        let body: String = calls.collect();
        assert_eq!(service.post("/ingest", &body).status, 202);
    }
    // Five by themselves, the others together twice, and the end of each.
    let alerts = service.alerts(13);
    let many = "Fallback of many sessions to other/m";
    assert_eq!(alerts.iter().filter(|it| it["title"] == many).count(), 1);
    assert_eq!(alerts[12]["state"], "resolved");
    let stderr = service.end();
    assert!(stderr.contains("runwatch: 7 alerts"), "{stderr}");
}

/// A sink that takes its time, or fails, keeps neither the service waiting nor
/// later alerts back.
#[cfg(unix)]
#[test]
fn a_sink_that_fails_is_tried_again_and_nobody_waits_for_it() {
    let (_folder, ledger) = fresh();
    let requests = Arc::new(AtomicUsize::new(0));
    let (count, (go_on, gate)) = (requests.clone(), channel::<()>());
    let gate = Arc::new(Mutex::new(gate));
    let server = Server::http(move |_| {
        let fails = count.fetch_add(1, Ordering::Relaxed) == 0;
        if fails {
            // As long as the test wants.
            let _ = gate.lock().unwrap().recv();
        }
        let status = if fails { "503 Busy" } else { "200 OK" };
        Some(crate::server::answer(status, "", "ok"))
    });
    let service = ingest(&ledger, "", &hook(server.port));
    assert_eq!(service.post("/ingest", &fallback("s1")).status, 202);
    let begin = Instant::now();
    while requests.load(Ordering::Relaxed) == 0 {
        assert!(begin.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(10));
    }
    // The sink is still busy with the first one.
    assert_eq!(service.post("/ingest", &fallback("s2")).status, 202);
    service.alerts(2);
    drop(go_on);
    server.next();
    let mut told = String::new();
    while !(told.contains("Session s1 began") && told.contains("Session s2 began")) {
        told += &server.next();
    }
    service.end();
}

#[cfg(unix)]
#[test]
fn what_was_accepted_is_watched_and_sent_before_the_end() {
    let (_folder, ledger) = fresh();
    let server = Server::content();
    let config = format!("[detectors.fallback]\ncrowd = 1000\n{}", hook(server.port));
    let service = ingest(&ledger, "", &config);
    let bodies: Vec<String> = (0..40).map(|at| fallback(&format!("s{at}"))).collect();
    for body in &bodies {
        assert_eq!(service.post("/ingest", body).status, 202);
    }
    let stderr = service.end();
    assert!(stderr.contains("80 records in 80 lines"), "{stderr}");
    assert!(stderr.contains("runwatch: 40 alerts"), "{stderr}");
    let heard = server.unheard().concat();
    for session in 0..40 {
        let told = format!("Session s{session} began");
        assert!(heard.contains(&told), "{told}");
    }
}

#[cfg(unix)]
#[test]
fn bad_lines_are_counted_and_the_others_watched() {
    let (_folder, ledger) = fresh();
    let service = ingest(&ledger, "", "");
    let body = format!(
        "{}{{\"session_id\": 1, \"model\": }}\nnothing\n{}",
        call("s1", "usual"),
        call("s1", "other")
    );
    let reply = service.post("/ingest", &body);
    assert_eq!(reply.json(), json!({"accepted": 4}));
    service.alerts(1);
    let stderr = service.end();
    assert!(
        stderr.contains("2 records in 4 lines, 1 malformed and skipped"),
        "{stderr}"
    );
    assert!(stderr.contains("ingest/default/api:2: "), "{stderr}");
}

/// What docs/services.md says that a service and the plugin may do.
#[cfg(unix)]
#[test]
fn the_documented_plugin_reports_fallbacks() {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/services.md");
    let document = std::fs::read_to_string(document).unwrap();
    let blocks = document.split("```python\n").skip(1);
    let code: Vec<&str> = blocks.filter_map(|it| it.split("```").next()).collect();
    assert_eq!(code.len(), 2);
    let (_folder, ledger) = fresh();
    let service = ingest(&ledger, "", "");
    let spawned = Command::new("python3")
        .args(["-c", &format!("{}{AGENT}", code.concat())])
        .env("RUNWATCH_TOKEN", TOKEN)
        .env(
            "RUNWATCH_URL",
            format!("http://127.0.0.1:{}/ingest?run=hermes", service.0.port),
        )
        .stdin(Stdio::piped())
        .spawn();
    let Ok(mut agent) = spawned else {
        eprintln!("skipped: there is no python3");
        return;
    };
    assert_eq!(
        fields(&service.alerts(1), &["run", "title"]),
        ["hermes Fallback to other/m"]
    );
    drop(agent.stdin.take());
    assert!(agent.wait().unwrap().success());
    service.end();
}

/// An agent that makes two calls, and ends when it is told to.
#[cfg(unix)]
const AGENT: &str = r#"
import sys

class Agent:
    def register_hook(self, name, hook):
        assert name == "post_api_request"
        self.hook = hook

agent = Agent()
register(agent)
for provider in ("usual", "other"):
    agent.hook(session_id="s1", provider=provider, model="m", platform="telegram",
               finish_reason="stop", usage={"total": 1}, response=object())
sys.stdin.read()
"#;
