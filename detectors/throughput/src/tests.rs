use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Row, rows};
use runwatch_detector::{Finding, State};

use super::Throughput;

fn play(rows: &[Row]) -> Vec<Finding> {
    Harness::<Throughput>::new().unwrap().play(rows, 64)
}

fn brief(findings: &[Finding]) -> Vec<(u32, &str)> {
    let how = |f: &Finding| match f.state {
        State::Firing => f.severity.name(),
        State::Resolved => "resolved",
    };
    findings.iter().map(|f| (f.row, how(f))).collect()
}

/// A counter that grows by 4173 but for the rows `still`.
fn counter(n: usize, still: std::ops::Range<usize>) -> Vec<f64> {
    let mut count = 10_007.0;
    let mut next = |at| {
        count += if still.contains(&at) { 0.0 } else { 4173.0 };
        count
    };
    (0..n).map(&mut next).collect()
}

#[test]
fn what_moves_is_quiet() {
    assert_eq!(play(&rows("tokens_seen", &counter(1000, 0..0))), []);
    assert_eq!(play(&rows("throughput", &[120.5; 1000])), []);
}

#[test]
fn a_counter_that_stands_still_is_reported_until_it_moves() {
    let findings = play(&rows("tokens_seen", &counter(100, 20..50)));
    assert_eq!(
        brief(&findings),
        [(22, "warning"), (39, "critical"), (50, "resolved")]
    );
    assert_eq!(findings[0].key, "flatline");
    assert!(
        findings[0].message.contains("for 3 reports up to step 22"),
        "{:?}",
        findings[0]
    );
    assert!(findings[0].recommendation.contains("data loader"));
}

#[test]
fn a_rate_of_zero_is_reported_if_it_was_not_zero_before() {
    let mut values = vec![120.0; 40];
    values[10..20].fill(0.0);
    values[12] = f64::NAN;
    assert_eq!(
        brief(&play(&rows("throughput", &values))),
        [(13, "warning"), (20, "resolved")]
    );
    assert_eq!(play(&rows("throughput", &[0.0; 40])), []);
}

#[test]
fn two_zeros_are_quiet() {
    let mut values = vec![120.0; 40];
    values[10..12].fill(0.0);
    assert_eq!(play(&rows("throughput", &values)), []);
}

#[test]
fn rows_of_one_step_share_a_count() {
    let mut rows = rows("samples_seen", &counter(40, 20..30));
    for row in &mut rows[19..30] {
        row.step = 19;
    }
    assert_eq!(play(&rows), []);
}

#[test]
fn a_counter_that_never_moves_counts_nothing() {
    assert_eq!(play(&rows("samples_seen", &[512.0; 100])), []);
}

#[test]
fn a_rounded_counter_is_quiet() {
    // As `consumed_samples=2.56e+5`: three digits, one sample a step.
    for per_step in [1.0, 8.0, 256.0, 3000.0] {
        let rounded = |at: u32| {
            let count: f64 = f64::from(at + 1) * per_step;
            let unit = 10f64.powf(count.log10().floor() - 2.0).max(1.0);
            (count / unit).round() * unit
        };
        let values: Vec<f64> = (0..30_000).map(rounded).collect();
        assert_eq!(
            brief(&play(&rows("samples_seen", &values))),
            [],
            "{per_step}"
        );
    }
}

#[test]
fn a_counter_that_is_seldom_refreshed_is_reported_once() {
    let values: Vec<f64> = (0..1000).map(|at| f64::from(at / 10) * 4173.0).collect();
    assert_eq!(
        brief(&play(&rows("tokens_seen", &values))),
        [(13, "warning"), (20, "resolved")]
    );
}

#[test]
fn counters_share_an_episode() {
    let counts = counter(60, 20..30);
    let tokens = counter(60, 20..40);
    let rows: Vec<Row> = (0..60)
        .map(|at| {
            let metrics = [("samples_seen", counts[at]), ("tokens_seen", tokens[at])];
            Row::new(at as i64, &metrics)
        })
        .collect();
    assert_eq!(
        brief(&play(&rows)),
        [(22, "warning"), (39, "critical"), (40, "resolved")]
    );
}

#[test]
fn a_resume_ends_the_episode() {
    let mut rows = rows("tokens_seen", &counter(60, 20..60));
    rows[30].step = 5;
    assert_eq!(
        brief(&play(&rows[..40])),
        [(22, "warning"), (30, "resolved")]
    );
}

proptest! {
    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        cells in prop::collection::vec((-1i64..3, 0u32..2, 0u8..4, 0u8..3), 0..400),
        batch in 1usize..20,
        restart in 0usize..400,
    ) {
        let (mut step, mut count) = (0, 12_345.0);
        let mut rows = Vec::new();
        for (stride, rank, grows, rate) in cells {
            step += stride;
            count += f64::from(grows / 3);
            let metrics = [("tokens_seen", count), ("throughput", f64::from(rate / 2))];
            rows.push(Row::new(step, &metrics).on(rank));
        }
        let expected = play(&rows);
        let mut harness = Harness::<Throughput>::new().unwrap();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(findings, expected);
    }
}
