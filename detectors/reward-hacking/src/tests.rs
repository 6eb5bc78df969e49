use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Noise, Row, rows};
use runwatch_detector::{Description, Detector, Finding, Parameters, Severity, State};

use super::RewardHacking;

fn defaults() -> Parameters {
    RewardHacking::describe().defaults()
}

fn rlwatch() -> Parameters {
    defaults().with("rule", "rlwatch")
}

fn play_with(parameters: Parameters, rows: &[Row]) -> Vec<Finding> {
    Harness::<RewardHacking>::with(parameters)
        .unwrap()
        .play(rows, 64)
}

fn play(rows: &[Row]) -> Vec<Finding> {
    play_with(defaults(), rows)
}

fn brief(findings: &[Finding]) -> Vec<(u32, &str, State, Severity)> {
    findings
        .iter()
        .map(|f| (f.row, f.key.as_str(), f.state, f.severity))
        .collect()
}

/// Rows of 32 single rewards.
fn samples(n: i64, mut reward: impl FnMut(i64, &mut Noise) -> f64) -> Vec<Row> {
    let mut noise = Noise::new(3);
    (0..n)
        .map(|step| {
            let mut row = Row::new(step, &[]);
            for _ in 0..32 {
                row.metrics
                    .push(("rewards".into(), reward(step, &mut noise)));
            }
            row
        })
        .collect()
}

/// Two narrow groups far apart.
fn two_groups(noise: &mut Noise) -> f64 {
    let side = if noise.uniform() < 0.5 { -2.0 } else { 2.0 };
    side + 0.3 * noise.normal()
}

#[test]
fn rewards_of_one_group_or_few_values_are_quiet() {
    assert_eq!(play(&samples(400, |_, noise| noise.normal())), []);
    assert_eq!(play(&samples(400, |_, noise| noise.uniform())), []);
    assert_eq!(play(&samples(400, |_, noise| -noise.uniform().ln())), []);
    assert_eq!(play(&samples(400, |_, noise| noise.uniform().round())), []);
    // Passed or failed, and a small bonus when passed.
    let graded = |_, noise: &mut Noise| {
        let passed = noise.uniform().round();
        passed + 0.1 * passed * noise.uniform()
    };
    assert_eq!(play(&samples(400, graded)), []);
    assert_eq!(
        play(&samples(400, |_, noise| (4.0 * noise.uniform()).round())),
        []
    );
}

#[test]
fn two_groups_are_found_and_whether_they_were_always_there() {
    let findings = play(&samples(100, |_, noise| two_groups(noise)));
    assert_eq!(
        brief(&findings),
        [(12, "groups", State::Firing, Severity::Warning)]
    );
    assert!(findings[0].message.contains("from the first rewards on"));
    let later = |step, noise: &mut Noise| match step {
        50..100 => two_groups(noise),
        _ => noise.normal(),
    };
    let findings = play(&samples(200, later));
    let groups: Vec<_> = findings.iter().filter(|it| it.key == "groups").collect();
    assert_eq!(groups.len(), 2, "{findings:?}");
    assert!((60..66).contains(&groups[0].row));
    assert!(groups[0].message.contains("Before, they did not"));
    assert_eq!(groups[1].state, State::Resolved);
}

/// Deviations with 5 % of noise.
fn deviations(n: usize) -> Vec<f64> {
    let mut noise = Noise::new(9);
    (0..n)
        .map(|_| 0.5 * (1.0 + 0.05 * noise.normal()))
        .collect()
}

#[test]
fn a_variance_that_leaps_fires_once_and_is_over() {
    let mut values = deviations(300);
    assert_eq!(play(&rows("reward_std", &values)), []);
    values[100] = 1.2;
    assert_eq!(
        play(&rows("reward_std", &values)),
        [],
        "one value is not enough"
    );
    values[200..210].fill(1.2);
    values[202] = f64::NAN;
    assert_eq!(
        brief(&play(&rows("reward_std", &values))),
        [
            (201, "variance", State::Firing, Severity::Warning),
            (219, "variance", State::Resolved, Severity::Info)
        ]
    );
}

#[test]
fn a_noisy_warm_up_does_not_hide_a_leap() {
    let mut values = deviations(300);
    values[..20].fill(5.0);
    values[250..252].fill(1.5);
    assert_eq!(brief(&play(&rows("reward_std", &values)))[0].0, 250);
}

/// The reward rises from row 600 on, and what else is there does what it is told.
fn rising(name: &str, mut other: impl FnMut(f64) -> f64) -> Vec<Row> {
    let mut noise = Noise::new(4);
    (0..1200)
        .map(|step| {
            let done = ((step - 600).max(0) as f64 / 600.0).min(1.0);
            let reward = 6.0 * done + 0.2 * noise.normal();
            let mut row = Row::new(step, &[("reward_mean", reward)]);
            if !name.starts_with("eval") || step % 50 == 0 {
                row.metrics.push((name.to_owned(), other(done)));
            }
            row
        })
        .collect()
}

#[test]
fn never_from_the_reward_alone() {
    assert_eq!(play(&rising("loss", |_| 1.0)), []);
    assert_eq!(play(&rising("eval/accuracy", |done| 0.5 + 0.3 * done)), []);
    assert_eq!(play(&rising("kl", |done| 0.02 + 0.2 * done)), []);
    assert_eq!(
        play(&rising("response_length", |done| 300.0 + 90.0 * done)),
        []
    );
}

#[test]
fn an_evaluation_that_falls_while_the_reward_rises_is_a_warning() {
    let findings = play(&rising("eval/accuracy", |done| 0.5 - 0.3 * done));
    assert_eq!(
        brief(&findings)
            .iter()
            .map(|it| (it.1, it.2, it.3))
            .collect::<Vec<_>>(),
        [("proxy", State::Firing, Severity::Warning)],
        "{findings:?}"
    );
    assert!((650..800).contains(&findings[0].row), "{findings:?}");
    assert!(findings[0].recommendation.contains("Read 20"));
}

#[test]
fn kl_and_length_are_infos_alone_and_a_warning_together() {
    let kl = |done: f64| 0.1 * (1.0 + 40.0 * done * done);
    let length = |done: f64| 200.0 * (1.0 + 8.0 * done);
    for findings in [
        play(&rising("kl", kl)),
        play(&rising("response_length", length)),
    ] {
        assert!(!findings.is_empty());
        assert!(
            findings.iter().all(|it| it.severity == Severity::Info),
            "{findings:?}"
        );
    }
    let mut rows = rising("kl", kl);
    for (row, other) in rows.iter_mut().zip(rising("response_length", length)) {
        row.metrics.extend(other.metrics.into_iter().skip(1));
    }
    assert!(
        play(&rows)
            .iter()
            .any(|it| it.severity == Severity::Warning)
    );
}

#[test]
fn a_resume_ends_what_is_open() {
    let mut rows = samples(60, |_, noise| two_groups(noise));
    for (row, step) in rows[40..].iter_mut().zip(10..) {
        row.step = step;
    }
    let found: Vec<_> = play(&rows).iter().map(|it| (it.row, it.state)).collect();
    assert_eq!(
        found,
        [
            (12, State::Firing),
            (40, State::Resolved),
            (52, State::Firing)
        ]
    );
}

#[test]
fn every_parameter_has_a_doc() {
    let Description { parameters, .. } = RewardHacking::describe();
    assert!(
        parameters
            .iter()
            .all(|p| !p.doc.is_empty() && !p.unit.is_empty())
    );
}

#[test]
fn rlwatch_compares_with_the_first_variances_of_its_window() {
    let mut values = [1.0; 60];
    values[55] = 3_f64.sqrt();
    values[56] = 2.0;
    values[57] = 2.5;
    let found: Vec<_> = play_with(rlwatch(), &rows("reward_std", &values))
        .iter()
        .filter(|it| it.state == State::Firing)
        .map(|it| (it.row, it.severity))
        .collect();
    assert_eq!(found, [(56, Severity::Warning), (57, Severity::Critical)]);
    // The warm-up is the baseline.
    values[..20].fill(5.0);
    assert_eq!(play_with(rlwatch(), &rows("reward_std", &values)), []);
}

#[test]
fn rlwatch_counts_rows_without_a_reward() {
    let mut rows: Vec<Row> = (0..29)
        .map(|step| Row::new(step, &[("loss", 1.0)]))
        .collect();
    rows.extend(
        (29..60).map(|step| Row::new(step, &[("reward_std", if step == 50 { 2.0 } else { 1.0 })])),
    );
    assert_eq!(play_with(rlwatch(), &rows)[0].row, 50);
}

#[test]
fn rlwatch_calls_normal_rewards_two_groups_without_its_package() {
    let rows = samples(60, |_, noise| noise.normal());
    let found = play_with(rlwatch(), &rows);
    assert_eq!((found[0].row, found.len()), (49, 11));
    assert_eq!(
        play_with(rlwatch().with("rlwatch-diptest", true), &rows),
        []
    );
}

#[test]
fn the_state_is_small() {
    let mut harness = Harness::<RewardHacking>::new().unwrap();
    let mut rows = samples(500, |_, noise| noise.normal());
    for row in &mut rows {
        row.metrics.push(("kl".into(), 0.1));
        row.metrics.push(("eval/accuracy".into(), 0.1));
    }
    harness.play(&rows, 64);
    let state = harness.detector.save().unwrap();
    assert!(state.len() <= 4096, "{}", state.len());
}

proptest! {
    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        pieces in prop::collection::vec((0u8..6, 1usize..150, prop_oneof![8 => Just(1i64), 1 => Just(-60)], 0u32..2), 0..8),
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
                let mut row = Row::new(step, &[]).on(rank);
                let mut put = |name: &str, value: f64| row.metrics.push((name.to_owned(), value));
                match kind {
                    0 => (0..16).for_each(|_| put("rewards", two_groups(&mut noise))),
                    1 => (0..16).for_each(|_| put("rewards", noise.normal())),
                    2 => put("reward_std", noise.uniform() * 3.0),
                    3 => put("reward_std", if at % 40 == 7 { f64::NAN } else { 0.5 }),
                    4 => {
                        put("reward_mean", at as f64 / 5.0);
                        put("kl", 0.01 * at as f64);
                        put("eval/acc", -(at as f64));
                        put("eval/other_acc", at as f64);
                    }
                    _ => {
                        put("reward_mean", noise.normal());
                        put("response_length", 50.0 + at as f64);
                    }
                }
                rows.push(row);
            }
        }
        let parameters = defaults().with("rule", rule).with("window", 40);
        let expected = play_with(parameters.clone(), &rows);
        let mut harness = Harness::<RewardHacking>::with(parameters).unwrap();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(format!("{findings:?}"), format!("{expected:?}"));
    }
}
