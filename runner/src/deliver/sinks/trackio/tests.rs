#![allow(clippy::unwrap_used)]

use serde_json::Value;

use super::super::testing::{self, message};
use super::*;

fn sink(dir: &Path) -> Trackio {
    Trackio {
        dir: dir.to_owned(),
        project: "my proj".to_owned(),
        inbox_only: false,
    }
}

/// What we use of the tables of Trackio 0.43.
const TABLES: &str = "PRAGMA journal_mode = WAL;
    CREATE TABLE metrics (id INTEGER PRIMARY KEY, run_id TEXT NOT NULL,
        timestamp TEXT NOT NULL, run_name TEXT NOT NULL);
    CREATE TABLE alerts (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL,
        timestamp TEXT NOT NULL, run_name TEXT NOT NULL, title TEXT NOT NULL, text TEXT,
        level TEXT NOT NULL DEFAULT 'warn', step INTEGER, alert_id TEXT);
    CREATE UNIQUE INDEX one ON alerts (alert_id) WHERE alert_id IS NOT NULL;
    INSERT INTO metrics (run_id, timestamp, run_name) VALUES
        ('old', '2026-01-01', 'train'), ('new', '2026-01-02', 'train'),
        ('old', '2026-01-03', 'train'), ('other', '2026-01-04', 'eval');";

fn database(dir: &Path, tables: &str) -> Connection {
    let database = Connection::open(dir.join("myproj.db")).unwrap();
    database.execute_batch(tables).unwrap();
    database
}

fn rows(database: &Connection) -> Vec<(String, String, String, Option<i64>)> {
    let mut query = database
        .prepare("SELECT run_id, title, level, step FROM alerts ORDER BY id")
        .unwrap();
    let rows = query.query_map([], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn an_alert_is_in_the_table_once() {
    let dir = tempfile::tempdir().unwrap();
    let database = database(dir.path(), TABLES);
    let mut sink = sink(dir.path());
    for _ in 0..2 {
        assert_eq!(sink.send(&message()), Outcome::delivered());
    }
    let expected = (
        "new".into(),
        "loss is NaN".into(),
        "error".into(),
        Some(2404),
    );
    assert_eq!(rows(&database), [expected]);
    let (text, time): (String, String) = database
        .query_row("SELECT text, timestamp FROM alerts", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert!(text.contains("\nWhat to do: Stop the run"), "{text}");
    assert_eq!(time, "2023-11-14T22:13:20.000000+00:00");
}

#[test]
fn what_is_over_and_what_is_told_again_are_rows_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let database = database(dir.path(), TABLES);
    let mut sink = sink(dir.path());
    let mut over = testing::resolved();
    over.entries[0].alert.id = "2".repeat(32);
    let mut reminder = message();
    reminder.entries[0].notice = Notice::Reminder;
    let mut ended = message();
    ended.entries[0].notice = Notice::Ended;
    let test = Message {
        test: true,
        ..message()
    };
    for message in [message(), over, reminder, ended, test] {
        assert_eq!(sink.send(&message), Outcome::delivered());
    }
    let titles: Vec<_> = rows(&database)
        .into_iter()
        .map(|(_, title, level, _)| format!("{level} {title}"))
        .collect();
    assert_eq!(
        titles,
        [
            "error loss is NaN",
            "info RESOLVED: loss is NaN",
            "error loss is NaN",
            "info ENDED: loss is NaN",
            "error [TEST] loss is NaN"
        ]
    );
}

#[test]
fn a_run_that_trackio_does_not_know_has_its_name_as_id() {
    let dir = tempfile::tempdir().unwrap();
    let database = database(dir.path(), TABLES);
    for text in testing::HOSTILE {
        let mut message = testing::saying(text);
        message.entries[0].alert.id = format!("{:032}", rows(&database).len());
        assert_eq!(sink(dir.path()).send(&message), Outcome::delivered());
    }
    assert_eq!(rows(&database).len(), testing::HOSTILE.len());
    assert!(
        rows(&database)
            .iter()
            .all(|row| row.1.chars().count() <= TITLE_CHARS)
    );
    assert_eq!(rows(&database)[1].0, testing::HOSTILE[1]);
}

#[test]
fn without_a_database_the_dashboard_finds_them_in_its_inbox() {
    let dir = tempfile::tempdir().unwrap();
    let mut sink = sink(dir.path());
    for _ in 0..2 {
        assert_eq!(sink.send(&testing::many(2)).name(), "accepted");
    }
    let inbox = dir.path().join("inbox/runwatch");
    let files: Vec<_> = fs::read_dir(inbox).unwrap().collect();
    assert_eq!(files.len(), 1);
    let text = fs::read_to_string(files[0].as_ref().unwrap().path()).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["v"], 1);
    assert_eq!(lines[1]["kind"], "alert");
    assert_eq!(lines[1]["project"], "my proj");
    assert_eq!(lines[1]["title"], "trouble 1");
    assert_eq!(lines[1]["alert_id"], format!("{:032}", 1));
    assert!(!dir.path().join("myproj.db").exists());
}

#[test]
fn trackio_in_its_mode_without_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let database = database(dir.path(), TABLES);
    let mut sink = Trackio {
        inbox_only: true,
        ..sink(dir.path())
    };
    assert_eq!(sink.send(&message()).name(), "accepted");
    assert!(rows(&database).is_empty());
}

#[test]
fn what_can_be_mended_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let outcome = sink(&dir.path().join("missing")).send(&message());
    assert_eq!(outcome.name(), "broken");
    assert!(outcome.why().unwrap().ends_with("or set `dir`"));

    let old = TABLES.replace(", alert_id TEXT)", ")").replace(
        "CREATE UNIQUE INDEX one ON alerts (alert_id) WHERE alert_id IS NOT NULL;",
        "",
    );
    database(dir.path(), &old);
    let outcome = sink(dir.path()).send(&message());
    assert_eq!(outcome.name(), "broken");
    assert!(
        outcome.why().unwrap().contains("upgrade Trackio"),
        "{outcome:?}"
    );

    fs::write(dir.path().join("myproj.db"), "no database ".repeat(100)).unwrap();
    let outcome = sink(dir.path()).send(&message());
    assert_eq!(outcome.name(), "broken", "{outcome:?}");
}

#[test]
fn the_folder_and_the_file_are_those_of_trackio() {
    let set = |given: &'static [(&str, &str)]| {
        move |name: &str| {
            let found = given.iter().find(|(known, _)| *known == name)?;
            Some(OsString::from(found.1))
        }
    };
    for (given, expected) in [
        (&[("TRACKIO_DIR", "/t"), ("HF_HOME", "/h")][..], "/t"),
        (&[("HF_HOME", "/h"), ("XDG_CACHE_HOME", "/c")], "/h/trackio"),
        (&[("XDG_CACHE_HOME", "/c")], "/c/huggingface/trackio"),
    ] {
        assert_eq!(usual_dir(set(given)), Some(expected.into()));
    }
    for (project, expected) in [
        ("my proj", "myproj"),
        ("../a.b_c-1", "ab_c-1"),
        ("/", "default"),
    ] {
        assert_eq!(on_disk(project), expected);
    }
}
