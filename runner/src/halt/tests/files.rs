//! The control files: their form, and that none is left where it does harm.

use std::fs;

use serde_json::Value;

use super::*;
use crate::deliver::owner;

/// The names in a folder, sorted.
pub(super) fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort_unstable();
    names
}

fn text(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap()
}

#[test]
fn they_say_what_a_trainer_asks() {
    let dir = tempfile::tempdir().unwrap();
    let mut halting = halting(settings(|_| {}), Some(dir.path()), None);
    let mut alert = sample();
    alert.halt = Some("the loss\nis NaN".to_owned());
    alert.values.push(("type".to_owned(), 7.0));
    halting.consider(&alert, LATER);
    halting.tick(LATER);
    assert_eq!(
        names(dir.path()),
        [".HALT", ".anomaly_type", "nan_loss_details.json"]
    );
    assert_eq!(
        text(dir.path(), ".HALT"),
        format!(
            "halt: nan_loss\nrun: train\ntoken: t-1\ntime: 2023-11-14T22:15:00Z\n\
         reason: the loss\\nis NaN\nproject: default\n\
         alert: 0123456789abcdef0123456789abcdef\nup-to: kill\nby: {}\n",
            owner::me()
        )
    );
    assert_eq!(text(dir.path(), ".anomaly_type"), "nan_loss\n");
    let details: Value = serde_json::from_str(&text(dir.path(), "nan_loss_details.json")).unwrap();
    assert_eq!(details["type"], "nan_loss");
    assert_eq!(details["token"], "t-1");
    assert_eq!(details["time"], "2023-11-14T22:15:00Z");
    assert_eq!(details["alert"]["title"], "loss is NaN");
    assert_eq!(
        (&details["last"], &details["loss"]),
        (&2.31.into(), &Value::Null)
    );
}

/// The fifth bug of the watchdog of NSA training: what a run before has left
/// stopped the next one at once.
#[test]
fn a_file_of_the_run_before_does_not_stop_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let first = Fake::stubborn();
    let mut before = Halting::new(
        settings(|_| {}),
        target(Some(path), "t-0", Some(&first)),
        None,
    );
    before.consider(&sample(), LATER);
    before.tick(LATER);
    // Its watcher is killed, so that nothing is cleaned.
    drop(before);
    fs::write(path.join("model_details.json"), "{\"token\": \"x\"}").unwrap();
    assert_eq!(names(path).len(), 4);
    let job = Fake::stubborn();
    let mut next = halting(settings(|_| {}), Some(path), Some(&job));
    assert_eq!(names(path), ["model_details.json"]);
    for second in 0..200 {
        assert_eq!(next.tick(LATER + f64::from(second)), []);
    }
    assert!(job.got().is_empty() && !next.is_halting());
}

#[test]
fn what_is_older_than_the_start_is_stale_whatever_its_token() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let began_later = |job: Option<&Fake>| Target {
        began: 4e9,
        ..target(Some(path), "t-1", job)
    };
    let job = Fake::stubborn();
    for (text, job, remain) in [
        // The trainer's own, as in NSA training.
        ("halt: nan_loss\n", None, false),
        ("halt: nan_loss\n", Some(&job), false),
        ("halt: nan_loss\ntoken: t-0\n", None, false),
        // Two `srun` in one allocation have the same token.
        ("halt: nan_loss\ntoken: t-1\n", Some(&job), false),
        // Whoever only looks on may have been started again.
        ("halt: nan_loss\ntoken: t-1\n", None, true),
    ] {
        fs::write(path.join(".anomaly_type"), "nan_loss\n").unwrap();
        fs::write(path.join(".HALT"), text).unwrap();
        let mut halting = Halting::new(settings(|_| {}), began_later(job), None);
        assert_eq!(path.join(".HALT").exists(), remain, "{text}");
        assert_eq!(path.join(".anomaly_type").exists(), remain, "{text}");
        assert!(halting.tick(4e9).is_empty() && !halting.is_halting());
    }
    // A watcher that halts nothing touches nothing.
    fs::write(path.join(".HALT"), "halt: nan_loss\ntoken: t-0\n").unwrap();
    let off = settings(|halt| halt.on = On::Off);
    drop(Halting::new(off, began_later(None), None));
    assert!(path.join(".HALT").exists());
}

#[test]
fn temporary_files_of_the_dead_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let living = format!(".runwatch-{}~7", owner::me().replace(' ', "~"));
    let of_other_host = ".runwatch-other~12~34~0";
    for name in [".runwatch-x", &living, of_other_host, ".runwatch-"] {
        fs::write(dir.path().join(name), "").unwrap();
    }
    drop(halting(settings(|_| {}), Some(dir.path()), None));
    let mut expected = vec![of_other_host.to_owned(), living];
    expected.sort_unstable();
    assert_eq!(names(dir.path()), expected);
}

#[test]
fn what_is_asked_of_our_own_job_is_gone_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let job = Fake::stubborn();
    let mut halting = halting(settings(|_| {}), Some(dir.path()), Some(&job));
    halting.consider(&sample(), LATER);
    halting.tick(LATER);
    assert_eq!(names(dir.path()).len(), 3);
    halting.ended("exit status 0", LATER + 1.0);
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn other_ranks_may_still_have_to_see_it() {
    let dir = tempfile::tempdir().unwrap();
    let job = Fake::stubborn();
    let mut rank = target(Some(dir.path()), "t-1", Some(&job));
    rank.rank = Some(0);
    let mut halting = Halting::new(settings(|_| {}), rank, None);
    halting.consider(&sample(), LATER);
    halting.tick(LATER);
    halting.ended("exit status 0", LATER + 1.0);
    assert_eq!(names(dir.path()).len(), 3);
}

#[test]
fn where_no_file_can_be_written_the_next_step_comes_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let job = Fake::stubborn();
    let mut halting = halting(settings(|_| {}), Some(&file), Some(&job));
    halting.consider(&sample(), LATER);
    let told = halting.tick(LATER);
    let trouble = ("halt-files", State::Firing, Severity::Warning);
    assert_eq!(keys(&told), [FIRING, trouble]);
    assert_eq!(job.got(), [Signal::Term]);
}

#[test]
fn the_trainer_s_own_request_is_told_once_and_left_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let job = Fake::stubborn();
    let mut halting = halting(settings(|_| {}), Some(dir.path()), Some(&job));
    fs::write(dir.path().join(".HALT"), "halt: nan_loss\n").unwrap();
    let told = halting.tick(LATER);
    assert_eq!(keys(&told), [("halt-asked", State::Firing, Severity::Info)]);
    assert_eq!(told[0].title, "The trainer asks to halt: nan_loss");
    assert_eq!(halting.tick(LATER + 500.0), []);
    assert!(job.got().is_empty() && !halting.is_halting());
    // If it comes to a halt after all, the trainer's file does for ours.
    halting.consider(&sample(), LATER + 501.0);
    halting.tick(LATER + 501.0);
    assert_eq!(text(dir.path(), ".HALT"), "halt: nan_loss\n");
    halting.tick(LATER + 561.0);
    assert_eq!(job.got(), [Signal::Term]);
}

#[test]
fn strange_files_are_no_matter() {
    for bytes in [&b""[..], b"\xff\xfe\0", b"halt", b"::::\n\n:", b"token:\n"] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".HALT"), bytes).unwrap();
        fs::write(dir.path().join("x_details.json"), bytes).unwrap();
        let mut halting = halting(settings(|_| {}), Some(dir.path()), None);
        halting.tick(LATER);
        assert!(!halting.is_halting());
    }
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(".HALT")).unwrap();
    let mut halting = halting(settings(|_| {}), Some(dir.path()), None);
    halting.consider(&sample(), LATER);
    assert_eq!(halting.tick(LATER).len(), 3);
}
