//! `runwatch export`: the history in the hands of other programs.

use std::fs::File;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use runwatch::exit;

use crate::imports::Place;
use crate::support::{Output, Test};

/// Two runs: one of two processes, one with times and values that are none.
fn place() -> Place {
    let place = Place::new();
    let log = "{\"step\": 1, \"loss\": 2.5, \"lr\": 1e-5}\n{\"step\": 2, \"loss\": 2.0}\n";
    place.log("logs/ddp/rank0.jsonl", log);
    place.log("logs/ddp/rank1.jsonl", log);
    place.log(
        "logs/odd.jsonl",
        "{\"project\": \"p\", \"step\": 1, \"time\": 1700000000.25, \"a,\\\"b\\\"\": 1, \"loss\": NaN}\n\
         {\"project\": \"p\", \"step\": 2, \"loss\": -Infinity, \"=cmd\": 3.0}\n",
    );
    place.import(
        &place.path("logs"),
        "imported 2 runs: 6 records, 4 metrics, 0 alerts",
    );
    place
}

fn export(place: &Place, arguments: &str) -> Test {
    place.test("export").arguments(arguments).any_stdout()
}

fn text(place: &Place, arguments: &str) -> String {
    let Output { stdout, .. } = export(place, arguments).run();
    String::from_utf8(stdout).unwrap()
}

#[test]
fn csv_has_a_column_per_metric() {
    let place = place();
    assert_eq!(
        text(&place, ""),
        "project,run,step,time,rank,loss,lr,\"a,\"\"b\"\"\",=cmd\r\n\
         default,ddp,1,,0,2.5,0.00001,,\r\n\
         default,ddp,2,,0,2.0,,,\r\n\
         default,ddp,1,,1,2.5,0.00001,,\r\n\
         default,ddp,2,,1,2.0,,,\r\n\
         p,odd,1,2023-11-14T22:13:20.25Z,,NaN,,1.0,\r\n\
         p,odd,2,,,-Infinity,,,3.0\r\n"
    );
    // A row in which the metric is absent is none of its rows.
    assert_eq!(
        text(&place, "--run ddp --metric lr"),
        "project,run,step,time,rank,lr\r\ndefault,ddp,1,,0,0.00001\r\ndefault,ddp,1,,1,0.00001\r\n"
    );
    assert_eq!(text(&place, "--project p --metric loss").lines().count(), 3);
}

#[test]
fn json_lines_are_strict_and_can_be_imported_again() {
    let place = place();
    let file = place.path("all.jsonl");
    let said = format!("runwatch: 2 runs with 4 metrics in `{}`\n", file.display());
    export(&place, "--output")
        .argument(&file)
        .stderr(said)
        .run();
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(written, text(&place, "--format jsonl"));
    assert_eq!(
        written.lines().nth(4),
        Some(
            r#"{"project":"p","run":"odd","step":1,"time":1700000000.25,"rank":null,"metrics":{"loss":"NaN","a,\"b\"":1.0}}"#
        )
    );
    let other = Place::new();
    other.import(&file, "imported 2 runs: 6 records, 4 metrics, 0 alerts");
    assert_eq!(text(&other, "--format jsonl"), written);
    assert_eq!(
        other.rows("SELECT name FROM metric ORDER BY name"),
        place.rows("SELECT name FROM metric ORDER BY name")
    );
}

#[test]
fn the_samples_of_a_step_stay_together() {
    let place = Place::new();
    let log =
        "{\"step\": 1, \"loss\": 1, \"rewards\": [1, 2, 3]}\n{\"step\": 2, \"rewards\": [4]}\n";
    let log = place.log("grpo.jsonl", log);
    place.import(&log, "imported 1 run: 2 records, 2 metrics, 0 alerts");
    let csv = text(&place, "");
    let list = "default,grpo,1,,,1.0,\"[1.0,2.0,3.0]\"\r\ndefault,grpo,2,,,,4.0\r\n";
    assert!(csv.ends_with(list), "{csv}");
    let file = place.path("all.jsonl");
    export(&place, "--output")
        .argument(&file)
        .any_stderr()
        .run();
    let other = Place::new();
    other.import(&file, "imported 1 run: 2 records, 2 metrics, 0 alerts");
    assert_eq!(text(&other, ""), csv);
}

fn rows(path: &Path) -> Vec<Row> {
    let file = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let rows = file.get_row_iter(None).unwrap();
    rows.map(Result::unwrap).collect()
}

fn fields(row: &Row) -> Vec<Field> {
    row.get_column_iter()
        .map(|(_, field)| field.clone())
        .collect()
}

#[test]
fn parquet_has_a_row_per_value() {
    let place = place();
    let file = place.path("all.parquet");
    export(&place, "--output")
        .argument(&file)
        .any_stderr()
        .run();
    let rows = rows(&file);
    // Of each stretch a metric after the other.
    assert_eq!(rows.len(), 4 + 2 + 2 + 1 + 1);
    let text = |text: &str| Field::Str(text.to_owned());
    let expected = [
        text("default"),
        text("ddp"),
        text("lr"),
        Field::Long(1),
        Field::Null,
        Field::UInt(0),
        Field::Double(1e-5),
    ];
    assert!(rows.iter().any(|row| fields(row) == expected));
    let nan = rows
        .iter()
        .map(fields)
        .find(|row| row[1] == text("odd"))
        .unwrap();
    assert_eq!(nan[4], Field::TimestampMicros(1_700_000_000_250_000));
    assert_eq!(nan[5], Field::Null);
    assert!(matches!(nan[6], Field::Double(value) if value.is_nan()));
    // Nothing but the file is left.
    let hidden = std::fs::read_dir(place.path("")).unwrap();
    let names = hidden.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.starts_with('.')).count(), 0);
}

#[test]
fn many_rows_come_out_as_they_went_in() {
    let place = Place::new();
    let lines = |step: u32| format!("{{\"step\": {step}, \"loss\": {}.5}}\n", step % 977);
    let log: String = (0..20_000).map(lines).collect();
    let log = place.log("long.jsonl", &log);
    place.import(&log, "imported 1 run: 20,000 records, 1 metric, 0 alerts");
    let csv = text(&place, "");
    let expected = (0..20_000).map(|step| format!("default,long,{step},,,{}.5", step % 977));
    assert!(csv.lines().skip(1).eq(expected));
    let file = place.path("long.parquet");
    export(&place, "--output")
        .argument(&file)
        .any_stderr()
        .run();
    assert_eq!(rows(&file).len(), 20_000);
}

#[test]
fn alerts() {
    let place = Place::new();
    let log = place.log(
        "train.jsonl",
        "{\"step\": 1, \"loss\": 2}\n{\"step\": 2, \"loss\": NaN}\n",
    );
    let watch = place
        .test("--plain --quiet")
        .stdin(std::fs::read(log).unwrap());
    watch.any_stdout().any_stderr().run();
    let listed = place.test("list alerts --json-lines").any_stdout().run();
    assert_eq!(text(&place, "--alerts --format jsonl"), listed.text());
    let csv = text(&place, "--alerts");
    let mut lines = csv.split("\r\n");
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("id,made,time,project,run,rank,step,severity,")
    );
    assert!(
        lines
            .next()
            .unwrap()
            .contains(",critical,firing,non-finite,")
    );
    let file = place.path("alerts.parquet");
    let said = format!("runwatch: 1 alert in `{}`\n", file.display());
    export(&place, "--alerts --output")
        .argument(&file)
        .stderr(said)
        .run();
    let row = fields(&rows(&file)[0]);
    assert_eq!(row[6], Field::Long(2));
    assert_eq!(row[11], Field::Str("loss is NaN".to_owned()));
}

#[test]
fn what_cannot_be_exported() {
    let place = place();
    for (arguments, said) in [
        ("--run dp", "did you mean `ddp`?"),
        ("--metric lss", "did you mean `loss`?"),
        ("--project nobody", "runwatch import"),
        ("--output all", "--format csv, jsonl or parquet"),
        ("--format parquet", "--output runs.parquet"),
        ("--output missing/all.csv", "cannot write `missing/all.csv`"),
    ] {
        let output = export(&place, arguments)
            .any_stderr()
            .code(exit::USAGE)
            .run();
        assert!(
            output.stderr.contains(said),
            "{arguments}: {}",
            output.stderr
        );
    }
    let empty = Place::new();
    let output = export(&empty, "").any_stderr().code(exit::USAGE).run();
    assert!(
        output.stderr.contains("there is no ledger"),
        "{}",
        output.stderr
    );
}
