//! `runwatch review`: logs in batch.

use runwatch::exit;
use serde_json::{Value, json as value};

use crate::streams::{NAN, healthy, json, troubled};
use crate::support::{Test, fields};

const LINE: &str = "\
CRITICAL non-finite run=default/train step=3 loss is NaN: `loss` is NaN at step 3; it was finite \
before. | do: Stop the run: after an update with this loss the weights are NaN too. Go back to the \
last checkpoint before step 3 (check that its weights are finite), skip the batch of this step or \
lower the learning rate, and look for overflow (use bf16, or loss scaling under fp16), log(0) or a \
division by zero.
";

const PANEL: &str = "\
╭─ CRITICAL · default/train · step 3 ──────────────────────────────────────────────────────────────╮
│ loss is NaN                                                                                      │
│ `loss` is NaN at step 3; it was finite before.                                                   │
│ → Stop the run: after an update with this loss the weights are NaN too. Go back to the last      │
│   checkpoint before step 3 (check that its weights are finite), skip the batch of this step or   │
│   lower the learning rate, and look for overflow (use bf16, or loss scaling under fp16), log(0)  │
│   or a division by zero.                                                                         │
╰─ non-finite · train.log:3 ───────────────────────────────────────────────────────────────────────╯
";

const SUMMARY: &str = "\
runwatch: train.log: 3 records in 3 lines
runwatch: 1 alert: 1 critical
";

fn review(arguments: &str) -> Test {
    Test::new("review train.log")
        .file("train.log", NAN)
        .arguments(arguments)
}

#[test]
fn panels() {
    review("").stdout(PANEL).stderr(SUMMARY).run();
}

#[test]
fn lines() {
    review("--plain").stdout(LINE).stderr(SUMMARY).run();
}

#[test]
fn quiet() {
    review("--plain --quiet").stdout(LINE).run();
    review("-q").stdout(PANEL).run();
}

#[test]
fn json_has_every_field_in_order() {
    let output = review("--json").any_stdout().stderr(SUMMARY).run();
    let [alert] = &output.alerts()[..] else {
        panic!("{}", output.text());
    };
    let mut expected = value!({
        "id": alert["id"], "schema": 1, "fingerprint": alert["fingerprint"], "episode": 1, "project": "default", "run": "train", "rank": null,
        "ranks": [],
        "host": alert["host"], "detector": "non-finite", "key": "non-finite/loss",
        "severity": "critical", "state": "firing", "step": 3, "time": null, "title": "loss is NaN",
        "message": "`loss` is NaN at step 3; it was finite before.",
        "recommendation": alert["recommendation"], "values": {"loss": null, "step": 3.0},
        "location": {"input": "train.log", "line": 3}, "first_step": 3, "count": 1, "route": null, "recent": alert["recent"], "halt": "the loss is NaN", "evidence": null,
    });
    assert_eq!(*alert, expected);
    let id = alert["id"].as_str().unwrap();
    assert!(
        id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{id}"
    );
    assert_ne!(alert["host"], "");
    // Values in the place of names: the order of the fields, as documented.
    for (at, name) in documented().iter().enumerate() {
        expected[name] = at.into();
    }
    let order: Vec<_> = documented()
        .iter()
        .map(|name| output.text().find(&format!("\"{name}\":")))
        .collect();
    assert!(
        order.is_sorted() && order.iter().all(Option::is_some),
        "{order:?}"
    );
    assert_eq!(expected.as_object().unwrap().len(), documented().len());
}

/// The fields of the table in `docs/alert.md`.
fn documented() -> Vec<&'static str> {
    include_str!("../../docs/alert.md")
        .lines()
        .filter_map(|line| {
            line.strip_prefix("| `")?
                .split_once('`')
                .map(|(name, _)| name)
        })
        .collect()
}

#[test]
fn every_line_of_json_is_strict() {
    let output = Test::new("review --json --quiet train.log")
        .file("train.log", json(&troubled()))
        .any_stdout()
        .run();
    for alert in output.alerts() {
        let names: Vec<_> = alert.as_object().unwrap().keys().collect();
        assert_eq!(names.len(), documented().len(), "{alert}");
        assert!(
            alert["recommendation"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{alert}"
        );
        let numbers = alert["values"].as_object().unwrap();
        assert!(
            numbers
                .values()
                .all(|number| number.is_number() || number.is_null()),
            "{alert}"
        );
        assert!(!numbers.is_empty(), "{alert}");
    }
}

#[test]
fn times_are_the_records_own() {
    let log = NAN.replace("\"step\": 3", "\"step\": 3, \"timestamp\": 1700000000.25");
    let output = review("--json -q")
        .file("train.log", log)
        .any_stdout()
        .run();
    assert_eq!(output.alerts()[0]["time"], "2023-11-14T22:13:20.250Z");
}

#[test]
fn several_files_are_several_runs() {
    let output = Test::new("review --json a.log b/c.jsonl")
        .file("a.log", NAN)
        .file("b/c.jsonl", NAN)
        .any_stdout()
        .stderr(
            "runwatch: a.log: 3 records in 3 lines\n\
             runwatch: b/c.jsonl: 3 records in 3 lines\n\
             runwatch: 2 alerts: 2 criticals\n",
        )
        .run();
    let seen = fields(&output.alerts(), &["run", "location"]);
    assert_eq!(
        seen,
        [
            r#"a {"input":"a.log","line":3}"#,
            r#"c {"input":"b/c.jsonl","line":3}"#
        ]
    );
}

#[test]
fn a_run_may_go_on_in_another_file() {
    let output = Test::new("review --json -q --run r a.log b.log")
        .file(
            "a.log",
            "{\"step\": 1, \"loss\": 2.5}\n{\"step\": 2, \"loss\": 2.5}\n",
        )
        .file("b.log", "{\"step\": 3, \"loss\": NaN}\n")
        .any_stdout()
        .run();
    let seen = fields(&output.alerts(), &["run", "location", "message"]);
    // That it was finite before is known from the first file.
    let expected = r#"r {"input":"b.log","line":1} `loss` is NaN at step 3; it was finite before."#;
    assert_eq!(seen, [expected]);
}

#[test]
fn a_dash_is_standard_input() {
    let output = Test::new("review --json -")
        .stdin(NAN)
        .any_stdout()
        .stderr("runwatch: stdin: 3 records in 3 lines\nrunwatch: 1 alert: 1 critical\n")
        .run();
    let seen = fields(&output.alerts(), &["run", "location"]);
    assert_eq!(seen, [r#"default {"input":"stdin","line":3}"#]);
}

#[test]
fn fail_on_decides_the_exit_code() {
    let warning = "{\"step\": 1, \"kl\": 0.5}\n{\"step\": 2, \"kl\": NaN}\n";
    for (log, flags, code) in [
        (NAN, "", exit::OK),
        (NAN, "--fail-on critical", exit::ALERTS),
        (NAN, "--fail-on warning", exit::ALERTS),
        (NAN, "--fail-on info", exit::ALERTS),
        (warning, "--fail-on warning", exit::ALERTS),
        (warning, "--fail-on critical", exit::OK),
        ("{\"step\": 1, \"loss\": 1}\n", "--fail-on info", exit::OK),
    ] {
        review(flags)
            .file("train.log", log)
            .any_stdout()
            .any_stderr()
            .code(code)
            .run();
    }
    review("--fail-on bad").any_stderr().code(exit::USAGE).run();
}

#[test]
fn the_same_every_time_and_with_any_number_of_threads() {
    let mut log = String::new();
    for (step, row) in troubled().iter().enumerate() {
        for run in 0..8 {
            let mut row = row.clone();
            row.loss += f64::from(run) * 0.1;
            let line = json(&[row]);
            log.push_str(&line.replace(
                "{\"step\"",
                &format!("{{\"run\": \"r{run}\", \"rank\": {}, \"step\"", step % 2),
            ));
        }
    }
    let reviewed = |flags: &str| {
        review(flags)
            .file("train.log", &log)
            .any_stdout()
            .any_stderr()
            .run()
    };
    for form in ["--json", "--plain", ""] {
        let first = reviewed(&format!("{form} --threads 1"));
        assert!(first.stdout.len() > 10_000, "{}", first.text());
        for threads in ["1", "2", "4", "4"] {
            let again = reviewed(&format!("{form} --threads {threads}"));
            assert_eq!(again.text(), first.text(), "{threads} threads");
            assert_eq!(again.stderr, first.stderr, "{threads} threads");
        }
    }
}

#[test]
fn alerts_go_to_a_file_too() {
    let output = review("--json")
        .file("runwatch.toml", "[file]\npath = \"alerts.jsonl\"\n")
        .any_stdout()
        .stderr(SUMMARY)
        .run();
    let file = std::fs::read_to_string(output.folder.path().join("alerts.jsonl")).unwrap();
    assert_eq!(file, output.text());
}

#[test]
fn lesser_alerts_can_be_left_out() {
    let config = "[alerts]\nmin-severity = \"critical\"\n";
    let output = review("--json -q")
        .file("train.log", json(&troubled()))
        .file("runwatch.toml", config)
        .any_stdout()
        .run();
    let severities = fields(&output.alerts(), &["severity"]);
    assert!(!severities.is_empty());
    assert!(
        severities.iter().all(|severity| severity == "critical"),
        "{severities:?}"
    );
}

#[test]
fn names_can_be_added() {
    let config = "[names]\n\"my/objective\" = \"loss\"\n";
    let output = review("--json -q")
        .file("train.log", NAN.replace("loss", "my/objective"))
        .file("runwatch.toml", config)
        .any_stdout()
        .run();
    let alerts = output.alerts();
    assert_eq!(alerts[0]["key"], "non-finite/loss");
    assert_eq!(alerts[0]["severity"], "critical");
}

#[test]
#[cfg(unix)]
fn a_reader_that_leaves_is_no_failure() {
    let rows: Vec<_> = (0..40).flat_map(|_| troubled()).collect();
    let output = review("--json --quiet")
        .file("train.log", json(&rows))
        .any_stdout()
        .stderr("exit 0\n")
        .run_in_shell(r#"{ "$0" "$@"; echo "exit $?" >&2; } | head -n 1"#);
    assert_eq!(output.alerts().len(), 1);
}

#[test]
fn a_healthy_run_has_no_alerts() {
    review("")
        .file("train.log", json(&healthy(2000)))
        .stderr("runwatch: train.log: 2,000 records in 2,000 lines\nrunwatch: 0 alerts\n")
        .run();
}

#[test]
fn no_path_is_a_usage_error() {
    let output = Test::new("review").any_stderr().code(exit::USAGE).run();
    assert!(output.stderr.contains("<PATH>..."), "{}", output.stderr);
}

#[test]
fn values_that_are_not_numbers_are_null_in_json_and_named_in_words() {
    let log = NAN.replace("NaN", "-Infinity");
    let output = review("--json -q")
        .file("train.log", log)
        .any_stdout()
        .run();
    let alerts = output.alerts();
    assert_eq!(alerts[0]["values"]["loss"], Value::Null);
    assert!(
        alerts[0]["message"].as_str().unwrap().contains("-Infinity"),
        "{}",
        alerts[0]
    );
}
