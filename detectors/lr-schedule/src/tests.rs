use std::f64::consts::PI;

use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Row, rows};
use runwatch_detector::{Finding, Severity, State};

use super::LrSchedule;

fn play(rows: &[Row]) -> Vec<Finding> {
    Harness::<LrSchedule>::new().unwrap().play(rows, 64)
}

fn keys(findings: &[Finding]) -> Vec<(u32, &str, State)> {
    findings
        .iter()
        .map(|f| (f.row, f.key.as_str(), f.state))
        .collect()
}

fn quiet(values: &[f64]) {
    assert_eq!(play(&rows("lr", values)), []);
}

fn cosine(n: usize) -> impl Iterator<Item = f64> {
    (0..n).map(move |at| 3e-4 * (1.0 + (PI * at as f64 / n as f64).cos()) / 2.0)
}

#[test]
fn schedules_as_they_are_meant_are_quiet() {
    quiet(&[3e-4; 500]);
    // Warm-up from zero, linear decay to zero at the last row.
    let linear: Vec<f64> = (0..=1000)
        .map(|at: i32| 3e-4 * f64::from(at.min(100)) / 100.0 * f64::from(1000 - at) / 900.0)
        .collect();
    quiet(&linear);
    // The same, logged so seldom that the warm-up is two rows.
    let seldom: Vec<f64> = linear.iter().step_by(99).copied().collect();
    quiet(&seldom);
    // Cosine with restarts, down to almost nothing and once to zero.
    let mut restarts: Vec<f64> = (0..4).flat_map(|_| cosine(200)).collect();
    restarts[199] = 0.0;
    quiet(&restarts);
    // Steps by 10, with the rounding of floats.
    let steps: Vec<f64> = (0..4)
        .flat_map(|at| std::iter::repeat_n(0.1f64 * 0.1f64.powi(at), 100))
        .collect();
    quiet(&steps);
    // A cycle seen at few places.
    quiet(&[1e-6, 5e-4, 2e-5, 9e-4].repeat(100));
}

#[test]
fn trainings_after_each_other_are_each_their_own() {
    let mut all = Vec::new();
    for peak in [1e-6, 1e-3, 1e-5, 1e-2] {
        all.extend(cosine(100).map(|lr| lr * peak).enumerate());
    }
    let rows: Vec<Row> = all
        .into_iter()
        .map(|(step, lr)| Row::new(step as i64, &[("lr", lr)]))
        .collect();
    assert_eq!(play(&rows), []);
}

#[test]
fn a_negative_rate_is_critical() {
    let values: Vec<f64> = (0..120)
        .map(|at| 1e-4 * (1.0 - f64::from(at) / 100.0))
        .collect();
    let mut rows = rows("lr", &values);
    rows.push(Row::new(120, &[("lr", 1e-5)]));
    let findings = play(&rows);
    assert_eq!(
        keys(&findings),
        [
            (101, "negative", State::Firing),
            (120, "negative", State::Resolved)
        ]
    );
    assert_eq!(findings[0].severity, Severity::Critical);
    // A mark for "not set".
    quiet(&[-1.0; 100]);
}

#[test]
fn a_rate_that_stays_at_zero_is_reported() {
    let mut values: Vec<f64> = cosine(100).collect();
    values.extend([0.0; 100]);
    values.extend([1e-4; 5]);
    let findings = play(&rows("lr", &values));
    assert_eq!(
        keys(&findings),
        [(119, "zero", State::Firing), (200, "zero", State::Resolved)]
    );
    assert!(findings[0].message.contains("from step 100 to step 119"));
    // From the start it is a frozen group; after 0.000001 it is rounding.
    quiet(&[0.0; 100]);
    let mut rounded: Vec<f64> = cosine(100).map(|lr| (lr * 1e6).round() / 1e6).collect();
    rounded.extend([0.0; 100]);
    rounded.retain(|&lr| lr == 0.0 || lr >= 1e-6);
    quiet(&rounded);
}

#[test]
fn zero_counts_only_if_every_group_is_at_zero() {
    let row = |step: i64, backbone: f64, head: f64| {
        Row::new(step, &[("lr", backbone), ("lr/head", head)])
    };
    let frozen_at = |head: i64| -> Vec<Row> {
        let of = |step: i64, from: i64| if step < from { 1.7e-4 } else { 0.0 };
        (0..300)
            .map(|step| row(step, of(step, 100), of(step, head)))
            .collect()
    };
    assert_eq!(play(&frozen_at(1000)), []);
    assert_eq!(keys(&play(&frozen_at(200))), [(219, "zero", State::Firing)]);
}

#[test]
fn jumps_are_reported_once_and_become_usual() {
    let mut values = vec![1e-4; 100];
    values.extend([5e-3; 100]);
    let findings = play(&rows("lr", &values));
    assert_eq!(
        keys(&findings),
        [(100, "jump", State::Firing), (164, "jump", State::Resolved)]
    );
    assert!(findings[0].message.contains("50x as large"), "{findings:?}");
    let mut values = vec![1e-4; 100];
    values.extend([1e-7; 10]);
    let findings = play(&rows("lr", &values));
    assert!(
        findings[0].message.contains("1000x smaller"),
        "{findings:?}"
    );
}

#[test]
fn nan_is_left_out_and_a_resume_starts_again() {
    let mut values = vec![1e-4; 100];
    values[50] = f64::NAN;
    values[51] = f64::INFINITY;
    quiet(&values);
    values.extend([5e-3; 100]);
    let mut rows = rows("lr", &values);
    rows[120..].iter_mut().for_each(|row| row.step -= 60);
    assert_eq!(
        keys(&play(&rows)),
        [(100, "jump", State::Firing), (120, "jump", State::Resolved)]
    );
}

#[test]
fn a_value_that_says_nothing_blinds_nothing() {
    let mut values = [3e-4; 300];
    values[200..].fill(-1e-4);
    values[150..160].fill(3e-2);
    let harness = Harness::<LrSchedule>::new().unwrap();
    harness.assert_not_blinded(&rows("lr", &values), 150, f64::NAN);
}

proptest! {
    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        pieces in prop::collection::vec(
            (
                prop_oneof![Just(0.0), Just(-0.1), Just(-1.0), Just(f64::NAN), 1e-6..1e-2],
                1usize..60,
                prop_oneof![9 => Just(1i64), 1 => Just(-30)],
            ),
            1..20,
        ),
        batch in 1usize..50,
        restart in 0usize..600,
    ) {
        let mut step = 0;
        let mut rows = Vec::new();
        for (value, n, jump) in pieces {
            step += jump;
            for at in 0..n {
                rows.push(Row::new(step, &[("lr", value), ("lr/head", value * at as f64)]));
                step += 1;
            }
        }
        let expected = play(&rows);
        let mut harness = Harness::<LrSchedule>::new().unwrap();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(findings, expected);
    }
}
