//! What runwatch costs, beside the least that reading and parsing cost.
//!
//!     cargo bench -p runwatch --bench pipeline [-- VARIANT…|FILE…]
//!
//! In one run and on one thread each:
//! - **floor**: read the file and parse each line with serde_json into a struct
//!   of the fields that the detectors need;
//! - **native**: runwatch with the same five detectors compiled natively;
//! - **decode**: runwatch's decoder alone;
//! - **runwatch**: what `runwatch review` does, all five detectors sandboxed.
//!
//! The four take turns; the median of the turns is printed, in nanoseconds a
//! line, and the ratios are of medians.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod native;
mod streams;

use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use runwatch::alert::Severity;
use runwatch::config::{Flags, Place, load};
use runwatch::decode::{Decoder, Options};
use runwatch::detect::{Budget, Detect, Detector, Settings};
use runwatch::judge::{Judge, Policy};
use runwatch::load::{Loader, builtin_names};
use runwatch::pipeline::{Pipeline, SEGMENT_ROWS};
use serde::Deserialize;
use streams::Variant;

const TURNS: usize = 7;

/// The fields that the five detectors need.
#[derive(Deserialize)]
#[allow(dead_code)]
struct Needed<'a> {
    #[serde(borrow)]
    run: Option<&'a str>,
    step: Option<i64>,
    loss: Option<f64>,
    grad_norm: Option<f64>,
    #[serde(alias = "learning_rate")]
    lr: Option<f64>,
    entropy: Option<f64>,
    reward: Option<f64>,
    num_tokens: Option<f64>,
}

fn floor(path: &Path) -> f64 {
    let mut reader = BufReader::with_capacity(256 << 10, File::open(path).unwrap());
    let mut line = Vec::new();
    let mut sum = 0.0;
    while reader.read_until(b'\n', &mut line).unwrap() > 0 {
        if let Ok(needed) = serde_json::from_slice::<Needed<'_>>(&line) {
            sum += needed.loss.unwrap_or(0.0) + needed.grad_norm.unwrap_or(0.0);
        }
        line.clear();
    }
    sum
}

fn review(path: &Path, detectors: Vec<Detector>) -> usize {
    let settings = Settings {
        shards: 1,
        budget: Budget::default(),
        host: "bench".into(),
        live: false,
        faults: None,
    };
    let detect = Detect::new(detectors, &settings).unwrap();
    let policy = Policy {
        min_severity: Severity::Info,
        ..Policy::default()
    };
    let mut pipeline = Pipeline::new(detect, Judge::new(policy, "bench".into()));
    let mut decoder = Decoder::new(Options {
        interests: pipeline.interests(),
        ..Options::default()
    });
    let mut alerts = Vec::new();
    each_chunk(path, |chunk| {
        decoder.push(chunk);
        if decoder.rows() >= SEGMENT_ROWS
            && let Some(spent) = pipeline.submit(decoder.take(), &mut alerts)
        {
            decoder.recycle(spent);
        }
    });
    decoder.finish();
    pipeline.submit(decoder.take(), &mut alerts);
    pipeline.finish("unknown", &mut alerts);
    alerts.len()
}

fn decode(path: &Path, interests: &Arc<runwatch::decode::Interests>) -> u64 {
    let mut decoder = Decoder::new(Options {
        interests: interests.clone(),
        ..Options::default()
    });
    each_chunk(path, |chunk| {
        decoder.push(chunk);
        if decoder.rows() >= SEGMENT_ROWS {
            let segment = decoder.take();
            decoder.recycle(segment);
        }
    });
    decoder.finish();
    decoder.tally().records
}

fn each_chunk(path: &Path, mut each: impl FnMut(&[u8])) {
    let mut file = File::open(path).unwrap();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => return,
            len => each(&buffer[..len]),
        }
    }
}

fn sandboxed(loader: &Loader) -> Vec<Detector> {
    let place = Place {
        folder: Path::new("/nonexistent"),
        variable: &|_| None,
    };
    let loaded = load(&Flags::default(), &place, &builtin_names()).unwrap();
    loader.enabled(&loaded.config, |_| {}).unwrap()
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn measure(name: &str, path: &Path, loader: &Loader) {
    let mut lines = 0;
    each_chunk(path, |chunk| {
        lines += memchr::memchr_iter(b'\n', chunk).count()
    });
    let settings = Settings {
        shards: 1,
        budget: Budget::default(),
        host: "bench".into(),
        live: false,
        faults: None,
    };
    let interests = Detect::new(sandboxed(loader), &settings)
        .unwrap()
        .interests();
    let mut times = [const { Vec::new() }; 4];
    let (mut found, mut found_native) = (0, 0);
    for _ in 0..TURNS {
        let mut time = |at: usize, work: &mut dyn FnMut()| {
            let start = Instant::now();
            work();
            times[at].push(start.elapsed().as_secs_f64() * 1e9 / lines as f64);
        };
        time(0, &mut || {
            black_box(floor(path));
        });
        time(1, &mut || {
            black_box(decode(path, &interests));
        });
        time(2, &mut || found_native = review(path, native::detectors()));
        time(3, &mut || found = review(path, sandboxed(loader)));
    }
    assert_eq!(
        found, found_native,
        "the sandbox must not change what is found"
    );
    let [floor, decode, native, runwatch] = times.each_mut().map(|times| median(times));
    println!(
        "{name:<14} {lines:>9} {floor:>8.0} {decode:>8.0} {native:>8.0} {runwatch:>8.0} {:>9.2} {:>9.2} {found:>7}",
        floor / runwatch,
        runwatch / native,
    );
}

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    let loader = Loader::new().unwrap();
    println!(
        "{:<14} {:>9} {:>8} {:>8} {:>8} {:>8} {:>9} {:>9} {:>7}",
        "stream", "lines", "floor", "decode", "native", "runwatch", "vs floor", "sandbox", "alerts"
    );
    println!(
        "{:<24} {:>8} {:>8} {:>8} {:>8}",
        "", "ns/line", "ns/line", "ns/line", "ns/line"
    );
    let folder = tempfile::tempdir().unwrap();
    for variant in Variant::ALL {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == variant.name()) {
            continue;
        }
        let lines = if variant == Variant::Trl {
            200_000
        } else {
            1_000_000
        };
        let path = folder.path().join(variant.name());
        let mut file = File::create(&path).unwrap();
        file.write_all(streams::generate(variant, lines).as_bytes())
            .unwrap();
        measure(variant.name(), &path, &loader);
    }
    for path in wanted
        .iter()
        .map(PathBuf::from)
        .filter(|path| path.is_file())
    {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        measure(&name, &path, &loader);
    }
}
