//! `runwatch serve`: the dashboard, as browsers and programs meet it.

mod access;
mod answers;
mod changes;
mod ingest;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use runwatch::exit;
use serde_json::Value;
use tempfile::TempDir;

use crate::server::Server;
use crate::support::{Session, Test};

/// A test that hangs is a test that fails; nothing is ever this slow.
const PATIENCE: Duration = Duration::from_secs(120);

/// Steps from 0 on, of which the last two print NaN.
fn records(steps: i64) -> String {
    let mut text = String::new();
    for step in 0..steps {
        let loss = match step >= steps - 2 {
            true => "NaN".to_owned(),
            false => format!("{}", 2.0 - step as f64 / 100.0),
        };
        writeln!(text, "{{\"step\": {step}, \"loss\": {loss}, \"lr\": 0.5}}").unwrap();
    }
    text
}

fn watch(ledger: &Path, run: &str, config: &str, code: u8) {
    Test::new("--plain --quiet --project p --run")
        .argument(run)
        .argument("--ledger")
        .argument(ledger)
        .file("runwatch.toml", config)
        .stdin(records(40))
        .any_stdout()
        .any_stderr()
        .code(code)
        .run();
}

/// A ledger with a run in which a loss was NaN, of which a file was told and a
/// service that does not answer was not.
fn past() -> &'static Path {
    static PAST: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = PAST.get_or_init(|| {
        let (folder, path) = fresh();
        watch(&path, "r", &sinks(Server::nobody()), exit::DELIVERY);
        (folder, path)
    });
    path
}

fn fresh() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    (folder, path)
}

fn sinks(port: u16) -> String {
    format!(
        "[delivery]\nflush = \"1s\"\n[sinks.archive]\ntype = \"file\"\npath = \"all.jsonl\"\n\
         [sinks.hook]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:{port}/secret-path\"\n\
         allow-http = true\nallow-private = true\n\
         [[routes]]\nsinks = [\"archive\", \"hook\"]\ngroup-wait = \"0s\"\n"
    )
}

/// A server that answers until the test ends.
struct Dashboard {
    session: Session,
    port: u16,
}

struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(given, _)| given.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }
}

fn serve(ledger: &Path, arguments: &str) -> Dashboard {
    begin(Test::new("").file("runwatch.toml", ""), ledger, arguments)
}

fn begin(test: Test, ledger: &Path, arguments: &str) -> Dashboard {
    let test = test.arguments("serve --listen 127.0.0.1:0 --ledger");
    let mut session = test.argument(ledger).arguments(arguments).start();
    let line = session.await_stderr("serving http://127.0.0.1:");
    let port = line.split("127.0.0.1:").nth(1).unwrap();
    let port = port.split('/').next().unwrap().parse().unwrap();
    Dashboard { session, port }
}

impl Dashboard {
    /// HTTP 1.0: the answer comes in one piece and ends with the connection.
    fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let host = match headers.contains("Host: ") {
            true => String::new(),
            false => format!("Host: 127.0.0.1:{}\r\n", self.port),
        };
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.0\r\n{host}{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(head.as_bytes()).unwrap();
        BufReader::new(stream)
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Reply {
        let mut text = Vec::new();
        // A body that is too long may be cut off with a reset.
        let _ = self
            .send(method, path, headers, body)
            .read_to_end(&mut text);
        let text = String::from_utf8(text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply {
            status,
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    fn get(&self, path: &str) -> Value {
        let reply = self.ask("GET", path, "", "");
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        reply.json()
    }

    /// The status, the error and the hint.
    fn refused(&self, path: &str) -> (u16, String, String) {
        said(&self.ask("GET", path, "", ""))
    }

    fn post(&self, path: &str, body: &Value) -> Reply {
        let kind = "Content-Type: application/json\r\n";
        self.ask("POST", path, kind, &body.to_string())
    }

    /// Asks until the answer is what is waited for.
    fn until(&self, path: &str, done: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            let answer = self.get(path);
            if done(&answer) {
                return answer;
            }
            assert!(begin.elapsed() < PATIENCE, "{path}: {answer}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn said(reply: &Reply) -> (u16, String, String) {
    let json = reply.json();
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    (reply.status, text("error"), text("hint"))
}

fn names(object: &Value) -> Vec<&str> {
    let names = object.as_object().unwrap().keys();
    names.map(String::as_str).collect()
}

fn words(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    words.sort_unstable();
    words
}

/// The next event of this name, and its number.
fn event(stream: &mut BufReader<TcpStream>, wanted: &str) -> (Value, String) {
    let (mut name, mut data, mut id) = (String::new(), String::new(), String::new());
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "no {wanted}");
        let line = line.trim_end();
        if line.is_empty() && name == wanted {
            return (serde_json::from_str(&data).unwrap(), id);
        }
        match line.split_once(": ") {
            Some(("event", it)) => name = it.to_owned(),
            Some(("data", it)) => data = it.to_owned(),
            Some(("id", it)) => id = it.to_owned(),
            _ => {}
        }
    }
}

/// Reads up to a line that contains this.
fn read_up_to(stream: &mut BufReader<TcpStream>, text: &str) {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0, "no {text}");
    }
}
