//! A user at a terminal: `terminal.py` plays the user and the shell.

use super::{Place, ends_with, text};
use crate::support::BINARY;

const USER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/cli/exec/terminal.py");

/// What the terminal showed, with plain line ends. `script` has what to wait
/// for and what to type then, as JSON.
fn at_terminal(script: &str, job: &str) -> String {
    let own = [BINARY, "exec", "--quiet", "--", "python3", "-c", job];
    shown(script, &own)
}

fn shown(script: &str, own: &[&str]) -> String {
    let place = Place::new();
    let mut command = place.command("python3");
    command.args([USER, "77", "33", script]).args(own);
    let shown = text(&ends_with(0, command).stdout);
    assert!(place.folders().is_empty(), "{shown}");
    shown.replace("\r\n", "\n")
}

#[test]
fn the_job_has_a_terminal_of_the_same_size() {
    let job = "import os\n\
               print([os.isatty(fd) for fd in range(3)])\n\
               print(*os.get_terminal_size(1), *os.get_terminal_size(2))\n\
               print(os.tcgetpgrp(0) == os.getpgrp())\n\
               os.write(2, b'a\\rb\\x1b[1mc\\x1b[0m\\n')\n";
    let shown = at_terminal("[]", job);
    assert_eq!(
        shown,
        "[True, True, True]\n77 33 77 33\nTrue\na\rb\x1b[1mc\x1b[0m\n[ended 0, terminal back]\n"
    );
}

#[test]
fn the_size_follows_the_window() {
    let job = "import os, signal\n\
               signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])\n\
               print('ready', flush=True)\n\
               while os.get_terminal_size(1).columns != 99: signal.sigwait([signal.SIGWINCH])\n\
               print(*os.get_terminal_size(1))\n";
    let shown = at_terminal(r#"[["ready", {"size": [99, 44]}]]"#, job);
    assert!(shown.contains("\n99 44\n"), "{shown}");
    assert!(shown.ends_with("[ended 0, terminal back]\n"), "{shown}");
}

#[test]
fn the_users_keys_reach_the_job() {
    let job = "import sys, time\n\
               try:\n    print('name?', flush=True); print('hello', input(), flush=True); time.sleep(100)\n\
               except KeyboardInterrupt:\n    print('interrupted'); sys.exit(7)\n";
    let shown = at_terminal(r#"[["name?", "you\n"], ["hello", "\u0003"]]"#, job);
    assert!(shown.contains("hello you\n"), "{shown}");
    assert!(shown.contains("interrupted\n"), "{shown}");
    assert!(shown.ends_with("[ended 1792, terminal back]\n"), "{shown}");
}

#[test]
fn a_stopped_job_goes_on_in_the_foreground() {
    let job = "print('ready', flush=True); print('hello', input())";
    let script = r#"[["ready", "\u001a"], ["[stopped]", "fg\n"], ["[continued]", "you\n"]]"#;
    let shown = at_terminal(script, job);
    assert!(shown.contains("[stopped]\n"), "{shown}");
    assert!(
        shown.contains("hello you\n[ended 0, terminal back]\n"),
        "{shown}"
    );
}

/// Others share the user's keys with us, as a pager does: they keep them until
/// the job asks for them.
#[test]
fn in_a_pipeline_the_job_gets_the_keys_when_it_asks() {
    let job = "import os, time\n\
               print(os.tcgetpgrp(0) == os.getpgrp(), flush=True)\n\
               print('hello', input(), os.tcgetpgrp(0) == os.getpgrp(), flush=True)\n\
               time.sleep(100)";
    let script = r#"[["False", "you\n"], ["True", "\u0003"]]"#;
    let pipeline = "\"$0\" exec --quiet -- python3 -c \"$1\" | cat; echo over";
    let shown = shown(script, &["sh", "-c", pipeline, BINARY, job]);
    assert!(shown.contains("hello you True\n"), "{shown}");
    assert!(
        shown.ends_with("over\n[ended 0, terminal back]\n"),
        "{shown}"
    );
}

#[test]
fn ctrl_c_and_ctrl_z_reach_a_job_without_the_keys() {
    let job = "import time; print('ready', flush=True); time.sleep(100)";
    let script = r#"[["ready", "\u001a"], ["[stopped]", "fg\n"], ["[continued]", "\u0003"]]"#;
    let pipeline = "\"$0\" exec --quiet -- python3 -c \"$1\" 2> /dev/null | cat";
    let shown = shown(script, &["sh", "-c", pipeline, BINARY, job]);
    assert!(shown.contains("[stopped]\n"), "{shown}");
    assert!(shown.contains("terminal back]\n"), "{shown}");
}

#[test]
fn without_a_terminal_one_can_be_asked_for() {
    let place = Place::new();
    let job = "import os; print(os.isatty(1), os.isatty(2))";
    let output = ends_with(0, place.exec("--quiet --tty", &["python3", "-c", job]));
    assert_eq!(text(&output.stdout), "True True\n");
}
