//! Detectors of one's own at work: beside the others, replaced, and asking in
//! vain.

use std::fmt::Write as _;

use runwatch::exit;
use runwatch::load::BUILTIN;

use crate::fixture;
use crate::support::{Output, Session, Test};

/// What is not a deadline must not become one on a busy machine.
const PATIENT: &str = "[limits]\ntimeout = \"60s\"\n";

/// A pipe with the hostile detector as `mine`, and what else is configured.
fn piped(flags: &str, more: &str) -> Test {
    with_hostile("--plain --no-history", more).arguments(flags)
}

fn with_hostile(command: &str, more: &str) -> Test {
    let own = "[detectors.mine]\nsource = \"mine.wasm\"\n";
    Test::new(command)
        .file("mine.wasm", fixture::hostile_bytes())
        .file("runwatch.toml", format!("{PATIENT}{own}{more}"))
}

/// A detector of one's own that is really one of ours.
fn copied(command: &str, name: &str, more: &str) -> Test {
    let (_, bytes) = BUILTIN.iter().find(|(known, _)| *known == name).unwrap();
    let config = format!("{PATIENT}[detectors.mine]\nsource = \"mine.wasm\"\n{more}");
    let test = Test::new(command).file("mine.wasm", bytes);
    test.file("runwatch.toml", config).any_stdout().any_stderr()
}

/// The same detector under another digest.
fn another(version: &str) -> Vec<u8> {
    let mut bytes = fixture::hostile_bytes().to_vec();
    let marker = b"hostile-switch:";
    let mut places = bytes.windows(marker.len() + 6);
    let at = places.position(|it| it.starts_with(marker) && it.ends_with(b"normal"));
    let at = at.unwrap() + marker.len();
    bytes[at..at + 25].copy_from_slice(format!("{version:<25}").as_bytes());
    bytes
}

#[test]
fn the_others_do_not_wait_for_one_that_hangs() {
    let hangs = "does = \"loop\"\nwhen = 100\n";
    let mut session = piped("--quiet", hangs).start();
    session.write("{\"step\": 99, \"loss\": 1.5}\n{\"step\": 100, \"loss\": 1.4}\n");
    assert!(session.read_line().contains("99"));
    session.write("{\"step\": 101, \"loss\": NaN}\n");
    let said = session.stderr_up_to("non-finite");
    assert!(said.iter().all(|line| !line.contains("mine")), "{said:?}");
}

#[test]
fn what_it_found_is_told_although_nothing_more_comes() {
    let mut session = piped("--quiet", "").start();
    session.write("{\"step\": 7, \"speed\": 11.5}\n");
    let said = session.await_stderr("11.5 at step 7, 11.5 so far");
    assert!(said.contains("mine"), "{said}");
    let (status, _, _) = session.end();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn one_that_cannot_keep_up_is_said_to_be_behind() {
    let hangs = "does = \"loop\"\nwhen = 0\n";
    let log = rows(140_000, ["loss", "speed"]);
    let mut session = piped("--quiet --follow train.log", hangs)
        .file("train.log", log)
        .start();
    let said = session.await_stderr("cannot keep up");
    assert!(said.contains("rows were not given to it so far"), "{said}");
}

/// Steps that are far from each other, so that each is told.
fn fast(session: &mut Session, step: u32, speed: u32, sum: u32) {
    session.write(&format!("{{\"step\": {step}, \"speed\": {speed}}}\n"));
    session.await_stderr(&format!("{speed} at step {step}, {sum} so far"));
}

#[test]
fn a_changed_file_takes_over_with_the_state_and_one_that_is_broken_does_not() {
    let mut session = piped("", "").start();
    fast(&mut session, 1, 11, 11);
    session.file("mine.wasm", another("other"));
    let said = session.await_stderr("was replaced");
    assert!(
        said.starts_with("runwatch: detector `mine` was replaced: sha256 "),
        "{said}"
    );
    fast(&mut session, 1001, 12, 23);

    session.file("mine.wasm", "half of it");
    let said = session.await_stderr("cannot be used, the one before goes on");
    assert!(said.ends_with("this is not a WebAssembly file"), "{said}");
    fast(&mut session, 2001, 13, 36);

    // What the parameters are for is no matter of the old one.
    session.file("mine.wasm", another("normal"));
    session.await_stderr("was replaced");
    fast(&mut session, 3001, 14, 50);
    let (status, _, _) = session.end();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn another_that_asks_for_other_things_gets_them() {
    let mut session = copied("--plain --no-history", "clip-fraction", "").start();
    session.await_stderr("watching with");
    session.write("{\"step\": 1, \"loss\": 2.5, \"speed\": 11}\n");
    session.file("mine.wasm", fixture::hostile_bytes());
    session.await_stderr("was replaced");
    session.write("{\"step\": 1001, \"loss\": 2.5, \"speed\": 12}\n");
    session.await_stderr("12 at step 1001, 14.5 so far");
}

#[test]
fn a_review_is_the_same_with_any_number_of_threads() {
    let log = rows(20_000, ["loss", "speed"]).replace("0.5", "50");
    let review = |threads: u32| {
        let command = format!("review --quiet --json --threads {threads} train.log");
        let test = with_hostile(&command, "").file("train.log", &log);
        test.any_stdout().run().stdout
    };
    let one = review(1);
    assert!(one.starts_with(b"{"), "it finds something");
    assert!(one == review(2) && one == review(4));
}

#[test]
fn who_was_put_aside_gets_another_chance_when_it_has_changed() {
    let panics = "does = \"panic\"\nwhen = 2\n[faults]\nbudget = 0\n";
    let mut session = piped("", panics).start();
    fast(&mut session, 1, 11, 11);
    session.write("{\"step\": 2, \"speed\": 1}\n");
    session.await_stderr("switched off");
    session.file("mine.wasm", another("other"));
    session.await_stderr("runwatch: detector `mine` was replaced");
    session.await_stderr("Detector mine was replaced");
    // What it had not saved is lost.
    fast(&mut session, 1001, 12, 12);
    let (status, _, _) = session.end();
    assert_eq!(status.code(), Some(0), "it was not put aside at the end");
}

#[test]
fn one_that_cannot_be_loaded_does_not_cost_the_job_its_output() {
    let log = "{\"step\": 1, \"loss\": 1.5}\n";
    let output = Test::new("--detector ./mine.wasm")
        .file("mine.wasm", "no component")
        .stdin(log)
        .stdout(log)
        .any_stderr()
        .code(exit::DETECTOR)
        .run();
    for said in [
        "detector `mine`",
        "not a WebAssembly file",
        "passes through unchanged",
    ] {
        assert!(output.stderr.contains(said), "{}", output.stderr);
    }
}

#[test]
fn its_memory_is_as_configured() {
    let log = "{\"step\": 100, \"loss\": 1.5}\n";
    let own = "does = \"memory\"\nwhen = 100\n";
    for (more, mebibytes) in [("", 64), ("memory = \"20MiB\"\n", 20)] {
        let output = piped("--quiet", &format!("{own}{more}"))
            .stdin(log)
            .stdout(log);
        let said = output.any_stderr().run().stderr;
        assert!(said.contains(&format!("{mebibytes} MiB")), "{said}");
    }
}

/// Rows with these two metrics.
fn rows(count: u32, metrics: [&str; 2]) -> String {
    let [one, other] = metrics;
    (0..count).fold(String::new(), |mut text, step| {
        writeln!(
            text,
            "{{\"step\": {step}, \"{one}\": 0.25, \"{other}\": 0.5}}"
        )
        .unwrap();
        text
    })
}

fn notes(output: &Output) -> Vec<&str> {
    let lines = output.stderr.lines();
    lines.filter(|line| line.contains("asks for")).collect()
}

const TO_MAP: &str = "runwatch: detector `mine` asks for `clip_fraction`; this stream has \
                      `clipping_fraction`: to map it write `clipping_fraction = \
                      \"clip_fraction\"` below `[names]` in runwatch.toml";

#[test]
fn what_it_asks_for_in_vain_is_said_in_a_review() {
    let log = rows(3, ["loss", "clipping_fraction"]);
    let review = |more: &str, flags: &str| {
        let command = format!("review train.log --threads 1 {flags}");
        let test = copied(&command, "clip-fraction", more).file("train.log", &log);
        test.run()
    };
    assert_eq!(notes(&review("", "")), [TO_MAP]);
    assert_eq!(notes(&review("", "--quiet")), [""; 0]);
    // As it was advised.
    let mapped = "[names]\nclipping_fraction = \"clip_fraction\"\n";
    assert_eq!(notes(&review(mapped, "")), [""; 0]);
}

#[test]
fn what_it_asks_for_in_vain_is_said_live_before_the_end() {
    let test = copied("", "clip-fraction", "");
    let mut session = test.start();
    session.write(&rows(200, ["loss", "clipping_fraction"]));
    let yet = TO_MAP.replace("; this", ", which has not come yet; this");
    assert_eq!(session.await_stderr("asks for"), yet);
    session.write(&rows(200, ["loss", "clipping_fraction"]));
    let (_, _, stderr) = session.end();
    assert!(!stderr.contains("asks for"), "{stderr}");
}

#[test]
fn where_nothing_is_like_it_what_there_is_is_listed() {
    let review = |name: &str, metrics| {
        let test = copied("review train.log", name, "").file("train.log", rows(3, metrics));
        test.run()
    };
    let nothing = "runwatch: detector `mine` asks for `kl`, and nothing in this stream has a name \
                   like it; it has `loss` and `lr`";
    assert_eq!(notes(&review("kl-explosion", ["loss", "lr"])), [nothing]);
    let canonical = "runwatch: detector `mine` asks for `kl`; this stream has `kl_coef`: to map it \
                     write `kl_coef = \"kl\"` below `[names]` in runwatch.toml";
    assert_eq!(
        notes(&review("kl-explosion", ["loss", "kl_coef"])),
        [canonical]
    );
    assert_eq!(
        notes(&review("kl-explosion", ["loss", "approx_kl"])),
        [""; 0]
    );
}
