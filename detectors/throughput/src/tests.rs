use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Noise, Row, rows};
use runwatch_detector::{Detector, Finding, State};

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

/// As the preset `nsa` has it.
#[test]
fn a_flatline_can_be_critical_at_once() {
    let parameters = Throughput::describe()
        .defaults()
        .with("rows", 4)
        .with("critical-rows", 4);
    let mut harness = Harness::<Throughput>::with(parameters).unwrap();
    let mut values = vec![120.0; 40];
    values[10..14].fill(0.0);
    values[20..30].fill(0.0);
    assert_eq!(
        brief(&harness.play(&rows("throughput", &values), 7)),
        [
            (13, "critical"),
            (14, "resolved"),
            (23, "critical"),
            (30, "resolved")
        ]
    );
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

/// A watchdog that looks at a file every so often saw one such row again and
/// again; here time alone counts nothing.
#[test]
fn a_row_is_counted_once_however_often_one_looks() {
    let mut values = vec![120.0; 40];
    values[39] = 0.0;
    let mut harness = Harness::<Throughput>::new().unwrap();
    assert_eq!(harness.play(&rows("throughput", &values), 64), []);
    for tick in 0..1000 {
        assert_eq!(harness.tick(1e9 + f64::from(tick) * 30.0), []);
    }
}

#[test]
fn noise_as_large_as_the_rise_is_quiet() {
    // As in reinforcement learning, where the work of a step differs.
    let mut noise = Noise::new(11);
    let values: Vec<f64> = (0..5000)
        .map(|_| 10.0 * (0.4 * noise.normal()).exp())
        .collect();
    assert!(
        brief(&play(&rows("step_time", &values)))
            .iter()
            .all(|it| it.1 != "critical")
    );
    assert!(play(&rows("step_time", &values)).len() <= 2);
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

/// Step times around a level with 1 % of noise.
fn times(n: usize, level: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut noise = Noise::new(5);
    (0..n)
        .map(|at| level(at) * (1.0 + 0.01 * noise.normal()))
        .collect()
}

fn step_times(n: usize, level: impl Fn(usize) -> f64) -> Vec<Finding> {
    play(&rows("step_time", &times(n, level)))
}

#[test]
fn a_jump_of_the_step_time_is_reported_until_it_is_back() {
    let findings = step_times(600, |at| if (200..400).contains(&at) { 1.15 } else { 1.0 });
    let brief = brief(&findings);
    assert_eq!(brief.len(), 2, "{brief:?}");
    assert_eq!((brief[0].1, brief[1].1), ("warning", "resolved"));
    assert!((216..232).contains(&brief[0].0), "{brief:?}");
    assert!((408..420).contains(&brief[1].0), "{brief:?}");
    assert_eq!(findings[0].key, "slower");
    assert!(findings[0].recommendation.contains("GPU"));
}

#[test]
fn the_severity_follows_the_size() {
    for (level, severity) in [(1.07, "info"), (1.2, "warning"), (2.2, "critical")] {
        let findings = step_times(400, |at| if at < 200 { 1.0 } else { level });
        assert_eq!(brief(&findings)[0].1, severity);
    }
    // It gets worse: said once more, and a lower one never follows.
    let findings = step_times(600, |at| match at {
        ..200 => 1.0,
        200..300 => 1.2,
        300..400 => 2.2,
        _ => 1.2,
    });
    let all: Vec<_> = brief(&findings).into_iter().map(|it| it.1).collect();
    assert_eq!(all, ["warning", "critical"]);
}

#[test]
fn neither_milliseconds_nor_rates_make_a_difference() {
    let level = |at| if at < 200 { 1.0 } else { 1.3 };
    let seconds = brief(&step_times(400, level)).len();
    let milliseconds: Vec<f64> = times(400, level).iter().map(|it| it * 1e3).collect();
    let rates: Vec<f64> = times(400, level).iter().map(|it| 4e5 / it).collect();
    assert_eq!(
        brief(&play(&rows("step_time", &milliseconds))).len(),
        seconds
    );
    let rate = play(&rows("throughput", &rates));
    assert_eq!(brief(&rate)[0].1, "warning");
    assert!((rate[0].values[2].1 - 0.3).abs() < 0.02, "{:?}", rate[0]);
}

#[test]
fn what_becomes_slower_little_by_little_is_reported_at_a_fifth() {
    // A schedule of the work, or a leak: 15 % over the run is quiet.
    let slowly = |to: f64| move |at: usize| 1.0 + (to - 1.0) * at as f64 / 5000.0;
    assert_eq!(step_times(5000, slowly(1.15)), []);
    let findings = step_times(5000, slowly(1.5));
    assert_eq!(findings[0].severity.name(), "warning");
    assert!(findings[0].message.contains("little by little"));
}

#[test]
fn pauses_and_validation_steps_are_quiet() {
    let mut values = times(3000, |_| 1.0);
    for at in (100..3000).step_by(125) {
        values[at] = 2.3;
        values[at + 1] = 1.4;
    }
    values[1500] = 80.0;
    assert_eq!(play(&rows("step_time", &values)), []);
}

#[test]
fn a_moving_average_that_was_pulled_down_is_quiet() {
    let (mut average, mut rates) = (1.0, Vec::new());
    for at in 0..2000 {
        let time = if at % 500 == 499 { 12.0 } else { 1.0 };
        average = 0.95 * average + 0.05 * time;
        rates.push(124_000.0 / average);
    }
    assert_eq!(play(&rows("throughput", &rates)), []);
}

#[test]
fn a_large_job_that_slows_down_right_after_a_start_is_noticed() {
    let findings = play(&rows(
        "step_time",
        &[105.16, 105.17, 106.25, 110.17, 111.14],
    ));
    assert_eq!(brief(&findings), [(4, "info")]);
    // Not so if the few rows before differ anyway, or the first were slow.
    assert_eq!(
        play(&rows(
            "step_time",
            &[105.2, 109.0, 106.3, 110.2, 111.1, 111.0]
        )),
        []
    );
    assert_eq!(
        play(&rows(
            "step_time",
            &[300.0, 105.2, 105.3, 105.2, 105.3, 105.1]
        )),
        []
    );
}

#[test]
fn what_stays_slower_is_the_new_level() {
    let findings = step_times(2000, |at| if at < 200 { 1.0 } else { 1.2 });
    let brief = brief(&findings);
    assert_eq!(brief.len(), 2, "{brief:?}");
    assert_eq!(findings[1].title, "Training stays slower");
}

#[test]
fn the_time_of_a_step_tells_more_than_the_rate() {
    let rows: Vec<Row> = (0..600)
        .map(|at| {
            let rate = if at < 300 { 100.0 } else { 80.0 };
            Row::new(at, &[("step_time", 1.0), ("throughput", rate)])
        })
        .collect();
    assert_eq!(play(&rows), []);
}

#[test]
fn the_time_since_the_start_is_no_step_time() {
    let elapsed: Vec<f64> = (1..3000).map(|step| f64::from(step) * 1.3).collect();
    assert_eq!(play(&rows("step_time", &elapsed)), []);
}

#[test]
fn nothing_that_is_not_finite_counts() {
    let mut values = times(600, |at| if at < 300 { 1.0 } else { 1.3 });
    for at in (0..600).step_by(3) {
        values[at] = [f64::NAN, f64::INFINITY, 0.0, -1.0][at % 4];
    }
    let findings = play(&rows("step_time", &values));
    assert_eq!(brief(&findings)[0].1, "warning");
    assert!(
        findings
            .iter()
            .all(|it| it.values.iter().all(|(_, value)| value.is_finite()))
    );
}

#[test]
fn a_resume_makes_a_new_baseline() {
    let mut rows = rows(
        "step_time",
        &times(600, |at| if at < 300 { 1.0 } else { 1.3 }),
    );
    for (row, step) in rows[300..].iter_mut().zip(100..) {
        row.step = step;
    }
    assert_eq!(play(&rows), []);
}

#[test]
fn ranks_slow_down_together() {
    let slow: Vec<Row> = rows(
        "step_time",
        &times(600, |at| if at < 300 { 1.0 } else { 1.3 }),
    )
    .into_iter()
    .flat_map(|row| (0..16).map(move |rank| row.clone().on(rank)))
    .collect();
    let findings = play(&slow);
    assert_eq!(brief(&findings).len(), 1);
}

#[test]
fn state_is_small() {
    let mut harness = Harness::<Throughput>::new().unwrap();
    harness.play(&rows("step_time", &times(1000, |_| 1.0)), 64);
    let saved = harness.detector.save().unwrap().len();
    assert!(saved < 1024, "{saved}");
}

#[test]
fn a_value_that_says_nothing_blinds_nothing() {
    let level = |at: usize| if at < 200 { 1.0 } else { 1.3 };
    for odd in [f64::NAN, 0.0] {
        let harness = Harness::<Throughput>::new().unwrap();
        harness.assert_not_blinded(&rows("step_time", &times(400, level)), 210, odd);
    }
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
        for (at, row) in rows.iter_mut().enumerate() {
            let level = [1.0, 1.0, 1.2, 2.2][at / 60 % 4] + 0.01 * (at % 2) as f64;
            row.metrics.push(("step_time".to_owned(), level));
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
