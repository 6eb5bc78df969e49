use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Noise, Row, rows};
use runwatch_detector::{Detector, Finding, Severity, State};

use super::GradNorm;

fn play(rows: &[Row]) -> Vec<Finding> {
    Harness::<GradNorm>::new().unwrap().play(rows, 64)
}

fn healthy(n: usize) -> Vec<f64> {
    let mut noise = Noise::new(7);
    (0..n)
        .map(|_| 0.28 * (0.3 * noise.normal()).exp())
        .collect()
}

type Brief = (u32, String, State, Severity);

fn brief(findings: &[Finding]) -> Vec<Brief> {
    findings
        .iter()
        .map(|f| (f.row, f.key.clone(), f.state, f.severity))
        .collect()
}

fn keys(findings: &[Finding]) -> Vec<(u32, &str, &str, &str)> {
    let line = |f: &Finding| (f.row, f.state.name(), f.severity.name());
    findings
        .iter()
        .map(|f| (line(f).0, f.key.as_str(), line(f).1, line(f).2))
        .collect()
}

#[test]
fn a_healthy_norm_is_quiet() {
    assert_eq!(play(&rows("grad_norm", &healthy(20_000))), []);
    assert_eq!(play(&rows("grad_norm", &[1.0; 500])), []);
}

#[test]
fn single_norms_of_ten_times_the_median_are_quiet() {
    let mut values = healthy(400);
    for at in [100, 180, 250] {
        values[at] = 3.9;
    }
    assert_eq!(play(&rows("grad_norm", &values)), []);
}

#[test]
fn the_explosion_of_bloom_is_found_before_its_peak() {
    let mut values = healthy(400);
    values[200..206].copy_from_slice(&[0.95, 2.4, 15.9, 145.0, 960.0, 12.0]);
    let findings = play(&rows("grad_norm", &values));
    assert_eq!(
        keys(&findings),
        [
            (202, "explosion", "firing", "warning"),
            (203, "explosion", "firing", "critical"),
            (215, "explosion", "resolved", "info"),
        ]
    );
    assert!(findings[0].recommendation.contains("clipping"));
    assert!(
        findings[1].message.contains("145 at step 203"),
        "{findings:?}"
    );
}

#[test]
fn a_hundred_times_the_median_is_critical_at_once() {
    let mut values = healthy(300);
    values[200] = 50.0;
    let findings = play(&rows("grad_norm", &values));
    assert_eq!(keys(&findings)[0], (200, "explosion", "firing", "critical"));
}

#[test]
fn a_norm_that_stays_up_is_one_episode_and_then_a_new_level() {
    let mut values = healthy(300);
    values.extend(healthy(900).iter().map(|value| value * 8.0));
    let findings = play(&rows("grad_norm", &values));
    let last = findings.last().unwrap();
    assert_eq!(
        findings
            .iter()
            .filter(|f| f.state == State::Resolved)
            .count(),
        1,
        "{findings:?}"
    );
    assert!(
        last.title.contains("settled") && last.row > 800,
        "{findings:?}"
    );
}

#[test]
fn zeros_after_other_values_are_reported() {
    let mut values = healthy(300);
    values[200..210].fill(0.0);
    values[204] = f64::NAN;
    let findings = play(&rows("grad_norm", &values));
    assert_eq!(
        keys(&findings),
        [
            (205, "zero", "firing", "warning"),
            (210, "zero", "resolved", "info")
        ]
    );
}

#[test]
fn zeros_from_the_start_are_probably_not_logged() {
    let findings = play(&rows("grad_norm", &[0.0; 300]));
    assert_eq!(keys(&findings), [(4, "not-logged", "firing", "info")]);
    let mut values = vec![0.0; 10];
    values.extend(healthy(300));
    let findings = play(&rows("grad_norm", &values));
    assert_eq!(
        keys(&findings)[1..],
        [(10, "not-logged", "resolved", "info")]
    );
}

#[test]
fn a_resume_starts_the_warm_up_again() {
    let mut rows = rows("grad_norm", &healthy(300));
    for (row, step) in rows[200..].iter_mut().zip(50..) {
        row.step = step;
    }
    rows[201].metrics[0].1 = 500.0;
    assert_eq!(play(&rows), []);
}

fn from(step: i64, values: &[f64]) -> Vec<Row> {
    let mut rows = rows("grad_norm", values);
    rows.iter_mut().for_each(|row| row.step += step);
    rows
}

#[test]
fn a_log_that_begins_mid_run_needs_no_warm_up_for_what_is_huge() {
    let bloom = [
        0.242, 0.947, 2.39, 15.886, 145.119, 960.351, 353.2, 379.3, 650.2,
    ];
    let findings = play(&from(31_214, &bloom));
    assert_eq!(keys(&findings), [(4, "explosion", "firing", "critical")]);
    let findings = play(&from(11_446, &[12_952.0, 262_623.0, 254_699.0]));
    assert_eq!(keys(&findings), [(2, "explosion", "firing", "warning")]);
    // Once is not enough, and the start of a run is no place to judge.
    assert_eq!(
        play(&from(11_446, &[0.3, 4.2, 0.3, 0.3, 0.3, 3.9, 0.3])),
        []
    );
    assert_eq!(play(&from(0, &bloom)), []);
    assert_eq!(play(&from(900, &bloom)), []);
}

#[test]
fn ratios_that_fall_are_refused() {
    let parameters = GradNorm::describe().defaults().with("critical-ratio", 3);
    assert!(Harness::<GradNorm>::with(parameters).is_err());
}

/// The rule for explosions as it is written down, everything sorted at every
/// value; rows have one rank and their steps go on by one.
fn naive(values: &[f64]) -> Vec<Brief> {
    let mut window: Vec<f64> = Vec::new();
    let mut ratios: Vec<f64> = Vec::new();
    let mut open: Option<(f64, bool, usize, usize)> = None;
    let mut found = Vec::new();
    for (at, &x) in values.iter().enumerate() {
        if !x.is_finite() || x < 1e-12 {
            continue;
        }
        let mut last = window[window.len().saturating_sub(128)..].to_vec();
        if last.len() < 64 {
            window.push(x);
            continue;
        }
        last.sort_by(f64::total_cmp);
        let (a, b) = (last[(last.len() - 1) / 2], last[last.len() / 2]);
        let median = a + (b - a) / 2.0;
        let ratio = x / median;
        ratios.push(ratio);
        window.push(x.min(5.0 * median));
        let twice = |limit: f64| {
            ratio >= limit && ratios.iter().rev().take(3).filter(|&&r| r >= limit).count() >= 2
        };
        let critical = ratio >= 100.0 || twice(10.0);
        let severity = if critical {
            Severity::Critical
        } else {
            Severity::Warning
        };
        let mut report = |state, severity| {
            found.push((at as u32, "explosion".to_owned(), state, severity));
        };
        match &mut open {
            None if critical || twice(5.0) || ratio >= 25.0 => {
                open = Some((median, critical, 0, 0));
                report(State::Firing, severity);
            }
            None => {}
            Some(open) if critical && !open.1 => {
                *open = (open.0, true, 0, 0);
                report(State::Firing, severity);
            }
            Some((first, _, back, quiet)) => {
                let hit = ratio >= 5.0;
                *back = if x < 5.0 * *first && !hit {
                    *back + 1
                } else {
                    0
                };
                *quiet = if hit { 0 } else { *quiet + 1 };
                if *back >= 10 || *quiet >= 512 {
                    open = None;
                    report(State::Resolved, Severity::Info);
                }
            }
        }
    }
    found
}

fn any_values() -> impl Strategy<Value = Vec<f64>> {
    let odd = prop_oneof![
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(0.0),
        Just(-1.0),
        Just(1e300)
    ];
    let piece = prop_oneof![
        (0.1..5.0, 0.0..0.8f64, 1usize..200, any::<u64>()).prop_map(|(level, sd, n, seed)| {
            let mut noise = Noise::new(seed);
            (0..n)
                .map(|_| level * (sd * noise.normal()).exp())
                .collect::<Vec<f64>>()
        }),
        (0.1..5.0, 1usize..150).prop_map(|(level, n)| vec![level; n]),
        prop::collection::vec(
            prop_oneof![Just(1.0), Just(5.0), Just(10.0), Just(100.0)],
            1..60
        ),
        prop::collection::vec(odd, 1..9),
        prop::collection::vec(2.0..500.0, 1..4),
    ];
    prop::collection::vec(piece, 1..10).prop_map(|pieces| pieces.concat())
}

#[test]
fn a_value_that_says_nothing_blinds_nothing() {
    let mut values = healthy(200);
    values[100] = 40.0;
    for odd in [f64::NAN, f64::INFINITY, -1.0] {
        let harness = Harness::<GradNorm>::new().unwrap();
        harness.assert_not_blinded(&rows("grad_norm", &values), 100, odd);
    }
}

proptest! {
    #[test]
    fn the_fast_way_finds_what_the_plain_way_finds(values in any_values()) {
        let mut found = brief(&play(&rows("grad_norm", &values)));
        found.retain(|brief| brief.1 == "explosion");
        prop_assert_eq!(found, naive(&values));
    }

    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        values in any_values(),
        batch in 1usize..50,
        restart in 0usize..500,
        first in prop_oneof![Just(0), Just(50_000)],
    ) {
        let rows = from(first, &values);
        let expected = play(&rows);
        let mut harness = Harness::<GradNorm>::new().unwrap();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(findings, expected);
    }
}

#[test]
fn rlwatch_freezes_its_first_window() {
    let mut values: Vec<f64> = (0..300).map(|at| 1.0 + f64::from(at % 2)).collect();
    values[50] = 3.5;
    values[200] = 3.5;
    values[201] = 100.0;
    values[202] = f64::NAN;
    let parameters = GradNorm::describe().defaults().with("rule", "rlwatch");
    let mut harness = Harness::<GradNorm>::with(parameters).unwrap();
    let findings = harness.play(&rows("grad_norm", &values), 64);
    let firing = findings.iter().filter(|it| it.state == State::Firing);
    let found: Vec<_> = firing.map(|it| (it.row, it.severity)).collect();
    // 3.5 is 4 deviations away from the rolling baseline at 50, and 3.6 from the
    // frozen one, which holds it, at 200.
    assert_eq!(
        found,
        [
            (50, Severity::Warning),
            (200, Severity::Warning),
            (201, Severity::Critical)
        ]
    );
}
