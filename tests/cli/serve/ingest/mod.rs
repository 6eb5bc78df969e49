//! `serve --ingest`: what services post is watched.

mod answers;
mod watched;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Dashboard, PATIENCE, Reply, begin};
use crate::support::Test;

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

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
