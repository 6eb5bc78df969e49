use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Noise, Row, rows};
use runwatch_detector::{Description, Detector, Finding, Parameters, Severity, State};

use super::RewardDrift;

fn defaults() -> Parameters {
    RewardDrift::describe().defaults()
}

fn play_rows(rows: &[Row]) -> Vec<Finding> {
    Harness::<RewardDrift>::new().unwrap().play(rows, 64)
}

fn play(values: &[f64]) -> Vec<Finding> {
    play_rows(&rows("reward_mean", values))
}

fn brief(findings: &[Finding]) -> Vec<(State, Severity)> {
    findings.iter().map(|f| (f.state, f.severity)).collect()
}

/// A mean over the last 100 episodes, as trainers print it, of rewards that
/// learn from 0 to `gain` and have a deviation of 1.
fn averaged(gain: f64, seed: u64, n: usize) -> Vec<f64> {
    let mut noise = Noise::new(seed);
    let mut last = std::collections::VecDeque::new();
    (0..n)
        .map(|at| {
            last.push_back(gain * (1.0 - (-(at as f64) / 400.0).exp()) + noise.normal());
            if last.len() > 100 {
                last.pop_front();
            }
            last.iter().sum::<f64>() / last.len() as f64
        })
        .collect()
}

/// Falls by `fall` over so many values, from value 1500 on.
fn falling(mut values: Vec<f64>, fall: f64, over: f64) -> Vec<f64> {
    for (at, value) in values.iter_mut().enumerate().skip(1500) {
        *value -= fall * ((at - 1500) as f64 / over).min(1.0);
    }
    values
}

#[test]
fn learning_is_quiet_however_noisy() {
    for seed in 0..10 {
        assert_eq!(play(&averaged(20.0, seed, 2000)), []);
        let mut noise = Noise::new(seed + 100);
        let noisy: Vec<f64> = averaged(2.0, seed, 2000)
            .iter()
            .map(|value| value + noise.normal())
            .collect();
        assert_eq!(play(&noisy), []);
    }
    assert_eq!(play(&[-100.0; 2000]), []);
    let rising: Vec<f64> = (0..2000).map(f64::from).collect();
    assert_eq!(play(&rising), []);
}

#[test]
fn a_long_fall_is_a_warning_and_over_when_half_is_made_good() {
    let mut values = falling(averaged(10.0, 1, 2400), 5.0, 300.0);
    for value in &mut values[1900..] {
        *value += 5.0;
    }
    let findings = play(&values);
    assert_eq!(
        brief(&findings),
        [
            (State::Firing, Severity::Warning),
            (State::Resolved, Severity::Info)
        ],
        "{findings:?}"
    );
    assert!((1600..1800).contains(&findings[0].row), "{findings:?}");
    assert!((1900..1920).contains(&findings[1].row), "{findings:?}");
    assert!(findings[0].recommendation.contains("checkpoint"));
}

#[test]
fn a_reward_that_stays_down_has_settled() {
    let findings = play(&falling(averaged(10.0, 1, 3000), 5.0, 300.0));
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert!(findings[1].title.contains("settled"));
}

#[test]
fn nan_neither_blinds_nor_fires() {
    let mut values = falling(averaged(10.0, 1, 2400), 5.0, 300.0);
    for at in (7..2400).step_by(50) {
        values[at] = f64::NAN;
    }
    assert_eq!(brief(&play(&values))[0], (State::Firing, Severity::Warning));
}

#[test]
fn a_resume_starts_all_over() {
    let values = falling(averaged(10.0, 1, 2400), 5.0, 300.0);
    let mut rows = rows("reward_mean", &values);
    for (row, step) in rows[1800..].iter_mut().zip(900..) {
        row.step = step;
    }
    let findings = play_rows(&rows);
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert_eq!(
        (findings[1].row, findings[1].state),
        (1800, State::Resolved)
    );
}

#[test]
fn single_rewards_stand_for_their_mean() {
    let values = falling(averaged(10.0, 1, 2400), 5.0, 300.0);
    let rows: Vec<Row> = (0..)
        .zip(&values)
        .map(|(step, value)| Row::new(step, &[("rewards", value - 1.0), ("rewards", value + 1.0)]))
        .collect();
    let single = play_rows(&rows);
    assert_eq!(single.len(), play(&values).len());
}

#[test]
fn every_parameter_has_a_doc() {
    let Description { parameters, .. } = RewardDrift::describe();
    assert!(
        parameters
            .iter()
            .all(|p| !p.doc.is_empty() && !p.unit.is_empty())
    );
}

#[test]
fn windows_that_contradict_each_other_are_refused() {
    let parameters = defaults().with("long-window", 64);
    assert!(Harness::<RewardDrift>::with(parameters).is_err());
}

fn play_rlwatch(values: &[f64]) -> Vec<(u32, String)> {
    let mut harness = Harness::<RewardDrift>::with(defaults().with("rule", "rlwatch")).unwrap();
    let findings = harness.play(&rows("reward_mean", values), 64);
    let firing = findings.into_iter().filter(|it| it.state == State::Firing);
    firing
        .map(|finding| (finding.row, finding.facts[0].1.clone()))
        .collect()
}

#[test]
fn rlwatch_counts_rises_and_falls_without_a_break() {
    let mut values: Vec<f64> = (0..100).map(|at| f64::from(at) / 16.0).collect();
    // The 50th value is the first that counts, and the 50th rise is at 98.
    assert_eq!(play_rlwatch(&values), [(98, "up".to_owned())]);
    values.extend((0..60).map(|at| f64::from(-at)));
    assert_eq!(
        play_rlwatch(&values),
        [(98, "up".to_owned()), (149, "down".to_owned())]
    );
    values[120] = values[119];
    assert_eq!(play_rlwatch(&values), [(98, "up".to_owned())]);
}

#[test]
fn a_value_that_says_nothing_blinds_nothing() {
    let values = falling(averaged(20.0, 1, 2000), 15.0, 300.0);
    let harness = Harness::<RewardDrift>::new().unwrap();
    harness.assert_not_blinded(&rows("reward_mean", &values), 1500, f64::NAN);
}

proptest! {
    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        pieces in prop::collection::vec((0.0..20.0, -6.0..6.0, 1usize..700, prop_oneof![8 => Just(1i64), 1 => Just(-60)], 0u32..2), 0..8),
        odd in prop::collection::vec(0usize..3000, 0..4),
        batch in 1usize..50,
        restart in 0usize..3000,
        rule in prop_oneof![Just("robust"), Just("rlwatch")],
    ) {
        let mut step = 0;
        let mut rows = Vec::new();
        for (gain, slope, n, jump, rank) in pieces {
            step += jump - 1;
            for (at, value) in averaged(gain, n as u64, n).into_iter().enumerate() {
                step += 1;
                let value = if odd.contains(&rows.len()) { f64::NAN } else { value + slope * at as f64 / 100.0 };
                rows.push(Row::new(step, &[("reward_mean", value)]).on(rank));
            }
        }
        let parameters = defaults().with("rule", rule);
        let open = || Harness::<RewardDrift>::with(parameters.clone()).unwrap();
        let expected = open().play(&rows, 64);
        let mut harness = open();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(format!("{findings:?}"), format!("{expected:?}"));
    }
}
