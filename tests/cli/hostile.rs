//! A detector of one's own that misbehaves, beside healthy ones.

use runwatch::exit;
use serde_json::Value;

use crate::fixture;
use crate::streams::{Row, json, troubled};
use crate::support::{Output, Test, fields};

/// A log of 300 steps, or the same in several runs. Without a count of tokens:
/// the hostile detector, otherwise well-behaved, reports whatever is above ten.
fn log(runs: u32) -> String {
    let line = |row: &Row, run: u32| {
        let line = json(std::slice::from_ref(row));
        let (line, _) = line.split_once(", \"num_tokens\"").unwrap();
        format!("{{\"run\": \"r{run}\", {}}}\n", &line[1..])
    };
    troubled()
        .iter()
        .flat_map(|row| (0..runs).map(move |run| line(row, run)))
        .collect()
}

/// Reviews the log with a hostile detector that is told what to do.
fn beside(log: &str, flags: &str, code: u8) -> Output {
    Test::new("review --json --quiet train.log --detector")
        .argument(fixture::fixtures().join("hostile.wasm"))
        .arguments(flags)
        .file("train.log", log)
        // What is not a deadline must not become one on a busy machine.
        .file("runwatch.toml", "[limits]\ntimeout = \"60s\"\n")
        .any_stdout()
        .any_stderr()
        .code(code)
        .run()
}

fn alone(log: &str) -> Vec<Value> {
    let review = Test::new("review --json --quiet train.log").file("train.log", log);
    review.any_stdout().run().alerts()
}

/// The alerts of the built-in detectors, and those about the hostile one.
fn parted(output: &Output) -> (Vec<Value>, Vec<Value>) {
    let alerts = output
        .alerts()
        .into_iter()
        .filter(|alert| alert["detector"] != "hostile");
    alerts.partition(|alert| alert["detector"] != "runwatch")
}

/// Does something bad at step 100: this fault is reported, and nobody else notices.
fn is_a_fault(does: &str, kind: &str) {
    let log = log(1);
    let flags = format!("--set hostile.does={does} --set hostile.when=100");
    let (healthy, faults) = parted(&beside(&log, &flags, exit::OK));
    assert_eq!(healthy, alone(&log), "{does}");
    // The batch is tried twice; the second time is told when the cooldown is over.
    let seen = fields(&faults, &["key", "severity", "state", "title", "count"]);
    let first = "detector-fault/hostile warning firing Detector hostile failed";
    let expected = [format!("{first} 1"), format!("{first} (still firing) 2")];
    assert_eq!(seen, expected, "{does}");
    let message = faults[0]["message"].as_str().unwrap();
    assert!(
        message.starts_with("The detector `hostile` failed in `observe` at steps "),
        "{message}"
    );
    assert!(message.contains(&format!(" ({kind}).")), "{message}");
}

#[test]
fn a_healthy_detector_of_ones_own_is_like_any_other() {
    let log = log(1);
    let output = beside(&log, "", exit::OK);
    let (healthy, faults) = parted(&output);
    assert_eq!(healthy, alone(&log));
    assert_eq!(faults, [] as [Value; 0]);
    let own = output
        .alerts()
        .into_iter()
        .filter(|alert| alert["detector"] == "hostile");
    assert!(own.count() > 0);
}

#[test]
fn a_panic() {
    is_a_fault("panic", "panic");
}

#[test]
fn endless_recursion() {
    is_a_fault("recursion", "stack");
}

#[test]
fn a_memory_bomb() {
    is_a_fault("memory", "memory");
}

#[test]
fn a_flood_of_findings() {
    is_a_fault("flood", "flood");
}

#[test]
fn a_finding_without_a_recommendation() {
    is_a_fault("no-recommendation", "bad-finding");
}

#[test]
fn an_invented_severity() {
    is_a_fault("bad-severity", "bad-finding");
}

#[test]
fn a_result_of_a_hundred_megabytes() {
    is_a_fault("return", "memory");
}

#[test]
fn a_finding_like_a_book() {
    is_a_fault("big-text", "flood");
}

/// The usual deadline for it, and patience with the others.
#[test]
fn an_endless_loop() {
    let log = log(1);
    let output = Test::new("review --json --quiet train.log --set hostile.does=loop --detector")
        .argument(fixture::fixtures().join("hostile.wasm"))
        .file("train.log", &log)
        .file(
            "runwatch.toml",
            "[detectors.hostile]\ntimeout = \"1s\"\n[limits]\ntimeout = \"60s\"\n",
        )
        .arguments("--set hostile.when=100")
        .any_stdout()
        .run();
    let (healthy, faults) = parted(&output);
    assert_eq!(healthy, alone(&log));
    assert!(
        faults[0]["message"]
            .as_str()
            .unwrap()
            .contains("(deadline)."),
        "{}",
        faults[0]
    );
}

#[test]
fn what_a_panic_said_is_told() {
    let flags = "--set hostile.does=panic --set hostile.when=100";
    let output = beside(&log(1), flags, exit::OK);
    let (_, faults) = parted(&output);
    let message = faults[0]["message"].as_str().unwrap();
    assert!(message.contains(" It said: "), "{message}");
    assert_ne!(faults[0]["recommendation"], "");
}

#[test]
fn who_fails_too_often_in_a_run_is_switched_off_with_any_number_of_threads() {
    // In each run a batch that fails twice: with a budget of one that is once
    // too often.
    let log = log(2);
    let reviewed = |threads: u32| {
        let output = Test::new("review --json -q train.log --set hostile.does=panic --detector")
            .argument(fixture::fixtures().join("hostile.wasm"))
            .file("train.log", &log)
            .file(
                "runwatch.toml",
                "[faults]\nbudget = 1\n[limits]\ntimeout = \"60s\"\n",
            )
            .arguments(&format!("--set hostile.when=100 --threads {threads}"))
            .any_stdout()
            .code(exit::DETECTOR)
            .run();
        let (healthy, faults) = parted(&output);
        assert_eq!(healthy, alone(&log));
        let mut seen = fields(&faults, &["run", "key"]);
        seen.sort();
        seen.dedup();
        (seen, output.stdout)
    };
    let (seen, stdout) = reviewed(1);
    assert_eq!(
        seen,
        [
            "r0 detector-fault/hostile",
            "r0 detector-quarantined/hostile",
            "r1 detector-fault/hostile",
            "r1 detector-quarantined/hostile",
        ]
    );
    assert_eq!(stdout, reviewed(4).1);
}

#[test]
fn the_budget_is_the_users() {
    let output =
        Test::new("review --json -q --threads 1 train.log --set hostile.does=panic --detector")
            .argument(fixture::fixtures().join("hostile.wasm"))
            .file("train.log", log(3))
            .file(
                "runwatch.toml",
                "[faults]\nbudget = 0\n[limits]\ntimeout = \"60s\"\n",
            )
            .arguments("--set hostile.when=100")
            .any_stdout()
            .code(exit::DETECTOR)
            .run();
    let (_, faults) = parted(&output);
    assert_eq!(fields(&faults, &["key"]), ["detector-quarantined/hostile"]);
}

#[test]
fn who_refuses_its_parameters_is_refused() {
    Test::new("review train.log --set hostile.does=refuse --detector")
        .argument(fixture::fixtures().join("hostile.wasm"))
        .file("train.log", log(1))
        .any_stderr()
        .code(exit::DETECTOR)
        .run();
}

#[test]
fn quarantine_while_live_ends_with_its_code() {
    let log = log(1);
    Test::new("--quiet --set hostile.does=panic --detector")
        .argument(fixture::fixtures().join("hostile.wasm"))
        .file(
            "runwatch.toml",
            "[faults]\nbudget = 0\n[limits]\ntimeout = \"60s\"\n",
        )
        .arguments("--set hostile.when=100")
        .stdin(log.clone())
        .stdout(log)
        .any_stderr()
        .code(exit::DETECTOR)
        .run();
}

#[test]
fn what_it_asks_for_and_does_not_get_is_said() {
    let output = Test::new("config check --detector")
        .argument(fixture::fixtures().join("hostile_io.wasm"))
        .any_stderr()
        .run();
    let note = output.stderr.lines().next().unwrap();
    assert!(
        note.starts_with("note: detector `hostile-io` asks for "),
        "{note}"
    );
    assert!(
        note.contains("wasi:sockets/tcp@0.2.6") && note.ends_with(": denied"),
        "{note}"
    );
    let strict = Test::new("config check --detector")
        .argument(fixture::fixtures().join("hostile_io.wasm"))
        .file("runwatch.toml", "[detectors]\nstrict-imports = true\n")
        .any_stderr()
        .code(exit::DETECTOR)
        .run();
    assert!(
        strict.stderr.contains("strict-imports is on"),
        "{}",
        strict.stderr
    );
}
