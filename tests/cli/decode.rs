//! `runwatch decode`.

use serde_json::{Value, json};

use crate::support::Test;

const LOG: &str = "\
iter 10: loss 2.5000, time 131.31ms, mfu 5.00%
WARNING: something was printed
iter 20: loss nan, time 130.25ms, mfu 5.00%
";

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn records_are_strict_json() {
    let output = Test::new("decode train.log")
        .file("train.log", LOG)
        .any_stdout()
        .run();
    let records = lines(output.text());
    assert_eq!(
        records[0],
        json!({
            "input": "train.log", "line": 1, "project": "default", "run": "train",
            "rank": null, "step": 10, "time": null,
            "metrics": {"loss": 2.5, "time": 131.31, "mfu": 5.0},
        })
    );
    assert_eq!(records[1]["metrics"]["loss"], "NaN");
    assert_eq!((&records[1]["line"], records.len()), (&json!(3), 2));
}

#[test]
fn what_is_printed_can_be_read_again() {
    let first = Test::new("decode train.log")
        .file("train.log", LOG)
        .any_stdout()
        .run();
    // As a stream of JSON records it holds one object of metrics a line.
    let again = Test::new("decode -")
        .stdin(first.stdout.clone())
        .any_stdout()
        .run();
    let (first, again) = (lines(first.text()), lines(again.text()));
    assert_eq!(again.len(), first.len());
    assert_eq!(again[1]["metrics"]["metrics/loss"], "NaN");
    assert_eq!(again[1]["step"], first[1]["step"]);
}

#[test]
fn a_summary_says_what_is_there() {
    Test::new("decode --summary train.log")
        .file("train.log", LOG)
        .stdout(
            "\
train.log
  format   nanogpt (nanoGPT, build-nanogpt: standard output and log file): 2 records from line 1 on
  records  2 in 3 lines
  run      train: 2 records, steps 10 to 20
  metric    values        first         last          min          max not finite
  loss           2          2.5          NaN          2.5          2.5          1
  time           2       131.31       130.25       130.25       131.31          -
  mfu            2            5            5            5            5          -
  incident line 3: `loss` is NaN at step 20
",
        )
        .run();
}

#[test]
fn evaluations_stand_beside_the_records() {
    let log = "step    1/9 | loss 2.5 (+nanz)| lr 1e-3 | 42.5 ms | 1239 tok/s\nval loss 2.75\n";
    let output = Test::new("decode train.log")
        .file("train.log", log)
        .any_stdout()
        .run();
    let rows = lines(output.text());
    assert_eq!(rows[0]["metrics"]["loss"], 2.5);
    assert_eq!(rows[1]["evaluation"], json!({"val loss": 2.75}));
    assert_eq!(
        (&rows[1]["step"], &rows[1]["metrics"]),
        (&json!(1), &Value::Null)
    );
    let summary = Test::new("decode --summary train.log")
        .file("train.log", log)
        .any_stdout()
        .run();
    let counted = "  records  1 in 2 lines, and 1 evaluation\n";
    assert!(summary.text().contains(counted), "{}", summary.text());
}

#[test]
fn nothing_recognised() {
    Test::new("decode --summary notes.txt")
        .file("notes.txt", "nothing to see here\n")
        .stdout(
            "\
notes.txt
  format   none recognised (`runwatch decode --list` names all)
  records  0 in 1 line
",
        )
        .run();
}

#[test]
fn one_format_alone() {
    let log = format!("{{\"step\": 1, \"loss\": 1.5}}\n{LOG}");
    let count = |arguments: &str| {
        let output = Test::new(arguments)
            .file("train.log", &log)
            .any_stdout()
            .run();
        output.text().lines().count()
    };
    assert_eq!(count("decode train.log"), 3);
    assert_eq!(count("decode --format jsonl train.log"), 1);
    assert_eq!(count("decode --format nanogpt train.log"), 2);
    assert_eq!(count("decode --format python-dict train.log"), 0);
}

#[test]
fn a_format_that_does_not_exist() {
    Test::new("decode --format nanogtp x.log")
        .stderr("error: there is no format `nanogtp`\nhint: did you mean `nanogpt`?\n")
        .code(2)
        .run();
}

#[test]
fn every_format_has_a_name() {
    let output = Test::new("decode --list").any_stdout().run();
    for name in ["nanogpt ", "jsonl ", "python-dict ", "key-value "] {
        let listed = output.text().lines().any(|line| line.starts_with(name));
        assert!(listed, "{name}");
    }
}

#[test]
fn lines_of_ones_own() {
    let config = "\
[pattern.mine]
line = 'it=(?<step>\\d+) L=(?<loss>\\S+) took (?<dt>\\d+) \\((?<phase>\\w+)\\)'
units = { dt = \"ms\" }
text = [\"phase\"]
";
    let output = Test::new("decode train.log")
        .file("runwatch.toml", config)
        .file("train.log", "it=7 L=2.5 took 1500 (2)\n")
        .any_stdout()
        .run();
    let record = &lines(output.text())[0];
    assert_eq!(record["step"], 7);
    assert_eq!(record["metrics"], json!({"loss": 2.5, "dt": 1.5}));
    assert_eq!(record["labels"], json!({"phase": "2"}));
}

#[test]
fn a_pattern_that_is_wrong() {
    let config = "\
[pattern.mine]
line = 'it=(?<step>\\d+) L=(?<loss>\\S+)'
unit = { dt = \"ms\" }
text = [\"phase\"]

[pattern.yours]
line = 'loss (\\S+)'

[pattern.theirs]
";
    let output = Test::new("config check")
        .file("runwatch.toml", config)
        .any_stdout()
        .any_stderr()
        .code(2)
        .run();
    for said in [
        "runwatch.toml:3",
        "did you mean `units`?",
        "`line` has no group `phase`",
        "it names no group",
        "`[pattern.theirs]` has no `line`",
    ] {
        assert!(output.stderr.contains(said), "{said}\n{}", output.stderr);
    }
}

#[test]
fn a_missing_file_does_not_stop_the_others() {
    let output = Test::new("decode missing.log train.log")
        .file("train.log", LOG)
        .any_stdout()
        .any_stderr()
        .code(5)
        .run();
    assert!(
        output
            .stderr
            .starts_with("error: cannot open `missing.log`")
    );
    assert_eq!(output.text().lines().count(), 2);
}

#[test]
fn tracebacks_and_kills_are_incidents() {
    let log = "\
iter 10: loss 2.5, time 131.31ms
Traceback (most recent call last):
  File \"train.py\", line 7, in <module>
    step()
ValueError: no batch
Killed
";
    let output = Test::new("decode --summary train.log")
        .file("train.log", log)
        .any_stdout()
        .run();
    for said in [
        "  run      train: 1 record, steps 10 to 10\n",
        "  incident line 2: ValueError: no batch\n  incident line 6: killed: Killed\n",
    ] {
        assert!(output.text().contains(said), "{said}\n{}", output.text());
    }
}

#[test]
fn a_training_that_begins_again_is_another_run() {
    let training = "iter 10: loss 2.5, time 9ms\niter 20: loss 2.25, time 9ms\n\
                    iter 30: loss 2.0, time 9ms\n";
    let output = Test::new("decode --summary train.log")
        .file(
            "train.log",
            format!("iter 0: loss 3.5, time 9ms\n{training}").repeat(2),
        )
        .any_stdout()
        .run();
    for run in ["train: 4 records", "train#2: 4 records"] {
        assert!(output.text().contains(run), "{}", output.text());
    }
}
