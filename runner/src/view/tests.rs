//! Runs and alerts as users see them.

#![allow(clippy::unwrap_used)]

use super::{Counts, Filter, Number, Series, Time, alert, alerts, run, runs};
use crate::alert::{Alert, Severity, State};
use crate::deliver::sample;
use crate::deliver::silence::Silence;
use crate::ledger::history::Point;
use crate::ledger::{Durability, Ledger, alerts as rows};
use crate::record::NO_RANK;

const NOW: i64 = 1_700_000_000_000;

fn point(step: i64, rank: u32, value: f64) -> Point {
    let time = if step == 0 { f64::NAN } else { 1.5 };
    Point {
        step,
        time,
        rank,
        value,
    }
}

#[test]
fn a_series_is_strict_json() {
    let points = [
        point(0, NO_RANK, f64::NAN),
        point(1, 3, f64::NEG_INFINITY),
        point(2, 3, 0.5),
    ];
    let series = Series::new("loss".to_owned(), &points, 10);
    assert_eq!(
        serde_json::to_string(&series).unwrap(),
        r#"{"metric":"loss","rows":3,"thinned":false,"steps":[0,1,2],"times":[null,1.5,1.5],"ranks":[null,3,3],"values":["NaN","-Infinity",0.5]}"#
    );
    let alone = Series::new("loss".to_owned(), &[point(1, NO_RANK, 1.0)], 10);
    assert_eq!(alone.ranks, None);
}

#[test]
fn each_rank_keeps_its_extremes_its_first_and_its_last_value() {
    let mut points: Vec<Point> = (0..10_000)
        .map(|at| point(at / 4, (at % 4) as u32, (at % 4) as f64))
        .collect();
    points[5001].value = 9.0;
    points[5002].value = -9.0;
    let series = Series::new("loss".to_owned(), &points, 400);
    let ranks = series.ranks.clone().unwrap();
    let of = |rank| -> Vec<(i64, f64)> {
        let all = ranks.iter().zip(&series.steps).zip(&series.values);
        let mine = all.filter(|((it, _), _)| **it == Some(rank));
        mine.map(|((_, step), value)| (*step, value.0)).collect()
    };
    for (rank, extreme) in [(0, None), (1, Some(9.0)), (2, Some(-9.0)), (3, None)] {
        let values = of(rank);
        assert!(values.len() <= 110, "{}", values.len());
        assert_eq!((values[0].0, values[values.len() - 1].0), (0, 2499));
        if let Some(extreme) = extreme {
            assert!(values.contains(&(1250, extreme)), "{rank}");
        }
    }
    assert!(series.steps.is_sorted());
}

#[test]
fn times_and_numbers_are_what_json_has() {
    let text = serde_json::to_string(&Time(1_795_357_458_120)).unwrap();
    assert_eq!(text, "\"2026-11-22T14:24:18.12Z\"");
    assert_eq!(
        serde_json::to_string(&Number(f64::INFINITY)).unwrap(),
        "\"Infinity\""
    );
}

/// Alerts named by their ids: a letter doubled is resolved, upper case critical.
fn ledger(ids: &[&str]) -> Ledger {
    let ledger = Ledger::in_memory().unwrap();
    for (at, id) in ids.iter().enumerate() {
        let critical = id.chars().all(char::is_uppercase);
        let alert = Alert {
            id: (*id).to_owned(),
            run: if at % 2 == 0 { "even" } else { "odd" }.to_owned(),
            title: format!("Loss is {id}"),
            step: Some(at as i64),
            state: if id.len() > 1 {
                State::Resolved
            } else {
                State::Firing
            },
            severity: if critical {
                Severity::Critical
            } else {
                Severity::Warning
            },
            ..sample()
        };
        let now = NOW + at as i64;
        let insert = |tx: &rusqlite::Transaction<'_>| rows::insert(tx, &alert, now).map(drop);
        ledger.write(Durability::Process, insert).unwrap();
    }
    ledger
}

fn found(ledger: &Ledger, filter: &Filter, limit: usize) -> (String, bool) {
    let (found, more) = alerts(ledger, filter, limit).unwrap();
    let ids: Vec<&str> = found.iter().map(|alert| &*alert.alert.id).collect();
    (ids.join(" "), more)
}

#[test]
fn alerts_come_newest_first_and_page_by_page() {
    let ledger = ledger(&["A", "b", "cc", "D", "e"]);
    let all = Filter::default();
    assert_eq!(found(&ledger, &all, 9), ("e D cc b A".to_owned(), false));
    assert_eq!(found(&ledger, &all, 2), ("e D".to_owned(), true));
    let before = alerts(&ledger, &all, 2).unwrap().0[1].seq;
    let next = Filter {
        before: Some(before),
        ..all.clone()
    };
    assert_eq!(found(&ledger, &next, 3), ("cc b A".to_owned(), false));
    for (filter, wanted) in [
        (
            Filter {
                run: Some("odd".to_owned()),
                ..all.clone()
            },
            "D b",
        ),
        (
            Filter {
                level: Some(Severity::Critical),
                ..all.clone()
            },
            "D A",
        ),
        (
            Filter {
                state: Some(State::Resolved),
                ..all.clone()
            },
            "cc",
        ),
        (
            Filter {
                text: Some("LOSS IS D".to_owned()),
                ..all.clone()
            },
            "D",
        ),
        (
            Filter {
                text: Some("no such words".to_owned()),
                ..all.clone()
            },
            "",
        ),
        (
            Filter {
                since: Some(NOW + 3),
                ..all.clone()
            },
            "e D",
        ),
        (
            Filter {
                until: Some(NOW + 1),
                ..all.clone()
            },
            "A",
        ),
        (
            Filter {
                project: Some("none".to_owned()),
                ..all
            },
            "",
        ),
    ] {
        assert_eq!(found(&ledger, &filter, 9).0, wanted, "{filter:?}");
    }
}

#[test]
fn who_knows_of_an_alert_is_said_until_it_is_over() {
    let ledger = ledger(&["A", "b"]);
    let of = |id| alert(&ledger, id).unwrap().unwrap().acknowledged;
    assert_eq!(of("A"), None);
    let known = ledger.written_alert("A").unwrap().unwrap().alert;
    let silence = Silence::acknowledging(&known, "ada".to_owned(), "on it".to_owned(), NOW);
    ledger.keep_silence(&silence).unwrap();
    let acknowledged = of("A").unwrap();
    assert_eq!(
        (
            acknowledged.by.as_str(),
            acknowledged.comment.as_str(),
            acknowledged.at
        ),
        ("ada", "on it", Time(NOW))
    );
    // It is of another run.
    assert_eq!(of("b"), None);
    ledger.remove_silence(&acknowledged.silence, NOW).unwrap();
    assert_eq!(of("A"), None);
}

#[test]
fn a_run_of_which_there_are_only_alerts_is_a_run() {
    let ledger = ledger(&["A", "b", "cc", "D", "e"]);
    let all = runs(&ledger, None).unwrap();
    let names: Vec<&str> = all.iter().map(|run| &*run.run).collect();
    assert_eq!(names, ["even", "odd"]);
    let counts = Counts {
        critical: 1,
        warning: 1,
        info: 0,
        resolved: 1,
    };
    assert_eq!(all[0].alerts, counts);
    assert_eq!((all[0].first_step, all[0].last_step), (Some(0), Some(4)));
    assert_eq!(all[0].last_activity, Some(Time(NOW + 4)));
    assert_eq!((all[0].rows, all[0].state), (0, "unknown"));
    let one = run(&ledger, "default", "odd").unwrap().unwrap();
    assert_eq!((one.alerts.critical, one.alerts.warning), (1, 1));
    assert!(run(&ledger, "default", "other").unwrap().is_none());
}
