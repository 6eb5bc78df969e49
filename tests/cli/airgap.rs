//! The air gap: nothing gets out, whoever tries.

// A test that was skipped must be seen to have been.
#![allow(clippy::print_stdout)]
#![cfg(target_os = "linux")]

use std::process::Command;

use runwatch::exit;

use crate::server::Server;
use crate::streams::NAN;
use crate::support::Test;

#[allow(clippy::print_stderr)]
fn skipped(program: &str) {
    eprintln!("skipped: there is no {program}");
}

/// Every call about the network that the kernel let pass. The ends of a
/// `socketpair` know only each other.
fn let_pass(trace: &str) -> Vec<&str> {
    let call = |line: &&str| line.contains('(') && line.contains(") = ");
    let passed = trace
        .lines()
        .filter(call)
        .filter(|line| !line.contains(") = -1 "));
    passed
        .filter(|line| !line.contains(" socketpair(AF_UNIX, "))
        .collect()
}

#[test]
fn the_kernel_sees_no_socket() {
    if Command::new("strace").arg("-V").output().is_err() {
        skipped("strace");
        return;
    }
    let note = "[sinks.note]\ntype = \"file\"\npath = \"note.jsonl\"\n";
    let output = Test::new("--air-gapped --run r")
        .file("runwatch.toml", note)
        .stdin(NAN)
        .stdout(NAN)
        .any_stderr()
        .run_in_shell("exec strace -f -qq -e trace=network -o trace \"$0\" \"$@\"");
    let path = output.folder.path();
    assert!(path.join("note.jsonl").exists(), "{}", output.stderr);
    let trace = std::fs::read_to_string(path.join("trace")).unwrap();
    assert_eq!(let_pass(&trace), Vec::<&str>::new());
}

/// What the test above relies on.
#[test]
fn a_call_that_succeeds_is_found() {
    let trace = "12 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3\n\
                 12 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = -1 EPERM (Operation not permitted)\n\
                 12 socketpair(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0, [33, 34]) = 0\n\
                 12 +++ exited with 0 +++\n";
    assert_eq!(let_pass(trace).len(), 1);
}

const NTFY: &str = "[sinks.phone]\ntype = \"ntfy\"\ntopic = \"env:TOPIC\"\n";

#[test]
fn a_sink_on_the_network_is_refused() {
    let refused = "error: runwatch.toml:1:8: the sink `phone` uses the network\n\
                   hint: leave out --air-gapped, or switch the sink off with `enabled = false`\n";
    let passes = "runwatch: not watching; the output passes through unchanged\n";
    Test::new("--air-gapped -q")
        .file("runwatch.toml", NTFY)
        .env("TOPIC", "a-topic-of-mine")
        .stdin(NAN)
        .stdout(NAN)
        .stderr(format!("{refused}{passes}"))
        .code(exit::USAGE)
        .run();
    for command in ["--follow train.log", "sink test phone"] {
        Test::new(command)
            .arguments("--air-gapped")
            .file("runwatch.toml", NTFY)
            .file("train.log", NAN)
            .env("TOPIC", "a-topic-of-mine")
            .any_stderr()
            .code(exit::USAGE)
            .run();
    }
    let off = format!("{NTFY}enabled = false\n");
    Test::new("--air-gapped -q --plain")
        .file("runwatch.toml", off)
        .stdin(NAN)
        .stdout(NAN)
        .any_stderr()
        .run();
}

/// bash opens connections of its own.
#[test]
fn a_command_behind_it_reaches_nobody() {
    if Command::new("bash").arg("--version").output().is_err() {
        skipped("bash");
        return;
    }
    let server = Server::content();
    let script = format!(
        "[sinks.call]\ntype = \"exec\"\ncommand = [\"bash\", \"-c\", \
         \"exec 3<>/dev/tcp/127.0.0.1/{} && printf 'GET /here HTTP/1.1\\r\\n\\r\\n' >&3\"]\n",
        server.port
    );
    let watch = |flags: &str, code: u8| {
        Test::new(flags)
            .arguments("-q --plain")
            .file("runwatch.toml", script.replace("\\r\\n", "\\\\r\\\\n"))
            .env("PATH", &std::env::var("PATH").unwrap())
            .stdin(NAN)
            .stdout(NAN)
            .any_stderr()
            .code(code)
            .run()
    };
    watch("", exit::OK);
    assert!(server.next().starts_with("GET /here"));
    let output = watch("--air-gapped", exit::DELIVERY);
    assert_eq!(server.unheard(), Vec::<String>::new());
    assert!(
        output.stderr.contains("Operation not permitted"),
        "{}",
        output.stderr
    );
}
