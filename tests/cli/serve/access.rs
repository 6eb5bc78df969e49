//! Who is answered and who is not, and how it begins and ends.

use std::io::Read as _;

use runwatch::exit;
use serde_json::json;

use super::{begin, fresh, past, read_up_to, serve, watch};
use crate::support::Test;

#[test]
fn the_page_may_do_nothing_but_ask_here() {
    let dashboard = serve(past(), "");
    let page = dashboard.ask("GET", "/", "", "");
    assert_eq!(page.status, 200);
    assert!(page.body.contains(r#""kind":"serve""#) && page.body.contains(r#""writable":true"#));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
    // No script stands in it, and no style.
    assert_eq!(page.body.matches("<script").count(), 2);
    assert!(page.body.contains("<script src=\"/app.js\"></script>"));
    assert!(!page.body.contains("<style") && !page.body.contains(" style="));
    for path in ["/", "/app.js", "/app.css", "/api/runs", "/metrics", "/no"] {
        let reply = dashboard.ask("GET", path, "", "");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{path}");
        }
    }
    let runs = dashboard.ask("GET", "/api/runs", "", "");
    assert_eq!(runs.header("cache-control"), Some("no-store"));
    let script = dashboard.ask("GET", "/app.js", "", "");
    let known = format!("If-None-Match: {}\r\n", script.header("etag").unwrap());
    assert_eq!(dashboard.ask("GET", "/app.js", &known, "").status, 304);
}

#[test]
fn only_our_own_names_are_answered() {
    let dashboard = serve(past(), "");
    for (host, status) in [
        ("localhost", 200),
        ("localhost:8080", 200),
        ("127.0.0.1", 200),
        ("[::1]:9", 200),
        ("attacker.example", 421),
        ("localhost.attacker.example:7077", 421),
        ("10.0.0.1", 421),
        ("", 421),
    ] {
        let reply = dashboard.ask("GET", "/api/runs", &format!("Host: {host}\r\n"), "");
        assert_eq!(reply.status, status, "{host}");
    }
}

#[test]
fn another_page_may_link_here_and_no_more() {
    let dashboard = serve(past(), "");
    for (path, site, status) in [
        ("/", "cross-site", 200),
        ("/", "none", 200),
        ("/api/runs", "same-origin", 200),
        ("/metrics", "none", 200),
        ("/api/runs", "cross-site", 403),
        ("/events", "same-site", 403),
    ] {
        let header = format!("Sec-Fetch-Site: {site}\r\n");
        let reply = dashboard.ask("GET", path, &header, "");
        assert_eq!(reply.status, status, "{path} {site}");
    }
}

#[test]
fn nothing_is_changed_for_another_page() {
    let (_folder, ledger) = fresh();
    watch(&ledger, "r", "", exit::OK);
    let dashboard = serve(&ledger, "");
    let own = format!("Origin: http://127.0.0.1:{}\r\n", dashboard.port);
    let body = json!({"run": "r", "for": "2h", "comment": "c"}).to_string();
    let kind = "Content-Type: application/json\r\n";
    let post = |headers: &str, body: &str| {
        let reply = dashboard.ask("POST", "/api/silence", headers, body);
        reply.status
    };
    assert_eq!(post(&format!("{kind}{own}"), &body), 200);
    assert_eq!(post(kind, &body), 200, "a program says no origin");
    assert_eq!(post(&own, &body), 415);
    assert_eq!(
        post(&format!("{own}Content-Type: text/plain\r\n"), &body),
        415
    );
    for elsewhere in [
        "Origin: http://attacker.example\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
    ] {
        assert_eq!(
            post(&format!("{kind}{elsewhere}"), &body),
            403,
            "{elsewhere}"
        );
    }
    let long = json!({"run": "r", "for": "2h", "comment": "c".repeat(70_000)}).to_string();
    assert_eq!(post(&format!("{kind}{own}"), &long), 413);
    assert_eq!(
        dashboard.get("/api/silences")["silences"]
            .as_array()
            .unwrap()
            .len(),
        2
    );

    let looking = serve(&ledger, "--read-only");
    let refused = looking.post("/api/silence", &json!({}));
    assert_eq!(refused.status, 403);
    assert!(
        looking
            .ask("GET", "/", "", "")
            .body
            .contains(r#""writable":false"#)
    );
}

#[test]
fn with_a_token_only_who_knows_it_is_answered() {
    let token = "a-token-that-nobody-guesses";
    let test = Test::new("").env("TOKEN", token);
    let dashboard = begin(test, past(), "--token env:TOKEN");
    for path in ["/", "/api/runs", "/events", "/metrics", "/app.js"] {
        let reply = dashboard.ask("GET", path, "", "");
        assert_eq!(reply.status, 401, "{path}");
        assert!(!reply.body.contains(token));
    }
    assert!(dashboard.ask("GET", "/", "", "").body.contains("<form"));
    assert_eq!(dashboard.ask("GET", "/?token=wrong", "", "").status, 401);
    let bearer = |token: &str| {
        let header = format!("Authorization: Bearer {token}\r\n");
        dashboard.ask("GET", "/api/runs", &header, "").status
    };
    assert_eq!((bearer(token), bearer("wrong")), (200, 401));

    let entered = dashboard.ask("GET", &format!("/?token={token}"), "", "");
    assert_eq!(
        (entered.status, entered.header("location")),
        (303, Some("/"))
    );
    let cookie = entered.header("set-cookie").unwrap();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"));
    assert!(!cookie.contains(token));
    let cookie = cookie.split(';').next().unwrap();
    let header = format!("Cookie: other=1; {cookie}\r\n");
    assert_eq!(dashboard.ask("GET", "/api/runs", &header, "").status, 200);
    let header = format!("Cookie: {cookie}0\r\n");
    assert_eq!(dashboard.ask("GET", "/api/runs", &header, "").status, 401);

    dashboard.session.signal("TERM");
    let (_, _, stderr) = dashboard.session.wait();
    assert!(!stderr.contains(token));
}

#[test]
fn what_others_could_reach_needs_a_token() {
    let test = |arguments: &str| {
        let test = Test::new("serve").arguments(arguments).any_stdout();
        test.code(exit::USAGE)
            .any_stderr()
            .env("SHORT", "abc")
            .run()
    };
    for (arguments, error) in [
        ("--listen 0.0.0.0:0", "a token is needed"),
        ("--token abc", "does not say where the token is"),
        ("--token env:SHORT", "could be guessed"),
        ("--token env:NONE", "`NONE` is not set"),
        ("--air-gapped", "without sockets"),
    ] {
        let stderr = test(arguments).stderr;
        assert!(
            stderr.contains(error) && stderr.contains("error: "),
            "{stderr}"
        );
    }
    assert!(test("--listen 0.0.0.0:0").stderr.contains("hint: "));
}

#[cfg(unix)]
#[test]
fn it_ends_when_it_is_told_to_though_pages_listen() {
    for signal in ["TERM", "INT"] {
        let dashboard = serve(past(), "");
        let mut stream = dashboard.send("GET", "/events", "", "");
        read_up_to(&mut stream, "retry: ");
        dashboard.session.signal(signal);
        let (status, _, stderr) = dashboard.session.wait();
        assert_eq!(status.code(), Some(0), "{stderr}");
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
    }
}
