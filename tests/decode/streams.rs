//! Streams of JSON lines for property tests: lines of a few shapes, as training
//! jobs print them, and everything that can be wrong with them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Names that are steps, runs, labels and metrics; some begin like others, are
/// as long as what is compared at once, or need escapes.
const KEYS: &[&str] = &[
    "step",
    "global_step",
    "iteration",
    "epoch",
    "loss",
    "los",
    "l",
    "lossy",
    "loss ",
    "lr",
    "grad_norm",
    "train/loss",
    "run",
    "rank",
    "time",
    "x",
    "x/y",
    "",
    "seven__",
    "eight___",
    "eight___9",
    "eight___nine____",
    "eight___nine____x",
    "a name that is much longer than sixteen bytes",
    "Verlust/größe",
    "损失",
    "🔥",
    "quo\"te",
    "back\\slash",
    "back\\nslash",
    "tab\tbed",
    "del\x7f",
    "a'b",
];

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-0.0",
    "1",
    "-1",
    "7",
    "12345",
    "1.0",
    "1.5",
    "0.1",
    "1e3",
    "1E+3",
    "1.25e-3",
    "1e400",
    "-1e400",
    "1e-400",
    "4.9e-324",
    "2.2250738585072011e-308",
    "1.7976931348623157e308",
    "0.30000000000000004",
    "9007199254740991",
    "9007199254740992",
    "9007199254740993",
    "9007199254740993.0",
    "18446744073709551615",
    "18446744073709551616",
    "340282366920938463463374607431768211456",
    "12345678901234567.8",
    "0.000000000000000000000000000000000001234567890123456789",
    "123456789012345678901234567890e-20",
    "1700000000",
    "1700000000.25",
    "1700000000000",
    "1e999999999999",
    "NaN",
    "Infinity",
    "-Infinity",
];

/// What looks like a value and is none.
const BROKEN: &[&str] = &[
    "",
    "01",
    "-",
    "1.",
    ".5",
    "1e",
    "1e+",
    "+1",
    "-NaN",
    "nan",
    "inf",
    "tru",
    "nulll",
    "1_000",
    "0x10",
    "'a'",
    "\"open",
    "[1,",
    "{\"a\":",
    "Infinit",
    "1 2",
    "\"\\x\"",
    "\"\\ud800\"",
];

const TEXTS: &[&str] = &[
    "",
    "0.5",
    " 12 ",
    "-3",
    "1e-3",
    "nan",
    "NaN",
    "-inf",
    "Infinity",
    ".5",
    "1.",
    "007",
    "1,234",
    "0:01:03",
    "yesterday",
    "adamw",
    "run-a",
    "quo\"te",
    "back\\slash",
    "line\nfeed",
    "größe",
    "🔥",
    "{\"loss\":1}",
    "a text that is much longer than sixteen bytes",
];

/// A value as it is written.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        8 => select(NUMBERS).prop_map(str::to_owned),
        4 => any::<f64>().prop_filter_map("JSON has no such number", |value| {
            value.is_finite().then(|| format!("{value:?}"))
        }),
        4 => (0..20_000i64).prop_map(|value| value.to_string()),
        4 => (0u32..100_000, 1usize..8).prop_map(|(value, digits)| {
            format!("{:.digits$}", f64::from(value) / 1000.0)
        }),
        1 => any::<u128>().prop_map(|value| value.to_string()),
        1 => any::<i64>().prop_map(|value| value.to_string()),
        4 => (select(TEXTS), escapes()).prop_map(|(text, mask)| quoted(text, mask)),
        1 => (".{0,20}", escapes()).prop_map(|(text, mask)| quoted(&text, mask)),
        2 => select(&["null", "true", "false"][..]).prop_map(str::to_owned),
        1 => select(BROKEN).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|values| format!("[{}]", values.join(", "))),
            vec((key(), escapes(), inner), 0..4).prop_map(|members| {
                let member = |(key, mask, value): &(String, u64, String)| {
                    format!("{}:{value}", quoted(key, *mask))
                };
                let members: Vec<String> = members.iter().map(member).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        30 => select(KEYS).prop_map(str::to_owned),
        1 => ".{0,12}",
        1 => "[a-z_/]{1,40}",
    ]
}

/// Which characters are written as escapes though they need not be.
fn escapes() -> impl Strategy<Value = u64> {
    prop_oneof![9 => Just(0), 1 => any::<u64>()]
}

/// A text in quotes; the characters of `mask` as `\u…`.
pub(crate) fn quoted(text: &str, mask: u64) -> String {
    let mut out = String::from("\"");
    for (at, character) in text.chars().enumerate() {
        match character {
            _ if mask >> (at % 64) & 1 == 1 => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            character if u32::from(character) < 0x20 => {
                out.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            character => out.push(character),
        }
    }
    out.push('"');
    out
}

/// How a shape puts blanks between its tokens.
const BLANKS: &[[&str; 4]] = &[
    // After the brace, before the colon, after the colon, after the comma.
    ["", "", "", ""],
    ["", "", " ", " "],
    [" ", " ", " ", " "],
    ["\t", "  ", "\t\t", "   "],
];

/// What is done to a line after it was written.
#[derive(Debug, Clone)]
enum Damage {
    None,
    Truncate(prop::sample::Index),
    Flip(prop::sample::Index, u8),
    Delete(prop::sample::Index),
    Insert(prop::sample::Index, u8),
    Append(&'static str),
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = any::<prop::sample::Index>;
    prop_oneof![
        12 => Just(Damage::None),
        1 => place().prop_map(Damage::Truncate),
        1 => (place(), 0u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        2 => place().prop_map(Damage::Delete),
        1 => (place(), any::<u8>()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        1 => select(&[" ", "}", "x", ",", " {\"step\":1}", "\"", "\x0c", "\0"][..])
            .prop_map(Damage::Append),
    ]
}

fn harm(line: &mut Vec<u8>, damage: &Damage) {
    if line.is_empty() {
        return;
    }
    match damage {
        Damage::None => {}
        Damage::Truncate(at) => line.truncate(at.index(line.len())),
        Damage::Flip(at, bit) => {
            let at = at.index(line.len());
            line[at] ^= 1 << bit;
        }
        Damage::Delete(at) => drop(line.remove(at.index(line.len()))),
        Damage::Insert(at, byte) => line.insert(at.index(line.len()), *byte),
        Damage::Append(text) => line.extend_from_slice(text.as_bytes()),
    }
}

#[derive(Debug, Clone)]
struct Shape {
    keys: Vec<(String, u64)>,
    blanks: [&'static str; 4],
}

#[derive(Debug, Clone)]
struct Line {
    shape: prop::sample::Index,
    values: Vec<String>,
    /// Fields left out, by place.
    missing: u8,
    /// Two fields change places.
    swap: Option<(prop::sample::Index, prop::sample::Index)>,
    /// A field comes twice.
    twice: Option<prop::sample::Index>,
    damage: Damage,
}

fn shape() -> impl Strategy<Value = Shape> {
    let keys = vec((key(), escapes()), 1..8);
    (keys, select(BLANKS)).prop_map(|(keys, blanks)| Shape { keys, blanks })
}

fn line() -> impl Strategy<Value = Line> {
    let place = any::<prop::sample::Index>;
    let rarely = |weight| move |some| prop::option::weighted(weight, some);
    (
        place(),
        vec(value(), 8),
        prop_oneof![3 => Just(0u8), 1 => any::<u8>()],
        prop::option::weighted(0.1, (place(), place())),
        rarely(0.1)(place()),
        damage(),
    )
        .prop_map(|(shape, values, missing, swap, twice, damage)| Line {
            shape,
            values,
            missing,
            swap,
            twice,
            damage,
        })
}

fn write(shapes: &[Shape], line: &Line) -> Vec<u8> {
    let shape = line.shape.get(shapes);
    let [open, before, after, comma] = shape.blanks;
    let mut fields: Vec<String> = shape
        .keys
        .iter()
        .zip(&line.values)
        .enumerate()
        .filter(|(at, _)| line.missing >> at & 1 == 0)
        .map(|(_, ((key, mask), value))| format!("{}{before}:{after}{value}", quoted(key, *mask)))
        .collect();
    if !fields.is_empty() {
        if let Some((one, other)) = &line.swap {
            let (one, other) = (one.index(fields.len()), other.index(fields.len()));
            fields.swap(one, other);
        }
        if let Some(twice) = &line.twice {
            let again = fields[twice.index(fields.len())].clone();
            fields.push(again);
        }
    }
    let text = format!("{{{open}{}}}", fields.join(&format!(",{comma}")));
    let mut text = text.into_bytes();
    harm(&mut text, &line.damage);
    // Line ends are put between lines, not into them.
    for byte in &mut text {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    text
}

/// The lines of one stream, without their ends.
pub(crate) fn lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
    (vec(shape(), 1..4), vec(line(), 1..24))
        .prop_map(|(shapes, lines)| lines.iter().map(|line| write(&shapes, line)).collect())
}

/// Pieces of real logs, in any order, with anything in between.
pub(crate) fn debris() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..12),
        1 => (0u32..100_000).prop_map(|value| value.to_string().into_bytes()),
        2 => Just(b"\n".to_vec()),
    ];
    let whole = vec(piece, 0..40).prop_map(|pieces| pieces.concat());
    (whole, vec(damage(), 0..4)).prop_map(|(mut bytes, damages)| {
        for damage in &damages {
            harm(&mut bytes, damage);
        }
        bytes
    })
}

const PIECES: &[&str] = &[
    "{\"step\":1,\"loss\":2.5}",
    "{\"step\": 2, \"loss\": NaN, \"grad_norm\": \"inf\"}",
    "{\"train\": {\"loss\": 2.5, \"deep\": {\"er\": [1, {\"a\": null}]}}, \"iter\": 3}",
    "{'loss': 2.5, 'grad_norm': 0.1, 'learning_rate': 1e-05, 'epoch': 0.5}",
    "{'loss': '2.5', 'grad_norm': 'nan', 'epoch': '0.5'}",
    "{'loss': tensor(0.5, device='cuda:0'), 'x': [1, 'b'], 'epoch': 1}",
    "{\"step\":",
    "{'loss': ",
    "\"loss\": 0.5",
    "}",
    "{",
    "'",
    "\"",
    "\\",
    ",",
    ": ",
    " ",
    "\t",
    "nan",
    "-inf",
    "1e400",
    "\r",
    "\r\n",
    "\n",
    " 42%|####2     | 42/100 [00:42<00:58,  1.00it/s]",
    "100%|██████████| 5/5 [00:01<00:00,  4.2it/s, loss=0.5]",
    "\r  0%|          | 0/5 [00:00<?, ?it/s]",
    "12it [00:01, 10.2it/s]",
    "iter 12: loss 1.2000, time 131.31ms, mfu 5.00%",
    "step    12 | loss: 1.2 | lr 1e-4 | norm: 0.3 | dt: 12.3ms | tok/sec: 1,234",
    "step:1441/15258 train_loss:3.3055 train_time:2463247ms step_avg:nanms",
    "val loss 5.1",
    "epoch 3, loss: 0.5 acc=0.9",
    " 12: ",
    "[default0]:",
    "[rank1]:",
    "[2025-02-16 15:49:19,815] [INFO] [file.py:203:func] ",
    "2026-05-24 20:12:37,106 - root - INFO - ",
    "(TaskRunner pid=625502) ",
    "I0317 10:00:17.579063 1253 file.py:181] ",
    "\u{1b}[31m",
    "\u{1b}[38;2;180;60;0m",
    "\u{1b}[K",
    "\u{1b}]0;title\u{7}",
    "\u{1b}",
    "\u{8}\u{8}\u{8}",
    "Traceback (most recent call last):",
    "  File \"train.py\", line 10, in <module>",
    "RuntimeError: CUDA error",
    "loss_scale_window: 1000",
    "step",
    "loss",
    "=",
    "|",
    "[",
    "]",
    "(",
    ")",
    "é",
    "\u{7f}",
    "\0",
];
