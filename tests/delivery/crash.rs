//! The program is killed over and over, at any moment, and nothing is lost.
//!
//! What is promised, and what is not: a message is sent until its success was
//! written down, always under the same key and with the same alerts. Between
//! the server's success and the ledger's note of it lies a moment that no
//! program can make go away: killed in it, the next start sends the message
//! once more. So a process that is killed costs at most one repetition at each
//! sink, of the very last message that it sent there; a process that lives
//! repeats nothing that has arrived. The server can tell a repetition by its
//! `webhook-id`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use runwatch::exit;

use crate::flaky::{Chance, server};
use crate::place::{Place, finish, webhook};
use crate::server::Request;

const KILLS: u64 = 300;
/// A start lives for less than this, in milliseconds.
const LIFE: u64 = 200;
const SINKS: [&str; 2] = ["team", "each"];

/// Alerts of all severities; one sink takes many in a message, the other one.
fn config() -> String {
    let mut config = "[detectors]\nenable = [\"rule\"]\n[console]\nstyle = \"off\"\n\
                      [alerts]\ncooldown-steps = 0\nmax-per-run = 500\ncritical-reserve = 500\n\
                      [delivery]\nflush = \"100s\"\n"
        .to_owned();
    for (name, severity) in [("a", "critical"), ("b", "warning"), ("c", "info")] {
        let _ = writeln!(
            config,
            "[rule.{name}]\nwhen = \"{name} > 1.0\"\nseverity = \"{severity}\"\n\
             recommendation = \"Look at {name}.\""
        );
    }
    config += &webhook("team", "timeout = \"1s\"");
    config += &webhook(
        "each",
        r#"timeout = "1s"
template = '{"alerts": [{"id": {{ alert.id|tojson }}, "notice": {{ alert.notice|tojson }}}]}'"#,
    );
    config
}

/// Two runs with troubles that begin and end: 224 alerts.
fn log() -> String {
    let mut log = String::new();
    for step in 0..65 {
        for run in ["one", "two"] {
            let value = |period: u32| 2 * (step / period % 2);
            let _ = writeln!(
                log,
                "{{\"run\": \"{run}\", \"step\": {step}, \"a\": {}, \"b\": {}, \"c\": {}}}",
                value(1),
                value(2),
                value(4)
            );
        }
    }
    log
}

/// Starts the program as it was started before, and kills it.
fn start_and_kill(place: &Place, number: u64, log: &str, chance: &mut Chance, urls: &Urls) {
    let mut command = place.command("--quiet --run x");
    urls.set(&mut command, number);
    // Either the whole log, whose end it lives to see or not, or a part of it,
    // and it waits for more; not of a job that has ended, which would be another.
    let whole = chance.below(2) == 0 || has_ended(place);
    if whole {
        command.stdin(File::open(place.path("log")).unwrap());
    }
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    if !whole {
        let part = chance.below(log.len() as u64 + 1) as usize;
        let stdin = child.stdin.as_mut().unwrap();
        stdin.write_all(&log.as_bytes()[..part]).unwrap();
    }
    thread::sleep(Duration::from_millis(chance.below(LIFE)));
    child.kill().unwrap();
    child.wait().unwrap();
}

fn has_ended(place: &Place) -> bool {
    place.path("ledger.sqlite").exists()
        && place.ledger().episodes("default", "two", true).unwrap() > 0
}

/// Where the sinks send to: the path says which sink of which start it was.
struct Urls(String);

impl Urls {
    fn set(&self, command: &mut std::process::Command, start: u64) {
        for sink in SINKS {
            let url = format!("{}/{sink}/{start}", self.0);
            command.env(sink.to_uppercase(), url);
        }
    }
}

/// The number of the start that sent it.
fn start_of(request: &Request) -> u64 {
    let (_, start) = request.path.rsplit_once('/').unwrap();
    start.parse().unwrap()
}

#[test]
fn whatever_is_killed_goes_on_where_it_was() {
    let server = server(7);
    let urls = Urls(server.url(""));
    let place = Place::new(&config());
    let log = log();
    std::fs::write(place.path("log"), &log).unwrap();
    // It compiles the detector too, for which no start lives long enough.
    let wanted = reviewed(&place);
    assert_eq!(wanted.len(), 224, "the log");

    let began = Instant::now();
    let mut chance = Chance::new(11);
    for number in 0..KILLS {
        start_and_kill(&place, number, &log, &mut chance, &urls);
    }
    let killed = began.elapsed();
    let before = server.requests();

    let mut command = place.command("--quiet --run x");
    urls.set(&mut command, KILLS);
    let last = command.stdin(File::open(place.path("log")).unwrap());
    let output = finish(last.spawn().unwrap());
    assert_eq!(output.stderr, "");
    assert_eq!(output.code, Some(exit::OK.into()));
    assert_eq!(output.stdout, log.as_bytes());

    let requests = server.requests();
    eprintln!(
        "{KILLS} kills in {killed:.1?} with {} requests, the last start {:.1?} with {} more",
        before.len(),
        began.elapsed() - killed,
        requests.len() - before.len()
    );
    // Else nothing was tried.
    assert!(!before.is_empty(), "no start lived to send anything");

    in_the_ledger(&place, &wanted);
    for sink in SINKS {
        let path = format!("/{sink}/");
        let sent: Vec<&Request> = requests
            .iter()
            .filter(|request| request.path.starts_with(&path))
            .collect();
        let again = at_the_server(&sent, &wanted);
        eprintln!(
            "{sink}: {} requests, {again} of them repetitions",
            sent.len()
        );
    }
}

/// The ids of the alerts that a look at the whole log finds, in order.
fn reviewed(place: &Place) -> Vec<String> {
    let mut review = place.bare("review --json --quiet --run x log");
    let output = finish(review.spawn().unwrap());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| {
            let alert: serde_json::Value = serde_json::from_str(line).unwrap();
            alert["id"].as_str().unwrap().to_owned()
        })
        .collect()
}

fn in_the_ledger(place: &Place, wanted: &[String]) {
    let ledger = place.ledger();
    let deliveries = ledger.deliveries(None, usize::MAX >> 1).unwrap();
    for id in wanted {
        let alert = ledger.alert(id).unwrap();
        assert!(alert.is_some(), "{id} is not in the ledger");
    }
    let known: BTreeSet<_> = deliveries.iter().map(|it| it.alert.as_str()).collect();
    assert_eq!(known, wanted.iter().map(String::as_str).collect());
    let open: Vec<_> = deliveries
        .iter()
        .filter(|it| it.state != "delivered")
        .collect();
    assert!(open.is_empty(), "{} {open:#?}", open.len());
    assert_eq!(deliveries.len(), SINKS.len() * wanted.len());
}

/// Looks at what came from one sink, in order, and gives how often a message
/// came again after a success.
fn at_the_server(sent: &[&Request], wanted: &[String]) -> usize {
    let arrived: BTreeSet<_> = sent
        .iter()
        .filter(|request| request.succeeded)
        .flat_map(|request| request.alerts())
        .collect();
    let expected = wanted.iter().map(|id| (id.clone(), "new".to_owned()));
    assert_eq!(arrived, expected.collect());

    let mut members: BTreeMap<&str, Vec<(String, String)>> = BTreeMap::new();
    let mut last_of_start = BTreeMap::new();
    for (at, request) in sent.iter().enumerate() {
        let key = request.header("webhook-id");
        let alerts = request.alerts();
        let known = members.entry(key).or_insert_with(|| alerts.clone());
        assert_eq!(alerts, *known, "the message {key} has changed");
        last_of_start.insert(start_of(request), at);
    }
    assert_eq!(
        members.values().map(Vec::len).sum::<usize>(),
        wanted.len(),
        "an alert has more than one key"
    );

    let mut done: BTreeMap<&str, usize> = BTreeMap::new();
    let mut again = 0;
    for (at, request) in sent.iter().enumerate() {
        let key = request.header("webhook-id");
        if let Some(before) = done.get(key) {
            let start = start_of(sent[*before]);
            assert!(start < start_of(request), "{key} came twice from one start");
            assert_eq!(
                last_of_start[&start], *before,
                "{key} had arrived: its start has sent others since, and it came again"
            );
            again += 1;
        }
        if request.succeeded {
            done.insert(key, at);
        }
    }
    again
}
