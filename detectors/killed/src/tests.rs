use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Row};
use runwatch_detector::{Finding, Severity};

use super::Killed;

fn event(name: &str, content: &str, fields: &[(&str, &str)]) -> Row {
    Row::new(11, &[]).text_with("event", name, content, fields)
}

fn play(rows: &[Row]) -> Vec<Finding> {
    Harness::<Killed>::new().unwrap().play(rows, 64)
}

fn brief(findings: &[Finding]) -> Vec<(u32, &str, &str)> {
    findings
        .iter()
        .map(|it| (it.row, it.key.as_str(), it.severity.name()))
        .collect()
}

fn failed(code: &str) -> Row {
    event(
        "child-failed",
        "rank 1 failed first",
        &[("exitcode", code), ("host", "node7")],
    )
}

#[test]
fn exit_codes_say_what_it_was() {
    for (code, key, severity, words) in [
        ("-9", "killed/sigkill", "critical", "out-of-memory killer"),
        (
            "137",
            "killed/sigkill",
            "critical",
            "Exit code 137 is SIGKILL",
        ),
        ("139", "killed/crashed", "critical", "SIGSEGV"),
        ("-6", "killed/crashed", "critical", "SIGABRT"),
        ("143", "killed/sigterm", "warning", "SIGTERM"),
        ("130", "killed/sigint", "info", "Ctrl-C"),
        ("1", "killed/failed", "critical", "ended with an error"),
        ("2", "killed/failed", "critical", "command line"),
        ("300", "killed/failed", "critical", "ended with an error"),
        ("-99999", "killed/failed", "critical", "ended with an error"),
    ] {
        let findings = play(&[failed(code)]);
        assert_eq!(brief(&findings), [(0, key, severity)], "{code}");
        assert!(
            findings[0].message.contains(words),
            "{}",
            findings[0].message
        );
        assert!(findings[0].message.contains("on node7"));
    }
}

#[test]
fn one_death_is_one_alert_whoever_tells_it() {
    let rows = [
        event(
            "killed",
            "failed (exitcode: -9) local_rank: 1",
            &[("exitcode", "-9")],
        ),
        failed("-9").on(1),
        event("killed", "Signal 9 (SIGKILL) received by PID 41", &[]).on(1),
        event("killed", "Killed", &[]),
    ];
    assert_eq!(brief(&play(&rows)), [(0, "killed/sigkill", "critical")]);
}

#[test]
fn an_exception_before_it_is_the_cause() {
    let exception = |name: &str| Row::new(11, &[]).text("exception", name, "x");
    let after = |name: &str| play(&[exception(name), failed("1")])[0].severity;
    assert_eq!(after("KeyError"), Severity::Warning);
    assert_eq!(
        after("torch.distributed.elastic.multiprocessing.errors.ChildFailedError"),
        Severity::Critical
    );
    // But not of a kill.
    assert_eq!(
        play(&[exception("KeyError"), failed("-9")])[0].severity,
        Severity::Critical
    );
}

#[test]
fn the_scheduler_and_its_reasons() {
    let cancelled = |job: &str, reason: &str| {
        event(
            "slurm-cancelled",
            "CANCELLED AT 2025-01-02",
            &[("job", job), ("reason", reason)],
        )
    };
    for (reason, severity, advice) in [
        ("time-limit", "warning", "longer limit"),
        ("preemption", "warning", "queued it again"),
        ("node-failure", "critical", "--exclude"),
    ] {
        let findings = play(&[cancelled("31", reason)]);
        assert_eq!(brief(&findings), [(0, "killed/cancelled", severity)]);
        assert!(findings[0].recommendation.contains(advice));
        assert!(findings[0].title.starts_with("Job cancelled due to "));
    }
    let step = event(
        "slurm-cancelled",
        "STEP 31.0 CANCELLED",
        &[("step", "31.0")],
    );
    let rows = [
        step,
        cancelled("31", "time-limit"),
        cancelled("32", "time-limit"),
    ];
    assert_eq!(
        brief(&play(&rows)),
        [
            (0, "killed/cancelled", "warning"),
            (2, "killed/cancelled", "warning")
        ]
    );
    let memory = event(
        "lsf-kill",
        "TERM_MEMLIMIT: job killed",
        &[("reason", "MEMLIMIT")],
    );
    assert_eq!(brief(&play(&[memory]))[0].2, "critical");
}

#[test]
fn each_rank_that_waits_is_told() {
    let timeout = |rank| {
        event(
            "nccl-timeout",
            "Watchdog caught",
            &[("operation", "ALLREDUCE")],
        )
        .on(rank)
    };
    let findings = play(&[timeout(0), timeout(2), timeout(0), timeout(3)]);
    assert_eq!(findings.len(), 3);
    assert_eq!(findings[0].title, "NCCL timeout in ALLREDUCE");
    assert!(findings[0].recommendation.contains("does NOT report"));
}

#[test]
fn errors_of_the_gpu() {
    let xid = |content: &str| event("gpu-xid", content, &[]);
    let lost = play(&[xid(
        "kernel: NVRM: Xid (PCI:0000:3b:00): 79, pid=12, GPU has fallen off the bus.",
    )]);
    assert_eq!(brief(&lost), [(0, "killed/gpu-xid", "critical")]);
    assert_eq!(lost[0].title, "GPU error: Xid 79");
    let after = play(&[xid("NVRM: Xid (PCI:0000:3b:00): 45, pid=12, Ch 00000010")]);
    assert_eq!(brief(&after)[0].2, "warning");
    assert_eq!(
        brief(&play(&[xid("NVRM: Xid of no number")]))[0].2,
        "critical"
    );
}

#[test]
fn the_end_of_a_traceback_is_left_to_exception() {
    let rows = [
        event(
            "cuda-error",
            "RuntimeError: CUDA error: device-side assert triggered",
            &[],
        ),
        event(
            "nccl-error",
            "torch.distributed.DistBackendError: NCCL error in: /x.cpp:1",
            &[],
        ),
        event(
            "cuda-error",
            "  what():  CUDA error: an illegal memory access",
            &[],
        ),
    ];
    assert_eq!(brief(&play(&rows)), [(2, "killed/gpu-error", "critical")]);
}

#[test]
fn other_events_are_none() {
    let rows = [
        "gradient-overflow",
        "non-finite",
        "cuda-oom",
        "host-oom",
        "new-event",
    ]
    .map(|name| event(name, "x", &[]));
    assert_eq!(play(&rows), []);
}

#[test]
fn after_a_silence_it_is_news() {
    let rows = [0.0, 300.0, 1000.0].map(|time| event("killed", "Killed", &[]).at(time));
    assert_eq!(brief(&play(&rows)).len(), 2);
}

proptest! {
    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        cells in prop::collection::vec((0usize..7, 0u32..3, 0u32..3000), 0..100),
        batch in 1usize..20,
        restart in 0usize..100,
    ) {
        let row = |&(kind, rank, time): &(usize, u32, u32)| {
            let row = match kind {
                0 => failed("1"),
                1 => failed("-9"),
                2 => event("nccl-timeout", "x", &[]),
                3 => event("slurm-cancelled", "x", &[("job", if time % 2 == 0 { "1" } else { "2" })]),
                4 => event("gpu-xid", "Xid (PCI): 79", &[]),
                5 => event("terminated", "x", &[]),
                _ => Row::new(1, &[]).text("exception", "KeyError", "x"),
            };
            let row = row.on(rank);
            if time % 5 == 0 { row } else { row.at(f64::from(time)) }
        };
        let rows: Vec<Row> = cells.iter().map(row).collect();
        let expected = play(&rows);
        let mut harness = Harness::<Killed>::new().unwrap();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(findings, expected);
    }
}
