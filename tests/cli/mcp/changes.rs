//! A ledger that comes into being, and what an agent may change in it.

use serde_json::json;

use super::{connect, names, watch};
use crate::streams::{Row, healthy, json as lines, with};
use crate::support::Test;

#[test]
fn a_ledger_that_is_not_there_yet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let mut client = connect("mcp --air-gapped --allow-silence", &path);
    let runs = client.call("list_runs", json!({}));
    assert_eq!(runs["runs"], json!([]));
    assert!(runs["note"].as_str().unwrap().contains("yet"), "{runs}");
    for tool in ["list_alerts", "list_deliveries", "list_silences"] {
        assert!(client.call(tool, json!({}))["note"].is_string());
    }
    let refusal = client.refusal("get_metric", json!({ "run": "a", "metric": "loss" }));
    assert!(refusal.contains("there is no ledger"), "{refusal}");
    let comment = json!({ "run": "a", "for": "1h", "comment": "c" });
    let refusal = client.refusal("silence", comment);
    assert!(refusal.contains("there is no ledger"), "{refusal}");
    assert!(!path.exists());

    // And then it is.
    watch(&path, "--run late", "", &lines(&healthy(20)));
    let runs = client.call("list_runs", json!({}));
    assert_eq!(names(&runs["runs"], "run"), ["late"]);
    assert_eq!(runs.get("note"), None);
    client.end();
}

#[test]
fn an_agent_may_acknowledge_and_silence_where_it_is_let() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let rows = with(healthy(400), 300..=300, |row| row.loss = 60.0);
    let rows = with(rows, 350..=400, |row: &mut Row| row.loss = f64::NAN);
    watch(&path, "--run ill", "", &lines(&rows));
    let mut client = connect("mcp --allow-silence", &path);
    let alerts = client.call("list_alerts", json!({}));
    let id = |at: usize| alerts["alerts"][at]["id"].clone();

    let done = client.call("acknowledge", json!({ "id": id(0), "comment": "  on it " }));
    let nan = client.call("get_alert", json!({ "id": id(0) }));
    let known = &nan["alert"]["acknowledged"];
    assert_eq!(
        (&known["silence"], &known["comment"]),
        (&done["id"], &json!("on it"))
    );
    assert!(known["by"].as_str().unwrap().starts_with("an agent"));
    // Once is enough.
    let again = client.call("acknowledge", json!({ "id": id(0), "comment": "again" }));
    assert_eq!(again["id"], done["id"]);
    // What is over is not acknowledged, by whichever of its alerts.
    for at in [1, 2] {
        let refusal = client.refusal("acknowledge", json!({ "id": id(at), "comment": "c" }));
        assert!(refusal.contains("over already"), "{refusal}");
    }

    let silence =
        json!({ "run": "ill", "detector": "loss-spike", "for": "2h", "comment": "noise" });
    let made = client.call("silence", silence);
    assert_eq!(made["silence"]["matchers"], "run=ill,detector=loss-spike");
    assert_eq!(made["silence"]["severity"], "warning");
    let listed = client.call("list_silences", json!({}));
    let ids = names(&listed["silences"], "id");
    assert_eq!(ids.len(), 2);
    assert!(ids.contains(&made["id"].as_str().unwrap().to_owned()));
    for (arguments, said) in [
        (json!({ "for": "2h", "comment": "c" }), "silence everything"),
        (
            json!({ "run": "", "for": "2h", "comment": "c" }),
            "silence everything",
        ),
        (
            json!({ "run": "ill", "for": "2d", "comment": "c" }),
            "more than a day",
        ),
        (
            json!({ "run": "ill", "for": "0s", "comment": "c" }),
            "no duration",
        ),
        (
            json!({ "run": "ill", "for": "2h", "comment": " " }),
            "`comment` is empty",
        ),
        (json!({ "run": "ill", "for": "2h" }), "`comment` is missing"),
    ] {
        let refusal = client.refusal("silence", arguments);
        assert!(refusal.contains(said), "{refusal}");
    }

    let ended = client.call("unsilence", json!({ "id": made["id"] }));
    assert_eq!(ended["state"], "ended");
    for id in ["", "zz"] {
        let refusal = client.refusal("unsilence", json!({ "id": id }));
        assert!(refusal.contains("there is no silence"), "{refusal}");
    }
    let left = client.call("list_silences", json!({}));
    assert_eq!(left["silences"].as_array().unwrap().len(), 1);
    let all = client.call("list_silences", json!({ "ended": true }));
    assert_eq!(all["silences"][0]["state"], "ended");
    client.end();
    // People see it where they look for silences.
    let people = Test::new("silence list --ledger").argument(&path);
    let people = people.any_stdout().run();
    assert!(people.text().contains("on it"), "{}", people.text());
}
