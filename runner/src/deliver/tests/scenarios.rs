//! What Prometheus Alertmanager promises, by the names of its acceptance tests.
//! Where we mean to do otherwise, the test's name says how.

use std::time::Duration;

use super::bench::*;
use crate::alert::Alert;
use crate::deliver::dispatch::Gate;
use crate::deliver::routes::{Route, Routes};
use crate::deliver::{Outcome, Pace};

fn repeating(every: i64, sinks: &[&str]) -> Route {
    Route {
        repeat: Some(Duration::from_secs(every.unsigned_abs())),
        ..route(sinks)
    }
}

#[test]
fn repeat() {
    let mut bench = Bench::new(crate::deliver::dispatch::Policy {
        routes: Routes::new(vec![repeating(60, &["a"])], &[]),
        ..to(&["a"])
    });
    bench.send(0, [firing("x", Warning)]).until(200);
    // Each reminder waits for its group.
    assert_eq!(
        bench.told("a"),
        [
            "5 x WARNING",
            "65 x WARNING again",
            "125 x WARNING again",
            "185 x WARNING again"
        ]
    );
    bench.send(201, [resolved("x")]).until(600);
    assert_eq!(bench.told("a")[4..], ["245 x RESOLVED"]);
}

#[test]
fn repeat_ends_when_nobody_can_have_forgotten() {
    let mut bench = Bench::new(crate::deliver::dispatch::Policy {
        routes: Routes::new(vec![repeating(60, &["a"])], &[]),
        ..to(&["a"])
    });
    bench.send(0, [firing("x", Warning)]).until(2 * HOUR);
    assert_eq!(bench.told("a").len(), 1 + 28);
}

#[test]
fn retry() {
    let mut bench = Bench::new(to(&["good", "bad"]));
    bench.script("bad", |_, at| match at < 9500 {
        true => transient(),
        false => Outcome::delivered(),
    });
    bench.send(0, [firing("x", Warning)]).until(60);
    assert_eq!(bench.told("good"), ["5 x WARNING"]);
    assert_eq!(bench.tried("good").len(), 1);
    let tried = bench.tried("bad");
    assert!(tried.len() > 2, "{tried:?}");
    assert_eq!(bench.told("bad").len(), 1);
    assert!(
        tried
            .iter()
            .all(|got| got.message.id == tried[0].message.id)
    );
}

#[test]
fn batching() {
    let mut bench = Bench::new(to(&["a"]));
    bench
        .send(0, [firing("x", Warning)])
        .send(3, [firing("y", Warning)])
        .send(20, [firing("z", Info)])
        .until(2 * HOUR);
    // The group speaks once a minute, and is quiet until the reminder.
    assert_eq!(bench.told("a"), ["5 x WARNING + y WARNING", "65 z INFO"]);
}

#[test]
fn merge_alerts_later_news_of_what_still_waits_takes_its_place() {
    let mut bench = Bench::new(to(&["a"]));
    bench
        .send(0, [firing("x", Warning)])
        .send(2, [firing("x", Critical)])
        .until(100);
    assert_eq!(bench.told("a"), ["2 x CRITICAL"]);
    let first = &bench.deliveries("a")[0];
    assert_eq!(
        standing(first),
        "suppressed (overtaken by x 1 critical Firing)"
    );
}

#[test]
fn merge_alerts_milder_news_takes_no_place() {
    let mut bench = Bench::new(to(&["a"]));
    bench
        .send(0, [firing("x", Warning)])
        .send(2, [firing("x", Info)])
        .until(100);
    assert_eq!(bench.told("a"), ["5 x WARNING + x INFO"]);
}

#[test]
fn merge_alerts_firing_again_after_a_resolve_is_new() {
    let mut bench = Bench::new(to(&["a"]));
    bench
        .send(0, [firing("x", Warning)])
        .send(10, [resolved("x")])
        .send(20, [again(firing("x", Warning))])
        .until(100);
    assert_eq!(
        bench.told("a"),
        ["5 x WARNING", "65 x RESOLVED + x WARNING"]
    );
}

#[test]
fn criticals_wait_for_nobody_and_take_along_who_waits() {
    let mut bench = Bench::new(to(&["a"]));
    bench
        .send(0, [firing("x", Warning)])
        .send(1, [firing("y", Critical)])
        .send(2, [firing("z", Critical)])
        .until(100);
    assert_eq!(
        bench.told("a"),
        ["1 x WARNING + y CRITICAL", "2 z CRITICAL"]
    );
}

#[test]
fn resolved_together() {
    let mut bench = Bench::new(to(&["a"]));
    bench
        .send(0, ["x", "y", "z"].map(|key| firing(key, Warning)))
        .send(70, ["x", "y", "z"].map(resolved))
        .until(200);
    assert_eq!(
        bench.told("a"),
        [
            "5 x WARNING + y WARNING + z WARNING",
            "75 x RESOLVED + y RESOLVED + z RESOLVED"
        ]
    );
}

#[test]
fn resolved_within_the_group_wait_is_told_together_with_its_firing() {
    let mut bench = Bench::new(to(&["a"]));
    bench
        .send(0, [firing("x", Warning)])
        .send(3, [resolved("x")])
        .until(100);
    assert_eq!(bench.told("a"), ["5 x WARNING + x RESOLVED"]);
}

#[test]
fn resolved_filter() {
    let mut policy = to(&["all", "firing"]);
    policy.sinks[1] = Gate {
        takes_resolved: false,
        ..gate("firing")
    };
    let mut bench = Bench::new(policy);
    bench
        .send(0, [firing("x", Warning)])
        .send(70, [resolved("x")])
        .send(140, [again(firing("x", Warning))])
        .ended(300)
        .until(400);
    let all = [
        "5 x WARNING",
        "75 x RESOLVED",
        "145 x WARNING",
        "305 x ENDED",
    ];
    assert_eq!(bench.told("all"), all);
    assert_eq!(bench.told("firing"), ["5 x WARNING", "145 x WARNING"]);
    assert_eq!(
        standing(&bench.deliveries("firing")[1]),
        "suppressed (of no use there)"
    );
}

/// The same log is read again from its beginning, so that the same alerts come.
#[test]
fn reload_neither_repeats_nor_forgets_the_interval() {
    let mut bench = Bench::new(to(&["a"]));
    bench.send(0, [firing("x", Warning)]).until(5 * HOUR);
    let before = ["5 x WARNING", "14405 x WARNING again"];
    assert_eq!(bench.told("a"), before);
    bench.reload();
    bench.send(5 * HOUR, [firing("x", Warning)]).until(9 * HOUR);
    assert_eq!(bench.told("a")[..2], before);
    // Four hours after the last reminder, not after the reload.
    assert_eq!(bench.told("a")[2..], ["28805 x WARNING again"]);
}

#[test]
fn reload_sends_what_still_waited() {
    let mut bench = Bench::new(to(&["a"]));
    bench.send(0, [firing("x", Warning)]);
    bench.reload();
    bench.until(10);
    assert_eq!(bench.told("a"), ["5 x WARNING"]);
    bench.reload();
    bench
        .send(20, [firing("x", Warning), resolved("x")])
        .until(100);
    assert_eq!(bench.told("a"), ["5 x WARNING", "65 x RESOLVED"]);
}

#[test]
fn webhook_timeout_is_tried_again_as_a_possible_duplicate() {
    let mut bench = Bench::new(to(&["a"]));
    bench.script("a", |before, _| match before {
        0 => Outcome::Ambiguous("timed out".to_owned()),
        _ => Outcome::delivered(),
    });
    bench.send(0, [firing("x", Warning)]).until(10);
    let [first, second] = bench.tried("a").try_into().unwrap();
    assert!(!first.message.doubtful && second.message.doubtful);
    assert_eq!(first.message.id, second.message.id);
    assert_eq!(first.message.entries, second.message.entries);
}

#[test]
fn several_groups_do_not_mix() {
    let elsewhere = Alert {
        run: "other".to_owned(),
        ..firing("y", Warning)
    };
    let mut bench = Bench::new(to(&["a"]));
    bench.send(0, [firing("x", Warning), elsewhere]).until(10);
    assert_eq!(bench.told("a"), ["5 x WARNING", "5 y WARNING"]);
    let tried = bench.tried("a");
    assert_ne!(tried[0].message.group, tried[1].message.group);
}

#[test]
fn each_route_has_its_sinks_and_its_own_wait() {
    let patient = Route {
        group_wait: Duration::from_secs(30),
        goes_on: true,
        ..route(&["patient"])
    };
    let mut bench = Bench::new(crate::deliver::dispatch::Policy {
        routes: Routes::new(vec![patient, route(&["quick"])], &[]),
        ..to(&["patient", "quick"])
    });
    bench.limits("quick", 1, Pace::default());
    bench
        .send(0, [firing("x", Warning), firing("y", Warning)])
        .until(60);
    assert_eq!(bench.told("patient"), ["30 x WARNING + y WARNING"]);
    assert_eq!(bench.told("quick"), ["5 x WARNING", "5 y WARNING"]);
}
