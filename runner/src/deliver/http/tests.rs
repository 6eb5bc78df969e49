use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::super::sinks::testing::message;
use super::server::{Server, read_request, talk, wait_for_close};
use super::*;
use crate::secret::Secret;
use crate::secret::Unreadable;

/// A service that says `taken` when it has a message.
struct Webhook(Arc<Secret>);

impl Service for Webhook {
    fn request(&self, message: &Message) -> Result<Request, Unreadable> {
        let body = json!({"title": message.title()});
        Ok(Request::json(self.0.read()?.as_str(), &body).header("x-token", "7"))
    }

    fn verdict(&self, answer: &Answer) -> Outcome {
        match (answer.status, answer.body.as_slice()) {
            (200, b"taken") => Outcome::Delivered {
                remote: answer.header("x-id").map(str::to_owned),
            },
            _ => answer.failure(),
        }
    }
}

/// What a test may reach.
fn near() -> Transport {
    Transport {
        allow_private: true,
        allow_http: true,
        ..Transport::default()
    }
}

fn sink(url: &str, transport: Transport) -> HttpSink {
    HttpSink::new(Box::new(Webhook(Arc::new(Secret::literal(url)))), transport).unwrap()
}

fn send(url: &str, transport: Transport) -> Outcome {
    sink(url, transport).send(&message())
}

fn answering(answer: impl Into<Vec<u8>>) -> Outcome {
    send(&Server::answering(answer).url(), near())
}

/// The answer as the service would see it.
fn seen(answer: impl Into<Vec<u8>>) -> Answer {
    let server = Server::answering(answer);
    let request = Request::json(server.url(), &json!({}));
    Http::new(near()).unwrap().exchange(&request).unwrap()
}

fn why(outcome: &Outcome) -> &str {
    outcome.why().unwrap()
}

#[test]
fn a_message_is_delivered() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\ntaken");
    assert_eq!(send(&server.url(), near()), Outcome::delivered());
    let heard = server.heard().remove(0);
    assert!(heard.starts_with("POST /hook HTTP/1.1\r\n"), "{heard}");
    for line in [
        "content-type: application/json; charset=utf-8\r\n",
        "x-token: 7\r\n",
        &format!("user-agent: {USER_AGENT}\r\n"),
        "accept-encoding: identity\r\n",
    ] {
        assert!(heard.contains(line), "{line} in {heard}");
    }
    assert!(heard.ends_with(r#"{"title":"CRITICAL: loss is NaN (run train, step 2404)"}"#));
}

#[test]
fn every_message_has_its_own_connection() {
    let taken = || {
        talk(|mut stream| {
            let request = read_request(&mut stream);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\ntaken";
            stream.write_all(answer).unwrap();
            wait_for_close(&mut stream);
            request
        })
    };
    let server = Server::start([taken(), taken()]);
    let mut sink = sink(&server.url(), near());
    assert_eq!(sink.send(&message()), Outcome::delivered());
    assert_eq!(sink.send(&message()), Outcome::delivered());
    assert!(server.heard().iter().all(|heard| heard.starts_with("POST")));
}

#[test]
fn retry_after_reaches_the_verdict() {
    let Outcome::Throttled { after, .. } =
        answering("HTTP/1.1 429 Slow\r\nRetry-After: 7\r\ncontent-length: 0\r\n\r\n")
    else {
        panic!()
    };
    assert_eq!(after, Some(Duration::from_secs(7)));

    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3600));
    let Outcome::Throttled { after, .. } = answering(format!(
        "HTTP/1.1 429 Slow\r\nretry-after: {date}\r\ncontent-length: 0\r\n\r\n"
    )) else {
        panic!()
    };
    let after = after.unwrap().as_secs();
    assert!((3500..=3600).contains(&after), "{after}");
}

#[test]
fn redirects_are_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let port = elsewhere.local_addr().unwrap().port();
    for status in [301, 302, 303, 307, 308] {
        let outcome = answering(format!(
            "HTTP/1.1 {status} There\r\nlocation: http://127.0.0.1:{port}/\r\n\
             content-length: 0\r\n\r\n"
        ));
        assert_eq!(outcome.name(), "broken");
        assert!(why(&outcome).contains(&status.to_string()));
    }
    assert!(elsewhere.accept().is_err());
}

#[test]
fn what_was_sent_and_not_answered_may_have_arrived() {
    let silent = Server::start([talk(|mut stream| {
        let request = read_request(&mut stream);
        wait_for_close(&mut stream);
        request
    })]);
    let soon = Transport {
        timeout: Duration::from_millis(200),
        ..near()
    };
    let outcome = send(&silent.url(), soon);
    assert_eq!(
        outcome,
        Outcome::Ambiguous("`127.0.0.1` did not answer in time".to_owned())
    );
    assert!(silent.heard().remove(0).starts_with("POST"));

    for cut_short in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\ntaken",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\ntaken\r\n",
        "no HTTP at all\r\n\r\n",
    ] {
        assert_eq!(answering(cut_short).name(), "ambiguous", "{cut_short}");
    }
}

#[test]
fn a_reset_in_mid_body_is_ambiguous() {
    let server = Server::start([talk(|mut stream| {
        // What is closed before it was read to its end is reset.
        stream.read_exact(&mut [0; 10]).unwrap();
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\ntaken";
        stream.write_all(answer).unwrap();
        String::new()
    })]);
    assert_eq!(send(&server.url(), near()).name(), "ambiguous");
}

#[test]
fn a_no_is_a_no_even_if_its_text_breaks_off() {
    let outcome = answering("HTTP/1.1 403 No\r\ncontent-length: 50\r\n\r\ninvalid_to");
    assert_eq!(outcome, Outcome::Broken("HTTP 403: invalid_to".to_owned()));
    assert_eq!(
        answering("HTTP/1.1 429 Slow\r\nretry-after: 2\r\ncontent-length: 9\r\n\r\n").name(),
        "throttled"
    );
}

#[test]
fn what_did_not_leave_is_transient() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = gone.local_addr().unwrap().port();
    drop(gone);
    let refused = send(&format!("http://127.0.0.1:{port}/"), near());
    assert_eq!(refused.name(), "transient");
    assert!(why(&refused).starts_with("cannot reach `127.0.0.1`: "));

    let soon = Transport {
        timeout: Duration::from_secs(2),
        ..near()
    };
    let nowhere = send("http://runwatch-test.invalid/", soon);
    assert_eq!(nowhere.name(), "transient");
    assert!(why(&nowhere).contains("`runwatch-test.invalid`"));

    let missing = Secret::from_reference("env:RUNWATCH_HTTP_NOT_SET", None, Path::new("")).unwrap();
    let mut sink = HttpSink::new(Box::new(Webhook(Arc::new(missing))), near()).unwrap();
    assert_eq!(sink.send(&message()).name(), "transient");
    assert!(sink.preview(&message()).contains("RUNWATCH_HTTP_NOT_SET"));
}

#[test]
fn of_an_endless_body_64_kib_are_read() {
    let server = Server::start([talk(|mut stream| {
        let request = read_request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 500 No\r\n\r\n");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
        request
    })]);
    let request = Request::json(server.url(), &json!({}));
    let answer = Http::new(near()).unwrap().exchange(&request).unwrap();
    assert_eq!((answer.status, answer.body.len()), (500, 64 << 10));
    assert!(server.heard().remove(0).starts_with("POST"));
}

#[test]
fn endless_headers_end() {
    let server = Server::start([talk(|mut stream| {
        let request = read_request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"x-more: of the same\r\n").is_ok() {}
        request
    })]);
    assert_eq!(send(&server.url(), near()).name(), "ambiguous");
    server.heard();
}

#[test]
fn compressed_bodies_stay_as_they_are() {
    let bomb = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03 not expanded";
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        bomb.len()
    )
    .into_bytes();
    answer.extend_from_slice(bomb);
    assert_eq!(seen(answer).body, bomb);
}

#[test]
fn bodies_in_every_form() {
    let chunked = seen(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nX-Id: a\r\n\r\n3\r\ntak\r\n2\r\nen\r\n0\r\n\r\n",
    );
    assert_eq!(chunked.body, b"taken");
    assert_eq!(chunked.header("x-id"), Some("a"));
    assert!(chunked.at > 1_700_000_000_000);

    assert_eq!(seen("HTTP/1.1 200 OK\r\n\r\ntaken").body, b"taken");
    assert_eq!(seen("HTTP/1.1 204 None\r\n\r\n").status, 204);
    assert_eq!(
        seen(b"HTTP/1.1 400 Bad\r\ncontent-length: 4\r\nx-id: \xff\r\n\r\nno\xff\xfe".as_slice())
            .said(),
        "HTTP 400: no\u{fffd}\u{fffd}"
    );
}

#[test]
fn addresses_that_are_wrong_say_how_to_mend_them() {
    for (url, advice) in [
        ("http://hooks.example/x", "`allow-http = true`"),
        ("ftp://hooks.example/x", "neither"),
        ("hooks.example/x", "URL"),
        ("/hook", "no host"),
        ("https://a b/", "URL"),
        ("", "URL"),
    ] {
        let outcome = send(url, Transport::default());
        assert_eq!(outcome.name(), "broken", "{url}");
        assert!(why(&outcome).contains(advice), "{url}: {outcome:?}");
    }
}

#[test]
fn this_machine_and_its_networks_are_guarded() {
    let guarded = || Transport {
        allow_private: false,
        ..near()
    };
    // Nothing may arrive there.
    let here = TcpListener::bind("127.0.0.1:0").unwrap();
    here.set_nonblocking(true).unwrap();
    let port = here.local_addr().unwrap().port();
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "10.0.0.1",
    ] {
        let outcome = send(&format!("http://{host}:{port}/"), guarded());
        assert_eq!(outcome.name(), "broken", "{host}: {outcome:?}");
        assert!(
            why(&outcome).contains("`allow-private = true`"),
            "{outcome:?}"
        );
    }
    for host in [
        "169.254.169.254",
        "0.0.0.0",
        "[fe80::1]",
        "[::ffff:169.254.169.254]",
    ] {
        let outcome = send(&format!("http://{host}:{port}/"), near());
        assert_eq!(outcome.name(), "broken", "{host}: {outcome:?}");
    }
    assert!(here.accept().is_err());
}

/// What these mean the C library knows; elsewhere they are no names at all.
#[cfg(target_os = "linux")]
#[test]
fn odd_notations_of_loopback_are_guarded() {
    let here = TcpListener::bind("127.0.0.1:0").unwrap();
    here.set_nonblocking(true).unwrap();
    let port = here.local_addr().unwrap().port();
    let guarded = Transport {
        allow_private: false,
        ..near()
    };
    for host in [
        "2130706433",
        "0x7f000001",
        "127.1",
        "0177.0.0.1",
        "017700000001",
    ] {
        let outcome = send(&format!("http://{host}:{port}/"), guarded.clone());
        assert!(!outcome.is_success(), "{host}");
        assert!(
            why(&outcome).contains("127.0.0.1, a loopback address"),
            "{outcome:?}"
        );
    }
    assert!(here.accept().is_err());
}

#[test]
fn headers_that_cannot_be_sent_break_the_sink() {
    for (name, value) in [
        ("x-a", "b\r\nhost: c"),
        ("x a", "b"),
        ("Content-Length", "3"),
        ("transfer-encoding", "chunked"),
    ] {
        let request = Request::json("http://127.0.0.1:1/", &json!({})).header(name, value);
        let outcome = Http::new(near()).unwrap().exchange(&request).unwrap_err();
        let why = format!("the header `{name}` cannot be sent as it is");
        assert_eq!(outcome, Outcome::Broken(why));
    }
}

#[test]
fn no_secret_is_in_an_outcome() {
    let dir = tempfile::tempdir().unwrap();
    let canary = "canary-in-the-address-0123456789";
    let echo = |status: &str| {
        let padding = "x".repeat(480);
        Server::answering(format!(
            "HTTP/1.1 {status}\r\nretry-after: 1\r\n\r\n{padding}/{canary}"
        ))
        .url()
    };
    let named = Server::answering(format!(
        "HTTP/1.1 200 OK\r\nx-id: {canary}\r\ncontent-length: 5\r\n\r\ntaken"
    ));
    let gone = "http://127.0.0.1:1/hook".to_owned();
    let slow = Server::start([talk(|mut stream| read_request(&mut stream))]).url();
    for (url, near_by) in [
        (named.url(), true),
        (echo("200 OK"), true),
        (echo("403 No"), true),
        (echo("429 Slow"), true),
        (echo("500 No"), true),
        (gone.clone(), true),
        (gone, false),
        (slow, true),
        ("http://[/hook".to_owned(), true),
        (format!("http://{canary}.invalid/hook"), true),
        (format!("http://127.0.0.1:1/{canary}\\ {canary}"), true),
    ] {
        std::fs::write(dir.path().join("url"), format!("{url}/{canary}")).unwrap();
        let secret = Secret::from_reference("file:url", None, dir.path()).unwrap();
        let transport = Transport {
            allow_private: near_by,
            timeout: Duration::from_secs(2),
            ..near()
        };
        let outcome = HttpSink::new(Box::new(Webhook(Arc::new(secret))), transport)
            .unwrap()
            .send(&message());
        let shown = format!("{outcome:?}");
        assert!(!shown.contains("canary"), "{url}: {shown}");
    }
}

mod proxy {
    use super::*;
    use crate::secret::Secret;

    fn through(proxy: &str) -> Transport {
        Transport {
            allow_private: false,
            proxy: Some(Arc::new(Secret::literal(proxy))),
            ..near()
        }
    }

    #[test]
    fn the_proxy_finds_the_target() {
        let server = Server::start([talk(|mut stream| {
            let connect = read_request(&mut stream);
            stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
            read_request(&mut stream);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\ntaken";
            stream.write_all(answer).unwrap();
            connect
        })]);
        let proxy = format!("http://me:word@127.0.0.1:{}", server.port);
        let outcome = send("http://hooks.invalid/x", through(&proxy));
        assert_eq!(outcome, Outcome::delivered());
        let connect = server.heard().remove(0);
        assert!(
            connect.starts_with("CONNECT hooks.invalid:80 HTTP/1.1\r\n"),
            "{connect}"
        );
        assert!(
            connect.contains("Proxy-Authorization: Basic bWU6d29yZA=="),
            "{connect}"
        );
    }

    #[test]
    fn what_a_proxy_says_no_to_has_not_left() {
        for (status, outcome) in [(403, "broken"), (407, "broken"), (502, "transient")] {
            let server =
                Server::answering(format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n"));
            let proxy = format!("http://127.0.0.1:{}", server.port);
            let sent = send("https://hooks.invalid/x", through(&proxy));
            assert_eq!(sent.name(), outcome, "{sent:?}");
        }
        // The tunnel stands, but nobody at its end speaks TLS.
        let server = Server::answering("HTTP/1.1 200 Connected\r\n\r\nwhat?\r\n");
        let proxy = format!("http://127.0.0.1:{}", server.port);
        let sent = send("https://hooks.invalid/x", through(&proxy));
        assert_eq!(sent.name(), "transient", "{sent:?}");
    }

    #[test]
    fn other_kinds_of_proxy_are_refused() {
        for proxy in ["socks5://127.0.0.1:1", "ftp://x", "http://", ""] {
            let sent = send("https://hooks.invalid/x", through(proxy));
            assert_eq!(sent.name(), "broken", "{proxy}: {sent:?}");
        }
    }
}
