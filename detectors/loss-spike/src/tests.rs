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
        prop_oneof![6 => Just(1i64), 1 => Just(-50), 1 => Just(500)],
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
    ) {
        let expected = play(&rows);
        let mut harness = Harness::<LossSpike>::new().unwrap();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(findings, expected);
    }
}
