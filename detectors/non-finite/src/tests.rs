use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Row, rows};
use runwatch_detector::{Detector, Finding, Severity, State};

use super::NonFinite;

const NAN: f64 = f64::NAN;

fn play(rows: &[Row]) -> Vec<Finding> {
    Harness::<NonFinite>::new().unwrap().play(rows, 64)
}

fn brief(findings: &[Finding]) -> Vec<(u32, &str, &str)> {
    let how = |f: &Finding| match f.state {
        State::Firing => f.severity.name(),
        State::Resolved => "resolved",
    };
    findings
        .iter()
        .map(|f| (f.row, f.key.as_str(), how(f)))
        .collect()
}

#[test]
fn a_finite_run_is_quiet() {
    assert_eq!(play(&rows("loss", &[2.0, 1e300, -1.0, 0.0])), []);
}

#[test]
fn a_loss_is_critical_at_once_and_once() {
    let findings = play(&rows("loss", &[2.0, NAN, NAN, NAN, NAN, 2.1, 2.0]));
    assert_eq!(
        brief(&findings),
        [
            (1, "non-finite/loss", "critical"),
            (5, "non-finite/loss", "resolved")
        ]
    );
    assert_eq!(findings[0].title, "loss is NaN");
    assert_eq!(
        findings[0].message,
        "`loss` is NaN at step 1; it was finite before."
    );
    assert!(
        findings[0]
            .recommendation
            .contains("checkpoint before step 1")
    );
    assert!(findings[0].facts.iter().any(|(key, _)| key == "halt"));
}

#[test]
fn a_loss_that_was_never_finite_is_critical_too() {
    let findings = play(&rows("loss", &[f64::INFINITY, NAN]));
    assert_eq!(brief(&findings), [(0, "non-finite/loss", "critical")]);
    assert_eq!(findings[0].title, "loss is +Infinity");
    assert!(
        findings[0]
            .recommendation
            .contains("from its first step on")
    );
}

#[test]
fn another_metric_is_a_warning_and_then_critical() {
    let findings = play(&rows("value_mean", &[1.0, NAN, NAN, NAN, NAN, 1.0]));
    assert_eq!(
        brief(&findings),
        [
            (1, "non-finite/other", "warning"),
            (3, "non-finite/other", "critical"),
            (5, "non-finite/other", "resolved"),
        ]
    );
    assert!(
        findings[0]
            .message
            .starts_with("`value_mean` is NaN at step 1")
    );
}

#[test]
fn what_was_never_finite_or_is_ignored_is_quiet() {
    for name in [
        "throughput",
        "train/explained_variance",
        "bbox/AP-cat",
        "loss_zscore",
        "bf16_mfu",
    ] {
        assert_eq!(play(&rows(name, &[NAN; 20])), [], "{name}");
    }
    assert_eq!(
        play(&rows("explained_variance", &[0.1, NAN, NAN, NAN, NAN])),
        []
    );
}

#[test]
fn an_evaluation_loss_that_was_never_finite_is_only_a_warning() {
    let findings = play(&rows("eval_loss", &[NAN; 10]));
    assert_eq!(brief(&findings), [(0, "non-finite/other", "warning")]);
}

#[test]
fn thousands_of_metrics_are_one_finding() {
    let names: Vec<String> = (0..3000).map(|at| format!("layer{at}/norm")).collect();
    let row = |step, value| Row {
        step,
        metrics: names.iter().map(|name| (name.clone(), value)).collect(),
        ..Row::new(step, &[])
    };
    let mut rows = vec![
        row(0, 1.0),
        row(1, NAN),
        row(2, NAN),
        row(3, NAN),
        row(4, NAN),
        row(5, 1.0),
    ];
    rows[1].metrics.push(("loss".to_owned(), NAN));
    let findings = play(&rows);
    assert_eq!(
        brief(&findings),
        [
            (1, "non-finite/loss", "critical"),
            (1, "non-finite/other", "warning"),
            (3, "non-finite/other", "critical"),
            (5, "non-finite/other", "resolved"),
        ]
    );
    assert_eq!(findings[1].title, "3000 metrics are not finite");
    assert!(
        findings[1]
            .message
            .contains("`layer4/norm` and 2995 more metrics are not finite at step 1")
    );
    assert!(findings[1].message.len() < 300);
    assert!(findings[1].values.len() < 10);
}

#[test]
fn ranks_are_one_finding() {
    let rows: Vec<Row> = (0..30)
        .map(|at| Row::new(at / 10, &[("loss", NAN)]).on(at as u32 % 10))
        .collect();
    let findings = play(&rows);
    assert_eq!(brief(&findings), [(0, "non-finite/loss", "critical")]);
    assert!(findings[0].message.contains("on rank 0"));
}

#[test]
fn a_metric_that_flaps_is_reported_ever_less() {
    let values: Vec<f64> = (0..2000)
        .map(|at| if at % 2 == 0 { 1.0 } else { NAN })
        .collect();
    let findings = play(&rows("loss", &values));
    assert_eq!(
        findings
            .iter()
            .filter(|f| f.severity == Severity::Critical)
            .count(),
        10
    );
    assert!(
        findings[6].message.contains("8th time"),
        "{}",
        findings[6].message
    );
}

#[test]
fn one_nan_in_a_while_is_reported_each_time() {
    let values: Vec<f64> = (0..2000)
        .map(|at| if at % 200 == 199 { NAN } else { 1.0 })
        .collect();
    // The last is not resolved.
    assert_eq!(play(&rows("loss", &values)).len(), 19);
}

proptest! {
    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        cells in prop::collection::vec((0usize..5, 0u32..3, prop_oneof![Just(1.0), Just(NAN)]), 0..300),
        batch in 1usize..20,
        restart in 0usize..300,
    ) {
        let names = ["loss", "grad_norm", "eval_loss", "a", "b"];
        let row = |(at, &(name, rank, value)): (usize, &(usize, u32, f64))| {
            Row::new(at as i64, &[(names[name], value), (names[(name + 1) % 5], value)]).on(rank)
        };
        let rows: Vec<Row> = cells.iter().enumerate().map(row).collect();
        let expected = play(&rows);
        let mut harness = Harness::<NonFinite>::new().unwrap();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        // Values may be NaN, which is not equal to itself.
        prop_assert_eq!(format!("{findings:?}"), format!("{expected:?}"));
    }
}

#[test]
fn rlwatch_reports_each_loss_and_nothing_else() {
    let mut rows = rows(
        "loss",
        &[0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.5],
    );
    rows[0].metrics.push(("kl".into(), f64::NAN));
    let play = |warmup: usize| {
        let parameters = NonFinite::describe()
            .defaults()
            .with("rule", "rlwatch")
            .with("rlwatch-warmup", warmup);
        let findings = Harness::<NonFinite>::with(parameters)
            .unwrap()
            .play(&rows, 2);
        let firing = findings.into_iter().filter(|it| it.state == State::Firing);
        firing
            .map(|it| (it.row, it.facts[1].1.clone()))
            .collect::<Vec<_>>()
    };
    let kinds = |kinds: &[(u32, &str)]| -> Vec<_> {
        kinds
            .iter()
            .map(|(row, kind)| (*row, (*kind).to_owned()))
            .collect()
    };
    assert_eq!(play(0), kinds(&[(1, "NaN"), (2, "+Inf"), (3, "-Inf")]));
    assert_eq!(play(3), kinds(&[(2, "+Inf"), (3, "-Inf")]));
}
