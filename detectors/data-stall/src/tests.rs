use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Row};
use runwatch_detector::{Detector, Finding, State};

use super::DataStall;

fn play(rows: &[Row]) -> Vec<Finding> {
    Harness::<DataStall>::new().unwrap().play(rows, 64)
}

fn brief(findings: &[Finding]) -> Vec<(u32, &str)> {
    let how = |f: &Finding| match f.state {
        State::Firing => f.severity.name(),
        State::Resolved => "resolved",
    };
    findings.iter().map(|f| (f.row, how(f))).collect()
}

/// Steps of one second, of which this share is waiting.
fn shares(shares: &[f64]) -> Vec<Row> {
    let row = |(at, &share): (usize, &f64)| {
        Row::new(at as i64, &[("step_time", 1.0), ("data_time", share)])
    };
    shares.iter().enumerate().map(row).collect()
}

fn phases(phases: &[(usize, f64)]) -> Vec<f64> {
    let phase = |&(rows, share): &(usize, f64)| vec![share; rows];
    phases.iter().flat_map(phase).collect()
}

#[test]
fn waiting_for_data_is_reported_and_resolved() {
    let findings = play(&shares(&phases(&[(100, 0.05), (100, 0.4), (100, 0.05)])));
    assert_eq!(brief(&findings), [(116, "warning"), (224, "resolved")]);
    assert!(
        findings[0]
            .message
            .contains("at the start of the run it was 5 %")
    );
    let findings = play(&shares(&phases(&[(100, 0.05), (100, 0.4), (100, 0.8)])));
    assert_eq!(brief(&findings), [(116, "warning"), (216, "critical")]);
}

#[test]
fn a_run_that_waits_from_the_start_is_reported() {
    assert_eq!(brief(&play(&shares(&[0.92; 200]))), [(15, "warning")]);
}

#[test]
fn three_times_its_own_share_is_reported_if_it_matters() {
    let risen = phases(&[(100, 0.04), (100, 0.2)]);
    assert_eq!(brief(&play(&shares(&risen))), [(116, "warning")]);
    let small = phases(&[(100, 0.001), (100, 0.09)]);
    assert_eq!(play(&shares(&small)), []);
    let usual = phases(&[(100, 0.2), (100, 0.25)]);
    assert_eq!(play(&shares(&usual)), []);
}

#[test]
fn the_start_of_an_epoch_is_quiet() {
    let mut values = vec![0.0005; 4000];
    for at in (0..4000).step_by(157) {
        values[at] = 0.9;
        values[at + 1] = 0.5;
    }
    assert_eq!(play(&shares(&values)), []);
}

#[test]
fn whatever_tells_the_time_of_a_step_will_do() {
    let as_time = |at: i64| Row::new(at, &[("time", 1.0), ("data_time", 0.7)]);
    let excluded = |at: i64| Row::new(at, &[("step_time", 1.0), ("data_time", 2.0)]);
    let by_clock = |at: i64| Row::new(10 * at, &[("data_time", 0.7)]).at(1e9 + 10.0 * at as f64);
    for (row, at) in [
        (&as_time as &dyn Fn(i64) -> Row, 15),
        (&excluded, 15),
        (&by_clock, 16),
    ] {
        let rows: Vec<Row> = (0..100).map(row).collect();
        assert_eq!(brief(&play(&rows)), [(at, "warning")]);
    }
}

#[test]
fn what_cannot_be_compared_is_quiet() {
    // Milliseconds and seconds; the time since the start; no times at all.
    let units = |at: i64| Row::new(at, &[("step_time", 1.0), ("data_time", 450.0)]);
    let elapsed = |at: i64| Row::new(at, &[("time", at as f64), ("data_time", 0.3)]);
    let none = |at: i64| Row::new(at, &[("data_time", 0.9)]);
    for row in [&units as &dyn Fn(i64) -> Row, &elapsed, &none] {
        let rows: Vec<Row> = (0..100).map(row).collect();
        assert_eq!(play(&rows), []);
    }
}

#[test]
fn nothing_that_is_not_finite_counts() {
    let mut values = phases(&[(100, 0.05), (100, 0.4)]);
    for at in (0..200).step_by(5) {
        values[at] = [f64::NAN, f64::INFINITY][at % 2];
    }
    assert_eq!(brief(&play(&shares(&values))), [(121, "warning")]);
}

#[test]
fn a_resume_ends_the_episode() {
    let mut rows = shares(&phases(&[(100, 0.05), (60, 0.4), (12, 0.4)]));
    for (row, step) in rows[150..].iter_mut().zip(20..) {
        row.step = step;
    }
    assert_eq!(
        brief(&play(&rows[..160])),
        [(116, "warning"), (150, "resolved")]
    );
}

#[test]
fn ranks_share_an_episode() {
    let rows: Vec<Row> = shares(&phases(&[(100, 0.05), (100, 0.4)]))
        .into_iter()
        .flat_map(|row| [row.clone().on(0), row.clone().on(1), row.on(2)])
        .collect();
    assert_eq!(brief(&play(&rows)), [(348, "warning")]);
}

#[test]
fn parameters_that_contradict_each_other_are_refused() {
    let parameters = DataStall::describe().defaults().with("share", 0.9);
    assert!(Harness::<DataStall>::with(parameters).is_err());
}

#[test]
fn a_value_that_says_nothing_blinds_nothing() {
    let values = phases(&[(100, 0.05), (100, 0.4)]);
    let harness = Harness::<DataStall>::new().unwrap();
    harness.assert_not_blinded(&shares(&values), 105, f64::NAN);
}

proptest! {
    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        cells in prop::collection::vec((0i64..60, 0u32..2, 0usize..6, 1usize..40), 0..12),
        batch in 1usize..20,
        restart in 0usize..400,
    ) {
        let mut step = 100;
        let mut rows = Vec::new();
        for (stride, rank, share, n) in cells {
            step += if stride == 0 { -50 } else { 0 };
            for at in 0..n {
                step += 1;
                let share = [0.0, 0.05, 0.2, 0.4, 0.9, f64::NAN][share];
                let metrics = [("data_time", share), ("step_time", 1.0)];
                let metrics = if at % 7 == 6 { &metrics[..1] } else { &metrics[..] };
                rows.push(Row::new(step, metrics).on(rank).at(step as f64));
            }
        }
        let expected = play(&rows);
        let mut harness = Harness::<DataStall>::new().unwrap();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(findings, expected);
    }
}
