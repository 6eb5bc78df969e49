//! `runwatch list`, `get` and `query`: what happened, asked of a ledger that
//! watches have written.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use runwatch::exit;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::Server;
use crate::streams::{Row, healthy, json as lines, with};
use crate::support::{Output, Test, alerts, fields, normal};

/// A ledger in which a run had a spike and then a NaN, with a sink that took
/// all and one that nobody answers; and a run of another project, of which one
/// NaN was told and the rest was muted.
pub(crate) fn past() -> &'static Path {
    static PAST: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = PAST.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        let sinks = format!(
            "[delivery]\nflush = \"2s\"\n\
             [sinks.archive]\ntype = \"file\"\npath = \"all.jsonl\"\n\
             [sinks.hook]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:{}/\"\n\
             allow-http = true\nallow-private = true\n\
             [[routes]]\nsinks = [\"archive\", \"hook\"]\ngroup-wait = \"0s\"\n",
            Server::nobody()
        );
        watch(&path, "--run first", &sinks, exit::DELIVERY);
        watch(
            &path,
            "--run second --project other --preset rlwatch",
            "",
            exit::OK,
        );
        (folder, path)
    });
    path
}

fn watch(ledger: &Path, arguments: &str, config: &str, code: u8) {
    let rows = with(healthy(400), 300..=300, |row| row.loss = 60.0);
    let rows = with(rows, 350..=400, |row: &mut Row| row.loss = f64::NAN);
    Test::new("--plain --quiet")
        .arguments(arguments)
        .argument("--ledger")
        .argument(ledger)
        .file("runwatch.toml", config)
        .stdin(lines(&rows))
        .any_stdout()
        .any_stderr()
        .code(code)
        .run();
}

/// A question to that ledger, whose answer the test looks at.
pub(crate) fn ask(arguments: &str) -> Test {
    let test = Test::new(arguments).argument("--ledger").argument(past());
    test.any_stdout()
}

fn found(arguments: &str) -> Vec<Value> {
    ask(&format!("{arguments} --json-lines")).run().alerts()
}

fn titles(arguments: &str) -> Vec<String> {
    fields(&found(arguments), &["run", "title"])
}

fn sql(query: &str) -> Test {
    ask("query").arguments("--sql").argument(query)
}

/// Who has been told when the pipe closes is told that the run has ended, too;
/// whether that is so depends on how fast the sink was.
fn is_new(delivery: &Value) -> bool {
    delivery["notice"] == "new"
}

#[test]
fn alerts_are_listed_in_their_usual_form() {
    let listed = found("list alerts --run first");
    assert_eq!(
        fields(&listed, &["detector", "state", "severity", "step"]),
        [
            "loss-spike firing warning 300",
            "loss-spike resolved warning 310",
            "non-finite firing critical 350"
        ]
    );
    // What the file sink was given, but for the notice.
    let names: Vec<&String> = listed[2].as_object().unwrap().keys().collect();
    let schema: Vec<_> = "id schema fingerprint episode project run rank ranks host detector key \
                          severity state step time title message recommendation values location \
                          first_step count route recent halt evidence"
        .split_whitespace()
        .collect();
    assert_eq!(names.len(), schema.len());
    assert!(schema.iter().all(|name| names.iter().any(|it| it == name)));
    assert_eq!(listed[2]["values"]["loss"], Value::Null);
}

#[test]
fn the_same_for_people() {
    let output = ask("list alerts").stderr("").run();
    let text = normal(output.text());
    let said: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        said[0].join(" "),
        "time alert severity run step detector title"
    );
    assert_eq!(
        said[3][2..].join(" "),
        "critical first 350 non-finite loss is NaN"
    );
    assert_eq!(said.len(), 5);
    for what in ["alerts", "deliveries", "muted", "runs", "sinks"] {
        let output = ask(&format!("list {what}")).stderr("").run();
        let text = output.text();
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(100), "{text}");
        assert!(text.lines().count() > 1);
    }
}

#[test]
fn filters() {
    let all = [
        "first Loss spike",
        "first Loss is back",
        "first loss is NaN",
        "second loss is NaN",
    ];
    for (filter, expected) in [
        ("", &all[..]),
        ("--run first", &all[..3]),
        ("--project other", &all[3..]),
        ("--project default --detector non-finite", &all[2..3]),
        ("--level info", &all[..]),
        ("--level critical", &all[2..]),
        ("--level error", &all[2..]),
        ("--level warn --run first", &all[..3]),
        ("--since 1h", &all[..]),
        ("--until 1h", &[]),
        ("--since 2999-01-01T00:00:00Z", &[]),
        ("--until 2999-01-01T00:00:00+09:00 --run second", &all[3..]),
        ("--limit 1", &all[3..]),
    ] {
        let titles = ask(&format!("list alerts --json-lines {filter}"))
            .any_stderr()
            .run();
        let titles = fields(&titles.alerts(), &["run", "title"]);
        assert_eq!(titles.len(), expected.len(), "{filter}: {titles:?}");
        for (title, begin) in titles.iter().zip(expected) {
            assert!(title.starts_with(begin), "{filter}: {titles:?}");
        }
    }
}

#[test]
fn a_moment_is_the_same_in_every_offset() {
    let made = found("list deliveries --sink archive")[0]["made"].clone();
    let made: jiff::Timestamp = made.as_str().unwrap().parse().unwrap();
    let after = made + jiff::SignedDuration::from_millis(1);
    for hours in [-11, 0, 14] {
        let offset = jiff::tz::Offset::constant(hours);
        let written = |time: jiff::Timestamp| time.display_with_offset(offset).to_string();
        // From this time on, and before that.
        let (from, to) = (written(made), written(after));
        let within = format!("list deliveries --sink archive --since {from} --until {to}");
        assert!(!titles(&within).is_empty(), "{within}");
        let before = format!("list deliveries --sink archive --json-lines --until {from}");
        ask(&before)
            .stdout("")
            .stderr("no deliveries found\n")
            .run();
    }
}

#[test]
fn deliveries_have_their_attempts() {
    let mut delivered = found("list deliveries --sink archive --state delivered --run first");
    delivered.retain(is_new);
    assert_eq!(delivered.len(), 3);
    let first = &delivered[0];
    assert_eq!(first["attempts"].as_array().unwrap().len(), 1);
    assert_eq!(first["attempts"][0]["outcome"], "delivered");
    assert_eq!(first["error"], Value::Null);
    assert!(first["done"].is_string());

    let waiting = found("list deliveries --sink hook --level critical");
    assert_eq!(
        fields(&waiting, &["run", "state", "notice"]),
        ["first pending new"]
    );
    let attempts = waiting[0]["attempts"].as_array().unwrap();
    assert!(!attempts.is_empty());
    let mut errors = attempts.iter().map(|it| it["error"].as_str().unwrap());
    assert!(errors.clone().all(|it| it.contains("127.0.0.1")));
    assert_eq!(waiting[0]["error"].as_str(), errors.next_back());
    assert!(waiting[0]["made"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn what_was_muted_and_the_runs() {
    let muted = found("list muted");
    let names = [
        "project",
        "run",
        "detector",
        "reason",
        "severity",
        "last_step",
    ];
    assert_eq!(
        fields(&muted, &names),
        ["other second non-finite cooldown critical 400"]
    );
    assert_eq!(muted[0]["count"], 50);
    ask("list muted --run first --json-lines")
        .stdout("")
        .stderr("no muted findings found\n")
        .run();

    let runs = found("list runs");
    let names = ["project", "run", "rows", "last_step", "muted", "state"];
    assert_eq!(
        fields(&runs, &names),
        [
            "default first 400 400 0 ended",
            "other second 400 400 50 ended"
        ]
    );
    let counts = |critical: u64, warning: u64, resolved: u64| json!({ "critical": critical, "warning": warning, "info": 0, "resolved": resolved });
    assert_eq!(runs[0]["alerts"], counts(1, 1, 1));
    assert_eq!(runs[1]["alerts"], counts(1, 0, 0));
    // Of one detector, only its alerts are counted.
    let of_one = found("list runs --detector loss-spike");
    assert_eq!(fields(&of_one, &["run"]), ["first"]);
    assert_eq!(of_one[0]["alerts"], counts(0, 1, 1));
    assert_eq!(ask("list runs --until 1h").any_stderr().run().text(), "");
}

#[test]
fn older_ones_that_are_left_out_are_mentioned() {
    ask("list alerts --limit 2")
        .stderr("only the newest alerts, 2: --limit shows more\n")
        .run();
    ask("list alerts --limit 4").stderr("").run();
    let output = ask("list alerts --limit 0").any_stderr().code(exit::USAGE);
    assert!(output.run().stderr.contains("--limit"));
}

#[test]
fn one_alert_and_what_became_of_it() {
    let alert = found("list alerts --run first --level critical").remove(0);
    let id = alert["id"].as_str().unwrap();
    let text = ask(&format!("get alert {}", &id[..8])).stderr("").run();
    let text = text.text();
    for said in [
        "CRITICAL: loss is NaN (run first, step 350)\n",
        "What to do: Stop the run",
        id,
        "archive  new     delivered",
        "hook     new     pending",
        "cannot reach `127.0.0.1`",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }

    let mut full = ask(&format!("get alert {id} --json"))
        .run()
        .alerts()
        .remove(0);
    let deliveries = full.as_object_mut().unwrap().remove("deliveries").unwrap();
    assert_eq!(full, alert);
    let mut deliveries = deliveries.as_array().unwrap().clone();
    deliveries.retain(is_new);
    assert_eq!(
        fields(&deliveries, &["sink", "state"]),
        ["archive delivered", "hook pending"]
    );
    assert_eq!(deliveries[0]["alert"], id);

    // Nobody was to be told of the other run.
    let other = found("list alerts --run second").remove(0);
    let text = ask(&format!("get alert {}", other["id"].as_str().unwrap())).run();
    assert!(text.text().ends_with("It was meant for no sink.\n"));
}

#[test]
fn an_alert_that_there_is_not() {
    for id in ["ffffffffffff0", "%", ""] {
        ask("get alert")
            .argument(id)
            .stdout("")
            .stderr(format!(
                "error: there is no alert `{id}` in the ledger\n\
                 hint: `runwatch list alerts` shows those that there are\n"
            ))
            .code(exit::INPUT)
            .run();
    }
}

#[test]
fn sql_is_answered() {
    let query = "SELECT detector AS d, count(*) AS n, 9e999 AS x, NULL AS y FROM alert GROUP BY 1";
    let rows = sql(query).argument("--json-lines").run().alerts();
    assert_eq!(
        rows[0],
        json!({ "d": "loss-spike", "n": 2, "x": "Infinity", "y": null })
    );
    assert_eq!(rows.len(), 2);
    sql("SELECT detector, count(*) AS n FROM alert GROUP BY 1")
        .stdout("detector    n\nloss-spike  2\nnon-finite  2\n")
        .run();
    sql("SELECT 1 AS a WHERE 0")
        .stdout("")
        .stderr("no rows found\n")
        .run();
    sql("SELECT 1 AS a, 2 AS a")
        .argument("--json")
        .stdout("")
        .stderr("error: two columns are called `a`\nhint: name one of them with AS\n")
        .code(exit::USAGE)
        .run();
}

#[test]
fn sql_has_a_limit_of_rows() {
    let output =
        sql("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n")
            .argument("--json-lines")
            .stderr("there are more rows than these 10,000\n")
            .run();
    assert_eq!(output.text().lines().last(), Some("{\"x\":10000}"));
}

#[test]
fn sql_changes_nothing() {
    let before = std::fs::read(past()).unwrap();
    let folder = past().parent().unwrap();
    let other = folder.join("other.sqlite");
    let other = other.to_str().unwrap();
    for query in [
        "DELETE FROM alert",
        "UPDATE alert SET body = ''",
        "INSERT INTO sink (name) VALUES ('x') RETURNING name",
        "DROP TABLE alert",
        "CREATE TEMP TABLE t (a)",
        "SELECT 1; DELETE FROM alert",
        "PRAGMA query_only = OFF",
        "PRAGMA user_version = 7",
        "BEGIN IMMEDIATE",
        &format!("ATTACH '{other}' AS other"),
        &format!("VACUUM INTO '{other}'"),
        "",
        "-- nothing",
    ] {
        sql(query)
            .stdout("")
            .stderr("error: a query only reads: begin it with SELECT\n")
            .code(exit::USAGE)
            .run();
    }
    let output = sql("SELEC 1")
        .stdout("")
        .any_stderr()
        .code(exit::USAGE)
        .run();
    assert!(output.stderr.contains("syntax error"), "{}", output.stderr);
    assert_eq!(found("list alerts").len(), 4);
    assert_eq!(std::fs::read(past()).unwrap(), before);
    assert!(!Path::new(other).exists());
}

#[test]
fn a_ledger_is_not_made_by_asking() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep").join("ledger.sqlite");
    for question in [
        "list alerts",
        "list runs --json",
        "get alert 00",
        "query --sql X",
    ] {
        Test::new(question)
            .argument("--ledger")
            .argument(&path)
            .stderr(format!(
                "error: there is no ledger `{}` yet\nhint: a watch makes it (`python train.py \
                 2>&1 | runwatch`); if it is elsewhere, say where with --ledger PATH\n",
                path.display()
            ))
            .code(exit::USAGE)
            .run();
    }
    assert!(!path.parent().unwrap().exists());

    // Nor is another file taken for one.
    let notes = folder.path().join("notes");
    std::fs::write(&notes, "no database, but long enough to be one".repeat(9)).unwrap();
    let output = Test::new("list alerts --ledger").argument(&notes);
    let output = output.any_stderr().code(exit::USAGE).run();
    assert!(
        output.stderr.contains("not a database"),
        "{}",
        output.stderr
    );
}

#[test]
fn questions_while_a_watch_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let mut session = Test::new("--plain --run live --ledger")
        .argument(&path)
        .start();
    let ask = |arguments: &str| -> Output {
        let test = Test::new(arguments).argument("--ledger").argument(&path);
        test.any_stdout().any_stderr().run()
    };
    // What is shown is written down at the same moment, not before.
    let until = Instant::now() + Duration::from_secs(60);
    let await_answer = |arguments: &str, is_it: &dyn Fn(&[Value]) -> bool| -> Vec<Value> {
        loop {
            let answer = alerts(ask(arguments).text());
            if is_it(&answer) {
                return answer;
            }
            assert!(Instant::now() < until, "{arguments}: {answer:?}");
        }
    };
    session.write("{\"step\": 1, \"loss\": 1.5, \"grad_norm\": 1.5}\n");
    session.write("{\"step\": 2, \"loss\": NaN, \"grad_norm\": 1.5}\n");
    session.await_stderr("loss is NaN");
    let first = await_answer("list alerts --json-lines", &|it| !it.is_empty());
    assert_eq!(fields(&first, &["run", "step"]), ["live 2"]);

    session.write("{\"step\": 3, \"loss\": NaN, \"grad_norm\": NaN}\n");
    session.await_stderr("grad_norm is NaN");
    await_answer("list alerts --json-lines", &|it| it.len() == 2);
    // Its records are written a moment later.
    await_answer("list runs --json-lines", &|it| {
        it.iter().any(|run| run["state"] == "live")
    });
    let (status, _, stderr) = session.end();
    assert_eq!(status.code(), Some(0), "{stderr}");
}

#[test]
fn what_cannot_be_meant_is_said() {
    for (arguments, said) in [
        ("list alerts --since yesterday", "`yesterday` is no time"),
        ("list alerts --until 2026-11-22T18:00:00", "with its offset"),
        (
            "list alerts --level fatal",
            "there are info, warning and critical",
        ),
        ("list alerts --sink hook", "--sink"),
        ("list deliveries --state lost", "suppressed"),
        ("list alerts --json --json-lines", "cannot be used with"),
    ] {
        let output = ask(arguments).stdout("").any_stderr().code(exit::USAGE);
        let output = output.run();
        assert!(
            output.stderr.contains(said),
            "{arguments}: {}",
            output.stderr
        );
    }
}
