//! Every exit code, and every way to end.

use runwatch::exit;

use crate::streams::NAN;
use crate::support::Test;

/// One way to each exit code; the details are in the other modules.
#[test]
fn every_code_can_be_reached() {
    let review = |flags: &str| {
        Test::new("review train.log")
            .arguments(flags)
            .file("train.log", NAN)
            .any_stdout()
            .any_stderr()
    };
    review("").code(exit::OK).run();
    review("--fail-on critical").code(exit::ALERTS).run();
    review("--config missing.toml").code(exit::USAGE).run();
    review("--detector missing.wasm").code(exit::DETECTOR).run();
    #[cfg(target_os = "linux")]
    review("")
        .file("runwatch.toml", FULL)
        .code(exit::DELIVERY)
        .run();
    review("missing.log").code(exit::INPUT).run();
    // `exit::INTERRUPTED`: below.
}

#[cfg(target_os = "linux")]
const FULL: &str = "[file]\npath = \"/dev/full\"\n";

#[test]
#[cfg(target_os = "linux")]
fn an_alert_that_does_not_arrive_is_said_and_shown_elsewhere() {
    let output = Test::new("review -q --plain train.log")
        .file("train.log", NAN)
        .file("runwatch.toml", FULL)
        .any_stdout()
        .stderr("error: cannot write to file `/dev/full`: No space left on device (os error 28)\n")
        .code(exit::DELIVERY)
        .run();
    assert!(output.text().starts_with("CRITICAL non-finite"));
    let output = Test::new("--plain -q")
        .stdin(NAN)
        .stdout(NAN)
        .file("runwatch.toml", FULL)
        .any_stderr()
        .code(exit::DELIVERY)
        .run();
    assert!(
        output.stderr.contains("CRITICAL non-finite"),
        "{}",
        output.stderr
    );
    assert!(
        output.stderr.contains("No space left on device"),
        "{}",
        output.stderr
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_under_the_output_is_a_failed_delivery() {
    Test::new("review --json -q train.log")
        .file("train.log", NAN)
        .stderr("error: cannot write to standard output: No space left on device (os error 28)\n")
        .code(exit::DELIVERY)
        .run_in_shell(r#""$0" "$@" >/dev/full"#);
}

#[test]
fn the_worse_ending_wins() {
    Test::new("review --fail-on critical train.log missing.log")
        .file("train.log", NAN)
        .any_stdout()
        .any_stderr()
        .code(exit::INPUT)
        .run();
}

#[test]
#[cfg(unix)]
fn the_first_interrupt_is_for_the_job() {
    let mut session = Test::new("--plain").start();
    session.await_stderr("watching with");
    session.signal("INT");
    session.await_stderr("press Ctrl-C again to stop now");
    session.write(NAN);
    session.await_stderr("CRITICAL non-finite");
    let (status, stdout, stderr) = session.end();
    assert_eq!(status.code(), Some(i32::from(exit::OK)), "{stderr}");
    assert_eq!(stdout, NAN);
}

#[test]
#[cfg(unix)]
fn the_second_interrupt_ends_the_watch() {
    let mut session = Test::new("--plain").start();
    session.await_stderr("watching with");
    session.write(NAN);
    session.await_stderr("CRITICAL non-finite");
    session.signal("INT");
    session.await_stderr("press Ctrl-C again to stop now");
    session.signal("INT");
    let (status, stdout, stderr) = session.wait();
    assert_eq!(
        status.code(),
        Some(i32::from(exit::INTERRUPTED)),
        "{stderr}"
    );
    assert_eq!(stdout, NAN);
    assert!(
        stderr.ends_with("runwatch: stdin: 3 records in 3 lines\nrunwatch: 1 alert"),
        "{stderr}"
    );
}

#[test]
#[cfg(unix)]
fn a_termination_ends_the_watch_at_once() {
    let mut session = Test::new("--plain").start();
    session.await_stderr("watching with");
    session.signal("TERM");
    let (status, _, stderr) = session.wait();
    assert_eq!(
        status.code(),
        Some(i32::from(exit::INTERRUPTED)),
        "{stderr}"
    );
}

#[test]
#[cfg(unix)]
fn an_interrupt_ends_a_review() {
    use std::os::unix::process::ExitStatusExt as _;
    let mut session = Test::new("review --plain -").start();
    // More than is decoded at once, so that some of it has been.
    session.write(&"{\"step\": 1, \"loss\": NaN}\n".repeat(20_000));
    session.signal("INT");
    let (status, ..) = session.wait();
    // As by default: a shell shows 130.
    assert_eq!(status.signal(), Some(2));
}

#[test]
fn the_readme_can_quote_the_codes() {
    let codes: Vec<u8> = exit::TABLE.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, [0, 1, 2, 3, 4, 5, 130]);
}
