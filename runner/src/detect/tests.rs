//! What detectors do is counted, whoever they are: the guests here are scripted.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use anyhow::Result;

use super::guest::Pairs;
use super::{Account, Budget, Detect, Detector, Guest, GuestSource, Identity, Settings, What};
use crate::describe::Interest;
use crate::record::{NO_RANK, Run, RunBatch, Segment};
use crate::sandbox::instance::{Columns, RowFinding, Series};
use crate::sandbox::{Fault, FaultKind};

/// Faults whenever it is shown this step.
#[derive(Clone, Copy)]
struct Scripted {
    fails_at: i64,
}

impl GuestSource for Scripted {
    fn start(&self) -> Result<Box<dyn Guest>> {
        Ok(Box::new(*self))
    }

    fn identity(&self) -> Identity {
        Identity {
            version: "1.2.3".to_owned(),
            ..Identity::default()
        }
    }
}

impl Guest for Scripted {
    fn open(&mut self, _: u32, _: Pairs<'_>, _: Pairs<'_>) -> Result<Result<(), String>, Fault> {
        Ok(Ok(()))
    }

    fn interests(&mut self, _: u32) -> Result<Vec<Interest>, Fault> {
        Ok(vec![Interest {
            kind: "row".to_owned(),
            pattern: String::new(),
            options: Vec::new(),
        }])
    }

    fn define(&mut self, _: u32, _: &[Series<'_>]) -> Result<(), Fault> {
        Ok(())
    }

    fn observe(&mut self, _: u32, columns: &Columns<'_>) -> Result<Vec<RowFinding>, Fault> {
        match columns.steps.contains(&self.fails_at) {
            true => Err(Fault::found(FaultKind::Trap, "observe", "no".to_owned())),
            false => Ok(Vec::new()),
        }
    }

    fn tick(&mut self, _: u32, _: f64) -> Result<Vec<RowFinding>, Fault> {
        Ok(Vec::new())
    }

    fn finish(&mut self, _: u32, _: &str) -> Result<Vec<RowFinding>, Fault> {
        Ok(Vec::new())
    }

    fn close(&mut self, _: u32) -> Result<(), Fault> {
        Ok(())
    }

    fn save(&mut self, _: u32) -> Result<Option<Vec<u8>>, Fault> {
        Ok(None)
    }

    fn restore(&mut self, _: u32, _: &[u8]) -> Result<Result<(), String>, Fault> {
        Ok(Ok(()))
    }

    fn set_now(&mut self, _: f64) {}

    fn memory(&self) -> usize {
        4096
    }
}

fn detect(shards: usize) -> Detect {
    let detector = |name: &str, fails_at| Detector {
        name: name.into(),
        source: Box::new(Scripted { fails_at }),
        parameters: Vec::new(),
        own: false,
    };
    let settings = Settings {
        shards,
        budget: Budget::default(),
        host: "here".to_owned(),
        live: false,
        faults: None,
    };
    Detect::new(vec![detector("calm", -1), detector("shaky", 7)], &settings).unwrap()
}

/// Rows of two runs, each with these steps.
pub(super) fn segment(steps: std::ops::Range<i64>) -> Segment {
    let run = |name: &str| Run {
        project: "p".into(),
        run: name.into(),
    };
    let mut order = 0;
    let mut batch = |run| {
        let mut batch = RunBatch {
            run,
            ..RunBatch::default()
        };
        for step in steps.clone() {
            batch.push(step, f64::NAN, NO_RANK, 1, &mut order);
        }
        batch
    };
    Segment {
        batches: vec![batch(0), batch(1)],
        rows: 2 * (steps.end - steps.start) as u32,
        runs: Arc::new(vec![run("a"), run("b")]),
        now: f64::NAN,
        ..Segment::default()
    }
}

fn watched(shards: usize) -> (Vec<Account>, usize) {
    let mut detect = detect(shards);
    let mut faults = 0;
    for steps in [0..5, 5..10, 10..12] {
        detect.submit(segment(steps));
        let (_, events) = detect.collect().unwrap();
        let failed = |what: &What| matches!(what, What::Failed(_));
        faults += events.iter().filter(|event| failed(&event.what)).count();
    }
    detect.finish("unknown");
    (detect.accounts(), faults)
}

#[test]
fn calls_rows_and_memory_are_counted_over_all_runs() {
    let (accounts, _) = watched(1);
    let [calm, shaky] = accounts.as_slice() else {
        panic!("{accounts:?}");
    };
    assert_eq!((calm.name.as_str(), shaky.name.as_str()), ("calm", "shaky"));
    assert_eq!(calm.identity.version, "1.2.3");
    // Three segments and an end, for two runs.
    assert_eq!((calm.calls, calm.rows, calm.memory), (8, 24, 4096));
    assert!(calm.nanos > 0);
}

#[test]
fn a_call_that_fails_is_a_call() {
    let (accounts, faults) = watched(1);
    // Each run is tried twice, and its rows with it.
    assert_eq!(faults, 4);
    assert_eq!((accounts[1].calls, accounts[1].rows), (10, 34));
}

#[test]
fn threads_count_the_same() {
    let numbers = |shards| {
        let (accounts, faults) = watched(shards);
        let numbers = |it: &Account| (it.calls, it.rows, it.memory);
        (accounts.iter().map(numbers).collect::<Vec<_>>(), faults)
    };
    assert_eq!(numbers(1), numbers(2));
}
