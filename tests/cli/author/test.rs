//! `runwatch detector test`: golden cases, played in every way.

use runwatch::exit;

use crate::fixture;
use crate::support::{Output, Test};

/// Forty steps, of which those from 10 on are above ten.
fn log() -> String {
    (1..=400)
        .step_by(10)
        .map(|step| {
            let value = if step > 100 { 11.5 } else { 0.1 };
            format!("{{\"step\": {step}, \"loss\": {value}}}\n")
        })
        .collect()
}

/// A folder with the hostile detector and a case that makes it do this.
fn hostile(arguments: &str, does: &str) -> Test {
    let bytes = std::fs::read(fixture::fixtures().join("hostile.wasm")).unwrap();
    Test::new("detector test")
        .arguments(arguments)
        .argument("hostile.wasm")
        .file("hostile.wasm", bytes)
        .file("tests/high/input.log", log())
        .file("tests/high/config.toml", format!("does = \"{does}\"\n"))
        .any_stdout()
        .any_stderr()
}

/// Runs the same folder again, with other arguments.
fn again(output: &Output, arguments: &str, code: u8) -> Output {
    let mut test = Test::new("detector test").arguments(arguments);
    for entry in [
        "hostile.wasm",
        "tests/high/input.log",
        "tests/high/config.toml",
    ] {
        test = test.file(
            entry,
            std::fs::read(output.folder.path().join(entry)).unwrap(),
        );
    }
    let expected = std::fs::read(output.folder.path().join("tests/high/expected.jsonl"));
    test.file("tests/high/expected.jsonl", expected.unwrap())
        .argument("hostile.wasm")
        .any_stdout()
        .any_stderr()
        .code(code)
        .run()
}

#[track_caller]
fn says(output: &Output, text: &str) {
    assert!(
        output.text().contains(text),
        "no {text:?} in\n{}",
        output.text()
    );
}

#[test]
fn what_was_blessed_passes_and_what_was_changed_does_not() {
    let output = hostile("", "nothing").code(exit::ALERTS).run();
    says(&output, "high: there is no expected.jsonl");

    let blessed = hostile("--bless", "nothing").run();
    says(&blessed, "wrote ");
    says(
        &blessed,
        "  + {\"key\":\"high\",\"severity\":\"warning\",\"state\":\"firing\",\"step\":101,",
    );
    says(&blessed, "1 case, 0 failed");

    let passed = again(&blessed, "", exit::OK);
    says(&passed, "1 case, 0 failed");
    // The cost is exact: whatever else this machine does, it is the same.
    assert_eq!(again(&blessed, "", exit::OK).text(), passed.text());

    let golden = blessed.folder.path().join("tests/high/expected.jsonl");
    let text = std::fs::read_to_string(&golden).unwrap();
    std::fs::write(&golden, text.replacen("\"step\":101", "\"step\":91", 1)).unwrap();
    let failed = again(&blessed, "", exit::ALERTS);
    says(&failed, "high: expected (-) and found (+) differ\n  - {");
    says(&failed, "    differ in: step\n");
}

#[test]
fn numbers_that_are_not_finite_are_golden_too() {
    let bytes = runwatch::load::BUILTIN
        .iter()
        .find(|(name, _)| *name == "non-finite");
    let mut log = log();
    log.push_str("{\"step\": 401, \"loss\": NaN}\n");
    let output = Test::new("detector test --bless non-finite.wasm")
        .file("non-finite.wasm", bytes.unwrap().1)
        .file("tests/nan/input.log", log)
        .any_stdout()
        .any_stderr()
        .run();
    says(&output, "\"loss\":\"NaN\"");
    let golden = output.folder.path().join("tests/nan/expected.jsonl");
    let text = std::fs::read_to_string(golden).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn a_detector_that_depends_on_batches_is_caught() {
    let output = hostile("--bless", "batches").code(exit::ALERTS).run();
    says(
        &output,
        "high: row by row it finds something else than in one batch",
    );
    says(&output, "in 40 rows");
    says(&output, "in 1 rows");
    // What depends on chance is never written down.
    says(&output, "nothing is written for high: ");
    assert!(
        !output
            .folder
            .path()
            .join("tests/high/expected.jsonl")
            .exists()
    );
}

#[test]
fn a_detector_that_forgets_is_caught_and_the_seed_repeats_it() {
    let output = hostile("--seed 7", "forget").code(exit::ALERTS).run();
    says(
        &output,
        "high: saved and restored it finds something else than in one batch",
    );
    says(&output, "    saved and restored after call ");
    let hint = "hint: `runwatch detector test hostile.wasm --case high --seed ";
    let (_, rest) = output.text().split_once(hint).unwrap();
    let (seed, _) = rest.split_once('`').unwrap();
    let repeated = hostile(&format!("--case high --seed {seed}"), "forget");
    let repeated = repeated.code(exit::ALERTS).run();
    let told = |output: &Output| {
        let (_, told) = output.text().split_once("\nhigh: saved").unwrap();
        told.split_once("\nhint").unwrap().0.to_owned()
    };
    assert_eq!(told(&repeated), told(&output));
}

#[test]
fn a_detector_that_keeps_no_state_is_not_restored() {
    let output = hostile("--bless", "no-state").run();
    says(&output, "note: the detector keeps no state");
}

#[test]
fn a_fault_is_shown_with_what_the_detector_said() {
    let output =
        hostile("", "panic").file("tests/high/config.toml", "does = \"panic\"\nwhen = 111\n");
    let output = output.code(exit::ALERTS).run();
    says(
        &output,
        "high: the detector failed, in one batch: panic in observe: the detector panicked",
    );
    says(&output, "the sky is falling");
}

#[test]
fn the_cost_of_a_point_has_a_ceiling() {
    let manifest = "name = \"hostile\"\nlanguage = \"rust\"\ncontract = \"0.1.0\"\n";
    let limited = |limit: u64| {
        let toml = format!("{manifest}[test]\nmax-fuel-per-point = {limit}\n");
        hostile("--bless", "nothing").file("detector.toml", toml)
    };
    let output = limited(10).code(exit::ALERTS).run();
    says(&output, "high: a point costs ");
    says(&output, "max-fuel-per-point of detector.toml is 10\n");
    limited(10_000_000).run();
    // An endless loop has an end in units of fuel, not of time.
    let output = hostile("", "loop")
        .file("tests/high/config.toml", "does = \"loop\"\nwhen = 111\n")
        .code(exit::ALERTS)
        .run();
    says(
        &output,
        "deadline in observe: interrupted after 10000000000 units of fuel",
    );
}

#[test]
fn a_project_that_is_not_built_is_built() {
    let manifest = "name = \"mine\"\nlanguage = \"rust\"\ncontract = \"0.1.0\"\n";
    let output = Test::new("detector test")
        .env("PATH", "")
        .file("detector.toml", manifest)
        .code(exit::DETECTOR)
        .any_stderr()
        .run();
    assert!(
        output.stderr.starts_with("error: `cargo` is missing"),
        "{}",
        output.stderr
    );
}

#[test]
fn without_cases_there_is_a_hint() {
    let bytes = std::fs::read(fixture::fixtures().join("hostile.wasm")).unwrap();
    let output = Test::new("detector test hostile.wasm")
        .file("hostile.wasm", bytes)
        .any_stderr()
        .run();
    assert!(
        output.stderr.contains("has no cases\nhint: "),
        "{}",
        output.stderr
    );
}

#[test]
fn notes_say_what_no_case_shows() {
    let output = hostile("--bless", "nothing");
    let output = output.file("tests/high/input.log", "nothing here\n").run();
    says(&output, "note: no case makes it fire");
    says(
        &output,
        "note: case `high`: no line of its input is a record",
    );
    says(&output, "note: no case sets `where`, `when`:");
}

#[test]
fn a_parameter_that_does_not_exist_is_refused() {
    let output = hostile("", "nothing").file("tests/high/config.toml", "doos = \"x\"\n");
    let output = output.code(exit::USAGE).run();
    assert!(output.stderr.contains("doos"), "{}", output.stderr);
    assert!(output.stderr.contains("config.toml:1"), "{}", output.stderr);
}

#[test]
fn a_detector_that_does_not_start_is_no_failed_test() {
    let output = hostile("", "refuse").code(exit::DETECTOR).run();
    let error = "error: case `high`: the detector `hostile` does not start: ";
    assert!(output.stderr.starts_with(error), "{}", output.stderr);
}
