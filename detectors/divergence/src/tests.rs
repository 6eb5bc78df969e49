use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Noise, Row, rows};
use runwatch_detector::{Description, Detector, Finding, Severity, State};

use super::Divergence;

fn play(rows: &[Row]) -> Vec<Finding> {
    Harness::<Divergence>::new().unwrap().play(rows, 64)
}

fn noisy(sd: f64, level: impl Fn(usize) -> f64, n: usize) -> Vec<f64> {
    let mut noise = Noise::new(7);
    (0..n)
        .map(|at| level(at) * (sd * noise.normal()).exp())
        .collect()
}

/// Flat at 2.2, then a slow rise by `rise` over 425 values, which stays.
fn drifting(rise: f64, n: usize) -> Vec<f64> {
    let level = |at: usize| 2.2 * (1.0 + rise * (at.saturating_sub(1000) as f64 / 425.0).min(1.0));
    noisy(0.02, level, n)
}

fn brief(findings: &[Finding]) -> Vec<(State, Severity)> {
    findings.iter().map(|f| (f.state, f.severity)).collect()
}

#[test]
fn healthy_losses_are_quiet() {
    let falls = |at: usize| 2.0 + 8.0 / (1.0 + at as f64 / 500.0);
    assert_eq!(play(&rows("loss", &noisy(0.02, falls, 20_000))), []);
    assert_eq!(play(&rows("loss", &noisy(0.0, |_| 2.2, 2000))), []);
    // As noisy as diffusion.
    assert_eq!(play(&rows("loss", &noisy(0.8, |_| 0.14, 20_000))), []);
}

#[test]
fn a_slow_rise_is_a_warning_and_a_large_one_critical() {
    let findings = play(&rows("loss", &drifting(0.2, 1800)));
    assert_eq!(brief(&findings), [(State::Firing, Severity::Warning)]);
    assert!((1200..1400).contains(&findings[0].row), "{findings:?}");
    assert!(findings[0].message.contains("above its best"));
    let findings = play(&rows("loss", &drifting(0.5, 1800)));
    let fired = (State::Firing, Severity::Warning);
    assert_eq!(
        brief(&findings),
        [fired, (State::Firing, Severity::Critical)]
    );
}

#[test]
fn it_is_over_when_the_loss_is_back() {
    let mut values = drifting(0.2, 1800);
    values.extend(noisy(0.02, |_| 2.2, 400));
    let findings = play(&rows("loss", &values));
    assert_eq!(findings[1].state, State::Resolved);
    assert_eq!(findings[1].title, "Loss is back");
    assert_eq!(findings.len(), 2);
}

#[test]
fn a_loss_that_settles_is_watched_at_its_new_level() {
    let mut values = drifting(0.2, 3500);
    values.extend(drifting(0.2, 1800).iter().map(|value| value * 1.2));
    let findings = play(&rows("loss", &values));
    let fired = (State::Firing, Severity::Warning);
    assert_eq!(
        brief(&findings),
        [fired, (State::Resolved, Severity::Info), fired]
    );
    assert!(findings[1].title.contains("no further"));
    assert!(findings[2].row > 4500, "{findings:?}");
}

#[test]
fn spikes_and_what_happens_during_the_warm_up_are_not_its_business() {
    let mut values = noisy(0.02, |_| 2.2, 3000);
    values[1000..1010].fill(9.0);
    values[2000] = 1e200;
    assert_eq!(play(&rows("loss", &values)), []);
    // A teacher's schedule: up by half in the first rows, then down for long.
    let teacher = |at: usize| match at {
        0..30 => 7.0 + 0.13 * at as f64,
        _ => 10.9 - 0.001 * at as f64,
    };
    assert_eq!(play(&rows("loss", &noisy(0.01, teacher, 5000))), []);
}

#[test]
fn nan_neither_blinds_nor_fires() {
    let mut values = drifting(0.2, 1800);
    for at in (0..1800).step_by(3) {
        values[at] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY][at % 9 / 3];
    }
    let findings = play(&rows("loss", &values));
    assert_eq!(brief(&findings), [(State::Firing, Severity::Warning)]);
}

#[test]
fn a_resume_ends_the_episode_and_starts_the_warm_up_again() {
    let mut rows = rows("loss", &drifting(0.2, 1800));
    for (row, step) in rows[1600..].iter_mut().zip(900..) {
        row.step = step;
    }
    let findings = play(&rows);
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert_eq!(
        (findings[1].row, findings[1].state),
        (1600, State::Resolved)
    );
    assert_eq!(findings[1].title, "Run resumed");
}

#[test]
fn ranks_share_an_episode() {
    let rows: Vec<Row> = rows("loss", &drifting(0.2, 1800))
        .into_iter()
        .flat_map(|row| [row.clone().on(0), row.on(1)])
        .collect();
    assert_eq!(brief(&play(&rows)), [(State::Firing, Severity::Warning)]);
}

#[test]
fn losses_of_reinforcement_learning_are_not_watched() {
    let mut rows = rows("loss", &drifting(0.5, 1800));
    rows[10].metrics.push(("reward_mean".to_owned(), 1.0));
    assert_eq!(play(&rows), []);
    // Neither is a loss that changes its sign.
    let mut noise = Noise::new(3);
    let around: Vec<f64> = (0..3000).map(|_| noise.normal()).collect();
    assert_eq!(play(&self::rows("loss", &around)), []);
}

#[test]
fn parameters_are_checked_and_explained() {
    let parameters = Divergence::describe()
        .defaults()
        .with("critical-rise", 0.05);
    assert!(Harness::<Divergence>::with(parameters).is_err());
    let Description { parameters, .. } = Divergence::describe();
    assert!(
        parameters
            .iter()
            .all(|p| !p.doc.is_empty() && !p.unit.is_empty())
    );
}

fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    let odd = prop_oneof![
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(0.0),
        Just(-1.0),
        Just(1e300),
        Just(5e-324),
    ];
    let piece = prop_oneof![
        4 => (0.5..5.0, 0.0..0.1f64, 100usize..400).prop_map(|(level, sd, n)| noisy(sd, |_| level, n)),
        1 => prop::collection::vec(odd, 1..5),
        1 => prop::collection::vec(-1.0..1.0, 1..50),
    ];
    let jump = prop_oneof![6 => Just(1i64), 1 => Just(-50), 1 => Just(500)];
    prop::collection::vec((piece, jump), 1..12).prop_map(|pieces| {
        let mut step = 0;
        let mut rows = Vec::new();
        for (values, jump) in pieces {
            step += jump - 1;
            for value in values {
                step += 1;
                rows.push(Row::new(step, &[("loss", value)]));
            }
        }
        rows
    })
}

#[test]
fn a_value_that_says_nothing_blinds_nothing() {
    let harness = Harness::<Divergence>::new().unwrap();
    harness.assert_not_blinded(&rows("loss", &drifting(0.5, 1800)), 1200, f64::NAN);
}

proptest! {
    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        rows in any_rows(),
        batch in 1usize..50,
        restart in 0usize..3000,
    ) {
        let expected = play(&rows);
        let mut harness = Harness::<Divergence>::new().unwrap();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(findings, expected);
    }
}
