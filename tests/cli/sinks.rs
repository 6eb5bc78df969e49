//! `runwatch sink` and `runwatch route`: the ways out, tried and explained.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use runwatch::exit;
use serde_json::Value;

use crate::server::{Server, answer};
use crate::streams::NAN;
use crate::support::Test;

fn hook(port: u16) -> String {
    format!(
        "[sinks.hook]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:{port}/\"\n\
         allow-http = true\nallow-private = true\n"
    )
}

const ROUTES: &str = "[sinks.all]
type = \"file\"
path = \"all.jsonl\"
[sinks.bad]
type = \"file\"
path = \"bad.jsonl\"
min-severity = \"critical\"
[[routes]]
name = \"pages\"
match = [\"severity=critical\"]
sinks = [\"bad\"]
continue = true
[[routes]]
sinks = [\"all\", \"bad\"]
";

fn with(arguments: &str, config: &str) -> Test {
    Test::new(arguments)
        .file("runwatch.toml", config)
        .any_stdout()
        .any_stderr()
}

/// The same with a ledger that several commands share.
fn with_ledger(arguments: &str, config: &str, folder: &Path) -> Test {
    let ledger = folder.join("ledger.sqlite");
    with(arguments, config)
        .argument("--ledger")
        .argument(ledger)
}

#[test]
fn sinks_are_listed() {
    let output = with("sink list", "").run();
    assert!(output.stderr.starts_with("no sinks are configured"));
    assert!(output.text().contains("pagerduty "), "{}", output.text());
    Test::new("sink list --json").run();

    let output = with("sink list", ROUTES).run();
    let expected = "all              file           info      ready\n\
                    bad              file           critical  ready\n";
    assert_eq!(output.text(), expected);
    let output = with("sink list --json", ROUTES).run();
    let first: Value = serde_json::from_str(output.text().lines().next().unwrap()).unwrap();
    let expected = serde_json::json!({
        "name": "all", "type": "file", "min_severity": "info",
        "broken": null, "failures": 0, "waiting": 0,
    });
    assert_eq!(first, expected);
}

#[test]
fn a_test_says_what_was_sent_and_what_came_back() {
    let server = Server::content();
    let output = with("sink test hook", &hook(server.port)).run();
    assert!(
        output.text().contains("hook (webhook) sends\n"),
        "{}",
        output.text()
    );
    assert!(
        output.text().contains("hook: delivered after "),
        "{}",
        output.text()
    );
    assert!(server.next().contains("Test of the sink hook"));

    let output = with("sink test --dry-run", &hook(server.port)).run();
    assert!(!output.text().contains(" after "));
    assert_eq!(server.unheard(), Vec::<String>::new());

    let deaf = Server::http(|_| Some(answer("404 Not Found", "", "no such hook")));
    let output = with("sink test", &hook(deaf.port))
        .code(exit::DELIVERY)
        .run();
    assert!(
        output.text().contains("404: no such hook"),
        "{}",
        output.text()
    );

    let output = with("sink test hok", &hook(1)).code(exit::USAGE).run();
    assert_eq!(
        output.stderr,
        "error: there is no sink `hok`\nhint: did you mean `hook`?\n"
    );
}

#[test]
fn a_secret_that_is_not_there_is_missed_at_the_start() {
    let config = "[sinks.team]\ntype = \"slack\"\nurl = \"env:SLACK_URL\"\n";
    let said = "error: runwatch.toml:1:8: `url` of the sink `team`: the environment variable \
                `SLACK_URL` is not set\n";
    for command in ["sink test", "sink resend", "-q --follow train.log"] {
        let output = with(command, config)
            .file("train.log", NAN)
            .code(exit::USAGE)
            .run();
        assert_eq!(output.stderr, said, "{command}");
    }
}

#[test]
fn what_was_refused_is_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let open = Arc::new(AtomicBool::new(false));
    let gate = open.clone();
    let server = Server::http(move |_| {
        Some(match gate.load(Ordering::SeqCst) {
            true => answer("200 OK", "", "ok"),
            false => answer("404 Not Found", "", "closed"),
        })
    });
    let config = hook(server.port) + "[[routes]]\nsinks = [\"hook\"]\ngroup-wait = \"0s\"\n";
    let output = with_ledger("-q --plain --run r", &config, folder.path())
        .stdin(NAN)
        .code(exit::DELIVERY)
        .run();
    assert!(
        output.stderr.contains("runwatch sink resend hook"),
        "{}",
        output.stderr
    );
    let list = || {
        with_ledger("sink list", &config, folder.path())
            .run()
            .text()
            .to_owned()
    };
    let standing = list();
    assert!(
        standing.contains("switched off: HTTP 404: closed") && standing.contains("wait"),
        "{standing}"
    );
    open.store(true, Ordering::SeqCst);
    let output = with_ledger("sink resend hook", &config, folder.path()).run();
    assert!(output.stderr.ends_with(" sent\n"), "{}", output.stderr);
    assert!(list().trim_end().ends_with("ready"), "{}", list());
    let output = with_ledger("sink resend", &config, folder.path()).run();
    assert_eq!(output.stderr, "nothing waits\n");
    assert!(server.unheard().last().unwrap().contains("loss is NaN"));
}

#[test]
fn the_variables_of_other_tools_count_if_asked_for() {
    let url = format!("http://127.0.0.1:{}/hook", Server::nobody());
    let list = |flags: &str| {
        let test = Test::new("sink list")
            .arguments(flags)
            .any_stdout()
            .any_stderr();
        test.env("TRACKIO_WEBHOOK_URL", &url)
            .run()
            .text()
            .to_owned()
    };
    assert!(list("--compat-env").starts_with("trackio          webhook "));
    assert!(!list("").starts_with("trackio          webhook "));
    let output = Test::new("sink test --compat-env")
        .env("TRACKIO_WEBHOOK_URL", &url)
        .any_stdout()
        .any_stderr()
        .code(exit::DELIVERY)
        .run();
    assert!(
        output.text().contains("allow-http = true"),
        "{}",
        output.text()
    );
    let shown = Test::new("config show --compat-env")
        .env("TRACKIO_WEBHOOK_URL", &url)
        .any_stdout()
        .run();
    assert!(shown.text().contains("env:TRACKIO_WEBHOOK_URL"));
    assert!(!shown.text().contains("127.0.0.1"));
}

/// An alert as JSON, from a critical one with some fields replaced.
fn alert(severity: &str) -> String {
    let output = Test::new("review --json --run r train.log")
        .file("train.log", NAN)
        .any_stdout()
        .any_stderr()
        .run();
    let mut alert = output.alerts().remove(0);
    alert["severity"] = severity.into();
    alert.to_string()
}

#[test]
fn a_route_is_explained() {
    let explained = |severity: &str| {
        let output = with("route explain --brief alert.json", ROUTES)
            .file("alert.json", alert(severity))
            .run();
        let (_, rest) = output.text().split_once("\n\n").unwrap();
        rest.to_owned()
    };
    assert_eq!(
        explained("critical"),
        "route 1: `pages` (severity=critical) takes it → bad\n\
         route 2: (everything) takes it → all\n"
    );
    assert_eq!(
        explained("warning"),
        "route 1: `pages` (severity=critical) does not take it: not severity=critical\n\
         route 2: (everything) takes it → all, bad\n\
         sink bad: not sent, its min-severity is critical\n"
    );
    let output = with("route explain -", ROUTES)
        .stdin(alert("critical"))
        .run();
    assert!(
        output.text().contains("\nall (file) sends\n"),
        "{}",
        output.text()
    );
}

/// What is not sent has nothing to show.
#[test]
fn what_a_sink_does_not_get_is_not_previewed() {
    let output = with("route explain -", ROUTES)
        .stdin(alert("warning"))
        .run();
    assert!(
        output.text().contains("\nall (file) sends\n"),
        "{}",
        output.text()
    );
    assert!(
        !output.text().contains("\nbad (file) sends\n"),
        "{}",
        output.text()
    );
}

#[test]
fn an_alert_of_the_ledger_is_explained_by_how_its_id_begins() {
    let folder = tempfile::tempdir().unwrap();
    let watched = with_ledger("-q --run r", ROUTES, folder.path())
        .stdin(NAN)
        .run();
    let text = std::fs::read_to_string(watched.folder.path().join("all.jsonl")).unwrap();
    let kept: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let id = kept["id"].as_str().unwrap();
    let explain =
        |id: &str| with_ledger("route explain --brief", ROUTES, folder.path()).argument(id);
    let output = explain(&id[..8]).run();
    assert!(
        output.text().contains("takes it → bad\n"),
        "{}",
        output.text()
    );
    assert!(!output.text().contains("held back"), "{}", output.text());

    let silence = "silence add non-finite --severity critical --comment known --for 1h";
    with_ledger(silence, ROUTES, folder.path()).run();
    let output = explain(id).run();
    assert!(
        output.text().contains("held back now: "),
        "{}",
        output.text()
    );

    let other = explain("0000000").code(exit::INPUT).run();
    assert_eq!(
        other.stderr,
        "error: there is no alert `0000000` in the ledger\n"
    );
}

#[test]
fn what_is_no_alert_is_said() {
    let output = with("route explain alert.json", ROUTES)
        .file("alert.json", "{\"a\": 1}")
        .code(exit::INPUT)
        .run();
    assert!(
        output.stderr.starts_with("error: alert.json:1:"),
        "{}",
        output.stderr
    );
    let output = with("route explain -", ROUTES).code(exit::INPUT).run();
    assert_eq!(output.stderr, "error: `-` is empty\n");
    let output = with("route explain none.json", ROUTES)
        .code(exit::INPUT)
        .run();
    assert!(
        output.stderr.starts_with("error: cannot read `none.json`"),
        "{}",
        output.stderr
    );
}

#[test]
fn routes_that_leave_something_out_are_noted() {
    let note = "note: an alert that no route takes is kept and not sent; a last `[[routes]]` \
                without `match` takes what is left\n";
    let some = ROUTES.replace(
        "sinks = [\"all\", \"bad\"]",
        "match = \"severity=info\"\nsinks = []",
    );
    let output = with("config check", &some).run();
    assert!(output.stderr.starts_with(note), "{}", output.stderr);
    for config in ["", ROUTES] {
        let output = with("config check", config).run();
        assert!(
            !output.stderr.contains("note: an alert"),
            "{}",
            output.stderr
        );
    }
}
