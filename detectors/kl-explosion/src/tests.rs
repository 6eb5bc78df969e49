use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Noise, Row, rows};
use runwatch_detector::{Description, Detector, Finding, Parameters, Severity, State};

use super::{Kind, KlExplosion};

fn rlwatch() -> Parameters {
    KlExplosion::describe().defaults().with("rule", "rlwatch")
}

fn play(values: &[f64]) -> Vec<Finding> {
    play_rows(&rows("kl", values))
}

fn play_rows(rows: &[Row]) -> Vec<Finding> {
    Harness::<KlExplosion>::new().unwrap().play(rows, 64)
}

fn play_rlwatch(parameters: Parameters, values: &[f64]) -> Vec<Finding> {
    let mut findings = Harness::<KlExplosion>::with(parameters)
        .unwrap()
        .play(&rows("kl", values), 64);
    findings.retain(|finding| finding.state == State::Firing);
    findings
}

/// As in healthy runs: a small level with a heavy tail.
fn healthy(level: f64, n: usize) -> Vec<f64> {
    let mut noise = Noise::new(5);
    (0..n)
        .map(|_| level * (0.8 * noise.normal()).exp())
        .collect()
}

fn brief(findings: &[Finding]) -> Vec<(u32, State, Severity)> {
    findings
        .iter()
        .map(|f| (f.row, f.state, f.severity))
        .collect()
}

#[test]
fn healthy_values_are_quiet() {
    assert_eq!(play(&healthy(0.003, 20_000)), []);
    assert_eq!(play(&healthy(0.04, 20_000)), []);
    assert_eq!(play(&[0.0; 300]), []);
    // From a constant, any change is a thousand deviations.
    let mut values = [0.01; 300];
    values[200..].fill(0.0100001);
    assert_eq!(play(&values), []);
}

#[test]
fn an_explosion_fires_gets_worse_and_is_over() {
    let mut values = healthy(0.02, 400);
    values[200..210].fill(0.9);
    values[210..220].fill(4.0);
    let findings = play(&values);
    assert_eq!(
        brief(&findings),
        [
            (202, State::Firing, Severity::Warning),
            (212, State::Firing, Severity::Critical),
            (229, State::Resolved, Severity::Info),
        ]
    );
    assert!(findings[1].recommendation.contains("checkpoint"));
}

#[test]
fn one_value_fires_alone_only_if_it_is_huge() {
    let mut values = healthy(0.02, 300);
    values[200] = 0.9;
    assert_eq!(play(&values), []);
    values[250] = 5.0;
    let findings = play(&values);
    assert_eq!(brief(&findings)[0], (250, State::Firing, Severity::Warning));
    assert_eq!(findings.len(), 2);
}

#[test]
fn a_slow_rise_is_seen() {
    let values: Vec<f64> = (0..900).map(|at| 0.01 + 0.001 * f64::from(at)).collect();
    let findings = play(&values);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!((585..605).contains(&findings[0].row), "{findings:?}");
}

#[test]
fn what_is_too_much_depends_on_what_it_is_measured_from() {
    assert_eq!(Kind::of("train/approx_kl"), Kind::Update);
    assert_eq!(Kind::of("actor/ppo_kl"), Kind::Update);
    assert_eq!(Kind::of("objective/kl"), Kind::Sequence);
    assert_eq!(Kind::of("kl"), Kind::Reference);
}

#[test]
fn nan_neither_blinds_nor_fires() {
    let mut values = healthy(0.02, 300);
    values[50] = f64::NAN;
    values[199] = f64::INFINITY;
    values[200..206].fill(1.0);
    values[202] = f64::NAN;
    let findings = play(&values);
    assert_eq!(brief(&findings)[0], (203, State::Firing, Severity::Warning));
}

#[test]
fn a_resume_keeps_the_start_and_a_new_beginning_does_not() {
    let mut values = healthy(0.02, 300);
    values[200..].fill(3.0);
    let mut rows = rows("kl", &values);
    for (row, step) in rows[250..].iter_mut().zip(150..) {
        row.step = step;
    }
    assert_eq!(
        brief(&play_rows(&rows)),
        [
            (202, State::Firing, Severity::Critical),
            (250, State::Resolved, Severity::Info),
            (254, State::Firing, Severity::Critical),
        ]
    );
    for (row, step) in rows[250..].iter_mut().zip(10..) {
        row.step = step;
    }
    assert_eq!(play_rows(&rows).len(), 2);
}

#[test]
fn ranks_share_an_episode() {
    let mut values = healthy(0.02, 300);
    values[200..].fill(1.0);
    let rows: Vec<Row> = rows("kl", &values)
        .into_iter()
        .flat_map(|row| [row.clone().on(0), row.on(1)])
        .collect();
    assert_eq!(play_rows(&rows).len(), 1);
}

#[test]
fn every_parameter_has_a_doc() {
    let Description { parameters, .. } = KlExplosion::describe();
    assert!(
        parameters
            .iter()
            .all(|p| !p.doc.is_empty() && !p.unit.is_empty())
    );
}

#[test]
fn parameters_that_contradict_each_other_are_refused() {
    let parameters = KlExplosion::describe().defaults().with("start", 10);
    assert!(Harness::<KlExplosion>::with(parameters).is_err());
}

#[test]
fn rlwatch_has_an_absolute_floor() {
    let mut values = [0.5; 40];
    values[30..].fill(0.5 + 4e-8);
    let findings = play_rlwatch(rlwatch(), &values);
    // 4 sd, then less as the new value enters the window.
    assert_eq!(
        (findings[0].row, findings[0].severity),
        (30, Severity::Warning)
    );
    let z = findings[0]
        .values
        .iter()
        .find(|(name, _)| name == "z_score");
    assert!((z.unwrap().1 - 4.0).abs() < 1e-6);
}

#[test]
fn rlwatch_is_blinded_by_nan_and_repeats_itself() {
    let values: Vec<f64> = (0..60).map(|at| f64::from(at % 2)).collect();
    let mut spikes = values.clone();
    // A mean of 0.5 and a deviation of 0.5: z = 3 is not above 3, z = 4 is.
    spikes[40] = 2.0;
    assert_eq!(play_rlwatch(rlwatch(), &spikes), []);
    spikes[40] = 2.5;
    spikes[41] = 60.0;
    let severities: Vec<_> = brief(&play_rlwatch(rlwatch(), &spikes));
    assert_eq!(
        severities,
        [
            (40, State::Firing, Severity::Warning),
            (41, State::Firing, Severity::Critical)
        ]
    );
    spikes[30] = f64::NAN;
    assert_eq!(play_rlwatch(rlwatch(), &spikes), []);
}

#[test]
fn a_value_that_says_nothing_blinds_nothing() {
    let mut values = healthy(0.02, 400);
    values[20..30].fill(0.9);
    let harness = Harness::<KlExplosion>::new().unwrap();
    harness.assert_not_blinded(&rows("kl", &values), 15, f64::NAN);
}

proptest! {
    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        pieces in prop::collection::vec((0.0..2.0, 1usize..40, prop_oneof![6 => Just(1i64), 1 => Just(-60), 1 => Just(900)], 0u32..2), 0..16),
        odd in prop::collection::vec(0usize..300, 0..4),
        batch in 1usize..50,
        restart in 0usize..400,
        rule in prop_oneof![Just("robust"), Just("rlwatch")],
    ) {
        let mut step = 0;
        let mut rows = Vec::new();
        for (level, n, jump, rank) in pieces {
            step += jump - 1;
            for value in healthy(level, n) {
                step += 1;
                let value = if odd.contains(&rows.len()) { f64::NAN } else { value };
                rows.push(Row::new(step, &[("kl", value)]).on(rank));
            }
        }
        let parameters = KlExplosion::describe().defaults().with("rule", rule);
        let open = || Harness::<KlExplosion>::with(parameters.clone()).unwrap();
        let expected = open().play(&rows, 64);
        let mut harness = open();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        // Findings may hold NaN, which equals nothing.
        prop_assert_eq!(format!("{findings:?}"), format!("{expected:?}"));
    }
}
