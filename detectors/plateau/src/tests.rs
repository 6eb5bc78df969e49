use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Noise, Row, rows};
use runwatch_detector::{Detector, Finding, Severity, State};

use super::Plateau;

fn play(rows: &[Row]) -> Vec<Finding> {
    Harness::<Plateau>::new().unwrap().play(rows, 64)
}

fn noisy(level: impl Fn(usize) -> f64, n: usize) -> Vec<f64> {
    let mut noise = Noise::new(7);
    (0..n)
        .map(|at| level(at) * (0.03 * noise.normal()).exp())
        .collect()
}

/// A power law, as training losses are.
fn falling(at: usize) -> f64 {
    2.0 + 8.0 * (1.0 + at as f64).powf(-0.3)
}

fn states(findings: &[Finding]) -> Vec<State> {
    findings.iter().map(|finding| finding.state).collect()
}

#[test]
fn a_falling_loss_is_quiet() {
    assert_eq!(play(&rows("loss", &noisy(falling, 30_000))), []);
}

#[test]
fn a_flat_loss_is_an_info_once_and_over_when_it_falls() {
    let flat = |at: usize| falling(at.min(5000));
    let mut values = noisy(flat, 12_000);
    let findings = play(&rows("loss", &values));
    assert_eq!(states(&findings), [State::Firing]);
    assert_eq!(findings[0].severity, Severity::Info);
    assert!((6000..10_500).contains(&findings[0].row), "{findings:?}");
    assert!(findings[0].message.contains("over the last 4000 values"));
    values.extend(noisy(|at| falling(5000) * (1.0 - 2e-5 * at as f64), 6000));
    let findings = play(&rows("loss", &values));
    assert_eq!(states(&findings), [State::Firing, State::Resolved]);
    assert_eq!(findings[1].title, "Loss falls again");
}

#[test]
fn a_rising_or_constant_loss_does_not_fall_either() {
    assert_eq!(play(&rows("loss", &[2.0; 5000])).len(), 1);
    let findings = play(&rows("loss", &noisy(|at| 2.0 + 1e-4 * at as f64, 5000)));
    assert!(findings[0].message.contains("has risen by"), "{findings:?}");
}

#[test]
fn short_runs_are_not_judged() {
    assert_eq!(play(&rows("loss", &[2.0; 4000])), []);
}

#[test]
fn late_in_a_run_the_window_is_longer() {
    let flat = |at: usize| falling(at.min(6000));
    let small = Plateau::describe().defaults().with("window", 320);
    let mut harness = Harness::<Plateau>::with(small).unwrap();
    let findings = harness.play(&rows("loss", &noisy(flat, 12_000)), 64);
    let window = findings[0].values.iter().find(|value| value.0 == "window");
    assert!(
        window.is_some_and(|value| value.1 >= 1280.0),
        "{findings:?}"
    );
}

#[test]
fn nan_and_policy_losses_are_left_out() {
    let mut values = noisy(falling, 20_000);
    values.iter_mut().step_by(7).for_each(|it| *it = f64::NAN);
    assert_eq!(play(&rows("loss", &values)), []);
    let mut rows = rows("loss", &[2.0; 5000]);
    rows[0].metrics.push(("reward_mean".to_owned(), 1.0));
    assert_eq!(play(&rows), []);
}

#[test]
fn a_resume_starts_again() {
    let mut rows = rows("loss", &noisy(|_| 2.0, 6000));
    for (row, step) in rows[5000..].iter_mut().zip(100..) {
        row.step = step;
    }
    let findings = play(&rows);
    assert_eq!(states(&findings), [State::Firing, State::Resolved]);
    assert_eq!(findings[1].row, 5000);
}

#[test]
fn a_value_that_says_nothing_blinds_nothing() {
    let values = noisy(|at| falling(at.min(5000)), 12_000);
    let harness = Harness::<Plateau>::new().unwrap();
    harness.assert_not_blinded(&rows("loss", &values), 6000, f64::NAN);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        pieces in prop::collection::vec((0.1..5.0, -0.3..0.1, 1usize..200), 1..10),
        batch in 1usize..50,
        restart in 0usize..1000,
    ) {
        let values: Vec<f64> = pieces
            .iter()
            .flat_map(|&(level, change, n)| (0..n).map(move |at| level * (1.0 + change * at as f64 / n as f64)))
            .collect();
        let rows = rows("loss", &values);
        let small = Plateau::describe().defaults().with("window", 64);
        let expected = Harness::<Plateau>::with(small.clone()).unwrap().play(&rows, 64);
        let mut harness = Harness::<Plateau>::with(small).unwrap();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(findings, expected);
    }
}
