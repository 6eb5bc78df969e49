//! The same run watched twice: the same job read again, or another attempt.

use std::path::Path;

use serde_json::Value;

use crate::support::Test;

const FIRST: &str = "{\"step\": 1, \"loss\": 1.5}\n{\"step\": 10, \"loss\": NaN}\n";
const SECOND: &str = "{\"step\": 1, \"loss\": 1.5}\n{\"step\": 20, \"loss\": NaN}\n";

fn watch(ledger: &Path, stdin: &str) -> Test {
    Test::new("--quiet --run job --ledger")
        .file("runwatch.toml", "[detectors]\nenable = [\"non-finite\"]\n")
        .argument(ledger)
        .stdin(stdin)
        .any_stdout()
        .any_stderr()
}

fn told(ledger: &Path) -> Vec<(i64, u64)> {
    let output = Test::new("list alerts --json-lines --ledger")
        .argument(ledger)
        .any_stdout()
        .run();
    let number = |alert: &Value| {
        let step = alert["step"].as_i64().unwrap();
        (step, alert["episode"].as_u64().unwrap())
    };
    output.alerts().iter().map(number).collect()
}

#[test]
fn a_job_that_is_piped_in_again_is_another_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger.sqlite");
    watch(&ledger, FIRST).run();
    watch(&ledger, SECOND).run();
    let mut told = told(&ledger);
    told.sort_unstable();
    assert_eq!(told, [(10, 1), (20, 2)]);
}

#[test]
fn a_file_that_is_read_again_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger.sqlite");
    for _ in 0..2 {
        watch(&ledger, "")
            .file("job.log", FIRST)
            .run_in_shell("\"$0\" \"$@\" < job.log");
    }
    assert_eq!(told(&ledger), [(10, 1)]);
}
