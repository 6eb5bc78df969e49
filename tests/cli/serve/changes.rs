//! What can be changed.

use runwatch::exit;
use serde_json::{Value, json};

use super::{begin, fresh, names, records, said, sinks, watch, words};
use crate::server::Server;
use crate::support::Test;

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
        words("id matchers severity from until comment by state")
    );
    assert_eq!(newest["matchers"], "detector=plateau,key=\"a b\"");
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
