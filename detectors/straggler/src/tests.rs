use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Noise, Row};
use runwatch_detector::{Detector, Finding, NO_RANK, State};

use super::Straggler;

fn play(rows: &[Row]) -> Vec<Finding> {
    Harness::<Straggler>::new().unwrap().play(rows, 64)
}

fn brief(findings: &[Finding]) -> Vec<(u32, &str, &str)> {
    let how = |f: &Finding| match f.state {
        State::Firing => f.severity.name(),
        State::Resolved => "resolved",
    };
    let key = |f: &Finding| if f.key == "behind" { "behind" } else { "slow" };
    findings.iter().map(|f| (f.row, key(f), how(f))).collect()
}

/// Steps of `ranks` ranks, a second each, with 1 % of noise; `level` says how
/// long those of a rank take.
fn run(ranks: u32, steps: i64, level: impl Fn(u32, i64) -> f64) -> Vec<Row> {
    let mut noise = Noise::new(9);
    let mut rows = Vec::new();
    for step in 0..steps {
        for rank in 0..ranks {
            let time = level(rank, step) * (1.0 + 0.01 * noise.normal());
            let at = 1e9 + step as f64 + 0.001 * f64::from(rank);
            rows.push(Row::new(step, &[("step_time", time)]).on(rank).at(at));
        }
    }
    rows
}

#[test]
fn ranks_that_are_alike_are_quiet() {
    assert_eq!(play(&run(8, 2000, |_, _| 1.0)), []);
    // All slow down together: that is for `throughput`.
    assert_eq!(
        play(&run(8, 400, |_, step| if step < 200 { 1.0 } else { 2.0 })),
        []
    );
}

#[test]
fn a_slow_rank_is_named_and_resolved() {
    for (level, severity) in [(1.07, "info"), (1.2, "warning"), (2.2, "critical")] {
        let slow = |rank, step: i64| {
            if rank == 5 && (160..320).contains(&step) {
                level
            } else {
                1.0
            }
        };
        let findings = play(&run(8, 480, slow));
        let brief = brief(&findings);
        assert_eq!(brief.len(), 2, "{brief:?}");
        assert_eq!(brief[0], (191 * 8 + 5, "slow", severity));
        assert_eq!(brief[1], (351 * 8 + 5, "slow", "resolved"));
        assert!(findings[0].title.starts_with("Rank 5 is "), "{findings:?}");
        assert!(
            findings[0].message.contains("6 ranks compared is 1"),
            "{findings:?}"
        );
    }
}

#[test]
fn ranks_that_always_differ_are_compared_by_their_spread() {
    // Pipeline stages: each takes another time, none stands out.
    let stages = |rank: u32, _| 1.0 + 0.1 * f64::from(rank % 8);
    assert_eq!(play(&run(16, 500, stages)), []);
}

#[test]
fn a_thousand_ranks_are_compared() {
    let slow = |rank, step| if rank == 777 && step >= 32 { 1.5 } else { 1.0 };
    let mut harness = Harness::<Straggler>::new().unwrap();
    let findings = harness.play(&run(1024, 80, slow), 1024);
    assert_eq!(findings.len(), 1, "{:?}", brief(&findings));
    assert!(findings[0].title.starts_with("Rank 777 is "));
    let saved = harness.detector.save().unwrap().len();
    assert!(saved < 1024 * 512, "{saved}");
}

#[test]
fn two_ranks_and_none_cannot_be_compared() {
    let slow = |rank, _| if rank == 1 { 2.0 } else { 1.0 };
    assert_eq!(play(&run(2, 200, slow)), []);
    let mut rows = run(8, 200, slow);
    for row in &mut rows {
        row.rank = NO_RANK;
    }
    assert_eq!(play(&rows), []);
}

#[test]
fn a_rank_that_falls_behind_is_named_and_resolved() {
    let mut rows = run(4, 400, |_, _| 1.0);
    for row in rows.iter_mut().filter(|row| row.rank == 2) {
        // From step 200 on it does every second step, and then catches up.
        let lost = match row.step {
            ..200 => 0,
            200..260 => (row.step - 200) / 2,
            260..300 => 30 - (row.step - 260) * 3 / 4,
            _ => 0,
        };
        row.step -= lost;
    }
    let findings = play(&rows);
    let brief = brief(&findings);
    assert_eq!(brief.len(), 2, "{brief:?}");
    assert_eq!((brief[0].1, brief[0].2), ("behind", "warning"));
    assert_eq!((brief[1].1, brief[1].2), ("behind", "resolved"));
    assert!(findings[0].title.starts_with("Rank 2 is "), "{findings:?}");
}

#[test]
fn files_read_one_after_the_other_are_compared_by_step_only() {
    let slow = |rank, step| if rank == 3 && step >= 100 { 1.3 } else { 1.0 };
    let mut rows = run(4, 320, slow);
    rows.sort_by_key(|row| row.rank);
    let findings = play(&rows);
    assert!(
        brief(&findings).iter().all(|it| it.1 == "slow"),
        "{findings:?}"
    );
}

#[test]
fn ranks_that_resume_one_after_the_other_are_quiet() {
    let mut rows = run(4, 400, |_, _| 1.0);
    for row in rows.iter_mut().filter(|row| row.step >= 200) {
        row.time += 300.0 + 20.0 * f64::from(row.rank);
        row.step -= 100;
    }
    rows.sort_by(|a, b| a.time.total_cmp(&b.time));
    assert_eq!(play(&rows), []);
}

#[test]
fn clocks_that_differ_and_ranks_that_report_seldom_are_quiet() {
    let mut rows = run(8, 800, |_, _| 1.0);
    rows.retain(|row| row.rank == 0 || row.step % (10 * i64::from(row.rank)) == 0);
    for row in &mut rows {
        row.time += 3.0 * f64::from(row.rank);
    }
    assert_eq!(play(&rows), []);
}

#[test]
fn nothing_that_is_not_finite_counts() {
    let mut rows = run(
        8,
        480,
        |rank, step| if rank == 5 && step >= 160 { 1.2 } else { 1.0 },
    );
    for row in rows.iter_mut().step_by(3) {
        row.metrics[0].1 = [f64::NAN, f64::INFINITY, 0.0][row.step as usize % 3];
    }
    let findings = play(&rows);
    assert_eq!(brief(&findings)[0].2, "warning");
    assert_eq!(findings.len(), 1);
}

#[test]
fn parameters_that_contradict_each_other_are_refused() {
    let parameters = Straggler::describe().defaults().with("rise", 0.01);
    assert!(Harness::<Straggler>::with(parameters).is_err());
}

proptest! {
    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        pieces in prop::collection::vec((-60i64..60, 0usize..4, 1i64..60, 0u8..4), 1..6),
        batch in 1usize..50,
        restart in 0usize..1000,
    ) {
        let (mut step, mut time) = (100, 1e9);
        let mut rows = Vec::new();
        for (jump, level, n, odd) in pieces {
            step += if odd == 0 { jump } else { 0 };
            for _ in 0..n {
                step += 1;
                time += 1.0;
                for rank in 0..5 {
                    let value = if rank == 3 { [1.0, 1.1, 1.6, f64::NAN][level] } else { 1.0 };
                    let lag = if rank == 1 && odd == 1 { jump } else { 0 };
                    let at = if odd == 2 && rank == 2 { f64::NAN } else { time };
                    rows.push(Row::new(step - lag, &[("step_time", value)]).on(rank).at(at));
                }
            }
        }
        let expected = play(&rows);
        let mut harness = Harness::<Straggler>::new().unwrap();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(findings, expected);
    }
}
