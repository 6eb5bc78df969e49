//! A report for tests, with the same text everywhere.

use proptest::prelude::*;

use super::{Collector, Report, Skipped};
use crate::alert::{Alert, Severity};
use crate::decode::Tally;
use crate::detect::Account;
use crate::record::{self, HISTORY, RunBatch, Segment, Text, Value};

/// Texts that want to be something else.
pub(super) fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "</script>",
            "<!--",
            "-->",
            "<script>",
            "]]>",
            "&amp;",
            "&#64;",
            "\"",
            "'",
            "`",
            "```\n",
            "|",
            "\\",
            "\n",
            "\r\n",
            "\n\n# ",
            "\u{2028}",
            "\u{0}",
            "\u{1b}[31m",
            "\u{fffe}",
            "\u{ffff}",
            "\u{202e}",
            "@user",
            "#123",
            "org/repo#1",
            "https://x.example/a",
            "www.x.example",
            "GH-12",
            "<img src=x>",
            "![a](b)",
            "$a$",
            "1. ",
            "- ",
            "ü",
            "🦀",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// A critical of a run and a metric of this name, with an exception.
pub(super) fn report(text: &str) -> Report {
    let mut collector = Collector::default();
    collector.segment(&segment(text, 1));
    collector.alerts(&[alert(text)]);
    let tally = Tally {
        lines: 3,
        records: 2,
        malformed: 1,
        first_malformed: Some((2, text.to_owned())),
        ..Tally::default()
    };
    collector.input(Skipped::new(text.to_owned(), &tally, Some(text.to_owned())));
    let mut account = Account {
        name: "loss-spike".to_owned(),
        ..Account::default()
    };
    account.identity.summary = text.to_owned();
    collector.finish(vec![account.into()], 0)
}

pub(super) fn alert(text: &str) -> Alert {
    let mut alert = Alert {
        project: "default".to_owned(),
        run: text.to_owned(),
        detector: "loss-spike".to_owned(),
        key: text.to_owned(),
        severity: Severity::Critical,
        title: text.to_owned(),
        message: text.to_owned(),
        recommendation: text.to_owned(),
        ..crate::deliver::sample()
    };
    if let Some(location) = &mut alert.location {
        location.input = text.to_owned();
    }
    alert
}

/// Rows of a run and a metric of this name, and an exception.
pub(super) fn segment(text: &str, rows: u32) -> Segment {
    let mut batch = RunBatch::default();
    let mut order = 0;
    for row in 0..rows {
        batch.push(row.into(), f64::NAN, 0, u64::from(row) + 1, &mut order);
        batch.values.push(Value {
            metric: 0,
            row,
            value: row.into(),
            mask: HISTORY,
        });
    }
    let row = batch.push(rows.into(), f64::NAN, 0, u64::from(rows) + 1, &mut order);
    batch.texts.push(Text {
        row,
        mask: HISTORY,
        kind: "exception",
        name: text.to_owned(),
        content: text.to_owned(),
        fields: vec![("traceback".to_owned(), text.to_owned())],
    });
    Segment {
        input: text.into(),
        batches: vec![batch],
        rows: rows + 1,
        metrics: vec![record::Metric {
            name: text.into(),
            source: text.into(),
        }]
        .into(),
        runs: vec![record::Run {
            project: "default".into(),
            run: text.into(),
        }]
        .into(),
        words: Vec::new(),
        now: f64::NAN,
    }
}
