use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Noise, Row, rows};
use runwatch_detector::{Finding, Severity, State};

use super::LossFlatline;

fn play(rows: &[Row]) -> Vec<Finding> {
    Harness::<LossFlatline>::new().unwrap().play(rows, 64)
}

fn brief(findings: &[Finding]) -> Vec<(u32, State)> {
    findings.iter().map(|f| (f.row, f.state)).collect()
}

/// Losses around a level, printed with so many decimals.
fn printed(level: f64, sd: f64, decimals: i32, n: usize) -> Vec<f64> {
    let mut noise = Noise::new(7);
    let unit = 10f64.powi(decimals);
    (0..n)
        .map(|_| ((level + sd * noise.normal()) * unit).round() / unit)
        .collect()
}

#[test]
fn a_loss_that_moves_is_quiet() {
    assert_eq!(play(&rows("loss", &printed(2.2, 0.02, 4, 20_000))), []);
    // Printed so coarsely that most neighbours are equal.
    assert_eq!(play(&rows("loss", &printed(2.2, 0.004, 2, 20_000))), []);
    assert_eq!(play(&rows("loss", &printed(2.2, 0.02, 1, 20_000))), []);
}

#[test]
fn a_stuck_loss_fires_once_and_is_resolved() {
    let mut values = printed(2.2, 0.02, 4, 500);
    values[300..400].fill(2.1875);
    let findings = play(&rows("loss", &values));
    assert_eq!(
        brief(&findings),
        [(319, State::Firing), (400, State::Resolved)]
    );
    assert_eq!(findings[0].severity, Severity::Warning);
    let message = &findings[0].message;
    assert!(
        message.contains("exactly 2.188 for 20 values, from step 300 to step 319"),
        "{message}"
    );
}

#[test]
fn a_loss_that_drops_to_zero_is_stuck_and_one_that_fades_is_not() {
    let mut values = printed(2.2, 0.02, 4, 500);
    values[300..].fill(0.0);
    assert_eq!(brief(&play(&rows("loss", &values))), [(319, State::Firing)]);
    // Overfitted: 0.0005 printed with four decimals, then less than that.
    let mut values = printed(0.0005, 0.0001, 4, 5000);
    values.extend([0.0004; 50]);
    values.extend([0.0; 500]);
    assert_eq!(play(&rows("loss", &values)), []);
}

#[test]
fn one_that_never_moved_needs_longer() {
    assert_eq!(play(&rows("loss", &[10.98; 99])), []);
    let findings = play(&rows("loss", &[10.98; 300]));
    assert_eq!(brief(&findings), [(99, State::Firing)]);
    assert!(findings[0].message.contains("never been anything else"));
    assert_eq!(play(&rows("loss", &[0.0; 300])), []);
}

#[test]
fn a_bar_that_repeats_the_loss_between_updates_is_learned() {
    let held = |n: usize| {
        let once = printed(2.2, 0.02, 4, 200);
        let each = once
            .into_iter()
            .flat_map(move |it| std::iter::repeat_n(it, n));
        each.collect::<Vec<f64>>()
    };
    assert_eq!(play(&rows("loss", &held(15))), []);
    assert_eq!(play(&rows("loss", &held(60))), []);
    // The same row twice is one row.
    let mut rows = rows("loss", &printed(2.2, 0.02, 4, 50));
    let again = vec![rows[40].clone(); 60];
    rows.splice(41..41, again);
    assert_eq!(play(&rows), []);
}

#[test]
fn nan_neither_continues_nor_ends_a_streak() {
    let mut values = printed(2.2, 0.02, 4, 500);
    values[300..400].fill(2.1875);
    values[310] = f64::NAN;
    values[350] = f64::INFINITY;
    let findings = play(&rows("loss", &values));
    assert_eq!(
        brief(&findings),
        [(320, State::Firing), (400, State::Resolved)]
    );
    assert_eq!(play(&rows("loss", &[f64::NAN; 500])), []);
}

#[test]
fn a_resume_ends_it() {
    let mut values = printed(2.2, 0.02, 4, 500);
    values[300..].fill(2.1875);
    let mut rows = rows("loss", &values);
    for (row, step) in rows[400..].iter_mut().zip(200..) {
        row.step = step;
    }
    let findings = play(&rows);
    assert_eq!(
        brief(&findings),
        [
            (319, State::Firing),
            (400, State::Resolved),
            (499, State::Firing)
        ]
    );
    assert_eq!(findings[1].title, "Run resumed");
}

#[test]
fn policy_losses_may_be_zero() {
    let mut values = printed(0.2, 0.02, 4, 500);
    values[300..].fill(0.0);
    let mut rows = rows("loss", &values);
    rows[0].metrics.push(("reward_mean".to_owned(), 0.5));
    assert_eq!(play(&rows), []);
}

#[test]
fn a_value_that_says_nothing_blinds_nothing() {
    let mut values = printed(2.2, 0.02, 4, 500);
    values[300..400].fill(2.1875);
    let harness = Harness::<LossFlatline>::new().unwrap();
    harness.assert_not_blinded(&rows("loss", &values), 310, f64::NAN);
}

proptest! {
    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        pieces in prop::collection::vec(
            (prop_oneof![Just(2.5), Just(0.0), 0.1..3.0, Just(f64::NAN)], 1usize..40, prop_oneof![9 => Just(1i64), 1 => Just(-30)]),
            1..40,
        ),
        batch in 1usize..50,
        restart in 0usize..1000,
    ) {
        let mut step = 0;
        let mut rows = Vec::new();
        for (value, n, jump) in pieces {
            step += jump;
            for _ in 0..n {
                rows.push(Row::new(step, &[("loss", value)]));
                step += 1;
            }
        }
        let expected = play(&rows);
        let mut harness = Harness::<LossFlatline>::new().unwrap();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(findings, expected);
    }
}
