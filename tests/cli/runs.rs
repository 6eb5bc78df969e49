//! What the ledger says of runs and their metrics: `list`, `get`, `diagnose`
//! and `compare`, on runs that a watch has seen.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use runwatch::exit;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Test, fields};

/// A ledger of two runs of one project: in `b` the loss leaps at step 60, and
/// `aux` of both is NaN at step 3 and infinite at step 4.
fn two_runs() -> &'static Path {
    static LEDGER: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = LEDGER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        for (run, leap) in [("a", 0.0), ("b", 1.5)] {
            Test::new("--plain --quiet --project p --run")
                .argument(run)
                .argument("--ledger")
                .argument(&path)
                .stdin(rows(leap))
                .any_stdout()
                .any_stderr()
                .run();
        }
        (folder, path)
    });
    path
}

/// A hundred rows, ten seconds apart, as a job prints them.
fn rows(leap: f64) -> String {
    (0..100).fold(String::new(), |mut text, step| {
        let wobble = f64::from(step * 7919 % 101) / 1000.0 * (1.0 + leap / 10.0);
        let loss = 2.0 + wobble + if step >= 60 { leap } else { 0.0 };
        let aux = match step {
            3 => "NaN",
            4 => "Infinity",
            _ => "0.5",
        };
        let time = 1_795_357_458 + 10 * step;
        let _ = writeln!(
            text,
            r#"{{"step": {step}, "train/loss": {loss}, "lr": 0.001, "aux": {aux}, "timestamp": {time}}}"#
        );
        text
    })
}

fn ask(arguments: &str) -> Test {
    let test = Test::new(arguments).argument("--ledger");
    test.argument(two_runs()).any_stdout()
}

/// The one JSON document of an answer.
fn document(arguments: &str) -> Value {
    let output = ask(&format!("{arguments} --json")).stderr("").run();
    serde_json::from_str(output.text()).unwrap()
}

#[test]
fn projects_runs_and_metrics_as_trackio_lists_them() {
    ask("list projects --json")
        .stdout("{\n  \"projects\": [\n    \"p\"\n  ]\n}\n")
        .run();
    let runs = document("list runs");
    assert_eq!(
        (&runs["project"], &runs["runs"]),
        (&json!("p"), &json!(["a", "b"]))
    );
    assert_eq!(
        fields(runs["details"].as_array().unwrap(), &["run", "rows"]),
        ["a 100", "b 100"]
    );
    let metrics = document("list metrics --run a");
    assert_eq!(metrics["metrics"], json!(["aux", "lr", "train/loss"]));
    assert_eq!(metrics["details"][2]["canonical"], "loss");
    assert_eq!(metrics["details"][0]["nonfinite"], 2);
    assert_eq!(metrics["details"][0]["max"], 0.5);

    let project = document("get project");
    assert_eq!(project["num_runs"], 2);
    assert_eq!(project["last_activity"], 99);
    assert_eq!(
        fields(project["runs"].as_array().unwrap(), &["id", "name"]),
        ["a a", "b b"]
    );
    let run = document("get run --run b");
    assert_eq!(run["num_logs"], 100);
    assert_eq!((&run["run_id"], &run["config"]), (&Value::Null, &json!({})));
    assert_eq!(
        (&run["first_step"], &run["last_step"]),
        (&json!(0), &json!(99))
    );
    assert_eq!(run["state"], "ended");
}

#[test]
fn values_around_a_step_and_a_time() {
    ask("get metric --run a --metric aux --around 4 --window 1 --json")
        .stdout(
            r#"{
  "project": "p",
  "run": "a",
  "metric": "aux",
  "values": [
    {
      "timestamp": "2026-11-22T14:24:48Z",
      "step": 3,
      "value": "NaN"
    },
    {
      "timestamp": "2026-11-22T14:24:58Z",
      "step": 4,
      "value": "Infinity"
    },
    {
      "timestamp": "2026-11-22T14:25:08Z",
      "step": 5,
      "value": 0.5
    }
  ]
}
"#,
        )
        .run();
    let steps = |place: &str| -> Vec<i64> {
        let found = document(&format!("get metric --run a --metric lr {place}"));
        let values = found["values"].as_array().unwrap();
        values
            .iter()
            .map(|it| it["step"].as_i64().unwrap())
            .collect()
    };
    assert_eq!(steps("--step 0"), [0]);
    assert_eq!(steps("--around 0 --window 2"), [0, 1, 2]);
    assert_eq!(steps("--around 50").len(), 21);
    assert_eq!(steps("--step 7000"), [0; 0]);
    assert_eq!(steps("--limit 2"), [98, 99]);
    assert_eq!(steps("").len(), 100);
    // The same moment, in another offset.
    for time in ["2026-11-22T14:24:28Z", "2026-11-22T19:54:28+05:30"] {
        assert_eq!(steps(&format!("--at-time {time}")), [0, 1, 2], "{time}");
        assert_eq!(
            steps(&format!("--at-time {time} --window 9")),
            [1],
            "{time}"
        );
    }
    // By its canonical name, and told by the name that the job printed.
    let loss = document("get metric --run a --metric loss --step 0");
    assert_eq!(loss["metric"], "train/loss");
    ask("get metric --run a --metric lr --step 1")
        .stdout("step  time                  value\n   1  2026-11-22T14:24:28Z  0.001\n")
        .run();
}

#[test]
fn a_snapshot_says_where_it_was_taken() {
    let at_zero = document("get snapshot --run a --step 0");
    let names: Vec<&String> = at_zero["metrics"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["aux", "lr", "train/loss"]);
    assert_eq!(at_zero["metrics"]["lr"][0]["value"], 0.001);
    assert_eq!(
        (&at_zero["step"], &at_zero["window"]),
        (&json!(0), &Value::Null)
    );
    let around = document("get snapshot --run a --around 0 --window 1");
    assert_eq!(
        (&around["around"], &around["window"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(around["metrics"]["aux"].as_array().unwrap().len(), 2);
    let at = document("get snapshot --run a --at-time 2026-11-22T14:24:18Z");
    assert_eq!(at["at_time"], "2026-11-22T14:24:18Z");
    assert_eq!(at["metrics"]["aux"].as_array().unwrap().len(), 2);
    let none = ask("get snapshot --run a")
        .any_stderr()
        .code(exit::USAGE)
        .run();
    assert!(none.stderr.contains("--around"), "{}", none.stderr);
    let lines = ask("get snapshot --run a --step 5 --json-lines").run();
    assert_eq!(fields(&lines.alerts(), &["step"]), ["5"; 3]);
}

#[test]
fn alerts_in_trackios_shape() {
    let found = document("list alerts --run b --level warn");
    let keys: Vec<&String> = found.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["alerts", "level", "project", "run", "since"]);
    assert_eq!(
        (&found["level"], &found["since"]),
        (&json!("warn"), &Value::Null)
    );
    let alerts = found["alerts"].as_array().unwrap();
    let steps: Vec<i64> = alerts
        .iter()
        .map(|it| it["step"].as_i64().unwrap())
        .collect();
    assert!(
        steps.len() > 1 && steps.is_sorted_by(|a, b| a >= b),
        "{steps:?}"
    );
    let oldest = alerts.last().unwrap();
    assert_eq!(oldest["title"], "aux is NaN");
    assert_eq!(oldest["values"]["aux"], "NaN");
    assert!(oldest["text"].as_str().unwrap().contains("\nWhat to do: "));
    let level = if oldest["severity"] == "critical" {
        "error"
    } else {
        "warn"
    };
    assert_eq!(oldest["level"], level);
    // The order of the keys is Trackio's, too.
    let output = ask("list alerts --run b --limit 1 --json")
        .any_stderr()
        .run();
    let names = ["timestamp", "run", "title", "text", "level", "step", "id"];
    let at = names.map(|name| output.text().find(&format!("      \"{name}\"")).unwrap());
    assert!(at.is_sorted(), "{}", output.text());
}

#[test]
fn a_query_in_trackios_shape() {
    let query = "SELECT step, value FROM history WHERE metric = 'aux' AND run = 'a' AND step < 2";
    let output = ask("query --json").argument("--sql").argument(query).run();
    let found: Value = serde_json::from_str(output.text()).unwrap();
    assert_eq!(
        found,
        json!({
            "project": "p", "query": query, "columns": ["step", "value"],
            "rows": [{ "step": 0, "value": 0.5 }, { "step": 1, "value": 0.5 }],
            "row_count": 2, "more": false,
        })
    );
}

#[test]
fn what_there_is_not_is_said() {
    for (arguments, error, hint) in [
        (
            "get project --project q",
            "there is no project `q` in the ledger",
            "did you mean `p`?",
        ),
        (
            "list alerts --run aa",
            "there is no run `aa` in the project `p`",
            "did you mean `a`?",
        ),
        (
            "get run --run xyz",
            "there is no run `xyz` in the project `p`",
            "there are `b`, `a`",
        ),
        (
            "get metric --run a --metric train/los",
            "there is no metric `train/los` in the run `a`",
            "did you mean `train/loss`?",
        ),
    ] {
        ask(arguments)
            .stdout("")
            .stderr(format!("error: {error}\nhint: {hint}\n"))
            .code(exit::INPUT)
            .run();
    }
    ask("list metrics")
        .stdout("")
        .stderr("error: there are several runs: `b`, `a`\nhint: say which with --run\n")
        .code(exit::USAGE)
        .run();
    for place in ["--step 1 --around 2", "--at-time soon", "--around x"] {
        let arguments = format!("get metric --run a --metric lr {place}");
        ask(&arguments).any_stderr().code(exit::USAGE).run();
    }
}

#[test]
fn a_diagnosis_in_rlwatchs_shape() {
    let found = ask("diagnose --run a --format json").stderr("").run();
    let text = found.text();
    let all: Value = serde_json::from_str(text).unwrap();
    let names = [
        "run_id",
        "framework",
        "started_at",
        "total_steps",
        "total_alerts",
        "critical_alerts",
        "warning_alerts",
        "detectors_triggered",
        "alerts",
        "loss_summary",
        "health",
        "assessment",
    ];
    let at = names.map(|name| text.find(&format!("\n  \"{name}\"")).unwrap());
    assert!(at.is_sorted(), "{text}");
    assert_eq!(
        (&all["run_id"], &all["total_steps"]),
        (&json!("a"), &json!(100))
    );
    let summary = &all["aux_summary"];
    assert_eq!(
        summary,
        &json!({
            "min": 0.5, "max": 0.5, "mean": 0.5, "std": 0.0, "first": 0.5, "last": 0.5,
            "trend": "flat", "rows": 100, "nonfinite": 2, "thinned": false,
        })
    );
    let alerts = all["alerts"].as_array().unwrap();
    assert_eq!(all["total_alerts"], alerts.len());
    let values = alerts[0]["metric_values_json"].as_str().unwrap();
    let values: Value = serde_json::from_str(values).unwrap();
    assert_eq!(values["aux"], "NaN");
    // Without a name, the newest.
    let text = ask("diagnose").stderr("").run();
    let text = text.text();
    for said in [
        "Run     p/b (ended)\n",
        "Health  ",
        "What to do: ",
        "\nmetric ",
        "aux is NaN",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn runs_are_compared_by_step() {
    let found = document("compare a p/b --metric loss --metric lr");
    assert_eq!(
        found["runs"],
        json!([{ "project": "p", "run": "a" }, { "project": "p", "run": "b" }])
    );
    let loss = &found["metrics"][0];
    assert_eq!(
        (&loss["common_steps"], &loss["last_common_step"]),
        (&json!(100), &json!(99))
    );
    assert_eq!(loss["runs"][0]["metric"], "train/loss");
    assert_eq!(
        loss["runs"][1]["last"],
        loss["runs"][1]["at_last_common_step"]
    );
    let parted = &loss["parted"][0];
    assert_eq!(
        (&parted["verdict"], &parted["from_step"], &parted["side"]),
        (&json!("apart"), &json!(60), &json!("above"))
    );
    assert_eq!(found["metrics"][1]["parted"][0]["verdict"], "same");

    let text = ask("compare a b").stderr("").run();
    for said in [
        "b stays above a from step 60 on.",
        "b has the values of a (100 common steps).",
    ] {
        assert!(text.text().contains(said), "{}", text.text());
    }
    ask("compare a a")
        .stderr("error: the run `a` is named twice\n")
        .code(exit::USAGE)
        .run();
    ask("compare a c").any_stderr().code(exit::INPUT).run();
}

#[test]
fn alerts_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let mut watch = Test::new("--plain --run live --ledger")
        .argument(&path)
        .start();
    watch.write("{\"step\": 1, \"loss\": 1.5}\n{\"step\": 2, \"loss\": NaN}\n");
    watch.await_stderr("loss is NaN");

    let follow = |arguments: &str| {
        let test = Test::new("list alerts --follow").arguments(arguments);
        test.argument("--ledger").argument(&path).start()
    };
    let mut all = follow("--json-lines --level error");
    let first: Value = serde_json::from_str(&all.read_line()).unwrap();
    assert_eq!(
        (&first["step"], &first["title"]),
        (&json!(2), &json!("loss is NaN"))
    );
    let mut text = follow("");
    assert!(
        text.read_line()
            .contains("critical  default/live step 2  non-finite: loss is NaN")
    );

    // What comes later, and of it only what is asked for.
    watch.write("{\"step\": 3, \"loss\": NaN, \"grad_norm\": NaN}\n");
    watch.await_stderr("grad_norm is NaN");
    let second: Value = serde_json::from_str(&all.read_line()).unwrap();
    assert_eq!(
        (&second["step"], &second["title"]),
        (&json!(3), &json!("grad_norm is NaN"))
    );
    assert!(text.read_line().contains("grad_norm is NaN"));

    // Nobody reads any more: the next alert ends it.
    all.close_stdout();
    watch.write("{\"run\": \"other\", \"step\": 1, \"loss\": 1.5}\n");
    watch.write("{\"run\": \"other\", \"step\": 2, \"loss\": NaN}\n");
    watch.await_stderr("run=default/other");
    let (status, _, stderr) = all.wait();
    assert_eq!(status.code(), Some(0), "{stderr}");
    watch.end();
}
