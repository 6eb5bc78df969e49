//! Who may post, what is taken, and what is answered.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Instant;

use serde_json::json;

use super::super::{PATIENCE, begin, fresh, said, serve};
use super::{AUTHORIZATION, LINES, TOKEN, answer, call, fallback, gzip, ingest};
use crate::support::{Test, fields};

#[test]
fn only_a_program_that_knows_the_token_may_post() {
    let (_folder, ledger) = fresh();
    let service = ingest(&ledger, "--read-only", "");
    let body = call("s1", "usual");
    let post = |headers: &str| {
        let length = format!("Content-Length: {}\r\n", body.len());
        let reply = service.raw("/ingest", &format!("{headers}{length}"), body.as_bytes());
        reply.status
    };
    let good = format!("{AUTHORIZATION}{LINES}");
    // That nothing can be silenced is no reason to watch nothing.
    assert_eq!(post(&good), 202);
    assert_eq!(
        post(&format!("{AUTHORIZATION}Content-Type: text/plain\r\n")),
        202
    );
    assert_eq!(post(LINES), 401);
    assert_eq!(
        post(&format!("Authorization: Bearer wrong\r\n{LINES}")),
        401
    );
    assert_eq!(
        post(&format!("Authorization: Basic {TOKEN}\r\n{LINES}")),
        401
    );
    for elsewhere in [
        "Origin: http://attacker.example\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
    ] {
        assert_eq!(post(&format!("{good}{elsewhere}")), 403, "{elsewhere}");
    }
    // What a browser sends by itself is not enough.
    let entered = service.0.ask("GET", &format!("/?token={TOKEN}"), "", "");
    let cookie = entered.header("set-cookie").unwrap().split(';').next();
    let cookie = format!("Cookie: {}\r\n", cookie.unwrap());
    assert_eq!(service.0.ask("GET", "/api/runs", &cookie, "").status, 200);
    assert_eq!(post(&format!("{cookie}{LINES}")), 401);
    assert_eq!(
        service.0.ask("GET", "/ingest", AUTHORIZATION, "").status,
        405
    );
    service.until("/api/runs", |it| it["runs"][0]["rows"] == 2);
}

#[test]
fn without_a_token_one_is_made_and_without_ingest_nothing_is_taken() {
    let (_folder, ledger) = fresh();
    let test = Test::new("").file("runwatch.toml", "[detectors]\nenable = [\"fallback\"]\n");
    let mut dashboard = begin(test, &ledger, "--ingest");
    let line = dashboard.session.await_stderr("Authorization: Bearer ");
    let token = line.split("Bearer ").nth(1).unwrap().split('\'').next();
    let token = token.unwrap();
    assert_eq!(token.len(), 48);
    assert_eq!(dashboard.ask("GET", "/api/runs", "", "").status, 401);
    let headers = format!("Authorization: Bearer {token}\r\n{LINES}");
    let reply = dashboard.ask("POST", "/ingest", &headers, &call("s1", "usual"));
    assert_eq!(reply.status, 202, "{}", reply.body);

    let headers = format!("{AUTHORIZATION}{LINES}");
    let reply = serve(&ledger, "").ask("POST", "/ingest", &headers, "{}");
    let (status, _, hint) = said(&reply);
    assert_eq!((status, &*hint), (404, "start `runwatch serve --ingest`"));
}

#[test]
fn a_body_that_cannot_be_taken_is_refused_with_the_reason() {
    let (_folder, ledger) = fresh();
    let service = ingest(&ledger, "--max-body 1KiB", "");
    let json = "Content-Type: application/json\r\n";
    let long = "x".repeat(1025);
    let bomb = gzip(&vec![b'\n'; 1 << 20]);
    assert!(bomb.len() < 2000);
    let packed = |encoding: &str| format!("{LINES}Content-Encoding: {encoding}\r\n");
    let cases: [(&str, &str, &[u8], u16, &str); 13] = [
        (
            "/ingest",
            LINES,
            long.as_bytes(),
            413,
            "longer than 1024 bytes",
        ),
        (
            "/ingest",
            &packed("gzip"),
            &gzip(long.as_bytes()),
            413,
            "longer than 1024",
        ),
        (
            "/ingest",
            &packed("gzip"),
            b"no gzip",
            400,
            "cannot be decompressed",
        ),
        ("/ingest", &packed("br"), b"x", 415, "encoding `br`"),
        (
            "/ingest",
            "Content-Type: application/x-www-form-urlencoded\r\n",
            b"{}",
            415,
            "x-www",
        ),
        (
            "/ingest",
            LINES,
            b"{\"a\": \"\xff\"}",
            400,
            "no UTF-8 text: see its byte 8",
        ),
        ("/ingest", LINES, b"", 400, "nothing in the body"),
        ("/ingest", LINES, b" \n\r\n", 400, "nothing in the body"),
        ("/ingest", json, b"[1, 2]", 400, "byte 2 of the JSON"),
        ("/ingest", json, b"[{\"a\": 1}", 400, "ends in the middle"),
        ("/ingest?rum=x", LINES, b"{}", 400, "no parameter `rum`"),
        ("/ingest?run=a%0Ab", LINES, b"{}", 400, "control character"),
        ("/ingest?run=a&run=b", LINES, b"{}", 400, "given twice"),
    ];
    for (path, headers, body, status, error) in cases {
        let reply = said(&service.post_as(path, headers, body));
        assert_eq!(reply.0, status, "{path} {headers} {reply:?}");
        assert!(reply.1.contains(error), "{error}: {reply:?}");
    }
    assert_eq!(
        service.post_as("/ingest", &packed("gzip"), bomb).status,
        413
    );
    let chunked = format!("{AUTHORIZATION}{LINES}Transfer-Encoding: chunked\r\n");
    assert_eq!(service.raw("/ingest", &chunked, b"0\r\n\r\n").status, 411);
    let name = "n".repeat(201);
    assert_eq!(
        service.post(&format!("/ingest?run={name}"), "{}").status,
        400
    );
    // A body that is far too long gets its answer, too.
    let reply = service.post("/ingest", &"x".repeat(3 << 20));
    assert_eq!(reply.status, 413);
}

#[test]
fn json_lists_and_compressed_bodies_are_the_same_records() {
    let (_folder, ledger) = fresh();
    let service = ingest(&ledger, "", "");
    let json = "Content-Type: application/json; charset=utf-8\r\n";
    let list = "[\n  {\"session_id\": 7, \"provider\": \"usual\"},\n  \
                {\"session_id\": 7, \"provider\": \"other\", \"cost\": NaN}\n]";
    let reply = service.post_as("/ingest?run=list", json, list);
    assert_eq!((reply.status, reply.json()), (202, json!({"accepted": 2})));
    let packed = format!("{LINES}Content-Encoding: gzip\r\n");
    let body = gzip(fallback("s1").trim_end().as_bytes());
    assert_eq!(
        service.post_as("/ingest?run=gzip", &packed, body).status,
        202
    );
    assert_eq!(
        fields(&service.alerts(2), &["run", "title"]),
        ["list Fallback to other", "gzip Fallback to other/m"]
    );
}

/// One half of a body takes the room that its other half needs.
#[cfg(unix)]
#[test]
fn who_finds_the_queue_full_comes_later() {
    let (_folder, ledger) = fresh();
    let service = ingest(&ledger, "--max-queue 2KiB", "");
    let body = format!("{}{}\n", fallback("s1"), " ".repeat(1200));
    let (first, second) = body.as_bytes().split_at(600);
    let headers = format!("{AUTHORIZATION}{LINES}Content-Length: {}\r\n", body.len());
    let mut slow = service.begin("/ingest", &headers, first);
    // The slow one is there once another is refused.
    let begin = Instant::now();
    let refused = loop {
        let reply = service.post("/ingest?run=quick", &body);
        match reply.status {
            429 => break reply,
            202 => assert!(begin.elapsed() < PATIENCE),
            other => panic!("{other}: {}", reply.body),
        }
    };
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(said(&refused).1, "the queue is full");
    slow.write_all(second).unwrap();
    assert_eq!(answer(slow).status, 202);
    // There is room again, when what was taken has been watched.
    let begin = Instant::now();
    while service.post("/ingest?run=late", &body).status != 202 {
        assert!(begin.elapsed() < PATIENCE);
    }
    service.end();
}

#[cfg(unix)]
#[test]
fn half_a_body_is_none_and_holds_nobody_up() {
    let (_folder, ledger) = fresh();
    let service = ingest(&ledger, "", "");
    let headers = format!("{AUTHORIZATION}{LINES}Content-Length: 10000\r\n");
    let half = fallback("half");
    let hanging: Vec<TcpStream> = (0..20)
        .map(|_| service.begin("/ingest", &headers, half.as_bytes()))
        .collect();
    // Nor does the half of a head.
    let mut head = TcpStream::connect(("127.0.0.1", service.0.port)).unwrap();
    head.write_all(b"POST /ingest HTTP/1.1\r\nHost: loc")
        .unwrap();
    assert_eq!(service.post("/ingest", &fallback("whole")).status, 202);
    assert_eq!(service.alerts(1).len(), 1);
    drop(hanging);
    assert_eq!(service.post("/ingest", &call("last", "usual")).status, 202);
    let stderr = service.end();
    assert!(stderr.contains("3 records in 3 lines"), "{stderr}");
}
