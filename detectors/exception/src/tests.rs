use proptest::prelude::*;
use runwatch_detector::testing::{Harness, Row};
use runwatch_detector::{Finding, Severity};

use super::Exception;

fn raised(name: &str, message: &str) -> Row {
    at_frame(name, message, "/home/me/train.py:12 in main")
}

fn at_frame(name: &str, message: &str, frame: &str) -> Row {
    Row::new(7, &[]).text_with("exception", name, message, &[("frame", frame)])
}

fn play(rows: &[Row]) -> Vec<Finding> {
    Harness::<Exception>::new().unwrap().play(rows, 64)
}

fn severity(row: Row) -> Severity {
    play(&[row])[0].severity
}

#[test]
fn an_exception_is_told_with_its_place() {
    let row = Row::new(300, &[]).on(2).text_with(
        "exception",
        "KeyError",
        "'batch'",
        &[
            ("frame", "/home/me/train.py:12 in main"),
            ("chain", "ValueError: first\nTypeError: second"),
        ],
    );
    let findings = play(&[row]);
    assert_eq!(findings[0].title, "KeyError: 'batch'");
    assert_eq!(
        findings[0].message,
        "The job printed `KeyError`: 'batch' at step 300 on rank 2, raised in /home/me/train.py:12 in main. \
         It began with ValueError: first."
    );
    assert_eq!(findings[0].key, "KeyError train.py:main 'batch'");
    assert_eq!(findings[0].severity, Severity::Critical);
}

#[test]
fn a_repetition_is_told_once() {
    let rows: Vec<Row> = (0..200)
        .map(|at| {
            raised(
                "ValueError",
                &format!("sample {at} at 0x7f{at:04x} of /data/{at}.jpg"),
            )
        })
        .collect();
    assert_eq!(play(&rows).len(), 1);
}

#[test]
fn the_line_may_move() {
    let rows = [
        at_frame("ValueError", "no", "/a/train.py:12 in main"),
        at_frame("ValueError", "no", "/b/train.py:99 in main"),
        at_frame("ValueError", "no", "/b/train.py:99 in other"),
        at_frame("TypeError", "no", "/b/train.py:99 in main"),
    ];
    assert_eq!(play(&rows).len(), 3);
}

#[test]
fn each_rank_is_told_under_one_key() {
    let rows: Vec<Row> = (0..64)
        .map(|at| raised("IndexError", "list index out of range").on(at % 8))
        .collect();
    let findings = play(&rows);
    assert_eq!(findings.len(), 8);
    assert!(findings.iter().all(|it| it.key == findings[0].key));
}

#[test]
fn after_a_silence_it_is_news() {
    let rows: Vec<Row> = [0.0, 100.0, 650.0, 1300.0, 1400.0]
        .map(|time| raised("openai.APIError", "Error code: 402").at(time))
        .into();
    let findings = play(&rows);
    assert_eq!(findings.iter().map(|it| it.row).collect::<Vec<_>>(), [0, 3]);
    assert!(findings[1].message.contains("3 times before"));
}

#[test]
fn what_is_often_caught_is_no_page() {
    assert_eq!(severity(raised("KeyboardInterrupt", "")), Severity::Info);
    for name in [
        "openai.APIStatusError",
        "requests.exceptions.ReadTimeout",
        "ConnectionResetError",
        "StopIteration",
        "UserWarning",
        "unknown",
    ] {
        assert_eq!(severity(raised(name, "x")), Severity::Warning, "{name}");
    }
    let gloo = "[pair.cc:561] Connection closed by peer [127.0.0.1]:44223";
    assert_eq!(severity(raised("RuntimeError", gloo)), Severity::Warning);
    for name in [
        "RuntimeError",
        "torch.distributed.DistBackendError",
        "OSError",
    ] {
        assert_eq!(severity(raised(name, "x")), Severity::Critical, "{name}");
    }
}

#[test]
fn what_does_not_end_a_process_is_no_page() {
    let of = |context| {
        Row::new(7, &[]).text_with(
            "exception",
            "AssertionError",
            "can only test a child process",
            &[("context", context)],
        )
    };
    assert_eq!(severity(of("ignored")), Severity::Info);
    assert_eq!(severity(of("logging")), Severity::Info);
    assert_eq!(severity(of("thread")), Severity::Warning);
}

#[test]
fn what_others_report_is_left_to_them() {
    for (name, message) in [
        ("torch.OutOfMemoryError", "CUDA out of memory."),
        (
            "RuntimeError",
            "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0;",
        ),
        ("MemoryError", ""),
        (
            "torch.distributed.elastic.multiprocessing.errors.ChildFailedError",
            "x",
        ),
        ("ray.exceptions.ActorDiedError", "x"),
        (
            "RuntimeError",
            "DataLoader worker (pid 12) is killed by signal: Killed.",
        ),
    ] {
        assert_eq!(play(&[raised(name, message)]), [], "{name}");
    }
}

#[test]
fn a_harmless_one_that_was_the_last_is_critical_in_the_end() {
    let finish = |rows: &[Row], outcome: &str| {
        let mut harness = Harness::<Exception>::new().unwrap();
        let before = harness.play(rows, 8);
        (before, harness.finish(outcome))
    };
    let warning = [raised(
        "requests.exceptions.ConnectionError",
        "Max retries exceeded",
    )];
    let (before, after) = finish(&warning, "crashed");
    assert_eq!(before[0].key, after[0].key);
    assert_eq!(after[0].severity, Severity::Critical);
    assert_eq!(finish(&warning, "completed").1, []);
    let then_worse = [warning[0].clone(), raised("ValueError", "x")];
    assert_eq!(finish(&then_worse, "crashed").1, []);
}

#[test]
fn messages_without_end_do_not_flood() {
    let rows: Vec<Row> = (0..1000)
        .map(|at| {
            let word: String = (0..6)
                .map(|c| (b'a' + (at / 26_u32.pow(c % 3) % 26) as u8) as char)
                .collect();
            raised("KeyError", &word)
        })
        .collect();
    // Eight that are told apart, and one for all others.
    assert_eq!(play(&rows).len(), 9);
}

#[test]
fn keys_fit_whatever_is_printed() {
    let long = "é".repeat(5000);
    for message in [long.as_str(), "", "\n\n", ": : "] {
        for name in [long.as_str(), "", "ValueErrorValueError"] {
            for finding in play(&[at_frame(name, message, &long)]) {
                assert!((1..=128).contains(&finding.key.len()));
                assert!(finding.message.len() < 2000);
                assert!(!finding.recommendation.is_empty());
            }
        }
    }
}

#[test]
fn advice_fits_what_happened() {
    for (name, message, word) in [
        (
            "RuntimeError",
            "CUDA error: device-side assert triggered",
            "CUDA_LAUNCH_BLOCKING",
        ),
        (
            "RuntimeError",
            "Error(s) in loading state_dict for GPT: size mismatch for wte",
            "checkpoint",
        ),
        ("FileNotFoundError", "[Errno 2] No such file", "mounted"),
        ("json.decoder.JSONDecodeError", "Expecting value", "broken"),
        (
            "openai.APIStatusError",
            "Error code: 402 - Insufficient Balance",
            "credit",
        ),
        ("openai.RateLimitError", "Error code: 429", "pause"),
        (
            "huggingface_hub.errors.GatedRepoError",
            "401 Client Error",
            "token",
        ),
        ("AssertionError", "402 > 17", "condition"),
        (
            "RuntimeError",
            "NCCL error in: /pytorch/x.cpp:1, unhandled system error",
            "earliest",
        ),
        (
            "OSError",
            "[Errno 28] No space left on device",
            "disk is full",
        ),
        (
            "ModuleNotFoundError",
            "No module named 'flash_attn'",
            "package",
        ),
        ("PermissionError", "[Errno 13] denied", "owner"),
        ("NotImplementedError", "", "not supported"),
        ("RuntimeError", "something new", "traceback"),
    ] {
        let advice = &play(&[raised(name, message)])[0].recommendation;
        assert!(advice.contains(word), "{name}: {advice}");
    }
}

proptest! {
    #[test]
    fn neither_batches_nor_restarts_change_what_is_found(
        cells in prop::collection::vec((0usize..6, 0u32..3, 0u32..3000), 0..200),
        batch in 1usize..20,
        restart in 0usize..200,
    ) {
        let names = ["KeyError", "ValueError", "openai.APIError", "KeyboardInterrupt", "unknown", "IndexError"];
        let row = |&(name, rank, time): &(usize, u32, u32)| {
            let row = raised(names[name], "abcdefghij".get(..time as usize % 10).unwrap()).on(rank);
            if time % 5 == 0 { row } else { row.at(f64::from(time)) }
        };
        let rows: Vec<Row> = cells.iter().map(row).collect();
        let expected = play(&rows);
        let mut harness = Harness::<Exception>::new().unwrap();
        let (before, after) = rows.split_at(restart.min(rows.len()));
        let mut findings = harness.play(before, batch);
        harness.restart().unwrap();
        findings.extend(harness.play(after, batch + 1));
        prop_assert_eq!(findings, expected);
    }
}
