//! What is written is found again: whatever the order, the batches and the
//! crashes.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::Config as ProptestConfig;

use super::write::Writer;
use super::{Caps, Window};
use crate::ledger::Ledger;
use crate::record::{HISTORY, Metric, NO_RANK, Place, Run, RunBatch, Segment, Value};

const ROOMY: Caps = Caps {
    run: u64::MAX,
    total: u64::MAX,
};

/// Rows of a run: step, and the values of `loss` and of `lr` if there are.
type Rows = Vec<(i64, Option<f64>, Option<f64>)>;

fn segment(input: &str, line: u64, rows: &Rows) -> Segment {
    let name = |text: &str| Metric {
        name: text.into(),
        source: format!("train/{text}").into(),
    };
    let mut batch = RunBatch::default();
    for (row, (step, loss, lr)) in rows.iter().enumerate() {
        batch.steps.push(*step);
        batch.times.push(*step as f64 * 10.0);
        batch.ranks.push(NO_RANK);
        batch.places.push(Place {
            line: line + row as u64,
            order: row as u32,
            evaluation: false,
        });
        for (metric, value) in [loss, lr].into_iter().enumerate() {
            batch.values.extend(value.map(|value| Value {
                metric: metric as u32,
                row: row as u32,
                value,
                mask: HISTORY,
            }));
        }
    }
    Segment {
        input: input.into(),
        rows: rows.len() as u32,
        batches: vec![batch],
        metrics: Arc::new(vec![name("loss"), name("lr")]),
        runs: Arc::new(vec![Run {
            project: "p".into(),
            run: "r".into(),
        }]),
        words: Vec::new(),
        now: f64::NAN,
    }
}

fn counting(from: i64, to: i64) -> Rows {
    (from..to)
        .map(|step| (step, Some(step as f64 / 2.0), None))
        .collect()
}

fn writer(caps: Caps) -> Writer {
    Writer::new(caps, "me".to_owned())
}

/// Steps and values of a metric, values as bits so that NaN equals itself.
fn found(ledger: &Ledger, metric: &str, window: &Window) -> Vec<(i64, u64)> {
    let points = ledger.points("p", "r", metric, window).unwrap();
    let pair = |point: super::Point| (point.step, point.value.to_bits());
    points.unwrap_or_default().into_iter().map(pair).collect()
}

#[test]
fn a_metric_is_found_by_its_printed_and_its_canonical_name() {
    let ledger = Ledger::in_memory().unwrap();
    let mut writer = writer(ROOMY);
    let rows = vec![
        (0, Some(f64::NAN), Some(1e-3)),
        (5, Some(2.0), None),
        (7, None, Some(2e-3)),
    ];
    writer.add(&ledger, &segment("stdin", 1, &rows)).unwrap();
    writer.flush(&ledger, 1000).unwrap();
    let all = Window::default();
    let loss = vec![(0, f64::NAN.to_bits()), (5, 2_f64.to_bits())];
    assert_eq!(found(&ledger, "loss", &all), loss);
    assert_eq!(found(&ledger, "train/loss", &all), loss);
    assert!(ledger.points("p", "r", "accuracy", &all).unwrap().is_none());
    assert!(ledger.points("p", "other", "loss", &all).unwrap().is_none());

    let metrics = ledger.metrics("p", "r").unwrap();
    let lr = metrics.iter().find(|metric| metric.name == "lr").unwrap();
    assert_eq!(
        (lr.rows, lr.steps, lr.range),
        (2, (0, 7), Some((1e-3, 2e-3)))
    );
    let loss = metrics.iter().find(|metric| metric.name == "loss").unwrap();
    assert_eq!(
        (loss.nonfinite, loss.last, loss.range),
        (1, 2.0, Some((2.0, 2.0)))
    );
    assert!(loss.first.is_nan());
    let span = ledger.span("p", "r").unwrap().unwrap();
    assert_eq!((span.rows, span.metrics, span.steps), (3, 2, Some((0, 7))));
}

#[test]
fn the_last_points_are_those_written_last() {
    let ledger = Ledger::in_memory().unwrap();
    let mut writer = writer(ROOMY);
    let all = counting(0, 10_000);
    writer.add(&ledger, &segment("stdin", 1, &all)).unwrap();
    writer.flush(&ledger, 1000).unwrap();
    let steps = |window: &Window, most: usize| -> Vec<i64> {
        let points = ledger.last_points("p", "r", "loss", window, most).unwrap();
        points.unwrap().iter().map(|point| point.step).collect()
    };
    let whole = Window::default();
    for most in [0, 1, 5, 5000, 9999, 10_000, 20_000] {
        let expected: Vec<i64> = (10_000 - most.min(10_000) as i64..10_000).collect();
        assert_eq!(steps(&whole, most), expected, "{most}");
    }
    assert_eq!(steps(&Window::around(5000, 3), 2), [5002, 5003]);
}

#[test]
fn a_window_is_of_steps_or_of_times_and_step_0_is_a_step() {
    let ledger = Ledger::in_memory().unwrap();
    let mut writer = writer(ROOMY);
    writer
        .add(&ledger, &segment("stdin", 1, &counting(0, 10_000)))
        .unwrap();
    writer.flush(&ledger, 1000).unwrap();
    let steps = |window: &Window| -> Vec<i64> {
        found(&ledger, "loss", window)
            .into_iter()
            .map(|it| it.0)
            .collect()
    };
    assert_eq!(steps(&Window::step(0)), [0]);
    assert_eq!(steps(&Window::step(4096)), [4096]);
    assert_eq!(steps(&Window::step(10_000)), [0; 0]);
    assert_eq!(steps(&Window::around(0, 2)), [0, 1, 2]);
    assert_eq!(steps(&Window::around(4096, 1)), [4095, 4096, 4097]);
    assert_eq!(steps(&Window::around(i64::MAX, u64::MAX)).len(), 10_000);
    assert_eq!(steps(&Window::at_time(50_000.0, 10.0)), [4999, 5000, 5001]);
    assert_eq!(steps(&Window::at_time(0.0, 0.0)), [0]);
}

#[test]
fn a_file_that_is_read_again_adds_nothing_but_what_is_new() {
    let ledger = Ledger::in_memory().unwrap();
    let read = |input: &str, rows: &Rows| {
        let mut writer = writer(ROOMY);
        // In two segments, as the decoder happens to cut.
        let (a, b) = rows.split_at(rows.len() / 2);
        writer
            .add(&ledger, &segment(input, 1, &a.to_vec()))
            .unwrap();
        writer
            .add(&ledger, &segment(input, 1 + a.len() as u64, &b.to_vec()))
            .unwrap();
        writer.end(&ledger, true, 1000).unwrap();
        found(&ledger, "loss", &Window::default()).len()
    };
    assert_eq!(read("a.log", &counting(0, 10)), 10);
    assert_eq!(read("a.log", &counting(0, 10)), 10);
    assert_eq!(read("a.log", &counting(0, 14)), 14);
    // Another file of that name, and another file.
    assert_eq!(read("a.log", &counting(100, 104)), 18);
    assert_eq!(read("b.log", &counting(0, 10)), 28);
    // Whatever comes from a pipe is new.
    assert_eq!(read("stdin", &counting(0, 10)), 38);
    assert_eq!(read("stdin", &counting(0, 10)), 48);
}

#[test]
fn a_run_beyond_its_size_keeps_extremes_and_the_rows_around_alerts() {
    let ledger = Ledger::in_memory().unwrap();
    let cap = 300_000;
    let mut writer = writer(Caps {
        run: cap,
        total: u64::MAX,
    });
    let mut alert = crate::deliver::sample();
    (alert.project, alert.run) = ("p".to_owned(), "r".to_owned());
    alert.step = Some(30_000);
    ledger
        .write(crate::ledger::Durability::Process, |tx| {
            crate::ledger::alerts::insert(tx, &alert, 0).map(drop)
        })
        .unwrap();
    let mut rows = counting(0, 200_000);
    for row in &mut rows {
        row.1 = Some((row.0 % 7) as f64);
    }
    rows[123_456].1 = Some(1e6);
    rows[77].1 = Some(f64::NAN);
    for (at, part) in rows.chunks(5000).enumerate() {
        writer
            .add(
                &ledger,
                &segment("stdin", 1 + 5000 * at as u64, &part.to_vec()),
            )
            .unwrap();
        writer.flush(&ledger, 1000).unwrap();
    }
    let kept = found(&ledger, "loss", &Window::default());
    assert!(kept.len() < 40_000, "{}", kept.len());
    assert!(kept.is_sorted_by_key(|it| it.0));
    assert!(kept.contains(&(123_456, 1e6_f64.to_bits())));
    assert!(kept.contains(&(77, f64::NAN.to_bits())));
    for step in 29_968..=30_032 {
        assert!(kept.iter().any(|it| it.0 == step), "{step}");
    }
    // What is new is whole.
    assert!((199_000..200_000).all(|step| kept.iter().any(|it| it.0 == step)));
    let span = ledger.span("p", "r").unwrap().unwrap();
    assert!(span.bytes <= cap, "{}", span.bytes);
    assert_eq!(span.rows, 200_000);
    assert_eq!(ledger.metrics("p", "r").unwrap()[0].rows, 200_000);
}

#[test]
fn sql_sees_every_value() {
    let ledger = Ledger::in_memory().unwrap();
    let mut writer = writer(ROOMY);
    let rows = vec![(1, Some(f64::INFINITY), None), (2, Some(0.5), Some(1e-3))];
    writer.add(&ledger, &segment("stdin", 1, &rows)).unwrap();
    writer.flush(&ledger, 1000).unwrap();
    let sql = "SELECT step, value, rank FROM history WHERE run = 'r' AND metric = 'train/loss'";
    let table = ledger.query(sql, 10, std::time::Duration::MAX).unwrap();
    let text = format!("{:?}", table.rows);
    assert_eq!(
        text,
        "[[Integer(1), Text(\"Infinity\"), Null], [Integer(2), Real(0.5), Null]]"
    );
}

#[derive(Debug, Clone)]
enum Deed {
    Add(Rows),
    Flush,
    /// The process ends without a word, and another begins.
    Crash,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let value = prop_oneof![
        4 => any::<f64>().prop_map(Some),
        1 => Just(None),
    ];
    let row = (-5_i64..3000, value.clone(), value);
    prop::collection::vec(
        prop_oneof![
            4 => prop::collection::vec(row, 1..900).prop_map(Deed::Add),
            3 => Just(Deed::Flush),
            1 => Just(Deed::Crash),
        ],
        1..14,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_sequence_of_writes_and_crashes_is_consistent(deeds in deeds(), step in -5_i64..3000) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        let (mut ledger, mut it) = (Ledger::open(&path).unwrap(), writer(ROOMY));
        let (mut safe, mut waiting) = (Rows::new(), Rows::new());
        for deed in deeds {
            match deed {
                Deed::Add(rows) => {
                    it.add(&ledger, &segment("stdin", 1, &rows)).unwrap();
                    waiting.extend(rows);
                }
                Deed::Flush => {
                    it.flush(&ledger, 1000).unwrap();
                    safe.append(&mut waiting);
                }
                Deed::Crash => {
                    // Without a checkpoint: the log beside the file is what a
                    // killed process leaves.
                    std::mem::forget(ledger);
                    (ledger, it) = (Ledger::open(&path).unwrap(), writer(ROOMY));
                    waiting.clear();
                }
            }
            let reader = Ledger::open_read_only(&path).unwrap();
            for window in [Window::default(), Window::step(step), Window::around(step, 400)] {
                for (metric, pick) in [("train/loss", 1), ("lr", 2)] {
                    let wanted: Vec<(i64, u64)> = safe
                        .iter()
                        .filter(|row| window.steps.as_ref().is_none_or(|it| it.contains(&row.0)))
                        .filter_map(|row| {
                            let value = if pick == 1 { row.1 } else { row.2 };
                            Some((row.0, value?.to_bits()))
                        })
                        .collect();
                    prop_assert_eq!(found(&reader, metric, &window), wanted);
                }
            }
            let rows = reader.span("p", "r").unwrap().map_or(0, |span| span.rows);
            prop_assert_eq!(rows, safe.len() as u64);
        }
    }
}
