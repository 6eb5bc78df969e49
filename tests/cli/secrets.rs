//! Secrets stay secret: whatever fails, whatever is asked for, none of them is
//! in the output, the ledger or any other file that runwatch writes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use tempfile::TempDir;

use crate::server::{Server, answer};
use crate::streams::NAN;

/// What every secret here begins with.
const CANARY: &str = "canary-";

/// A folder with a configuration of a sink of every type, each with secrets in
/// a variable, a file and the output of a command.
struct House {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl House {
    /// Sinks that send to this address, `http://127.0.0.1:PORT`, and mails to
    /// this port.
    fn new(address: &str, mail: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (scheme, host) = address.split_once("://").unwrap();
        let hook = format!(
            "{scheme}://user:canary-userinfo-1@{host}/hooks/canary-path-22\
             ?wait=true&key=canary-query-333%3D"
        );
        // The robots take only addresses with their parameter.
        let robot =
            format!("{scheme}://{host}/robot?access_token=canary-robot-4&key=canary-robot-5");
        let variables = [
            ("HOOK", hook.as_str()),
            ("ROBOT", &robot),
            (
                "SERVER",
                &format!("{scheme}://user:canary-userinfo-6@{host}/canary-base-77"),
            ),
        ];
        let house = Self {
            variables: variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            folder,
        };
        house.write("secrets/token", "canary-token-8888\n");
        house.write("secrets/asked", "canary-asked-99999\n");
        // A key of Standard Webhooks is base64.
        let key = STANDARD_NO_PAD.encode("canary-signing-key-of-32-bytes-!!");
        house.write("secrets/signing", &format!("whsec_{key}\n"));
        house.write("runwatch.toml", &sinks(mail));
        house
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runwatch"));
        command
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("XDG_CACHE_HOME", crate::support::shared_cache())
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null());
        command
    }

    /// Runs it, sees that it tells nothing, and gives what it said.
    fn run(&self, arguments: &str) -> (Option<i32>, String) {
        self.told(arguments, &self.command(arguments).output().unwrap())
    }

    /// The same with this on standard input.
    fn run_with(&self, arguments: &str, path: &Path) -> (Option<i32>, String) {
        let input = std::fs::File::open(path).unwrap();
        let output = self.command(arguments).stdin(input).output();
        self.told(arguments, &output.unwrap())
    }

    fn told(&self, arguments: &str, output: &Output) -> (Option<i32>, String) {
        let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.push_str(&String::from_utf8_lossy(&output.stderr));
        assert_silent(&format!("runwatch {arguments}"), said.as_bytes());
        for path in files(self.folder.path()) {
            assert_silent(&path.display().to_string(), &std::fs::read(&path).unwrap());
        }
        (output.status.code(), said)
    }
}

fn sinks(mail: u16) -> String {
    let mut text = format!(
        "[delivery]\nflush = \"1s\"\n[file]\npath = \"alerts.jsonl\"\n\n\
         [sinks.email]\ntype = \"email\"\nserver = \"127.0.0.1:{mail}\"\nencryption = \"tls\"\n\
         user = \"me\"\npassword = \"cmd:cat secrets/asked\"\nfrom = \"me@example.com\"\n\
         to = [\"you@example.com\"]\ntimeout = 5\n\n"
    );
    for (kind, settings) in OVER_HTTP {
        text.push_str(&format!(
            "[sinks.{kind}]\ntype = \"{kind}\"\nallow-http = true\nallow-private = true\n{settings}\n\n"
        ));
    }
    text
}

const OVER_HTTP: &[(&str, &str)] = &[
    (
        "alertmanager",
        "url = 'env:SERVER'\nuser = 'me'\ntoken = 'file:secrets/token'",
    ),
    (
        "dingtalk",
        "url = 'env:ROBOT'\nsecret = 'file:secrets/token'",
    ),
    ("discord", "url = 'env:HOOK'"),
    (
        "feishu",
        "url = 'env:HOOK'\nsecret = 'cmd:cat secrets/asked'",
    ),
    ("google-chat", "url = 'env:HOOK'"),
    ("mattermost", "url = 'env:HOOK'"),
    (
        "ntfy",
        "server = 'env:SERVER'\ntopic = 'cmd:cat secrets/asked'\ntoken = 'file:secrets/token'",
    ),
    (
        "pagerduty",
        "server = 'env:SERVER'\nrouting-key = 'file:secrets/token'",
    ),
    (
        "pushover",
        "server = 'env:SERVER'\ntoken = 'file:secrets/token'\nuser = 'cmd:cat secrets/asked'",
    ),
    ("rocketchat", "url = 'env:HOOK'"),
    ("slack", "url = 'env:HOOK'"),
    ("teams", "url = 'env:HOOK'"),
    (
        "telegram",
        "server = 'env:SERVER'\ntoken = 'file:secrets/token'\nchat = '-1001'",
    ),
    (
        "webhook",
        "url = 'env:HOOK'\nsigning-key = 'file:secrets/signing'\n\
         headers = { Authorization = 'file:secrets/token', X-Plain = 'cmd:cat secrets/asked' }",
    ),
    ("wecom", "url = 'env:ROBOT'"),
];

/// Every file that runwatch may have written.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| !path.ends_with("secrets"))
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![path],
        })
        .collect()
}

/// Fails if the canary is in there, as it is or in base64.
fn assert_silent(place: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut forms = vec![CANARY.to_owned()];
    for before in 0..3 {
        let encoded = STANDARD_NO_PAD.encode("\0".repeat(before) + CANARY);
        // What neighbours have no part in.
        forms.push(encoded[(before * 8).div_ceil(6)..(before + CANARY.len()) * 8 / 6].to_owned());
    }
    for form in forms {
        if let Some(at) = text.find(&form) {
            let from = text.floor_char_boundary(at.saturating_sub(300));
            let to = text.floor_char_boundary(at + 100);
            panic!("{place} tells a secret ({form}): {}", &text[from..to]);
        }
    }
}

/// The ways in which a receiver fails, with its addresses.
fn failures() -> Vec<(&'static str, String, Option<Server>)> {
    let http = |name, reply: fn(&str) -> Option<String>| {
        let server = Server::http(reply);
        let address = format!("http://127.0.0.1:{}", server.port);
        (name, address, Some(server))
    };
    let (_, address, encrypted) = http("", |_| Some(answer("200 OK", "", "ok")));
    let plain = address.replace("http://", "https://");
    vec![
        http("404", |_| {
            Some(answer("404 Not Found", "", "no such thing"))
        }),
        http("500", |_| Some(answer("500 Oh", "", "sorry"))),
        http("reset", |_| None),
        (
            "refused",
            format!("http://127.0.0.1:{}", Server::nobody()),
            None,
        ),
        http("redirect", |request| {
            let path = request.split(' ').nth(1).unwrap_or_default();
            let to = format!("location: /elsewhere{path}&token=canary-query-333%3D\r\n");
            Some(answer("302 Found", &to, path))
        }),
        http("echo", |request| {
            Some(answer("400 Bad Request", "", request))
        }),
        http("pleased echo", |request| {
            Some(answer("200 OK", "", request))
        }),
        http("echo in JSON", |request| {
            let said = serde_json::json!({
                "ok": false, "error": request, "description": request, "message": request,
                "errors": [request], "errcode": 310_000, "errmsg": request, "code": 19_001,
                "msg": request,
            });
            Some(answer(
                "200 OK",
                "content-type: application/json\r\n",
                &said.to_string(),
            ))
        }),
        http("long echo", |request| {
            // Cut off in the midst of what is secret, wherever the cut is.
            let said = format!("{}{request}", "x".repeat(290)).repeat(300);
            Some(answer("403 Forbidden", "", &said))
        }),
        ("no TLS", plain, encrypted),
    ]
}

#[test]
fn every_network_type_is_among_these_sinks() {
    let house = House::new("http://127.0.0.1:1", 1);
    let (_, types) = house.run("sink list --types");
    let local = ["desktop", "exec", "file", "trackio", "email"];
    let network: Vec<_> = types
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !local.contains(name))
        .collect();
    let covered: Vec<_> = OVER_HTTP.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(network, covered);
}

#[test]
fn no_failure_tells_a_secret() {
    let mail = Server::nobody();
    for (name, address, server) in failures() {
        let house = House::new(&address, mail);
        let (code, said) = house.run("sink test");
        assert_eq!(code, Some(4), "{name}: {said}");
        // Each of them was tried.
        assert_eq!(
            said.matches(" after ").count(),
            OVER_HTTP.len() + 1,
            "{name}: {said}"
        );
        if let Some(server) = server.filter(|_| name != "no TLS") {
            assert!(server.next().contains("canary-"), "{name} heard no secret");
        }
    }
}

#[test]
fn no_question_is_answered_with_a_secret() {
    let mail = Server::nobody();
    for (name, address, _server) in failures() {
        if !["echo", "500"].contains(&name) {
            continue;
        }
        let house = House::new(&address, mail);
        house.write("train.log", NAN);
        let (code, said) = house.run_with("--run r", &house.folder.path().join("train.log"));
        assert_eq!(code, Some(4), "{said}");
        assert!(said.contains("(last error: "), "{said}");
        let alerts = house.folder.path().join("alerts.jsonl");
        for (question, expected) in [
            ("config check", 0),
            ("config show", 0),
            ("sink list", 0),
            ("sink list --json", 0),
            ("sink test --dry-run", 0),
            ("route explain alerts.jsonl", 0),
            ("route explain --brief alerts.jsonl", 0),
            ("sink resend --dead", 4),
        ] {
            let (code, said) = house.run(question);
            assert_eq!(code, Some(expected), "{question}: {said}");
            assert!(!said.is_empty(), "{question}");
        }
        assert!(alerts.exists());
    }
}

/// The password travels in base64, and comes back so.
#[test]
fn a_mail_server_that_quotes_the_login_tells_nothing() {
    let (port, authority) = crate::mail::start();
    let house = House::new("http://127.0.0.1:1", port);
    house.write("ca.pem", &authority);
    let config = sinks(port).replace("timeout = 5", "timeout = 5\nca-file = \"ca.pem\"");
    house.write("runwatch.toml", &config);
    let (code, said) = house.run("sink test email");
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("5.7.8 not with AUTH PLAIN "), "{said}");
}

/// While it runs, the ledger has a journal beside it.
#[test]
fn a_ledger_in_use_holds_no_secret() {
    let echo = Server::http(|request| Some(answer("400 Bad Request", "", request)));
    let house = House::new(&format!("http://127.0.0.1:{}", echo.port), Server::nobody());
    let mut watch = house
        .command("--run r")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(watch.stdin.as_mut().unwrap(), NAN.as_bytes()).unwrap();
    // What was refused is tried once more, in its plain form: by then the first
    // answer of somebody is written down.
    for _ in 0..=OVER_HTTP.len() {
        echo.next();
    }
    let written = files(house.folder.path());
    assert!(
        written
            .iter()
            .any(|path| path.ends_with("ledger.sqlite-wal")),
        "{written:?}"
    );
    for path in written {
        assert_silent(&path.display().to_string(), &std::fs::read(&path).unwrap());
    }
    watch.kill().unwrap();
    watch.wait().unwrap();
}

/// Somebody writes the secret itself into the configuration: it is refused,
/// and not shown.
#[test]
fn a_literal_secret_is_refused_and_not_shown() {
    const TOKEN: &str = "canary-0123456789abcdef";
    let house = House::new("http://127.0.0.1:1", 1);
    for wrong in [
        "[sinks.a]\ntype = 'slack'\nurl = 'https://hooks.slack.com/services/T0/B0/TOKEN'",
        "[sinks.a]\ntype = 'slack'\nurl = ['https://hooks.slack.com/services/TOKEN']",
        "[sinks.a]\ntype = 'webhook'\nurl = 'https://example.com/?token=TOKEN'",
        "[sinks.a]\ntype = 'webhook'\nurl = 'https://me:TOKEN@example.com'",
        "[sinks.a]\ntype = 'webhook'\nurl = 'env:X'\nproxy = 'http://me:TOKEN@proxy:3128'",
        "[sinks.a]\ntype = 'webhook'\nurl = 'env:X'\nheaders = { Authorization = 'Bearer TOKEN' }",
        "[sinks.a]\ntype = 'webhook'\nurl = 'env:X'\nheaders = 'Authorization: Bearer TOKEN'",
        "[sinks.a]\ntype = 'webhook'\nurl = 'env:X'\nsigning-key = 'whsec_TOKEN'",
        "[sinks.a]\ntype = 'webhook'\nurl = 'env:X'\ntimeout = 'TOKEN'",
        "[sinks.a]\ntype = 'https://hooks.slack.com/services/TOKEN'",
        "[sinks.a]\ntype = 'slack'\nurl = 'env:X'\nmin-severity = 'TOKEN'",
        "[sinks.a]\ntype = 'slack'\nwebhook = 'https://hooks.slack.com/services/TOKEN'",
        "[sinks.a]\ntype = 'email'\nserver = 'smtp://me:TOKEN@example.com'\nfrom = 'me@example.com'\nto = ['me@example.com']",
        "[sinks.a]\ntype = 'email'\nserver = 'example.com'\nfrom = 'me@example.com'\nto = ['me@example.com']\npassword = 'TOKEN'",
        "[sinks.a]\ntype = 'ntfy'\ntopic = 'TOKEN'",
        "[sinks.a]\ntype = 'exec'\ncommand = 'curl -d @- https://hooks.slack.com/services/TOKEN'",
        "[sinks.a]\ntype = 'slack'\nurl = 'https://hooks.slack.com/services/TOKEN",
        "[sinks]\nslack = 'https://hooks.slack.com/services/TOKEN'",
        "sinks = 'https://hooks.slack.com/services/TOKEN'",
        "[slack]\nurl = 'https://hooks.slack.com/services/TOKEN'",
        "slack-url = 'https://hooks.slack.com/services/TOKEN'",
        "[[routes]]\nsinks = 'https://hooks.slack.com/services/TOKEN'",
        "[[routes]]\nsinks = ['https://hooks.slack.com/services/TOKEN']",
    ] {
        house.write("runwatch.toml", "");
        house.write("secrets/wrong.toml", &wrong.replace("TOKEN", TOKEN));
        let (code, said) = house.run("config check --config secrets/wrong.toml");
        assert_eq!(code, Some(2), "{wrong}: {said}");
    }
}
