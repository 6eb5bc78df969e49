use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Row, rows};
use runwatch_detector::{Detector, Finding, State};

use super::GateCollapse;

fn play(rows: &[Row]) -> Vec<Finding> {
    Harness::<GateCollapse>::new().unwrap().play(rows, 64)
}

fn brief(findings: &[Finding]) -> Vec<(u32, &str)> {
    let how = |f: &Finding| match f.state {
        State::Firing => f.severity.name(),
        State::Resolved => "resolved",
    };
    findings.iter().map(|f| (f.row, how(f))).collect()
}

/// A healthy value, and a bad one in the rows given.
fn values(n: usize, good: f64, bad: f64, rows: std::ops::Range<usize>) -> Vec<f64> {
    (0..n)
        .map(|at| if rows.contains(&at) { bad } else { good })
        .collect()
}

#[test]
fn each_sign_is_reported_and_resolved() {
    for (name, good, bad) in [
        ("gate_entropy_mean", 0.9, 0.15),
        ("gate_max_gate", 0.5, 0.95),
        ("gate_collapse_frac", 0.1, 0.6),
    ] {
        let findings = play(&rows(name, &values(60, good, bad, 20..30)));
        assert_eq!(
            brief(&findings),
            [(22, "warning"), (32, "resolved")],
            "{name}"
        );
        let long = play(&rows(name, &values(100, good, bad, 20..80)));
        assert_eq!(
            brief(&long),
            [(22, "warning"), (49, "critical"), (82, "resolved")],
            "{name}"
        );
        assert!(long[0].recommendation.contains("checkpoint"));
    }
}

#[test]
fn values_at_the_limit_and_single_rows_are_quiet() {
    assert_eq!(play(&rows("gate_entropy_mean", &[0.2; 50])), []);
    assert_eq!(play(&rows("gate_max_gate", &[0.9; 50])), []);
    assert_eq!(play(&rows("gate_collapse_frac", &[0.5; 50])), []);
    let mut blips = vec![0.9; 50];
    for at in (0..50).step_by(3) {
        blips[at] = 0.01;
        blips[(at + 1) % 50] = 0.01;
    }
    blips[0] = 0.9;
    assert_eq!(play(&rows("gate_entropy_mean", &blips)), []);
}

/// A trainer writes two records a step, of which only the first has the gates,
/// and one metric may come alone: rows without them neither count nor reset.
#[test]
fn rows_between_without_gates_change_nothing() {
    let rows: Vec<Row> = (0..40)
        .map(|at| {
            let fraction = if at >= 20 { 0.8 } else { 0.0 };
            match at % 2 {
                0 => Row::new(at, &[("gate_collapse_frac", fraction)]),
                _ => Row::new(at, &[("loss", 2.0)]),
            }
        })
        .collect();
    assert_eq!(brief(&play(&rows)), [(24, "warning")]);
}

#[test]
fn nan_neither_counts_nor_resets() {
    let mut values = values(60, 0.9, 0.1, 20..30);
    values[21] = f64::NAN;
    values[40] = f64::INFINITY;
    assert_eq!(
        brief(&play(&rows("gate_entropy_mean", &values))),
        [(23, "warning"), (32, "resolved")]
    );
    assert_eq!(play(&rows("gate_max_gate", &[f64::NAN; 50])), []);
}

#[test]
fn signs_and_ranks_share_an_episode() {
    let rows: Vec<Row> = (0..60)
        .flat_map(|at| {
            let bad = (20..30).contains(&at);
            let entropy = if bad { 0.1 } else { 0.9 };
            let strongest = if (20..40).contains(&at) { 0.95 } else { 0.5 };
            let row = Row::new(
                at,
                &[("gate_entropy_mean", entropy), ("gate_max_gate", strongest)],
            );
            [row.clone().on(0), row.on(1)]
        })
        .collect();
    assert_eq!(brief(&play(&rows)), [(44, "warning"), (85, "resolved")]);
}

#[test]
fn a_resume_ends_the_episode() {
    let mut rows = rows("gate_entropy_mean", &values(60, 0.9, 0.1, 20..33));
    for (row, step) in rows[30..].iter_mut().zip(5..) {
        row.step = step;
    }
    assert_eq!(brief(&play(&rows)), [(22, "warning"), (30, "resolved")]);
}

#[test]
fn parameters_that_contradict_each_other_are_refused() {
    let parameters = GateCollapse::describe().defaults().with("rows", 50);
    assert!(Harness::<GateCollapse>::with(parameters).is_err());
}

#[test]
fn a_value_that_says_nothing_blinds_nothing() {
    let values = values(60, 0.9, 0.15, 20..30);
    let harness = Harness::<GateCollapse>::new().unwrap();
    harness.assert_not_blinded(&rows("gate_entropy_mean", &values), 22, f64::NAN);
}

proptest! {
    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        cells in prop::collection::vec((-1i64..3, 0u32..2, 0usize..5), 0..400),
        batch in 1usize..20,
        restart in 0usize..400,
    ) {
        let mut step = 0;
        let mut rows = Vec::new();
        for (stride, rank, value) in cells {
            step += stride;
            let value = [0.1, 0.15, 0.5, 0.95, f64::NAN][value];
            let metrics = [("gate_entropy_mean", value), ("gate_max_gate", value)];
            rows.push(Row::new(step, &metrics).on(rank));
        }
        let expected = play(&rows);
        let mut harness = Harness::<GateCollapse>::new().unwrap();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(findings, expected);
    }
}
