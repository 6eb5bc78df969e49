//! Input that nobody should write, and files that cannot be read.

use std::fmt::Write as _;
use std::io::Write as _;

use runwatch::exit;

use crate::streams::NAN;
use crate::support::{Test, fields};

/// Reviews one file and gives what stderr says, after the exit code was 0 and
/// there was no alert.
fn quietly(content: impl AsRef<[u8]>, stderr: &str) {
    Test::new("review x.log")
        .file("x.log", content)
        .stderr(stderr)
        .run();
}

const HINT: &str = "hint: `runwatch decode --list` shows the formats that runwatch reads\n";

#[test]
fn a_missing_file() {
    Test::new("review missing.log")
        .stderr(
            "error: cannot open `missing.log`: No such file or directory (os error 2)\n\
             runwatch: 0 alerts\n",
        )
        .code(exit::INPUT)
        .run();
}

#[test]
fn the_other_files_are_read_all_the_same() {
    let output = Test::new("review --plain missing.log there.log --fail-on critical")
        .file("there.log", NAN)
        .any_stdout()
        .stderr(
            "error: cannot open `missing.log`: No such file or directory (os error 2)\n\
             runwatch: there.log: 3 records in 3 lines\n\
             runwatch: 1 alert: 1 critical\n",
        )
        .code(exit::INPUT)
        .run();
    assert!(
        output
            .text()
            .starts_with("CRITICAL non-finite run=default/there step=3")
    );
}

#[test]
fn a_folder_without_logs() {
    Test::new("review logs")
        .file("logs/x.py", NAN)
        .stderr(
            "error: there is no log in the folder `logs`\n\
             runwatch: 1 file left out: hidden, or no log by the name\n\
             runwatch: 0 alerts\n",
        )
        .code(exit::INPUT)
        .run();
}

#[test]
#[cfg(unix)]
fn no_permission() {
    use std::os::unix::fs::PermissionsExt as _;
    let test = Test::new("review --quiet x.log").file("x.log", NAN);
    let path = test.folder().join("x.log");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::File::open(&path).is_ok() {
        // The superuser may read everything.
        return;
    }
    test.stderr("error: cannot open `x.log`: Permission denied (os error 13)\n")
        .code(exit::INPUT)
        .run();
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_opens_and_does_not_read() {
    Test::new("review --quiet /proc/self/mem")
        .stderr("error: cannot read `/proc/self/mem`: Input/output error (os error 5)\n")
        .code(exit::INPUT)
        .run();
}

#[test]
fn an_empty_file() {
    quietly(
        "",
        "runwatch: x.log: 0 records in 0 lines\nrunwatch: 0 alerts\n",
    );
    quietly(
        "\n\n",
        &format!("runwatch: x.log: 0 records in 2 lines\n{HINT}runwatch: 0 alerts\n"),
    );
}

#[test]
fn bytes_that_mean_nothing() {
    let mut state = 3_u64;
    let mut bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    })
    .take(2 << 20)
    .collect();
    let output = Test::new("review x.log")
        .file("x.log", &bytes)
        .any_stderr()
        .run();
    assert!(
        output.stderr.contains("x.log: 0 records in"),
        "{}",
        output.stderr
    );
    // And in the middle of it, a line that means something.
    bytes.push(b'\n');
    bytes.extend(NAN.as_bytes());
    let output = Test::new("review -q --plain x.log")
        .file("x.log", &bytes)
        .any_stdout()
        .run();
    assert!(
        output
            .text()
            .starts_with("CRITICAL non-finite run=default/x step=3")
    );
}

#[test]
fn invalid_utf8() {
    let mut log = b"{\"step\": 1, \"loss\": 2.5, \"note\": \"\xff\xfe\"}\n".to_vec();
    log.extend(b"{\"step\": 2, \"loss\": 2.5, \"\xc3\": 1}\nstep=3 note=\xf0\x9f loss=2.5\n");
    log.extend(b"{\"step\": 4, \"loss\": NaN, \"\xc3\": NaN}\n");
    let output = Test::new("review --json x.log")
        .file("x.log", log)
        .any_stdout()
        .any_stderr()
        .run();
    let seen = fields(&output.alerts(), &["key", "step"]);
    assert_eq!(seen[0], "non-finite/loss 4", "{}", output.stderr);
}

#[test]
fn a_line_beyond_the_limit_is_cut_and_counted() {
    let long = "x".repeat(3 << 20);
    quietly(
        format!("{long}\n{{\"step\": 1, \"loss\": 2.5}}\n"),
        "runwatch: x.log: 1 record in 2 lines, 1 too long and cut\nrunwatch: 0 alerts\n",
    );
    // One that looks like a record up to the cut.
    let record = format!("{{\"step\": 1, \"loss\": 2.5, \"note\": \"{long}\"}}");
    quietly(
        format!("{record}\n{{\"step\": 2, \"loss\": 2.5}}\n{record}"),
        "runwatch: x.log: 1 record in 3 lines, 2 too long and cut\nrunwatch: 0 alerts\n",
    );
}

#[test]
fn the_limit_is_the_users() {
    Test::new("review x.log")
        .file("runwatch.toml", "[decode]\nmax-line = \"1 KiB\"\n")
        .file("x.log", "x".repeat(1025))
        .stderr(format!(
            "runwatch: x.log: 0 records in 1 line, 1 too long and cut\n{HINT}runwatch: 0 alerts\n"
        ))
        .run();
}

/// As much memory as a review of anything may take, in KiB. Of data: what is
/// merely reserved, as the sandbox does, costs nothing.
#[cfg(target_os = "linux")]
const IN_100_MIB: &str = r#"ulimit -d 102400; exec "$0" "$@""#;

#[test]
#[cfg(target_os = "linux")]
fn a_million_metrics_are_bounded() {
    let mut log = String::new();
    for line in 0..1000 {
        let _ = write!(log, "{{\"step\": {line}, \"loss\": 2.5");
        for metric in 0..1000 {
            let _ = write!(log, ", \"metric/{}\": 1", line * 1000 + metric);
        }
        log.push_str("}\n");
    }
    log.push_str("{\"step\": 1000, \"loss\": NaN}\n");
    // `step` and `loss` are among the 16,384 that are kept.
    let left_out = "983,618 fields beyond max-metrics left out";
    let output = Test::new("review --plain x.log")
        .file("x.log", log)
        .any_stdout()
        .stderr(format!(
            "runwatch: x.log: 1,001 records in 1,001 lines, {left_out}\n\
             runwatch: 2 alerts: 1 critical, 1 warning\n"
        ))
        .run_in_shell(IN_100_MIB);
    assert!(
        output
            .text()
            .contains("\nCRITICAL non-finite run=default/x step=1000 ")
    );
}

#[test]
#[cfg(target_os = "linux")]
fn very_many_runs_are_bounded() {
    let mut log = String::new();
    for run in 0..20_000 {
        let _ = writeln!(log, "{{\"run\": \"r{run}\", \"step\": 1, \"loss\": 2.5}}");
    }
    // One place is kept for records that name no run.
    Test::new("review x.log")
        .file("x.log", log)
        .stderr(
            "runwatch: x.log: 4,095 records in 20,000 lines, 15,905 records beyond max-runs left \
             out\nrunwatch: 0 alerts\n",
        )
        .run_in_shell(IN_100_MIB);
}

#[test]
fn what_is_left_out_is_counted_by_file() {
    Test::new("review a.log b.log")
        .file("runwatch.toml", "[decode]\nmax-metrics = 2\n")
        .file("a.log", "{\"step\": 1, \"loss\": 2.5, \"x\": 1}\n")
        .file("b.log", "{\"step\": 1, \"loss\": 2.5}\n")
        .stderr(
            "runwatch: a.log: 1 record in 1 line, 1 fields beyond max-metrics left out\n\
             runwatch: b.log: 1 record in 1 line\n\
             runwatch: 0 alerts\n",
        )
        .run();
}

#[test]
fn numbers_beyond_a_double_are_infinite() {
    for (number, shown) in [("1e400", "+Infinity"), ("-1e400", "-Infinity")] {
        let output = Test::new("review --json -q x.log")
            .file("x.log", NAN.replace("NaN", number))
            .any_stdout()
            .run();
        assert_eq!(output.alerts()[0]["title"], format!("loss is {shown}"));
    }
}

#[test]
fn odd_numbers_are_numbers() {
    let digits = "9".repeat(400);
    let log = format!(
        "{{\"step\": 1, \"loss\": 1e-400, \"x\": 123456789012345678901234567890}}\n\
         {{\"step\": 2, \"loss\": 0.{digits}}}\n\
         {{\"step\": 1e300, \"loss\": 2}}\n\
         {{\"step\": -5, \"loss\": -0.0}}\n\
         {{\"step\": 99999999999999999999, \"loss\": 5e-324}}\n"
    );
    quietly(
        log,
        "runwatch: x.log: 5 records in 5 lines\nrunwatch: 0 alerts\n",
    );
}

#[test]
fn deep_json_is_skipped_and_counted() {
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    let output = Test::new("review --plain x.log")
        .file(
            "x.log",
            format!("{{\"step\": 1, \"loss\": 2, \"x\": {open}{close}}}\n{NAN}"),
        )
        .any_stdout()
        .any_stderr()
        .run();
    assert!(
        output.stderr.starts_with(
            "runwatch: x.log: 3 records in 4 lines, 1 malformed and skipped\n\
        runwatch: x.log:1: looks like a JSON object but "
        ),
        "{}",
        output.stderr
    );
    assert!(
        output
            .text()
            .starts_with("CRITICAL non-finite run=default/x step=3 ")
    );
}

#[test]
fn a_cut_record_is_skipped_and_counted() {
    let output = Test::new("review x.log")
        .file(
            "x.log",
            "{\"step\": 1, \"loss\": 2.5, \"x\": }\n{\"step\": 2, \"loss\": 2.5}\n",
        )
        .any_stderr()
        .run();
    let expected = "runwatch: x.log: 1 record in 2 lines, 1 malformed and skipped\n\
                    runwatch: x.log:1: looks like a JSON object but ";
    assert!(output.stderr.starts_with(expected), "{}", output.stderr);
}

#[test]
fn a_log_cannot_drive_the_terminal() {
    let log = NAN.replace(
        "\"step\"",
        "\"run\": \"\\u001b[2Jx\\nCRITICAL y\", \"step\"",
    );
    for form in ["", "--plain"] {
        let output = Test::new("review x.log -q")
            .arguments(form)
            .file("x.log", &log)
            .any_stdout()
            .run();
        assert!(!output.text().contains('\x1b'), "{}", output.text());
        assert!(!output.text().contains("\nCRITICAL y"), "{}", output.text());
    }
}

/// Writes as much as it is told without ever having it in memory.
#[test]
#[ignore = "writes and reads a gigabyte"]
#[cfg(target_os = "linux")]
fn a_gigabyte_without_a_newline() {
    let test = Test::new("review x.log");
    let mut file = std::fs::File::create(test.folder().join("x.log")).unwrap();
    let block = vec![b'x'; 1 << 20];
    for _ in 0..1024 {
        file.write_all(&block).unwrap();
    }
    test.stderr(format!(
        "runwatch: x.log: 0 records in 1 line, 1 too long and cut\n{HINT}runwatch: 0 alerts\n"
    ))
    .run_in_shell(IN_100_MIB);
}

#[test]
#[cfg(target_os = "linux")]
fn a_long_line_passes_in_bounded_memory() {
    let long = vec![b'x'; 32 << 20];
    Test::new("--quiet")
        .stdin(long.clone())
        .stdout(long)
        .run_in_shell(IN_100_MIB);
}
