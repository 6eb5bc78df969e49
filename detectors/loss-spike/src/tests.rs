use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Noise, Row, rows};
use runwatch_detector::{Description, Detector, Finding, Parameters, Severity, State};

use super::LossSpike;

mod naive;

fn defaults() -> Parameters {
    LossSpike::describe().defaults()
}

fn play(rows: &[Row]) -> Vec<Finding> {
    Harness::<LossSpike>::new().unwrap().play(rows, 64)
}

/// A healthy loss with 2 % of noise.
fn healthy(n: usize) -> Vec<f64> {
    let mut noise = Noise::new(7);
    (0..n)
        .map(|_| 2.2 * (1.0 + 0.02 * noise.normal()))
        .collect()
}

fn brief(findings: &[Finding]) -> Vec<(u32, State, Severity)> {
    findings
        .iter()
        .map(|f| (f.row, f.state, f.severity))
        .collect()
}

#[test]
fn a_healthy_loss_is_quiet() {
    assert_eq!(play(&rows("loss", &healthy(20_000))), []);
    assert_eq!(play(&rows("loss", &[2.0; 500])), []);
    assert_eq!(play(&rows("loss", &[0.0; 500])), []);
}

#[test]
fn a_spike_fires_once_and_is_resolved() {
    let mut values = healthy(300);
    values[200..204].copy_from_slice(&[2.60, 5.10, 4.0, 3.0]);
    let findings = play(&rows("loss", &values));
    assert_eq!(
        brief(&findings),
        [
            (201, State::Firing, Severity::Critical),
            (213, State::Resolved, Severity::Info),
        ]
    );
    let spike = &findings[0];
    assert_eq!(spike.key, "loss-spike");
    assert!(
        spike
            .message
            .contains("5.1 at step 201; the median of the last 128"),
        "{spike:?}"
    );
    assert!(spike.recommendation.contains("checkpoint before step 201"));
}

#[test]
fn one_value_fires_alone_only_if_it_is_huge_and_is_never_critical() {
    let mut values = healthy(400);
    values[200] = 2.6;
    assert_eq!(play(&rows("loss", &values)), []);
    values[300] = 9.0;
    let findings = play(&rows("loss", &values));
    assert_eq!(findings[0].severity, Severity::Warning);
    assert_eq!(findings[0].row, 300);
    assert_eq!(findings.len(), 2);
}

#[test]
fn a_summary_at_the_last_step_is_no_spike() {
    let mut values: Vec<f64> = healthy(300).iter().map(|value| value / 1000.0).collect();
    values.push(0.08);
    let mut rows = rows("loss", &values);
    rows[300].step = 299;
    assert_eq!(play(&rows), []);
    rows[300].step = 300;
    assert_eq!(play(&rows).len(), 1);
}

#[test]
fn a_loss_that_stays_up_is_one_episode_and_then_a_new_level() {
    let mut values = healthy(300);
    let up: Vec<f64> = healthy(900).iter().map(|value| value * 1.4).collect();
    values.extend(up);
    let findings = play(&rows("loss", &values));
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert!(findings[1].title.contains("settled"), "{findings:?}");
    assert!(findings[1].row > 300 + 512);
}

#[test]
fn ranks_share_an_episode() {
    let mut values = healthy(300);
    values[200..203].copy_from_slice(&[5.0, 5.0, 5.0]);
    let rows: Vec<Row> = rows("loss", &values)
        .into_iter()
        .flat_map(|row| [row.clone().on(0), row.clone().on(1), row.on(2)])
        .collect();
    let findings = play(&rows);
    assert_eq!(findings.len(), 3, "{findings:?}");
    assert_eq!(findings[0].row, 600);
    assert!(findings[0].message.contains("on rank 0"));
    assert_eq!(findings[1].severity, Severity::Critical);
    assert_eq!(
        (findings[2].row, findings[2].state),
        (212 * 3 + 2, State::Resolved)
    );
}

#[test]
fn nan_neither_blinds_nor_fires() {
    let mut values = healthy(300);
    values[150] = f64::NAN;
    values[199] = f64::INFINITY;
    values[200..203].copy_from_slice(&[5.0, f64::NAN, 5.0]);
    let findings = play(&rows("loss", &values));
    assert_eq!(findings[0].row, 200);
    assert_eq!(findings[1].severity, Severity::Critical);
}

#[test]
fn a_resume_ends_the_episode_and_starts_the_warm_up_again() {
    let mut rows = rows("loss", &healthy(300));
    rows[200].metrics[0].1 = 9.0;
    for (row, step) in rows[202..].iter_mut().zip(100..) {
        row.step = step;
    }
    // A small spike at the resume, as is usual.
    rows[203].metrics[0].1 = 3.0;
    let findings = play(&rows);
    assert_eq!(
        brief(&findings[1..]),
        [(202, State::Resolved, Severity::Info)]
    );
    assert_eq!(findings[1].title, "Run resumed");
}

fn from(step: i64, stride: i64, values: &[f64]) -> Vec<Row> {
    let steps = (0..).map(|at| step + stride * at);
    let row = |(step, &value): (i64, &f64)| Row::new(step, &[("loss", value)]);
    steps.zip(values).map(row).collect()
}

type Early = (i64, i64, &'static [f64], &'static [(u32, Severity)]);

#[test]
fn a_log_that_begins_mid_run_needs_no_warm_up_for_what_is_huge() {
    let cases: [Early; 5] = [
        (
            29_020,
            10,
            &[2.776, 2.773, 2.768, 7.344, 8.716, 7.654],
            &[(3, Severity::Warning), (4, Severity::Critical)],
        ),
        // Two hits are needed below twice the median.
        (
            17_060,
            1,
            &[2.665, 2.667, 4.374, 4.366, 4.391],
            &[(3, Severity::Warning)],
        ),
        // One value before it: three nats are enough, one is not.
        (7000, 10, &[6.445, 11.42], &[(1, Severity::Warning)]),
        (7000, 10, &[1.445, 2.42], &[]),
        // It climbs from the first row on.
        (
            6900,
            10,
            &[6.366, 6.598, 7.314, 9.122, 10.239],
            &[(4, Severity::Warning)],
        ),
    ];
    for (step, stride, values, expected) in cases {
        let findings = play(&from(step, stride, values));
        let found: Vec<_> = findings.iter().map(|f| (f.row, f.severity)).collect();
        assert_eq!(found, expected, "{values:?}");
    }
    let findings = play(&from(7000, 10, &[6.445, 11.42]));
    let message = &findings[0].message;
    assert!(
        message.contains("the one value before it is 6.445"),
        "{message}"
    );
}

#[test]
fn few_values_say_nothing_early_in_a_run_or_of_a_loss_in_another_unit() {
    let spike = [2.776, 2.773, 2.768, 7.344, 8.716, 7.654];
    assert_eq!(play(&from(0, 1, &spike)), []);
    assert_eq!(play(&from(990, 1, &spike)), []);
    // A run from its start whose steps are large: tokens, environment steps.
    assert_eq!(play(&from(20_480, 2048, &spike)), []);
    let small: Vec<f64> = spike.iter().map(|value| value / 10.0).collect();
    assert_eq!(play(&from(29_020, 10, &small)), []);
    // Right after a resume a loss is often disturbed.
    let mut rows = from(50_000, 1, &healthy(300));
    rows.extend(from(50_200, 1, &spike));
    assert_eq!(play(&rows), []);
}

#[test]
fn a_loss_around_zero_is_compared_with_its_own_noise() {
    let mut noise = Noise::new(3);
    let mut values: Vec<f64> = (0..3000).map(|_| 0.01 * noise.normal()).collect();
    assert_eq!(play(&rows("loss", &values)), []);
    values[2000..2003].copy_from_slice(&[0.5, 0.6, 0.5]);
    let findings = play(&rows("loss", &values));
    assert_eq!(
        (findings[0].row, findings[0].severity),
        (2001, Severity::Warning)
    );
}

#[test]
fn parameters_that_contradict_each_other_are_refused() {
    let error = Harness::<LossSpike>::with(defaults().with("window", 32)).err();
    assert!(error.is_some_and(|error| error.contains("warmup")));
}

#[test]
fn every_parameter_has_a_doc() {
    let Description { parameters, .. } = LossSpike::describe();
    assert!(
        parameters
            .iter()
            .all(|p| !p.doc.is_empty() && !p.unit.is_empty())
    );
}

/// Rows as no healthy run has them, and as all have them.
fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    let odd = prop_oneof![
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(0.0),
        Just(-1.0),
        Just(1e300),
        Just(5e-324),
    ];
    let piece = prop_oneof![
        (0.1..5.0, 0.0..0.1, 1usize..200, any::<u64>()).prop_map(|(level, sd, n, seed)| {
            let mut noise = Noise::new(seed);
            (0..n)
                .map(|_| level * (1.0 + sd * noise.normal()))
                .collect::<Vec<f64>>()
        }),
        (0.1..5.0, 1usize..150).prop_map(|(level, n)| vec![level; n]),
        prop::collection::vec(
            prop_oneof![Just(2.0), Just(2.2), Just(2.5), Just(4.0)],
            1..100
        ),
        prop::collection::vec(-1.0..1.0, 1..150),
        prop::collection::vec(odd, 1..5),
        prop::collection::vec(2.0..20.0, 1..4),
    ];
    let piece = (
        piece,
        prop_oneof![6 => Just(1i64), 1 => Just(-50), 1 => Just(0), 1 => Just(500)],
    );
    prop::collection::vec(piece, 1..10).prop_map(|pieces| {
        let mut step = 0;
        let mut rows = Vec::new();
        for (values, jump) in pieces {
            step += jump - 1;
            for value in values {
                step += 1;
                rows.push(Row::new(step, &[("loss", value)]));
            }
        }
        rows
    })
}

#[test]
fn a_value_that_says_nothing_blinds_nothing() {
    let mut values = healthy(300);
    values[200..204].copy_from_slice(&[2.60, 5.10, 4.0, 3.0]);
    let harness = Harness::<LossSpike>::new().unwrap();
    harness.assert_not_blinded(&rows("loss", &values), 201, f64::NAN);
}

proptest! {
    #[test]
    fn the_fast_way_finds_what_the_plain_way_finds(rows in any_rows()) {
        let expected = naive::findings(&rows);
        prop_assert_eq!(brief(&play(&rows)), expected);
    }

    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        rows in any_rows(),
        batch in 1usize..50,
        restart in 0usize..500,
        first in prop_oneof![Just(0), Just(50_000)],
    ) {
        let mut rows = rows;
        rows.iter_mut().for_each(|row| row.step += first);
        let expected = play(&rows);
        let mut harness = Harness::<LossSpike>::new().unwrap();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(findings, expected);
    }
}
