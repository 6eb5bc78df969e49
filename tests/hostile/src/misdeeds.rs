//! What the hostile detector can do, by name.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime};

use crate::bindings::runwatch::detector::log::log;
use crate::contract::Finding;

/// Commits a misdeed that is not about findings. Names it does not know are
/// about findings, and do nothing here.
pub(crate) fn commit(does: &str) {
    match does {
        "loop" => run_forever(),
        "sleep" => sleep_for_seconds(),
        "memory" => eat_memory(),
        "recursion" => {
            black_box(recurse(black_box(1)));
        }
        "wide-recursion" => {
            black_box(recurse_widely(black_box(1)));
        }
        "panic" => panic_loudly(),
        "abort" => std::process::abort(),
        "exit" => std::process::exit(3),
        "exit-0" => std::process::exit(0),
        "wild-pointer" => follow_a_wild_pointer(),
        "handles" => leak_handles(),
        "random" => want_random_bytes(),
        "big-log" => log("info", &long_text(8 << 20)),
        "many-logs" => {
            for line in 0..100_000 {
                log("warn", &format!("line {line}"));
            }
            panic!("had enough");
        }
        "print" => print_and_panic(),
        "big-print" => print!("{}", long_text(8 << 20)),
        _ => {}
    }
}

/// Findings that break the contract, or report on the world outside.
pub(crate) fn findings(does: &str, opened: Option<Instant>, row: u32) -> Vec<Finding> {
    let good = Finding {
        row,
        ..good_finding()
    };
    let text = |text: &str| text.to_owned();
    let bad = match does {
        "std" => Finding {
            message: look_around(opened),
            ..good
        },
        "flood" => return vec![good; 1_000],
        "return" => Finding {
            message: long_text(100 << 20),
            ..good
        },
        "big-text" => Finding {
            message: long_text(1 << 20),
            ..good
        },
        "big-values" => Finding {
            values: vec![(String::new(), 1.0); 10_000],
            ..good
        },
        "big-facts" => Finding {
            facts: vec![(text("note"), long_text(100_000))],
            ..good
        },
        "no-recommendation" => Finding {
            recommendation: text(" \n"),
            ..good
        },
        "bad-severity" => Finding {
            severity: text("catastrophic"),
            ..good
        },
        "bad-state" => Finding {
            state: text("smouldering"),
            ..good
        },
        "control-state" => Finding {
            state: text("\u{1b}[2J"),
            ..good
        },
        "empty-key" => Finding {
            key: String::new(),
            ..good
        },
        "long-key" => Finding {
            key: "k".repeat(129),
            ..good
        },
        "good" => good,
        "bad-row" => Finding { row: 17, ..good },
        "no-title" => Finding {
            title: text(""),
            ..good
        },
        "long-title" => Finding {
            title: "t".repeat(201),
            ..good
        },
        "no-row" => Finding {
            row: u32::MAX,
            ..good
        },
        _ => return Vec::new(),
    };
    vec![bad]
}

/// A finding with which nothing is wrong.
pub(crate) fn good_finding() -> Finding {
    Finding {
        key: "high".to_owned(),
        severity: "warning".to_owned(),
        state: "firing".to_owned(),
        row: 0,
        title: "High".to_owned(),
        message: "high".to_owned(),
        recommendation: "Look at it.".to_owned(),
        values: Vec::new(),
        facts: Vec::new(),
    }
}

pub(crate) fn long_text(bytes: usize) -> String {
    "x".repeat(bytes)
}

#[inline(never)]
fn run_forever() {
    let mut x = 0_u64;
    loop {
        x = black_box(x.wrapping_add(1));
    }
}

#[inline(never)]
fn sleep_for_seconds() {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) {
        std::thread::sleep(Duration::from_secs(3));
    }
}

#[inline(never)]
fn eat_memory() {
    let mut eaten = Vec::new();
    loop {
        eaten.push(black_box(vec![1_u8; 1 << 20]));
    }
}

#[inline(never)]
#[expect(unconditional_recursion, reason = "on purpose")]
fn recurse(depth: u64) -> u64 {
    // Added after the call, so that this is no loop.
    recurse(black_box(depth + 1)).wrapping_add(black_box(depth))
}

/// Uses up Rust's own stack, which lies in linear memory, before wasmtime's.
#[inline(never)]
#[expect(unconditional_recursion, reason = "on purpose")]
fn recurse_widely(depth: u8) -> u8 {
    let mut wide = [depth; 64 << 10];
    black_box(&mut wide);
    recurse_widely(wide[usize::from(depth)]).wrapping_add(wide[1])
}

#[inline(never)]
fn panic_loudly() {
    panic!("the sky is falling");
}

#[inline(never)]
fn follow_a_wild_pointer() {
    let wild = black_box(0xffff_0000_usize) as *const u64;
    // Wrong on purpose: the address lies outside of any memory there is.
    black_box(unsafe { wild.read_volatile() });
}

/// Handles live in the host's memory, not in the detector's.
#[inline(never)]
fn leak_handles() {
    #[link(wasm_import_module = "wasi:clocks/monotonic-clock@0.2.6")]
    unsafe extern "C" {
        #[link_name = "subscribe-duration"]
        fn subscribe_duration(nanoseconds: u64) -> u32;
    }
    loop {
        // The shape is the canonical ABI's; nothing is passed by pointer.
        black_box(unsafe { subscribe_duration(1) });
    }
}

#[inline(never)]
fn want_random_bytes() {
    #[link(wasm_import_module = "wasi:random/random@0.2.6")]
    unsafe extern "C" {
        #[link_name = "get-random-bytes"]
        fn get_random_bytes(len: u64, list: *mut [usize; 2]);
    }
    let mut list = [0; 2];
    // The canonical ABI writes pointer and length; what it points to is leaked.
    unsafe { get_random_bytes(1 << 30, &raw mut list) };
    black_box(list);
}

#[inline(never)]
fn print_and_panic() {
    println!("on standard output");
    eprintln!("on standard error");
    log(
        "info",
        "in the log\nin two lines, \u{1b}[31mred\u{1b}[0m\r\u{7}",
    );
    eprint!("without an end");
    panic!("and out");
}

/// What a detector can learn about the world outside, in one line.
#[inline(never)]
fn look_around(opened: Option<Instant>) -> String {
    let mut seen = String::new();
    let wall = |at: SystemTime| {
        at.duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
    };
    let (first, instant) = (wall(SystemTime::now()), Instant::now());
    for turn in 0..100_000 {
        black_box(turn);
    }
    std::thread::sleep(Duration::from_millis(1));
    let stands = wall(SystemTime::now()) == first && instant.elapsed().is_zero();
    let elapsed = opened.map(|opened| opened.elapsed()).unwrap_or_default();
    let dice = RandomState::new().hash_one(1);
    let map: HashMap<u32, u32> = (0..8).map(|key| (key, key)).collect();
    let order: Vec<String> = map.keys().map(ToString::to_string).collect();
    let set: HashSet<u8> = b"abc".iter().copied().collect();
    let _ = write!(
        seen,
        "time {:.3}, since open {:.3}, stands still {stands}, variables {}, PATH {:?}, \
         arguments {}, folder {:?}, input {:?}, dice {dice:016x}, order {}, set {}",
        first.as_secs_f64(),
        elapsed.as_secs_f64(),
        std::env::vars().count(),
        std::env::var("PATH").ok(),
        std::env::args().count(),
        std::env::current_dir().ok(),
        std::io::read_to_string(std::io::stdin()).ok(),
        order.join(""),
        set.len(),
    );
    println!("{seen}");
    eprintln!("{seen}");
    seen
}
