//! Inhibition and silences: what is muted is held, and goes out when that ends.

use super::bench::*;
use crate::deliver::dispatch::Policy;
use crate::deliver::inhibit::Rule;
use crate::deliver::matcher::parse_all;
use crate::deliver::silence::Until;
use crate::ledger::Ledger;

fn rule(source: &str, target: &str) -> Rule {
    Rule {
        source: parse_all(source, &[]).unwrap(),
        target: parse_all(target, &[]).unwrap(),
        equal: vec!["run".to_owned()],
        after: false,
    }
}

/// While `cause` fires, `effect` is not told.
fn causal() -> Policy {
    Policy {
        inhibitions: vec![rule("detector=cause", "detector=effect")],
        ..to(&["a"])
    }
}

fn silenced(ledger: &Ledger) -> usize {
    ledger.silences(false).unwrap().len()
}

#[test]
fn inhibiting() {
    let mut bench = Bench::new(causal());
    bench
        .send(0, [firing("cause", Warning), firing("other", Warning)])
        .send(10, [firing("effect", Warning)])
        .until(60);
    assert_eq!(
        bench.last("a"),
        "held (inhibited by cause 1 warning Firing)"
    );
    bench.send(70, [resolved("cause")]).until(200);
    // It returns when its cause is over.
    assert_eq!(
        bench.told("a"),
        [
            "5 cause WARNING + other WARNING",
            "70 effect WARNING + cause RESOLVED"
        ]
    );
}

#[test]
fn inhibiting_within_the_same_moment_whatever_the_order() {
    for order in [["cause", "effect"], ["effect", "cause"]] {
        let mut bench = Bench::new(causal());
        bench
            .send(0, order.map(|key| firing(key, Warning)))
            .until(100);
        assert_eq!(bench.told("a"), ["5 cause WARNING"]);
    }
}

#[test]
fn inhibiting_reaches_what_still_waits_for_its_group() {
    let mut bench = Bench::new(causal());
    bench
        .send(0, [firing("effect", Warning)])
        .send(3, [firing("cause", Critical)])
        .until(100);
    assert_eq!(bench.told("a"), ["3 cause CRITICAL"]);
    assert!(standing(&bench.deliveries("a")[0]).starts_with("held (inhibited"));
}

#[test]
fn always_inhibiting_what_was_never_told_has_no_end() {
    let mut bench = Bench::new(causal());
    bench
        .send(0, ["cause", "effect"].map(|key| firing(key, Warning)))
        .send(70, ["cause", "effect"].map(resolved))
        .until(200);
    assert_eq!(bench.told("a"), ["5 cause WARNING", "75 cause RESOLVED"]);
    let all: Vec<String> = bench.deliveries("a").iter().map(standing).collect();
    assert_eq!(
        all[1],
        "suppressed (resolved (inhibited by cause 1 warning Firing))"
    );
    assert_eq!(all[3], "suppressed (nobody was told that it fired)");
}

#[test]
fn what_was_told_before_it_was_inhibited_has_its_end() {
    let mut bench = Bench::new(causal());
    bench
        .send(0, [firing("effect", Warning)])
        .send(70, [firing("cause", Critical)])
        .send(140, [resolved("effect")])
        .until(300);
    assert_eq!(
        bench.told("a"),
        [
            "5 effect WARNING",
            "70 cause CRITICAL",
            "145 effect RESOLVED"
        ]
    );
    // So has one that the run takes with it.
    let mut bench = Bench::new(causal());
    bench
        .send(0, [firing("effect", Warning)])
        .send(70, [firing("cause", Critical)])
        .ended(75)
        .until(300);
    assert_eq!(bench.told("a")[2..], ["75 cause ENDED + effect ENDED"]);
}

#[test]
fn inhibition_outlives_a_restart() {
    let mut bench = Bench::new(causal());
    bench.send(0, [firing("cause", Warning)]).until(10);
    bench.reload();
    bench.send(20, [firing("effect", Warning)]).until(100);
    assert_eq!(bench.told("a"), ["5 cause WARNING"]);
    bench.reload();
    bench.send(120, [resolved("cause")]).until(200);
    assert_eq!(
        bench.told("a")[1..],
        ["120 effect WARNING + cause RESOLVED"]
    );
}

#[test]
fn empty_inhibition_rule() {
    let mut bench = Bench::new(Policy {
        inhibitions: vec![Rule::default()],
        ..to(&["a"])
    });
    bench
        .send(0, ["x", "y"].map(|key| firing(key, Warning)))
        .until(10);
    assert_eq!(bench.told("a"), ["5 x WARNING + y WARNING"]);
}

#[test]
fn silencing_hides_one_of_two_until_it_ends() {
    let mut bench = Bench::new(to(&["a"]));
    bench.silence("s1", "detector=x", Until::Time(START + 50_000));
    bench
        .send(0, ["x", "y"].map(|key| firing(key, Warning)))
        .until(49);
    assert_eq!(bench.told("a"), ["5 y WARNING"]);
    assert_eq!(standing(&bench.deliveries("a")[0]), "held (silence s1)");
    bench.until(100);
    assert_eq!(bench.told("a")[1..], ["50 x WARNING"]);
}

#[test]
fn add_silence_reaches_what_still_waits_for_its_group() {
    let mut bench = Bench::new(to(&["a"]));
    bench
        .send(0, ["x", "y"].map(|key| firing(key, Warning)))
        .until(2);
    bench.silence("s1", "detector=x", Until::Time(START + HOUR * 1000));
    bench.until(60);
    assert_eq!(bench.told("a"), ["5 y WARNING"]);
}

#[test]
fn add_silence_to_what_is_over_does_not_part_it_from_its_end() {
    let mut bench = Bench::new(to(&["a"]));
    bench
        .send(0, [firing("x", Warning)])
        .send(2, [resolved("x")]);
    bench.silence("s1", "detector=x", Until::Time(START + 60_000));
    bench.until(200);
    assert_eq!(bench.told("a"), ["5 x WARNING + x RESOLVED"]);
}

#[test]
fn silence_delete() {
    let mut bench = Bench::new(to(&["a"]));
    bench.silence("s1", "detector=x", Until::Time(START + HOUR * 1000));
    bench.send(0, [firing("x", Warning)]).until(30);
    assert!(bench.told("a").is_empty());
    assert_eq!(
        bench.outside.remove_silence("s", bench.now()).unwrap(),
        ["s1"]
    );
    bench.until(60);
    assert_eq!(bench.told("a"), ["31 x WARNING"]);
}

#[test]
fn silence_of_a_trouble_that_ends_meanwhile_leaves_nothing_to_tell() {
    let mut bench = Bench::new(to(&["a"]));
    bench.silence("s1", "detector=x", Until::Time(START + 50_000));
    bench
        .send(0, [firing("x", Warning)])
        .send(20, [resolved("x")])
        .until(200);
    assert!(bench.told("a").is_empty());
}

#[test]
fn a_long_silence_tells_what_still_fires_once_and_not_as_too_old() {
    let mut bench = Bench::new(to(&["a"]));
    bench.tick = 60_000;
    bench.silence("s1", "detector=x", Until::Time(START + 10 * HOUR * 1000));
    let later = |number: i64| crate::alert::Alert {
        id: format!("x {number}"),
        ..firing("x", Warning)
    };
    for hour in 0..9 {
        bench.send(hour * HOUR, [later(hour)]);
    }
    bench.until(10 * HOUR + 10);
    assert_eq!(bench.told("a"), ["36000 x WARNING"]);
    assert_eq!(bench.tried("a")[0].message.entries[0].alert.id, "x 8");
}

#[test]
fn a_silence_does_not_reach_what_is_worse() {
    let mut bench = Bench::new(to(&["a"]));
    bench.silence("s1", "detector=x", Until::Time(START + HOUR * 1000));
    bench
        .send(0, [firing("x", Warning)])
        .send(20, [firing("x", Critical)])
        .until(2 * HOUR);
    // And what was held back of the same trouble is not news any more.
    assert_eq!(bench.told("a"), ["20 x CRITICAL"]);
}

#[test]
fn an_acknowledgement_lasts_until_the_trouble_is_over() {
    let mut bench = Bench::new(to(&["a"]));
    bench.send(0, [firing("x", Warning)]).until(10);
    bench.silence("ack", "detector=x", Until::Resolved);
    bench.until(5 * HOUR);
    assert_eq!(bench.told("a"), ["5 x WARNING"]);
    assert_eq!(bench.last("a"), "suppressed (silence ack)");
    bench.send(5 * HOUR, [resolved("x")]).until(5 * HOUR + 60);
    assert_eq!(silenced(&bench.outside), 0);
    bench
        .send(5 * HOUR + 100, [again(firing("x", Warning))])
        .until(6 * HOUR);
    assert_eq!(
        bench.told("a")[1..],
        ["18005 x RESOLVED", "18105 x WARNING"]
    );
}

#[test]
fn an_acknowledgement_outlives_a_change_that_failed() {
    let mut bench = Bench::new(to(&["a"]));
    bench.send(0, [firing("x", Warning)]).until(10);
    bench.silence("ack", "detector=x", Until::Resolved);
    bench.until(12);
    // The disk is full for a moment.
    let stop = |on: bool| {
        let pragma = if on {
            "PRAGMA query_only = ON"
        } else {
            "PRAGMA query_only = OFF"
        };
        bench
            .ledger
            .read(|connection| Ok(connection.execute_batch(pragma)?))
            .unwrap();
    };
    stop(true);
    let over = [std::sync::Arc::new(resolved("x"))];
    let durability = crate::ledger::Durability::Process;
    let sent = bench
        .dispatch
        .send(&bench.ledger, durability, &over, &[], bench.now());
    assert!(sent.is_err());
    stop(false);
    assert_eq!(silenced(&bench.outside), 1);
    bench.send(20, [firing("x", Info)]).until(100);
    assert_eq!(bench.last("a"), "held (silence ack)");
}

#[test]
fn the_end_of_a_run_gives_up_what_is_held() {
    let mut bench = Bench::new(causal());
    bench
        .send(0, ["cause", "effect"].map(|key| firing(key, Warning)))
        .ended(20)
        .until(200);
    assert_eq!(bench.told("a"), ["5 cause WARNING", "65 cause ENDED"]);
    let effect = &bench.deliveries("a")[1];
    assert!(
        standing(effect).starts_with("suppressed (run ended (inhibited"),
        "{effect:?}"
    );
}

#[test]
fn the_end_of_a_run_is_told_whatever_mutes_the_trouble_by_then() {
    let mut bench = Bench::new(to(&["a"]));
    bench
        .send(0, [firing("x", Warning)])
        .send(100, [firing("x", Info)])
        .ended(200);
    bench.silence("s1", "detector=x", Until::Time(START + HOUR * 1000));
    bench.until(300);
    // Of several alerts of a trouble the last one is told.
    assert_eq!(
        bench.told("a"),
        ["5 x WARNING", "105 x INFO", "205 x ENDED"]
    );
    let ended = &bench.tried("a")[2].message.entries[0].alert;
    assert_eq!(ended.severity, Info);
}

#[test]
fn what_was_held_for_longer_than_its_age_limit_is_told_when_released() {
    let mut bench = Bench::new(to(&["a"]));
    bench.tick = 60_000;
    bench.silence("s1", "detector=x", Until::Time(START + 8 * HOUR * 1000));
    bench.send(0, [firing("x", Warning)]).until(8 * HOUR + 10);
    assert_eq!(bench.told("a"), ["28800 x WARNING"]);
}
