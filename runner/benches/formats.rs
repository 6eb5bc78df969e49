//! How fast each format is decoded, in megabytes a second.
//!
//!     cargo bench -p runwatch --bench formats [-- NAME…]
//!
//! The input is the format's own example over and over, as far as it is text,
//! with a line of plain text after every tenth. All that the built-in detectors
//! ask for is kept. **text** is lines that no format takes.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use runwatch::decode::{Decoder, Interests, Options, formats};
use runwatch::describe::Interest;

const BYTES: usize = 8 << 20;
const TURNS: usize = 5;
const PLAIN: &str = "Loading the dataset from the cache, this may take a while (see the manual)\n";

fn interests() -> Interests {
    let mut interests = Interests::default();
    for name in ["loss", "grad_norm", "entropy", "reward_mean"] {
        let interest = Interest {
            kind: "metric".to_owned(),
            pattern: name.to_owned(),
            options: Vec::new(),
        };
        interests.add(0, &[interest]);
    }
    interests
}

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let asked = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let interests = Arc::new(interests());
    println!("{:22} {:>8} {:>10}", "format", "MB/s", "records");
    let texts = formats().map(|about| (about.name, about.example));
    for (name, example) in texts.chain([("text", PLAIN.trim_end())]) {
        if !asked(name) {
            continue;
        }
        let mut input = String::with_capacity(BYTES + 1024);
        // A table has its header once.
        let (head, rows) = match example.split_once('\n') {
            Some((head, rows)) if name.ends_with("csv") || name.ends_with("tsv") => (head, rows),
            _ => ("", example),
        };
        if !head.is_empty() {
            input.push_str(head);
            input.push('\n');
        }
        while input.len() < BYTES {
            for _ in 0..10 {
                input.push_str(rows);
                input.push('\n');
            }
            if head.is_empty() {
                input.push_str(PLAIN);
            }
        }
        let mut records = 0;
        let mut seconds: Vec<f64> = (0..TURNS)
            .map(|_| {
                let options = Options {
                    interests: interests.clone(),
                    restarts: false,
                    ..Options::default()
                };
                let mut decoder = Decoder::new(options);
                let begin = Instant::now();
                for chunk in input.as_bytes().chunks(256 << 10) {
                    decoder.push(chunk);
                    let segment = black_box(decoder.take());
                    decoder.recycle(segment);
                }
                decoder.finish();
                let took = begin.elapsed().as_secs_f64();
                records = decoder.tally().records;
                took
            })
            .collect();
        seconds.sort_by(f64::total_cmp);
        let speed = input.len() as f64 / seconds[TURNS / 2] / 1e6;
        println!("{name:22} {speed:8.0} {records:10}");
    }
}
