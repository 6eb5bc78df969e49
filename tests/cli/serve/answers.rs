//! What can be asked, and what comes by itself.

use std::io::Read as _;

use runwatch::exit;
use serde_json::{Value, json};

use super::{event, fresh, names, past, read_up_to, serve, watch, words};

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
                    last_fault quarantined behind left_out updated";
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

    // Another in its place: who listens comes back, with a number that means
    // nothing there.
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", ledger.display()));
    }
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    let mut stream = dashboard.send("GET", "/events", "Last-Event-ID: 7\r\n", "");
    read_up_to(&mut stream, "retry: ");
    watch(&ledger, "again", "", exit::OK);
    assert_eq!(event(&mut stream, "alerts").0["alerts"][0]["run"], "again");
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
