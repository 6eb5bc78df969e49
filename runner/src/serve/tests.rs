//! What is told to Prometheus, held against the grammar of OpenMetrics.
#![allow(clippy::unwrap_used)]

use std::collections::{HashMap, HashSet};

use prometheus_client::encoding::text::encode;

use super::metrics::Told;
use crate::alert::{Alert, Severity};
use crate::deliver::sample;
use crate::detect::Account;
use crate::ledger::{Durability, Ledger, alerts};

const NOW: i64 = 1_700_000_000_000;

/// A line of the text format: a name, labels, a value.
#[derive(Debug, PartialEq)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    let first = letters.next().unwrap_or('0');
    (first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// `name{label="value",…} number`, as the standard has it.
fn sample_of(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = unescape(after)?;
            labels.push((label.to_owned(), value));
            rest = after;
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        rest = rest.strip_prefix('}')?;
    }
    let value = rest.strip_prefix(' ')?.parse().ok()?;
    let names = labels.iter().map(|(label, _)| label.as_str());
    let fine = is_name(name) && names.clone().all(is_name);
    let distinct: HashSet<&str> = names.collect();
    (fine && distinct.len() == labels.len()).then(|| Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// The text up to the closing quote, and what comes after it.
fn unescape(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match letters.next()?.1 {
                'n' => '\n',
                letter @ ('"' | '\\') => letter,
                _ => return None,
            }),
            letter => value.push(letter),
        }
    }
    None
}

/// Reads an exposition, and holds it against the rules: a family's metadata
/// first, once, and its samples after it with the suffix of its type; no sample
/// twice; the end at the end.
fn read(text: &str) -> Vec<Sample> {
    let body = text.strip_suffix("# EOF\n").expect("no end");
    let mut samples: Vec<Sample> = Vec::new();
    let mut seen = HashSet::new();
    let (mut family, mut kinds) = (String::new(), HashMap::new());
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let words: Vec<&str> = comment.splitn(3, ' ').collect();
            assert!(["HELP", "TYPE", "UNIT"].contains(&words[0]), "{line}");
            if family != words[1] {
                family = words[1].to_owned();
                assert!(seen.insert(family.clone()), "{family} comes twice");
            }
            match words[0] {
                "TYPE" => _ = kinds.insert(family.clone(), words[2].to_owned()),
                "UNIT" => assert!(family.ends_with(&format!("_{}", words[2])), "{line}"),
                _ => {}
            }
            continue;
        }
        let sample = sample_of(line).unwrap_or_else(|| panic!("{line}"));
        let suffix = match kinds[&family].as_str() {
            "counter" => "_total",
            "info" => "_info",
            "gauge" => "",
            kind => panic!("{kind}"),
        };
        assert_eq!(sample.name, format!("{family}{suffix}"));
        let twice = |it: &Sample| it.name == sample.name && it.labels == sample.labels;
        assert!(!samples.iter().any(twice), "{line} comes twice");
        samples.push(sample);
    }
    samples
}

fn told(ledger: &Ledger, now: i64) -> Vec<Sample> {
    let told = Told::default();
    told.gather(ledger, now).unwrap();
    let mut text = String::new();
    encode(&mut text, &told.registry()).unwrap();
    read(&text)
}

fn value(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let has = |sample: &Sample, (label, value): &(&str, &str)| {
        let mut labels = sample.labels.iter();
        labels.any(|(given, told)| given == label && told == value)
    };
    let found = samples
        .iter()
        .find(|it| it.name == name && labels.iter().all(|label| has(it, label)));
    found.map(|sample| sample.value)
}

/// A run with metrics, one of them with a name that must be escaped.
fn write_run(ledger: &Ledger, run: &str, metrics: usize, seen: i64) {
    let insert = |tx: &rusqlite::Transaction<'_>| {
        tx.execute(
            "INSERT INTO run (project, run, made, seen, rows, first_step, last_step)
             VALUES ('p', ?1, ?2, ?2, 7, 0, 41)",
            rusqlite::params![run, seen],
        )?;
        let id = tx.last_insert_rowid();
        for number in 0..metrics {
            let name = match number {
                0 => "a \"b\" \\ c\nd".to_owned(),
                _ => format!("m{number}"),
            };
            tx.execute(
                "INSERT INTO metric (run, source, name, rows, nonfinite, first_step, last_step,
                 first, last) VALUES (?1, ?2, ?2, 7, 0, 0, 41, 1, iif(?3 = 1, 'NaN', 0.5))",
                rusqlite::params![id, name, number as i64],
            )?;
        }
        Ok(())
    };
    ledger.write(Durability::Process, insert).unwrap();
}

#[test]
fn every_line_is_openmetrics() {
    let ledger = Ledger::in_memory().unwrap();
    write_run(&ledger, "r", 3, NOW);
    let alert = Alert {
        project: "p".to_owned(),
        run: "r".to_owned(),
        severity: Severity::Critical,
        ..sample()
    };
    let insert = |tx: &rusqlite::Transaction<'_>| alerts::insert(tx, &alert, NOW).map(drop);
    ledger.write(Durability::Process, insert).unwrap();
    let account = Account {
        name: "loss-spike".to_owned(),
        nanos: 1_500_000_000,
        memory: 4096,
        faults: 2,
        behind: 300,
        left_out: 20,
        ..Account::default()
    };
    let owner = "host 1 2";
    ledger.note_detectors(owner, None, &[account], NOW).unwrap();
    let samples = told(&ledger, NOW);
    let of = |name: &str, labels: &[(&str, &str)]| value(&samples, name, labels);
    let run = [("project", "p"), ("run", "r")];
    let odd = [("metric", "a \"b\" \\ c\nd")];
    assert_eq!(of("runwatch_metric_last", &odd), Some(0.5));
    let nan = of("runwatch_metric_last", &[("metric", "m1")]).unwrap();
    assert!(nan.is_nan());
    assert_eq!(of("runwatch_run_last_step", &run), Some(41.0));
    assert_eq!(of("runwatch_run_rows", &run), Some(7.0));
    let critical = [("run", "r"), ("severity", "critical")];
    assert_eq!(of("runwatch_alerts_firing", &critical), Some(1.0));
    assert_eq!(of("runwatch_alerts_total", &critical), Some(1.0));
    let detector = [("detector", "loss-spike"), ("watch", owner)];
    assert_eq!(of("runwatch_detector_seconds_total", &detector), Some(1.5));
    assert_eq!(of("runwatch_detector_faults_total", &detector), Some(2.0));
    assert_eq!(
        of("runwatch_detector_memory_bytes", &detector),
        Some(4096.0)
    );
    let behind = of("runwatch_detector_rows_behind", &detector);
    let left_out = of("runwatch_detector_rows_left_out_total", &detector);
    assert_eq!((behind, left_out), (Some(300.0), Some(20.0)));
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(of("runwatch_build_info", &version), Some(1.0));
}

#[test]
fn there_are_never_too_many() {
    let ledger = Ledger::in_memory().unwrap();
    write_run(&ledger, "many", 203, NOW + 1000);
    for number in 0..102 {
        write_run(&ledger, &format!("r{number}"), 1, NOW + number);
    }
    write_run(&ledger, "old", 1, NOW - 25 * 3_600_000);
    let samples = told(&ledger, NOW + 1000);
    let lasts = |name: &str| samples.iter().filter(|it| it.name == name).count();
    assert_eq!(lasts("runwatch_run_rows"), 100);
    assert_eq!(lasts("runwatch_metric_last"), 200 + 99);
    let out = |what| value(&samples, "runwatch_left_out", &[("what", what)]);
    assert_eq!((out("runs"), out("metrics")), (Some(3.0), Some(3.0)));
    assert_eq!(
        value(&samples, "runwatch_run_rows", &[("run", "old")]),
        None
    );
}

#[test]
fn what_breaks_the_grammar_is_found() {
    assert!(sample_of("a{b=\"c\"} 1").is_some());
    for line in [
        "a{b=\"c\"}1",
        "a{b=\"c\" 1",
        "a{b=\"c\\x\"} 1",
        "a{b=\"c\",b=\"d\"} 1",
        "1a 1",
        "a x",
    ] {
        assert_eq!(sample_of(line), None, "{line}");
    }
}
