//! `runwatch mcp`: an agent's questions, over pipes.

mod changes;
mod protocol;
mod python;
mod questions;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::streams::{Row, healthy, json as lines, with};
use crate::support::{Session, Test};

/// A ledger with a run that had a spike and then a NaN, one that was healthy,
/// and one of the same name as the first in another project.
fn past() -> &'static Path {
    static PAST: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = PAST.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        let rows = with(healthy(400), 300..=300, |row| row.loss = 60.0);
        let ill = with(rows, 350..=400, |row: &mut Row| row.loss = f64::NAN);
        let sinks = "[sinks.archive]\ntype = \"file\"\npath = \"all.jsonl\"\n\
                     [[routes]]\nsinks = [\"archive\"]\ngroup-wait = \"0s\"\n";
        watch(&path, "--run ill", sinks, &lines(&ill));
        watch(&path, "--run well", "", &lines(&healthy(200)));
        watch(&path, "--run twin", "", &lines(&healthy(20)));
        watch(
            &path,
            "--run twin --project other",
            "",
            &lines(&healthy(20)),
        );
        (folder, path)
    });
    path
}

fn watch(ledger: &Path, arguments: &str, config: &str, input: &str) {
    Test::new("--plain --quiet")
        .arguments(arguments)
        .argument("--ledger")
        .argument(ledger)
        .file("runwatch.toml", config)
        .stdin(input)
        .any_stdout()
        .any_stderr()
        .run();
}

/// A client that talks with a server.
struct Client {
    session: Session,
    id: i64,
}

/// A client of the server of that ledger.
fn client() -> Client {
    connect("mcp", past())
}

fn connect(arguments: &str, ledger: &Path) -> Client {
    let test = Test::new(arguments).argument("--ledger").argument(ledger);
    let session = test.start();
    Client { session, id: 0 }
}

impl Client {
    /// Sends a request and reads what comes next, which must be its answer.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.id += 1;
        let mut request = json!({ "jsonrpc": "2.0", "id": self.id, "method": method });
        request["params"] = params;
        let answer = self.line(&request.to_string());
        assert_eq!(answer["jsonrpc"], "2.0", "{answer}");
        assert_eq!(answer["id"], self.id, "{answer}");
        answer
    }

    fn line(&mut self, line: &str) -> Value {
        self.session.write(&format!("{line}\n"));
        let answer = self.session.read_line();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    fn result(&mut self, method: &str, params: Value) -> Value {
        let mut answer = self.ask(method, params);
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].take()
    }

    /// The error's code and message.
    fn error(&mut self, method: &str, params: Value) -> (i64, String) {
        let answer = self.ask(method, params);
        let error = &answer["error"];
        let message = error["message"].as_str().unwrap_or_default();
        (error["code"].as_i64().unwrap(), message.to_owned())
    }

    /// The outcome of a tool, and whether it could do it.
    fn outcome(&mut self, tool: &str, arguments: Value) -> (Value, bool) {
        let mut params = json!({ "name": tool });
        params["arguments"] = arguments;
        let mut result = self.result("tools/call", params);
        let answer = result["structuredContent"].take();
        // Both forms say the same.
        assert_eq!(result["content"][0]["type"], "text");
        let text = result["content"][0]["text"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), answer);
        (answer, !result["isError"].as_bool().unwrap())
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let (answer, done) = self.outcome(tool, arguments);
        assert!(done, "{tool}: {answer}");
        answer
    }

    /// What a tool could not do, and the hint.
    fn refusal(&mut self, tool: &str, arguments: Value) -> String {
        let (answer, done) = self.outcome(tool, arguments);
        assert!(!done, "{tool}: {answer}");
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        format!("{}; {}", text("error"), text("hint"))
    }

    /// Ends the server: nothing more has come, and all was well.
    fn end(self) {
        let (status, stdout, stderr) = self.session.end();
        assert_eq!((stdout.as_str(), stderr.as_str()), ("", ""));
        assert_eq!(status.code(), Some(0));
    }
}

fn names(of: &Value, field: &str) -> Vec<String> {
    let list = of.as_array().unwrap();
    list.iter()
        .map(|it| it[field].as_str().unwrap().to_owned())
        .collect()
}
