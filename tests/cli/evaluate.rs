//! `evaluate`: alerts against labels.

use std::fmt::Write as _;

use runwatch::exit;

use crate::support::Test;

/// A run whose loss is NaN from step 50 on.
fn sick() -> String {
    let mut log = String::from("step,loss\n");
    for step in 0..60 {
        let loss = match step {
            50.. => "nan",
            _ if step % 2 == 0 => "2.51",
            _ => "2.5",
        };
        let _ = writeln!(log, "{step},{loss}");
    }
    log
}

/// A run that is fine.
fn fine() -> String {
    sick().replace("nan", "2.4")
}

const LABELS: &str = r#"{"id":"sick","type":"nan","onset_step":49,"end_step":60}
{"id":"fine","type":"trap","naive_rule":"loss_flatline","onset_step":0,"end_step":60}
"#;

fn evaluate(arguments: &str) -> Test {
    Test::new(arguments)
        .file("labels.jsonl", LABELS)
        .file("sick.csv", sick())
        .file("fine.csv", fine())
        .any_stdout()
}

#[test]
fn incidents_are_found_and_traps_are_not_fallen_into() {
    let output = evaluate("evaluate --labels labels.jsonl sick.csv fine.csv").run();
    for part in [
        "2 runs with 120 rows; 1 runs are healthy, 109 rows\n",
        "\nnon-finite             1 of 1      100 %   1 rows  ",
        "\nincidents found      1 of 1\ntraps fallen into    0 of 1\n",
        "  nan                    sick step 49: critical non-finite at step 50, 1 rows on\n",
    ] {
        assert!(output.text().contains(part), "{part}\n{}", output.text());
    }
}

#[test]
fn the_report_is_json_as_well() {
    let output = evaluate("evaluate --json --labels labels.jsonl sick.csv fine.csv").run();
    let report: serde_json::Value = serde_json::from_str(output.text()).unwrap();
    assert_eq!(report["healthy_rows"], 109);
    assert_eq!(report["incidents"][0]["alert"]["detector"], "non-finite");
    assert_eq!(report["detectors"]["non-finite"]["found"], 1);
}

#[test]
fn what_is_no_label_is_named() {
    Test::new("evaluate --labels labels.jsonl sick.csv")
        .file("labels.jsonl", "{\"id\": \"sick\"}\n")
        .file("sick.csv", sick())
        .stderr("error: labels.jsonl: line 1: missing field `type` at line 1 column 14\n")
        .code(exit::INPUT)
        .run();
}

#[test]
fn scores_of_the_anomaly_benchmark_are_written() {
    let mut data = String::from("timestamp,value\n");
    for row in 0..300 {
        let value = if row == 250 { 90 } else { 20 + row % 7 };
        let time = format!("{:02}:{:02}", row / 60, row % 60);
        let _ = writeln!(data, "2014-04-01 {time}:00,{value}");
    }
    let output = Test::new("evaluate --nab data out")
        .file("data/group/file.csv", data)
        .stderr("runwatch: 300 rows of 1 files scored into `out`\n")
        .run();
    let scores = output.folder.path().join("out/group/file.csv");
    let scores = std::fs::read_to_string(scores).unwrap();
    let score = |row: usize| -> f64 {
        let line = scores.lines().nth(row + 1).unwrap();
        line.rsplit(',').next().unwrap().parse().unwrap()
    };
    assert_eq!(scores.lines().next(), Some("timestamp,value,anomaly_score"));
    assert_eq!(scores.lines().count(), 301);
    assert!(
        score(250) > 0.9 && score(249) < 0.1,
        "{} {}",
        score(249),
        score(250)
    );
}
