//! MLPerf training logs.
//!
//! ```text
//! :::MLLOG {"namespace": "", "time_ms": 1700000000000, "event_type": "POINT_IN_TIME",
//!           "key": "eval_accuracy", "value": 0.72, "metadata": {"epoch_num": 3, "metric": "FID"}}
//! :::MLPv0.5.0 resnet 1541635240.123 (train.py:12) eval_accuracy: {"epoch": 3, "value": 0.72}
//! ```
//!
//! (The first two lines are one.) Most events are settings and the beginnings
//! and ends of phases. Records are the measurements: an event of one moment that
//! says when in the training it was, or has the key of a known measurement.

use jiter::JsonValue;
use memchr::{memchr, memchr_iter, memmem, memrchr};

use super::Entry;
use crate::decode::format::{About, Line, Lines, Out};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "mlperf",
        title: "MLPerf training",
        example: r#":::MLLOG {"namespace": "", "time_ms": 1700000000000, "event_type": "POINT_IN_TIME", "key": "eval_accuracy", "value": 0.72, "metadata": {"epoch_num": 3}}"#,
        step: "`step_num`, `samples_count` or `epoch_num` of the metadata",
    },
    begins: b"",
    new: || Box::new(Lines(read)),
};

/// How much of a line is looked at for the mark: launchers put ranks before it.
const HEAD: usize = 64;

/// Keys of measurements that come without a step at times.
const MEASUREMENTS: [&str; 5] = [
    "eval_accuracy",
    "eval_error",
    "eval_loss",
    "train_loss",
    "tracked_stats",
];

/// What says when in the training an event was; the first one counts.
const STEPS: [&str; 5] = [
    "step_num",
    "iteration",
    "samples_count",
    "epoch_num",
    "epoch",
];

fn read(line: &Line<'_>, out: &mut Out<'_>) -> bool {
    let head = &line.text[..line.text.len().min(HEAD)];
    let mut colons = memchr_iter(b':', head);
    let Some(at) = colons.find(|at| head[*at..].starts_with(b":::ML")) else {
        return false;
    };
    let event = &line.text[at + 5..];
    if let Some(json) = event.strip_prefix(b"LOG") {
        return current(json, line, out);
    }
    match event.strip_prefix(b"Pv") {
        Some(event) => old(event, line, out),
        None => false,
    }
}

fn current(json: &[u8], line: &Line<'_>, out: &mut Out<'_>) -> bool {
    let Some(event) = parse(json) else {
        return false;
    };
    let Some(JsonValue::Str(key)) = get(&event, "key") else {
        return false;
    };
    // Beginnings and ends may have the step as their value.
    if !matches!(get(&event, "event_type"), Some(JsonValue::Str(kind)) if kind == "POINT_IN_TIME") {
        return true;
    }
    let Some(value) = get(&event, "value") else {
        return true;
    };
    out.begin();
    if let Some(time) = get(&event, "time_ms").and_then(number) {
        out.time(time / 1e3);
    }
    let metadata = get(&event, "metadata");
    record(key, value, metadata, line, out)
}

/// Versions before 0.7: a model, a time, a place, and the key, maybe with JSON.
fn old(event: &[u8], line: &Line<'_>, out: &mut Out<'_>) -> bool {
    let Some(end) = memmem::find(event, b") ") else {
        return false;
    };
    let event = &event[end + 2..];
    let Some(colon) = memchr(b':', event) else {
        return true;
    };
    let Some(value) = parse(&event[colon + 1..]) else {
        return true;
    };
    let key = String::from_utf8_lossy(event[..colon].trim_ascii());
    out.begin();
    let inner = get(&value, "value").unwrap_or(&value);
    record(&key, inner, Some(&value), line, out)
}

/// Writes the numbers of a value when they are measurements. The line is an
/// event of MLPerf in any case.
fn record(
    key: &str,
    value: &JsonValue,
    metadata: Option<&JsonValue>,
    line: &Line<'_>,
    out: &mut Out<'_>,
) -> bool {
    let of = |name: &str| metadata.and_then(|metadata| get(metadata, name));
    let step = STEPS.iter().find_map(|name| of(name).and_then(number));
    if step.is_none() && !MEASUREMENTS.contains(&key) {
        return true;
    }
    // Epochs may be fractions.
    if let Some(step) = step.filter(|step| (0.0..=9e15).contains(step)) {
        out.step(step as i64);
    }
    if let Some(value) = number(value) {
        match of("metric") {
            Some(JsonValue::Str(metric)) => out.number(format!("{key}/{metric}").as_bytes(), value),
            _ => out.number(key.as_bytes(), value),
        }
        out.end(line);
    } else if let JsonValue::Object(values) = value {
        let mut any = false;
        for (name, value) in values.iter() {
            if let Some(value) = number(value) {
                out.number(name.as_bytes(), value);
                any = true;
            }
        }
        if any {
            out.end(line);
        }
    }
    true
}

/// The object at the start; what is glued to its end is left out.
fn parse(text: &[u8]) -> Option<JsonValue<'_>> {
    let text = text.trim_ascii();
    JsonValue::parse(text, true).ok().or_else(|| {
        let end = memrchr(b'}', text)?;
        JsonValue::parse(&text[..=end], true).ok()
    })
}

fn get<'a, 'j>(value: &'a JsonValue<'j>, name: &str) -> Option<&'a JsonValue<'j>> {
    let JsonValue::Object(fields) = value else {
        return None;
    };
    let field = fields.iter().find(|(key, _)| key == name)?;
    Some(&field.1)
}

fn number(value: &JsonValue) -> Option<f64> {
    match value {
        JsonValue::Int(value) => Some(*value as f64),
        JsonValue::Float(value) => Some(*value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    fn event(kind: &str, key: &str, value: &str, metadata: &str) -> String {
        format!(
            ":::MLLOG {{\"namespace\": \"\", \"time_ms\": 1700000000000, \"event_type\": \"{kind}\", \"key\": \"{key}\", \"value\": {value}, \"metadata\": {{{metadata}}}}}\n"
        )
    }

    #[test]
    fn measurements() {
        let point = "POINT_IN_TIME";
        let log = [
            event(point, "seed", "17", "\"lineno\": 3"),
            event("INTERVAL_START", "eval_start", "30", "\"epoch_num\": 30"),
            format!(
                " 3: {}",
                event(point, "eval_accuracy", "0.5", "\"epoch_num\": 30")
            ),
            event(
                point,
                "eval_accuracy",
                "NaN",
                "\"samples_count\": 512, \"metric\": \"FID\"",
            ),
            event(
                point,
                "tracked_stats",
                "{\"throughput\": 12.5}",
                "\"epoch_num\": 1.5, \"step_num\": 600",
            ),
        ]
        .concat();
        assert_eq!(
            records(&log),
            [
                "step 30 rank 3: eval_accuracy=0.5",
                "step 512: eval_accuracy/FID=NaN",
                "step 600: throughput=12.5",
            ]
        );
        assert_eq!(formats(&log), ["mlperf"]);
    }

    #[test]
    fn of_version_0_5() {
        let log = ":::MLPv0.5.0 resnet 1541635240.123 (train.py:12) eval_accuracy: {\"epoch\": 3, \"value\": 0.5}\n\
            :::MLPv0.5.0 resnet 1541635240.125 (train.py:14) train_epoch: 4\n\
            :::MLPv0.5.0 resnet 1541635240.125 (train.py:14) run_stop\n";
        assert_eq!(records(log), ["step 3: eval_accuracy=0.5"]);
    }

    #[test]
    fn look_alikes() {
        let cut = &event("POINT_IN_TIME", "eval_accuracy", "0.5", "\"epoch_num\": 3")[..120];
        assert!(records(cut).is_empty());
        assert!(records(":::MLLOG\n:::MLPv\n:::MLLOG {}\n:::MLPv0.5.0 x (\n").is_empty());
    }
}
