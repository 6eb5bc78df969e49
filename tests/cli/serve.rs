//! `runwatch serve`: the dashboard, as browsers and programs meet it.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use runwatch::exit;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::Server;
use crate::support::{Session, Test};

/// A test that hangs is a test that fails; nothing is ever this slow.
const PATIENCE: Duration = Duration::from_secs(120);

/// Steps from 0 on, of which the last two print NaN.
fn records(steps: i64) -> String {
    let mut text = String::new();
    for step in 0..steps {
        let loss = match step >= steps - 2 {
            true => "NaN".to_owned(),
            false => format!("{}", 2.0 - step as f64 / 100.0),
        };
        writeln!(text, "{{\"step\": {step}, \"loss\": {loss}, \"lr\": 0.5}}").unwrap();
    }
    text
}

fn watch(ledger: &Path, run: &str, config: &str, code: u8) {
    Test::new("--plain --quiet --project p --run")
        .argument(run)
        .argument("--ledger")
        .argument(ledger)
        .file("runwatch.toml", config)
        .stdin(records(40))
        .any_stdout()
        .any_stderr()
        .code(code)
        .run();
}

/// A ledger with a run in which a loss was NaN, of which a file was told and a
/// service that does not answer was not.
fn past() -> &'static Path {
    static PAST: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = PAST.get_or_init(|| {
        let (folder, path) = fresh();
        watch(&path, "r", &sinks(Server::nobody()), exit::DELIVERY);
        (folder, path)
    });
    path
}

fn fresh() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    (folder, path)
}

fn sinks(port: u16) -> String {
    format!(
        "[delivery]\nflush = \"1s\"\n[sinks.archive]\ntype = \"file\"\npath = \"all.jsonl\"\n\
         [sinks.hook]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:{port}/secret-path\"\n\
         allow-http = true\nallow-private = true\n\
         [[routes]]\nsinks = [\"archive\", \"hook\"]\ngroup-wait = \"0s\"\n"
    )
}

/// A server that answers until the test ends.
struct Dashboard {
    session: Session,
    port: u16,
}

struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(given, _)| given.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }
}

fn serve(ledger: &Path, arguments: &str) -> Dashboard {
    begin(Test::new("").file("runwatch.toml", ""), ledger, arguments)
}

fn begin(test: Test, ledger: &Path, arguments: &str) -> Dashboard {
    let test = test.arguments("serve --listen 127.0.0.1:0 --ledger");
    let mut session = test.argument(ledger).arguments(arguments).start();
    let line = session.await_stderr("serving http://127.0.0.1:");
    let port = line.split("127.0.0.1:").nth(1).unwrap();
    let port = port.split('/').next().unwrap().parse().unwrap();
    Dashboard { session, port }
}

impl Dashboard {
    /// HTTP 1.0: the answer comes in one piece and ends with the connection.
    fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let host = match headers.contains("Host: ") {
            true => String::new(),
            false => format!("Host: 127.0.0.1:{}\r\n", self.port),
        };
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.0\r\n{host}{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(head.as_bytes()).unwrap();
        BufReader::new(stream)
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Reply {
        let mut text = Vec::new();
        // A body that is too long may be cut off with a reset.
        let _ = self
            .send(method, path, headers, body)
            .read_to_end(&mut text);
        let text = String::from_utf8(text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply {
            status,
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    fn get(&self, path: &str) -> Value {
        let reply = self.ask("GET", path, "", "");
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        reply.json()
    }

    /// The status, the error and the hint.
    fn refused(&self, path: &str) -> (u16, String, String) {
        said(&self.ask("GET", path, "", ""))
    }

    fn post(&self, path: &str, body: &Value) -> Reply {
        let kind = "Content-Type: application/json\r\n";
        self.ask("POST", path, kind, &body.to_string())
    }

    /// Asks until the answer is what is waited for.
    fn until(&self, path: &str, done: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            let answer = self.get(path);
            if done(&answer) {
                return answer;
            }
            assert!(begin.elapsed() < PATIENCE, "{path}: {answer}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn said(reply: &Reply) -> (u16, String, String) {
    let json = reply.json();
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    (reply.status, text("error"), text("hint"))
}

fn names(object: &Value) -> Vec<&str> {
    let names = object.as_object().unwrap().keys();
    names.map(String::as_str).collect()
}

fn words(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    words.sort_unstable();
    words
}

/// The next event of this name, and its number.
fn event(stream: &mut BufReader<TcpStream>, wanted: &str) -> (Value, String) {
    let (mut name, mut data, mut id) = (String::new(), String::new(), String::new());
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "no {wanted}");
        let line = line.trim_end();
        if line.is_empty() && name == wanted {
            return (serde_json::from_str(&data).unwrap(), id);
        }
        match line.split_once(": ") {
            Some(("event", it)) => name = it.to_owned(),
            Some(("data", it)) => data = it.to_owned(),
            Some(("id", it)) => id = it.to_owned(),
            _ => {}
        }
    }
}

/// Reads up to a line that contains this.
fn read_up_to(stream: &mut BufReader<TcpStream>, text: &str) {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0, "no {text}");
    }
}

#[test]
fn each_answer_has_its_form() {
    let dashboard = serve(past(), "");
    let runs = dashboard.get("/api/runs");
    let row = "project run created last_activity first_step last_step rows metrics alerts muted \
               state";
    assert_eq!(names(&runs["runs"][0]), words(row));
    assert_eq!(
        (&runs["runs"][0]["run"], &runs["runs"][0]["rows"]),
        (&json!("r"), &json!(40))
    );
    assert_eq!(
        (
            &runs["runs"][0]["state"],
            &runs["runs"][0]["alerts"]["critical"]
        ),
        (&json!("ended"), &json!(1))
    );
    assert_eq!(dashboard.get("/api/runs?project=q"), json!({"runs": []}));

    let run = dashboard.get("/api/run?project=p&run=r");
    let more = format!("{row} metrics_list muted_list");
    assert_eq!(names(&run), words(&more));
    let metric = "name canonical rows nonfinite first_step last_step first last min max";
    assert_eq!(names(&run["metrics_list"][0]), words(metric));
    assert_eq!(run["metrics_list"][0]["nonfinite"], 2);
    assert_eq!(run["metrics_list"][0]["last"], "NaN");

    let alerts = dashboard.get("/api/alerts");
    assert_eq!(alerts["more"], false);
    let alert = &alerts["alerts"][0];
    assert_eq!(alert["detector"], "non-finite");
    assert_eq!(alert["acknowledged"], Value::Null);
    assert!(alert["seq"].is_i64() && alert["made"].is_string());
    let id = alert["id"].as_str().unwrap();
    let one = dashboard.get(&format!("/api/alert?id={id}"));
    assert_eq!(one["alert"], *alert);
    let delivery = "id alert project run detector severity title sink notice state reason made \
                    done error attempts";
    assert_eq!(names(&one["deliveries"][0]), words(delivery));

    let deliveries = dashboard.get("/api/deliveries?sink=archive&state=delivered&limit=1");
    assert_eq!(names(&deliveries), ["deliveries", "more"]);
    assert_eq!(deliveries["deliveries"][0]["sink"], "archive");
    let attempt = "at took_ms outcome error";
    assert_eq!(
        names(&deliveries["deliveries"][0]["attempts"][0]),
        words(attempt)
    );

    let sinks = dashboard.get("/api/sinks");
    let sink = "name waiting dead delivered blocked_until broken failures";
    assert_eq!(names(&sinks["sinks"][0]), words(sink));
    assert_eq!(sinks["sinks"][0]["name"], "archive");
    assert!(sinks["sinks"][1]["waiting"].as_u64() > Some(0), "{sinks}");
    // Where a sink sends to is nobody's business.
    assert!(!sinks.to_string().contains("secret-path"));

    let detectors = dashboard.get("/api/detectors");
    let detector = "name version digest summary project run calls rows time_ms memory_bytes faults \
                    last_fault quarantined updated";
    let listed = detectors["detectors"].as_array().unwrap();
    assert_eq!(names(&listed[0]), words(detector));
    let found = listed.iter().find(|it| it["name"] == "non-finite").unwrap();
    assert!(found["calls"].as_u64() > Some(0) && found["memory_bytes"].as_u64() > Some(0));
    assert!(found["rows"].as_u64() > Some(0) && found["faults"] == 0);
}

#[test]
fn a_series_has_its_first_step_and_what_is_no_number() {
    let dashboard = serve(past(), "");
    let ask = |more: &str| dashboard.get(&format!("/api/series?project=p&run=r&metric=loss{more}"));
    let all = ask("");
    assert_eq!(
        names(&all),
        words("metric rows thinned steps times ranks values")
    );
    assert_eq!(
        (&all["steps"][0], &all["values"][0]),
        (&json!(0), &json!(2.0))
    );
    assert_eq!(all["values"][38], "NaN");
    assert_eq!((&all["thinned"], &all["rows"]), (&json!(false), &json!(40)));
    assert_eq!(ask("&from=0&to=0")["steps"], json!([0]));
    assert_eq!(ask("&from=37")["steps"], json!([37, 38, 39]));
    assert_eq!(ask("&to=-1")["steps"], json!([]));
    let few = ask("&points=8");
    assert_eq!((&few["thinned"], &few["rows"]), (&json!(true), &json!(40)));
    assert!(few["values"].as_array().unwrap().contains(&json!("NaN")));
}

#[test]
fn alerts_are_filtered_and_come_in_pages() {
    let (_folder, ledger) = fresh();
    for run in ["a", "b", "c"] {
        watch(&ledger, run, "", exit::OK);
    }
    let dashboard = serve(&ledger, "");
    let runs = |asked: &str| -> Vec<String> {
        let found = dashboard.get(&format!("/api/alerts?{asked}"));
        let alerts = found["alerts"].as_array().unwrap();
        alerts
            .iter()
            .map(|it| it["run"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(runs("detector=non-finite"), ["c", "b", "a"]);
    assert_eq!(runs("run=b&level=error&state=firing"), ["b"]);
    assert_eq!(runs("level=critical&text=LOSS+IS+NAN&limit=2"), ["c", "b"]);
    assert_eq!(runs("text=nothing+like+that").len(), 0);
    assert_eq!(runs("project=q").len(), 0);
    let page = dashboard.get("/api/alerts?limit=2");
    assert_eq!(page["more"], true);
    let last = &page["alerts"][1]["seq"];
    let next = dashboard.get(&format!("/api/alerts?limit=2&before={last}"));
    assert_eq!(
        (&next["more"], &next["alerts"][0]["run"]),
        (&json!(false), &json!("a"))
    );
}

#[test]
fn what_does_not_fit_is_explained() {
    let dashboard = serve(past(), "");
    for (path, status, error, hint) in [
        (
            "/api/alerts?level=waning",
            400,
            "no level `waning`",
            "did you mean `warning`?",
        ),
        (
            "/api/alerts?sate=firing",
            400,
            "no parameter `sate`",
            "did you mean `state`?",
        ),
        (
            "/api/alerts?state=on",
            400,
            "no state `on`",
            "firing, resolved",
        ),
        (
            "/api/deliveries?state=ded",
            400,
            "no state `ded`",
            "did you mean `dead`?",
        ),
        (
            "/api/alerts?limit=0",
            400,
            "`limit` is 0, not at least 1",
            "",
        ),
        (
            "/api/alerts?before=x",
            400,
            "`before` is `x`, which is no whole number",
            "",
        ),
        ("/api/alerts?run=a&run=b", 400, "`run` is given twice", ""),
        (
            "/api/series?project=p&run=r",
            400,
            "`metric` is missing",
            "?metric=",
        ),
        (
            "/api/series?project=p&run=r&metric=x",
            404,
            "no metric `x`",
            "/api/run",
        ),
        ("/api/run?project=p&run=x", 404, "no run `x`", "/api/runs"),
        ("/api/alert?id=x", 404, "no alert `x`", ""),
        ("/api/nothing", 404, "nothing at this address", "/"),
        ("/../Cargo.toml", 404, "nothing at this address", "/"),
    ] {
        let (found, said, hinted) = dashboard.refused(path);
        assert_eq!(found, status, "{path}: {said}");
        assert!(said.contains(error), "{path}: {said}");
        assert!(hinted.contains(hint), "{path}: {hinted}");
    }
    assert_eq!(dashboard.ask("DELETE", "/api/runs", "", "").status, 415);
    assert_eq!(dashboard.post("/api/runs", &json!({})).status, 405);
}

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
fn a_new_alert_comes_by_itself() {
    let (_folder, ledger) = fresh();
    watch(&ledger, "first", "", exit::OK);
    let dashboard = serve(&ledger, "");
    let mut stream = dashboard.send("GET", "/events", "", "");
    read_up_to(&mut stream, "retry: ");
    watch(&ledger, "second", "", exit::OK);
    let (data, id) = event(&mut stream, "alerts");
    let alert = &data["alerts"][0];
    assert_eq!(
        (&alert["run"], &alert["detector"]),
        (&json!("second"), &json!("non-finite"))
    );
    assert_eq!(id, alert["seq"].to_string());
    drop(stream);

    // Whoever comes back gets what it missed, once.
    watch(&ledger, "third", "", exit::OK);
    let header = format!("Last-Event-ID: {id}\r\n");
    let mut stream = dashboard.send("GET", "/events", &header, "");
    let (data, _) = event(&mut stream, "alerts");
    assert_eq!(data["alerts"].as_array().unwrap().len(), 1);
    assert_eq!(data["alerts"][0]["run"], "third");
    let (data, _) = event(&mut stream, "runs");
    assert!(data["runs"][0]["last_step"] == 39);
}

#[test]
fn a_ledger_that_comes_later_is_shown() {
    let (_folder, ledger) = fresh();
    let dashboard = serve(&ledger, "");
    assert_eq!(dashboard.get("/api/runs"), json!({"runs": []}));
    assert_eq!(
        dashboard.get("/api/alerts"),
        json!({"alerts": [], "more": false})
    );
    assert_eq!(dashboard.get("/api/detectors"), json!({"detectors": []}));
    assert_eq!(
        dashboard.post("/api/unsilence", &json!({"id": "x"})).status,
        404
    );
    let metrics = dashboard.ask("GET", "/metrics", "", "");
    assert!(metrics.body.ends_with("# EOF\n"));
    let mut stream = dashboard.send("GET", "/events", "", "");
    read_up_to(&mut stream, "retry: ");
    assert!(!ledger.exists());
    watch(&ledger, "r", "", exit::OK);
    assert_eq!(event(&mut stream, "alerts").0["alerts"][0]["run"], "r");
    assert_eq!(dashboard.get("/api/runs")["runs"][0]["run"], "r");
}

#[test]
fn a_trouble_is_acknowledged_and_silences_come_and_go() {
    let (_folder, ledger) = fresh();
    // A watch that goes on, so that its trouble does.
    let mut watch = Test::new("--plain --quiet --project p --run r --ledger")
        .argument(&ledger)
        .start();
    watch.write(&records(40));
    let dashboard = begin(Test::new("").env("USER", "ada"), &ledger, "");
    let alerts = dashboard.until("/api/alerts", |it| it["alerts"][0].is_object());
    let id = &alerts["alerts"][0]["id"];
    let body = json!({"alert": id, "comment": "on it"});
    let made = dashboard.post("/api/acknowledge", &body);
    assert_eq!(made.status, 200, "{}", made.body);
    let silence = made.json()["id"].clone();
    let known = &dashboard.get("/api/alerts")["alerts"][0]["acknowledged"];
    assert_eq!(names(known), words("at by comment silence"));
    assert_eq!(
        (&known["by"], &known["comment"], &known["silence"]),
        (&json!("ada"), &json!("on it"), &silence)
    );
    // Twice is once.
    assert_eq!(
        dashboard.post("/api/acknowledge", &body).json()["id"],
        silence
    );

    let body = json!({"detector": "plateau", "key": "a b", "for": "2h", "comment": "known"});
    let second = dashboard.post("/api/silence", &body).json()["id"].clone();
    let shown = dashboard.get("/api/silences");
    let silences = shown["silences"].as_array().unwrap();
    assert_eq!(silences.len(), 2);
    let newest = silences.iter().find(|it| it["id"] == second).unwrap();
    assert_eq!(
        names(newest),
        words("id matchers from until comment by state")
    );
    assert_eq!(newest["matchers"], "detector=plateau, key=\"a b\"");
    assert_eq!(newest["state"], "active");

    let ended = dashboard.post("/api/unsilence", &json!({"id": silence}));
    assert_eq!(ended.json(), json!({}));
    let known = &dashboard.get("/api/alerts")["alerts"][0]["acknowledged"];
    assert_eq!(*known, Value::Null);

    for (path, body, status, error) in [
        (
            "/api/silence",
            json!({"for": "2h", "comment": ""}),
            400,
            "needs a matcher",
        ),
        (
            "/api/silence",
            json!({"run": "r", "for": "soon", "comment": ""}),
            400,
            "no duration",
        ),
        (
            "/api/silence",
            json!({"ru": "r"}),
            400,
            "unknown field `ru`",
        ),
        (
            "/api/acknowledge",
            json!({"alert": "x"}),
            404,
            "no alert `x`",
        ),
        ("/api/unsilence", json!({"id": silence}), 404, "no silence"),
        (
            "/api/resend",
            json!({}),
            400,
            "one of `sink` and `delivery`",
        ),
        ("/api/resend", json!({"sink": "x"}), 400, "no sink `x`"),
        (
            "/api/resend",
            json!({"delivery": 99}),
            404,
            "no delivery 99",
        ),
    ] {
        let (found, said, _) = said(&dashboard.post(path, &body));
        assert_eq!(found, status, "{body}: {said}");
        assert!(said.contains(error), "{body}: {said}");
    }
    watch.end();
    let (status, said, _) = said(&dashboard.post("/api/acknowledge", &json!({"alert": id})));
    assert_eq!((status, said.contains("over")), (409, true), "{said}");
}

#[test]
fn what_waits_is_sent_again() {
    let (_folder, ledger) = fresh();
    watch(&ledger, "r", &sinks(Server::nobody()), exit::DELIVERY);
    let server = Server::content();
    let test = Test::new("").file("runwatch.toml", sinks(server.port));
    let dashboard = begin(test, &ledger, "");
    let waiting = dashboard.get("/api/deliveries?sink=hook&state=pending");
    assert!(waiting["deliveries"][0]["error"].is_string(), "{waiting}");
    let answer = dashboard.post("/api/resend", &json!({"sink": "hook"}));
    assert_eq!((answer.status, answer.json()), (200, json!({})));
    assert!(server.next().contains("non-finite"));
    let sinks = dashboard.until("/api/sinks", |it| it["sinks"][1]["waiting"] == 0);
    assert!(sinks["sinks"][1]["delivered"].as_u64() > Some(0));
    let sent = dashboard.get("/api/deliveries?sink=hook");
    let id = &sent["deliveries"][0]["id"];
    let again = dashboard.post("/api/resend", &json!({"delivery": id}));
    assert_eq!(again.status, 409);
}

#[test]
fn metrics_are_those_of_openmetrics() {
    let dashboard = serve(past(), "");
    let reply = dashboard.ask("GET", "/metrics", "", "");
    assert_eq!(
        reply.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    for line in [
        "# TYPE runwatch_metric_last gauge",
        "runwatch_metric_last{project=\"p\",run=\"r\",metric=\"lr\"} 0.5",
        "runwatch_run_last_step{project=\"p\",run=\"r\"} 39.0",
        "runwatch_alerts_total{project=\"p\",run=\"r\",severity=\"critical\"} 1.0",
        "runwatch_left_out{what=\"runs\"} 0.0",
        "# EOF",
    ] {
        let found = reply.body.lines().any(|it| it == line);
        assert!(found, "{line}\n{}", reply.body);
    }
    assert!(
        reply
            .body
            .contains("runwatch_detector_seconds_total{detector=\"non-finite\",watch=")
    );
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
