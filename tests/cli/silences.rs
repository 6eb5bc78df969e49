//! `runwatch silence`: what nobody wants to be told for a while.

use std::path::{Path, PathBuf};

use runwatch::exit;
use serde_json::Value;
use tempfile::TempDir;

use crate::server::Server;
use crate::support::{Session, Test};

/// A ledger that several commands share.
struct Shared(TempDir);

impl Shared {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("ledger.sqlite")
    }

    /// A command whose output the test looks at.
    fn silence(&self, arguments: &str) -> Test {
        silence(&self.path(), arguments).any_stdout().any_stderr()
    }

    /// Makes one and gives its id.
    fn add(&self, arguments: &str) -> String {
        let output = self
            .silence(&format!("add --comment known {arguments}"))
            .run();
        output.text().trim().to_owned()
    }

    fn list(&self, flags: &str) -> String {
        self.silence(&format!("list {flags}"))
            .run()
            .text()
            .to_owned()
    }
}

fn silence(ledger: &Path, arguments: &str) -> Test {
    Test::new("silence")
        .arguments(arguments)
        .argument("--ledger")
        .argument(ledger)
        .env("USER", "ada")
}

#[test]
fn one_is_made_listed_and_ended() {
    let shared = Shared::new();
    let ledger = shared.path();
    silence(&ledger, "list").stderr("no silences\n").run();
    let id = shared.add("plateau run=~exp-.* --until-step 5000");
    assert_eq!(id.len(), 8);
    let matchers = "detector=plateau,run=~exp-.*";
    silence(&ledger, "list")
        .stdout(format!(
            "{id}  {matchers} until step 5000, up to warnings: known (ada)\n"
        ))
        .run();
    let json: Value = serde_json::from_str(&shared.list("--json")).unwrap();
    assert_eq!(json["id"], id);
    assert_eq!(json["matchers"][0], "detector=plateau");
    assert_eq!(json["until"], serde_json::json!({ "step": 5000 }));
    assert_eq!(json["severity"], "warning");
    assert_eq!(
        (&json["comment"], &json["author"]),
        (&"known".into(), &"ada".into())
    );

    silence(&ledger, &format!("remove {}", &id[..4]))
        .stderr(format!("ended {id}\n"))
        .run();
    silence(&ledger, "list").stderr("no silences\n").run();
    assert!(shared.list("--all").starts_with(&id));
    silence(&ledger, "list --json").run();
}

#[test]
fn only_the_one_that_is_meant_is_ended() {
    let shared = Shared::new();
    // Of so many two begin alike.
    let ids: Vec<String> = (0..17).map(|_| shared.add("plateau --for 1h")).collect();
    let alike = |a: &String| ids.iter().filter(|b| b[..1] == a[..1]).count() > 1;
    let begin = &ids.iter().find(|id| alike(id)).unwrap()[..1];
    let hint = "hint: `runwatch silence list` shows those that there are\n";
    for (id, why) in [
        (begin, format!("several silences begin with `{begin}`")),
        ("", "there is no silence ``".to_owned()),
        ("x", "there is no silence `x`".to_owned()),
    ] {
        silence(&shared.path(), "remove")
            .argument(id)
            .stderr(format!("error: {why}\n{hint}"))
            .code(exit::USAGE)
            .run();
    }
    assert_eq!(shared.list("").lines().count(), ids.len());
}

#[test]
fn how_long_and_how_severe() {
    let shared = Shared::new();
    for (arguments, described) in [
        (
            "plateau --until 2999-01-01T00:00:00Z",
            "until TIME, up to warnings",
        ),
        ("plateau --for 2h --severity info", "until TIME, infos only"),
        (
            "severity=critical --until-resolved",
            "until resolved, criticals too",
        ),
        (
            "plateau --until-resolved --severity critical",
            "until resolved, criticals too",
        ),
    ] {
        let output = shared
            .silence(&format!("add --comment c {arguments}"))
            .run();
        assert!(output.stderr.contains(described), "{}", output.stderr);
    }
}

#[test]
fn one_that_has_ended_is_listed_no_more() {
    let shared = Shared::new();
    let id = shared.add("plateau --for 1ms");
    // Nothing runs in less than that.
    silence(&shared.path(), "list")
        .stderr("no silences\n")
        .run();
    let all = shared.list("--all");
    assert!(all.starts_with(&id) && all.contains("ended 2"), "{all}");
}

#[test]
fn what_is_missing_or_wrong_is_said() {
    let shared = Shared::new();
    for (arguments, said) in [
        ("add plateau --for 1h", "--comment <TEXT>"),
        ("add --comment c --for 1h", "<MATCHER>"),
        ("add plateau --comment c", "--until-resolved"),
        (
            "add plateau --comment c --for 1h --until-resolved",
            "cannot be used with",
        ),
        (
            "add plateau --comment c --for soon",
            "`soon` is no duration",
        ),
        (
            "add plateau --comment c --until tomorrow",
            "`tomorrow` is no time",
        ),
        (
            "add plateau --comment c --until 2020-01-01T00:00:00Z",
            "is over already",
        ),
        ("add severty=critical --comment c --for 1h", "(character 1)"),
        ("add run=~( --comment c --for 1h", "(character 6)"),
        (
            "add plateau --comment c --for 1h --severity bad",
            "there are info, warning and critical",
        ),
    ] {
        let output = shared.silence(arguments).code(exit::USAGE).run();
        assert!(
            output.stderr.contains(said),
            "{arguments}: {}",
            output.stderr
        );
    }
    assert_eq!(shared.list("--all"), "");
}

/// A watch that sends to this server, each alert at once.
fn watch(shared: &Shared, server: &Server) -> Session {
    let hook = format!(
        "[sinks.hook]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:{}/\"\n\
         allow-http = true\nallow-private = true\n\
         [[routes]]\nsinks = [\"hook\"]\ngroup-by = [\"run\", \"key\"]\n\
         group-wait = \"0s\"\ngroup-interval = \"0s\"\n",
        server.port
    );
    Test::new("--plain --run r")
        .argument("--ledger")
        .argument(shared.path())
        .file("runwatch.toml", hook)
        .start()
}

#[test]
fn a_watch_heeds_a_silence_that_is_made_while_it_runs() {
    let (shared, server) = (Shared::new(), Server::content());
    let mut session = watch(&shared, &server);
    session.write("{\"step\": 1, \"loss\": 1.5, \"grad_norm\": 1.5}\n{\"step\": 2, \"loss\": NaN, \"grad_norm\": 1.5}\n");
    assert!(server.next().contains("loss is NaN"));

    shared.add("detector=non-finite severity=critical --for 1h");
    session.write("{\"step\": 3, \"loss\": NaN, \"grad_norm\": NaN}\n");
    session.await_stderr("grad_norm is NaN");
    let (status, _, stderr) = session.end();
    // What a silence holds back is no failure.
    assert_eq!(status.code(), Some(0), "{stderr}");
    let later = server.unheard();
    assert!(
        !later.iter().any(|it| it.contains("grad_norm is NaN")),
        "{later:?}"
    );
}

#[test]
fn until_a_step_is_reached() {
    let (shared, server) = (Shared::new(), Server::content());
    shared.add("detector=non-finite severity=critical --until-step 100");
    let mut session = watch(&shared, &server);
    session.write("{\"step\": 1, \"loss\": 1.5, \"grad_norm\": 1.5}\n{\"step\": 99, \"loss\": NaN, \"grad_norm\": 1.5}\n");
    session.await_stderr("loss is NaN");
    session.write("{\"step\": 100, \"loss\": NaN, \"grad_norm\": NaN}\n");
    let first = server.next();
    assert!(
        first.contains("grad_norm is NaN") && !first.contains("loss is NaN"),
        "{first}"
    );
    session.end();
}
