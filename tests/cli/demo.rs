//! `runwatch demo`: everything there is to see, with nothing configured.

use std::collections::BTreeSet;

use crate::support::Test;

#[test]
fn detectors_have_something_to_say() {
    let output = Test::new("demo --fast --plain")
        .any_stdout()
        .any_stderr()
        .run();
    let firing = |line: &&str| line.starts_with("WARNING ") || line.starts_with("CRITICAL ");
    let detectors: BTreeSet<_> = output
        .stderr
        .lines()
        .filter(firing)
        .map(|line| line.split(' ').nth(1).unwrap())
        .collect();
    let some = [
        "entropy-collapse",
        "grad-norm",
        "loss-spike",
        "non-finite",
        "reward-collapse",
        "throughput",
    ];
    assert_eq!(detectors, BTreeSet::from(some));
    assert_eq!(output.text().lines().count(), 400);
    let end = "runwatch: demo: 400 records in 400 lines\nrunwatch: 8 alerts\n\
               runwatch: now yours: python train.py 2>&1 | runwatch\n";
    assert!(output.stderr.ends_with(end), "{}", output.stderr);
}

#[test]
fn it_shows_panels() {
    let output = Test::new("demo --fast --quiet")
        .any_stdout()
        .any_stderr()
        .run();
    assert!(output.stderr.starts_with("╭─ "), "{}", output.stderr);
    assert!(
        output
            .stderr
            .contains("╭─ RESOLVED · default/grpo-demo · step 152 ─"),
        "{}",
        output.stderr
    );
    assert!(output.stderr.ends_with("─╯\n"), "{}", output.stderr);
}

#[test]
fn it_is_the_same_every_time_and_in_review() {
    let plain = || {
        Test::new("demo --fast --plain --quiet")
            .any_stdout()
            .any_stderr()
            .run()
    };
    let first = plain();
    let again = plain();
    assert_eq!(again.stdout, first.stdout);
    assert_eq!(again.stderr, first.stderr);
    Test::new("review --plain --quiet grpo-demo.log")
        .file("grpo-demo.log", &first.stdout)
        .stdout(first.stderr)
        .run();
}

#[test]
#[cfg(unix)]
fn it_goes_on_without_a_reader() {
    let output = Test::new("demo --fast --plain --quiet")
        .any_stdout()
        .any_stderr()
        .run_in_shell(r#""$0" "$@" | head -n 1"#);
    assert_eq!(output.text().lines().count(), 1);
    assert!(
        output.stderr.contains("step=380 loss is NaN"),
        "{}",
        output.stderr
    );
}

#[test]
fn it_takes_the_configuration() {
    let flags = "--detector non-finite=off --detector grad-norm=off --detector throughput=off";
    let output = Test::new("demo --fast --plain -q")
        .arguments(flags)
        .any_stdout()
        .any_stderr()
        .run();
    assert!(!output.stderr.contains("NaN"), "{}", output.stderr);
    assert!(
        output.stderr.contains("CRITICAL loss-spike"),
        "{}",
        output.stderr
    );
}
