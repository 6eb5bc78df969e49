use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Noise, Row, rows};
use runwatch_detector::{Finding, State};

use super::RewardCollapse;

fn play(rows: &[Row]) -> Vec<Finding> {
    Harness::<RewardCollapse>::new().unwrap().play(rows, 64)
}

fn found(values: &[f64]) -> Vec<Finding> {
    play(&rows("reward_mean", values))
}

fn brief(findings: &[Finding]) -> Vec<&str> {
    let how = |it: &Finding| match it.state {
        State::Firing => it.severity.name(),
        State::Resolved => "resolved",
    };
    findings.iter().map(how).collect()
}

/// Values along a line from each height to the next, with noise.
fn path(seed: u64, sd: f64, heights: &[(usize, f64)]) -> Vec<f64> {
    let mut noise = Noise::new(seed);
    let mut values = Vec::new();
    let mut from = heights[0].1;
    for &(count, to) in heights {
        for at in 0..count {
            let share = (at + 1) as f64 / count as f64;
            values.push(from + (to - from) * share + sd * noise.normal());
        }
        from = to;
    }
    values
}

#[test]
fn a_collapse_is_told_once_and_its_end() {
    let values = path(
        1,
        2.0,
        &[
            (50, 0.0),
            (300, 100.0),
            (100, 100.0),
            (50, 30.0),
            (100, 30.0),
            (100, 100.0),
            (50, 100.0),
        ],
    );
    let findings = found(&values);
    assert_eq!(brief(&findings), ["warning", "resolved"]);
    assert!((450..520).contains(&findings[0].row), "{}", findings[0].row);
    assert!(
        findings[0].title.starts_with("Reward fell from 10"),
        "{}",
        findings[0].title
    );
    let best = findings[0]
        .values
        .iter()
        .find(|(name, _)| name == "best_step");
    assert!((350.0..450.0).contains(&best.unwrap().1), "{best:?}");
}

#[test]
fn a_loss_of_all_that_was_gained_is_critical() {
    let values = path(
        2,
        2.0,
        &[(50, -200.0), (300, -50.0), (100, -250.0), (100, -250.0)],
    );
    assert_eq!(brief(&found(&values)), ["warning", "critical"]);
}

#[test]
fn healthy_runs_are_quiet() {
    for seed in 0..50 {
        // Learns, and stays.
        let learns = path(seed, 10.0, &[(30, 0.0), (500, 100.0), (1000, 100.0)]);
        assert_eq!(found(&learns), [], "{seed}");
        // Learns little: the noise is larger than the gain.
        let little = path(seed, 10.0, &[(30, 0.0), (300, 5.0), (300, 0.0), (300, 5.0)]);
        assert_eq!(found(&little), [], "{seed}");
        // Learns nothing.
        assert_eq!(found(&path(seed, 10.0, &[(2000, 0.0)])), [], "{seed}");
    }
    // Falls from the start on: nothing was gained.
    assert_eq!(found(&path(1, 1.0, &[(1, 100.0), (500, 0.0)])), []);
    assert_eq!(found(&[1.0; 500]), []);
    // A dip of a few values.
    let mut dip = path(3, 2.0, &[(50, 0.0), (300, 100.0), (100, 100.0)]);
    dip.extend([20.0; 8]);
    dip.extend([100.0; 100]);
    assert_eq!(found(&dip), []);
}

#[test]
fn nan_changes_nothing() {
    let values = path(
        1,
        2.0,
        &[
            (50, 0.0),
            (300, 100.0),
            (100, 100.0),
            (50, 30.0),
            (100, 30.0),
        ],
    );
    let mut mixed = Vec::new();
    for value in &values {
        mixed.extend([*value, f64::NAN, f64::INFINITY]);
    }
    assert_eq!(brief(&found(&mixed)), brief(&found(&values)));
}

#[test]
fn a_resume_begins_anew() {
    let values = path(1, 2.0, &[(50, 0.0), (300, 100.0), (50, 30.0), (100, 30.0)]);
    let mut all = rows("reward_mean", &values);
    all.extend(rows("reward_mean", &[30.0; 200]));
    let findings = play(&all);
    assert_eq!(brief(&findings), ["warning", "resolved"]);
    assert_eq!(findings[1].row, 500);
    assert_eq!(findings[1].title, "Run resumed");
}

#[test]
fn ranks_are_one_alert() {
    let values = path(1, 2.0, &[(50, 0.0), (300, 100.0), (50, 30.0), (100, 30.0)]);
    let rows: Vec<Row> = values
        .iter()
        .enumerate()
        .flat_map(|(step, &value)| {
            (0..4).map(move |rank| Row::new(step as i64, &[("reward_mean", value)]).on(rank))
        })
        .collect();
    assert_eq!(brief(&play(&rows)), ["warning"]);
}

#[test]
fn a_value_that_says_nothing_blinds_nothing() {
    let values = path(1, 2.0, &[(50, 0.0), (300, 100.0), (50, 30.0), (100, 30.0)]);
    let harness = Harness::<RewardCollapse>::new().unwrap();
    harness.assert_not_blinded(&rows("reward_mean", &values), 350, f64::NAN);
}

proptest! {
    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        heights in prop::collection::vec((1usize..80, -100.0f64..100.0), 1..12),
        holes in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        batch in 1usize..20,
        restart in any::<prop::sample::Index>(),
    ) {
        let mut values = path(7, 3.0, &heights);
        let mut steps: Vec<i64> = (0..values.len() as i64).collect();
        for hole in holes {
            let at = hole.index(values.len());
            values[at] = f64::NAN;
            steps[at] -= 100;
        }
        let rows: Vec<Row> = steps
            .iter()
            .zip(&values)
            .enumerate()
            .map(|(at, (&step, &value))| Row::new(step, &[("reward_mean", value)]).on(at as u32 % 2))
            .collect();
        let expected = play(&rows);
        let mut harness = Harness::<RewardCollapse>::new().unwrap();
        let (before, after) = rows.split_at(restart.index(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(findings, expected);
    }
}
