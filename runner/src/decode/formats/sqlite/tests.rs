use super::*;
use crate::decode::formats::testing::{
    formats, malformed, records, records_in_chunks, records_of, runs,
};
use crate::decode::{Decoder, Options, Tally};

/// The bytes of a database made by these statements.
pub(super) fn database(sql: &str) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made.db");
    let made = Connection::open(&path).unwrap();
    made.execute_batch(sql).unwrap();
    made.close().unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn trackio() {
    let file = database(
        r#"CREATE TABLE metrics (id INTEGER PRIMARY KEY, run_id TEXT, timestamp TEXT,
             run_name TEXT, step INTEGER, metrics TEXT, log_id TEXT, space_id TEXT);
           CREATE TABLE alerts (id INTEGER PRIMARY KEY, timestamp TEXT, run_name TEXT,
             title TEXT, level TEXT, step INTEGER);
           CREATE TABLE configs (id INTEGER PRIMARY KEY, run_name TEXT, config TEXT);
           INSERT INTO alerts VALUES (1, '2026-01-01T00:00:00+00:00', 'calm-1', 'x', 'warn', 1);
           INSERT INTO metrics VALUES
             (1, 'a', '2026-01-01T00:00:00+00:00', 'calm-1', 0, '{"loss": 2.5, "eval": {"acc": 0.5}}', 'l', NULL),
             (2, 'b', '2026-01-01T00:00:01+00:00', 'calm-2', 1, '{"loss": "NaN", "note": "x"}', 'm', NULL),
             (3, 'b', '2026-01-01T00:00:02+00:00', 'calm-2', 2, 'loss', 'n', NULL);"#,
    );
    let expected = [
        "step 0: loss=2.5 eval/acc=0.5",
        "step 1: loss=NaN label:note=x",
    ];
    assert_eq!(records(&file), expected);
    assert_eq!(records_in_chunks(&file, 1_000), expected);
    assert_eq!(formats(&file), ["sqlite"]);
    assert_eq!(runs(&file), ["default/calm-1", "default/calm-2"]);
    assert_eq!(malformed(&file).0, 1);
}

#[test]
fn rlwatch() {
    let file = database(
        r#"CREATE TABLE metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT, step INTEGER,
             timestamp REAL, entropy REAL, loss REAL, grad_norm REAL, extra_json TEXT);
           INSERT INTO metrics (run_id, step, timestamp, entropy, loss, extra_json) VALUES
             ('r1', 1, 1.7e9, 2.5, 0.5, '{"mfu": 0.4}'), ('r1', 2, 1.7e9, NULL, NULL, NULL),
             ('r1', 3, 1.7e9, 2.25, NULL, '{}');"#,
    );
    let expected = [
        "step 1: mfu=0.4 entropy=2.5 loss=0.5",
        "step 3: entropy=2.25",
    ];
    assert_eq!(records(&file), expected);
    assert_eq!(runs(&file), ["default/r1"]);
}

#[test]
fn mlflow() {
    let columns =
        "(key TEXT, value REAL, timestamp INTEGER, run_uuid TEXT, step INTEGER, is_nan INTEGER)";
    let file = database(&format!(
        "CREATE TABLE metrics {columns}; CREATE TABLE latest_metrics {columns};
         INSERT INTO metrics VALUES ('loss', 2.5, 1795309213665, 'ab', 0, 0),
           ('loss', 0, 1795309213666, 'ab', 1, 1), ('loss', 1.7976931348623157e308, 1795309213667, 'ab', 2, 0);
         INSERT INTO latest_metrics VALUES ('loss', 2.5, 1795309213665, 'ab', 0, 0);"
    ));
    assert_eq!(
        records(&file),
        ["step 0: loss=2.5", "step 1: loss=NaN", "step 2: loss=inf"]
    );
}

#[test]
fn what_the_database_has_not_taken_in_yet() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("live.db");
    let live = Connection::open(&path).unwrap();
    live.execute_batch(
        "PRAGMA journal_mode = WAL; CREATE TABLE log (step INTEGER, loss REAL);
         INSERT INTO log VALUES (1, 2.5);",
    )
    .unwrap();
    let file = std::fs::read(&path).unwrap();
    let name = path.to_str().unwrap();
    assert_eq!(records_of(name, &file), ["step 1: loss=2.5"]);
    drop(live);
}

#[test]
fn damage_is_told() {
    let file =
        database("CREATE TABLE log (step INTEGER, loss REAL); INSERT INTO log VALUES (1, 2.5);");
    assert_eq!(records(&file), ["step 1: loss=2.5"]);
    for cut in [MAGIC.len(), 100, 1_000, file.len() - 4_000] {
        let (count, problem) = malformed(&file[..cut]);
        assert_eq!(count, 1, "{cut}");
        assert!(problem.unwrap().contains("database"), "{cut}");
    }
    let empty = database("CREATE TABLE log (name TEXT, loss REAL)");
    assert!(malformed(&empty).1.unwrap().contains("no table"));
}

#[test]
fn no_bytes_are_no_database() {
    let mut decoder = Decoder::new(Options {
        format: Some("sqlite"),
        ..Options::default()
    });
    decoder.push(b"");
    decoder.finish();
    assert_eq!(decoder.tally(), Tally::default());
}

#[test]
fn tables_that_measure_nothing() {
    for names in [
        &["id", "step", "run_id"][..],
        &["loss", "name"],
        &["step", "timestamp", "rank"],
    ] {
        assert_eq!(Columns::of(names), None, "{names:?}");
    }
}

#[test]
fn other_files_are_not_taken() {
    assert_eq!(sniff(b"SQLite"), None);
    assert_eq!(sniff(b"SQLite format 4\0"), Some(false));
}
