//! `runwatch --follow`: files as they grow.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use runwatch::exit;

use crate::streams::NAN;
use crate::support::{Session, Test};

/// A test that looks often, and the folder that it has.
fn follow(arguments: &str) -> (Test, PathBuf) {
    let test = Test::new("--plain --interval 0.02").arguments(arguments);
    let folder = test.folder().to_owned();
    (test, folder)
}

fn append(path: &Path, text: &str) {
    let mut options = fs::OpenOptions::new();
    let mut file = options.create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[cfg(unix)]
fn end(session: Session) -> String {
    session.signal("INT");
    let (status, stdout, stderr) = session.wait();
    assert_eq!(
        status.code(),
        Some(i32::from(exit::INTERRUPTED)),
        "{stderr}"
    );
    assert_eq!(stdout, "");
    stderr
}

#[test]
#[cfg(unix)]
fn a_file_that_appears_and_grows() {
    let (test, folder) = follow("--follow train.log");
    let mut session = test.start();
    session.await_stderr("waiting for `train.log` to appear");
    let log = folder.join("train.log");
    append(&log, "{\"step\": 1, \"loss\": 2.5}\n{\"step\": 2, \"lo");
    session.await_stderr("following train.log: run train");
    append(&log, "ss\": NaN}\n");
    let alert = session.await_stderr("CRITICAL non-finite");
    assert!(alert.contains("run=default/train step=2"), "{alert}");
    let stderr = end(session);
    assert!(
        stderr.ends_with("runwatch: train.log: 2 records in 2 lines\nrunwatch: 1 alert"),
        "{stderr}"
    );
}

#[test]
#[cfg(unix)]
fn ranks_that_come_later_belong_to_the_run() {
    let (test, folder) = follow("--follow runs");
    fs::create_dir(folder.join("runs")).unwrap();
    let mut session = test.start();
    session.await_stderr("watching `runs` for new files");
    append(&folder.join("runs/train_rank0.log"), "step=1 loss=2.5\n");
    session.await_stderr("following runs/train_rank0.log: run train, rank 0");
    append(&folder.join("runs/train_rank1.log"), NAN);
    session.await_stderr("run train, rank 1");
    let alert = session.await_stderr("CRITICAL non-finite");
    assert!(alert.contains("run=default/train"), "{alert}");
    // Both go on, in turn.
    append(&folder.join("runs/train_rank0.log"), "step=2 loss=2.5\n");
    append(
        &folder.join("runs/train_rank1.log"),
        "{\"step\": 4, \"loss\": 2.5}\n",
    );
    append(&folder.join("runs/other.log"), NAN);
    session.await_stderr("run=default/other");
    let stderr = end(session);
    assert!(
        stderr.contains("runs/train_rank0.log: 2 records in 2 lines"),
        "{stderr}"
    );
    assert!(
        stderr.contains("runs/train_rank1.log: 4 records in 4 lines"),
        "{stderr}"
    );
}

#[test]
#[cfg(unix)]
fn rotation_goes_on_with_the_run() {
    let (test, folder) = follow("--follow train.log");
    let log = folder.join("train.log");
    append(&log, "{\"step\": 1, \"loss\": 2.5}\n");
    let mut session = test.start();
    session.await_stderr("following");
    fs::rename(&log, folder.join("train.log.1")).unwrap();
    append(&log, "{\"step\": 2, \"loss\": NaN}\n");
    session.await_stderr("train.log: 1 record in 1 line");
    session.await_stderr("train.log begins anew");
    // That it was finite before is known from the first file.
    let alert = session.await_stderr("CRITICAL non-finite");
    assert!(alert.contains("it was finite before"), "{alert}");
    end(session);
}

#[test]
#[cfg(unix)]
fn from_the_end_nothing_old_is_said() {
    let (test, folder) = follow("--from-end --follow *.log");
    append(&folder.join("old.log"), NAN);
    let mut session = test.start();
    session.await_stderr("following old.log");
    append(&folder.join("new.log"), NAN);
    session.await_stderr("run=default/new");
    let stderr = end(session);
    assert!(stderr.contains("old.log: 0 records in 0 lines"), "{stderr}");
    assert!(stderr.ends_with("runwatch: 1 alert"), "{stderr}");
}

#[test]
fn wrong_uses_are_said() {
    for arguments in [
        "--from-end",
        "--follow -",
        "--follow a --interval 0",
        "--follow",
    ] {
        Test::new(arguments)
            .any_stdout()
            .any_stderr()
            .code(exit::USAGE)
            .run();
    }
}
