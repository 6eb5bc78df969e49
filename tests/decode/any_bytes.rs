//! What every decoder promises of any bytes: nothing panics, chunks change
//! nothing, nor does what nobody asks for, the tally adds up, the limits hold and nothing grows out of
//! proportion to the input. The fuzz targets hold the decoders to it, and so
//! does a test, with the cases that fuzzing has found.

use std::io::Read;
use std::sync::{Arc, LazyLock};

use runwatch::decode::{Decoder, Interests, Options, Tally, formats};
use runwatch::describe::Interest;
use runwatch::input::open::each_log;
use runwatch::record::{Mask, Segment};

use super::framing;
use super::model::{Model, Outcome};
use super::records::{Record, decode, decode_chunks, flatten, keep_all};

/// Panics when a promise is broken.
type Check = fn(&[u8]);

/// The decoders by name: a fuzz target and a file of cases each.
pub(crate) const DECODERS: [(&str, Check); 14] = [
    ("lines", lines),
    ("json", json),
    ("dicts", |input| forced("python-dict", input)),
    ("pairs", |input| forced("key-value", input)),
    ("bars", bars),
    ("formats", formats_by_name),
    ("csv", csv),
    ("crashes", crashes),
    ("documents", documents),
    ("tfevents", tfevents),
    ("wandb", wandb),
    ("sqlite", |input| forced("sqlite", input)),
    ("archives", archives),
    ("repeated", repeated),
];

/// Options with which everything is kept, texts and restarts too.
fn everything() -> Options {
    static OPTIONS: LazyLock<Options> = LazyLock::new(|| Options {
        interests: Arc::new(Interests::everything()),
        ..Options::default()
    });
    OPTIONS.clone()
}

// --- Lines -------------------------------------------------------------------

/// Any bytes; the first three say how to cut and what to allow.
fn lines(data: &[u8]) {
    let Some((&[cut, limits, line], input)) = data.split_first_chunk::<3>() else {
        return;
    };
    let small = |bit: u8| limits & bit != 0;
    let options = Options {
        max_line: if small(1) {
            usize::from(line) + 1
        } else {
            1 << 20
        },
        max_metrics: if small(2) { 5 } else { 16_384 },
        max_runs: if small(4) { 2 } else { 4_096 },
        ..keep_all()
    };
    let (whole, mut tally) = decode_chunks(options.clone(), [input]);

    let ends = input.iter().filter(|byte| **byte == b'\n').count();
    let open = usize::from(input.last().is_some_and(|byte| *byte != b'\n'));
    assert!(is_file(input) || tally.lines == (ends + open) as u64);
    assert_eq!(tally.records + tally.evaluations, whole.len() as u64);
    assert_eq!(tally.malformed > 0, tally.first_malformed.is_some());
    if small(4) {
        let mut runs: Vec<_> = whole.iter().map(|row| (&row.project, &row.run)).collect();
        runs.sort_unstable();
        runs.dedup();
        assert!(runs.len() <= 2, "{runs:?}");
    }

    let (parts, mut in_parts) = lines_in_parts(&options, input, usize::from(cut) + 1, small(8));
    // Quiet ends blocks of lines, which may then be other blocks.
    if !small(8) {
        assert_eq!(parts, whole);
        // A field is counted once for each reader that tried the line: see
        // `a_refused_field_is_counted_once` in tests/decode.rs.
        in_parts.refused_fields = 0;
        tally.refused_fields = 0;
        assert_eq!(in_parts, tally);
    }
}

/// Whether an input may be a file whose lines are not counted: those that have
/// none, and documents that break off.
fn is_file(input: &[u8]) -> bool {
    let begins = |magic: &[u8]| input.starts_with(magic);
    begins(b"SQLite") || begins(b":W&B") || begins(b"{") || input.get(3) == Some(&0)
}

/// Decodes chunks and takes the rows after each.
fn lines_in_parts(
    options: &Options,
    input: &[u8],
    chunk: usize,
    release: bool,
) -> (Vec<Record>, Tally) {
    let mut decoder = Decoder::new(options.clone());
    let mut records = Vec::new();
    for chunk in input.chunks(chunk) {
        decoder.push(chunk);
        if release {
            decoder.release();
        }
        let segment = decoder.take();
        // Names of steps, times and runs are kept beyond the limit.
        assert!(segment.metrics.len() <= options.max_metrics + 64);
        records.extend(flatten(&segment));
        decoder.recycle(segment);
    }
    decoder.finish();
    records.extend(flatten(&decoder.take()));
    (records, decoder.tally())
}

// --- JSON --------------------------------------------------------------------

/// Lines of JSON, against the model.
fn json(data: &[u8]) {
    let lines: Vec<&[u8]> = data
        .split(|byte| *byte == b'\n')
        .filter(|line| Model::covers(line) && in_scope(line))
        .collect();
    if lines.is_empty() {
        return;
    }
    let (read, tally) = decode(&lines.join(&b'\n'));
    let mut read = read.into_iter().peekable();
    let mut model = Model::default();
    let mut malformed = 0;
    for (number, line) in (1u64..).zip(&lines) {
        let got = read.next_if(|record| record.line == number);
        let shown = String::from_utf8_lossy(line);
        match model.line(number, line) {
            Outcome::Record(expected) => assert_eq!(got, Some(expected), "line {number}: {shown}"),
            other => {
                assert_eq!(got, None, "line {number}: {shown}");
                malformed += u64::from(other == Outcome::Malformed);
            }
        }
    }
    assert_eq!(tally.malformed, malformed);
}

/// What the model leaves out: dates as texts, documents of Hugging Face's
/// Trainer, the iterations of MMCV, and what is beyond any log.
fn in_scope(line: &[u8]) -> bool {
    const OUT: [&[u8]; 7] = [
        b"time",
        b"\"ts\"",
        b"created_at",
        b"project",
        b"log_history",
        b"\"best_",
        b"\"mode\"",
    ];
    let lower = line.to_ascii_lowercase();
    let has = |word: &[u8]| lower.windows(word.len()).any(|part| part == word);
    line.len() < 1000 && !OUT.iter().any(|word| has(word))
}

// --- Text formats ------------------------------------------------------------

/// A format's name on a line of its own, and what that format alone reads; any
/// other name stands for none in particular.
fn formats_by_name(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n');
    let (name, input) = data.split_at(end.unwrap_or(data.len()));
    let input = input.get(1..).unwrap_or_default();
    let format = formats()
        .map(|about| about.name)
        .find(|known| known.as_bytes() == name);
    let options = Options {
        format,
        ..everything()
    };
    chunks_change_nothing(&options, input);
}

/// Progress bars, which write a line again and again.
fn bars(input: &[u8]) {
    chunks_change_nothing(&everything(), input);
    // Each shows a state of its own, whatever came before the carriage return.
    let lines: Vec<u8> = input
        .iter()
        .map(|byte| if *byte == b'\r' { b'\n' } else { *byte })
        .collect();
    chunks_change_nothing(&everything(), &lines);
}

fn csv(input: &[u8]) {
    forced("csv", input);
    chunks_change_nothing(&everything(), input);
}

/// Tracebacks and other events beside records.
fn crashes(input: &[u8]) {
    let after = [b"{\"step\": 1, \"loss\": 2.5}\n", input].concat();
    chunks_change_nothing(&everything(), &after);
}

/// Files of JSON, and of trackers.
fn documents(input: &[u8]) {
    for name in ["trainer-state", "json-document", "mlflow", "clearml"] {
        forced(name, input);
    }
}

/// Few bytes, again and again in lines or in one long line: work that grows
/// with what came before takes too long.
fn repeated(input: &[u8]) {
    if !input.is_empty() {
        let log = input.repeat((256 << 10) / input.len());
        let (segment, _) = read(&everything(), [&log[..]]);
        in_proportion(&segment, log.len(), 0);
    }
}

// --- Files -------------------------------------------------------------------

/// A file of TensorBoard's: as it is, or as events without their checksums.
fn tfevents(input: &[u8]) {
    forced("tfevents", input);
    forced("tfevents", &framing::tfevents(input));
}

/// A transaction log of Weights & Biases: as it is, or as chunks without their
/// checksums.
fn wandb(input: &[u8]) {
    forced("wandb", input);
    forced("wandb", &framing::wandb(input));
}

/// Compressed logs and archives of them; what they hold is decoded.
fn archives(mut input: &[u8]) {
    const ENOUGH: u64 = 1 << 20;
    let mut logs = 0;
    // A damaged archive is an error, and that is fine.
    let _ = each_log(&mut input, &mut |_, log| {
        logs += 1;
        let mut bytes = Vec::new();
        let _ = log.take(ENOUGH).read_to_end(&mut bytes);
        let (segment, _) = read(&everything(), [&bytes[..]]);
        in_proportion(&segment, bytes.len(), 0);
        logs < 100
    });
}

// --- What is promised --------------------------------------------------------

/// Reads an input as this format.
fn forced(format: &'static str, input: &[u8]) {
    let options = Options {
        format: Some(format),
        ..everything()
    };
    chunks_change_nothing(&options, input);
}

/// Decodes an input whole and in chunks whose size depends on its bytes.
fn chunks_change_nothing(options: &Options, input: &[u8]) {
    let sum = input.iter().fold(0_usize, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(usize::from(*byte))
    });
    let (whole, tally) = read(options, [input]);
    assert_eq!(tally.malformed > 0, tally.first_malformed.is_some());
    let shared = if options.format == Some("sqlite") {
        1 << 17
    } else {
        0
    };
    in_proportion(&whole, input.len(), shared);
    let (parts, in_parts) = read(options, input.chunks(1 + sum % 97));
    assert_eq!(flatten(&parts), flatten(&whole));
    assert_eq!(said(&parts), said(&whole));
    assert_eq!(in_parts, tally);
    edges_are_the_same(options, input);
}

/// Values of which only edges are asked are not all read. What is left is what
/// it is when everything is read.
fn edges_are_the_same(options: &Options, input: &[u8]) {
    const EDGES: Mask = 2;
    let asking = |interests: &Arc<Interests>| Options {
        interests: interests.clone(),
        ..options.clone()
    };
    static SOME: LazyLock<Arc<Interests>> = LazyLock::new(|| Arc::new(edges(Interests::default())));
    static ALL: LazyLock<Arc<Interests>> =
        LazyLock::new(|| Arc::new(edges(Interests::everything())));
    let (some, tally) = read(&asking(&SOME), [input]);
    let (all, of_all) = read(&asking(&ALL), [input]);
    assert_eq!(tally, of_all);
    assert_eq!(asked_by(&some, EDGES), asked_by(&all, EDGES));
}

/// The values that some detector asked for, in the order of the input.
fn asked_by(segment: &Segment, detector: Mask) -> Vec<String> {
    let mut values: Vec<_> = segment
        .batches
        .iter()
        .flat_map(|batch| {
            let run = &segment.runs[batch.run as usize];
            let asked = batch
                .values
                .iter()
                .filter(move |value| value.mask & detector != 0);
            asked.map(move |value| {
                let row = value.row as usize;
                let (place, step, rank) = (batch.places[row], batch.steps[row], batch.ranks[row]);
                let metric = &segment.metrics[value.metric as usize];
                let shown = format!(
                    "{}: {run:?} {rank} {step} {}={}",
                    place.line, metric.source, value.value
                );
                (place.order, shown)
            })
        })
        .collect();
    values.sort_by_key(|(order, _)| *order);
    values.into_iter().map(|(_, value)| value).collect()
}

/// These interests, and those of a second detector in edges.
fn edges(mut interests: Interests) -> Interests {
    let edges = Interest {
        kind: "metric".to_owned(),
        pattern: "*".to_owned(),
        options: vec![("values".to_owned(), "edges".to_owned())],
    };
    assert!(interests.add(1, &[edges]).is_empty());
    interests
}

fn read<'a>(options: &Options, chunks: impl IntoIterator<Item = &'a [u8]>) -> (Segment, Tally) {
    let mut decoder = Decoder::new(options.clone());
    for chunk in chunks {
        decoder.push(chunk);
    }
    decoder.finish();
    (decoder.take(), decoder.tally())
}

/// The texts of a segment, in the order of the input.
fn said(segment: &Segment) -> Vec<String> {
    let mut texts: Vec<_> = segment
        .batches
        .iter()
        .flat_map(|batch| {
            let place = |row: u32| batch.places[row as usize].order;
            batch.texts.iter().map(move |text| {
                let (kind, name, content) = (text.kind, &text.name, &text.content);
                let shown = format!("{kind} {name}: {content} {:?}", text.fields);
                (place(text.row), shown)
            })
        })
        .collect();
    texts.sort();
    texts.into_iter().map(|(_, text)| text).collect()
}

/// What is kept of an input is no more than some times its size. Rows may share
/// a database's pages, up to a point.
fn in_proportion(segment: &Segment, size: usize, shared: usize) {
    let batches = &segment.batches;
    let rows: usize = batches.iter().map(runwatch::record::RunBatch::len).sum();
    let values: usize = batches.iter().map(|batch| batch.values.len()).sum();
    let texts = batches.iter().flat_map(|batch| &batch.texts);
    let texts: usize = texts
        .map(|text| {
            let fields = text
                .fields
                .iter()
                .map(|(name, text)| name.len() + text.len());
            text.name.len() + text.content.len() + fields.sum::<usize>()
        })
        .sum();
    let names = segment.metrics.iter().map(|metric| metric.source.len());
    let names: usize = names.sum();
    let size = size + shared;
    assert!(rows <= size + 1, "{rows} rows of {size} bytes");
    assert!(values <= size, "{values} values of {size} bytes");
    assert!(
        texts <= 64 * size + 4096,
        "{texts} bytes of texts of {size} bytes"
    );
    assert!(
        names <= 64 * size + 4096,
        "{names} bytes of names of {size} bytes"
    );
}
