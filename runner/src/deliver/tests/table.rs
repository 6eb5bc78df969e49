//! The truth table: where a trouble stands at a sink × what happens × what
//! mutes it, and what becomes of the news.

use super::bench::*;
use crate::alert::Alert;
use crate::deliver::Outcome;
use crate::deliver::dispatch::Policy;
use crate::deliver::inhibit::Rule;
use crate::deliver::matcher::parse_all;
use crate::deliver::silence::Until;

/// Where the trouble stands at the sink when something happens.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stands {
    /// Nothing is known of it.
    None,
    /// A warning was told.
    Sent,
    /// A warning, and that it is over.
    Over,
    /// A warning is held back by a silence that is about to end.
    Held,
    /// A warning waits for its group.
    Pending,
    /// A warning was refused for good.
    Dead,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Event {
    Same,
    Higher,
    Lower,
    Resolved,
    Reminder,
    End,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mute {
    No,
    Silenced,
    Inhibited,
    /// Below what the sink takes; what came before was not.
    TooMild,
}

const STANDS: [Stands; 6] = {
    use Stands::*;
    [None, Sent, Over, Held, Pending, Dead]
};
const EVENTS: [Event; 6] = {
    use Event::*;
    [Same, Higher, Lower, Resolved, Reminder, End]
};
const MUTES: [Mute; 4] = {
    use Mute::*;
    [No, Silenced, Inhibited, TooMild]
};

const UNKNOWN: &str = "suppressed (nobody was told that it fired)";

/// What becomes of the news of the event: how its delivery ends, `-` if there
/// is none.
fn expected(stands: Stands, event: Event, mute: Mute) -> &'static str {
    use Event::*;
    match (stands, event, mute) {
        // There is nothing to remind of and nothing that ends.
        (Stands::None | Stands::Over, Resolved | Reminder | End, _) => "-",
        // By then it has gone out.
        (Stands::Held | Stands::Pending, Reminder, Mute::No) => "delivered",
        // Only what was told is told again or ended.
        (Stands::Held | Stands::Pending | Stands::Dead, Reminder | End, _) => "-",
        (Stands::Held | Stands::Dead, Resolved, _) => UNKNOWN,
        // The cause came first, so that it was held before it was over.
        (Stands::Pending, Resolved, Mute::Inhibited) => UNKNOWN,
        // Whoever knows of a trouble is told of its end, whatever mutes it.
        (Stands::Sent | Stands::Pending, Resolved, _) => "delivered",
        (Stands::Sent, End, _) => "delivered",
        // A reminder that is muted will be made up for by the next one.
        (Stands::Sent, Reminder, Mute::Silenced) => "suppressed (silence s)",
        (Stands::Sent, Reminder, Mute::Inhibited) => {
            "suppressed (inhibited by cause 1 critical Firing)"
        }
        (Stands::Sent, Reminder, Mute::TooMild) => "-",
        (Stands::Sent, Reminder, Mute::No) => "delivered",
        // Firing, again or anew.
        (_, Same | Higher | Lower, Mute::Silenced) => "held (silence s)",
        (_, Same | Higher | Lower, Mute::Inhibited) => {
            "held (inhibited by cause 1 critical Firing)"
        }
        (_, Same | Lower, Mute::TooMild) => "suppressed (min-severity)",
        (_, Higher, Mute::TooMild) => "delivered",
        (_, Same | Higher | Lower, Mute::No) => "delivered",
    }
}

/// The trouble, as the event tells it.
fn news(event: Event) -> Option<Alert> {
    let alert = match event {
        Event::Same => firing("x", Warning),
        Event::Higher => firing("x", Critical),
        Event::Lower => firing("x", Info),
        Event::Resolved => resolved("x"),
        Event::Reminder | Event::End => return None,
    };
    Some(Alert {
        id: "news".to_owned(),
        ..alert
    })
}

fn policy() -> Policy {
    let parse = |text| parse_all(text, &[]).unwrap();
    Policy {
        inhibitions: vec![Rule {
            source: parse("detector=cause"),
            target: parse("detector=x"),
            equal: vec!["run".to_owned()],
            after: false,
        }],
        ..to(&["a"])
    }
}

/// A bench where the trouble stands so, and the second at which it does.
fn bench_where(stands: Stands) -> (Bench, i64) {
    let mut bench = Bench::new(policy());
    let warning = || firing("x", Warning);
    let at = match stands {
        Stands::None => 100,
        Stands::Sent => {
            bench.send(0, [warning()]);
            100
        }
        Stands::Over => {
            bench.send(0, [warning()]).send(70, [resolved("x")]);
            200
        }
        Stands::Held => {
            bench.silence("before", "detector=x", Until::Time(START + 99_500));
            bench.send(95, [warning()]);
            99
        }
        Stands::Pending => {
            bench.send(98, [warning()]);
            99
        }
        Stands::Dead => {
            bench.script("a", |_, _| Outcome::Rejected("no".to_owned()));
            bench.send(0, [warning()]).until(20);
            bench.script("a", delivered);
            100
        }
    };
    bench.until(at);
    (bench, at)
}

/// Runs one row of the table; says how the delivery of the news ends.
fn run(stands: Stands, event: Event, mute: Mute) -> String {
    let (mut bench, at) = bench_where(stands);
    match mute {
        Mute::No => {}
        Mute::Silenced => bench.silence(
            "s",
            "detector=x,severity=~info|warning|critical",
            Until::Time(START + 20 * HOUR * 1000),
        ),
        Mute::Inhibited => {
            bench.send(at, [firing("cause", Critical)]);
        }
        Mute::TooMild => {
            let mut policy = policy();
            policy.sinks[0].min_severity = Critical;
            bench.restart(policy);
            if stands == Stands::Sent && event == Event::Reminder {
                // The log is read again.
                bench.send(at, [firing("x", Warning)]);
            }
        }
    }
    let before = bench.deliveries("a").len();
    match (event, news(event)) {
        // What is over is there again in another episode.
        (_, Some(news)) if stands == Stands::Over => bench.send(at, [again(news)]),
        (_, Some(news)) => bench.send(at, [news]),
        (Event::End, _) => bench.ended(at),
        _ => {
            bench.until(at + 60).tick = 60_000;
            bench.until(5 * HOUR)
        }
    };
    bench.until(at.max(bench.second()) + 300);
    let made = bench.deliveries("a").into_iter().skip(before);
    let made: Vec<_> = made
        .filter(|it| it.alert.starts_with("news") || it.alert.starts_with("x "))
        .collect();
    match made.as_slice() {
        [] => "-".to_owned(),
        [one] => standing(one),
        several => panic!("{several:?}"),
    }
}

#[test]
fn the_truth_table() {
    let mut wrong = Vec::new();
    for stands in STANDS {
        for event in EVENTS {
            for mute in MUTES {
                let is = run(stands, event, mute);
                let ought = expected(stands, event, mute);
                if is != ought {
                    wrong.push(format!(
                        "{stands:?} × {event:?} × {mute:?}: {is}, not {ought}"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
