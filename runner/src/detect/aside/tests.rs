//! Own detectors that hang, fall behind and are replaced: the guests here are
//! scripted.
#![allow(clippy::unwrap_used)]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use anyhow::Result;

use super::Late;
use crate::alert::{Finding, Severity, State};
use crate::describe::Interest;
use crate::detect::guest::Pairs;
use crate::detect::tests::segment;
use crate::detect::{
    Budget, Detect, Detector, Event, Guest, GuestSource, Identity, Replacement, Settings, What,
};
use crate::sandbox::instance::{Columns, RowFinding, Series};
use crate::sandbox::{Fault, FaultKind};

/// Counts the rows of a run and reports the count in each call. With a gate, no
/// call goes on before it is let through.
#[derive(Clone)]
struct Counter {
    version: &'static str,
    gate: Option<Arc<Mutex<Receiver<()>>>>,
    restores: Restores,
    rows: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq)]
enum Restores {
    Gladly,
    Refuses,
    Dies,
}

impl Counter {
    fn new(version: &'static str) -> Self {
        Self {
            version,
            gate: None,
            restores: Restores::Gladly,
            rows: vec![0; 8],
        }
    }

    fn gated() -> (Self, Sender<()>) {
        let (open, gate) = channel();
        let gate = Some(Arc::new(Mutex::new(gate)));
        let counter = Self {
            gate,
            ..Self::new("gated")
        };
        (counter, open)
    }

    fn finding(&self, run: u32) -> Finding {
        Finding {
            key: "rows".to_owned(),
            severity: Severity::Info,
            state: State::Firing,
            title: self.version.to_owned(),
            message: self.rows[run as usize].to_string(),
            recommendation: "count".to_owned(),
            values: Vec::new(),
            halt: None,
            gather: false,
            route: None,
        }
    }
}

impl GuestSource for Counter {
    fn start(&self) -> Result<Box<dyn Guest>> {
        Ok(Box::new(self.clone()))
    }

    fn identity(&self) -> Identity {
        Identity {
            digest: self.version.to_owned(),
            ..Identity::default()
        }
    }
}

impl Guest for Counter {
    fn open(&mut self, run: u32, _: Pairs<'_>, _: Pairs<'_>) -> Result<Result<(), String>, Fault> {
        self.rows[run as usize] = 0;
        Ok(Ok(()))
    }

    fn interests(&mut self, _: u32) -> Result<Vec<Interest>, Fault> {
        Ok(vec![Interest {
            kind: "row".to_owned(),
            pattern: "*".to_owned(),
            options: Vec::new(),
        }])
    }

    fn define(&mut self, _: u32, _: &[Series<'_>]) -> Result<(), Fault> {
        Ok(())
    }

    fn observe(&mut self, run: u32, columns: &Columns<'_>) -> Result<Vec<RowFinding>, Fault> {
        if let Some(gate) = &self.gate {
            // When the test is over, nobody waits any more.
            let _ = gate.lock().unwrap().recv();
        }
        let rows = &mut self.rows[run as usize];
        *rows = rows.wrapping_add(columns.steps.len() as u8);
        Ok(vec![(Some(0), self.finding(run))])
    }

    fn tick(&mut self, _: u32, _: f64) -> Result<Vec<RowFinding>, Fault> {
        Ok(Vec::new())
    }

    fn finish(&mut self, run: u32, _: &str) -> Result<Vec<RowFinding>, Fault> {
        Ok(vec![(None, self.finding(run))])
    }

    fn close(&mut self, _: u32) -> Result<(), Fault> {
        Ok(())
    }

    fn save(&mut self, run: u32) -> Result<Option<Vec<u8>>, Fault> {
        Ok(Some(vec![self.rows[run as usize]]))
    }

    fn restore(&mut self, run: u32, state: &[u8]) -> Result<Result<(), String>, Fault> {
        match self.restores {
            Restores::Gladly => {
                self.rows[run as usize] = state[0];
                Ok(Ok(()))
            }
            Restores::Refuses => Ok(Err("not mine".to_owned())),
            Restores::Dies => Err(Fault::found(FaultKind::Trap, "restore", "no".to_owned())),
        }
    }

    fn set_now(&mut self, _: f64) {}
}

fn detector(name: &str, source: Counter, own: bool) -> Detector {
    Detector {
        name: name.into(),
        source: Box::new(source),
        parameters: Vec::new(),
        own,
    }
}

fn detect(detectors: Vec<Detector>, shards: usize, live: bool) -> Detect {
    let settings = Settings {
        shards,
        budget: Budget::default(),
        host: "here".to_owned(),
        live,
        faults: None,
    };
    Detect::new(detectors, &settings).unwrap()
}

/// Detector, version, run, row and count of what was found.
type Told = (usize, String, u32, Option<u32>, String);

fn told(events: &[Event]) -> Vec<Told> {
    let told = |event: &Event| match &event.what {
        What::Found(it) => (it.title.clone(), it.message.clone()),
        What::Failed(it) => (it.fault.call.to_owned(), it.fault.message.clone()),
        What::Behind(rows) => ("behind".to_owned(), rows.to_string()),
        What::CaughtUp(rows) => ("caught up".to_owned(), rows.to_string()),
        What::Back(next) => ("back".to_owned(), format!("{next:?}")),
    };
    let each = events.iter().map(|event| {
        let (what, how) = told(event);
        (event.detector, what, event.run, event.row, how)
    });
    each.collect()
}

/// What was found in one segment after the other, and at the end.
fn review(shards: usize) -> Vec<Vec<Told>> {
    let both = vec![
        detector("built-in", Counter::new("a"), false),
        detector("own", Counter::new("b"), true),
    ];
    let mut detect = detect(both, shards, false);
    let mut all = Vec::new();
    for steps in [0..5, 5..9, 9..10] {
        detect.submit(segment(steps));
        all.push(told(&detect.collect().unwrap().1));
    }
    assert!(detect.late().is_empty());
    all.push(told(&detect.finish("unknown")));
    all
}

#[test]
fn a_review_waits_for_all_and_is_the_same_with_any_number_of_threads() {
    let one = review(1);
    let found = |detector, title: &str, run, row, rows: u8| {
        (detector, title.to_owned(), run, row, rows.to_string())
    };
    let first = [
        found(0, "a", 0, Some(0), 5),
        found(1, "b", 0, Some(0), 5),
        found(0, "a", 1, Some(0), 5),
        found(1, "b", 1, Some(0), 5),
    ];
    assert_eq!(one[0], first);
    assert_eq!(one[3].last(), Some(&found(1, "b", 1, None, 10)));
    assert_eq!(one, review(2));
    assert_eq!(one, review(3));
}

/// Everything up to the end of what is under way.
fn all_late(detect: &mut Detect) -> Vec<Late> {
    let mut all = Vec::new();
    loop {
        let busy = detect.is_busy();
        all.extend(detect.late());
        if !busy {
            return all;
        }
        std::thread::yield_now();
    }
}

fn events(late: &[Late]) -> Vec<Told> {
    let events = |late: &Late| match late {
        Late::Rows { events, .. } | Late::Time { events, .. } => told(events),
        Late::Replaced { events, .. } => told(events),
        Late::Pace(event) => told(std::slice::from_ref(event)),
    };
    late.iter().flat_map(events).collect()
}

#[test]
fn while_one_hangs_the_others_go_on_and_it_is_said_to_be_behind() {
    let (slow, open) = Counter::gated();
    let both = vec![
        detector("calm", Counter::new("calm"), false),
        detector("slow", slow, true),
    ];
    let mut detect = detect(both, 1, true);
    let feed = |detect: &mut Detect, steps| {
        detect.submit(segment(steps));
        let (_, events) = detect.collect().unwrap();
        assert!(!events.is_empty() && events.iter().all(|it| it.detector == 0));
    };
    // It hangs in the first of them.
    feed(&mut detect, 0..10);
    feed(&mut detect, 10..50_000);
    assert!(events(&detect.late()).is_empty() && detect.is_busy());
    feed(&mut detect, 50_000..90_000);
    feed(&mut detect, 90_000..90_001);
    let behind = (1, "behind".to_owned(), 1, None, "80000".to_owned());
    assert_eq!(events(&detect.late()), [behind]);
    let account = &detect.accounts()[1];
    assert_eq!((account.behind, account.left_out), (100_002, 80_000));

    // Two runs in each of three segments.
    (0..6).for_each(|_| open.send(()).unwrap());
    let late = all_late(&mut detect);
    let steps: Vec<i64> = late.iter().filter_map(first_step).collect();
    assert_eq!(steps, [0, 10, 90_000], "with the rows that they are of");
    let caught_up = (1, "caught up".to_owned(), 1, None, "80000".to_owned());
    assert_eq!(events(&late).last(), Some(&caught_up));
    assert!(!detect.is_busy());
    let account = &detect.accounts()[1];
    assert_eq!((account.behind, account.left_out), (0, 80_000));
    assert_eq!(account.rows, 100_002);
}

fn first_step(late: &Late) -> Option<i64> {
    match late {
        Late::Rows { segment, .. } => segment.batches[0].steps.first().copied(),
        _ => None,
    }
}

#[test]
fn the_end_waits_for_what_is_under_way() {
    let (slow, open) = Counter::gated();
    let mut detect = detect(vec![detector("slow", slow, true)], 1, true);
    detect.submit(segment(0..3));
    detect.collect().unwrap();
    (0..2).for_each(|_| open.send(()).unwrap());
    let ending = told(&detect.finish("unknown"));
    assert_eq!(events(&detect.late()).len(), 2);
    let rows: Vec<&str> = ending.iter().map(|it| it.4.as_str()).collect();
    assert_eq!(rows, ["3", "3"]);
}

/// Four rows of each run, another version, two rows more.
fn replaced(by: Counter) -> (Vec<Told>, Detect) {
    let own = vec![
        detector("built-in", Counter::new("a"), false),
        detector("own", Counter::new("old"), true),
    ];
    let mut detect = detect(own, 1, true);
    let replacement = |number, by| {
        let new = detector("own", by, true);
        Replacement::new(number, new, "here").unwrap()
    };
    detect.submit(segment(0..4));
    detect.collect().unwrap();
    assert!(!detect.replace(replacement(0, by.clone())), "not its own");
    assert!(detect.replace(replacement(1, by)));
    detect.submit(segment(4..6));
    detect.collect().unwrap();
    (events(&all_late(&mut detect)), detect)
}

#[test]
fn another_version_goes_on_with_the_state() {
    let (told, detect) = replaced(Counter::new("new"));
    let found = |title: &str, run, rows: u8| (1, title.to_owned(), run, Some(0), rows.to_string());
    let expected = [
        found("old", 0, 4),
        found("old", 1, 4),
        found("new", 0, 6),
        found("new", 1, 6),
    ];
    assert_eq!(told, expected);
    assert_eq!(detect.accounts()[1].identity.digest, "new");
    assert_eq!(detect.accounts()[0].identity.digest, "a");
}

#[test]
fn one_that_refuses_the_state_begins_anew() {
    let new = Counter {
        restores: Restores::Refuses,
        ..Counter::new("new")
    };
    let (told, _) = replaced(new);
    let rows: Vec<&str> = told.iter().map(|it| it.4.as_str()).collect();
    assert_eq!(rows, ["4", "4", "2", "2"]);
}

#[test]
fn one_that_dies_of_the_state_gets_no_second_helping() {
    let new = Counter {
        restores: Restores::Dies,
        ..Counter::new("new")
    };
    let (told, _) = replaced(new);
    let what: Vec<&str> = told.iter().map(|it| it.1.as_str()).collect();
    // Each run's state kills it once.
    assert_eq!(what, ["old", "old", "restore", "restore", "new", "new"]);
    assert_eq!(told[4].4, "2");
}
