//! The history: what a live watch saw is in the ledger, to be asked for while
//! it goes on and after it was killed.

use std::path::Path;
use std::time::{Duration, Instant};

use runwatch::exit;
use runwatch::ledger::Ledger;
use runwatch::ledger::history::Window;
use runwatch::view;

use crate::support::Test;

/// Until what is waited for is there.
const PATIENCE: Duration = Duration::from_secs(60);

fn lean(arguments: &str) -> Test {
    Test::new("--quiet --plain --ledger ledger.sqlite")
        .arguments(arguments)
        .file("runwatch.toml", "[detectors]\nenable = [\"non-finite\"]\n")
}

fn line(step: usize) -> String {
    format!(
        "{{\"step\": {step}, \"loss\": {}, \"my/own\": {step}, \"lr\": 0.001}}\n",
        1.0 / (step + 1) as f64
    )
}

fn lines(steps: std::ops::Range<usize>) -> String {
    steps.map(line).collect()
}

fn steps(ledger: &Path, run: &str, metric: &str) -> Vec<i64> {
    // It may not be there yet.
    let Ok(ledger) = Ledger::open_read_only(ledger) else {
        return Vec::new();
    };
    let points = ledger
        .points("default", run, metric, &Window::default())
        .unwrap();
    points
        .unwrap_or_default()
        .iter()
        .map(|point| point.step)
        .collect()
}

/// Looks until there are so many values, and gives their steps.
fn await_steps(ledger: &Path, run: &str, metric: &str, many: usize) -> Vec<i64> {
    let end = Instant::now() + PATIENCE;
    loop {
        let steps = steps(ledger, run, metric);
        if steps.len() >= many || Instant::now() > end {
            return steps;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn every_metric_of_a_pipe_is_kept_asked_for_or_not() {
    let output = lean("--run job").stdin(lines(0..300)).any_stdout().run();
    let path = output.folder.path().join("ledger.sqlite");
    for metric in ["loss", "my/own", "lr"] {
        assert_eq!(
            steps(&path, "job", metric),
            (0..300).collect::<Vec<i64>>(),
            "{metric}"
        );
    }
    let ledger = Ledger::open_read_only(&path).unwrap();
    let run = view::run(&ledger, "default", "job").unwrap().unwrap();
    assert_eq!((run.rows, run.metrics, run.state), (300, 3, "ended"));
}

#[test]
fn it_can_be_left_out() {
    for (arguments, config) in [
        ("--run job --no-history", ""),
        ("--run job", "[history]\nenable = false\n"),
    ] {
        let output = lean(arguments)
            .file("runwatch.toml", config)
            .stdin(lines(0..10) + "{\"step\": 10, \"loss\": NaN}\n")
            .any_stdout()
            .any_stderr()
            .run();
        let ledger = Ledger::open_read_only(&output.folder.path().join("ledger.sqlite")).unwrap();
        assert!(ledger.spans(None).unwrap().is_empty());
        // The alert is there all the same.
        assert_eq!(view::runs(&ledger, None).unwrap()[0].alerts.critical, 1);
    }
}

#[test]
fn a_run_is_live_while_it_is_watched_and_whole_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let test = Test::new("--quiet --plain --run job --ledger").argument(&path);
    let mut session = test.start();
    session.write(&lines(0..100));
    // Looks at a ledger that another process writes.
    assert_eq!(
        await_steps(&path, "job", "loss", 100),
        (0..100).collect::<Vec<i64>>()
    );
    let ledger = Ledger::open_read_only(&path).unwrap();
    let state = || view::run(&ledger, "default", "job").unwrap().unwrap().state;
    assert_eq!(state(), "live");
    session.write(&lines(100..150));
    assert_eq!(await_steps(&path, "job", "loss", 150).len(), 150);
    #[cfg(unix)]
    {
        session.signal("KILL");
        session.wait();
        assert_eq!(state(), "unknown");
        assert_eq!(
            steps(&path, "job", "my/own"),
            (0..150).collect::<Vec<i64>>()
        );
    }
}

#[test]
#[cfg(unix)]
fn a_file_that_is_followed_again_is_not_kept_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (log, path) = (
        folder.path().join("train.log"),
        folder.path().join("ledger.sqlite"),
    );
    for (written, end) in [(0..50, 50), (50..80, 80)] {
        let mut text = std::fs::read_to_string(&log).unwrap_or_default();
        text.push_str(&lines(written));
        std::fs::write(&log, text).unwrap();
        let test = Test::new("--quiet --plain --interval 0.02 --follow")
            .argument(&log)
            .arguments("--ledger")
            .argument(&path);
        let session = test.start();
        assert_eq!(await_steps(&path, "train", "loss", end).len(), end);
        session.signal("INT");
        let (status, ..) = session.wait();
        assert_eq!(status.code(), Some(i32::from(exit::INTERRUPTED)));
        assert_eq!(
            steps(&path, "train", "loss"),
            (0..end as i64).collect::<Vec<i64>>()
        );
    }
}

#[test]
fn two_read_while_one_writes() {
    let test = lean("--run job");
    let path = test.folder().join("ledger.sqlite");
    let mut session = test.start();
    // Nobody reads it here.
    session.close_stdout();
    session.write(&lines(0..10));
    assert_eq!(await_steps(&path, "job", "loss", 10).len(), 10);
    std::thread::scope(|scope| {
        let reader = || {
            let mut seen = 0;
            while seen < 20_000 {
                let loss = await_steps(&path, "job", "loss", seen + 1);
                assert!(loss.len() > seen, "{seen}");
                // Never a hole, never half of a record more than a moment later.
                assert_eq!(loss, (0..loss.len() as i64).collect::<Vec<i64>>());
                assert!(steps(&path, "job", "my/own").len() >= loss.len());
                seen = loss.len();
            }
        };
        scope.spawn(reader);
        scope.spawn(reader);
        for from in (10..20_000).step_by(1999) {
            session.write(&lines(from..(from + 1999).min(20_000)));
        }
    });
    let (status, ..) = session.end();
    assert!(status.success());
}
