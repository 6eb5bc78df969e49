//! Alerts as rows.

use std::io::{self, Write};

use parquet::data_type::{ByteArrayType, Int32Type, Int64Type};

use super::columns::{bytes, column, failed, file, optional};
use super::target::Target;
use super::{Args, Form, csv, usage};
use crate::alert::{Alert, State};
use crate::cli::json::line;
use crate::cli::output::count;
use crate::exit::Failure;
use crate::judge::rfc3339;
use crate::ledger::{Ledger, Search, Written};
use crate::view::Number;

const NAMES: [&str; 15] = [
    "id",
    "made",
    "time",
    "project",
    "run",
    "rank",
    "step",
    "severity",
    "state",
    "detector",
    "key",
    "title",
    "message",
    "recommendation",
    "values",
];

/// `values` is a JSON object.
const SCHEMA: &str = "
    message alerts {
        REQUIRED BINARY id (STRING);
        REQUIRED INT64 made (TIMESTAMP(MICROS, true));
        OPTIONAL BINARY time (STRING);
        REQUIRED BINARY project (STRING);
        REQUIRED BINARY run (STRING);
        OPTIONAL INT32 rank (INTEGER(32, false));
        OPTIONAL INT64 step;
        REQUIRED BINARY severity (STRING);
        REQUIRED BINARY state (STRING);
        REQUIRED BINARY detector (STRING);
        REQUIRED BINARY key (STRING);
        REQUIRED BINARY title (STRING);
        REQUIRED BINARY message (STRING);
        REQUIRED BINARY recommendation (STRING);
        REQUIRED BINARY values (JSON);
    }";

/// Writes the alerts; says how many, or why they could not be written.
pub(super) fn write(
    args: &Args,
    ledger: &Ledger,
    form: Form,
    target: &mut Target,
) -> Result<io::Result<String>, Failure> {
    let search = Search {
        project: args.project.as_deref(),
        ..Search::default()
    };
    let mut found = ledger.search(&search, usize::MAX).map_err(usage)?;
    found.reverse();
    found.retain(|it| args.run.is_empty() || args.run.contains(&it.alert.run));
    let written = match form {
        Form::Csv => table(&found, target),
        Form::Parquet => parquet(&found, target),
        Form::Jsonl => {
            let lines: Result<String, Failure> = found.iter().map(|it| line(&it.alert)).collect();
            target.write_all(lines?.as_bytes())
        }
    };
    let alerts = count(found.len() as u64, "alert", "alerts");
    Ok(written.map(|()| alerts))
}

fn table(found: &[Written], out: &mut impl Write) -> io::Result<()> {
    csv::line(out, NAMES.into_iter())?;
    for Written { alert, made, .. } in found {
        let cells = [
            &alert.id,
            &written_down(*made),
            alert.time.as_deref().unwrap_or_default(),
            &alert.project,
            &alert.run,
            &alert.rank.map_or_else(String::new, |rank| rank.to_string()),
            &alert.step.map_or_else(String::new, |step| step.to_string()),
            alert.severity.name(),
            state(alert),
            &alert.detector,
            &alert.key,
            &alert.title,
            &alert.message,
            &alert.recommendation,
            &values(alert),
        ];
        csv::line(out, cells.into_iter())?;
    }
    Ok(())
}

fn written_down(made: i64) -> String {
    rfc3339(made as f64 / 1000.0).unwrap_or_default()
}

fn state(alert: &Alert) -> &'static str {
    match alert.state {
        State::Firing => "firing",
        State::Resolved => "resolved",
    }
}

fn values(alert: &Alert) -> String {
    let values = alert.values.iter();
    let map: serde_json::Map<String, serde_json::Value> = values
        .map(|(name, value)| (name.clone(), serde_json::json!(Number(*value))))
        .collect();
    serde_json::Value::Object(map).to_string()
}

fn parquet(found: &[Written], out: &mut (impl Write + Send)) -> io::Result<()> {
    let mut file = file(out, SCHEMA)?;
    let mut group = file.next_row_group().map_err(failed)?;
    let texts = |of: &dyn Fn(&Alert) -> &str| -> Vec<_> {
        found.iter().map(|it| bytes(of(&it.alert))).collect()
    };
    let made: Vec<i64> = found
        .iter()
        .map(|it| it.made.saturating_mul(1000))
        .collect();
    let times: Vec<_> = found
        .iter()
        .map(|it| it.alert.time.as_deref().map(bytes))
        .collect();
    let ranks: Vec<_> = found
        .iter()
        .map(|it| it.alert.rank.map(u32::cast_signed))
        .collect();
    let steps: Vec<_> = found.iter().map(|it| it.alert.step).collect();
    let objects: Vec<_> = found.iter().map(|it| bytes(&values(&it.alert))).collect();
    column::<ByteArrayType>(&mut group, &texts(&|it| &it.id), None)?;
    column::<Int64Type>(&mut group, &made, None)?;
    optional::<ByteArrayType>(&mut group, &times)?;
    column::<ByteArrayType>(&mut group, &texts(&|it| &it.project), None)?;
    column::<ByteArrayType>(&mut group, &texts(&|it| &it.run), None)?;
    optional::<Int32Type>(&mut group, &ranks)?;
    optional::<Int64Type>(&mut group, &steps)?;
    let of: [&dyn Fn(&Alert) -> &str; 7] = [
        &|it| it.severity.name(),
        &|it| state(it),
        &|it| &it.detector,
        &|it| &it.key,
        &|it| &it.title,
        &|it| &it.message,
        &|it| &it.recommendation,
    ];
    for of in of {
        column::<ByteArrayType>(&mut group, &texts(of), None)?;
    }
    column::<ByteArrayType>(&mut group, &objects, None)?;
    group.close().map_err(failed)?;
    file.close().map(drop).map_err(failed)
}
