//! Real logs: every record is read, and review shows what went wrong in them
//! and nothing else.
//!
//! The logs are not a part of the project. The tests read them from the folder
//! that `RUNWATCH_CORPUS` names, or from `../shared/corpus` beside the
//! workspace, and pass with a note where there is neither.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on says so, and one that is skipped too"
)]

#[path = "decode/records.rs"]
mod records;

use std::path::{Path, PathBuf};
use std::process::Command;

use records::{Record, decode, decode_chunks, keep_all};
use serde_json::Value;

/// The formats that the readers of JSON lines, Python dicts and keys with
/// values cover.
const FORMATS: [&str; 7] = [
    "hf_trainer_stdout",
    "trl_grpo_stdout",
    "trl_dpo_stdout",
    "trl_sft_stdout",
    "llamafactory_trainer_log_jsonl",
    "dreamerv3_metrics_jsonl",
    "nanogpt_family",
];

/// The folder of logs, if this machine has it.
fn logs() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = match std::env::var_os("RUNWATCH_CORPUS") {
        Some(named) => PathBuf::from(named),
        None => root.join("../shared/corpus"),
    };
    let logs = folder.join("logs");
    if logs.join("expected.jsonl").is_file() {
        return Some(logs);
    }
    println!("skipped: no corpus of logs in {}", folder.display());
    None
}

/// What the corpus says of each log of the formats above.
fn expected(logs: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(logs.join("expected.jsonl")).unwrap();
    let known: Vec<Value> = text
        .lines()
        .map(|line| {
            // Python writes NaN bare.
            let line = line.replace(": NaN", ": \"NaN\"");
            serde_json::from_str(&line).unwrap()
        })
        .filter(|facts: &Value| {
            let format = facts["path"].as_str().unwrap().split('/').next().unwrap();
            FORMATS.contains(&format)
        })
        .collect();
    assert_eq!(known.len(), 17);
    known
}

/// Where the facts about a log are of less than is in it: its true records,
/// the first of them with a loss, and why.
fn exception(path: &str) -> Option<(u64, f64)> {
    match path {
        // The facts count the rows whose steps fill their column, from 10,000
        // on. The log has the steps 0 to 19,072.
        "nanogpt_family/cecilia_build_nanogpt_train.log" => Some((19_073, 10.955003)),
        _ => None,
    }
}

/// The records that the facts do not count, by the names that they consist of:
/// evaluations that build-nanogpt prints on lines of their own.
fn beside(record: &Record) -> bool {
    let names = ["validation loss", "HellaSwag accuracy"];
    matches!(&record.values[..], [(name, _)] if names.contains(&name.as_str()))
}

#[test]
fn every_record_is_read() {
    let Some(logs) = logs() else { return };
    let mut wrong = Vec::new();
    for facts in expected(&logs) {
        let path = facts["path"].as_str().unwrap();
        let (records, losses, malformed) = read(&logs.join(path), facts["loss_key"].as_str());
        let exception = exception(path);
        let mut compare = |what: &str, got: f64, facts: f64| {
            // serde_json reads the last digit of a number inexactly.
            let near = (got - facts).abs() <= 1e-15 * facts.abs();
            let equal = near || (got.is_nan() && facts.is_nan());
            if !equal {
                wrong.push(format!("{path}: {what} is {got} and not {facts}"));
            }
        };
        let number = |field: &str| facts[field].as_f64().unwrap_or(f64::NAN);
        let count = exception.map_or(number("records"), |(count, _)| count as f64);
        compare("the number of records", records as f64, count);
        compare("the number of malformed lines", malformed as f64, 0.0);
        if facts["loss_key"].is_string() {
            let first = exception.map_or(number("first_loss"), |(_, first)| first);
            compare("the first loss", losses[0], first);
            compare(
                "the last loss",
                losses[losses.len() - 1],
                number("last_loss"),
            );
            let count = exception.map_or(number("loss_count"), |(count, _)| count as f64);
            compare("the number of losses", losses.len() as f64, count);
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The Trainer's dicts name no step: the bar beside them does, and there are
/// bars of other things.
#[test]
fn steps_are_those_of_the_trainings_bar() {
    let Some(logs) = logs() else { return };
    let mut wrong = Vec::new();
    for (path, every, count) in [
        ("hf_trainer_stdout/hf_v5_ok.log", 10, 40),
        ("hf_trainer_stdout/hf_v5_nan_from_step231.log", 10, 40),
        ("hf_trainer_stdout/mobilevlm_train_crash_cr.out", 1, 4374),
        // Not trl_dpo_stdout/clean_code_qwen_dpo.log: its standard output was
        // buffered, and the dict of step 10 stands beside the bar of step 50.
        ("trl_grpo_stdout/trl_v1_grpo.log", 1, 12),
        ("trl_sft_stdout/trl_v1_sft_loss0.log", 1, 25),
        // The first of several trainings; later ones are shorter.
        ("hf_trainer_stdout/olora_llama2_crlf.log", 10, 205),
    ] {
        let steps = loss_steps(&logs.join(path));
        assert_eq!(steps.len(), count, "{path}");
        let mut expected = 0;
        for (at, step) in steps.iter().enumerate() {
            let again = path.contains("olora") && *step <= every;
            expected = if again { every } else { expected + every };
            // A bar may be one step behind the dict.
            if !(expected - 1..=expected).contains(step) {
                wrong.push(format!(
                    "{path}: step {step} of record {at} is not {expected}"
                ));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn loss_steps(path: &Path) -> Vec<i64> {
    let (records, _) = decode(&std::fs::read(path).unwrap());
    let with_loss = |record: &&Record| record.get("loss").is_some();
    let found = records.iter().filter(with_loss);
    found.map(|record| record.step).collect()
}

/// The number of records, the losses, and the number of malformed lines.
fn read(path: &Path, loss: Option<&str>) -> (usize, Vec<f64>, u64) {
    let bytes = std::fs::read(path).unwrap();
    let (records, tally) = decode_chunks(keep_all(), bytes.chunks(64 << 10));
    let losses = records.iter().filter_map(|record| record.get(loss?));
    let losses = losses.collect();
    let counted = records.iter().filter(|record| !beside(record)).count();
    (counted, losses, tally.malformed)
}

/// An alert in short: severity, state, key, line.
type Short = (String, String, String, u64);

fn review(log: &Path) -> Vec<Short> {
    let output = Command::new(env!("CARGO_BIN_EXE_runwatch"))
        .args(["review", "--json"])
        .arg(log)
        // What is configured on this machine is not what is tested.
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", log.display());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let alert: Value = serde_json::from_str(line).unwrap();
            (
                text(&alert["severity"]),
                text(&alert["state"]),
                text(&alert["key"]),
                alert["location"]["line"].as_u64().unwrap(),
            )
        })
        .collect()
}

/// The incidents that the detectors cover: the alert that tells of each first,
/// as severity, key and line.
fn incidents(path: &str) -> &'static [(&'static str, &'static str, u64)] {
    match path {
        "hf_trainer_stdout/hf_v5_nan_from_step231.log" => &[
            ("critical", "non-finite/loss", 49),
            ("critical", "non-finite/grad_norm", 49),
            ("warning", "non-finite/other", 61),
        ],
        // Nothing for hf_trainer_stdout/olora_llama2_crlf.log: its loss rises from
        // one training to the next, each begins afresh at step 10, and none but
        // the first is longer than the warm-up. What is wrong within each, a
        // learning rate of zero, is not among what is looked for yet.
        _ => &[],
    }
}

#[test]
fn review_shows_the_incidents_and_nothing_else() {
    let Some(logs) = logs() else { return };
    let mut wrong = Vec::new();
    for facts in expected(&logs) {
        let path = facts["path"].as_str().unwrap();
        let alerts = review(&logs.join(path));
        let incidents = incidents(path);
        for (severity, key, line) in incidents {
            let told = alerts.iter().any(|(is, state, of, at)| {
                is == severity && state == "firing" && of == key && at == line
            });
            if !told {
                wrong.push(format!(
                    "{path}: no {severity} {key} at line {line}: {alerts:?}"
                ));
            }
        }
        for (severity, _, key, line) in &alerts {
            let known = incidents.iter().any(|(_, of, _)| of == key);
            if severity != "info" && !known {
                wrong.push(format!("{path}: {severity} {key} at line {line}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Logs of formats that are not read yet, binary files among them: no crash.
#[test]
fn review_ends_well_on_every_file() {
    let Some(logs) = logs() else { return };
    let mut files = 0;
    for folder in std::fs::read_dir(&logs).unwrap() {
        let folder = folder.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(folder).unwrap() {
            let file = file.unwrap().path();
            if file.is_file() {
                review(&file);
                files += 1;
            }
        }
    }
    assert!(files > 80, "{files}");
}
