//! Where logs come from: folders, patterns, compressed files, archives, ranks.

use std::io::Write as _;

use runwatch::exit;

use crate::streams::{NAN, healthy, json};
use crate::support::{Output, Test, fields};

fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    to.write_all(bytes.as_ref()).unwrap();
    to.finish().unwrap()
}

fn bzip2(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut to = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    to.write_all(bytes.as_ref()).unwrap();
    to.finish().unwrap()
}

fn zstd(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    compress_to_vec(bytes.as_ref(), CompressionLevel::Fastest)
}

fn xz(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut to = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    to.write_all(bytes.as_ref()).unwrap();
    to.finish().unwrap()
}

fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, content.as_bytes())
            .unwrap();
    }
    tar.into_inner().unwrap()
}

/// Run, rank and location of each alert.
fn places(output: &Output) -> Vec<String> {
    fields(&output.alerts(), &["run", "rank", "location"])
}

#[test]
fn a_folder_is_walked_in_order() {
    let output = Test::new("review --json logs")
        .file("logs/b.log", NAN)
        .file("logs/a/train.jsonl", NAN)
        .file("logs/a/.hidden.log", NAN)
        .file("logs/model.safetensors", NAN)
        .any_stdout()
        .stderr(
            "runwatch: logs/a/train.jsonl: 3 records in 3 lines\n\
             runwatch: logs/b.log: 3 records in 3 lines\n\
             runwatch: 2 files left out: hidden, or no log by the name\n\
             runwatch: 2 alerts: 2 criticals\n",
        )
        .run();
    assert_eq!(
        places(&output),
        [
            r#"train null {"input":"logs/a/train.jsonl","line":3}"#,
            r#"b null {"input":"logs/b.log","line":3}"#
        ]
    );
}

#[test]
fn a_pattern_is_expanded_and_equal_stems_are_told_apart() {
    let output = Test::new("review --json -q */train.log")
        .file("x/train.log", NAN)
        .file("y/train.log", NAN)
        .any_stdout()
        .run();
    assert_eq!(
        places(&output),
        [
            r#"x/train null {"input":"x/train.log","line":3}"#,
            r#"y/train null {"input":"y/train.log","line":3}"#
        ]
    );
}

#[test]
fn what_is_missing_is_said_and_the_others_are_read() {
    let output = Test::new("review --plain missing.log *.jsonl empty train.log")
        .file("train.log", NAN)
        .file("empty/code.py", "")
        .any_stdout()
        .stderr(
            "error: no file matches `*.jsonl`\n\
             error: there is no log in the folder `empty`\n\
             error: cannot open `missing.log`: No such file or directory (os error 2)\n\
             runwatch: train.log: 3 records in 3 lines\n\
             runwatch: 1 file left out: hidden, or no log by the name\n\
             runwatch: 1 alert: 1 critical\n",
        )
        .code(exit::INPUT)
        .run();
    assert!(output.text().starts_with("CRITICAL non-finite"));
}

#[test]
fn compressed_logs_are_read_by_their_content() {
    for packed in [gzip(NAN), zstd(NAN), xz(NAN), bzip2(NAN)] {
        let output = Test::new("review --json train.log")
            .file("train.log", packed)
            .any_stdout()
            .stderr("runwatch: train.log: 3 records in 3 lines\nrunwatch: 1 alert: 1 critical\n")
            .run();
        let expected = r#"train null {"input":"train.log","line":3}"#;
        assert_eq!(places(&output), [expected]);
    }
}

#[test]
fn standard_input_may_be_compressed_too() {
    Test::new("review --plain -")
        .stdin(zstd(NAN))
        .any_stdout()
        .stderr("runwatch: stdin: 3 records in 3 lines\nrunwatch: 1 alert: 1 critical\n")
        .run();
}

#[test]
fn the_members_of_an_archive_are_inputs() {
    let files = [
        ("run/rank0.log", NAN),
        ("run/rank1.log", NAN),
        ("other/train.log", NAN),
        ("other/weights.pt", NAN),
    ];
    for packed in [tar(&files), gzip(tar(&files)), xz(tar(&files))] {
        let output = Test::new("review --json logs.tgz")
            .file("logs.tgz", packed)
            .any_stdout()
            .any_stderr()
            .run();
        assert_eq!(
            places(&output),
            [
                r#"run 0 {"input":"logs.tgz/run/rank0.log","line":3}"#,
                r#"train null {"input":"logs.tgz/other/train.log","line":3}"#,
            ],
            "{}",
            output.stderr
        );
        assert!(output.stderr.contains("1 file left out"));
    }
}

#[test]
fn the_runs_of_an_archive_are_bounded() {
    let names: Vec<String> = (0..20).map(|n| format!("{n:02}.log")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (&**name, NAN)).collect();
    let output = Test::new("review --json many.tar")
        .file("many.tar", tar(&files))
        .file("runwatch.toml", "[decode]\nmax-runs = 5\n")
        .any_stdout()
        .any_stderr()
        .run();
    assert!(output.alerts().len() <= 5);
    let refused = "many.tar/19.log: 0 records in 3 lines, 3 records beyond max-runs left out";
    assert!(output.stderr.contains(refused), "{}", output.stderr);
}

#[test]
fn members_stay_below_their_archive() {
    // Some programs write names such as these.
    let mut packed = tar(&[("x/train.log", NAN), ("yyy/eval.log", NAN)]);
    rename(&mut packed, "x/train.log", "/train.log");
    rename(&mut packed, "yyy/eval.log", "../eval.log");
    let output = Test::new("review --json -q -")
        .stdin(packed)
        .any_stdout()
        .run();
    assert_eq!(
        places(&output),
        [
            r#"train null {"input":"stdin/train.log","line":3}"#,
            r#"eval null {"input":"stdin/eval.log","line":3}"#,
        ]
    );
}

/// Changes a name in the headers of an archive, which the library would not write.
fn rename(packed: &mut [u8], from: &str, to: &str) {
    let start = packed
        .windows(from.len())
        .position(|window| window == from.as_bytes())
        .unwrap();
    let header = &mut packed[start..start + 512];
    header[..from.len()].fill(0);
    header[..to.len()].copy_from_slice(to.as_bytes());
    let mut header = tar::Header::from_byte_slice(header).clone();
    header.set_cksum();
    packed[start..start + 512].copy_from_slice(header.as_bytes());
}

#[test]
fn what_is_left_of_a_truncated_file_is_read() {
    let log = NAN.to_owned() + &json(&healthy(30_000));
    let packed = gzip(&log);
    let output = Test::new("review --json cut.log.gz whole.log")
        .file("cut.log.gz", &packed[..packed.len() / 2])
        .file("whole.log", NAN)
        .any_stdout()
        .any_stderr()
        .code(exit::INPUT)
        .run();
    let places = places(&output);
    let place = |run: &str, input: &str| format!(r#"{run} null {{"input":"{input}","line":3}}"#);
    assert_eq!(places.first(), Some(&place("cut", "cut.log.gz")));
    assert_eq!(places.last(), Some(&place("whole", "whole.log")));
    let error = output
        .stderr
        .lines()
        .find(|line| line.starts_with("error:"))
        .unwrap();
    assert!(
        error.starts_with("error: cannot read `cut.log.gz` after line 1"),
        "{error}"
    );
}

#[test]
fn half_a_line_is_no_record() {
    let packed = tar(&[("train.log", "step=1 loss=2.5\nstep=2 loss=25\n")]);
    // The header, and all but the last digit and the line feed.
    let output = Test::new("review --json train.tar")
        .file("train.tar", &packed[..512 + 29])
        .any_stderr()
        .code(exit::INPUT)
        .run();
    assert_eq!(
        output.stderr,
        "runwatch: train.tar/train.log: 1 record in 1 line\n\
         error: cannot read `train.tar/train.log` after line 1: unexpected end of file\n\
         runwatch: 0 alerts\n"
    );
}

#[test]
fn files_of_ranks_are_one_run() {
    let output = Test::new("review --json -q ranks")
        .file("ranks/heartbeat_rank0.jsonl", json(&healthy(100)))
        .file("ranks/heartbeat_rank1.jsonl", NAN)
        .any_stdout()
        .run();
    assert_eq!(
        places(&output),
        [r#"heartbeat 1 {"input":"ranks/heartbeat_rank1.jsonl","line":3}"#]
    );
}

#[test]
fn a_record_knows_its_rank_better_than_its_path() {
    let log = NAN.replace("{\"step\"", "{\"rank\": 7, \"step\"");
    let output = Test::new("review --json -q rank0.log")
        .file("rank0.log", log)
        .any_stdout()
        .run();
    let expected = r#"default 7 {"input":"rank0.log","line":3}"#;
    assert_eq!(places(&output), [expected]);
}

#[test]
fn patterns_of_paths_name_runs_and_ranks() {
    let output = Test::new("review --json -q exp")
        .file(
            "runwatch.toml",
            "[input]\npaths = ['exp/(?<run>[^/]+)/.*worker(?<rank>\\d+)']\n",
        )
        .file(
            "exp/lr3/log/worker2.jsonl",
            "{\"step\": 1, \"loss\": 2}\n{\"step\": 2, \"loss\": NaN}\n",
        )
        .any_stdout()
        .run();
    let alert = &output.alerts()[0];
    assert_eq!((&alert["run"], &alert["rank"]), (&"lr3".into(), &2.into()));
    Test::new("review --json -q exp")
        .file("runwatch.toml", "[input]\npaths = ['exp/(?<run']\n")
        .stderr(
            "error: runwatch.toml:2:9: `paths` must be a list of regular expressions such as \
             ['runs/(?<run>[^/]+)/'], not a list\n",
        )
        .code(runwatch::exit::USAGE)
        .run();
}
