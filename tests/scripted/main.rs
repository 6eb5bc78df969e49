//! Detectors in Python and JavaScript: what they promise to their authors, and
//! that one that misbehaves ends in the fault of that name.
//!
//! The rules are in `tests/hostile/python` and `tests/hostile/js`. They need
//! componentize-py and componentize-qjs; where these are not, a test says
//! `skipped` and passes.

#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod examples;
mod fixture;

use std::process::Command;
use std::time::Duration;

use fixture::{JAVASCRIPT, PYTHON, Rule, build, cache_home, load};
use runwatch::sandbox::instance::{Columns, Monitor, RowFinding, Series};
use runwatch::sandbox::{Component, Fault, FaultKind, Instance, Limits};

/// Limits that only the misdeed at hand can pass: a busy machine must not turn
/// an exception into a deadline.
fn patient() -> Limits {
    Limits {
        timeout: Duration::from_secs(60),
        ..Limits::default()
    }
}

/// A running detector and its only monitor.
struct Watch {
    instance: Instance,
    monitor: Monitor,
}

impl Watch {
    fn open(component: &Component, does: &str) -> Result<Result<Self, String>, Fault> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut instance = Instance::new(component).expect("the component starts");
        let parameters = [pair("does", does), pair("when", "0")];
        let opened = instance.open(&[pair("run", "r")], &parameters)?;
        Ok(opened.map(|monitor| Self { instance, monitor }))
    }

    /// Step -1 with 20, step 0 with 2, and step 1 with 30.
    fn observe(&mut self) -> Result<Vec<RowFinding>, Fault> {
        let loss = Series {
            index: 7,
            name: "loss",
            source: "train/loss",
        };
        self.instance.define(self.monitor, &[loss])?;
        self.instance.observe(
            self.monitor,
            &Columns {
                steps: &[-1, 0, 1],
                times: &[1.7e9; 3],
                ranks: &[u32::MAX; 3],
                indices: &[7; 3],
                rows: &[0, 1, 2],
                values: &[20.0, 2.0, 30.0],
                texts: &[],
            },
        )
    }
}

/// What a rule does at step 0.
fn commit(component: &Component, does: &str) -> Result<Vec<RowFinding>, Fault> {
    let opened = Watch::open(component, does)?;
    opened.expect("it takes its parameters").observe()
}

/// The fault that it ends with: with its kind and call, its frames in the file
/// of the rule without the lines, and what it wrote.
#[track_caller]
fn fault(component: &Component, does: &str) -> (String, Vec<String>, Vec<String>) {
    let fault = commit(component, does).expect_err("a fault");
    let frames = fault.frames.iter();
    let without_line = |frame: &String| -> String {
        let plain = |c: &char| !c.is_ascii_digit() && *c != ':';
        frame.chars().filter(plain).collect()
    };
    (
        fault.to_string(),
        frames.map(without_line).collect(),
        fault.output,
    )
}

/// What both languages have in common.
fn breaks_the_contract(rule: &Rule) {
    let limits = Limits {
        timeout: Duration::from_secs(1),
        ..Limits::default()
    };
    let Some(hasty) = load(rule, false, &limits) else {
        return;
    };
    let looped = commit(&hasty, "loop").expect_err("a fault");
    assert_eq!(looped.kind, FaultKind::Deadline, "{looped}");
    let component = load(rule, false, &patient()).expect("it is there");

    let rows = |found: Vec<RowFinding>| found.into_iter().map(|(row, _)| row).collect::<Vec<_>>();
    let healthy = || rows(commit(&component, "nothing").expect("no fault"));
    assert_eq!(healthy(), [Some(0), Some(2)]);

    let eaten = commit(&component, "memory").expect_err("a fault");
    assert_eq!(eaten.kind, FaultKind::Memory, "{eaten}");
    for (does, named) in [
        (
            "no-recommendation",
            "bad-finding in observe: finding `high` has no recommendation",
        ),
        (
            "bad-row",
            "bad-finding in observe: finding `high` points at row 17 of 3",
        ),
        (
            "flood",
            "flood in observe: one call returned 1002 findings, the limit is 259",
        ),
    ] {
        assert_eq!(fault(&component, does).0, named);
    }
    let refused = Watch::open(&component, "refuse").expect("no fault");
    assert_eq!(
        refused.err().as_deref(),
        Some("I cannot use these parameters")
    );
    // Dice that fall the same at each start, and a clock that shows the
    // stream's time.
    let seen = |()| match commit(&component, "look-around").expect("no fault").get(1) {
        Some((_, finding)) => finding.message.clone(),
        None => String::new(),
    };
    assert!(seen(()).starts_with("time 1700000000"), "{}", seen(()));
    assert_eq!(seen(()), seen(()));
    assert_eq!(healthy(), [Some(0), Some(2)]);
}

#[test]
fn python_ends_in_the_same_faults() {
    breaks_the_contract(&PYTHON);
}

#[test]
fn javascript_ends_in_the_same_faults() {
    breaks_the_contract(&JAVASCRIPT);
}

#[test]
fn a_python_exception_arrives_with_its_traceback() {
    let Some(component) = load(&PYTHON, false, &patient()) else {
        return;
    };
    let (message, frames, output) = fault(&component, "raise");
    assert_eq!(message, "panic in observe: KeyError: 'b'");
    let expected = ["app.py in lookup", "app.py in strike", "app.py in observe"];
    assert_eq!(frames, expected);
    assert_eq!(output, ["info: about to fail: 2.0"]);
    for (does, named) in [
        ("chain", "ValueError: no such key (after KeyError: 'b')"),
        ("exit", "SystemExit: 3"),
        (
            "wrong-type",
            "TypeError: `title` of a finding is 5, not of type str",
        ),
        (
            "file",
            "PermissionError: a detector has no files, and so not `/etc/passwd`",
        ),
        (
            "import",
            "ModuleNotFoundError: `decimal` is not in the component: import it at the top of \
             `app.py`, where it is found when the component is built",
        ),
    ] {
        assert_eq!(
            fault(&component, does).0,
            format!("panic in observe: {named}")
        );
    }
    let (message, frames, _) = fault(&component, "recurse");
    assert!(message.contains("RecursionError: maximum recursion depth exceeded"));
    assert_eq!(frames.len(), 11, "{frames:?}");
    let (_, _, output) = fault(&component, "print");
    let expected = ["warn: half a line", "info: and all", "warn: and another"];
    assert_eq!(output, expected);
    let unopened = Watch::open(&component, "raise-open").err();
    let unopened = unopened.expect("a fault").to_string();
    assert_eq!(unopened, "panic in open: OSError: not even begun");
}

#[test]
fn a_python_state_is_bytes() {
    let Some(component) = load(&PYTHON, false, &patient()) else {
        return;
    };
    let watch = Watch::open(&component, "state").expect("no fault");
    let mut watch = watch.expect("it takes its parameters");
    let fault = watch.instance.save(watch.monitor).expect_err("a fault");
    let expected = "panic in save: TypeError: what `save` gives is 'text', not of type bytes";
    assert_eq!(fault.to_string(), expected);
}

#[test]
fn python_without_stubs_is_denied_files_and_sockets() {
    let Some(component) = load(&PYTHON, true, &patient()) else {
        return;
    };
    for (does, named) in [
        (
            "folder",
            "denied-import in observe: called `wasi:filesystem/preopens@",
        ),
        ("socket", "denied-import in observe: called `wasi:sockets/"),
    ] {
        let (message, ..) = fault(&component, does);
        assert!(message.starts_with(named), "{message}");
    }
}

#[test]
fn a_javascript_exception_arrives_with_its_stack() {
    let Some(component) = load(&JAVASCRIPT, false, &patient()) else {
        return;
    };
    let (message, frames, output) = fault(&component, "raise");
    let expected = "panic in observe: TypeError: cannot read property 'b' of undefined";
    assert_eq!(message, expected);
    let expected = [
        "lookup (detector.js)",
        "strike (detector.js)",
        "observe (detector.js)",
    ];
    assert_eq!(frames, expected);
    assert_eq!(output, ["info: about to fail: 2"]);
    for (does, named) in [
        ("throw-text", "no error at all"),
        (
            "wrong-type",
            "TypeError: `title` of a finding is 5, not a string",
        ),
        (
            "missing",
            "TypeError: `severity` of a finding is undefined, not a string",
        ),
    ] {
        assert_eq!(
            fault(&component, does).0,
            format!("panic in observe: {named}")
        );
    }
    let recursed = commit(&component, "recurse").expect_err("a fault");
    assert_eq!(recursed.kind, FaultKind::Stack, "{recursed}");
    let (_, _, output) = fault(&component, "print");
    let expected = [
        "info: a number 1 and {\"a\":[1,\"b\"]}",
        "error: two",
        "lines",
    ];
    assert_eq!(output, expected);
    let unopened = Watch::open(&component, "raise-open").err();
    let unopened = unopened.expect("a fault").to_string();
    assert_eq!(unopened, "panic in open: RangeError: not even begun");
}

/// The alerts of a review with a detector that raises, as JSON lines.
fn review(rule: &Rule) -> Option<String> {
    let component = build(rule, false)?;
    let home = tempfile::tempdir().expect("a temporary folder");
    let log = home.path().join("train.log");
    let lines: String = (-1..4)
        .map(|step| format!("{{\"step\": {step}, \"loss\": {}}}\n", 2 - step))
        .collect();
    let broken = "{\"step\": 4, \"loss\": NaN}\n";
    std::fs::write(&log, lines + broken).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_runwatch"))
        .args(["review", "--json", "--quiet", "--detector"])
        .arg(component)
        .args(["--set", "component.does=raise"])
        .arg(log)
        .env("HOME", home.path())
        .env("XDG_STATE_HOME", home.path())
        .env("XDG_CACHE_HOME", cache_home())
        .current_dir(home.path())
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).expect("it is text"))
}

#[test]
fn the_user_sees_what_was_raised_and_the_others_go_on() {
    for (rule, shown) in [
        (
            PYTHON,
            "KeyError: 'b' (panic). It said: info: about to fail: 2.0. In: app.py:",
        ),
        (
            JAVASCRIPT,
            "TypeError: cannot read property 'b' of undefined (panic). It said: info: about to \
             fail: 2. In: lookup (detector.js:",
        ),
    ] {
        let Some(alerts) = review(&rule) else {
            continue;
        };
        assert!(alerts.contains(shown), "{alerts}");
        assert!(alerts.contains("non-finite"), "{alerts}");
    }
}
