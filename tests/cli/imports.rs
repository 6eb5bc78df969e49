//! `runwatch import`: what other tools logged, in the ledger, once.

use std::path::{Path, PathBuf};

use runwatch::exit;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Output, Test, alerts, fields};

/// A folder of logs, and a ledger in it.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn log(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    fn database(&self, name: &str, sql: &str) -> PathBuf {
        let path = self.path(name);
        let database = Connection::open(&path).unwrap();
        database.execute_batch(sql).unwrap();
        path
    }

    /// Runwatch with this ledger.
    pub(crate) fn test(&self, arguments: &str) -> Test {
        let ledger = self.path("ledger.sqlite");
        Test::new(arguments).argument("--ledger").argument(ledger)
    }

    pub(crate) fn import(&self, path: &Path, said: &str) {
        let said = format!("runwatch: {said}\n");
        self.test("import").argument(path).stderr(said).run();
    }

    pub(crate) fn rows(&self, sql: &str) -> Vec<Value> {
        let query = self
            .test("query --json-lines")
            .arguments("--sql")
            .argument(sql);
        let query = query.any_stdout();
        alerts(query.any_stderr().run().text())
    }

    fn alerts(&self) -> Vec<Value> {
        let list = self
            .test("list alerts --json-lines")
            .any_stdout()
            .any_stderr();
        list.run().alerts()
    }
}

const HISTORY: &str = "SELECT project, run, metric, step, time, value FROM history";

fn history(place: &Place) -> Vec<String> {
    let names = ["project", "run", "metric", "step", "time", "value"];
    fields(&place.rows(HISTORY), &names)
}

const TRACKIO: &str = r#"
    CREATE TABLE metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL,
        timestamp TEXT NOT NULL, run_name TEXT NOT NULL, step INTEGER NOT NULL,
        metrics TEXT NOT NULL, log_id TEXT, space_id TEXT);
    CREATE TABLE traces (id TEXT PRIMARY KEY, run_id TEXT NOT NULL, timestamp TEXT NOT NULL,
        run_name TEXT NOT NULL, step INTEGER NOT NULL, key TEXT NOT NULL, trace_index INTEGER);
    CREATE TABLE alerts (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL,
        timestamp TEXT NOT NULL, run_name TEXT NOT NULL, title TEXT NOT NULL, text TEXT,
        level TEXT NOT NULL DEFAULT 'warn', step INTEGER, alert_id TEXT);
    INSERT INTO metrics VALUES
        (1, 'a', '2026-01-01T00:00:00+00:00', 'calm-1', 0, CAST('{"loss":2.5}' AS BLOB), 'l', NULL),
        (2, 'b', '2026-01-01T00:00:01.5+00:00', 'calm-2', 1, '{"loss":"NaN"}', 'm', NULL),
        (3, 'a', '2026-01-01T00:00:02+00:00', 'calm-1', 1, '{"loss":"-Infinity"}', 'n', NULL);
    INSERT INTO traces VALUES ('t', 'a', '2026-01-01T00:00:00+00:00', 'calm-1', 7, 'chat', 3);
    INSERT INTO alerts VALUES
        (1, 'a', '2026-01-01T00:00:02+00:00', 'calm-1', 'Loss is gone', 'it is -inf', 'error', 1, 'x1'),
        (2, 'a', '2026-01-01T00:00:02+00:00', 'calm-1', 'Loss is gone', 'it is -inf', 'error', 1, 'x2'),
        (3, 'b', '2026-01-01T00:00:03+00:00', 'calm-2', 'look', NULL, 'info', NULL, 'x3');
"#;

#[test]
fn a_database_of_trackio() {
    let place = Place::new();
    let path = place.database("llm.db", TRACKIO);
    place.import(&path, "imported 2 runs: 3 records, 1 metric, 3 alerts");
    assert_eq!(
        history(&place),
        [
            "llm calm-1 loss 0 1767225600.0 2.5",
            "llm calm-1 loss 1 1767225602.0 -Infinity",
            "llm calm-2 loss 1 1767225601.5 NaN",
        ]
    );
    let alerts = place.alerts();
    let names = [
        "project", "run", "detector", "severity", "state", "step", "time", "title", "message",
    ];
    assert_eq!(
        fields(&alerts[1..], &names),
        [
            "llm calm-1 trackio critical firing 1 2026-01-01T00:00:02Z Loss is gone it is -inf",
            "llm calm-2 trackio info firing null 2026-01-01T00:00:03Z look look",
        ]
    );
    assert_eq!(alerts[0]["host"], "");
    assert_ne!(alerts[0]["recommendation"], "");
    // Written down at their own time, for nobody.
    let made = place.rows("SELECT DISTINCT made, over FROM alert WHERE run = 'calm-1'");
    assert_eq!(fields(&made, &["made", "over"]), ["1767225602000 1"]);
    assert!(place.rows("SELECT id FROM delivery").is_empty());
}

#[test]
fn what_came_later_is_added_and_nothing_twice() {
    let place = Place::new();
    let path = place.database("llm.db", TRACKIO);
    place.import(&path, "imported 2 runs: 3 records, 1 metric, 3 alerts");
    place.import(
        &path,
        "nothing new: 2 runs were there already; 3 alerts were there already",
    );
    place.database(
        "llm.db",
        "INSERT INTO metrics VALUES
            (4, 'b', '2026-01-01T00:00:04+00:00', 'calm-2', 2, '{\"loss\": 1.5}', 'o', NULL);
         INSERT INTO alerts VALUES
            (4, 'b', '2026-01-01T00:00:04+00:00', 'calm-2', 'look', NULL, 'warn', 2, 'x4');",
    );
    let said = "imported 1 run: 1 record, 1 metric, 1 alert; 3 alerts were there already";
    place.import(&path, said);
    assert_eq!(place.alerts().len(), 4);
    assert_eq!(place.alerts()[3]["severity"], "warning");
    assert_eq!(history(&place).len(), 4);
}

#[test]
fn a_database_of_rlwatch() {
    let place = Place::new();
    let path = place.database(
        "metrics.db",
        r#"CREATE TABLE runs (run_id TEXT PRIMARY KEY, framework TEXT, started_at REAL,
               config_json TEXT);
           CREATE TABLE metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL,
               step INTEGER NOT NULL, timestamp REAL NOT NULL, entropy REAL, loss REAL,
               extra_json TEXT);
           CREATE TABLE alerts (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL,
               step INTEGER NOT NULL, timestamp REAL NOT NULL, detector TEXT NOT NULL,
               severity TEXT NOT NULL, message TEXT NOT NULL, metric_values_json TEXT,
               recommendation TEXT);
           INSERT INTO runs VALUES ('grpo', 'trl', 1.7e9, '{"password": "hunter2"}');
           INSERT INTO metrics VALUES (1, 'grpo', 5, 1.7e9, 2.5, NULL, '{"mfu": 0.4}'),
               (2, 'grpo', 6, 1700000001.5, 2.25, 0.5, NULL);
           INSERT INTO alerts VALUES (1, 'grpo', 6, 1700000001.5, 'entropy_collapse', 'critical',
               'Entropy fell to 2.25', '{"entropy": 2.25, "floor": NaN}', 'Raise the bonus.');"#,
    );
    place.import(&path, "imported 1 run: 2 records, 3 metrics, 1 alert");
    assert_eq!(
        history(&place),
        [
            "default grpo mfu 5 1700000000.0 0.4",
            "default grpo entropy 5 1700000000.0 2.5",
            "default grpo entropy 6 1700000001.5 2.25",
            "default grpo loss 6 1700000001.5 0.5",
        ]
    );
    let alert = &place.alerts()[0];
    let names = [
        "run",
        "detector",
        "severity",
        "step",
        "title",
        "message",
        "recommendation",
    ];
    assert_eq!(
        fields(std::slice::from_ref(alert), &names),
        ["grpo entropy_collapse critical 6 Entropy collapse Entropy fell to 2.25 Raise the bonus."]
    );
    assert_eq!(alert["values"]["entropy"], 2.25);
    assert_eq!(alert["values"]["floor"], Value::Null);
}

const LOG: &str = "{\"step\": 1, \"loss\": 2.5}\n{\"step\": 2, \"loss\": NaN}\n";

#[test]
fn logs_make_runs_that_are_over() {
    let place = Place::new();
    place.log("logs/exp1/rank0.jsonl", LOG);
    place.log("logs/exp1/rank1.jsonl", LOG);
    place.log("logs/calm.log", "step=1 loss=2.0\nstep=2 loss=1.5\n");
    let folder = place.path("logs");
    place.import(&folder, "imported 2 runs: 6 records, 1 metric, 0 alerts");
    place.import(&folder, "nothing new: 2 runs were there already");
    let runs = place.rows("SELECT run, rows, ended >= seen AS ended, owner FROM run ORDER BY run");
    assert_eq!(
        fields(&runs, &["run", "rows", "ended", "owner"]),
        ["calm 2 1 null", "exp1 4 1 null"]
    );
    // The line that came since, and from another folder.
    place.log(
        "logs/calm.log",
        "step=1 loss=2.0\nstep=2 loss=1.5\nstep=3 loss=1.0\n",
    );
    let said = "runwatch: imported 1 run: 1 record, 1 metric, 0 alerts\n";
    let script = format!("cd {} && exec \"$0\" \"$@\"", folder.display());
    place
        .test("import calm.log")
        .stderr(said)
        .run_in_shell(&script);
}

#[test]
fn the_command_line_names_project_and_run() {
    let place = Place::new();
    let one = place.log(
        "one.jsonl",
        "{\"run\": \"a\", \"step\": 1, \"loss\": 2.5}\n",
    );
    let named = "import --project p --run r";
    let said = "runwatch: imported 1 run: 1 record, 1 metric, 0 alerts\n";
    place.test(named).argument(one).stderr(said).run();
    assert_eq!(history(&place), ["p r loss 1 null 2.5"]);
    // Two runs are not one, whatever the command line says.
    let two = place.database("llm.db", TRACKIO);
    let test = place.test(named).argument(&two).code(exit::INPUT);
    let output = test.any_stderr().run();
    assert!(
        output.stderr.contains("holds several runs"),
        "{}",
        output.stderr
    );
    let said = "runwatch: imported 2 runs: 3 records, 1 metric, 3 alerts\n";
    place
        .test("import --project p")
        .argument(&two)
        .stderr(said)
        .run();
    let projects = place.rows("SELECT DISTINCT project FROM alert UNION SELECT project FROM run");
    assert_eq!(fields(&projects, &["project"]), ["p"]);
}

#[test]
fn what_cannot_be_read_does_not_hide_the_rest() {
    let place = Place::new();
    let good = place.log("good.jsonl", LOG);
    let torn = place.log("torn.db", &format!("SQLite format 3\0{}", "x".repeat(2000)));
    let missing = place.path("missing.log");
    let test = place
        .test("import")
        .argument(missing)
        .argument(torn)
        .argument(good);
    let Output { stderr, .. } = test.any_stderr().code(exit::INPUT).run();
    assert!(stderr.contains("missing.log"), "{stderr}");
    assert!(stderr.contains("cannot read the alerts of"), "{stderr}");
    let last = "runwatch: imported 1 run: 2 records, 1 metric, 0 alerts\n";
    assert!(stderr.ends_with(last), "{stderr}");
}

#[test]
fn alerts_stay_as_long_as_the_history_of_their_run() {
    let place = Place::new();
    let path = place.database("llm.db", TRACKIO);
    let config = "[delivery]\nkeep = \"1d\"\n";
    place.import(&path, "imported 2 runs: 3 records, 1 metric, 3 alerts");
    // A watch forgets what is older than a day when it starts.
    let watch = place.test("--plain --quiet").file("runwatch.toml", config);
    watch
        .stdin("step=1 loss=1\n")
        .any_stdout()
        .any_stderr()
        .run();
    assert_eq!(place.alerts().len(), 3);
}
