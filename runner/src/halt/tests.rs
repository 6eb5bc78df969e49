//! Halts in virtual time, with real folders and ledgers.

#![allow(clippy::unwrap_used)]

mod files;
mod hooks;
mod together;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::alert::{Severity, State};
use crate::config::{self, Config, Flags, Place};
use crate::deliver::sample;

/// When the job began: long ago, so that files of today are not stale.
const BEGAN: f64 = 1_700_000_000.0;
const LATER: f64 = BEGAN + 100.0;

/// The defaults, with halting on.
fn config() -> Config {
    let folder = tempfile::tempdir().unwrap();
    let place = Place {
        folder: folder.path(),
        variable: &|_| None,
    };
    let mut config = config::load(&Flags::default(), &place, &["non-finite"])
        .unwrap()
        .config;
    config.halt.on = On::Critical;
    config
}

fn settings(change: impl FnOnce(&mut config::Halt)) -> Settings {
    let mut config = config();
    change(&mut config.halt);
    Settings::of(&config)
}

/// A job that only writes down which signals it got.
#[derive(Clone)]
struct Fake {
    alive: Arc<AtomicBool>,
    signals: Arc<Mutex<Vec<Signal>>>,
    dies_of: Option<Signal>,
}

impl Fake {
    fn stubborn() -> Self {
        Self {
            alive: Arc::new(AtomicBool::new(true)),
            signals: Arc::default(),
            dies_of: None,
        }
    }

    fn dying_of(signal: Signal) -> Self {
        Self {
            dies_of: Some(signal),
            ..Self::stubborn()
        }
    }

    fn got(&self) -> Vec<Signal> {
        self.signals.lock().unwrap().clone()
    }

    fn end(&self) {
        self.alive.store(false, Ordering::Relaxed);
    }
}

impl Job for Fake {
    fn is_alive(&mut self) -> bool {
        self.alive.load(Ordering::Relaxed)
    }

    fn signal(&mut self, signal: Signal) -> io::Result<()> {
        assert!(self.is_alive(), "{} after the end", signal.name());
        self.signals.lock().unwrap().push(signal);
        if self.dies_of == Some(signal) {
            self.end();
        }
        Ok(())
    }
}

fn target(dir: Option<&Path>, token: &str, job: Option<&Fake>) -> Target {
    Target {
        project: "default".to_owned(),
        run: "train".to_owned(),
        dir: dir.map(Path::to_path_buf),
        token: token.to_owned(),
        rank: None,
        began: BEGAN,
        job: job.map(|job| Box::new(job.clone()) as _),
    }
}

fn halting(settings: Settings, dir: Option<&Path>, job: Option<&Fake>) -> Halting {
    Halting::new(settings, target(dir, "t-1", job), None)
}

fn keys(told: &[Finding]) -> Vec<(&str, State, Severity)> {
    let key = |finding: &Finding| -> (&'static str, State, Severity) {
        let known = [
            "halt",
            "halt-dry-run",
            "halt-asked",
            "halt-hook",
            "halt-files",
        ];
        let key = known.into_iter().find(|key| *key == finding.key).unwrap();
        (key, finding.state, finding.severity)
    };
    told.iter().map(key).collect()
}

const FIRING: (&str, State, Severity) = ("halt", State::Firing, Severity::Critical);
const RESOLVED: (&str, State, Severity) = ("halt", State::Resolved, Severity::Critical);

#[test]
fn the_ladder_is_climbed_in_order_and_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let job = Fake::stubborn();
    let with = settings(|halt| halt.usr1 = Usr1::Stacks);
    let mut halting = halting(with, Some(dir.path()), Some(&job));
    assert!(halting.tick(LATER).is_empty() && !halting.is_halting());
    halting.consider(&sample(), LATER);
    let told = halting.tick(LATER);
    assert_eq!(keys(&told), [FIRING]);
    assert_eq!(told[0].title, "Halting the run: loss is NaN");
    let message = &told[0].message;
    assert!(
        message.starts_with(
            "Cause: the loss is NaN (alert 01234567), nan_loss, run default/train. \
             +0.0 s control files written to "
        ),
        "{message}"
    );
    assert!(
        message.ends_with(
            "If it has not ended in 60.0 s: SIGUSR1 for its stacks, 30.0 s later SIGTERM, 30.0 s \
             later SIGKILL to all of its processes."
        ),
        "{message}"
    );
    assert!(told[0].recommendation.contains("runwatch get alert 0123"));
    assert!(dir.path().join(".HALT").exists() && halting.is_halting());
    let mut when = |seconds: f64| {
        let told = halting.tick(LATER + seconds);
        (job.got(), told)
    };
    let (usr1, term, kill) = (Signal::Usr1, Signal::Term, Signal::Kill);
    assert_eq!(when(59.9), (vec![], vec![]));
    assert_eq!(when(60.0), (vec![usr1], vec![]));
    assert_eq!(when(89.0).0, [usr1]);
    assert_eq!(when(90.5).0, [usr1, term]);
    assert_eq!(when(120.0).0, [usr1, term]);
    assert_eq!(when(120.5), (vec![usr1, term, kill], vec![]));
    assert_eq!(when(130.0).1, []);
    let (got, told) = when(130.5);
    assert_eq!((got.len(), keys(&told)), (3, vec![FIRING]));
    assert_eq!(told[0].title, "The job ignores everything, SIGKILL too");
    assert_eq!(when(1000.0), (vec![usr1, term, kill], vec![]));
    let told = halting.ended("killed by SIGKILL", LATER + 1000.0);
    assert_eq!(keys(&told), [RESOLVED]);
    assert_eq!(told[0].title, "Halted: the job ended 880 s after SIGKILL");
}

#[test]
fn it_stops_where_the_job_does() {
    let job = Fake::dying_of(Signal::Term);
    let mut halting = halting(settings(|_| {}), None, Some(&job));
    halting.consider(&sample(), LATER);
    // No folder, so that SIGTERM comes first.
    assert_eq!(keys(&halting.tick(LATER)), [FIRING]);
    assert_eq!(halting.tick(LATER + 500.0), []);
    let told = halting.ended("exit status 143", LATER + 3.1);
    assert_eq!(job.got(), [Signal::Term]);
    assert_eq!(keys(&told), [RESOLVED]);
    assert_eq!(told[0].title, "Halted: the job ended 500 s after SIGTERM");
    assert!(
        told[0]
            .message
            .ends_with("+0.0 s SIGTERM; +500 s the job ended: exit status 143."),
        "{}",
        told[0].message
    );
    assert_eq!(halting.cause().unwrap().kind, "nan_loss");
    assert!(!halting.is_halting());
    assert_eq!(halting.ended("again", LATER + 600.0), []);
}

#[test]
fn a_job_that_ends_by_itself_first_was_not_halted() {
    let dir = tempfile::tempdir().unwrap();
    let job = Fake::stubborn();
    let mut halting = halting(settings(|_| {}), Some(dir.path()), Some(&job));
    job.end();
    halting.consider(&sample(), LATER);
    assert_eq!(halting.tick(LATER), []);
    assert_eq!(halting.ended("exit status 1", LATER), []);
    assert_eq!(halting.cause(), None);
    assert_eq!(files::names(dir.path()), [""; 0]);
    halting.consider(&sample(), LATER);
    assert!(halting.tick(LATER).is_empty() && !halting.is_halting());
}

#[test]
fn it_goes_as_far_as_it_may() {
    let dir = tempfile::tempdir().unwrap();
    for (reach, signals, title) in [
        (
            Reach::File,
            vec![],
            "The job goes on though it was asked to end",
        ),
        (
            Reach::Signal,
            vec![Signal::Term],
            "The job goes on in spite of SIGTERM",
        ),
    ] {
        let job = Fake::stubborn();
        let with = settings(|halt| halt.up_to = reach);
        let mut halting = halting(with, Some(dir.path()), Some(&job));
        halting.consider(&sample(), LATER);
        let mut told = Vec::new();
        for second in 0..500 {
            told.extend(halting.tick(LATER + f64::from(second)));
        }
        assert_eq!(job.got(), signals);
        assert_eq!(keys(&told), [FIRING, FIRING], "{told:#?}");
        assert_eq!(told[1].title, title);
        halting.ended("exit status 0", LATER + 500.0);
    }
}

#[test]
fn a_worse_alert_goes_further_from_where_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    let job = Fake::stubborn();
    let mut config = config();
    config.halt.up_to = Reach::File;
    config.detectors[0].halt = Some(Reach::Signal);
    let with = Settings::of(&config);
    let mut halting = halting(with, Some(dir.path()), Some(&job));
    let mut other = sample();
    other.detector = "divergence".to_owned();
    halting.consider(&other, LATER);
    halting.tick(LATER);
    halting.consider(&sample(), LATER + 5.0);
    halting.consider(&other, LATER + 6.0);
    halting.tick(LATER + 59.0);
    assert_eq!(job.got(), []);
    halting.tick(LATER + 60.0);
    assert_eq!(job.got(), [Signal::Term]);
}

#[test]
fn without_a_job_there_are_only_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut halting = halting(settings(|_| {}), Some(dir.path()), None);
    halting.consider(&sample(), LATER);
    let told = halting.tick(LATER);
    assert_eq!(keys(&told), [FIRING]);
    assert!(!told[0].message.contains("SIG"), "{}", told[0].message);
    assert_eq!(halting.tick(LATER + 59.0), []);
    let told = halting.tick(LATER + 60.0);
    assert_eq!(
        told[0].title,
        "No end of the job is seen though it was asked to end"
    );
    let told = halting.ended("no more comes of it", LATER + 61.0);
    assert_eq!(keys(&told), [RESOLVED]);
    // The trainer may not have looked yet.
    assert!(dir.path().join(".HALT").exists());
}

#[test]
fn with_nothing_to_halt_with_it_says_so() {
    let mut halting = halting(settings(|_| {}), None, None);
    halting.consider(&sample(), LATER);
    let told = halting.tick(LATER);
    assert_eq!(keys(&told), [FIRING, FIRING]);
    assert_eq!(told[1].title, "The run cannot be halted");
}

#[test]
fn a_dry_run_touches_nothing_and_speaks_once_of_each_trouble() {
    let dir = tempfile::tempdir().unwrap();
    let job = Fake::stubborn();
    let with = settings(|halt| {
        halt.dry_run = true;
        halt.hook = vec!["/nonexistent".to_owned()];
    });
    let mut halting = halting(with, Some(dir.path()), Some(&job));
    for second in 0..300 {
        halting.consider(&sample(), LATER + f64::from(second));
    }
    let told = halting.tick(LATER + 300.0);
    let expected = ("halt-dry-run", State::Firing, Severity::Warning);
    assert_eq!(keys(&told), [expected]);
    let message = &told[0].message;
    assert!(
        message.contains("the hook `/nonexistent` (at most 60.0 s) control files in "),
        "{message}"
    );
    let mut other = sample();
    other.fingerprint = "other".to_owned();
    halting.consider(&other, LATER + 301.0);
    assert_eq!(keys(&halting.tick(LATER + 301.0)), [expected]);
    assert!(job.got().is_empty() && !halting.is_halting());
    assert_eq!(files::names(dir.path()), [""; 0]);
}

#[test]
fn only_alerts_of_this_run_halt_it() {
    let change = |change: fn(&mut Alert)| {
        let mut alert = sample();
        change(&mut alert);
        let mut halting = halting(settings(|_| {}), None, Some(&Fake::stubborn()));
        halting.consider(&alert, LATER);
        halting.is_halting()
    };
    assert!(change(|_| {}));
    assert!(change(|alert| alert.run = "train#2".to_owned()));
    assert!(!change(|alert| alert.run = "train#x".to_owned()));
    assert!(!change(|alert| alert.run = "train2".to_owned()));
    assert!(!change(|alert| alert.run = "other".to_owned()));
    assert!(!change(|alert| alert.project = "other".to_owned()));
    assert!(!change(|alert| alert.state = State::Resolved));
    assert!(!change(|alert| alert.detector = "runwatch".to_owned()));
    assert!(!change(|alert| alert.severity = Severity::Warning));
}

#[test]
fn off_is_off() {
    let dir = tempfile::tempdir().unwrap();
    let job = Fake::stubborn();
    let with = settings(|halt| halt.on = On::Off);
    let mut halting = halting(with, Some(dir.path()), Some(&job));
    halting.consider(&sample(), LATER);
    assert_eq!(halting.tick(LATER + 900.0), []);
    assert!(job.got().is_empty() && !halting.is_halting());
}

#[test]
fn a_clock_that_is_set_back_stretches_no_timeout() {
    let job = Fake::stubborn();
    let mut halting = halting(settings(|_| {}), None, Some(&job));
    halting.consider(&sample(), LATER);
    halting.tick(LATER);
    halting.tick(LATER + 15.0);
    halting.tick(LATER - 9000.0);
    halting.tick(f64::NAN);
    halting.tick(LATER - 9000.0 + 14.0);
    assert_eq!(job.got(), [Signal::Term]);
    halting.tick(LATER - 9000.0 + 15.0);
    assert_eq!(job.got(), [Signal::Term, Signal::Kill]);
}

#[derive(Debug, Clone)]
enum Event {
    Alert(usize),
    Pass(u16),
    End,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => (0usize..3).prop_map(Event::Alert),
        12 => (0u16..400).prop_map(Event::Pass),
        1 => Just(Event::End),
    ];
    prop::collection::vec(event, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn signals_come_in_order_in_time_and_once(
        events in events(),
        waits in prop::array::uniform3(0u64..30),
        usr1 in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let job = Fake::stubborn();
        let with = settings(|halt| {
            halt.on = On::Warning;
            halt.usr1 = if usr1 { Usr1::Checkpoint } else { Usr1::Off };
            halt.file_timeout = Duration::from_secs(waits[0]);
            halt.usr1_timeout = Duration::from_secs(waits[1]);
            halt.term_timeout = Duration::from_secs(waits[2]);
        });
        let mut halting = halting(with, Some(dir.path()), Some(&job));
        let mut now = BEGAN;
        let mut began = None;
        let mut seen: Vec<(Signal, f64)> = Vec::new();
        let mut ended = false;
        for event in events {
            match event {
                Event::Alert(number) => {
                    let mut alert = sample();
                    alert.severity = [Severity::Info, Severity::Warning, Severity::Critical][number];
                    halting.consider(&alert, now);
                    if number > 0 && !ended && began.is_none() {
                        began = Some(now);
                    }
                }
                Event::Pass(tenths) => {
                    now += f64::from(tenths) / 10.0;
                    for finding in halting.tick(now) {
                        prop_assert!(!finding.recommendation.is_empty());
                    }
                }
                Event::End if !ended => {
                    ended = true;
                    job.end();
                    halting.ended("exit status 0", now);
                }
                Event::End => {}
            }
            let got = job.got();
            for signal in got.iter().skip(seen.len()) {
                seen.push((*signal, now));
            }
        }
        // What each comes after, and how long at least.
        let mut expected = vec![(Signal::Term, waits[0]), (Signal::Kill, waits[2])];
        if usr1 {
            expected = vec![
                (Signal::Usr1, waits[0]),
                (Signal::Term, waits[1]),
                (Signal::Kill, waits[2]),
            ];
        }
        prop_assert!(seen.len() <= expected.len());
        let mut before = began.unwrap_or(f64::INFINITY);
        for ((signal, at), (wanted, wait)) in seen.iter().zip(&expected) {
            prop_assert_eq!(signal, wanted);
            prop_assert!(*at - before >= *wait as f64 - 1e-6, "{:?}", seen);
            before = *at;
        }
        if ended {
            prop_assert_eq!(files::names(dir.path()), Vec::<String>::new());
        }
    }
}
