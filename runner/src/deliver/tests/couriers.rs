//! One sink: when it is tried, when not, and what it is given.

use std::time::Duration;

use super::bench::*;
use crate::alert::Alert;
use crate::deliver::{Outcome, Pace};

fn throttled(seconds: Option<u64>) -> Outcome {
    Outcome::Throttled {
        after: seconds.map(Duration::from_secs),
        why: "too many requests".to_owned(),
    }
}

fn rejected() -> Outcome {
    Outcome::Rejected("invalid payload".to_owned())
}

fn broken() -> Outcome {
    Outcome::Broken("no such token".to_owned())
}

/// So many criticals, each of its own run, so that each is its own message.
fn criticals(number: usize) -> Vec<Alert> {
    let each = |at| Alert {
        run: format!("run {at}"),
        ..firing(&format!("x{at}"), Critical)
    };
    (0..number).map(each).collect()
}

/// The times between attempts, in milliseconds.
fn gaps(got: &[Got]) -> Vec<i64> {
    got.windows(2).map(|two| two[1].at - two[0].at).collect()
}

#[test]
fn throttled_stops_the_whole_sink_and_costs_no_attempt() {
    let mut bench = Bench::new(to(&["a", "b"]));
    bench.script("a", |before, _| match before {
        0 => throttled(Some(120)),
        _ => Outcome::delivered(),
    });
    bench
        .send(0, [firing("x", Critical)])
        .send(10, [firing("y", Critical)])
        .until(119);
    assert_eq!(bench.tried("a").len(), 1);
    assert_eq!(bench.deliveries("a")[0].attempts, 0);
    // The other sink does not wait for this one.
    assert_eq!(bench.told("b"), ["0 x CRITICAL", "10 y CRITICAL"]);
    bench.until(200);
    let tried = bench.tried("a");
    assert!(
        (120_000..=132_000).contains(&tried[1].at),
        "{}",
        tried[1].at
    );
    assert_eq!(tried[0].message.id, tried[1].message.id);
    assert!(!tried[1].message.doubtful);
    assert_eq!(tried.len(), 3);
    assert_eq!(bench.deliveries("a")[0].attempts, 1);
}

#[test]
fn a_sink_that_throttles_without_saying_how_long_is_asked_less_and_less() {
    let mut bench = Bench::new(to(&["a"]));
    bench.tick = 60_000;
    bench.script("a", |_, _| throttled(None));
    bench.send(0, [firing("x", Critical)]).until(2 * HOUR);
    let gaps = gaps(&bench.tried("a"));
    assert!((1000..=1100).contains(&gaps[0]), "{gaps:?}");
    assert!(
        gaps.windows(2)
            .all(|two| two[1] > two[0] || two[1] >= 300_000),
        "{gaps:?}"
    );
    assert!(gaps.iter().all(|gap| *gap <= 330_000), "{gaps:?}");
    bench.script("a", delivered);
    bench.until(3 * HOUR);
    assert_eq!(bench.told("a").len(), 1);
    assert_eq!(bench.deliveries("a")[0].attempts, 1);
}

#[test]
fn throttling_is_believed_for_an_hour_at_most() {
    let mut bench = Bench::new(to(&["a"]));
    bench.tick = 60_000;
    bench.script("a", |before, _| match before {
        0 => throttled(Some(u64::MAX)),
        1 => throttled(Some(0)),
        _ => Outcome::delivered(),
    });
    bench.send(0, [firing("x", Critical)]).until(2 * HOUR);
    let gaps = gaps(&bench.tried("a"));
    assert!((3_600_000..=3_960_000).contains(&gaps[0]), "{gaps:?}");
    assert!((1000..=1100).contains(&gaps[1]), "{gaps:?}");
}

#[test]
fn waits_between_attempts_grow_and_are_capped() {
    let mut bench = Bench::new(to(&["a"]));
    bench.tick = 60_000;
    bench.script("a", |_, _| transient());
    bench.send(0, [firing("x", Critical)]).until(3 * HOUR);
    let gaps = gaps(&bench.tried("a"));
    for (attempt, gap) in gaps.iter().take(4).enumerate() {
        let longest = 1000 << attempt;
        assert!((longest / 2..=longest).contains(gap), "{attempt}: {gap}");
    }
    assert!(gaps.iter().all(|gap| *gap <= 300_000), "{gaps:?}");
    assert!(gaps[12..].iter().all(|gap| *gap >= 150_000), "{gaps:?}");
}

#[test]
fn after_five_failures_the_whole_sink_waits() {
    let mut bench = Bench::new(to(&["a"]));
    bench.script("a", |_, at| match at < 60_000 {
        true => transient(),
        false => Outcome::delivered(),
    });
    bench.send(0, criticals(9));
    // Of nine new messages the last four were not even tried.
    assert_eq!(bench.tried("a").len(), 5);
    assert_eq!(bench.ledger.sink_state("a").unwrap().failures, 5);
    bench.until(59);
    let later = bench.tried("a").split_off(5);
    assert!(later.len() <= 5, "one attempt at a time: {}", later.len());
    bench.until(200);
    assert_eq!(bench.told("a").len(), 9);
    assert_eq!(bench.ledger.sink_state("a").unwrap().failures, 0);
}

#[test]
fn rejected_is_tried_once_as_plain_text_and_then_given_up() {
    let mut bench = Bench::new(to(&["a"]));
    bench.script("a", |_, _| rejected());
    bench.send(0, [firing("x", Critical)]).until(HOUR);
    let forms: Vec<bool> = bench.tried("a").iter().map(Got::is_plain).collect();
    assert_eq!(forms, [false, true]);
    let dead = &bench.deliveries("a")[0];
    assert_eq!(
        (dead.state.as_str(), dead.error.as_deref()),
        ("dead", Some("invalid payload"))
    );
    // The next alert is none the worse for it.
    bench.script("a", delivered);
    bench.send(HOUR, [firing("y", Critical)]);
    assert_eq!(bench.told("a"), ["3600 y CRITICAL"]);
}

#[test]
fn plain_text_that_cannot_be_sent_now_stays_plain() {
    let mut bench = Bench::new(to(&["a"]));
    bench.script("a", |before, _| match before {
        0 => rejected(),
        1 => transient(),
        _ => Outcome::delivered(),
    });
    bench.send(0, [firing("x", Critical)]).until(60);
    let forms: Vec<bool> = bench.tried("a").iter().map(Got::is_plain).collect();
    assert_eq!(forms, [false, true, true]);
    assert_eq!(bench.last("a"), "delivered");
}

#[test]
fn the_end_of_what_was_refused_is_not_told() {
    let mut bench = Bench::new(to(&["a"]));
    bench.script("a", |before, _| match before {
        0 | 1 => transient(),
        2 | 3 => rejected(),
        _ => Outcome::delivered(),
    });
    bench
        .send(0, [firing("x", Warning)])
        .send(5, [resolved("x")])
        .until(300);
    assert!(bench.told("a").is_empty(), "{:?}", bench.told("a"));
    assert_eq!(
        bench.last("a"),
        "suppressed (nobody was told that it fired)"
    );
}

#[test]
fn a_panic_refuses_the_message_and_ends_nothing() {
    let mut bench = Bench::new(to(&["a"]));
    bench.panics("a", true);
    bench.send(0, [firing("x", Critical)]);
    assert_eq!(bench.last("a"), "dead");
    bench.panics("a", false);
    bench.send(1, [firing("y", Critical)]);
    assert_eq!(bench.told("a"), ["1 y CRITICAL"]);
}

#[test]
fn broken_stops_the_sink_until_resend() {
    let mut bench = Bench::new(to(&["a"]));
    bench.script("a", |_, _| broken());
    bench
        .send(0, [firing("x", Critical)])
        .send(10, [firing("y", Critical)])
        .until(60);
    assert_eq!(bench.tried("a").len(), 1);
    // It outlives a restart, and what waits stays.
    bench.reload();
    bench.script("a", delivered);
    bench.until(2 * MINUTE);
    assert_eq!(bench.tried("a").len(), 1);
    let waiting = &bench.ledger.remaining().unwrap()[0];
    assert_eq!((waiting.waiting, waiting.urgent), (2, 2));
    assert_eq!(bench.outside.resend("a", false, 0).unwrap(), 2);
    bench.until(3 * MINUTE);
    assert_eq!(bench.told("a").len(), 2);
    assert_eq!(
        bench.tried("a")[1].message.id,
        bench.tried("a")[0].message.id
    );
}

#[test]
fn resend_brings_back_what_was_given_up() {
    let mut bench = Bench::new(to(&["a"]));
    bench.script("a", |_, _| rejected());
    bench.send(0, [firing("x", Critical)]).until(10);
    bench.script("a", delivered);
    assert_eq!(bench.outside.resend("a", true, START + 1000).unwrap(), 0);
    assert_eq!(bench.outside.resend("a", true, START).unwrap(), 1);
    bench.until(20);
    let tried = bench.tried("a");
    assert_eq!(tried.len(), 3);
    assert!(!tried[2].is_plain() && tried[2].message.id == tried[0].message.id);
}

#[test]
fn pace() {
    let mut bench = Bench::new(to(&["a"]));
    bench.limits(
        "a",
        20,
        Pace {
            burst: 3,
            every: Duration::from_secs(10),
        },
    );
    bench.send(0, criticals(6)).until(60);
    let at: Vec<i64> = bench.tried("a").iter().map(|got| got.at / 1000).collect();
    assert_eq!(at, [0, 0, 0, 10, 20, 30]);
    // An hour of rest saves up no more than the burst.
    let more = criticals(6).into_iter().map(again);
    bench.send(HOUR, more.collect::<Vec<_>>()).until(HOUR + 60);
    let at: Vec<i64> = bench
        .tried("a")
        .iter()
        .map(|got| got.at / 1000 - HOUR)
        .collect();
    assert_eq!(at[6..], [0, 0, 0, 10, 20, 30]);
}

#[test]
fn what_is_too_old_expires_by_severity() {
    let mut bench = Bench::new(to(&["a"]));
    bench.tick = 60_000;
    bench.script("a", |_, _| transient());
    bench.send(
        0,
        [Info, Warning, Critical].map(|it| Alert {
            run: it.name().to_owned(),
            ..firing(it.name(), it)
        }),
    );
    let open = |bench: &Bench| {
        let all = bench.deliveries("a").into_iter();
        let open = all.filter(|it| it.state == "pending");
        open.map(|it| it.alert.split(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    bench.until(HOUR - 60);
    assert_eq!(open(&bench), ["info", "warning", "critical"]);
    bench.until(HOUR + 600);
    assert_eq!(open(&bench), ["warning", "critical"]);
    bench.until(6 * HOUR - 60);
    assert_eq!(open(&bench), ["warning", "critical"]);
    bench.until(6 * HOUR + 600);
    assert_eq!(open(&bench), ["critical"]);
    bench.until(24 * HOUR + 600);
    assert!(open(&bench).is_empty());
    assert!(
        bench
            .deliveries("a")
            .iter()
            .all(|it| standing(it) == "expired (too old)")
    );
}

#[test]
fn a_message_does_not_lose_members_to_age() {
    let mut bench = Bench::new(to(&["a"]));
    bench.tick = 60_000;
    bench.script("a", |_, at| match at < 2 * HOUR * 1000 {
        true => transient(),
        false => Outcome::delivered(),
    });
    bench
        .send(0, [firing("x", Info), firing("y", Warning)])
        .until(3 * HOUR);
    let tried = bench.tried("a");
    assert!(tried.iter().all(|got| got.tells() == "x INFO + y WARNING"));
    let last = &tried.last().unwrap().message;
    assert!(
        last.delayed >= Some(Duration::from_secs(7200)),
        "{:?}",
        last.delayed
    );
    assert_eq!(tried[0].message.delayed, None);
}

#[test]
fn criticals_first() {
    let mut bench = Bench::new(to(&["a"]));
    bench.limits("a", 1, Pace::per_minute(1, 1));
    bench
        .send(0, [firing("w1", Warning), firing("w2", Warning)])
        .send(6, [firing("c", Critical)])
        .send(7, [firing("d", Critical)])
        .until(300);
    assert_eq!(
        bench.told("a"),
        [
            "5 w1 WARNING",
            "65 c CRITICAL",
            "125 d CRITICAL",
            "185 w2 WARNING"
        ]
    );
}

#[test]
fn what_began_a_trouble_goes_before_what_ends_it() {
    let mut bench = Bench::new(to(&["a"]));
    bench.script("a", |_, at| match at < 20_000 {
        true => transient(),
        false => Outcome::delivered(),
    });
    bench
        .send(0, [firing("x", Warning), firing("y", Warning)])
        .send(6, [resolved("x")])
        .send(12, [firing("z", Warning), resolved("y")])
        .until(200);
    let told = bench.told("a").join(" + ");
    let place = |what: &str| {
        told.find(what)
            .unwrap_or_else(|| panic!("{what} in {told}"))
    };
    assert!(place("x WARNING") < place("x RESOLVED"));
    assert!(place("y WARNING") < place("y RESOLVED"));
    assert!(place("z WARNING") > 0);
}

#[test]
fn a_batch_of_one_keeps_the_order_within_a_trouble() {
    let mut bench = Bench::new(to(&["a"]));
    bench.limits("a", 1, Pace::per_minute(1, 60));
    bench
        .send(0, [firing("x", Info)])
        .send(1, [firing("y", Critical)])
        .send(2, [firing("x", Critical), resolved("y")])
        .send(3, [resolved("x")])
        .until(200);
    assert_eq!(
        bench
            .told("a")
            .iter()
            .map(|line| line.split_once(' ').unwrap().1)
            .collect::<Vec<_>>(),
        ["y CRITICAL", "x CRITICAL", "y RESOLVED", "x RESOLVED"]
    );
}

#[test]
fn no_message_is_larger_than_the_sink_takes() {
    let mut bench = Bench::new(to(&["a"]));
    bench.limits("a", 4, Pace::default());
    let many = (0..10).map(|at| firing(&format!("x{at}"), Warning));
    bench.send(0, many.collect::<Vec<_>>()).until(10);
    let sizes: Vec<usize> = bench
        .tried("a")
        .iter()
        .map(|got| got.message.entries.len())
        .collect();
    assert_eq!(sizes, [4, 4, 2]);
}

#[test]
fn closing_waits_for_no_group() {
    let mut bench = Bench::new(to(&["a"]));
    bench
        .send(0, [firing("x", Warning), firing("y", Info)])
        .until(1);
    bench.close();
    assert_eq!(bench.told("a"), ["1 x WARNING + y INFO"]);
}

#[test]
fn closing_tries_once_more_at_once_what_has_a_long_wait_before_it() {
    let mut bench = Bench::new(to(&["a"]));
    bench.tick = 60_000;
    bench.script("a", |_, _| transient());
    bench.send(0, [firing("x", Critical)]).until(HOUR);
    let before = bench.tried("a").len();
    bench.close();
    assert_eq!(bench.tried("a").len(), before + 1);
    bench.script("a", delivered);
    bench.until(HOUR + 3);
    assert_eq!(bench.told("a").len(), 1);
}

#[test]
fn closing_does_not_press_a_sink_that_asked_us_to_wait() {
    let mut bench = Bench::new(to(&["a"]));
    bench.script("a", |_, _| throttled(Some(600)));
    bench.send(0, [firing("x", Critical)]).until(10);
    bench.close();
    assert_eq!(bench.tried("a").len(), 1);
}
