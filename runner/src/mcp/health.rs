//! How a run is, by itself and beside others.

use std::cmp::Reverse;

use serde_json::{Map, Value, json};

use super::arguments::Refusal;
use super::runs::{named, short};
use super::tools::Call;
use crate::cli::{compare, diagnose};

/// How the fields that sum a metric up are called.
const SUMMARY: &str = "_summary";

pub(super) fn diagnose(call: &Call<'_>) -> Result<Value, Refusal> {
    let arguments = &call.arguments;
    let run = named(
        &call.ledger,
        arguments.text("project"),
        arguments.needed("run"),
    )?;
    let diagnosis = diagnose::diagnose(&call.ledger, run)?;
    let Value::Object(mut fields) = json!(diagnosis) else {
        return Err(Refusal::new("the run cannot be summed up"));
    };
    let (alerts, alerts_left_out) = alerts(fields.remove("alerts"), call.count("limit"));
    let (metrics, metrics_left_out) = metrics(&mut fields, call.count("metrics"));
    fields.insert("alerts".to_owned(), alerts.into());
    fields.insert("alerts_left_out".to_owned(), alerts_left_out.into());
    fields.insert("metrics".to_owned(), metrics.into());
    fields.insert("metrics_left_out".to_owned(), metrics_left_out.into());
    Ok(fields.into())
}

/// The most severe alerts, of equal ones the newest, by step; and how many more
/// there are.
fn alerts(all: Option<Value>, limit: usize) -> (Vec<Value>, usize) {
    let Some(Value::Array(mut alerts)) = all else {
        return (Vec::new(), 0);
    };
    let left_out = alerts.len().saturating_sub(limit);
    // They come by step.
    alerts.reverse();
    alerts.sort_by_key(|alert| Reverse(alert["severity"] == "critical"));
    alerts.truncate(limit);
    alerts.sort_by_key(|alert| alert["step"].as_i64());
    for alert in &mut alerts {
        if let Some(alert) = alert.as_object_mut() {
            // It is told in the message.
            alert.remove("metric_values_json");
        }
    }
    (alerts, left_out)
}

/// The metrics, which stand among the other fields; and how many more there
/// are.
fn metrics(fields: &mut Map<String, Value>, limit: usize) -> (Map<String, Value>, usize) {
    let names = fields
        .keys()
        .filter_map(|field| field.strip_suffix(SUMMARY));
    let names: Vec<String> = names.map(str::to_owned).collect();
    let left_out = names.len().saturating_sub(limit);
    let mut metrics = Map::new();
    for (at, name) in names.into_iter().enumerate() {
        let summary = fields.remove(&format!("{name}{SUMMARY}"));
        if let Some(summary) = summary
            && at < limit
        {
            metrics.insert(name, rounded(summary));
        }
    }
    (metrics, left_out)
}

pub(super) fn compare(call: &Call<'_>) -> Result<Value, Refusal> {
    let arguments = &call.arguments;
    let (names, wanted) = (arguments.texts("runs"), arguments.texts("metrics"));
    if names.len() < 2 {
        return Err(Refusal::new("`runs` names fewer than two runs")
            .hint("`list_runs` names those that there are"));
    }
    let project = arguments.text("project");
    let runs: Result<Vec<_>, Refusal> = names
        .iter()
        .map(|name| one_of(call, project, name))
        .collect();
    let Value::Object(mut fields) = json!(compare::comparison(&call.ledger, runs?, &wanted)?)
    else {
        return Err(Refusal::new("the runs cannot be compared"));
    };
    let limit = call.count("limit");
    let mut left_out = 0;
    if let Some(Value::Array(metrics)) = fields.get_mut("metrics") {
        left_out = metrics.len().saturating_sub(limit);
        metrics.truncate(limit);
    }
    fields.insert("left_out".to_owned(), left_out.into());
    Ok(rounded(fields.into()))
}

/// A run by its name, or as PROJECT/RUN.
fn one_of(call: &Call<'_>, project: Option<&str>, name: &str) -> Result<crate::view::Run, Refusal> {
    let plain = named(&call.ledger, project, name);
    match (plain, name.split_once('/')) {
        (Err(_), Some((project, run))) => named(&call.ledger, Some(project), run),
        (plain, _) => plain,
    }
}

/// All numbers that are no integers, to six significant digits.
fn rounded(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            number.as_f64().map_or(Value::Null, |it| json!(short(it)))
        }
        Value::Array(values) => values.into_iter().map(rounded).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            fields.map(|(name, value)| (name, rounded(value))).collect()
        }
        other => other,
    }
}
