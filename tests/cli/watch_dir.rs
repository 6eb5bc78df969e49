//! `runwatch watch`: the folder of a job, on files as the NSA trainer writes
//! them. Its own watchdog had seven defects; each has a test here.

use std::fs;
use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use runwatch::exit;

use crate::support::{Session, Test};

/// A silence of a second is reported, and critical a second later.
const QUICK: &str = "--set heartbeat.silence=1 --set heartbeat.grace=1 --set heartbeat.critical-after=1 \
     --set heartbeat.interval-factor=0 --set heartbeat.longest-factor=0";

/// A test that looks often, and its folder.
fn watch(arguments: &str) -> (Test, PathBuf) {
    let test = Test::new("watch --plain --interval 0.02").arguments(arguments);
    let folder = test.folder().to_owned();
    (test, folder)
}

/// The same with the folder `job`.
fn job(arguments: &str) -> (Test, PathBuf) {
    let (test, folder) = watch(arguments);
    let folder = folder.join("job");
    fs::create_dir(&folder).unwrap();
    (test.arguments("job"), folder)
}

fn now() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs_f64()
}

/// A heartbeat of rank 0, now. A process of this number is nowhere.
fn beat(step: i64, msg: &str, more: &str) -> String {
    beat_of(0, now(), step, msg, more)
}

fn beat_of(rank: u32, time: f64, step: i64, msg: &str, more: &str) -> String {
    format!(
        "{{\"ts\": {time:.3}, \"iso\": \"2026-01-31T12:00:00Z\", \"pid\": 4294967295, \"rank\": {rank}, \
         \"step\": {step}, \"msg\": \"{msg}\"{more}}}\n"
    )
}

fn healthy(step: i64) -> String {
    let more = format!(
        ", \"loss\": {}, \"toks_per_s\": 1245, \"grad_norm\": 1.5, \"gate_entropy_mean\": 0.9",
        5.0 - step as f64 * 0.01
    );
    beat(step, "progress", &more) + &beat(step, "step_end", ", \"phase\": \"end\"")
}

fn append(path: &Path, text: &str) {
    let mut options = fs::OpenOptions::new();
    let mut file = options.create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Ends a watch, and gives what it said since it was last listened to.
#[cfg(unix)]
fn end(session: Session) -> String {
    session.signal("INT");
    let (status, stdout, stderr) = session.wait();
    let code = Some(i32::from(exit::INTERRUPTED));
    assert_eq!(status.code(), code, "{stderr}");
    assert_eq!(stdout, "");
    stderr
}

#[test]
#[cfg(unix)]
fn nsa_defect_1_stall_gates_and_gradients_are_found_in_real_files() {
    let (test, folder) = job(&format!("--preset nsa {QUICK}"));
    let file = folder.join("heartbeat_rank0.jsonl");
    append(&file, &(0..20).map(healthy).collect::<String>());
    let mut session = test.start();
    session.await_stderr("following job/heartbeat_rank0.jsonl: run job, rank 0");
    for step in 20..23 {
        append(
            &file,
            &beat(step, "progress", ", \"gate_entropy_mean\": 0.1"),
        );
    }
    let alert = session.await_stderr("CRITICAL gate-collapse");
    assert!(alert.contains("run=default/job step=22"), "{alert}");
    append(&file, &beat(23, "progress", ", \"grad_norm\": 0.0"));
    session.await_stderr("WARNING grad-norm");
    session.await_stderr("WARNING heartbeat");
    session.await_stderr("CRITICAL heartbeat");
    end(session);
}

#[test]
#[cfg(unix)]
fn nsa_defect_2_what_stands_before_the_last_line_counts() {
    let (test, folder) = job("--preset nsa");
    let file = folder.join("heartbeat_rank0.jsonl");
    append(&file, &(0..20).map(healthy).collect::<String>());
    let mut session = test.start();
    session.await_stderr("following");
    // All of it is there at one look, and `step_end` is the last line.
    let collapsed = ", \"gate_max_gate\": 0.99, \"grad_norm\": 0";
    let rows = (20..23)
        .map(|step| beat(step, "progress", collapsed) + &beat(step, "step_end", ""))
        .collect::<String>();
    append(&file, &rows);
    let mut found = [session.await_stderr("step="), session.await_stderr("step=")];
    found.sort();
    assert!(found[0].starts_with("CRITICAL gate-collapse"), "{found:?}");
    assert!(found[1].starts_with("WARNING grad-norm"), "{found:?}");
    end(session);
}

#[test]
#[cfg(unix)]
fn nsa_defect_3_a_dump_is_no_sign_of_life() {
    let (test, folder) = job(QUICK);
    let file = folder.join("heartbeat_rank0.jsonl");
    append(&file, &(0..20).map(healthy).collect::<String>());
    let mut session = test.start();
    session.await_stderr("following");
    append(&file, &healthy(20));
    // As the trainer's own thread does while the trainer hangs.
    let (stop, stopped) = channel::<()>();
    let dumps = std::thread::spawn(move || {
        let pace = Duration::from_millis(100);
        while stopped.recv_timeout(pace) == Err(RecvTimeoutError::Timeout) {
            append(&file, &beat(20, "watchdog_dump", ", \"path\": \"x.txt\""));
        }
    });
    session.await_stderr("WARNING heartbeat");
    session.await_stderr("CRITICAL heartbeat");
    drop(stop);
    dumps.join().unwrap();
    end(session);
}

#[test]
fn nsa_defect_4_wrong_types_are_never_fatal() {
    let mut rows: String = (0..5).map(healthy).collect();
    for wrong in [
        "null",
        "\"x\"",
        "[1, null]",
        "{\"a\": [2]}",
        "true",
        "1e999",
    ] {
        for field in [
            "gate_collapse_frac",
            "gate_entropy_mean",
            "pid",
            "rank",
            "iso",
            "ts",
        ] {
            rows.push_str(&format!(
                "{{\"step\": 5, \"{field}\": {wrong}, \"loss\": 4.5}}\n"
            ));
        }
        rows.push_str(&format!(
            "{{\"ts\": 1.7e9, \"step\": {wrong}, \"msg\": 7}}\n"
        ));
    }
    rows.push_str("{\"gate_collapse_frac\": null}\n{\"gate_collapse_frac\": 0.1}\n");
    rows.push_str("{\"step\": 6, \"loss\": 4.5,, \"pid\": 7}\n\u{0}\u{1}{}\n[]\n");
    rows.push_str("{\"step\": 7, \"gate_collapse_frac\": null, \"loss\": NaN}\n");
    let (test, folder) = watch("--once job");
    let output = test
        .file("job/heartbeat_rank0.jsonl", rows)
        .any_stderr()
        .run();
    drop(folder);
    let stderr = &output.stderr;
    assert!(
        stderr.contains("CRITICAL non-finite run=default/job step=7"),
        "{stderr}"
    );
    assert!(stderr.contains("1 malformed"), "{stderr}");
}

#[test]
#[cfg(unix)]
fn nsa_defect_5_an_old_heartbeat_is_no_stall() {
    let (test, folder) = watch(&format!("{QUICK} old fresh"));
    for name in ["old", "fresh"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    let began = now() - 3.0 * 3600.0;
    let old =
        |rank: u32| (0..100).map(move |step| beat_of(rank, began + step as f64, step, "beat", ""));
    for rank in 0..2 {
        let file = format!("old/heartbeat_rank{rank}.jsonl");
        append(&folder.join(file), &old(rank).collect::<String>());
    }
    append(&folder.join("old/.HALT"), "halt: heartbeat_stall\n");
    let mut session = test.start();
    let line = session.await_stderr("the last record is from 3 h ago");
    assert_eq!(
        line,
        "runwatch: old: the last record is from 3 h ago; waiting for more, Ctrl-C ends"
    );
    // The one that has not written anything tells the time.
    let alert = session.await_stderr(" heartbeat ");
    assert!(
        alert.starts_with("WARNING heartbeat run=default/fresh"),
        "{alert}"
    );
    // The fresh start goes on with the run, and is watched from its first record.
    append(
        &folder.join("old/heartbeat_rank0.jsonl"),
        &beat(100, "beat", ""),
    );
    append(
        &folder.join("fresh/heartbeat.jsonl"),
        "{\"step\": 1, \"loss\": 2.5}\n",
    );
    session.await_stderr("RESOLVED heartbeat run=default/fresh");
    session.await_stderr("CRITICAL heartbeat run=default/old");
    end(session);
}

#[test]
#[cfg(unix)]
fn nsa_defect_6_no_heartbeat_at_all_is_an_alert() {
    // Not even the folder is there.
    let (test, folder) = watch(&format!("{QUICK} job"));
    let mut session = test.start();
    session.await_stderr("waiting for `job` to appear");
    let alert = session.await_stderr("WARNING heartbeat run=default/job");
    let text = "Nothing has come since the watch began";
    assert!(alert.contains(text), "{alert}");
    // What comes later is found, and the silence after it is one.
    fs::create_dir(folder.join("job")).unwrap();
    append(
        &folder.join("job/heartbeat.jsonl"),
        "{\"ts\": 1.7e9, \"step\": 1, \"msg\": \"beat\"}\n",
    );
    let over = session.await_stderr("RESOLVED heartbeat run=default/job");
    assert!(over.contains("The run is heard"), "{over}");
    session.await_stderr("No sign of life");
    end(session);
}

#[test]
#[cfg(unix)]
fn nsa_defect_6_records_that_name_their_run_are_what_was_expected() {
    let (test, folder) = job(&format!("{QUICK} other"));
    append(
        &folder.join("a.jsonl"),
        "{\"run\": \"mine\", \"step\": 1, \"loss\": 2.5}\n",
    );
    let mut session = test.start();
    // Nothing is said of `job`, for which this one was waited for as well.
    let mut alerts = [(); 2].map(|()| session.await_stderr("WARNING heartbeat"));
    alerts.sort();
    assert!(alerts[0].contains("run=default/mine"), "{alerts:?}");
    assert!(alerts[1].contains("run=default/other"), "{alerts:?}");
    let rest = end(session);
    assert!(!rest.contains("default/job"), "{rest}");
}

#[test]
#[cfg(unix)]
fn nsa_defect_6_long_records_and_numbers_that_are_none() {
    let (test, folder) = job("");
    let file = folder.join("heartbeat_rank0.jsonl");
    append(&file, &(0..5).map(healthy).collect::<String>());
    let mut session = test.start();
    session.await_stderr("following");
    let padding = format!(", \"gate_branch_shares\": [{}0.5]", "0.25, ".repeat(2000));
    let long = beat(5, "progress", &(padding + ", \"loss\": NaN"));
    assert!(long.len() > 8192);
    // A part of it waits for the rest.
    let (begin, rest) = long.split_at(5000);
    append(&file, begin);
    append(
        &folder.join("training.csv"),
        "5,4.900000,1.000000e-04,1245\n",
    );
    session.await_stderr("following job/training.csv");
    append(&file, rest);
    let alert = session.await_stderr("CRITICAL non-finite");
    assert!(
        alert.contains("step=5") && alert.contains("loss"),
        "{alert}"
    );
    append(
        &file,
        &beat(6, "progress", ", \"loss\": 4.5, \"grad_norm\": Infinity"),
    );
    let alert = session.await_stderr("grad_norm");
    assert!(alert.contains(" non-finite "), "{alert}");
    end(session);
}

#[test]
#[cfg(unix)]
fn nsa_defect_6_a_row_counts_once_however_often_it_is_looked_at() {
    let (test, folder) = job(&format!("--set throughput.rows=2 {QUICK}"));
    let file = folder.join("training.csv");
    let row = |step: u32, speed: u32| format!("{step},4.500000,1.000000e-04,{speed}\n");
    append(
        &file,
        &(0..20).map(|step| row(step, 1245)).collect::<String>(),
    );
    let mut session = test.start();
    session.await_stderr("following");
    append(&file, &row(20, 0));
    // Some fifty looks later.
    let first = session.await_stderr("run=default/job");
    assert!(first.starts_with("WARNING heartbeat"), "{first}");
    append(&file, &row(21, 0));
    let alert = session.await_stderr("throughput");
    assert!(alert.contains("0 for 2 reports"), "{alert}");
    end(session);
}

#[test]
#[cfg(unix)]
fn nsa_defect_6_a_long_file_is_read_once() {
    let (test, folder) = job("");
    let file = folder.join("training.csv");
    let row = |step: u32| format!("{step},4.500000,1.000000e-04,1245\n");
    append(&file, &(0..100_000).map(row).collect::<String>());
    let mut session = test.start();
    session.await_stderr("following");
    append(&file, "100000,nan,1.000000e-04,1245\n");
    session.await_stderr("CRITICAL non-finite");
    append(&file, &row(100_001));
    session.await_stderr("RESOLVED non-finite");
    let stderr = end(session);
    let once = "job/training.csv: 100,002 records in 100,002 lines";
    assert!(stderr.contains(once), "{stderr}");
}

#[test]
#[cfg(unix)]
fn nsa_defect_7_every_rank_is_watched() {
    let (test, folder) = job("--set heartbeat.silence=30 --set heartbeat.grace=30 \
         --set heartbeat.interval-factor=0 --set heartbeat.longest-factor=0");
    let began = now() - 40.0;
    let write = |rank: u32, steps: Range<i64>| {
        let beats = steps.map(|step| beat_of(rank, began + step as f64, step, "beat", ""));
        let file = folder.join(format!("heartbeat_rank{rank}.jsonl"));
        append(&file, &beats.collect::<String>());
    };
    (0..4).for_each(|rank| write(rank, 0..40));
    let mut session = test.start();
    session.await_stderr("following job/heartbeat_rank3.jsonl: run job, rank 3");
    // Rank 2 has stopped, and the others go on. Rank 0 is read first: when its
    // last record has been seen, so have those of the others, or soon will be.
    [3, 1, 0].iter().for_each(|&rank| write(rank, 40..60));
    let nan = beat_of(0, began + 60.0, 60, "progress", ", \"loss\": NaN");
    append(&folder.join("heartbeat_rank0.jsonl"), &nan);
    session.await_stderr("CRITICAL non-finite");
    [3, 1, 0].iter().for_each(|&rank| write(rank, 61..80));
    // On a busy machine another rank may be read so late that it is named, too.
    session.await_stderr("No sign of life from rank");
    end(session);
}

#[test]
fn everything_in_a_folder_is_one_run_and_what_is_no_log_is_left_out() {
    let header = "step,k_mean,k_max,rows,pct_at_max\n1,8.0,16,100,0.1\n";
    let output = Test::new("watch --once --plain job")
        .file("job/heartbeat_rank0.jsonl", healthy(1))
        .file("job/training.csv", "1,9.125000,1.000000e-04,1245\n")
        .file("job/val.csv", "step,val_loss,ppl\n1,2.5,12.2\n")
        .file("job/k_stats.csv", header)
        .file("job/stackdump_1700000000.txt", "loss=nan step=1\n")
        .file(
            "job/gate_collapse_details.json",
            "{\"gate_entropy_mean\": 0.1, \"loss\": NaN}\n",
        )
        .file("job/.HALT", "halt: nan_loss\n")
        .file("job/sub/train.log", "step 1 | loss 2.5\n")
        .any_stderr()
        .run();
    let stderr = output.stderr;
    let followed: Vec<&str> = stderr
        .lines()
        .filter_map(|line| line.strip_prefix("runwatch: following job/"))
        .collect();
    let expected = [
        "heartbeat_rank0.jsonl: run job, rank 0",
        "k_stats.csv: run job",
        "sub/train.log: run sub",
        "training.csv: run job",
        "val.csv: run job",
    ];
    assert_eq!(followed, expected, "{stderr}");
    assert!(stderr.ends_with("runwatch: 0 alerts\n"), "{stderr}");
}

#[test]
fn a_file_is_no_folder() {
    let output = Test::new("watch train.log")
        .file("train.log", "")
        .any_stderr()
        .code(exit::USAGE)
        .run();
    let hint = "`runwatch --follow train.log` watches a file";
    assert!(output.stderr.contains(hint), "{}", output.stderr);
}

#[test]
#[cfg(unix)]
fn a_piped_job_that_says_nothing_is_an_alert_too() {
    let mut session = Test::new("--plain").arguments(QUICK).start();
    session.write("Loading the model\n");
    session.await_stderr("Nothing has come since the watch began");
    session.write("{\"step\": 1, \"loss\": 2.5}\n");
    session.await_stderr("RESOLVED heartbeat");
    session.end();
}
