//! The user's command before all else.

#![cfg(unix)]

use std::fs;
use std::time::Instant;

use super::*;

fn with_hook(script: &str) -> Settings {
    settings(|halt| halt.hook = ["sh", "-c", script].map(str::to_owned).to_vec())
}

/// Ticks until something is told; the virtual time stands still.
fn told(halting: &mut Halting, job: &Fake) -> Vec<Finding> {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let told = halting.tick(LATER);
        if !told.is_empty() || !job.got().is_empty() || Instant::now() > until {
            return told;
        }
        std::thread::yield_now();
    }
}

#[test]
fn it_knows_why_and_comes_before_all_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let script = format!(
        "test -e {0}/.HALT && exit 3; cat >{0}/json; env >{0}/env",
        path.display()
    );
    let job = Fake::stubborn();
    let mut halting = halting(with_hook(&script), Some(path), Some(&job));
    halting.consider(&sample(), LATER);
    let said = halting.tick(LATER);
    assert_eq!(keys(&said), [FIRING]);
    assert!(said[0].message.contains("+0.0 s the hook was started."));
    let until = Instant::now() + Duration::from_secs(60);
    while !path.join(".HALT").exists() && Instant::now() < until {
        assert_eq!(halting.tick(LATER), []);
    }
    let env = fs::read_to_string(path.join("env")).unwrap();
    for line in [
        "RUNWATCH_HALT_TYPE=nan_loss",
        "RUNWATCH_HALT_REASON=the loss is NaN",
        "RUNWATCH_PROJECT=default",
        "RUNWATCH_RUN=train",
        "RUNWATCH_TOKEN=t-1",
        "RUNWATCH_ALERT_ID=0123456789abcdef0123456789abcdef",
        &format!("RUNWATCH_DIR={}", path.display()),
    ] {
        assert!(env.lines().any(|other| other == line), "{line}: {env}");
    }
    let json = fs::read_to_string(path.join("json")).unwrap();
    let alert: Alert = serde_json::from_str(&json).unwrap();
    assert_eq!(alert.id, sample().id);
    let told = halting.ended("exit status 0", LATER + 1.0);
    assert_eq!(
        told[0].title,
        "Halted: the job ended 1.0 s after the control files"
    );
    assert!(told[0].message.contains("the hook ended well"));
}

#[test]
fn one_that_fails_is_told_and_the_halt_goes_on() {
    for (command, why) in [
        (
            vec!["sh", "-c", "echo no; exit 3"],
            "failed with exit status: 3: no",
        ),
        (
            vec!["/nonexistent/x"],
            "could not be started: `/nonexistent/x`",
        ),
    ] {
        let job = Fake::stubborn();
        let with = settings(|halt| halt.hook = command.into_iter().map(str::to_owned).collect());
        let mut halting = halting(with, None, Some(&job));
        halting.consider(&sample(), LATER);
        assert_eq!(keys(&halting.tick(LATER))[0], FIRING);
        let said = told(&mut halting, &job);
        assert_eq!(
            keys(&said),
            [("halt-hook", State::Firing, Severity::Warning)]
        );
        assert!(said[0].message.contains(why), "{}", said[0].message);
        assert_eq!(job.got(), [Signal::Term]);
    }
}

#[test]
fn one_that_takes_too_long_is_not_waited_for() {
    let job = Fake::stubborn();
    let mut halting = halting(with_hook("sleep 30"), None, Some(&job));
    halting.consider(&sample(), LATER);
    halting.tick(LATER);
    assert_eq!(halting.tick(LATER + 59.0), []);
    let said = halting.tick(LATER + 60.0);
    assert_eq!(said[0].title, "The hook did not end within 1m");
    assert_eq!(job.got(), [Signal::Term]);
}
