//! Preset `rlwatch` sends the alerts that rlwatch 0.5.1 has sent: through the
//! real program, from lines of a log to lines of JSON. What its detectors find
//! is compared number for number in `detectors/golden`.
//!
//! The recordings are not a part of the project: see
//! `tests/common/recordings.rs`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on says so, and one that is skipped too"
)]

#[path = "common/recordings.rs"]
mod recordings;

use std::path::Path;
use std::process::Command;

use recordings::{parameter, recordings};
use serde_json::{Map, Value};

/// rlwatch's detectors and ours, in the order in which rlwatch asks them at a
/// step.
const DETECTORS: [(&str, &str); 7] = [
    ("entropy_collapse", "entropy-collapse"),
    ("kl_explosion", "kl-explosion"),
    ("reward_hacking", "reward-hacking"),
    ("advantage_variance", "advantage-variance"),
    ("loss_nan", "non-finite"),
    ("gradient_norm_spike", "grad-norm"),
    ("reward_mean_drift", "reward-drift"),
];

/// The settings of its alerts and ours.
const ALERTS: [(&str, &str); 2] = [
    ("cooldown_steps", "cooldown-steps"),
    ("max_alerts_per_run", "max-per-run"),
];

/// Step, rlwatch's detector, severity.
type Sent = (i64, String, String);

/// The rows as rlwatch would have logged them: a line each, numbers as they
/// were printed, and what is not finite as Python prints it.
fn log(recording: &str) -> String {
    let (_, rest) = recording.split_once("\"rows\":[").unwrap();
    let (rows, _) = rest.split_once("],\"raw\":").unwrap();
    let mut log = rows.replace("},{", "}\n{");
    for name in ["NaN", "Infinity", "-Infinity"] {
        log = log.replace(&format!("\"{name}\""), name);
    }
    log + "\n"
}

/// What a recording sets, other than rlwatch does by itself: a file of
/// configuration and flags.
fn settings(case: &Value) -> (String, Vec<String>) {
    // rlwatch knows one run a process, whatever its steps do.
    let mut file = "[decode]\nrestarts = false\n\n[alerts]\n".to_owned();
    let mut flags = vec![format!(
        "reward-hacking.rlwatch-diptest={}",
        case["diptest"]
    )];
    for (key, value) in case["config"].as_object().unwrap() {
        let (section, setting) = key.split_once('.').unwrap();
        let value = value.as_str().map_or(value.to_string(), str::to_owned);
        if section == "alerts" {
            let ours = translated(&ALERTS, setting);
            file.push_str(&format!("{ours} = {value}\n"));
        } else {
            let ours = translated(&DETECTORS, section);
            flags.push(format!("{ours}.{}={value}", parameter(setting)));
        }
    }
    (file, flags)
}

fn translated(table: &[(&'static str, &'static str)], theirs: &str) -> &'static str {
    let found = table.iter().find(|(name, _)| *name == theirs);
    found
        .unwrap_or_else(|| panic!("`{theirs}` has no name of ours"))
        .1
}

/// Lets runwatch review a log, and gives what it prints.
fn review(name: &str, log: &str, (file, flags): (String, Vec<String>)) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("settings.toml"), file).unwrap();
    let log_name = format!("{name}.jsonl");
    std::fs::write(at(&log_name), log).unwrap();
    let own = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let output = Command::new(env!("CARGO_BIN_EXE_runwatch"))
        .args(["review", "--json", "--preset", "rlwatch"])
        .args(["--config", "settings.toml"])
        .args(flags.iter().flat_map(|flag| ["--set", flag]))
        .arg(&log_name)
        // What is configured on this machine is not what is tested.
        .current_dir(folder.path())
        .env("XDG_CACHE_HOME", own.join("cache"))
        .env_remove("RUNWATCH_PROJECT")
        .env_remove("RUNWATCH_RUN")
        .output()
        .unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The alerts that fire, in rlwatch's order: within a row ours come in the order
/// of the detectors' names.
fn sent(shown: &str) -> Vec<Sent> {
    let alerts = shown
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let mut alerts: Vec<Map<String, Value>> = alerts
        .filter(|alert: &Map<String, Value>| alert["state"] == "firing")
        .collect();
    for row in alerts.chunk_by_mut(|a, b| a["location"] == b["location"]) {
        row.sort_by_key(|alert| {
            DETECTORS
                .iter()
                .position(|(_, ours)| alert["detector"] == *ours)
        });
    }
    alerts.iter().map(as_rlwatch).collect()
}

fn as_rlwatch(alert: &Map<String, Value>) -> Sent {
    let text = |field: &str| alert[field].as_str().unwrap().to_owned();
    let ours = text("detector");
    let known = DETECTORS.iter().find(|(_, name)| *name == ours);
    let detector = known.map_or(ours, |(theirs, _)| (*theirs).to_owned());
    (
        alert["step"].as_i64().unwrap_or(-1),
        detector,
        text("severity"),
    )
}

fn check(recording: &str) -> Result<(), String> {
    let case: Value = serde_json::from_str(recording).unwrap();
    let log = log(recording);
    assert_eq!(log.lines().count(), case["rows"].as_array().unwrap().len());
    let name = case["name"].as_str().unwrap();
    let shown = review(name, &log, settings(&case)).map_err(|error| format!("{name}: {error}"))?;
    let ours = sent(&shown);
    let theirs: Vec<Sent> = serde_json::from_value(case["sent"].clone()).unwrap();
    if ours == theirs {
        Ok(())
    } else {
        Err(format!("{name}: {ours:?}, recorded {theirs:?}"))
    }
}

#[test]
fn preset_rlwatch_sends_what_rlwatch_sent() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let wrong: Vec<String> = recordings(&root)
        .iter()
        .filter_map(|recording| check(recording).err())
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
