//! 100,000 findings: little of it is kept, and the criticals get through.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;

use runwatch::exit;

use crate::place::{LEAN, Place, drain, finish, memory_peak, webhook};
use crate::server::Server;

const RUNS: u32 = 10;
const STEPS: u32 = 500;
/// Rules, of which so many are criticals.
const RULES: (u32, u32) = (20, 4);

fn config() -> String {
    let mut config = format!("{LEAN}[alerts]\ncooldown-steps = 0\n[delivery]\nflush = \"100s\"\n");
    for rule in 0..RULES.0 {
        let severity = match rule < RULES.1 {
            true => "critical",
            false => "warning",
        };
        let _ = writeln!(
            config,
            "[rule.r{rule}]\nwhen = \"x > {rule}.0\"\nseverity = \"{severity}\"\n\
             recommendation = \"Look at it.\""
        );
    }
    config + &webhook("team", "")
}

/// At every row each rule begins to hold, or ceases to.
fn log() -> String {
    let mut log = String::new();
    for step in 0..STEPS {
        for run in 0..RUNS {
            let x = if step % 2 == 0 { 100 } else { -1 };
            let _ = writeln!(
                log,
                "{{\"run\": \"run-{run}\", \"step\": {step}, \"x\": {x}}}"
            );
        }
    }
    log + "{\"run\": \"last\", \"step\": 1, \"loss\": NaN}\n"
}

#[test]
fn a_storm_is_bounded_and_criticals_get_through() {
    let began = std::time::Instant::now();
    let server = Server::good();
    let place = Place::new(&config()).env("TEAM", &server.url("/"));
    let mut child = place.command("--quiet").spawn().unwrap();
    let stdout = drain(&mut child);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(log().as_bytes()).unwrap();
    server.await_arrival("run\":\"last");
    let peak = memory_peak(&child);
    let watched = began.elapsed();
    drop(stdin);
    let output = finish(child);
    stdout.join().unwrap();
    assert_eq!(output.stderr, "");
    assert_eq!(output.code, Some(exit::OK.into()));

    let size: u64 = ["", "-wal"]
        .iter()
        .filter_map(|end| std::fs::metadata(place.path(&format!("ledger.sqlite{end}"))).ok())
        .map(|file| file.len())
        .sum();
    let requests = server.requests();
    let arrived: BTreeSet<String> = requests
        .iter()
        .flat_map(|request| request.alerts())
        .map(|(id, _)| id)
        .collect();
    let deliveries = place.ledger().deliveries(None, usize::MAX >> 1).unwrap();
    eprintln!(
        "{} findings in {watched:.1?}, all in {:.1?}: {} deliveries, {} requests, ledger {} KiB, \
         peak memory {peak} MiB",
        RUNS * STEPS * RULES.0,
        began.elapsed(),
        deliveries.len(),
        requests.len(),
        size >> 10
    );
    assert!(peak < 500, "{peak} MiB");
    assert!(size < 64 << 20, "{size} bytes");

    let ledger = place.ledger();
    let mut criticals = 0;
    for delivery in &deliveries {
        let alert = ledger.alert(&delivery.alert).unwrap().unwrap();
        if alert.severity == runwatch::alert::Severity::Critical {
            criticals += 1;
            assert!(arrived.contains(&alert.id), "{delivery:?}");
        }
    }
    // The reserve of each run, in full.
    assert!(criticals >= 50 * RUNS, "{criticals}");
}
