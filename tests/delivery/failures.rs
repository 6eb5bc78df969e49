//! Every way in which a server fails, and what people are told of it: at the
//! end of the watch, and by `runwatch sink list`.

use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use runwatch::exit;
use runwatch::ledger::Delivery;

use crate::place::{LEAN, NAN, Place, finish};
use crate::server::{PATIENCE, Reply, Server};

/// A part of every address: nobody may be told it.
const SECRET: &str = "T0PS3CR3T";

const WEBHOOK: &str = "type = \"webhook\"\nallow-http = true\nallow-private = true";

/// A watch whose one alert goes to the sink `team` of this section.
struct Trial {
    place: Place,
}

impl Trial {
    fn new(section: &str, url: &str) -> Self {
        let config = format!(
            "{LEAN}[delivery]\nflush = \"100ms\"\n[sinks.team]\nurl = \"env:TEAM\"\n{section}\n"
        );
        let url = format!("{url}{SECRET}");
        let place = Place::new(&config).env("TEAM", &url);
        Self { place }
    }

    /// At a server that answers everything like this.
    fn with(reply: Reply) -> (Self, Server) {
        let server = Server::new(move |_, _| reply.clone());
        (Self::new(WEBHOOK, &server.url("/")), server)
    }

    /// Watches until the delivery is as it should be, and compares what is
    /// said.
    fn check(&self, settled: impl Fn(&Delivery) -> bool, code: u8, said: &str, listed: &str) {
        self.look(settled, code, |really_said, really_listed| {
            assert_eq!(really_said, said);
            assert_eq!(really_listed, listed);
        });
    }

    fn look(&self, settled: impl Fn(&Delivery) -> bool, code: u8, look: impl Fn(&str, &str)) {
        let mut child = self.place.command("--quiet --run r").spawn().unwrap();
        child
            .stdin
            .as_mut()
            .unwrap()
            .write_all(NAN.as_bytes())
            .unwrap();
        self.await_that(settled);
        let output = finish(child);
        let list = finish(self.place.command("sink list").spawn().unwrap());
        let list = String::from_utf8(list.stdout).unwrap();
        let ledger = std::fs::read(self.place.path("ledger.sqlite")).unwrap();
        for place in [&*output.stderr, &list, &String::from_utf8_lossy(&ledger)] {
            assert!(!place.contains(SECRET), "{place}");
        }
        look(&steady(&output.stderr), &steady(&list));
        assert_eq!(output.code, Some(code.into()));
    }

    fn await_that(&self, settled: impl Fn(&Delivery) -> bool) {
        let ledger = self.place.ledger();
        let end = Instant::now() + PATIENCE;
        loop {
            let deliveries = ledger.deliveries(None, 10).unwrap();
            if deliveries.iter().any(&settled) {
                return;
            }
            assert!(Instant::now() < end, "{deliveries:#?}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Without what differs from time to time: how often it was tried, once or more.
fn steady(text: &str) -> String {
    let text = &text.replace("failed the last time", "failed 1 times in a row");
    match text.split_once(" times in a row") {
        Some((before, after)) => {
            let before = before.trim_end_matches(|c: char| c.is_ascii_digit());
            format!("{before}N times in a row{after}")
        }
        None => text.to_owned(),
    }
}

fn failed(delivery: &Delivery) -> bool {
    delivery.error.is_some()
}

fn ended(delivery: &Delivery) -> bool {
    delivery.done.is_some()
}

const REMAINS: &str = "runwatch: sink `team`: 1 alert remains to be sent, at the next start or \
                       with `runwatch sink resend team` (last error: ";
const REFUSED: &str = "runwatch: sink `team`: 1 alert was refused (last error: ";

/// The sink is not asked again before the next start.
fn switched_off(trial: &Trial, why: &str) {
    let listed =
        format!("team             webhook        info      switched off: {why}; 1 alert waits\n");
    let said = format!("{REMAINS}{why})\n");
    trial.check(failed, exit::DELIVERY, &said, &listed);
}

/// The alert stays, and is tried again.
fn remains(reply: Reply, why: &str, listed: &str) {
    let (trial, _server) = Trial::with(reply);
    let said = format!("{REMAINS}{why})\n");
    trial.check(failed, exit::DELIVERY, &said, listed);
}

const WAITS: &str =
    "team             webhook        info      failed N times in a row; 1 alert waits\n";

#[test]
fn an_error_of_the_server() {
    let reply = Reply::Answer(500, Vec::new(), "out of order");
    remains(reply, "HTTP 500: out of order", WAITS);
}

#[test]
fn a_server_that_wants_a_pause() {
    let seconds = vec![("retry-after", "120".to_owned())];
    let reply = Reply::Answer(429, seconds, "slow down");
    remains(
        reply,
        "HTTP 429: slow down",
        "team             webhook        info      ready; 1 alert waits\n",
    );
}

#[test]
fn a_short_pause_is_waited_for() {
    let server = Server::new(|_, number| match number {
        0 => Reply::Answer(429, vec![("retry-after", "1".to_owned())], ""),
        _ => Reply::ok(),
    });
    let trial = Trial::new(WEBHOOK, &server.url("/"));
    trial.check(
        ended,
        exit::OK,
        "",
        "team             webhook        info      ready\n",
    );
    let keys: Vec<_> = server.requests()[..2]
        .iter()
        .map(|request| request.header("webhook-id").to_owned())
        .collect();
    assert_eq!(keys[0], keys[1]);
}

#[test]
fn a_success_that_says_it_is_none() {
    let (trial, server) = Trial::with(Reply::Answer(200, Vec::new(), r#"{"ok": false}"#));
    let why = "the answer says that it failed: HTTP 200: {\"ok\": false}";
    trial.check(
        ended,
        exit::DELIVERY,
        &format!("runwatch: sink `team` refuses an alert for good: {why}\n{REFUSED}{why})\n"),
        "team             webhook        info      ready\n",
    );
    // Once as it should look, once plainly.
    assert_eq!(server.requests().len(), 2);
    assert_eq!(server.requests()[0].method, "POST");
}

#[test]
fn slack_that_does_not_say_ok() {
    let server = Server::new(|_, _| Reply::Answer(200, Vec::new(), "no_service"));
    let section = WEBHOOK.replace("webhook", "slack");
    let trial = Trial::new(&section, &server.url("/services/"));
    let why = "not the answer of this service: HTTP 200: no_service";
    trial.check(
        ended,
        exit::DELIVERY,
        &format!("runwatch: sink `team` refuses an alert for good: {why}\n{REFUSED}{why})\n"),
        "team             slack          info      ready\n",
    );
}

#[test]
fn a_server_that_is_slow() {
    let server = Server::new(|_, _| Reply::Hold);
    let section = format!("{WEBHOOK}\ntimeout = \"1s\"");
    let trial = Trial::new(&section, &server.url("/"));
    let said = format!("{REMAINS}`127.0.0.1` did not answer in time)\n");
    trial.check(failed, exit::DELIVERY, &said, WAITS);
}

#[test]
fn an_answer_that_breaks_off() {
    let why = "the answer of `127.0.0.1` broke off: Peer disconnected";
    remains(Reply::Partial, why, WAITS);
}

#[test]
fn a_connection_that_is_reset() {
    let why = "the answer of `127.0.0.1` broke off: Connection reset by peer (os error 104)";
    remains(Reply::Reset, why, WAITS);
}

#[test]
fn a_redirect() {
    let place = vec![("location", "http://127.0.0.1:1/".to_owned())];
    let (trial, server) = Trial::with(Reply::Answer(302, place, ""));
    switched_off(
        &trial,
        "HTTP 302: redirects are not followed; set the address that it leads to",
    );
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_server_without_tls() {
    let server = Server::good();
    let url = server.url("/").replace("http:", "https:");
    let why = "`127.0.0.1` does not answer in TLS (received corrupt message of type \
               InvalidContentType); does its address begin with `http://`?";
    let said = format!("{REMAINS}{why})\n");
    Trial::new(WEBHOOK, &url).check(failed, exit::DELIVERY, &said, WAITS);
}

#[test]
fn a_name_that_nobody_has() {
    // How a resolver puts it differs.
    Trial::new(WEBHOOK, "http://name.invalid/").look(failed, exit::DELIVERY, |said, listed| {
        let reached = said.contains("(last error: cannot reach `name.invalid`: ")
            || said.contains("(last error: the name `name.invalid` was not found in time)");
        assert!(reached && said.starts_with(REMAINS), "{said}");
        assert_eq!(listed, WAITS);
    });
}

#[test]
fn an_address_that_is_not_allowed() {
    let server = Server::good();
    let section = WEBHOOK.replace("allow-private = true", "");
    switched_off(
        &Trial::new(&section, &server.url("/")),
        "`127.0.0.1` leads to 127.0.0.1, a loopback address; if that is meant, write \
         `allow-private = true` in the sink's section",
    );
    let section = WEBHOOK.replace("allow-http = true", "");
    switched_off(
        &Trial::new(&section, &server.url("/")),
        "the address of the sink is wrong: it begins with `http://`, which anyone on the way can \
         read; if that is meant, write `allow-http = true` in the sink's section",
    );
    assert!(server.requests().is_empty());
}

#[test]
fn a_sink_that_is_switched_off_until_the_next_start() {
    let gone = Server::new(|_, _| Reply::status(410));
    let good = Server::good();
    let more = crate::place::webhook("good", "");
    let mut trial = Trial::new(&format!("{WEBHOOK}\n{more}"), &gone.url("/"));
    trial.place = trial.place.env("GOOD", &good.url("/"));
    let said = format!("{REMAINS}HTTP 410)\n");
    let listed = "good             webhook        info      ready\n\
                  team             webhook        info      switched off: HTTP 410; 1 alert waits\n";
    trial.check(failed, exit::DELIVERY, &said, listed);
    // The other sinks hear of it.
    good.await_arrival("sink-broken/team");
    assert_eq!(gone.requests().len(), 1);

    let mended = Server::good();
    let mut command = trial.place.command("--quiet --run r");
    command.env("TEAM", mended.url("/"));
    let output = finish(command.spawn().unwrap());
    assert_eq!((&*output.stderr, output.code), ("", Some(exit::OK.into())));
    mended.await_arrival("non-finite");
}
