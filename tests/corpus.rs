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

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use records::{Record, decode, decode_chunks, keep_all};
use runwatch::decode::Tally;
use serde_json::Value;

/// The kinds of logs by their folder, and the format that most of the records
/// of each must be recognised as.
const FORMATS: [(&str, &str); 61] = [
    ("baselines_table_stdout", "baselines-table"),
    ("catboost_error_tsv", "catboost-tsv"),
    ("catboost_stdout", "catboost"),
    ("cleanrl_stdout", "cleanrl"),
    ("clearml_offline", "clearml"),
    ("colbert_stdout", "colbert"),
    ("custom_stdout", "key-value"),
    ("cyclegan_stdout", "cyclegan"),
    ("deepspeed_stdout", "deepspeed"),
    ("detr_log_txt_jsonl", "detr-json"),
    ("detr_metriclogger_stdout", "metric-logger"),
    ("dreamerv3_metrics_jsonl", "dreamer"),
    ("fairseq_json_stdout", "fairseq-json"),
    ("heartbeat_jsonl", "heartbeat"),
    ("hf_trainer_state_json", "trainer-state"),
    ("hf_trainer_stdout", "hf-trainer"),
    ("jax_openpi_stdout", "openpi"),
    ("keras_csvlogger", "keras-csv"),
    ("keras_progress", "keras"),
    ("lightgbm_stdout", "lightgbm"),
    ("lightning_metrics_csv", "lightning-csv"),
    ("lightning_progress_bar", "lightning"),
    ("llamafactory_trainer_log_jsonl", "llamafactory-jsonl"),
    ("llmc_main_log", "llm-c"),
    ("llmc_stdout", "llm-c"),
    ("maskrcnn_benchmark_stdout", "detectron2"),
    ("maxtext_stdout", "maxtext"),
    ("megatron_stdout", "megatron"),
    ("mlflow_file_store", "mlflow"),
    ("mlperf_mllog", "mlperf"),
    ("mmengine_scalars_json", "mmengine-json"),
    ("mmengine_stdout", "mmengine"),
    ("modded_nanogpt", "modded-nanogpt"),
    ("mxnet_stdout", "mxnet"),
    ("nanochat_stdout", "nanochat"),
    ("nanogpt_family", "nanogpt"),
    ("olmo_stdout", "olmo"),
    ("openai_logger_progress_csv", "openai-csv"),
    ("paddle_stdout", "paddle"),
    ("rllib_progress_csv", "rllib-csv"),
    ("sb3_monitor_csv", "sb3-monitor"),
    ("sb3_progress_csv", "sb3-csv"),
    ("sb3_progress_json", "sb3-json"),
    ("sb3_table_stdout", "sb3-table"),
    ("sglang_stdout", "sglang"),
    ("tfevents", "tfevents"),
    ("timm_stdout", "timm"),
    ("timm_summary_csv", "timm-csv"),
    ("torchrun_failure", "key-value"),
    ("torchtitan_stdout", "torchtitan"),
    ("torchtune_disklogger", "torchtune"),
    ("torchtune_stdout", "torchtune"),
    ("trl_dpo_stdout", "trl-dpo"),
    ("trl_grpo_stdout", "trl-grpo"),
    ("trl_sft_stdout", "trl-sft"),
    ("ultralytics_results_csv", "ultralytics-csv"),
    ("ultralytics_stdout", "ultralytics"),
    ("verl_stdout", "verl"),
    ("vllm_stdout", "vllm"),
    ("wandb_run_binary", "wandb"),
    ("xgboost_stdout", "xgboost"),
];

/// Logs in which more records are read than the facts count, how many, and why.
/// docs/formats.md has the same table for people.
const DIFFERENCES: [(&str, u64, &str); 4] = [
    (
        "nanogpt_family/cecilia_build_nanogpt_train.log",
        19_073,
        "the facts count steps from 10,000 on",
    ),
    (
        "detr_metriclogger_stdout/dino_train.out",
        9_916,
        "the facts leave `Epoch: [E/N]` out",
    ),
    (
        "cyclegan_stdout/cyclegan_train.log",
        19,
        "the facts have no rule for it",
    ),
    (
        "lightning_progress_bar/pl26_rich.log",
        1,
        "the facts have no rule for it",
    ),
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
            let line = line.replace(": Infinity", ": \"Infinity\"");
            let line = line.replace("NaN,", "null,").replace("NaN]", "null]");
            serde_json::from_str(&line).unwrap()
        })
        .collect();
    assert!(known.len() > 70);
    known
}

/// Whether the facts about a log are of its later part, so that its first loss
/// is another.
fn begins_earlier(path: &str) -> bool {
    path.ends_with("cecilia_build_nanogpt_train.log") || path.ends_with("dino_train.out")
}

#[test]
fn every_record_is_read() {
    let Some(logs) = logs() else { return };
    let mut wrong = Vec::new();
    for facts in expected(&logs) {
        let path = facts["path"].as_str().unwrap();
        let (losses, tally) = read(&logs.join(path), facts["loss_key"].as_str());
        let mut compare = |what: &str, got: f64, facts: f64| {
            // serde_json reads the last digit of a number inexactly, and the
            // facts have some numbers rounded.
            let near = (got - facts).abs() <= 1e-9 * facts.abs();
            let equal = near || got == facts || (got.is_nan() && facts.is_nan());
            if !equal {
                wrong.push(format!("{path}: {what} is {got} and not {facts}"));
            }
        };
        let number = |field: &str| match facts[field].as_str() {
            Some("Infinity") => f64::INFINITY,
            _ => facts[field].as_f64().unwrap_or(f64::NAN),
        };
        let known = DIFFERENCES.iter().find(|(known, ..)| *known == path);
        let count = known.map_or(number("records"), |(_, count, _)| *count as f64);
        compare("the number of records", tally.records as f64, count);
        compare("the number of malformed lines", tally.malformed as f64, 0.0);
        if facts["loss_key"].is_string() {
            if !begins_earlier(path) {
                let first = losses.first().copied();
                compare(
                    "the first loss",
                    first.unwrap_or(-1.0),
                    number("first_loss"),
                );
                let count = number("loss_count");
                compare("the number of losses", losses.len() as f64, count);
            }
            let last = losses.last().copied();
            compare("the last loss", last.unwrap_or(-1.0), number("last_loss"));
        }
        let kind = path.split('/').next().unwrap();
        let format = FORMATS.iter().find(|(folder, _)| *folder == kind);
        let most = tally.formats.iter().max_by_key(|format| format.records);
        if let (Some((_, format)), Some(most)) = (format, most)
            && most.name != *format
        {
            wrong.push(format!("{path}: is {} and not {format}", most.name));
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

/// The losses, and what became of the lines.
fn read(path: &Path, loss: Option<&str>) -> (Vec<f64>, Tally) {
    let bytes = std::fs::read(path).unwrap();
    let (records, tally) = decode_chunks(keep_all(), bytes.chunks(64 << 10));
    // The facts have one name in lower case that is printed with a capital.
    let loss_of = |record: &Record| {
        let capital = || (loss? == "loss").then(|| record.get("Loss"))?;
        record.get(loss?).or_else(capital)
    };
    let losses = records.iter().filter_map(loss_of).collect();
    (losses, tally)
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
                text(&alert["detector"]),
                alert["location"]["line"].as_u64().unwrap_or_default(),
            )
        })
        .collect()
}

/// Every alert of warning or above that a log deserves, judged one by one:
/// path, severity, detector, line.
const JUDGED: &str = include_str!("corpus/judged.tsv");

/// No incident is missed and none is made up, in any of the logs. With
/// `RUNWATCH_BLESS=1` the table is written anew, to be judged again.
#[test]
fn review_shows_the_incidents_and_nothing_else() {
    let Some(logs) = logs() else { return };
    let mut shown = String::from("# path\tseverity\tdetector\tline\n");
    for facts in expected(&logs) {
        let path = facts["path"].as_str().unwrap();
        for (severity, state, detector, line) in review(&logs.join(path)) {
            if state == "firing" && severity != "info" {
                writeln!(shown, "{path}\t{severity}\t{detector}\t{line}").unwrap();
            }
        }
    }
    if std::env::var_os("RUNWATCH_BLESS").is_some() {
        let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus/judged.tsv");
        std::fs::write(table, shown).unwrap();
        return;
    }
    let set = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (shown, judged) = (set(&shown), set(JUDGED));
    let wrong: Vec<_> = shown
        .difference(&judged)
        .map(|line| format!("made up: {line}"))
        .collect();
    let missed: Vec<_> = judged
        .difference(&shown)
        .map(|line| format!("missed: {line}"))
        .collect();
    assert!(
        wrong.is_empty() && missed.is_empty(),
        "\n{}\n{}",
        wrong.join("\n"),
        missed.join("\n")
    );
}

/// No log makes it crash, whatever is in it.
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
