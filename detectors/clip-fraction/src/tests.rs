use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Noise, Row, rows};
use runwatch_detector::{Finding, State};

use super::ClipFraction;

fn play(rows: &[Row]) -> Vec<Finding> {
    Harness::<ClipFraction>::new().unwrap().play(rows, 64)
}

fn found(values: &[f64]) -> Vec<Finding> {
    play(&rows("clip_fraction", values))
}

fn brief(findings: &[Finding]) -> Vec<&str> {
    let how = |it: &Finding| match it.state {
        State::Firing => it.severity.name(),
        State::Resolved => "resolved",
    };
    findings.iter().map(how).collect()
}

fn repeated(parts: &[(f64, usize)]) -> Vec<f64> {
    parts
        .iter()
        .flat_map(|&(value, count)| vec![value; count])
        .collect()
}

#[test]
fn healthy_values_are_quiet() {
    let mut noise = Noise::new(1);
    let values: Vec<f64> = (0..3000).map(|_| 0.25 * noise.uniform()).collect();
    assert_eq!(found(&values), []);
    // Two high values among five.
    let single: Vec<f64> = (0..3000)
        .map(|at| if at % 5 < 2 { 0.9 } else { 0.1 })
        .collect();
    assert_eq!(found(&single), []);
}

#[test]
fn high_values_are_told_and_worse_ones_again() {
    let findings = found(&repeated(&[
        (0.1, 50),
        (0.4, 20),
        (0.7, 20),
        (0.4, 20),
        (0.1, 20),
    ]));
    assert_eq!(brief(&findings), ["info", "warning", "resolved"]);
    assert_eq!(findings[0].row, 52);
    assert_eq!(findings[1].row, 72);
    assert_eq!(findings[1].title, "70 % of the update is clipped");
    // At the third low value the median is low; ten such are the end.
    assert_eq!(findings[2].row, 110 + 2 + 9);
}

#[test]
fn what_is_no_fraction_is_not_judged() {
    assert_eq!(found(&[40.0; 100]), []);
    assert_eq!(found(&[f64::NAN; 100]), []);
    let mut mixed = Vec::new();
    for value in repeated(&[(0.1, 20), (0.7, 20)]) {
        mixed.extend([value, f64::NAN, 70.0]);
    }
    assert_eq!(brief(&found(&mixed)), ["warning"]);
}

#[test]
fn a_resume_is_the_end() {
    let mut all = rows("clip_fraction", &[0.7; 20]);
    all.extend(rows("clip_fraction", &[0.1; 3]));
    assert_eq!(brief(&play(&all)), ["warning", "resolved"]);
}

#[test]
fn limits_must_be_in_order() {
    use runwatch_detector::Detector;
    let parameters = ClipFraction::describe().defaults().with("info", 0.9);
    assert!(Harness::<ClipFraction>::with(parameters).is_err());
}

#[test]
fn a_value_that_says_nothing_blinds_nothing() {
    let values = repeated(&[(0.1, 50), (0.4, 20)]);
    for odd in [f64::NAN, 70.0] {
        let harness = Harness::<ClipFraction>::new().unwrap();
        harness.assert_not_blinded(&rows("clip_fraction", &values), 52, odd);
    }
}

proptest! {
    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        cells in prop::collection::vec((0usize..6, 0u32..2, 0i64..50), 0..300),
        batch in 1usize..20,
        restart in 0usize..300,
    ) {
        let values = [0.1, 0.2, 0.4, 0.7, f64::NAN, 2.0];
        let row = |(at, &(value, rank, back)): (usize, &(usize, u32, i64))| {
            let step = if back == 0 { 0 } else { at as i64 };
            Row::new(step, &[("clip_fraction", values[value])]).on(rank)
        };
        let rows: Vec<Row> = cells.iter().enumerate().map(row).collect();
        let expected = play(&rows);
        let mut harness = Harness::<ClipFraction>::new().unwrap();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(findings, expected);
    }
}
