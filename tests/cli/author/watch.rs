//! `detector watch`: save, and see what it finds now.

use super::{Project, has_clang, with_tools};
use crate::support::{Session, Test};

/// The lines up to the one that says that it waits for changes.
fn round(session: &mut Session) -> String {
    let mut text = String::new();
    loop {
        let line = session.read_line();
        assert!(!line.is_empty(), "it ended after: {text}");
        if line.starts_with("watching for changes") {
            return text;
        }
        text.push_str(&line);
    }
}

const RISING: &str = "warning  step 500 · rising: Evaluation loss keeps rising. eval_loss has \
                      risen 3 times in a row, to 2.3 at step 500.\n";

#[test]
fn each_save_is_built_and_shown_against_the_last() {
    if !has_clang() {
        return;
    }
    let project = Project::new("watched", "c");
    let mut session = project.command("detector watch").start();
    let first = round(&mut session);
    assert!(
        first.contains("tests/healthy/input.log: 0 alerts\n"),
        "{first}"
    );
    assert!(
        first.contains(&format!("tests/rising/input.log: 2 alerts\n  {RISING}")),
        "{first}"
    );

    project.edit("detector.c", "\"integer\", \"3\"", "\"integer\", \"2\"");
    let second = round(&mut session);
    let changed = format!(
        "tests/rising/input.log: 2 alerts, 2 changes\n- {RISING}+ {}",
        RISING
            .replace("2.3", "2.21")
            .replace("500", "400")
            .replace("3 times", "2 times")
    );
    assert!(second.contains(&changed), "{second}");
    assert!(
        second.contains("tests/parameters/input.log: 2 alerts, as before\n"),
        "{second}"
    );

    // A mistake is shown, and does not end it.
    project.edit(
        "detector.c",
        "#include \"runwatch.h\"",
        "#include \"runwatch.hh\"",
    );
    let failed = round(&mut session);
    assert!(failed.contains("'runwatch.hh' file not found"), "{failed}");
    assert!(failed.contains("error: `clang` failed"), "{failed}");
    project.edit(
        "detector.c",
        "#include \"runwatch.hh\"",
        "#include \"runwatch.h\"",
    );
    let mended = round(&mut session);
    assert!(
        mended.contains("tests/rising/input.log: 2 alerts, as before\n"),
        "{mended}"
    );

    // A case is a source as well.
    let log = "{\"step\": 1, \"eval_loss\": 1}\n";
    std::fs::write(project.path().join("tests/rising/input.log"), log).unwrap();
    let replayed = round(&mut session);
    assert!(
        replayed.contains("tests/rising/input.log: 0 alerts, 2 changes\n- "),
        "{replayed}"
    );

    session.signal("INT");
    let (status, _, _) = session.wait();
    assert_eq!(status.code(), Some(130));
}

#[test]
fn a_log_of_ones_own_is_played_and_a_fault_is_told() {
    if !has_clang() {
        return;
    }
    let project = Project::new("faulty", "c");
    let log = project.path().join("own.log");
    std::fs::write(&log, "{\"step\": 7, \"eval_loss\": 0.5}\n").unwrap();
    project.edit(
        "detector.c",
        "        if (!isfinite(point.value)) {",
        "        if (point.step == 7) {\n            fprintf(stderr, \"seven!\\n\");\n            abort();\n        }\n        if (!isfinite(point.value)) {",
    );
    let play = |log: &std::path::Path| {
        let test = with_tools(Test::new("detector watch --once --log"));
        test.argument(log).argument(project.path()).any_stdout()
    };
    let output = play(&log).run();
    let text = output.text();
    assert!(
        text.contains("own.log: 0 alerts, 1 fault\n  FAULT panic in observe"),
        "{text}"
    );
    assert!(text.contains("\n    error: seven!\n"), "{text}");

    let missing = play(&log.with_file_name("missing.log"));
    let output = missing.code(5).any_stderr().run();
    assert!(output.stderr.contains("missing.log"), "{}", output.stderr);
}
