//! The end comes at once: with the job's last line, or by a signal.

use std::io::Write as _;
use std::process::Child;

use runwatch::exit;

use crate::place::{LEAN, NAN, Place, drain, finish, signal, webhook};
use crate::server::{Reply, Server};

#[test]
fn an_alert_on_the_last_line_arrives_thirty_times_of_thirty() {
    let server = Server::good();
    for number in 0..30 {
        // All detectors, a new ledger; every other log ends in its last line.
        let place = Place::new(&webhook("team", "")).env("TEAM", &server.url("/"));
        let log = match number % 2 {
            0 => NAN,
            _ => NAN.trim_end(),
        };
        let output = place.run(&format!("--quiet --plain --run run-{number}"), log);
        assert_eq!(output.code, Some(exit::OK.into()), "{}", output.stderr);
        assert_eq!(output.stdout, log.as_bytes());
    }
    // Where it arrived before the end, that is told as well.
    let arrived = server.requests();
    let news: Vec<String> = arrived
        .iter()
        .map(|request| request.json()["alerts"][0].clone())
        .filter(|alert| alert["notice"] == "new")
        .map(|alert| format!("{} {}", alert["run"], alert["key"]))
        .collect();
    let expected = (0..30).map(|number| format!("\"run-{number}\" \"non-finite/loss\""));
    assert_eq!(news, expected.collect::<Vec<_>>());
}

/// A watch in which the warning `slow` waits for its group and `hole` never
/// answers; the critical is at `good`.
fn watch(place: &Place, good: &Server, hole: &Server) -> Child {
    let mut child = place.command("--quiet").spawn().unwrap();
    let rows = "{\"run\": \"one\", \"step\": 1, \"lr\": 2.0}\n\
                {\"run\": \"two\", \"step\": 1, \"loss\": NaN}\n";
    let stdin = child.stdin.as_mut().unwrap();
    stdin.write_all(rows.as_bytes()).unwrap();
    good.await_arrival("non-finite");
    hole.await_requests(1);
    child
}

fn good_and_hole(flush: &str) -> (Server, Server, Place) {
    let good = Server::good();
    let hole = Server::new(|_, number| match number {
        0 => Reply::Hold,
        _ => Reply::ok(),
    });
    let rule = "[rule.slow]\nwhen = \"lr > 1.0\"\nrecommendation = \"Lower it.\"\n";
    let config = format!(
        "{LEAN}{rule}[delivery]\nflush = \"{flush}\"\n{}{}",
        webhook("good", ""),
        webhook("hole", "timeout = \"60s\"")
    );
    let place = Place::new(&config)
        .env("GOOD", &good.url("/"))
        .env("HOLE", &hole.url("/"));
    (good, hole, place)
}

#[test]
fn sigterm_sends_what_waits_and_says_what_remains() {
    let (good, hole, place) = good_and_hole("1s");
    let child = watch(&place, &good, &hole);
    signal(&child, "TERM");
    good.await_arrival("slow");
    let output = finish(child);
    assert_eq!(
        output.stderr,
        "runwatch: sink `hole`: 2 alerts remain to be sent, at the next start or with `runwatch \
         sink resend hole`\n"
    );
    assert_eq!(output.code, Some(exit::INTERRUPTED.into()));

    let resend = finish(place.command("sink resend").spawn().unwrap());
    assert_eq!(resend.stderr, "2 alerts sent\n");
    hole.await_arrival("slow");
    hole.await_arrival("non-finite");
    assert_eq!(good.requests().len(), 2);
}

#[test]
fn a_second_signal_ends_at_once() {
    let (good, hole, place) = good_and_hole("600s");
    let mut child = watch(&place, &good, &hole);
    let stdout = drain(&mut child);
    signal(&child, "TERM");
    // It is sending what waits, and would wait for the other one.
    good.await_arrival("slow");
    signal(&child, "TERM");
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(exit::INTERRUPTED.into()));
    assert_eq!(hole.holding(), 1);
    stdout.join().unwrap();

    // Nothing is lost: the next start sends it.
    let output = place.run("--quiet", "");
    assert_eq!(output.stderr, "");
    assert_eq!(output.code, Some(exit::OK.into()));
    hole.await_arrival("slow");
    let requests = hole.requests();
    assert_eq!(
        requests[0].header("webhook-id"),
        requests[1].header("webhook-id")
    );
    assert_eq!(requests[0].alerts(), requests[1].alerts());
}
