//! Rule `rlwatch` finds what rlwatch 0.5.1 has found in 36 made-up runs, number
//! for number.
//!
//! The recordings are not a part of the project: see
//! `tests/common/recordings.rs`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on says so, and one that is skipped too"
)]

#[path = "../../../tests/common/recordings.rs"]
mod recordings;

use std::path::Path;

use advantage_variance::AdvantageVariance;
use entropy_collapse::EntropyCollapse;
use grad_norm::GradNorm;
use kl_explosion::KlExplosion;
use non_finite::NonFinite;
use recordings::{parameter, recordings};
use reward_drift::RewardDrift;
use reward_hacking::RewardHacking;
use runwatch_detector::testing::{Harness, Row};
use runwatch_detector::{Detector, Finding, State};
use serde_json::{Map, Value};

fn number(value: &Value) -> f64 {
    match value.as_str() {
        Some("Infinity") => f64::INFINITY,
        Some("-Infinity") => f64::NEG_INFINITY,
        Some(_) => f64::NAN,
        None => value.as_f64().unwrap_or(f64::NAN),
    }
}

fn row(recorded: &Value) -> Row {
    let mut row = Row::new(recorded["step"].as_i64().unwrap(), &[]);
    for (name, value) in recorded.as_object().unwrap() {
        let name = match name.as_str() {
            "step" => continue,
            "kl_divergence" => "kl",
            name => name,
        };
        let values = value
            .as_array()
            .map_or(std::slice::from_ref(value), Vec::as_slice);
        row.metrics
            .extend(values.iter().map(|value| (name.to_owned(), number(value))));
    }
    row
}

/// What one detector finds, with the rank of it within a row.
fn play<D: Detector>(
    case: &Value,
    name: &'static str,
    rows: &[Row],
) -> Vec<(Finding, &'static str)> {
    let mut parameters = D::describe().defaults().with("rule", "rlwatch");
    if parameters.text("rlwatch-diptest").is_ok() {
        parameters = parameters.with("rlwatch-diptest", &case["diptest"]);
    }
    for (key, value) in case["config"].as_object().unwrap() {
        let Some(setting) = key.strip_prefix(name).and_then(|key| key.strip_prefix('.')) else {
            continue;
        };
        let value = value.as_str().map_or(value.to_string(), str::to_owned);
        parameters = parameters.with(parameter(setting), value);
    }
    let findings = Harness::<D>::with(parameters).unwrap().play(rows, 7);
    let firing = findings.into_iter().filter(|it| it.state == State::Firing);
    firing.map(|finding| (finding, name)).collect()
}

/// What all seven find, in rlwatch's order.
fn findings(case: &Value, rows: &[Row]) -> Vec<(Finding, &'static str)> {
    let mut all = [
        play::<EntropyCollapse>(case, "entropy_collapse", rows),
        play::<KlExplosion>(case, "kl_explosion", rows),
        play::<RewardHacking>(case, "reward_hacking", rows),
        play::<AdvantageVariance>(case, "advantage_variance", rows),
        play::<NonFinite>(case, "loss_nan", rows),
        play::<GradNorm>(case, "gradient_norm_spike", rows),
        play::<RewardDrift>(case, "reward_mean_drift", rows),
    ]
    .concat();
    all.sort_by_key(|(finding, _)| finding.row);
    all
}

fn is_near(ours: f64, theirs: f64) -> bool {
    ours == theirs
        || ours.is_nan() && theirs.is_nan()
        || (ours - theirs).abs() <= 1e-9 * theirs.abs() + 1e-12
}

/// What is wrong with the values of a finding. Texts are facts with us, and a
/// loss that is not finite is the loss.
fn difference(finding: &Finding, recorded: &Map<String, Value>, diptest: bool) -> Option<String> {
    if finding.values.len()
        + finding
            .facts
            .iter()
            .filter(|(key, _)| key != "halt")
            .count()
        != recorded.len()
    {
        return Some(format!("names: {:?} {recorded:?}", finding.values));
    }
    for (name, theirs) in recorded {
        let ours = finding.values.iter().find(|(key, _)| key == name);
        let fact = finding.facts.iter().find(|(key, _)| key == name);
        let same = match (ours, fact) {
            (Some((_, ours)), _) if theirs.is_null() => !ours.is_finite(),
            // Its p is 0 where its table ends.
            (Some((_, ours)), _) if diptest && name == "dip_p_value" => {
                (*ours < 0.05) == (number(theirs) < 0.05)
            }
            (Some((_, ours)), _) => is_near(*ours, number(theirs)),
            (None, Some((_, ours))) => Some(ours.as_str()) == theirs.as_str(),
            (None, None) => false,
        };
        if !same {
            return Some(format!("{name}: {ours:?} {fact:?}, recorded {theirs}"));
        }
    }
    None
}

fn check(case: &Value) -> Result<usize, String> {
    let rows: Vec<Row> = case["rows"].as_array().unwrap().iter().map(row).collect();
    let ours = findings(case, &rows);
    let theirs = case["raw"].as_array().unwrap();
    for (at, ((finding, name), recorded)) in ours.iter().zip(theirs).enumerate() {
        let step = rows[finding.row as usize].step;
        let found = (step, *name, finding.severity.name());
        let expected = (
            recorded["step"].as_i64().unwrap(),
            recorded["detector"].as_str().unwrap(),
            recorded["severity"].as_str().unwrap(),
        );
        if found != expected {
            return Err(format!("finding {at}: {found:?}, recorded {expected:?}"));
        }
        let values = recorded["values"].as_object().unwrap();
        if let Some(difference) = difference(finding, values, case["diptest"] == true) {
            return Err(format!("finding {at} at step {step}: {difference}"));
        }
    }
    if ours.len() == theirs.len() {
        Ok(ours.len())
    } else {
        Err(format!(
            "{} findings, recorded {}",
            ours.len(),
            theirs.len()
        ))
    }
}

#[test]
fn rule_rlwatch_finds_what_rlwatch_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut wrong = Vec::new();
    for recording in recordings(&root) {
        let case: Value = serde_json::from_str(&recording).unwrap();
        match check(&case) {
            Ok(count) => println!("{}: {count} findings", case["name"]),
            Err(error) => wrong.push(format!("{}: {error}", case["name"])),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
