use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Noise, Row};
use runwatch_detector::{Finding, State};

use super::LengthExplosion;

fn play(rows: &[Row]) -> Vec<Finding> {
    Harness::<LengthExplosion>::new().unwrap().play(rows, 64)
}

fn brief(findings: &[Finding]) -> Vec<&str> {
    let how = |it: &Finding| match it.state {
        State::Firing => it.severity.name(),
        State::Resolved => "resolved",
    };
    findings.iter().map(how).collect()
}

/// Rows whose length and reward follow functions of the step, with noise.
fn run(steps: i64, length: impl Fn(f64) -> f64, reward: Option<&dyn Fn(f64) -> f64>) -> Vec<Row> {
    let mut noise = Noise::new(5);
    (0..steps)
        .map(|step| {
            let at = step as f64;
            let mut metrics = vec![("response_length", length(at) * (1.0 + 0.1 * noise.normal()))];
            metrics
                .extend(reward.map(|reward| ("reward_mean", reward(at) + 0.05 * noise.normal())));
            Row::new(step, &metrics)
        })
        .collect()
}

fn grows(at: f64) -> f64 {
    200.0 + (at - 100.0).max(0.0) * 2.0
}

#[test]
fn length_without_reward_is_a_warning() {
    let findings = play(&run(400, grows, Some(&|_| 0.3)));
    assert_eq!(brief(&findings), ["warning"]);
    // Twice the length is at step 200.
    assert!((195..230).contains(&findings[0].row), "{}", findings[0].row);
    assert!(findings[0].message.contains("the length buys nothing"));
}

#[test]
fn length_that_pays_is_fine() {
    assert_eq!(play(&run(1000, grows, Some(&|at| 0.3 + at / 1500.0))), []);
}

#[test]
fn without_a_reward_it_is_worth_knowing() {
    assert_eq!(brief(&play(&run(400, grows, None))), ["info"]);
}

#[test]
fn steady_and_noisy_lengths_are_quiet() {
    assert_eq!(play(&run(3000, |_| 300.0, None)), []);
    assert_eq!(
        play(&run(
            3000,
            |at| if at % 10.0 < 3.0 { 900.0 } else { 300.0 },
            None
        )),
        []
    );
    assert_eq!(play(&run(3000, |at| 1000.0 / (1.0 + at / 100.0), None)), []);
    assert_eq!(play(&run(3000, |_| 0.0, None)), []);
}

#[test]
fn it_ends() {
    let hill = |at: f64| if at < 300.0 { grows(at) } else { 200.0 };
    assert_eq!(
        brief(&play(&run(400, hill, Some(&|_| 0.3)))),
        ["warning", "resolved"]
    );
    let late = |at: f64| if at < 300.0 { 0.3 } else { 0.9 };
    assert_eq!(
        brief(&play(&run(400, grows, Some(&late)))),
        ["warning", "resolved"]
    );
    let mut resumed = run(400, grows, Some(&|_| 0.3));
    resumed.extend(run(10, grows, Some(&|_| 0.3)));
    assert_eq!(brief(&play(&resumed)), ["warning", "resolved"]);
}

#[test]
fn nan_changes_nothing() {
    let mut rows = run(400, grows, Some(&|_| 0.3));
    for row in rows.iter_mut().step_by(7) {
        row.metrics[0].1 = f64::NAN;
    }
    for row in rows.iter_mut().step_by(11) {
        row.metrics[1].1 = f64::INFINITY;
    }
    assert_eq!(brief(&play(&rows)), ["warning"]);
}

#[test]
fn answers_that_are_cut_off() {
    let of = |values: &dyn Fn(i64) -> f64| -> Vec<Row> {
        (0..300)
            .map(|step| Row::new(step, &[("clipped_ratio", values(step))]))
            .collect()
    };
    let findings = play(&of(&|step| {
        if (100..200).contains(&step) {
            0.6
        } else {
            0.05
        }
    }));
    assert_eq!(brief(&findings), ["warning", "resolved"]);
    assert_eq!(findings[0].key, "length-explosion/cut-off");
    // A model that has not learned to stop.
    assert_eq!(play(&of(&|step| if step < 150 { 0.9 } else { 0.1 })), []);
    assert_eq!(play(&of(&|_| 1.0)), []);
    assert_eq!(play(&of(&|_| f64::NAN)), []);
}

#[test]
fn a_value_that_says_nothing_blinds_nothing() {
    let rows = run(400, grows, None);
    let harness = Harness::<LengthExplosion>::new().unwrap();
    harness.assert_not_blinded(&rows, 120, f64::NAN);
}

proptest! {
    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        cells in prop::collection::vec((0usize..6, 0u32..2, 0i64..200), 0..400),
        batch in 1usize..20,
        restart in 0usize..400,
    ) {
        let values = [1.0, 1.1, 3.0, 4.0, f64::NAN, 0.5];
        let row = |(at, &(value, rank, back)): (usize, &(usize, u32, i64))| {
            let step = if back == 0 { 0 } else { at as i64 };
            // Higher in the second half, so that there is something to find.
            let growth = 1.0 + at as f64 / 60.0;
            let length = values[value] * growth;
            let metrics = [
                ("reward_mean", values[(value + 1) % 6]),
                ("response_length", length),
                ("clipped_ratio", (at as f64 / 400.0).min(1.0)),
            ];
            Row::new(step, &metrics[value % 2..]).on(rank)
        };
        let rows: Vec<Row> = cells.iter().enumerate().map(row).collect();
        let expected = play(&rows);
        let mut harness = Harness::<LengthExplosion>::new().unwrap();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(findings, expected);
    }
}
