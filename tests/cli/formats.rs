//! What training scripts print, and the record and the alert that it makes.

use crate::support::{Test, fields};

/// Reviews `line`, in which `STEP` and `LOSS` are put in for three steps, the
/// last with a loss of `nan`: each line is a record, and the alert knows where
/// it was.
fn reads(line: &str, nan: &str) {
    reads_rank(line, nan, "null");
}

fn reads_rank(line: &str, nan: &str, rank: &str) {
    let log: String = [("10", "2.5"), ("20", "2.25"), ("30", nan)]
        .map(|(step, loss)| line.replace("STEP", step).replace("LOSS", loss))
        .concat();
    let output = Test::new("review --json train.log")
        .file("train.log", &log)
        .any_stdout()
        .any_stderr()
        .run();
    let summary = "runwatch: train.log: 3 records in ";
    assert!(
        output.stderr.starts_with(summary),
        "{log}\n{}",
        output.stderr
    );
    assert!(
        !output.stderr.contains("malformed"),
        "{log}\n{}",
        output.stderr
    );
    let seen = fields(
        &output.alerts(),
        &["detector", "key", "severity", "step", "rank"],
    );
    let expected = format!("non-finite non-finite/loss critical 30 {rank}");
    assert_eq!(seen, [expected], "{log}");
    assert_eq!(
        output.alerts()[0]["title"],
        format!("loss is {}", word(nan)),
        "{log}"
    );
}

/// How a number that is none is shown.
fn word(nan: &str) -> &'static str {
    match nan.trim_matches(['"', '\'']).to_lowercase().as_str() {
        "nan" => "NaN",
        "-inf" | "-infinity" => "-Infinity",
        _ => "+Infinity",
    }
}

#[test]
fn json_lines() {
    let line = "{\"step\": STEP, \"loss\": LOSS}\n";
    for nan in ["NaN", "Infinity", "-Infinity", "1e999"] {
        reads(line, nan);
    }
    reads("{\"loss\":LOSS,\"global_step\":STEP}\n", "NaN");
    reads("  {\"step\": STEP, \"train/loss\": LOSS}  \r\n", "NaN");
    reads(
        "{\"step\": STEP, \"extra\": {\"a\": [1, {}]}, \"loss\": LOSS}\n",
        "NaN",
    );
}

#[test]
fn numbers_in_strings() {
    let line = "{\"step\": \"STEP\", \"loss\": \"LOSS\"}\n";
    for nan in ["NaN", "nan", "inf", "-inf", "Infinity"] {
        reads(line, nan);
    }
}

#[test]
fn null_and_absence_are_not_nan() {
    let log =
        "{\"step\": 1, \"loss\": 2.5}\n{\"step\": 2, \"loss\": null}\n{\"step\": 3, \"lr\": 0.1}\n";
    Test::new("review train.log -q")
        .file("train.log", log)
        .run();
}

#[test]
fn python_dicts() {
    let bare =
        "{'loss': LOSS, 'grad_norm': 1.5, 'learning_rate': 5e-05, 'step': STEP, 'epoch': 0.1}\n";
    for nan in ["nan", "inf", "-inf"] {
        reads(bare, nan);
    }
    let quoted = "{'loss': 'LOSS', 'grad_norm': '1.5', 'learning_rate': '5e-05', 'step': 'STEP'}\n";
    for nan in ["nan", "inf", "-inf"] {
        reads(quoted, nan);
    }
    reads(
        "{'loss': LOSS, 'ok': True, 'none': None, 'step': STEP, 'list': [1, 'a']}\n",
        "nan",
    );
}

#[test]
fn pairs() {
    reads("step=STEP loss=LOSS lr=1e-4\n", "nan");
    reads("step: STEP, loss: LOSS, lr: 1e-4\n", "nan");
    reads("Step STEP | loss: LOSS | lr: 1.00e-04\n", "nan");
    reads("[train] step=STEP, loss=LOSS\n", "inf");
    reads("iter STEP: loss LOSS, time 12.3ms\n", "nan");
    reads(
        "2024-05-01 12:00:00,123 INFO trainer: step=STEP loss=LOSS\n",
        "nan",
    );
}

#[test]
fn ranks_and_loggers_stand_before_records() {
    reads_rank("[rank3] {\"step\": STEP, \"loss\": LOSS}\n", "NaN", "3");
    reads_rank("[rank3]: step=STEP loss=LOSS\n", "nan", "3");
    reads_rank(
        "{\"rank\": 7, \"step\": STEP, \"loss\": LOSS}\n",
        "NaN",
        "7",
    );
    reads("INFO:trainer:{'loss': LOSS, 'step': STEP}\n", "nan");
    reads(
        "2024-05-01 12:00:00 | INFO | {\"step\": STEP, \"loss\": LOSS}\n",
        "NaN",
    );
}

#[test]
fn colours_are_no_part_of_a_record() {
    reads(
        "\x1b[32mstep=STEP\x1b[0m \x1b[1;31mloss=LOSS\x1b[0m\n",
        "nan",
    );
    reads("\x1b[2K{\"step\": STEP, \"loss\": LOSS}\x1b[0m\n", "NaN");
    reads("\x1b]0;title\x07{'step': STEP, 'loss': LOSS}\n", "nan");
}

#[test]
fn progress_bars_rewrite_one_line() {
    reads(
        "\r 10%|#   | STEP/300 [00:01<00:09, 9.9it/s]\r{'loss': LOSS, 'epoch': 0.1}\n",
        "nan",
    );
    reads(
        "\r 10%|█   | STEP/300 [00:01<00:09, 9.9it/s]{'loss': LOSS, 'epoch': 0.1}\r",
        "nan",
    );
    reads(
        "  3%|▎         | STEP/300 [00:01<00:09,  9.9it/s]\n{'loss': LOSS, 'epoch': 0.1}\n",
        "nan",
    );
}

#[test]
fn other_text_passes_by() {
    let log = "Loading checkpoint shards: 100%\nhost = 127.0.0.1\n\nlr scheduler: cosine\n\
               {'model': 'x', 'layers': 12}\nusage: train.py [-h] loss=nan\nEpoch is starting\n";
    let output = Test::new("review train.log")
        .file("train.log", log)
        .any_stderr()
        .run();
    assert!(
        output
            .stderr
            .starts_with("runwatch: train.log: 0 records in 7 lines\n"),
        "{}",
        output.stderr
    );
}
