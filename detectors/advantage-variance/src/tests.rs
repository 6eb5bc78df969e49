use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Noise, Row, rows};
use runwatch_detector::{Description, Detector, Finding, Parameters, Severity, State};

use super::AdvantageVariance;

mod naive;

fn defaults() -> Parameters {
    AdvantageVariance::describe().defaults()
}

fn play_rows(rows: &[Row]) -> Vec<Finding> {
    Harness::<AdvantageVariance>::new().unwrap().play(rows, 64)
}

fn play(name: &str, values: &[f64]) -> Vec<Finding> {
    play_rows(&rows(name, values))
}

/// A deviation of 1 with 10 % of noise.
fn healthy(n: usize) -> Vec<f64> {
    let mut noise = Noise::new(8);
    (0..n).map(|_| 1.0 + 0.1 * noise.normal()).collect()
}

fn brief(findings: &[Finding]) -> Vec<(u32, &str, State)> {
    findings
        .iter()
        .map(|f| (f.row, f.key.as_str(), f.state))
        .collect()
}

const SPREAD: &str = "advantage-variance";
const COLLAPSE: &str = "advantage-collapse";
const FLAT: &str = "reward-flatline";

#[test]
fn healthy_values_are_quiet() {
    for name in ["advantage_std", "reward_std", "reward_mean"] {
        assert_eq!(play(name, &healthy(20_000)), []);
    }
    assert_eq!(play("advantage_std", &[1.0; 500]), []);
    assert_eq!(play("frac_reward_zero_std", &[0.6; 500]), []);
}

#[test]
fn a_leap_fires_once_and_is_over() {
    let mut values = healthy(300);
    values[150] = 4.0;
    assert_eq!(
        play("advantage_std", &values),
        [],
        "one value is not enough"
    );
    values[200] = 9.0;
    values[202] = 4.0;
    values[203] = f64::NAN;
    assert_eq!(
        brief(&play("advantage_std", &values)),
        [(200, SPREAD, State::Firing), (213, SPREAD, State::Resolved)]
    );
}

#[test]
fn a_slow_growth_is_seen_though_the_baseline_follows_it() {
    let values: Vec<f64> = (0..3000).map(|at| 1.0 + 0.02 * f64::from(at)).collect();
    let findings = play("advantage_std", &values);
    assert!(!findings.is_empty());
    assert!(findings[0].title.contains("grown to 5"), "{findings:?}");
    assert!((350..500).contains(&findings[0].row), "{findings:?}");
}

#[test]
fn advantages_that_vanish_are_a_warning() {
    let mut values = healthy(300);
    values[100..160].fill(1e-5);
    values[110] = f64::NAN;
    let findings = play("advantage_std", &values);
    let collapse: Vec<_> = findings.iter().filter(|it| it.key == COLLAPSE).collect();
    assert_eq!((collapse[0].row, collapse[0].state), (120, State::Firing));
    assert_eq!((collapse[1].row, collapse[1].state), (160, State::Resolved));
}

#[test]
fn equal_rewards_are_a_warning() {
    let mut values = healthy(100);
    values[40..80].fill(0.0);
    assert_eq!(
        brief(&play("reward_std", &values)),
        [(59, FLAT, State::Firing), (80, FLAT, State::Resolved)]
    );
    values[40..80].fill(0.95);
    values[80..].fill(0.3);
    values[..40].fill(0.3);
    assert_eq!(
        brief(&play("frac_reward_zero_std", &values)),
        [(59, FLAT, State::Firing), (80, FLAT, State::Resolved)]
    );
    let single: Vec<Row> = (0..50)
        .map(|step| Row::new(step, &[("rewards", 0.5), ("rewards", 0.5)]))
        .collect();
    assert_eq!(brief(&play_rows(&single)), [(19, FLAT, State::Firing)]);
}

#[test]
fn a_mean_reward_that_never_changes_is_dead_or_solved_or_not_found_yet() {
    let dead = play("reward_mean", &[-100.0; 100]);
    assert_eq!((dead[0].row, dead[0].severity), (19, Severity::Warning));
    assert_eq!(play("reward_mean", &[0.0; 100])[0].severity, Severity::Info);
    let mut solved: Vec<f64> = (0..101).map(|at| f64::from(at).min(50.0)).collect();
    assert_eq!(play("reward_mean", &solved), []);
    solved[80..].fill(20.0);
    assert_eq!(
        brief(&play("reward_mean", &solved)),
        [(100, FLAT, State::Firing)]
    );
    // A lone number is no group whose rewards are equal.
    let lone: Vec<f64> = (0..100).map(|at| f64::from(at % 7)).collect();
    assert_eq!(play("rewards", &lone), []);
}

#[test]
fn a_resume_starts_all_over() {
    let mut values = healthy(200);
    values[100..].fill(0.0);
    let mut rows = rows("reward_std", &values);
    for (row, step) in rows[150..].iter_mut().zip(50..) {
        row.step = step;
    }
    assert_eq!(
        brief(&play_rows(&rows)),
        [
            (119, FLAT, State::Firing),
            (150, FLAT, State::Resolved),
            (169, FLAT, State::Firing)
        ]
    );
}

#[test]
fn parameters_have_docs_and_must_not_contradict_each_other() {
    let Description { parameters, .. } = AdvantageVariance::describe();
    assert!(
        parameters
            .iter()
            .all(|p| !p.doc.is_empty() && !p.unit.is_empty())
    );
    assert!(Harness::<AdvantageVariance>::with(defaults().with("single-ratio", 2)).is_err());
}

#[test]
fn rlwatch_compares_with_the_mean_and_is_strict() {
    let mut values = [1.0; 200];
    values[50] = 3.0;
    values[120] = 7.0;
    let play = |parameters| {
        let mut harness = Harness::<AdvantageVariance>::with(parameters).unwrap();
        let findings = harness.play(&rows("advantage_std", &values), 64);
        let firing = findings.into_iter().filter(|it| it.state == State::Firing);
        firing.map(|it| (it.row, it.severity)).collect::<Vec<_>>()
    };
    let rlwatch = defaults().with("rule", "rlwatch");
    assert_eq!(play(rlwatch.clone()), [(120, Severity::Critical)]);
    // 7 / 1.02: the frozen baseline holds the 3.
    let frozen = rlwatch.with("rlwatch-baseline", "frozen");
    assert_eq!(
        play(frozen.with("rlwatch-multiplier", 3.5)),
        [(120, Severity::Warning)]
    );
}

#[test]
fn a_value_that_says_nothing_blinds_nothing() {
    let mut values = healthy(300);
    values[200..].fill(0.0);
    let group =
        |(step, spread): (i64, &f64)| Row::new(step, &[("rewards", 0.0), ("rewards", *spread)]);
    for rows in [
        rows("advantage_std", &values),
        rows("reward_std", &values),
        (0..).zip(&values).map(group).collect(),
    ] {
        let harness = Harness::<AdvantageVariance>::new().unwrap();
        harness.assert_not_blinded(&rows, 205, f64::NAN);
    }
}

proptest! {
    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        pieces in prop::collection::vec((0u8..6, 1usize..120, prop_oneof![8 => Just(1i64), 1 => Just(-60)], 0u32..2), 0..10),
        batch in 1usize..50,
        restart in 0usize..600,
        rule in prop_oneof![Just("robust"), Just("rlwatch")],
    ) {
        let mut noise = Noise::new(1);
        let mut step = 0;
        let mut rows = Vec::new();
        for (kind, n, jump, rank) in pieces {
            step += jump - 1;
            for at in 0..n {
                step += 1;
                let row = match kind {
                    0 => Row::new(step, &[("advantage_std", 1.0 + noise.uniform())]),
                    1 => Row::new(step, &[("advantage_std", 20.0 * noise.uniform())]),
                    2 => Row::new(step, &[("advantage_std", 1e-6), ("reward_std", 0.0)]),
                    3 => Row::new(step, &[("reward_mean", 4.0), ("rewards", 1.0), ("rewards", 1.0)]),
                    4 => Row::new(step, &[("reward_mean", at as f64), ("frac_reward_zero_std", 0.95)]),
                    _ => Row::new(step, &[("advantage_std", f64::NAN), ("reward_std", 1.0)]),
                };
                rows.push(row.on(rank));
            }
        }
        let parameters = defaults().with("rule", rule);
        let open = || Harness::<AdvantageVariance>::with(parameters.clone()).unwrap();
        let expected = open().play(&rows, 64);
        let mut harness = open();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(format!("{findings:?}"), format!("{expected:?}"));
    }
}
