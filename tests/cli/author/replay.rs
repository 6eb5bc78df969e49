//! What a fault leaves behind, and `runwatch detector replay`.

use std::fs;
use std::path::{Path, PathBuf};

use runwatch::exit;
use serde_json::Value;

use crate::fixture;
use crate::support::{Output, Test};

fn log() -> String {
    let line = |step: u32| format!("{{\"step\": {step}, \"loss\": 0.5, \"grad_norm\": NaN}}\n");
    (1..=50).map(line).collect()
}

/// Reviews a log with a detector that fails at step 30.
fn failed(does: &str, flags: &str) -> Output {
    Test::new("review --json train.log --detector hostile.wasm --detector non-finite=off")
        .arguments(&format!("--set hostile.does={does} --set hostile.when=30"))
        .arguments(flags)
        .file("hostile.wasm", hostile())
        .file("train.log", log())
        .any_stdout()
        .any_stderr()
        .run()
}

fn hostile() -> Vec<u8> {
    fs::read(fixture::fixtures().join("hostile.wasm")).unwrap()
}

/// The command that the alert names.
fn named(output: &Output) -> String {
    let alerts = output.alerts();
    let fault = alerts.iter().find(|alert| alert["detector"] == "runwatch");
    let message = fault.unwrap()["message"].as_str().unwrap();
    let (_, rest) = message
        .split_once("`runwatch detector replay ")
        .expect(message);
    rest.split_once('`').unwrap().0.to_owned()
}

fn folder(home: &Path) -> PathBuf {
    home.join(".local/state/runwatch/faults")
}

/// Replays what is in the home of an earlier run.
fn replay(before: &Output, name: &str) -> Test {
    let kept = folder(before.folder.path()).join(name);
    Test::new("detector replay")
        .argument(kept)
        .any_stdout()
        .any_stderr()
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
fn the_rows_that_made_it_fail_are_kept_and_the_user_alone_can_read_them() {
    let output = failed("panic", "");
    let name = named(&output);
    assert!(
        name.starts_with("hostile-") && name.ends_with(".json"),
        "{name}"
    );
    let folder = folder(output.folder.path());
    // Both attempts had the same rows.
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    let kept: Value = serde_json::from_slice(&fs::read(folder.join(&name)).unwrap()).unwrap();
    assert_eq!(kept["detector"], "hostile");
    assert_eq!(kept["fault"]["kind"], "panic");
    assert_eq!(kept["batch"]["steps"].as_array().unwrap().len(), 50);
    assert_eq!(kept["batch"]["values"][1], "NaN");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.join(&name)), 0o600);
        assert_eq!(mode(&folder), 0o700);
    }
}

#[test]
fn the_name_depends_on_nothing_but_the_fault() {
    let names = ["--threads 1", "--threads 3"].map(|threads| named(&failed("panic", threads)));
    assert_eq!(names[0], names[1]);
}

#[test]
fn it_fails_again_and_the_row_is_found() {
    let output = failed("panic", "");
    let replayed = replay(&output, &named(&output)).code(exit::DETECTOR).run();
    says(
        &replayed,
        "hostile 0.1.0 failed in `observe`: the detector panicked (panic)\n",
    );
    says(
        &replayed,
        "It fails again: panic in observe: the detector panicked\n",
    );
    says(&replayed, "the sky is falling");
    says(&replayed, "    in ");
    says(
        &replayed,
        "\n1 of 50 rows is enough:\nstep  time  rank  loss  grad_norm  text\n  30  -        -   0.5        NaN\n",
    );
}

#[test]
fn another_component_may_be_tried() {
    let output = failed("panic", "");
    let name = named(&output);
    let own = output.folder.path().join("hostile.wasm");
    // The same detector with its text changed: as if somebody had built it again.
    let mut bytes = hostile();
    let marker = b"the sky is falling";
    let at = bytes
        .windows(marker.len())
        .position(|it| it == marker)
        .unwrap();
    bytes[at..at + 3].copy_from_slice(b"THE");
    fs::write(&own, bytes).unwrap();

    let refused = replay(&output, &name).code(exit::DETECTOR).run();
    assert!(
        refused.stderr.contains("has changed since it failed"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("hint: `--component "),
        "{}",
        refused.stderr
    );

    let other = replay(&output, &name)
        .argument("--component")
        .argument(&own);
    let other = other.code(exit::DETECTOR).run();
    assert_eq!(
        other.stderr,
        "runwatch: this is not the component that failed\n"
    );
    says(&other, "THE sky is falling");
}

#[test]
fn what_was_repaired_no_longer_fails() {
    let output = failed("panic", "");
    let name = named(&output);
    let path = folder(output.folder.path()).join(&name);
    let text = fs::read_to_string(&path).unwrap();
    // The detector is told to behave, which is as good as a new one.
    fs::write(
        &path,
        text.replace("[\"does\",\"panic\"]", "[\"does\",\"nothing\"]"),
    )
    .unwrap();
    let replayed = replay(&output, &name).run();
    says(&replayed, "It no longer fails: 0 findings in 50 rows\n");
}

#[test]
fn the_name_is_enough() {
    let output = failed("panic", "");
    let name = named(&output);
    let kept = fs::read(folder(output.folder.path()).join(&name)).unwrap();
    let own = output.folder.path().join("hostile.wasm");
    let state = format!(".local/state/runwatch/faults/{name}");
    let replayed = Test::new("detector replay --component").argument(own);
    let replayed = replayed.argument(&name).file(&state, kept);
    let replayed = replayed.any_stdout().code(exit::DETECTOR).run();
    says(&replayed, "It fails again");
}

#[test]
fn at_most_twenty_are_kept() {
    let mut test = Test::new("review --json train.log --detector hostile.wasm")
        .arguments("--set hostile.does=panic --set hostile.when=30");
    for number in 0..25 {
        let path = format!(".local/state/runwatch/faults/old-{number}.json");
        test = test.file(&path, "{}");
    }
    let output = test
        .file("hostile.wasm", hostile())
        .file("train.log", log())
        .any_stdout()
        .any_stderr()
        .run();
    let folder = folder(output.folder.path());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 20);
    assert!(folder.join(named(&output)).is_file());
}

#[test]
fn where_nothing_can_be_written_the_alert_says_nothing_of_it() {
    let output = Test::new("review --json train.log --detector hostile.wasm")
        .arguments("--set hostile.does=panic --set hostile.when=30")
        .file("hostile.wasm", hostile())
        .file("train.log", log())
        // A file where the folder should be.
        .file(".local/state", "")
        .any_stdout()
        .any_stderr()
        .run();
    let alerts = output.alerts();
    let fault = alerts.iter().find(|alert| alert["detector"] == "runwatch");
    let message = fault.unwrap()["message"].as_str().unwrap();
    assert!(
        message.contains("failed in `observe`") && !message.contains("replay"),
        "{message}"
    );
}

#[test]
fn what_is_no_fault_is_refused() {
    let output = Test::new("detector replay note.json")
        .file("note.json", "{\"a\": 1}")
        .any_stderr()
        .code(exit::INPUT)
        .run();
    assert!(
        output
            .stderr
            .contains("this is not what a detector's fault has left behind"),
        "{}",
        output.stderr
    );
    // Nothing that a file says may bring the program down.
    let broken = failed("panic", "");
    let name = named(&broken);
    let path = folder(broken.folder.path()).join(&name);
    let mut kept: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    kept["batch"]["rows"][0] = Value::from(4_000_000_000_u32);
    fs::write(&path, kept.to_string()).unwrap();
    let output = replay(&broken, &name).code(exit::INPUT).run();
    assert!(
        output.stderr.contains("do not fit each other"),
        "{}",
        output.stderr
    );
}
