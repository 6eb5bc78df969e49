//! What decoding promises: the fast way and the general way read the same,
//! chunks change nothing, nothing panics, limits hold, and every spelling that
//! training logs are known to have is read.

#[path = "decode/any_bytes.rs"]
mod any_bytes;
#[path = "decode/cases.rs"]
mod cases;
#[path = "decode/fixtures.rs"]
mod fixtures;
#[path = "decode/framing.rs"]
mod framing;
#[path = "decode/model.rs"]
mod model;
#[path = "decode/records.rs"]
mod records;
#[path = "decode/streams.rs"]
mod streams;

use model::{Model, Outcome};
use proptest::prelude::*;
use records::{Number, Record, decode, decode_chunks, flatten, keep_all};
use runwatch::decode::{Decoder, Options, Tally};

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: std::env::var("PROPTEST_CASES")
            .ok()
            .and_then(|cases| cases.parse().ok())
            .unwrap_or(256),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

// --- The fast way and the general way ----------------------------------------

/// Checks a stream against the model.
fn holds_to_the_model(lines: &[Vec<u8>]) -> Result<(), TestCaseError> {
    let (read, tally) = decode(&lines.join(&b'\n'));
    let mut read = read.into_iter().peekable();
    let mut model = Model::default();
    let mut malformed = 0;
    for (number, line) in (1u64..).zip(lines) {
        prop_assert!(Model::covers(line));
        let got = read.next_if(|record| record.line == number);
        let shown = String::from_utf8_lossy(line);
        match model.line(number, line) {
            Outcome::Record(expected) => {
                prop_assert_eq!(got, Some(expected), "line {}: {}", number, shown);
            }
            other => {
                prop_assert_eq!(got, None, "line {}: {}", number, shown);
                malformed += u64::from(other == Outcome::Malformed);
            }
        }
    }
    prop_assert_eq!(read.next(), None);
    prop_assert_eq!(tally.malformed, malformed);
    Ok(())
}

/// The beginning of a run that prints steps, so that lines read alone and lines
/// read in a stream get the same steps.
const START: &[u8] = b"{\"step\":1,\"loss\":1.0}\nstep 1 | loss: 1.0\n";

/// What a line gives after others; its number is counted from the first of them.
fn last_of(lines: &[&[u8]]) -> (Vec<Record>, u64) {
    let mut decoder = Decoder::new(keep_all());
    decoder.push(START);
    for line in &lines[..lines.len() - 1] {
        decoder.push(line);
        decoder.push(b"\n");
    }
    // A row that forgets what the lines before have said of the step.
    decoder.push(START);
    drop(decoder.take());
    let malformed = decoder.tally().malformed;
    decoder.push(lines[lines.len() - 1]);
    decoder.finish();
    let mut records = flatten(&decoder.take());
    for record in &mut records {
        record.line = 0;
    }
    (records, decoder.tally().malformed - malformed)
}

/// The same line in a spelling that only the general readers take: the first
/// letter of the first key escaped.
fn respelled(line: &[u8]) -> Option<Vec<u8>> {
    let quote = line.iter().position(|byte| matches!(byte, b'"' | b'\''))?;
    let plain = |byte: &u8| byte.is_ascii_alphabetic() && !b"nt".contains(byte);
    let first = *line.get(quote + 1).filter(|byte| plain(byte))?;
    let escaped = match line[quote] {
        b'"' => format!("\\u{first:04x}"),
        _ => format!("\\{}", char::from(first)),
    };
    let (before, after) = (&line[..=quote], &line[quote + 2..]);
    Some([before, escaped.as_bytes(), after].concat())
}

/// A JSON line as a Python dict, roughly.
fn pythonic(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = line;
    while let Some(&byte) = rest.first() {
        let word = |json: &[u8]| rest.starts_with(json);
        let (python, length): (&[u8], usize) = match byte {
            b'"' => (b"'", 1),
            b'\'' => (b"\"", 1),
            b'N' if word(b"NaN") => (b"nan", 3),
            b'I' if word(b"Infinity") => (b"inf", 8),
            b'n' if word(b"null") => (b"None", 4),
            b't' if word(b"true") => (b"True", 4),
            _ => (&rest[..1], 1),
        };
        out.extend_from_slice(python);
        rest = &rest[length..];
    }
    out
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn json_lines_are_read_as_the_model_reads_them(lines in streams::lines()) {
        let lines: Vec<Vec<u8>> = lines.into_iter().filter(|line| Model::covers(line)).collect();
        prop_assume!(!lines.is_empty());
        holds_to_the_model(&lines)?;
    }

    #[test]
    fn what_came_before_does_not_matter(lines in streams::lines()) {
        let json: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        let line = json[json.len() - 1];
        prop_assert_eq!(last_of(&json), last_of(&[line]), "{}", String::from_utf8_lossy(line));
    }

    #[test]
    fn what_came_before_a_dict_does_not_matter(lines in streams::lines()) {
        let dicts: Vec<Vec<u8>> = lines.iter().map(|line| pythonic(line)).collect();
        let dicts: Vec<&[u8]> = dicts.iter().map(Vec::as_slice).collect();
        let line = dicts[dicts.len() - 1];
        prop_assert_eq!(last_of(&dicts), last_of(&[line]), "{}", String::from_utf8_lossy(line));
    }

    #[test]
    fn fast_and_general_read_the_same(lines in streams::lines(), python: bool) {
        let lines: Vec<Vec<u8>> = if python {
            lines.iter().map(|line| pythonic(line)).collect()
        } else {
            lines
        };
        let mut stream: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        let line = stream[stream.len() - 1];
        if let Some(other) = respelled(line) {
            let fast = last_of(&stream);
            let end = stream.len() - 1;
            stream[end] = &other;
            let general = last_of(&stream);
            prop_assert_eq!(fast, general, "{}", String::from_utf8_lossy(line));
        }
    }
}

/// Cases that the properties found, or nearly did not.
#[test]
fn json_lines_that_need_care() {
    let digits = "7".repeat(4000);
    let long = format!("{{\"step\":{digits},\"loss\":{digits}}}");
    let long_escaped = format!("{{\"\\u0073tep\":1,\"loss\":{digits}}}");
    for lines in [
        // A learned name that has a quote, a backslash or a tab in it is not
        // what stands between two quotes of the next line.
        &["{\"step\":1,\"a\\\"b\":2}", "{\"step\":1,\"a\"b\":2}"][..],
        &["{\"step\":1,\"a\\\\b\":2}", "{\"step\":1,\"a\\b\":2}"],
        &[
            "{\"step\":1,\"a\\\\u0062\":2}",
            "{\"step\":1,\"a\\u0062\":2}",
        ],
        &["{\"step\":1,\"a\\tb\":2}", "{\"step\":1,\"a\tb\":2}"],
        &[
            "{\"step\":1,\"abcdefgh\\\"b\":2}",
            "{\"step\":1,\"abcdefgh\"b\":2}",
        ],
        // A name that begins with another.
        &[
            "{\"loss\":1,\"step\":1}",
            "{\"loss_x\":2,\"step\":1}",
            "{\"los\":2,\"step\":1}",
        ],
        // Names and values at the end of the input.
        &[
            "{\"l\":1,\"s\":2}",
            "{\"l\":1,\"s\":2",
            "{\"l\":1,\"s\":",
            "{\"l\":1,\"s\"",
            "{\"l\":1,\"s",
        ],
        &["{\"s\":1}", "{\"s\":12"],
        &["{\"s\":1}", "{\"s\":"],
        &["{\"s\":1}", "{\"s\""],
        &["{\"s\":1}", "{\"s"],
        &["{\"s\":1}", "{\""],
        // Literals that go on.
        &[
            "{\"step\":1,\"loss\":NaN}",
            "{\"step\":1,\"loss\":NaNs}",
            "{\"step\":1,\"loss\":Infinity1}",
        ],
        // Duplicate keys: both values count, and the first of two steps.
        &["{\"step\":1,\"step\":2,\"loss\":1,\"loss\":2}"],
        // Truth values and nothing are no measurements; alone they are no record.
        &[
            "{\"loss\":null}",
            "{\"loss\":true}",
            "{\"loss\":[1]}",
            "{\"name\":\"x\"}",
        ],
        // Blanks.
        &[
            "{ \"step\" : 1 , \"loss\" : 2 } ",
            "{\t\"step\"\t:\t1\t,\t\"loss\"\t:\t2\t}\t",
        ],
        &[&long, &long_escaped],
    ] {
        let lines: Vec<Vec<u8>> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
        if let Err(error) = holds_to_the_model(&lines) {
            panic!("{error}");
        }
    }
}

// --- Chunks ------------------------------------------------------------------

/// Cuts an input at the places.
fn chunks<'a>(input: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
    cuts.extend([0, input.len()]);
    cuts.sort_unstable();
    cuts.windows(2)
        .map(|pair| &input[pair[0]..pair[1]])
        .collect()
}

/// Decodes chunks, taking the rows and releasing bars in between.
fn decode_in_parts(options: Options, chunks: &[&[u8]], release: bool) -> (Vec<Record>, Tally) {
    let mut decoder = Decoder::new(options);
    let mut records = Vec::new();
    for chunk in chunks {
        decoder.push(chunk);
        if release {
            decoder.release();
        }
        let segment = decoder.take();
        records.extend(flatten(&segment));
        decoder.recycle(segment);
    }
    decoder.finish();
    records.extend(flatten(&decoder.take()));
    (records, decoder.tally())
}

fn any_input() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => streams::debris(),
        2 => streams::lines().prop_map(|lines| lines.join(&b'\n')),
        1 => prop::collection::vec(any::<u8>(), 0..400),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn chunks_change_nothing(
        input in any_input(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        max_line in prop_oneof![Just(1 << 20), 1usize..200],
        max_metrics in prop_oneof![Just(16_384), 1usize..6],
    ) {
        let options = || Options { max_line, max_metrics, ..keep_all() };
        let whole = decode_chunks(options(), [&input[..]]);
        let chunks = chunks(&input, &cuts);
        let again = decode_chunks(options(), chunks.iter().copied());
        prop_assert_eq!(&again, &whole);
        prop_assert_eq!(&decode_in_parts(options(), &chunks, false), &whole);
        if max_line > input.len() {
            prop_assert_eq!(&decode_in_parts(options(), &chunks, true), &whole);
        }
    }

    #[test]
    fn every_byte_a_chunk_changes_nothing(input in any_input()) {
        prop_assert_eq!(decode_chunks(keep_all(), input.chunks(1)), decode(&input));
    }

    #[test]
    fn the_tally_adds_up(input in any_input()) {
        let (records, tally) = decode(&input);
        let ends = input.iter().filter(|byte| **byte == b'\n').count();
        let open = usize::from(input.last().is_some_and(|byte| *byte != b'\n'));
        prop_assert_eq!(tally.lines, (ends + open) as u64);
        prop_assert_eq!(tally.records + tally.evaluations, records.len() as u64);
        prop_assert_eq!(tally.malformed > 0, tally.first_malformed.is_some());
        prop_assert!(records.iter().all(|record| (1..=tally.lines).contains(&record.line)));
        prop_assert!(records.windows(2).all(|pair| pair[0].line <= pair[1].line));
        let (again, _) = decode(&input);
        prop_assert_eq!(records, again);
    }
}

/// What fuzzing has found, and what it needs to find more: see `fuzz/README.md`.
#[test]
fn cases_of_fuzzing_keep_every_promise() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/decode/cases");
    for (name, decode) in any_bytes::DECODERS {
        let packed = std::fs::read_to_string(format!("{folder}/{name}.txt"));
        let packed = packed.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!packed.is_empty(), "{name}");
        for case in cases::unpack(&packed) {
            let kept = std::panic::catch_unwind(|| decode(&case)).is_ok();
            assert!(kept, "{name}: \"{}\"", case.escape_ascii());
        }
    }
}

#[test]
fn inputs_that_are_read_in_turn_do_not_mix() {
    let logs: [&[u8]; 2] = [
        b"{'loss': 1.5, 'epoch': 0.1}\n 20%|##        | 2/10 [00:01<00:04]\n{\"step\": 3, \"loss\": NaN}\nstep=4 loss=2",
        b"\r 10%|#         | 1/10 [00:01<00:09]{'loss': 7.5}\n[rank5]: step=8 loss=1.25\n{\"step\": 9, \"loss\": 3}\n",
    ];
    let options = |input: usize| Options {
        input: format!("{input}").into(),
        run: format!("run-{input}"),
        rank: Some(input as u32),
        ..keep_all()
    };
    let alone = |input: usize| decode_chunks(options(input), [logs[input]]);
    for size in 1..40 {
        let mut decoder = Decoder::new(options(0));
        // What the decoder does not have at the moment.
        let mut other = decoder.stream("1", "run-1", Some(1));
        let mut records = [Vec::new(), Vec::new()];
        let mut chunks = logs.map(|log| log.chunks(size));
        for turn in 0..80 {
            let input = turn % 2;
            if let Some(chunk) = chunks[input].next() {
                decoder.push(chunk);
            }
            records[input].extend(flatten(&decoder.take()));
            decoder.switch(&mut other);
        }
        for (input, records) in records.iter_mut().enumerate() {
            chunks[input].by_ref().for_each(|chunk| decoder.push(chunk));
            decoder.finish();
            records.extend(flatten(&decoder.take()));
            let (expected, tally) = alone(input);
            assert_eq!(*records, expected, "input {input} in chunks of {size}");
            assert_eq!(decoder.tally(), tally);
            decoder.switch(&mut other);
        }
    }
}

#[test]
fn half_a_line_is_dropped_where_the_input_broke_off() {
    let mut decoder = Decoder::new(keep_all());
    decoder.push(b"step=1 loss=2.5\nstep=2 loss=2");
    decoder.break_off();
    assert_eq!(decoder.take().rows, 1);
    // So short that it could still be any kind of file.
    let mut decoder = Decoder::new(keep_all());
    decoder.push(b"step=1 l");
    decoder.break_off();
    assert_eq!(decoder.take().rows, 0);
}

// --- Limits ------------------------------------------------------------------

#[test]
fn a_million_metric_names_are_a_bounded_number() {
    let options = Options {
        max_metrics: 100,
        ..keep_all()
    };
    let mut decoder = Decoder::new(options);
    let mut kept = 0;
    for number in 0..1_000_000 {
        let line = format!("{{\"step\":{number},\"metric_{number}\":0.5}}\n");
        decoder.push(line.as_bytes());
        if number % 4096 == 0 || number == 999_999 {
            let segment = decoder.take();
            assert!(segment.metrics.len() <= 100);
            kept += flatten(&segment)
                .iter()
                .map(|record| record.values.len())
                .sum::<usize>();
            decoder.recycle(segment);
        }
    }
    let tally = decoder.tally();
    assert_eq!(tally.records, 1_000_000);
    assert_eq!(kept as u64 + tally.refused_fields, 1_000_000);
    assert!(tally.refused_fields >= 999_900, "{tally:?}");
}

#[test]
fn names_within_a_long_name_are_not_kept() {
    let fields: Vec<String> = (0..1000).map(|number| format!("\"{number}\":1")).collect();
    let outer = "x".repeat(50_000);
    let line = format!(
        "{{\"step\":1,\"loss\":0.5,\"{outer}\":{{{}}}}}",
        fields.join(",")
    );
    let (records, tally) = decode(line.as_bytes());
    assert_eq!(records[0].values, [("loss".to_owned(), Number(0.5))]);
    assert_eq!(tally.refused_fields, 1000);
}

#[test]
fn a_metric_known_before_the_limit_is_kept_after_it() {
    let options = Options {
        max_metrics: 3,
        ..keep_all()
    };
    let input =
        b"{\"step\":1,\"loss\":2,\"a\":3}\n{\"step\":2,\"b\":1,\"loss\":4,\"c\":5,\"a\":6}\n";
    let (records, tally) = decode_chunks(options, [&input[..]]);
    assert_eq!(records[1].get("loss"), Some(4.0));
    assert_eq!(records[1].get("a"), Some(6.0));
    assert_eq!(records[1].values.len(), 2);
    assert_eq!(tally.refused_fields, 2);
}

#[test]
fn too_many_runs_are_refused_and_counted() {
    let options = Options {
        max_runs: 3,
        ..keep_all()
    };
    let lines: Vec<String> = (0..10)
        .chain(0..10)
        .map(|run| format!("{{\"run\":\"run-{run}\",\"step\":1,\"loss\":0.5}}"))
        .collect();
    let (records, tally) = decode_chunks(options, [lines.join("\n").as_bytes()]);
    // The run that rows without a name belong to is one of the three.
    let runs: Vec<&str> = records.iter().map(|record| record.run.as_str()).collect();
    assert_eq!(runs, ["run-0", "run-1", "run-0", "run-1"]);
    assert_eq!(tally.records, 4);
    assert_eq!(tally.refused_records, 16);
}

#[test]
fn a_long_line_loses_its_tail_and_nothing_else() {
    let options = Options {
        max_line: 64,
        ..keep_all()
    };
    let long = format!(
        "{{\"step\":2,\"loss\":2,\"text\":\"{}\"}}",
        "x".repeat(10_000)
    );
    let input = format!("{{\"step\":1,\"loss\":1}}\n{long}\n{{\"step\":3,\"loss\":3}}\n");
    for size in [1, 7, 63, 64, 65, 4096, 1 << 20] {
        let chunks = input.as_bytes().chunks(size);
        let (records, tally) = decode_chunks(options.clone(), chunks);
        let steps: Vec<i64> = records.iter().map(|record| record.step).collect();
        assert_eq!(steps, [1, 3], "chunks of {size}");
        assert_eq!((tally.lines, tally.too_long), (3, 1), "chunks of {size}");
    }
}

#[test]
fn deep_nesting_ends() {
    for depth in [1, 10, 31, 32, 33, 100, 100_000] {
        let objects = format!(
            "{{\"step\":1,\"loss\":2,\"a\":{}1{}}}",
            "{\"b\":".repeat(depth),
            "}".repeat(depth)
        );
        let lists = format!(
            "{{\"step\":1,\"loss\":2,\"a\":{}{}}}",
            "[".repeat(depth),
            "]".repeat(depth)
        );
        for text in [&objects, &lists] {
            let python = text.replace('"', "'");
            for input in [text, &python] {
                let (records, tally) = decode(input.as_bytes());
                let read = records.len() as u64 + tally.malformed;
                assert_eq!(read, 1, "{depth} deep: read or counted");
                assert!(depth > 10 || records.len() == 1, "{depth}: {input}");
            }
        }
    }
}

// --- Every spelling of log-formats.md, section 0 -------------------------------

/// A table's row: a line, and its step and values in short. `-` is no record.
fn short(records: &[Record]) -> String {
    let show = |record: &Record| {
        let values = record.values.iter();
        let values: Vec<String> = values
            .map(|(name, value)| format!("{name}={}", value.0))
            .collect();
        let rank = record
            .rank
            .map(|rank| format!("r{rank} "))
            .unwrap_or_default();
        format!("{rank}{}: {}", record.step, values.join(" "))
    };
    match records {
        [] => "-".to_owned(),
        records => records.iter().map(show).collect::<Vec<_>>().join("; "),
    }
}

fn check(table: &[(&str, &str)]) {
    let wrong: Vec<String> = table
        .iter()
        .filter_map(|(input, expected)| {
            let got = short(&decode(input.as_bytes()).0);
            (got != *expected)
                .then(|| format!("{input:?}\n  is       {got}\n  and not  {expected}"))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// §0.5.
#[test]
fn numbers_that_are_not_finite() {
    check(&[
        (r#"{"step":1,"loss":NaN}"#, "1: loss=NaN"),
        (
            r#"{"step":1,"loss":Infinity,"x":-Infinity}"#,
            "1: loss=inf x=-inf",
        ),
        (
            r#"{"step":1,"loss":"nan","x":"inf","y":"-inf","z":"NaN"}"#,
            "1: loss=NaN x=inf y=-inf z=NaN",
        ),
        (
            r#"{"step":1,"loss":"Infinity","x":"-Infinity"}"#,
            "1: loss=inf x=-inf",
        ),
        (r#"{"step":1,"loss":1e400}"#, "1: loss=inf"),
        // Absence is not NaN.
        (r#"{"step":1,"loss":null,"lr":0.1}"#, "1: lr=0.1"),
        (
            "{'loss': nan, 'grad_norm': inf, 'epoch': 0.5}",
            "1: loss=NaN grad_norm=inf epoch=0.5",
        ),
        (
            "{'loss': 'nan', 'grad_norm': '-inf', 'epoch': '0.5'}",
            "1: loss=NaN grad_norm=-inf epoch=0.5",
        ),
        (
            "{'loss': None, 'grad_norm': 0.5, 'epoch': 1}",
            "1: grad_norm=0.5 epoch=1",
        ),
        ("step 5 | loss: nan.0", "5: loss=NaN"),
        (
            "iteration 5/10 | lm loss: NAN | grad norm: INF |",
            "5: lm loss=NaN grad norm=inf",
        ),
        (
            "step 5/9 | loss     nan (+nanz)| norm     nan (+nanz)",
            "5: loss=NaN norm=NaN",
        ),
        (
            "step:5/9 train_loss:3.5 step_avg:nanms",
            "5: train_loss=3.5",
        ),
        (
            "step:5 - actor/kl:nan - actor/loss:-0.000",
            "5: actor/kl=NaN actor/loss=-0",
        ),
    ]);
}

/// §0.6.
#[test]
fn numbers_with_something_to_them() {
    check(&[
        ("step 5 | loss: 2.5 | tps: 11,047", "5: loss=2.5 tps=11047"),
        ("step 5, train/Perplexity=8,641", "5: train/Perplexity=8641"),
        ("step 5 | loss: 2.5 | dt: 12.3ms", "5: loss=2.5 dt=12.3"),
        (
            "step: 5  loss: 2.5  memory: 156.33GiB(87.65%)",
            "5: loss=2.5 memory=156.33",
        ),
        ("step 5 | loss 2.5 (+0.19z)", "5: loss=2.5"),
        ("global_step=2e+3, loss=2.5", "2000: loss=2.5"),
        (
            "step 5 loss_pixel: 220126996736552716516472320425984.000",
            "5: loss_pixel=220126996736552700000000000000000",
        ),
        (
            "global_step=5, episodic_return=[15.]",
            "5: episodic_return=15",
        ),
        (r#"{"step":"5","loss":"2.5"}"#, "5: loss=2.5"),
        (r#"{"step":5.0,"loss":2.5}"#, "5: loss=2.5"),
        (r#"{"step":2e3,"loss":2.5}"#, "2000: loss=2.5"),
        (
            r#"{"step":5,"loss":18446744073709551616}"#,
            "5: loss=18446744073709552000",
        ),
        (
            "{'loss': tensor(0.5, device='cuda:0'), 'epoch': 1}",
            "1: loss=0.5 epoch=1",
        ),
        (
            "{'loss': np.float64(0.5), 'epoch': 1}",
            "1: loss=0.5 epoch=1",
        ),
    ]);
}

/// §0.1, §0.2: a dict's step is in the bar beside it.
#[test]
fn dicts_beside_bars() {
    let bare = "{'loss': 2.5, 'grad_norm': 0.25, 'learning_rate': 1e-05, 'epoch': 0.1}";
    let quoted = "{'loss': '2.5', 'grad_norm': '0.25', 'learning_rate': '1e-05', 'epoch': '0.1'}";
    let values = "loss=2.5 grad_norm=0.25 learning_rate=0.00001 epoch=0.1";
    for dict in [bare, quoted] {
        for (before, after) in [
            // The bar and the dict on lines of their own.
            ("  8%|8   | 5/60 [00:01<00:10,  5.0it/s]\n", "\n"),
            // Rewritten, and wiped before the dict.
            (
                "\r  7%|7   | 4/60 [00:01<00:10,  5.0it/s]\r  8%|8   | 5/60 [00:01<00:10,  5.0it/s]\r        \r",
                "\n",
            ),
            ("\r  8%|8   | 5/60 [00:01<00:10,  5.0it/s]\r\n", "\r\n"),
            // Glued.
            ("  8%|8   | 5/60 [00:01<00:10,  5.0it/s]", "\n"),
            (
                "  8%|8   | 5/60 [00:01<00:10,  5.0it/s]\n",
                "  8%|8   | 5/60 [00:01<00:10,  5.0it/s]\n",
            ),
            ("  8%|8   | 5/60 [00:01<00:10,  5.0it/s]\x1b[A\n", ""),
            // An evaluation's bar is not the training's.
            (
                "  8%|8   | 5/60 [00:01<00:10,  5.0it/s]\r\n 50%|5   | 2/4 [00:01<00:10,  5.0it/s]\x1b[A",
                "\n",
            ),
            ("[rank0]:   8%|8   | 5/60 [00:01<00:10,  5.0it/s]\n", "\n"),
        ] {
            let input = format!("{before}{dict}{after}");
            let (mut records, tally) = decode(input.as_bytes());
            assert_eq!(records.len(), 1, "{input:?}");
            records[0].rank = None;
            assert_eq!(short(&records), format!("5: {values}"), "{input:?}");
            assert_eq!(tally.malformed, 0, "{input:?}");
        }
    }
    // No bar: records are counted.
    let input = format!("{bare}\n{bare}\n");
    assert_eq!(
        short(&decode(input.as_bytes()).0),
        format!("1: {values}; 2: {values}")
    );
    // A traceback after a bar is no record.
    check(&[(
        " 18%|#8  | 4374/24758 [2:55:31<14:50:24, 2.62s/it]Traceback (most recent call last):",
        "-",
    )]);
}

/// §0.1, §0.3, §0.4.
#[test]
fn what_launchers_and_terminals_add() {
    let text = "step 5 | loss: 2.5 | lr 0.5";
    let json = r#"{"step":5,"loss":2.5,"lr":0.5}"#;
    let dict = "{'step': 5, 'loss': 2.5, 'lr': 0.5}";
    for record in [text, json, dict] {
        for (prefix, rank) in [
            ("", ""),
            ("  ", ""),
            ("\r", ""),
            ("\x1b[31m", ""),
            ("\x1b[K\x1b[A", ""),
            ("\x1b[38;2;180;60;0m", ""),
            ("10%\x08\x08\x08", ""),
            (" 3: ", "r3 "),
            ("[default0]:", "r0 "),
            ("[rank2]:", "r2 "),
            ("[rank2]:[rank2]: ", "r2 "),
            ("\x1b[36m(TaskRunner pid=625502)\x1b[0m ", ""),
            ("(main_task pid=7) ", ""),
            ("(pid=) ", ""),
            ("(APIServer pid=7) ", ""),
            ("[2025-02-16 15:49:19,815] [INFO] [file.py:203:func] ", ""),
            ("2026-05-24 20:12:37,106 - root - INFO - ", ""),
            ("2023/06/05 20:09:42 - mmengine - INFO - ", ""),
            ("[11/01 18:06:04 d2.utils.events]: ", ""),
            ("I0317 10:00:17.579063 1253 file.py:181] ", ""),
            ("2024-10-10 22:34:03.484 | INFO     | mod:fn:101 - ", ""),
            ("[titan] ", ""),
            (
                "[rank0]:[titan] 2026-05-24 20:12:37,106 - root - INFO - \x1b[31m",
                "r0 ",
            ),
        ] {
            for end in ["", "\n", "\r\n", " \n", "\x1b[39m\n"] {
                let input = format!("{prefix}{record}{end}");
                let got = short(&decode(input.as_bytes()).0);
                assert_eq!(got, format!("{rank}5: loss=2.5 lr=0.5"), "{input:?}");
            }
        }
    }
}

/// §1: nanoGPT and its family.
#[test]
fn the_nanogpt_family() {
    check(&[
        (
            "iter 12: loss 1.2500, time 131.31ms, mfu -100.00%",
            "12: loss=1.25 time=131.31",
        ),
        (
            "step 250: train loss 3.5, val loss 3.75",
            "250: train loss=3.5 val loss=3.75",
        ),
        (
            "step    12 | loss: 1.250000 | lr 1.0000e-04 | norm: 0.5000 | dt: 12.50ms | tok/sec: 1234.50",
            "12: loss=1.25 lr=0.0001 norm=0.5 dt=12.5 tok/sec=1234.5",
        ),
        (
            "step 12 | loss: 1.25\nvalidation loss: 10.5\n",
            "12: loss=1.25; 12: validation loss=10.5",
        ),
        (
            "step:1441/15258 train_loss:3.25 train_time:2463247ms step_avg:1721.25ms",
            "1441: train_loss=3.25 train_time=2463247 step_avg=1721.25",
        ),
        (
            "step:0/15258 val_loss:10.5 train_time:0ms step_avg:nanms",
            "0: val_loss=10.5 train_time=0",
        ),
        (
            "step 00099/00100 (99.00%) | loss: 2.5 | grad norm: 0.5 | lrm: 0.25 | dt: 12.50ms | tok/sec: 4,149 | bf16_mfu: 0.5 | epoch: 1 | total time: 2.50m",
            "99: loss=2.5 grad norm=0.5 lrm=0.25 dt=12.5 tok/sec=4149 bf16_mfu=0.5 epoch=1 total time=2.5",
        ),
        (
            "Step 00100 | Validation bpb: 1.25",
            "100: Validation bpb=1.25",
        ),
        (
            "step   61/19560 | loss 11.500000 (+0.19z)| norm 0.5000 (-1.00z)| lr 5.00e-01 | 3619.50 ms | 37.5% bf16 MFU | 144489 tok/s",
            "61: loss=11.5 norm=0.5 lr=0.5 ms=3619.5 bf16 MFU=37.5 tok/s=144489",
        ),
        (
            "s:10 trl:5.5 lr:0.5 norm:0.25\ns:10 tel:5.25\n",
            "10: trl=5.5 lr=0.5 norm=0.25; 10: tel=5.25",
        ),
        (
            "[train] iter 10: loss 8.5 11136 ms/iter",
            "10: loss=8.5 ms/iter=11136",
        ),
        (
            "[eval] iter 0: train 9.75 val 9.5 lr 7.50e-01",
            "0: eval/train=9.75 eval/val=9.5 eval/lr=0.75",
        ),
    ]);
}

/// §0.7, §0.8.
#[test]
fn files_that_end_badly_or_begin_again() {
    check(&[
        (
            "step 1 | loss 2.5 | lr 0.5\nstep  902/19560 | loss     nan (+nanz)|slurmstepd: error: *** JOB 1 ON n CANCELLED ***",
            "1: loss=2.5 lr=0.5; 902: loss=NaN",
        ),
        ("{\"step\":1,\"loss\":2}\n{\"step\":2,\"lo", "1: loss=2"),
        (
            "{'loss': 2.5, 'epoch': 1}\n{'loss': 2.",
            "1: loss=2.5 epoch=1",
        ),
        (
            "{\"step\":5,\"loss\":2}\n{\"step\":0,\"loss\":3}",
            "5: loss=2; 0: loss=3",
        ),
        ("{\"step\":1,\"loss\":2}", "1: loss=2"),
    ]);
}

/// §0.9.
#[test]
fn what_looks_like_a_record() {
    let lines = [
        // The source that modded-nanogpt prints first.
        "        print0(f\"step:{step}/{args.num_iterations} val_loss:{val_loss:.4f} train_time:{t:.0f}ms step_avg:{t/max(s-1, 1):.2f}ms\", console=True)",
        "for step in range(train_steps + 1):",
        "    loss = model(x, y, step=5)",
        "    step = 0; loss = 0.0",
        "params = {'step': step, 'loss': loss}",
        "log = {\"loss\": loss.item(), \"step\": step}",
        // Dumped arguments and configurations.
        "loss_scale_window: 1000",
        "  loss_scale_window ............................... 1000",
        "    \"loss_scale\": 0,",
        "\"loss_scale\": 0",
        "{\"fp16\": {\"enabled\": true, \"loss_scale\": 0, \"loss_scale_window\": 1000}}",
        "{\"train_batch_size\": 8, \"gradient_accumulation_steps\": 1, \"steps_per_print\": 10}",
        "{'learning_rate': 0.001, 'momentum': 0.9, 'batch_size': 32}",
        "{'bos_token_id': 1, 'hidden_size': 4096, 'initializer_range': 0.02}",
        "Namespace(lr=0.001, epochs=10, step=5)",
        "usage: train.py [-h] [--step STEP] [--loss LOSS]",
        "  --lr LR               learning rate (default: 0.001)",
        // Conflicts.
        "<<<<<<< HEAD",
        "=======",
        ">>>>>>> 8f3c2a1 (tune the loss, step 5)",
        // What a model says.
        "rank 0 sample 1: Hello, I'm a language model, step 5, loss 0.5",
        "Step 1: x = 5",
        "Step 2: 5 + 3 = 8, so the loss of 3 apples is 5",
        "{\"role\": \"user\", \"content\": \"what is the loss at step 5?\"}",
        // Others.
        "saving checkpoint to out/checkpoint-500, step 500",
        "2024-01-01 10:00:00 step",
        "File \"train.py\", line 10, in step",
        "wandb: step 5",
    ];
    for line in lines {
        // Also in a stream that has printed steps.
        for before in ["", "step 1 | loss: 2.5\n"] {
            let input = format!("{before}{line}\n");
            let (records, tally) = decode(input.as_bytes());
            let expected = usize::from(!before.is_empty());
            assert_eq!(records.len(), expected, "{line}: {}", short(&records));
            assert_eq!(tally.malformed, 0, "{line}");
        }
    }
}

// --- Known to be wrong ---------------------------------------------------------

/// Fixed bars and dicts: step, total, description.
fn bar(what: &str, done: u32, total: u32) -> String {
    format!("{what} 42%|####2     | {done}/{total} [00:42<00:58,  1.00it/s]\n")
}

#[test]
fn a_longer_bar_of_something_else_is_not_the_trainings() {
    let dict = "{'loss': 2.5, 'epoch': 0.1}\n";
    for input in [
        // Tokenizing, before.
        [&bar("Map:", 52_002, 52_002), &bar("", 5, 60), dict].concat(),
        // An evaluation on more batches than the training has steps.
        [&bar("", 4, 60), &bar("", 5000, 5000), &bar("", 5, 60), dict].concat(),
        // The next training in the same file, a shorter one.
        [&bar("", 950, 950), dict, &bar("", 5, 312), dict].concat(),
    ] {
        let (records, _) = decode(input.as_bytes());
        let last = records.last().expect("a record");
        assert_eq!(last.step, 5, "{input}");
    }
}

#[test]
fn a_quoted_duration_is_a_metric_like_a_bare_one() {
    check(&[
        ("{'loss': 2.5, 'time': 0.5}", "1: loss=2.5 time=0.5"),
        ("{'loss': '2.5', 'time': '0.5'}", "1: loss=2.5 time=0.5"),
    ]);
}

#[test]
fn a_refused_field_is_counted_once() {
    let options = Options {
        max_metrics: 2,
        ..keep_all()
    };
    for (line, refused) in [
        ("{\"step\":1,\"loss\":1,\"b\":2,\"c\":3}", 2),
        ("{\"step\":1,\"loss\":1,\"b\":2,\"c\":\"\\n\"}", 2),
        ("{\"step\":1,\"loss\":1,\"b\":2,\"c\":{\"d\":1}}", 2),
        ("{'step': 1, 'loss': 1, 'b': 2, 'c': {'d': 1}}", 2),
        // No record, so that nothing of it is missing.
        ("{\"a\":1,\"b\":1,\"c\":2}", 0),
    ] {
        let (_, tally) = decode_chunks(options.clone(), [line.as_bytes()]);
        assert_eq!(tally.refused_fields, refused, "{line}");
    }
}

#[test]
fn steps_do_not_count_as_metrics() {
    let options = Options {
        max_metrics: 1,
        ..keep_all()
    };
    let (records, _) = decode_chunks(options, [&b"{\"loss\":1,\"step\":7}"[..]]);
    assert_eq!(records[0].step, 7);
}

#[test]
fn a_run_is_one_run_however_it_is_named() {
    let lines = [
        "{\"step\":1,\"loss\":1}",
        "{\"step\":2,\"loss\":1,\"run\":\"default\"}",
        "{\"step\":3,\"loss\":1,\"project\":\"default\"}",
        "{\"step\":4,\"loss\":1,\"project\":\"default\",\"run\":\"default\"}",
    ];
    let mut decoder = Decoder::new(keep_all());
    decoder.push(lines.join("\n").as_bytes());
    decoder.finish();
    assert_eq!(decoder.take().runs.len(), 1);
}

#[test]
fn long_integers_are_read_alike() {
    let digits = "7".repeat(5000);
    let fast = format!("{{\"step\":1,\"loss\":{digits}}}");
    let general = format!("{{\"\\u0073tep\":1,\"loss\":{digits}}}");
    // What is wrong is told with its column, which differs.
    let read = |line: &str| decode(line.as_bytes()).0;
    assert_eq!(read(&fast), read(&general));
}

/// A log in local time may be hours ahead of the wall clock, by which silences
/// are measured.
#[test]
fn live_the_clock_is_the_walls() {
    let mut decoder = Decoder::new(keep_all());
    decoder.set_now(1_700_000_000.0);
    decoder.push(b"{\"step\": 1, \"loss\": 2.5, \"timestamp\": 1700030000}\n");
    let segment = decoder.take();
    assert_eq!(segment.batches[0].times, [1_700_030_000.0]);
    assert_eq!(segment.now, 1_700_000_000.0);
}
