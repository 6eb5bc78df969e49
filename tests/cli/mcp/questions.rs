//! The tools that read.

use serde_json::{Value, json};

use super::{client, connect, names, watch};

#[test]
fn runs_are_listed() {
    let mut client = client();
    let all = client.call("list_runs", json!({}));
    assert_eq!(names(&all["runs"], "run"), ["twin", "twin", "well", "ill"]);
    assert_eq!(all["left_out"], 0);
    let ill = &all["runs"][3];
    assert_eq!(
        (&ill["rows"], &ill["state"]),
        (&json!(400), &json!("ended"))
    );
    assert_eq!(ill["alerts"]["critical"], 1);
    let two = client.call(
        "list_runs",
        json!({ "limit": 1, "text": "TWI", "state": "ended" }),
    );
    assert_eq!(two["left_out"], 1);
    let other = client.call("list_runs", json!({ "project": "other" }));
    assert_eq!(names(&other["runs"], "project"), ["other"]);
    client.end();
}

#[test]
fn metrics_are_listed_and_read() {
    let mut client = client();
    let metrics = client.call("list_metrics", json!({ "run": "ill" }));
    let loss = client.call("list_metrics", json!({ "run": "ill", "text": "LOSS" }));
    assert_eq!(names(&loss["metrics"], "name"), ["loss"]);
    assert_eq!(loss["metrics"][0]["nonfinite"], 51);
    assert_eq!(loss["metrics"][0]["max"], 60.0);
    assert!(metrics["metrics"].as_array().unwrap().len() > 1);
    let one = client.call("list_metrics", json!({ "run": "ill", "limit": 1 }));
    let rest = metrics["metrics"].as_array().unwrap().len() - 1;
    assert_eq!(one["left_out"], rest);

    let metric = |more: Value| {
        let mut arguments = json!({ "run": "ill", "metric": "loss" });
        let more = more.as_object().unwrap().clone();
        arguments.as_object_mut().unwrap().extend(more);
        arguments
    };
    let all = client.call("get_metric", metric(json!({ "points": 20 })));
    assert_eq!((&all["rows"], &all["thinned"]), (&json!(400), &json!(true)));
    let steps = all["steps"].as_array().unwrap();
    assert!(steps.len() < 40, "{all}");
    // Neither the spike nor the first NaN is lost.
    assert!(
        steps.contains(&json!(300)) && steps.contains(&json!(350)),
        "{all}"
    );
    assert_eq!(all["summary"]["max"], 60.0);
    assert_eq!(all["summary"]["last"], "NaN");
    assert_eq!(all["summary"]["nonfinite"], 51);
    assert_eq!(all.get("times"), None);

    let near = client.call(
        "get_metric",
        metric(json!({ "around": 350, "window": 1, "times": true })),
    );
    assert_eq!(near["steps"], json!([349, 350, 351]));
    assert_eq!(near["values"][1], "NaN");
    assert!(near["times"][0].is_f64());
    let at = client.call("get_metric", metric(json!({ "step": "300" })));
    assert_eq!(at["values"], json!([60.0]));
    let range = client.call("get_metric", metric(json!({ "from_step": 399 })));
    assert_eq!(range["steps"], json!([399, 400]));
    let time = near["times"][0].as_f64().unwrap();
    let time = format!("{:.3}", time);
    let lately = client.call(
        "get_metric",
        metric(json!({ "at_time": "0s", "window": 1e9 })),
    );
    assert_eq!(lately["rows"], 400, "{time}");
    let nothing = client.call("get_metric", metric(json!({ "step": 4000 })));
    assert_eq!(nothing["rows"], 0);
    assert!(nothing["note"].as_str().unwrap().contains("to 400"));
    client.end();
}

#[test]
fn a_snapshot_has_all_metrics() {
    let mut client = client();
    let near = client.call(
        "get_snapshot",
        json!({ "run": "ill", "around": 300, "window": 2 }),
    );
    assert_eq!(
        (&near["from_step"], &near["to_step"]),
        (&json!(298), &json!(302))
    );
    let metrics = near["metrics"].as_array().unwrap();
    assert!(metrics.len() > 1);
    assert!(metrics.iter().all(|metric| metric["rows"] == 5), "{near}");
    let loss = client.call(
        "get_snapshot",
        json!({ "run": "ill", "step": 300, "text": "loss" }),
    );
    assert_eq!(loss["metrics"][0]["values"], json!([60.0]));
    // Without a place, the end.
    let last = client.call("get_snapshot", json!({ "run": "well", "window": 0 }));
    assert_eq!(last["metrics"][0]["steps"], json!([200]));
    let one = client.call(
        "get_snapshot",
        json!({ "run": "ill", "limit": 1, "points": 4 }),
    );
    assert_eq!(one["metrics"].as_array().unwrap().len(), 1);
    assert_eq!(one["left_out"], metrics.len() - 1);
    let none = client.call(
        "get_snapshot",
        json!({ "run": "ill", "at_time": "2001-01-01T00:00:00Z" }),
    );
    assert_eq!(none["silent_count"], metrics.len());
    client.end();
}

#[test]
fn alerts_are_found_and_shown() {
    let mut client = client();
    let all = client.call("list_alerts", json!({}));
    let titles = names(&all["alerts"], "title");
    assert_eq!(titles[0], "loss is NaN");
    assert_eq!((titles.len(), &all["more"]), (3, &json!(false)));
    assert_eq!(all["alerts"][0].get("message"), None);
    let seq = |at: usize| all["alerts"][at]["seq"].as_i64().unwrap();
    for (arguments, steps) in [
        (json!({ "run": "ill", "level": "error" }), vec![350]),
        (json!({ "detector": "loss-spike" }), vec![310, 300]),
        (json!({ "state": "resolved" }), vec![310]),
        (json!({ "text": "IS NAN" }), vec![350]),
        (json!({ "since": "1h", "limit": 1 }), vec![350]),
        (json!({ "until": "1h" }), vec![]),
        (json!({ "after": seq(1) }), vec![350]),
        (json!({ "before": seq(1) }), vec![300]),
        (json!({ "run": "well" }), vec![]),
    ] {
        let found = client.call("list_alerts", arguments.clone());
        let found = found["alerts"].as_array().unwrap();
        let found: Vec<i64> = found
            .iter()
            .map(|it| it["step"].as_i64().unwrap())
            .collect();
        assert_eq!(found, steps, "{arguments}");
    }
    let two = client.call("list_alerts", json!({ "limit": 2 }));
    assert_eq!(two["more"], true);

    let id = all["alerts"][2]["id"].as_str().unwrap();
    let spike = client.call("get_alert", json!({ "id": &id[..8] }));
    assert_eq!(spike["alert"]["id"], id);
    assert!(spike["alert"]["recommendation"].as_str().unwrap().len() > 20);
    assert_eq!(spike["newest"]["state"], "resolved");
    assert_eq!(spike["deliveries"][0]["sink"], "archive");
    let nan = client.call("get_alert", json!({ "id": all["alerts"][0]["id"] }));
    assert_eq!(nan["newest"], Value::Null);
    for id in ["ffffffffff", "", "%"] {
        let refusal = client.refusal("get_alert", json!({ "id": id }));
        assert!(refusal.contains("there is no alert"), "{refusal}");
    }

    let sent = client.call(
        "list_deliveries",
        json!({ "sink": "archive", "state": "delivered" }),
    );
    assert!(!sent["deliveries"].as_array().unwrap().is_empty());
    let one = client.call("list_deliveries", json!({ "limit": 1 }));
    assert_eq!(one["more"], true);
    client.end();
}

#[test]
fn a_run_is_summed_up() {
    let mut client = client();
    let ill = client.call("diagnose", json!({ "run": "ill" }));
    assert_eq!(
        (&ill["health"], &ill["run_id"]),
        (&json!("critical"), &json!("ill"))
    );
    let alerts = ill["alerts"].as_array().unwrap();
    assert_eq!(alerts.len(), 2);
    assert!(!alerts[0]["recommendation"].as_str().unwrap().is_empty());
    assert_eq!(ill["metrics"]["loss"]["max"], 60.0);
    assert_eq!(ill["metrics"]["loss"]["last"], "NaN");
    assert_eq!(ill.get("loss_summary"), None);
    let short = client.call(
        "diagnose",
        json!({ "run": "ill", "limit": 1, "metrics": 1 }),
    );
    assert_eq!(short["alerts"][0]["severity"], "critical");
    assert_eq!(short["alerts_left_out"], 1);
    assert_eq!(short["metrics"].as_object().unwrap().len(), 1);
    assert!(short["metrics_left_out"].as_u64().unwrap() > 0);
    let well = client.call("diagnose", json!({ "run": "well" }));
    assert_eq!(well["health"], "healthy");
    assert!(
        client
            .refusal("diagnose", json!({ "run": "wel" }))
            .contains("`well`")
    );
    client.end();
}

#[test]
fn runs_are_compared() {
    let mut client = client();
    let both = client.call(
        "compare_runs",
        json!({ "runs": ["well", "ill"], "metrics": ["loss"] }),
    );
    assert_eq!(names(&both["runs"], "run"), ["well", "ill"]);
    assert_eq!(both["metrics"][0]["metric"], "loss");
    assert_eq!(both["metrics"][0]["common_steps"], 200);
    assert_eq!(both["metrics"][0]["parted"][0]["verdict"], "same");
    let twins = json!({ "runs": ["default/twin", "other/twin"], "limit": 1 });
    let twins = client.call("compare_runs", twins);
    assert_eq!(names(&twins["runs"], "project"), ["default", "other"]);
    assert!(twins["left_out"].as_u64().unwrap() > 0);
    for (runs, said) in [
        (json!(["well"]), "fewer than two"),
        (json!(["well", "well"]), "named twice"),
        (json!(["well", "il"]), "did you mean `ill`?"),
        (json!("well, ill"), "it must be a list of texts"),
    ] {
        let refusal = client.refusal("compare_runs", json!({ "runs": runs }));
        assert!(refusal.contains(said), "{refusal}");
    }
    client.end();
}

#[test]
fn sql_is_answered_and_changes_nothing() {
    let mut client = client();
    let ask = |sql: &str| json!({ "sql": sql });
    let found = client.call(
        "query",
        ask("SELECT step, value FROM history WHERE run = 'ill' AND metric = 'loss' AND step > 398"),
    );
    assert_eq!(found["columns"], json!(["step", "value"]));
    assert_eq!(found["rows"], json!([[399, "NaN"], [400, "NaN"]]));
    let odd = client.call(
        "query",
        ask("SELECT 9e999, NULL, x'ff00', 'a' || char(27) || 'b'"),
    );
    assert_eq!(odd["rows"], json!([["Infinity", null, "ff00", "a\\x1bb"]]));
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n";
    let some = client.call("query", json!({ "sql": endless, "limit": 3 }));
    assert_eq!(
        (&some["rows"], &some["more"]),
        (&json!([[1], [2], [3]]), &json!(true))
    );
    for sql in [
        "DELETE FROM alert",
        "PRAGMA query_only = OFF",
        "",
        "SELEC 1",
    ] {
        client.refusal("query", ask(sql));
    }
    let long = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)
                SELECT hex(zeroblob(1900)) FROM n";
    let refusal = client.refusal("query", json!({ "sql": long, "limit": 1000 }));
    assert!(refusal.contains("ask for less"), "{refusal}");
    client.end();
}

#[test]
fn text_from_a_log_cannot_drive_who_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let mut rows = String::new();
    for step in 1..=20 {
        rows += &format!("{{\"step\": {step}, \"lo\\u001b[2Jss\\u202e\": 1.5}}\n");
    }
    watch(&path, "--run r", "", &rows);
    let mut client = connect("mcp", &path);
    let metrics = client.call("list_metrics", json!({ "run": "r" }));
    for metric in metrics["metrics"].as_array().unwrap() {
        let name = metric["name"].as_str().unwrap();
        assert!(!name.contains(['\u{1b}', '\u{202e}']), "{name:?}");
        // It is still a name.
        let values = client.call("get_metric", json!({ "run": "r", "metric": name }));
        assert_eq!(values["rows"], 20, "{name}");
    }
    client.end();
}
