//! A process that dies while it sends, and processes that share a ledger.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::bench::*;
use crate::deliver::Outcome;
use crate::ledger::{Again, Leased, Ledger, Taken};

fn take(ledger: &Ledger, owner: &str, now: i64) -> Option<Leased> {
    match ledger.take("a", owner, 20, now, false).unwrap() {
        Taken::Message(leased) => Some(leased),
        _ => None,
    }
}

/// A bench whose sink is left alone, so that the test takes what waits there.
fn bench_without_courier() -> Bench {
    let mut bench = Bench::new(to(&["a"]));
    bench.idle = true;
    bench
}

#[test]
fn after_a_crash_the_same_message_goes_out_as_a_possible_duplicate() {
    let mut bench = bench_without_courier();
    bench
        .send(0, [firing("x", Warning), firing("y", Warning)])
        .until(5);
    let lost = take(&bench.ledger, "dead", bench.now()).unwrap();
    assert!(!lost.doubtful);
    // What comes meanwhile does not join it.
    bench.send(6, [firing("z", Warning)]);
    assert_eq!(bench.outside.revive(&|_| false, bench.now()).unwrap(), 2);
    let found = take(&bench.outside, "me", bench.now()).unwrap();
    assert_eq!(
        (&found.message, &found.entries),
        (&lost.message, &lost.entries)
    );
    assert!(found.doubtful);
    assert_eq!(found.attempts, 1);
}

#[test]
fn a_restart_sends_it_before_what_came_later() {
    let mut bench = bench_without_courier();
    bench.send(0, [firing("x", Warning)]).until(5);
    assert!(take(&bench.ledger, "dead", bench.now()).is_some());
    bench.send(6, [resolved("x")]).until(20);
    assert_eq!(take(&bench.outside, "me", bench.now()), None);
    bench.idle = false;
    bench.reload();
    bench.until(100);
    assert_eq!(bench.told("a"), ["20 x WARNING", "20 x RESOLVED"]);
    let doubts: Vec<bool> = bench
        .tried("a")
        .iter()
        .map(|got| got.message.doubtful)
        .collect();
    assert_eq!(doubts, [true, false]);
}

#[test]
fn who_lives_keeps_what_it_sends_until_its_lease_is_over() {
    let mut bench = bench_without_courier();
    bench.send(0, [firing("x", Critical)]);
    let now = bench.now();
    assert!(take(&bench.ledger, "alive", now).is_some());
    let is_alive = |owner: &str| owner == "alive";
    assert_eq!(bench.outside.revive(&is_alive, now + 299_999).unwrap(), 0);
    assert_eq!(bench.outside.revive(&is_alive, now + 300_001).unwrap(), 1);
}

#[test]
fn who_lost_its_lease_can_only_say_that_it_arrived() {
    let mut bench = bench_without_courier();
    bench.send(0, [firing("x", Critical)]);
    let now = bench.now();
    let message = take(&bench.ledger, "slow", now).unwrap().message;
    bench.ledger.revive(&|_| false, now).unwrap();
    assert!(take(&bench.outside, "quick", now).is_some());
    let again = Again {
        retry: now,
        why: "cannot connect",
        free: false,
        doubtful: false,
        plain: false,
    };
    bench.ledger.again(&message, "slow", &again).unwrap();
    bench.ledger.died(&message, "a", "slow", "no", now).unwrap();
    assert_eq!(bench.last("a"), "sending");
    bench
        .ledger
        .arrived(&message, "delivered", None, now)
        .unwrap();
    assert_eq!(bench.last("a"), "delivered");
    bench.outside.again(&message, "quick", &again).unwrap();
    assert_eq!(bench.last("a"), "delivered");
}

#[test]
fn what_was_revived_and_then_arrived_is_not_sent_again() {
    let mut bench = bench_without_courier();
    bench.send(0, [firing("x", Critical)]);
    let now = bench.now();
    let message = take(&bench.ledger, "slow", now).unwrap().message;
    bench.ledger.revive(&|_| false, now).unwrap();
    bench
        .ledger
        .arrived(&message, "delivered", None, now)
        .unwrap();
    assert_eq!(take(&bench.outside, "quick", now), None);
}

#[test]
fn two_processes_share_what_waits() {
    let mut bench = bench_without_courier();
    let each = |at: usize| crate::alert::Alert {
        run: format!("run {at}"),
        ..firing(&format!("x{at}"), Critical)
    };
    bench.send(0, (0..20).map(each).collect::<Vec<_>>());
    let now = bench.now();
    let mut seen = BTreeSet::new();
    let mut turn = 0;
    loop {
        let (ledger, owner) = match turn % 2 {
            0 => (&*bench.ledger, "one"),
            _ => (&bench.outside, "two"),
        };
        turn += 1;
        let Some(leased) = take(ledger, owner, now) else {
            break;
        };
        assert!(seen.insert(leased.message.clone()), "taken twice");
        // Every other one arrives while the others are still on their way.
        if turn % 3 == 0 {
            ledger
                .arrived(&leased.message, "delivered", None, now)
                .unwrap();
        }
    }
    assert_eq!(seen.len(), 20);
}

/// The same with threads, so that they really meet in the file.
#[test]
fn two_processes_at_once_never_take_the_same_message() {
    let mut bench = bench_without_courier();
    let each = |at: usize| crate::alert::Alert {
        run: format!("run {at}"),
        ..firing(&format!("x{at}"), Critical)
    };
    bench.send(0, (0..60).map(each).collect::<Vec<_>>());
    let now = bench.now();
    let drain = |ledger: &Ledger, owner: &str| {
        let mut taken = Vec::new();
        while let Some(leased) = take(ledger, owner, now) {
            ledger
                .arrived(&leased.message, "delivered", None, now)
                .unwrap();
            taken.push(leased.message);
        }
        taken
    };
    let ledger = Arc::clone(&bench.ledger);
    let outside = &bench.outside;
    let mut all = std::thread::scope(|scope| {
        let one = scope.spawn(|| drain(&ledger, "one"));
        let two = scope.spawn(|| drain(outside, "two"));
        let mut all = one.join().unwrap();
        all.extend(two.join().unwrap());
        all
    });
    assert_eq!(all.len(), 60);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 60);
}

#[test]
fn a_message_that_another_process_sends_does_not_keep_this_one_busy() {
    let mut bench = bench_without_courier();
    bench.send(0, [firing("x", Warning)]).until(5);
    assert!(take(&bench.outside, "other", bench.now()).is_some());
    bench.send(6, [resolved("x")]);
    bench.idle = false;
    // The bench would find out if its courier were to be woken over and over.
    bench.until(200);
    assert!(bench.told("a").is_empty());
}

#[test]
fn what_fails_does_not_keep_its_followers_busy() {
    let mut bench = Bench::new(to(&["a"]));
    bench.script("a", |_, at| match at < 400_000 {
        true => Outcome::Ambiguous("timed out".to_owned()),
        false => Outcome::delivered(),
    });
    bench
        .send(0, [firing("x", Warning)])
        .send(6, [resolved("x")])
        .until(1200);
    let told = bench.told("a");
    assert!(told[0].ends_with("x WARNING") && told[1].ends_with("x RESOLVED"));
}

#[test]
fn reading_a_log_again_adds_nothing() {
    let mut bench = Bench::new(to(&["a"]));
    let log = || [firing("x", Warning), firing("x", Critical), resolved("x")];
    for alert in log() {
        bench.send(bench.second() + 70, [alert]);
    }
    bench.ended(300).until(400);
    let before = (bench.told("a"), bench.deliveries("a").len());
    bench.reload();
    for alert in log() {
        bench.send(bench.second() + 70, [alert]);
    }
    bench.ended(800).until(900);
    assert_eq!((bench.told("a"), bench.deliveries("a").len()), before);
}
