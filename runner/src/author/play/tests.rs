//! A log played through scripted guests: what each way shows them.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::*;
use crate::alert::{Finding, Severity, State};
use crate::author::observed::Cut;
use crate::describe::Interest;
use crate::detect::Guest;
use crate::sandbox::Fault;
use crate::sandbox::instance::{Columns, RowFinding, Series};

/// Adds up what it sees, and says how much that is at each value above ten.
#[derive(Clone, Copy, Default)]
struct Sum {
    sum: f64,
    flaw: Flaw,
}

/// What is wrong with it.
#[derive(Clone, Copy, Default, PartialEq)]
enum Flaw {
    #[default]
    None,
    /// It keeps no state.
    Stateless,
    /// It takes its state back, and forgets it.
    Forgets,
    /// It will not have its state back.
    Refuses,
}

type Pairs<'a> = &'a [(String, String)];

impl GuestSource for Sum {
    fn start(&self) -> Result<Box<dyn Guest>> {
        Ok(Box::new(*self))
    }
}

impl Guest for Sum {
    fn open(&mut self, _: u32, _: Pairs<'_>, _: Pairs<'_>) -> Result<Result<(), String>, Fault> {
        Ok(Ok(()))
    }

    fn interests(&mut self, _: u32) -> Result<Vec<Interest>, Fault> {
        Ok(vec![Interest {
            kind: "metric".to_owned(),
            pattern: "loss".to_owned(),
            options: Vec::new(),
        }])
    }

    fn define(&mut self, _: u32, _: &[Series<'_>]) -> Result<(), Fault> {
        Ok(())
    }

    fn observe(&mut self, _: u32, columns: &Columns<'_>) -> Result<Vec<RowFinding>, Fault> {
        let mut found = Vec::new();
        for (&row, &value) in columns.rows.iter().zip(columns.values) {
            self.sum += value;
            if value > 10.0 {
                found.push((Some(row), finding(self.sum)));
            }
        }
        Ok(found)
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
        let state = self.sum.to_le_bytes().to_vec();
        Ok((self.flaw != Flaw::Stateless).then_some(state))
    }

    fn restore(&mut self, _: u32, state: &[u8]) -> Result<Result<(), String>, Fault> {
        match self.flaw {
            Flaw::Forgets => {}
            Flaw::Refuses => return Ok(Err("not mine".to_owned())),
            _ => self.sum = f64::from_le_bytes(state.try_into().unwrap()),
        }
        Ok(Ok(()))
    }

    fn set_now(&mut self, _: f64) {}
}

fn finding(sum: f64) -> Finding {
    Finding {
        key: "high".to_owned(),
        severity: Severity::Warning,
        state: State::Firing,
        title: "High".to_owned(),
        message: format!("{sum} so far"),
        recommendation: "Look at it.".to_owned(),
        values: Vec::new(),
        halt: None,
        gather: false,
        route: None,
    }
}

/// A hundred records, the last of which is above ten.
fn played(flaw: Flaw, way: Way) -> Played {
    let value = |step: u32| if step == 100 { 11.0 } else { 1.0 };
    let line = |step: u32| format!("{{\"step\": {step}, \"loss\": {}}}\n", value(step));
    let text: String = (1..=100).map(line).collect();
    let log = Log {
        input: "input.log",
        run: "case",
        bytes: text.as_bytes(),
    };
    let source = Arc::new(Sum { sum: 0.0, flaw });
    play_source(source, "sum", &[], &log, way).unwrap()
}

fn messages(played: &Played) -> Vec<&str> {
    let messages = played.alerts.iter().map(|alert| alert.message.as_str());
    messages.collect()
}

#[test]
fn the_sizes_of_calls_are_those_of_the_way() {
    assert_eq!(played(Flaw::None, Way::OneBatch).sizes, [100]);
    assert_eq!(played(Flaw::None, Way::EachRow).sizes, [1; 100]);
    let split = |seed| played(Flaw::None, Way::Split { seed }).sizes;
    assert_eq!(split(1), split(1));
    assert_ne!(split(1), split(2));
    assert_eq!(split(1).iter().sum::<u32>(), 100);
    assert!(split(1).iter().all(|size| (1..=MOST_ROWS).contains(size)));
}

#[test]
fn what_is_shown_is_counted_in_all_ways() {
    for way in [Way::OneBatch, Way::EachRow, Way::Split { seed: 3 }] {
        let played = played(Flaw::None, way);
        assert_eq!((played.seen.rows, played.seen.points), (100, 100));
        assert_eq!(played.seen.calls, played.sizes.len() as u64);
        assert_eq!(messages(&played), ["110 so far"]);
        assert_eq!(played.seen.cut, None);
    }
}

#[test]
fn a_restart_on_the_way_changes_nothing_for_who_keeps_its_state() {
    let seed = 3;
    let calls = played(Flaw::None, Way::Split { seed }).seen.calls;
    let restart = |flaw| played(flaw, Way::Restart { seed, calls });
    let healthy = restart(Flaw::None);
    assert_eq!(healthy.seen.cut, Some(Cut::Restored));
    assert_eq!(messages(&healthy), ["110 so far"]);
    assert_eq!(restart(Flaw::Stateless).seen.cut, Some(Cut::NoState));
    assert_eq!(messages(&restart(Flaw::Stateless)), ["110 so far"]);

    let forgot = restart(Flaw::Forgets);
    assert_eq!(forgot.seen.cut, Some(Cut::Restored));
    assert_ne!(messages(&forgot), ["110 so far"]);
    let refused = restart(Flaw::Refuses);
    assert_eq!(refused.seen.cut, Some(Cut::Refused("not mine".to_owned())));
    assert_eq!(messages(&refused), messages(&forgot));
}
