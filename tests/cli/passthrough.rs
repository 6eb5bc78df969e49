//! `python train.py | runwatch`: the job's output goes on, whatever happens.

use runwatch::exit;

use crate::streams::{NAN, healthy, json};
use crate::support::Test;

const WATCHING: &str = "runwatch: watching with 26 detectors\n";

/// 300 KB of every byte there is, in no order: several pipes full.
fn garbage() -> Vec<u8> {
    let mut state = 7_u32;
    (0..300_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

#[test]
fn output_passes_and_alerts_appear_beside_it() {
    Test::new("--plain --run r")
        .stdin(NAN)
        .stdout(NAN)
        .stderr(format!(
            "{WATCHING}\
             CRITICAL non-finite run=default/r step=3 loss is NaN: `loss` is NaN at step 3; it was \
             finite before. | do: Stop the run: after an update with this loss the weights are NaN \
             too. Go back to the last checkpoint before step 3 (check that its weights are finite), \
             skip the batch of this step or lower the learning rate, and look for overflow (use bf16, \
             or loss scaling under fp16), log(0) or a division by zero.\n\
             runwatch: stdin: 3 records in 3 lines\n\
             runwatch: 1 alert\n"
        ))
        .run();
}

#[test]
fn an_alert_is_a_panel() {
    let output = Test::new("--run r")
        .stdin(NAN)
        .stdout(NAN)
        .any_stderr()
        .run();
    let top = "╭─ CRITICAL · default/r · step 3 ─";
    assert!(output.stderr.contains(top), "{}", output.stderr);
    assert!(
        output.stderr.contains("╰─ non-finite · stdin:3 · TIME ─"),
        "{}",
        output.stderr
    );
    assert!(!output.stderr.contains('\x1b'), "colour, and no terminal");
}

#[test]
fn quiet_is_nothing_but_alerts() {
    let output = Test::new("--quiet --plain")
        .stdin(NAN)
        .stdout(NAN)
        .any_stderr()
        .run();
    assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
    Test::new("--quiet")
        .stdin(json(&healthy(200)))
        .stdout(json(&healthy(200)))
        .run();
}

#[test]
fn colour_can_be_asked_for_and_refused() {
    let output = Test::new("--plain")
        .file("runwatch.toml", "[console]\ncolor = \"always\"\n")
        .stdin(NAN)
        .stdout(NAN)
        .any_stderr()
        .run();
    assert!(
        output.stderr.contains("\x1b[1;31mCRITICAL\x1b[0m "),
        "{}",
        output.stderr
    );
}

#[test]
fn any_byte_passes() {
    let mut every: Vec<u8> = (0..=255).collect();
    every.extend(b"\0\0\n\xff\xfe{\"loss\": \xc3}\r\r\n\xf0\x9f\nno final newline\xf0\x9f");
    for input in [every, garbage(), b"\n".to_vec(), b"\0".to_vec()] {
        Test::new("--quiet")
            .stdin(input.clone())
            .stdout(input)
            .run();
    }
}

#[test]
fn the_last_line_counts_without_its_end() {
    let input = NAN.trim_end();
    let output = Test::new("--plain")
        .stdin(input)
        .stdout(input)
        .any_stderr()
        .run();
    assert!(
        output.stderr.contains("CRITICAL non-finite"),
        "{}",
        output.stderr
    );
}

#[test]
fn nothing_at_all_is_fine() {
    Test::new("")
        .stderr(format!(
            "{WATCHING}runwatch: stdin: 0 records in 0 lines\nrunwatch: 0 alerts\n"
        ))
        .run();
}

#[test]
#[cfg(unix)]
fn a_closed_stdin_is_an_empty_one() {
    Test::new("--quiet").run_in_shell(r#""$0" "$@" <&-"#);
}

#[test]
fn what_holds_no_records_is_said() {
    Test::new("")
        .stdin("hello\n")
        .stdout("hello\n")
        .stderr(format!(
            "{WATCHING}\
             runwatch: stdin: 0 records in 1 line\n\
             hint: `runwatch decode --list` shows the formats that runwatch reads\n\
             runwatch: 0 alerts\n"
        ))
        .run();
}

#[test]
fn bytes_pass_at_once() {
    let mut session = Test::new("--quiet").start();
    for text in ["{\"step\": 1, ", "\"loss\": 2.5}\n", "\r 10%|", "\0"] {
        session.write(text);
        assert_eq!(session.read(text.len()), text.as_bytes());
    }
    assert_eq!(session.end().0.code(), Some(0));
}

#[test]
fn an_alert_does_not_wait_for_the_next_line() {
    let mut session = Test::new("--plain").start();
    session.write(NAN);
    session.await_stderr("CRITICAL non-finite");
    assert_eq!(session.end().0.code(), Some(0));
}

#[test]
fn a_progress_bar_without_an_end_is_read_when_it_pauses() {
    let mut session = Test::new("--plain").start();
    session.write("{'loss': 2.5, 'epoch': 0.1}\r{'loss': nan, 'epoch': 0.2}\r");
    session.await_stderr("CRITICAL non-finite");
    assert_eq!(session.end().0.code(), Some(0));
}

#[test]
fn a_reader_that_leaves_ends_neither_the_job_nor_the_watch() {
    let mut session = Test::new("--plain").start();
    session.write("{\"step\": 0, \"loss\": 2.5}\n");
    assert_eq!(session.read_line(), "{\"step\": 0, \"loss\": 2.5}\n");
    session.close_stdout();
    // Several pipes full: a write would fail if nobody read.
    session.write(&"x\n".repeat(200_000));
    session.write(NAN);
    session.await_stderr("CRITICAL non-finite");
    let (status, _, stderr) = session.end();
    assert_eq!(status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("200,004 lines"), "{stderr}");
}

#[test]
#[cfg(unix)]
fn head_does_not_kill_the_job() {
    Test::new("--quiet")
        .stdout("1\n")
        .stderr("the job ended with 0\n")
        .run_in_shell(
            r#"{ seq 1 100000; echo "the job ended with $?" >&2; } | "$0" "$@" | head -n 1"#,
        );
}

#[test]
#[cfg(unix)]
fn a_closed_stderr_changes_nothing() {
    Test::new("")
        .stdin(NAN)
        .stdout(NAN)
        .run_in_shell(r#""$0" "$@" 2>&-"#);
}

/// The end of the message, after what was wrong.
const STILL_PASSING: &str = "runwatch: not watching; the output passes through unchanged\n";

/// Wrong in some way: the output passes all the same, and the code says so.
fn passes_anyway(test: Test, code: u8, message: &str) {
    let input = [garbage(), NAN.into()].concat();
    let output = test
        .stdin(input.clone())
        .stdout(input)
        .any_stderr()
        .code(code)
        .run();
    assert!(output.stderr.starts_with(message), "{}", output.stderr);
    assert!(output.stderr.ends_with(STILL_PASSING), "{}", output.stderr);
}

#[test]
fn a_wrong_configuration_costs_no_output() {
    let test = Test::new("").file("runwatch.toml", "[alerts]\ncooldown-step = 3\n");
    let message = "error: runwatch.toml:2:1: unknown key `cooldown-step` in `[alerts]`\n\
                   hint: did you mean `cooldown-steps`?\n";
    passes_anyway(test, exit::USAGE, message);
}

#[test]
fn a_wrong_flag_costs_no_output() {
    let message = "error: unexpected argument '--nope' found\n";
    passes_anyway(Test::new("--nope"), exit::USAGE, message);
    let message = "error: unrecognized subcommand 'wacth'\n";
    passes_anyway(Test::new("wacth"), exit::USAGE, message);
    let message = "error: --set x.y=1: there is no detector `x`\n";
    passes_anyway(Test::new("--set x.y=1"), exit::USAGE, message);
}

#[test]
fn a_broken_detector_costs_no_output() {
    let test = Test::new("--detector ./broken.wasm").file("broken.wasm", "no component");
    let message = "error: detector `broken` (`./broken.wasm`): this is not a WebAssembly file\n";
    passes_anyway(test, exit::DETECTOR, message);
}

#[test]
fn an_alert_file_that_cannot_be_written_costs_no_output() {
    let test = Test::new("").file(
        "runwatch.toml",
        "[file]\npath = \"no/such/folder/x.jsonl\"\n",
    );
    passes_anyway(test, exit::USAGE, "error: cannot open");
}

#[test]
fn the_run_is_named_by_flag_variable_or_launcher() {
    for (flags, variables, run) in [
        (
            "--run a",
            &[("RUNWATCH_RUN", "b"), ("SLURM_JOB_ID", "7")][..],
            "run=default/a ",
        ),
        (
            "",
            &[("RUNWATCH_RUN", "b"), ("SLURM_JOB_ID", "7")],
            "run=default/b ",
        ),
        ("--project p", &[("SLURM_JOB_ID", "7")], "run=p/slurm-7 "),
        ("--run a", &[("RUNWATCH_PROJECT", "q")], "run=q/a "),
    ] {
        let mut test = Test::new(flags).argument("--plain").stdin(NAN).stdout(NAN);
        for (name, value) in variables {
            test = test.env(name, value);
        }
        let output = test.any_stderr().run();
        assert!(output.stderr.contains(run), "{}", output.stderr);
    }
}
