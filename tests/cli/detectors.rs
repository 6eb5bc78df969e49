//! The built-in detectors: each fires on its trouble, says what happened with
//! numbers and what to do, says when it is over, and keeps still otherwise.

use serde_json::Value;

use crate::streams::{Row, healthy, json, troubled, with};
use crate::support::{Test, fields};

fn alerts_of(rows: &[Row], flags: &str) -> Vec<Value> {
    Test::new("review --json --quiet train.log")
        .arguments(flags)
        .file("train.log", json(rows))
        .any_stdout()
        .run()
        .alerts()
}

/// The alerts of a stream, in few words; each must have numbers and advice.
fn told(rows: &[Row]) -> Vec<String> {
    told_with(rows, "")
}

fn told_with(rows: &[Row], flags: &str) -> Vec<String> {
    let alerts = alerts_of(rows, flags);
    for alert in &alerts {
        let advice = alert["recommendation"].as_str().unwrap();
        let least = if alert["state"] == "firing" { 80 } else { 1 };
        assert!(advice.len() >= least, "{alert}");
        assert!(
            alert["message"]
                .as_str()
                .unwrap()
                .contains(|c: char| c.is_ascii_digit()),
            "{alert}"
        );
        assert!(!alert["values"].as_object().unwrap().is_empty(), "{alert}");
    }
    fields(
        &alerts,
        &["detector", "state", "severity", "step", "first_step"],
    )
}

#[test]
fn a_healthy_run_is_left_alone() {
    assert_eq!(told(&healthy(3000)), [""; 0]);
}

#[test]
fn non_finite() {
    let rows = with(healthy(300), 250..=252, |row| row.loss = f64::NAN);
    assert_eq!(
        told(&rows),
        [
            "non-finite firing critical 250 250",
            "non-finite resolved critical 253 250"
        ]
    );
}

#[test]
fn loss_spike() {
    let rows = with(healthy(300), 200..=202, |row| row.loss *= 3.0);
    assert_eq!(
        told(&rows),
        [
            "loss-spike firing warning 200 200",
            "loss-spike firing critical 201 200",
            "loss-spike resolved critical 212 200"
        ]
    );
}

#[test]
fn grad_norm_explodes() {
    let rows = with(healthy(300), 200..=202, |row| row.grad_norm *= 20.0);
    assert_eq!(
        told(&rows),
        [
            "grad-norm firing critical 201 201",
            "grad-norm resolved critical 212 201"
        ]
    );
}

#[test]
fn grad_norm_is_zero() {
    let rows = with(healthy(300), 200..=220, |row| row.grad_norm = 0.0);
    assert_eq!(
        told(&rows),
        [
            "grad-norm firing warning 204 204",
            "grad-norm resolved warning 221 204"
        ]
    );
}

#[test]
fn entropy_collapse() {
    let rows = with(healthy(300), 200..=220, |row| row.entropy = 0.05);
    assert_eq!(
        told(&rows),
        [
            "entropy-collapse firing critical 204 204",
            "entropy-collapse resolved critical 225 204"
        ]
    );
    // A policy that has learned may be as sure as it likes.
    let rows = with(rows, 100.., |row| row.reward = 0.9);
    assert_eq!(told(&rows), [""; 0]);
}

#[test]
fn throughput() {
    let rows = with(healthy(300), 200..=230, |row| row.tokens = 199 * 4099);
    assert_eq!(
        told(&rows),
        [
            "throughput firing warning 202 202",
            "throughput firing critical 219 202",
            "throughput resolved critical 231 202"
        ]
    );
}

#[test]
fn all_of_them_at_once() {
    let told = told(&troubled());
    for detector in [
        "non-finite",
        "loss-spike",
        "grad-norm",
        "entropy-collapse",
        "throughput",
    ] {
        for state in ["firing", "resolved"] {
            let wanted = format!("{detector} {state} ");
            assert!(
                told.iter().any(|alert| alert.starts_with(&wanted)),
                "{wanted}: {told:?}"
            );
        }
    }
}

#[test]
fn a_detector_can_be_switched_off() {
    let told = told_with(
        &troubled(),
        "--detector loss-spike=off --detector throughput=off",
    );
    assert!(!told.is_empty());
    let off = |alert: &String| alert.starts_with("loss-spike") || alert.starts_with("throughput");
    assert!(!told.iter().any(off), "{told:?}");
}

#[test]
fn a_parameter_can_be_set() {
    let rows = with(healthy(300), 200..=230, |row| row.tokens = 199 * 4099);
    let told = told_with(
        &rows,
        "--set throughput.rows=10 --set throughput.critical-rows=30",
    );
    assert_eq!(told[0], "throughput firing warning 209 209");
}

/// A loss that is NaN at every other step from 10 on: trouble that comes and goes.
fn flapping() -> Vec<Row> {
    let rows = healthy(400);
    let odd = |row: &mut Row| {
        if row.step % 2 == 1 {
            row.loss = f64::NAN;
        }
    };
    with(rows, 10..390, odd)
}

#[test]
fn the_same_trouble_is_told_once_per_cooldown() {
    let firing = |flags: &str| {
        told_with(&flapping(), flags)
            .into_iter()
            .filter(|alert| alert.contains(" firing "))
            .count()
    };
    let told = firing("");
    assert!(
        (3..=5).contains(&told),
        "{told} in 380 steps, with a cooldown of 100"
    );
}

#[test]
fn the_cooldown_is_the_users() {
    let count = |steps: u32| {
        Test::new("review --json -q train.log")
            .file("train.log", json(&flapping()))
            .file(
                "runwatch.toml",
                format!("[alerts]\ncooldown-steps = {steps}\n"),
            )
            .any_stdout()
            .run()
            .alerts()
            .len()
    };
    let (short, long) = (count(20), count(1000));
    assert!(short > long, "{short} {long}");
}

#[test]
fn what_was_muted_is_counted() {
    let output = Test::new("review --json train.log")
        .file("train.log", json(&flapping()))
        .any_stdout()
        .any_stderr()
        .run();
    assert!(output.stderr.contains(" muted)\n"), "{}", output.stderr);
}

#[test]
fn the_same_log_makes_the_same_ids() {
    let ids = |rows: &[Row]| fields(&alerts_of(rows, ""), &["id"]);
    let rows = troubled();
    let mut first = ids(&rows);
    assert_eq!(first, ids(&rows));
    // A log that has grown since makes the ids of before, and more.
    let so_far = ids(&rows[..150]);
    assert_eq!(first[..so_far.len()], so_far);
    first.sort();
    first.dedup();
    assert_eq!(first.len(), ids(&rows).len(), "each has its own");
}
