use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Row, rows};
use runwatch_detector::{Detector, Finding, Severity, State};

use super::EntropyCollapse;

fn play(rows: &[Row]) -> Vec<Finding> {
    Harness::<EntropyCollapse>::new().unwrap().play(rows, 64)
}

/// Entropy falls from 1.6 to 0.01 at row 30; the reward goes to `after`.
fn collapsing(after: f64) -> Vec<Row> {
    let row = |at: i64| {
        let (entropy, reward) = if at < 30 { (1.6, 10.0) } else { (0.01, after) };
        Row::new(
            at * 100,
            &[
                ("reward_mean", reward + (at % 3) as f64),
                ("entropy", entropy),
            ],
        )
    };
    (0..80).map(row).collect()
}

#[test]
fn a_collapse_without_reward_is_critical() {
    let findings = play(&collapsing(8.0));
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(
        (findings[0].row, findings[0].severity),
        (34, Severity::Critical)
    );
    assert!(
        findings[0]
            .message
            .contains("below 10 % of its start (1.6) for 5 values")
    );
    assert!(findings[0].recommendation.contains("entropy bonus"));
}

#[test]
fn a_policy_that_has_learned_is_quiet() {
    // While the mean of ten rewards still rises, five rows may pass.
    let mut rows = collapsing(30.0);
    for row in &mut rows[25..30] {
        row.metrics[0].1 = 30.0;
    }
    assert_eq!(play(&rows), []);
}

#[test]
fn without_a_reward_it_is_a_warning() {
    let mut rows = collapsing(0.0);
    for row in &mut rows {
        row.metrics.remove(0);
    }
    let findings = play(&rows);
    assert_eq!(findings.len(), 1);
    assert_eq!(
        (findings[0].row, findings[0].severity),
        (34, Severity::Warning)
    );
    assert!(
        findings[0]
            .recommendation
            .contains("Check the reward first")
    );
}

#[test]
fn a_streak_survives_nan_and_ends_when_entropy_is_back() {
    let mut rows = collapsing(8.0);
    rows[32].metrics[1].1 = f64::NAN;
    for row in &mut rows[50..] {
        row.metrics[1].1 = 1.0;
    }
    let findings = play(&rows);
    assert_eq!(findings.len(), 2);
    assert_eq!((findings[0].row, findings[0].state), (35, State::Firing));
    assert_eq!((findings[1].row, findings[1].state), (54, State::Resolved));
}

#[test]
fn a_resume_keeps_the_start_and_a_new_beginning_does_not() {
    let mut rows = collapsing(8.0);
    for (at, row) in rows[40..].iter_mut().enumerate() {
        row.step = 2000 + at as i64 * 100;
    }
    let found: Vec<_> = play(&rows).iter().map(|f| (f.row, f.state)).collect();
    assert_eq!(
        found,
        [
            (34, State::Firing),
            (40, State::Resolved),
            (45, State::Firing)
        ]
    );
    for (at, row) in rows[40..].iter_mut().enumerate() {
        row.step = at as i64;
    }
    assert_eq!(play(&rows).len(), 2);
}

#[test]
fn other_entropies_are_turned_or_left_alone() {
    // Negative without being a loss: a differential entropy.
    let values: Vec<f64> = (0..80)
        .map(|at| if at < 30 { -1.0 } else { -0.01 })
        .collect();
    assert_eq!(play(&rows("entropy", &values)), []);
    // Dead from the first row.
    assert_eq!(play(&rows("entropy", &[0.0; 80])), []);
}

proptest! {
    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        cells in prop::collection::vec((-2i64..30, 0u32..2, 0.0..2.0, -5.0..20.0, 0u8..8), 0..400),
        batch in 1usize..20,
        restart in 0usize..400,
    ) {
        let mut step = 0;
        let mut rows = Vec::new();
        for (stride, rank, entropy, reward, what) in cells {
            step += if stride == -2 { -300 } else { stride };
            let entropy = if step > 300 { entropy / 30.0 } else { entropy };
            let mut row = Row::new(step, &[]).on(rank);
            if what & 1 == 0 { row.metrics.push(("entropy".into(), entropy)); }
            if what & 6 != 0 { row.metrics.push(("reward_mean".into(), reward)); }
            if what == 7 { row.metrics.push(("entropy".into(), f64::NAN)); }
            rows.push(row);
        }
        let expected = play(&rows);
        let mut harness = Harness::<EntropyCollapse>::new().unwrap();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(findings, expected);
    }
}

/// Entropy goes from 0.4 to 3 at row 30; the reward goes to `after`.
fn exploding(after: f64) -> Vec<Row> {
    let row = |at: i64| {
        let (entropy, reward) = if at < 30 { (0.4, 10.0) } else { (3.0, after) };
        let reward = reward + (at % 3) as f64;
        Row::new(at, &[("reward_mean", reward), ("entropy", entropy)])
    };
    (0..80).map(row).collect()
}

#[test]
fn entropy_that_runs_away_upward_is_a_warning_and_critical_when_the_reward_falls() {
    let brief = |findings: Vec<Finding>| -> Vec<_> {
        let brief = findings.into_iter();
        brief.map(|f| (f.row, f.key, f.severity)).collect()
    };
    let key = || "entropy-explosion".to_owned();
    assert_eq!(
        brief(play(&exploding(10.0))),
        [(34, key(), Severity::Warning)]
    );
    assert_eq!(
        brief(play(&exploding(2.0))),
        [(34, key(), Severity::Critical)]
    );
    let mut rows = exploding(10.0);
    for row in &mut rows[40..] {
        row.metrics[1].1 = 0.5;
    }
    let findings = play(&rows);
    assert_eq!(
        (findings[1].row, findings[1].state),
        (44, State::Resolved),
        "{findings:?}"
    );
    // Three times next to nothing is nothing.
    for row in &mut rows {
        row.metrics[1].1 *= 0.1;
    }
    assert_eq!(play(&rows), []);
}

#[test]
fn long_below_a_fifth_is_a_warning_if_the_reward_says_so() {
    let mut rows = collapsing(8.0);
    for row in &mut rows[30..] {
        row.metrics[1].1 = 0.25;
    }
    let findings = play(&rows);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(
        (findings[0].row, findings[0].severity),
        (59, Severity::Warning)
    );
    for row in &mut rows {
        row.metrics.remove(0);
    }
    assert_eq!(play(&rows), []);
}

fn play_rlwatch(values: &[f64], consecutive: usize) -> Vec<(u32, Severity)> {
    let parameters = EntropyCollapse::describe()
        .defaults()
        .with("rule", "rlwatch")
        .with("rlwatch-consecutive", consecutive);
    let mut harness = Harness::<EntropyCollapse>::with(parameters).unwrap();
    let findings = harness.play(&rows("entropy", values), 64);
    let firing = findings.into_iter().filter(|it| it.state == State::Firing);
    firing.map(|it| (it.row, it.severity)).collect()
}

#[test]
fn rlwatch_counts_values_below_a_nat() {
    use Severity::{Critical, Warning};
    let mut values = [0.5; 100];
    assert_eq!(play_rlwatch(&values, 9), [(22, Warning), (27, Critical)]);
    assert_eq!(play_rlwatch(&values, 1), [(19, Critical), (20, Warning)]);
    // A value at the threshold is healthy, and so is NaN.
    values[24] = 1.0;
    values[70] = f64::NAN;
    assert_eq!(
        play_rlwatch(&values, 40),
        [(44, Warning), (64, Critical), (90, Warning)]
    );
}
