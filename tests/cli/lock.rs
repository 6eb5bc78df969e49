//! `runwatch lock` and `--locked`.

use crate::fixture;
use crate::support::Test;

const CONFIG: &str = "[detectors.mine]\nsource = \"mine.wasm\"\n";
const LOG: &str = "{\"step\": 1, \"loss\": 2.0}\n";

fn test(arguments: &str) -> Test {
    let component = std::fs::read(fixture::fixtures().join("hostile.wasm")).unwrap();
    Test::new(arguments)
        .file("runwatch.toml", CONFIG)
        .file("mine.wasm", component)
        .file("run.log", LOG)
}

/// The same file but for its name section, so that it is another digest.
fn another() -> Vec<u8> {
    let mut bytes = std::fs::read(fixture::fixtures().join("hostile.wasm")).unwrap();
    // A custom section of one byte: an empty name.
    bytes.extend([0, 1, 0]);
    bytes
}

#[test]
fn what_was_locked_is_loaded_and_nothing_else() {
    let locked = test("lock").any_stdout().any_stderr().run();
    assert!(locked.text().starts_with("mine  "), "{}", locked.text());
    assert!(locked.text().ends_with("  new\n"), "{}", locked.text());
    assert!(locked.stderr.contains("1 detector of your own"));
    let lock = std::fs::read_to_string(locked.folder.path().join("runwatch.lock")).unwrap();
    assert!(lock.contains("name = \"mine\"") && lock.contains("source = \"mine.wasm\""));

    test("review --locked run.log")
        .file("runwatch.lock", &lock)
        .any_stdout()
        .any_stderr()
        .run();
    let other = test("review --locked run.log")
        .file("runwatch.lock", &lock)
        .file("mine.wasm", another())
        .any_stdout()
        .any_stderr()
        .code(3)
        .run();
    assert!(other.stderr.contains("is pinned"), "{}", other.stderr);
    // Without the flag the file is what it is.
    test("review run.log")
        .file("runwatch.lock", &lock)
        .file("mine.wasm", another())
        .any_stdout()
        .any_stderr()
        .run();
    let again = test("lock")
        .file("runwatch.lock", &lock)
        .file("mine.wasm", another())
        .any_stdout()
        .any_stderr()
        .run();
    assert!(again.text().contains("  changed, was "), "{}", again.text());
}

#[test]
fn a_lock_that_says_nothing_of_a_detector() {
    let hint = "hint: look at the detectors, then let `runwatch lock` write down which they are\n";
    test("review --locked run.log")
        .code(2)
        .stderr(format!(
            "error: --locked: there is no `runwatch.lock`\n{hint}"
        ))
        .run();
    test("review --locked run.log")
        .file("runwatch.lock", "")
        .code(2)
        .stderr(format!(
            "error: --locked: detector `mine` is not in `runwatch.lock`\n{hint}"
        ))
        .run();
    let wrong = test("review --locked run.log")
        .file("runwatch.lock", "detector = 1\n")
        .code(2)
        .any_stderr()
        .run();
    assert!(wrong.stderr.contains("`runwatch.lock`"), "{}", wrong.stderr);
    // Built-in detectors are part of runwatch.
    Test::new("config check --locked").any_stderr().run();
}
