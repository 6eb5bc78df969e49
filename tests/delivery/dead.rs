//! Sinks that are dead cost the stream nothing.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use runwatch::exit;

use crate::place::{LEAN, NAN, Place, finish, memory_peak, webhook};
use crate::server::{Reply, Server};

/// A NaN, and then so many healthy rows.
fn log(rows: u32) -> String {
    let mut log = NAN.to_owned();
    for step in 3..rows {
        let _ = writeln!(
            log,
            "{{\"step\": {step}, \"lr\": 0.001, \"grad_norm\": 1.5}}"
        );
    }
    log
}

/// An address at which nobody is.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
}

#[test]
fn the_stream_passes_a_dead_sink() {
    let good = Server::good();
    let hole = Server::new(|_, number| match number {
        0 => Reply::Hold,
        _ => Reply::ok(),
    });
    let config = format!(
        "{LEAN}[delivery]\nflush = \"100ms\"\n{}{}{}",
        webhook("closed", ""),
        webhook("good", ""),
        webhook("hole", "timeout = \"100s\"")
    );
    let place = Place::new(&config)
        .env("CLOSED", &nobody())
        .env("GOOD", &good.url("/"))
        .env("HOLE", &hole.url("/"));

    let mut child = place.command("--quiet --run r").spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(NAN.as_bytes()).unwrap();
    hole.await_requests(1);
    good.await_arrival("non-finite");

    // Much more than pipes and queues hold, while the hole holds its request.
    let log = log(100_000);
    let rest = log[NAN.len()..].to_owned();
    let writer = thread::spawn(move || {
        stdin.write_all(rest.as_bytes()).unwrap();
        stdin
    });
    let mut passed = vec![0; log.len()];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut passed)
        .unwrap();
    assert!(passed == log.as_bytes(), "the output is not the input");
    assert_eq!(hole.holding(), 1);
    let peak = memory_peak(&child);
    eprintln!("{} bytes passed; peak memory {peak} MiB", log.len());
    assert!(peak < 400, "{peak} MiB");

    drop(writer.join().unwrap());
    let output = finish(child);
    assert_eq!(
        output.stderr,
        "runwatch: sink `closed`: 1 alert remains to be sent, at the next start or with `runwatch \
         sink resend closed` (last error: cannot reach `127.0.0.1`: Connection refused (os error \
         111))\n\
         runwatch: sink `hole`: 1 alert remains to be sent, at the next start or with `runwatch \
         sink resend hole`\n"
    );
    assert_eq!(output.code, Some(exit::DELIVERY.into()));
    assert_eq!(hole.holding(), 1);

    let resend = finish(place.command("sink resend hole").spawn().unwrap());
    assert_eq!(resend.stderr, "1 alert sent\n");
    assert_eq!(resend.code, Some(exit::OK.into()));
    let requests = hole.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(
        requests[0].header("webhook-id"),
        requests[1].header("webhook-id")
    );
    assert_eq!(requests[0].alerts(), requests[1].alerts());

    // Somebody is there again.
    let late = Server::good();
    let mut command = place.command("sink resend");
    let resend = finish(command.env("CLOSED", late.url("/")).spawn().unwrap());
    assert_eq!(resend.stderr, "1 alert sent\n");
    assert_eq!(late.requests()[0].alerts(), requests[0].alerts());
}
