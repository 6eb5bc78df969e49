use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Row};
use runwatch_detector::{Finding, Severity};

use super::OutOfMemory;

const TORCH: &str = "CUDA out of memory. Tried to allocate 706.00 MiB. GPU 0 has a total capacity of 79.35 GiB of \
                     which 703.75 MiB is free. Of the allocated memory 60.00 GiB is allocated by PyTorch, and \
                     12.00 GiB is reserved by PyTorch but unallocated.";

fn event(step: i64, name: &str, content: &str) -> Row {
    Row::new(step, &[]).text("event", name, content)
}

fn exception(step: i64, name: &str, content: &str) -> Row {
    Row::new(step, &[]).text("exception", name, content)
}

fn play(rows: &[Row]) -> Vec<Finding> {
    Harness::<OutOfMemory>::new().unwrap().play(rows, 64)
}

fn keys(findings: &[Finding]) -> Vec<(u32, &str)> {
    findings
        .iter()
        .map(|it| (it.row, it.key.as_str()))
        .collect()
}

#[test]
fn all_that_is_said_of_one_death_is_one_alert_for_all_ranks() {
    let row = event(5, "cuda-oom", TORCH).on(1);
    let rows = [
        row,
        exception(5, "torch.OutOfMemoryError", TORCH).on(1),
        event(5, "cuda-oom", TORCH).on(3),
        exception(6, "RuntimeError", "CUDA error: out of memory"),
    ];
    let findings = play(&rows);
    // The runner makes one of the two: each says that there may be more.
    let key = "out-of-memory/device";
    assert_eq!(keys(&findings), [(0, key), (2, key)]);
    let gather = ("ranks".to_owned(), "gather".to_owned());
    assert!(findings.iter().all(|it| it.facts.contains(&gather)));
    assert_eq!(findings[0].severity, Severity::Critical);
    assert_eq!(
        findings[0].title,
        "GPU 0 ran out of memory asking for 0.6895 GiB"
    );
    assert!(
        findings[0]
            .message
            .starts_with("GPU 0 ran out of memory at step 5 on rank 1.")
    );
    assert!(
        findings[0]
            .values
            .contains(&("reserved_unused_gib".to_owned(), 12.0))
    );
    assert!(
        findings[0]
            .recommendation
            .contains("expandable_segments:True first")
    );
}

#[test]
fn without_fragmentation_other_advice_comes_first() {
    let findings = play(&[exception(1, "RuntimeError", "CUDA error: out of memory")]);
    assert!(!findings[0].recommendation.contains("expandable_segments"));
    assert!(findings[0].recommendation.contains("gradient accumulation"));
    assert!(findings[0].message.contains("CUDA error: out of memory"));
}

#[test]
fn the_host_is_another_matter() {
    let rows = [
        event(
            1,
            "host-oom",
            "slurmstepd: error: Detected 1 oom_kill event in StepId=5.0.",
        ),
        exception(1, "MemoryError", ""),
        exception(
            1,
            "numpy.core._exceptions.MemoryError",
            "Unable to allocate 3.00 GiB",
        ),
        exception(1, "torch.cuda.OutOfMemoryError", TORCH),
    ];
    assert_eq!(
        keys(&play(&rows)),
        [(0, "out-of-memory/host"), (3, "out-of-memory/device")]
    );
}

#[test]
fn other_errors_are_none() {
    let rows = [
        exception(
            1,
            "RuntimeError",
            "CUDA error: device-side assert triggered",
        ),
        exception(
            1,
            "RuntimeError",
            "if you run out of memory, use a smaller batch",
        ),
        event(1, "killed", "Killed"),
    ];
    assert_eq!(play(&rows), []);
}

#[test]
fn a_job_that_goes_on_is_a_warning_until_it_dies() {
    let rows = [
        event(
            1,
            "cuda-oom",
            "WARNING: CUDA out of memory. Tried to allocate 1.00 GiB; skipping batch",
        ),
        event(
            2,
            "cuda-oom",
            "WARNING: CUDA out of memory. Tried to allocate 1.00 GiB; skipping batch",
        ),
        exception(3, "torch.OutOfMemoryError", TORCH),
    ];
    let severities: Vec<Severity> = play(&rows).iter().map(|it| it.severity).collect();
    assert_eq!(severities, [Severity::Warning, Severity::Critical]);
}

#[test]
fn it_is_news_again_after_a_silence_or_a_restart() {
    let at = |step, time| event(step, "cuda-oom", TORCH).at(time);
    let rows = [at(10, 0.0), at(10, 500.0), at(20, 1000.0), at(30, 1601.0)];
    assert_eq!(play(&rows).len(), 2);
    let rows = [
        event(10, "cuda-oom", TORCH),
        event(9, "cuda-oom", TORCH).on(1),
        event(8, "cuda-oom", TORCH),
    ];
    assert_eq!(
        keys(&play(&rows)),
        [0, 1, 2].map(|row| (row, "out-of-memory/device"))
    );
}

proptest! {
    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        cells in prop::collection::vec((0usize..5, 0u32..3, 0u32..3000), 0..100),
        batch in 1usize..20,
        restart in 0usize..100,
    ) {
        let row = |&(kind, rank, time): &(usize, u32, u32)| {
            let step = i64::from(time / 100);
            let row = match kind {
                0 => event(step, "cuda-oom", "CUDA out of memory. skipping"),
                1 => event(step, "cuda-oom", TORCH),
                2 => event(step, "host-oom", "oom"),
                3 => exception(step, "MemoryError", ""),
                _ => exception(step, "torch.OutOfMemoryError", TORCH),
            };
            let row = row.on(rank);
            if time % 5 == 0 { row } else { row.at(f64::from(time)) }
        };
        let rows: Vec<Row> = cells.iter().map(row).collect();
        let expected = play(&rows);
        let mut harness = Harness::<OutOfMemory>::new().unwrap();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(findings, expected);
    }
}
