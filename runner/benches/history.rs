//! How fast records are kept, and how fast questions about them are answered.
//!
//!     cargo bench -p runwatch --bench history
//!
//! A million records of ten metrics go through the thread that writes the
//! history of a live watch into a file on this disk; decoding is not in it.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::sync::Arc;
use std::time::Instant;

use runwatch::ledger::Ledger;
use runwatch::ledger::history::{Caps, Recorder, Window};
use runwatch::record::{HISTORY, Metric, NO_RANK, Place, Run, RunBatch, Segment, Value};

const RECORDS: usize = 1_000_000;
const METRICS: usize = 10;
const BATCH: usize = 8192;

fn segment(from: usize) -> Segment {
    let rows = BATCH.min(RECORDS - from);
    let mut batch = RunBatch::default();
    for row in 0..rows {
        let step = from + row;
        batch.steps.push(step as i64);
        batch.times.push(1.7e9 + step as f64);
        batch.ranks.push(NO_RANK);
        batch.places.push(Place {
            line: step as u64 + 1,
            order: row as u32,
            evaluation: false,
        });
        batch.values.extend((0..METRICS).map(|metric| Value {
            metric: metric as u32,
            row: row as u32,
            value: (step * metric) as f64 * 1e-3,
            mask: HISTORY,
        }));
    }
    let metric = |number: usize| Metric {
        name: format!("metric_{number}").into(),
        source: format!("metric_{number}").into(),
    };
    Segment {
        input: "stdin".into(),
        batches: vec![batch],
        rows: rows as u32,
        metrics: Arc::new((0..METRICS).map(metric).collect()),
        runs: Arc::new(vec![Run {
            project: "bench".into(),
            run: "run".into(),
        }]),
        words: Vec::new(),
        now: f64::NAN,
    }
}

fn write(caps: Caps) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Arc::new(Ledger::open(&folder.path().join("ledger.sqlite")).unwrap());
    let mut recorder = Recorder::start(ledger, caps, "bench".to_owned(), || 0).unwrap();
    let segments: Vec<Segment> = (0..RECORDS).step_by(BATCH).map(segment).collect();
    let begin = Instant::now();
    for segment in segments {
        recorder.record(segment);
    }
    assert_eq!(recorder.close(true), None);
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "  {:>10.0} records/s ({seconds:.2} s)",
        RECORDS as f64 / seconds
    );
    folder
}

fn main() {
    println!("written whole");
    let roomy = Caps {
        run: u64::MAX,
        total: u64::MAX,
    };
    write(roomy);
    write(roomy);
    let folder = write(roomy);
    println!("written and thinned to 16 MiB");
    let small = Caps {
        run: 16 << 20,
        total: 16 << 20,
    };
    for _ in 0..3 {
        write(small);
    }
    let path = folder.path().join("ledger.sqlite");
    println!(
        "read, {} MiB",
        std::fs::metadata(&path).unwrap().len() >> 20
    );
    let ask = |what: &str, question: &dyn Fn(&Ledger) -> usize| {
        let begin = Instant::now();
        let ledger = Ledger::open_read_only(&path).unwrap();
        let found = question(&ledger);
        let millis = begin.elapsed().as_secs_f64() * 1e3;
        println!("  {millis:>8.2} ms  {what}: {found}");
    };
    let points = |ledger: &Ledger, window: &Window| {
        let points = ledger.points("bench", "run", "metric_3", window).unwrap();
        points.unwrap().len()
    };
    ask("runs", &|ledger| ledger.spans(None).unwrap().len());
    ask("metrics", &|ledger| {
        ledger.metrics("bench", "run").unwrap().len()
    });
    ask("a metric at a step", &|ledger| {
        points(ledger, &Window::step(500_000))
    });
    ask("around a step", &|ledger| {
        points(ledger, &Window::around(500_000, 1000))
    });
    ask("all of a metric", &|ledger| {
        points(ledger, &Window::default())
    });
}
