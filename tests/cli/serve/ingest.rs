//! `serve --ingest`: what services post is watched.

// A test that was skipped must be seen to have been.
#![allow(clippy::print_stderr)]

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Dashboard, PATIENCE, Reply, begin, fresh, said, serve};
use crate::server::Server;
use crate::support::{Test, fields};

const TOKEN: &str = "a-token-that-nobody-guesses";
const AUTHORIZATION: &str = "Authorization: Bearer a-token-that-nobody-guesses\r\n";
const LINES: &str = "Content-Type: application/x-ndjson\r\n";

/// A service's way to runwatch.
struct Service(Dashboard);

fn ingest(ledger: &Path, arguments: &str, config: &str) -> Service {
    // The others have nothing to do here, and take their time to load. Nor is
    // it a fault that this machine may be slow.
    let config =
        format!("[detectors]\nenable = [\"fallback\"]\n[limits]\ntimeout = \"60s\"\n{config}");
    let test = Test::new("").file("runwatch.toml", config);
    let test = test.env("TOKEN", TOKEN);
    let arguments = format!("--ingest --token env:TOKEN {arguments}");
    Service(begin(test, ledger, &arguments))
}

impl Service {
    fn post_as(&self, path: &str, headers: &str, body: impl AsRef<[u8]>) -> Reply {
        let body = body.as_ref();
        let length = format!("Content-Length: {}\r\n", body.len());
        self.raw(path, &format!("{AUTHORIZATION}{headers}{length}"), body)
    }

    fn post(&self, path: &str, body: &str) -> Reply {
        self.post_as(path, LINES, body)
    }

    fn raw(&self, path: &str, headers: &str, body: &[u8]) -> Reply {
        answer(self.begin(path, headers, body))
    }

    /// The head of a request, and as much of its body.
    fn begin(&self, path: &str, headers: &str, body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.0.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        stream
            .write_all(format!("{head}{headers}\r\n").as_bytes())
            .unwrap();
        // A server that has heard enough may have hung up.
        let _ = stream.write_all(body);
        stream
    }

    /// Asks until the answer is what is waited for.
    fn until(&self, path: &str, done: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            let answer = self.0.ask("GET", path, AUTHORIZATION, "").json();
            if done(&answer) {
                return answer;
            }
            assert!(begin.elapsed() < PATIENCE, "{path}: {answer}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for so many alerts; the oldest first.
    fn alerts(&self, count: usize) -> Vec<Value> {
        let all = |it: &Value| it["alerts"].as_array().map_or(0, Vec::len);
        let answer = self.until("/api/alerts", |it| all(it) >= count);
        let mut alerts = answer["alerts"].as_array().unwrap().clone();
        alerts.reverse();
        alerts
    }

    /// Ends it, and gives what it said.
    #[cfg(unix)]
    fn end(self) -> String {
        self.0.session.signal("TERM");
        let (status, _, stderr) = self.0.session.wait();
        assert_eq!(status.code(), Some(0), "{stderr}");
        assert!(!stderr.contains(TOKEN));
        stderr
    }
}

fn answer(mut stream: TcpStream) -> Reply {
    let mut text = Vec::new();
    // What is left of a body that is too long may be cut off with a reset.
    let _ = stream.read_to_end(&mut text);
    let text = String::from_utf8(text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).unwrap_or_default();
    Reply {
        status: status
            .parse()
            .unwrap_or_else(|_| panic!("no answer: {text}")),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// A sink on this machine that is told at once.
fn hook(port: u16) -> String {
    format!(
        "[sinks.hook]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:{port}/\"\n\
         allow-http = true\nallow-private = true\n\
         [[routes]]\nsinks = [\"hook\"]\ngroup-wait = \"0s\"\ngroup-by = [\"key\"]\n"
    )
}

fn call(session: &str, provider: &str) -> String {
    format!(
        "{{\"session_id\": \"{session}\", \"provider\": \"{provider}\", \"model\": \"m\", \
         \"platform\": \"telegram\", \"finish_reason\": \"length\"}}\n"
    )
}

/// A session that begins with one provider and goes on with another.
fn fallback(session: &str) -> String {
    call(session, "usual") + &call(session, "other")
}

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

#[test]
fn only_a_program_that_knows_the_token_may_post() {
    let (_folder, ledger) = fresh();
    let service = ingest(&ledger, "--read-only", "");
    let body = call("s1", "usual");
    let post = |headers: &str| {
        let length = format!("Content-Length: {}\r\n", body.len());
        let reply = service.raw("/ingest", &format!("{headers}{length}"), body.as_bytes());
        reply.status
    };
    let good = format!("{AUTHORIZATION}{LINES}");
    // That nothing can be silenced is no reason to watch nothing.
    assert_eq!(post(&good), 202);
    assert_eq!(
        post(&format!("{AUTHORIZATION}Content-Type: text/plain\r\n")),
        202
    );
    assert_eq!(post(LINES), 401);
    assert_eq!(
        post(&format!("Authorization: Bearer wrong\r\n{LINES}")),
        401
    );
    assert_eq!(
        post(&format!("Authorization: Basic {TOKEN}\r\n{LINES}")),
        401
    );
    for elsewhere in [
        "Origin: http://attacker.example\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
    ] {
        assert_eq!(post(&format!("{good}{elsewhere}")), 403, "{elsewhere}");
    }
    // What a browser sends by itself is not enough.
    let entered = service.0.ask("GET", &format!("/?token={TOKEN}"), "", "");
    let cookie = entered.header("set-cookie").unwrap().split(';').next();
    let cookie = format!("Cookie: {}\r\n", cookie.unwrap());
    assert_eq!(service.0.ask("GET", "/api/runs", &cookie, "").status, 200);
    assert_eq!(post(&format!("{cookie}{LINES}")), 401);
    assert_eq!(
        service.0.ask("GET", "/ingest", AUTHORIZATION, "").status,
        405
    );
    service.until("/api/runs", |it| it["runs"][0]["rows"] == 2);
}

#[test]
fn without_a_token_one_is_made_and_without_ingest_nothing_is_taken() {
    let (_folder, ledger) = fresh();
    let test = Test::new("").file("runwatch.toml", "[detectors]\nenable = [\"fallback\"]\n");
    let mut dashboard = begin(test, &ledger, "--ingest");
    let line = dashboard.session.await_stderr("Authorization: Bearer ");
    let token = line.split("Bearer ").nth(1).unwrap().split('\'').next();
    let token = token.unwrap();
    assert_eq!(token.len(), 48);
    assert_eq!(dashboard.ask("GET", "/api/runs", "", "").status, 401);
    let headers = format!("Authorization: Bearer {token}\r\n{LINES}");
    let reply = dashboard.ask("POST", "/ingest", &headers, &call("s1", "usual"));
    assert_eq!(reply.status, 202, "{}", reply.body);

    let headers = format!("{AUTHORIZATION}{LINES}");
    let reply = serve(&ledger, "").ask("POST", "/ingest", &headers, "{}");
    let (status, _, hint) = said(&reply);
    assert_eq!((status, &*hint), (404, "start `runwatch serve --ingest`"));
}

#[test]
fn a_body_that_cannot_be_taken_is_refused_with_the_reason() {
    let (_folder, ledger) = fresh();
    let service = ingest(&ledger, "--max-body 1KiB", "");
    let json = "Content-Type: application/json\r\n";
    let long = "x".repeat(1025);
    let bomb = gzip(&vec![b'\n'; 1 << 20]);
    assert!(bomb.len() < 2000);
    let packed = |encoding: &str| format!("{LINES}Content-Encoding: {encoding}\r\n");
    let cases: [(&str, &str, &[u8], u16, &str); 13] = [
        (
            "/ingest",
            LINES,
            long.as_bytes(),
            413,
            "longer than 1024 bytes",
        ),
        (
            "/ingest",
            &packed("gzip"),
            &gzip(long.as_bytes()),
            413,
            "longer than 1024",
        ),
        (
            "/ingest",
            &packed("gzip"),
            b"no gzip",
            400,
            "cannot be decompressed",
        ),
        ("/ingest", &packed("br"), b"x", 415, "encoding `br`"),
        (
            "/ingest",
            "Content-Type: application/x-www-form-urlencoded\r\n",
            b"{}",
            415,
            "x-www",
        ),
        (
            "/ingest",
            LINES,
            b"{\"a\": \"\xff\"}",
            400,
            "no UTF-8 text: see its byte 8",
        ),
        ("/ingest", LINES, b"", 400, "nothing in the body"),
        ("/ingest", LINES, b" \n\r\n", 400, "nothing in the body"),
        ("/ingest", json, b"[1, 2]", 400, "byte 2 of the JSON"),
        ("/ingest", json, b"[{\"a\": 1}", 400, "ends in the middle"),
        ("/ingest?rum=x", LINES, b"{}", 400, "no parameter `rum`"),
        ("/ingest?run=a%0Ab", LINES, b"{}", 400, "control character"),
        ("/ingest?run=a&run=b", LINES, b"{}", 400, "given twice"),
    ];
    for (path, headers, body, status, error) in cases {
        let reply = said(&service.post_as(path, headers, body));
        assert_eq!(reply.0, status, "{path} {headers} {reply:?}");
        assert!(reply.1.contains(error), "{error}: {reply:?}");
    }
    assert_eq!(
        service.post_as("/ingest", &packed("gzip"), bomb).status,
        413
    );
    let chunked = format!("{AUTHORIZATION}{LINES}Transfer-Encoding: chunked\r\n");
    assert_eq!(service.raw("/ingest", &chunked, b"0\r\n\r\n").status, 411);
    let name = "n".repeat(201);
    assert_eq!(
        service.post(&format!("/ingest?run={name}"), "{}").status,
        400
    );
    // A body that is far too long gets its answer, too.
    let reply = service.post("/ingest", &"x".repeat(3 << 20));
    assert_eq!(reply.status, 413);
}

#[test]
fn json_lists_and_compressed_bodies_are_the_same_records() {
    let (_folder, ledger) = fresh();
    let service = ingest(&ledger, "", "");
    let json = "Content-Type: application/json; charset=utf-8\r\n";
    let list = "[\n  {\"session_id\": 7, \"provider\": \"usual\"},\n  \
                {\"session_id\": 7, \"provider\": \"other\", \"cost\": NaN}\n]";
    let reply = service.post_as("/ingest?run=list", json, list);
    assert_eq!((reply.status, reply.json()), (202, json!({"accepted": 2})));
    let packed = format!("{LINES}Content-Encoding: gzip\r\n");
    let body = gzip(fallback("s1").trim_end().as_bytes());
    assert_eq!(
        service.post_as("/ingest?run=gzip", &packed, body).status,
        202
    );
    assert_eq!(
        fields(&service.alerts(2), &["run", "title"]),
        ["list Fallback to other", "gzip Fallback to other/m"]
    );
}

/// One half of a body takes the room that its other half needs.
#[cfg(unix)]
#[test]
fn who_finds_the_queue_full_comes_later() {
    let (_folder, ledger) = fresh();
    let service = ingest(&ledger, "--max-queue 2KiB", "");
    let body = format!("{}{}\n", fallback("s1"), " ".repeat(1200));
    let (first, second) = body.as_bytes().split_at(600);
    let headers = format!("{AUTHORIZATION}{LINES}Content-Length: {}\r\n", body.len());
    let mut slow = service.begin("/ingest", &headers, first);
    // The slow one is there once another is refused.
    let begin = Instant::now();
    let refused = loop {
        let reply = service.post("/ingest?run=quick", &body);
        match reply.status {
            429 => break reply,
            202 => assert!(begin.elapsed() < PATIENCE),
            other => panic!("{other}: {}", reply.body),
        }
    };
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(said(&refused).1, "the queue is full");
    slow.write_all(second).unwrap();
    assert_eq!(answer(slow).status, 202);
    // There is room again, when what was taken has been watched.
    let begin = Instant::now();
    while service.post("/ingest?run=late", &body).status != 202 {
        assert!(begin.elapsed() < PATIENCE);
    }
    service.end();
}

#[cfg(unix)]
#[test]
fn half_a_body_is_none_and_holds_nobody_up() {
    let (_folder, ledger) = fresh();
    let service = ingest(&ledger, "", "");
    let headers = format!("{AUTHORIZATION}{LINES}Content-Length: 10000\r\n");
    let half = fallback("half");
    let hanging: Vec<TcpStream> = (0..20)
        .map(|_| service.begin("/ingest", &headers, half.as_bytes()))
        .collect();
    // Nor does the half of a head.
    let mut head = TcpStream::connect(("127.0.0.1", service.0.port)).unwrap();
    head.write_all(b"POST /ingest HTTP/1.1\r\nHost: loc")
        .unwrap();
    assert_eq!(service.post("/ingest", &fallback("whole")).status, 202);
    assert_eq!(service.alerts(1).len(), 1);
    drop(hanging);
    assert_eq!(service.post("/ingest", &call("last", "usual")).status, 202);
    let stderr = service.end();
    assert!(stderr.contains("3 records in 3 lines"), "{stderr}");
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
    let config = format!("[detector.fallback]\ncrowd = 1000\n{}", hook(server.port));
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

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
