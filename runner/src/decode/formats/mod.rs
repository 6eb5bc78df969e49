//! The formats, in the order in which they are asked, and who takes a line.

use super::Options;
use super::dialect::{DICTS, JSONS};
use super::format::{About, FileFormat, Format, Line, Out};

mod accelerate;
mod boxes;
mod catboost;
mod cleanrl;
mod clearml;
mod colbert;
mod csv;
mod cyclegan;
mod darknet;
mod deepspeed;
mod detectron2;
mod documents;
mod fairseq;
mod fields;
mod imagenet;
mod json_document;
mod keras;
mod kohya;
mod lightgbm;
mod lightning;
mod llama_cpp;
mod llmc;
mod maxtext;
mod megatron;
mod metric_logger;
mod minimind;
mod mlflow;
mod mlperf;
mod mmengine;
mod modded_nanogpt;
mod mxnet;
mod nanochat;
mod nanogpt;
mod nemo;
mod nsa_csv;
mod numbered;
mod olmo;
mod openpi;
mod openrlhf;
mod paddle;
pub(super) mod pattern;
mod protobuf;
mod pytorch_examples;
mod rllib;
mod serving;
pub(crate) mod sqlite;
#[cfg(test)]
pub(in crate::decode) mod testing;
mod tfevents;
mod timm;
mod torchtitan;
mod torchtune;
mod tqdm;
mod trainer_state;
mod ultralytics;
mod verl;
mod wandb;
mod xgboost;

pub(super) use trainer_state::in_a_line as trainer_state;

/// An entry of the table of text formats.
pub(crate) struct Entry {
    pub(crate) about: About,
    /// The bytes that its lines begin with, so that it need not be asked about
    /// others; none if it looks at every line. Progress bars are shown to all.
    pub(crate) begins: &'static [u8],
    pub(crate) new: fn() -> Box<dyn Format>,
}

/// An entry of the table of file formats.
pub(crate) struct FileEntry {
    pub(crate) about: About,
    /// Whether a file that begins so is of this format; `None` when more bytes
    /// must be seen. At most [`HEAD`] bytes are shown.
    pub(crate) sniff: fn(&[u8]) -> Option<bool>,
    pub(crate) new: fn() -> Box<dyn FileFormat>,
}

/// The most bytes of a file that [`FileEntry::sniff`] sees.
pub(crate) const HEAD: usize = 32;

/// The text formats. What is more particular stands first.
pub(crate) const TEXT: &[Entry] = &[
    nemo::ENTRY,
    kohya::ENTRY,
    openrlhf::ENTRY,
    llama_cpp::ENTRY,
    olmo::ENTRY,
    megatron::ENTRY,
    deepspeed::ENTRY,
    modded_nanogpt::ENTRY,
    verl::ENTRY,
    torchtune::ENTRY,
    torchtitan::ENTRY,
    nanochat::ENTRY,
    llmc::ENTRY,
    nanogpt::ENTRY,
    openpi::ENTRY,
    maxtext::ENTRY,
    minimind::ENTRY,
    fairseq::ENTRY,
    accelerate::ENTRY,
    boxes::ENTRY,
    cleanrl::ENTRY,
    rllib::ENTRY,
    serving::VLLM,
    serving::SGLANG,
    mlperf::ENTRY,
    lightning::ENTRY,
    keras::ENTRY,
    ultralytics::ENTRY,
    mmengine::ENTRY,
    detectron2::ENTRY,
    metric_logger::ENTRY,
    imagenet::ENTRY,
    timm::ENTRY,
    paddle::ENTRY,
    mxnet::ENTRY,
    darknet::ENTRY,
    xgboost::ENTRY,
    lightgbm::ENTRY,
    catboost::ENTRY,
    colbert::ENTRY,
    cyclegan::ENTRY,
    pytorch_examples::ENTRY,
    clearml::ENTRY,
    json_document::ENTRY,
    mlflow::ENTRY,
    nsa_csv::ENTRY,
    tqdm::ENTRY,
    numbered::ENTRY,
    csv::ENTRY,
];

/// The file formats.
pub(crate) const FILES: &[FileEntry] = &[
    tfevents::ENTRY,
    wandb::ENTRY,
    sqlite::ENTRY,
    trainer_state::ENTRY,
];

/// What JSON lines are called.
pub(crate) const JSON: &str = "jsonl";
/// What Python dicts are called.
pub(crate) const DICT: &str = "python-dict";
/// What lines of keys and numbers in no known format are called.
pub(crate) const PAIRS: &str = "key-value";

/// Whether this is the name of a general reader.
pub(crate) fn is_general(name: &str) -> bool {
    GENERAL.iter().any(|general| general.name == name)
}

/// The general readers, which take what no format takes.
const GENERAL: [About; 3] = [
    About {
        name: JSON,
        title: "JSON lines of any program",
        example: r#"{"step": 10, "loss": 2.5, "lr": 0.001}"#,
        step: "`step`, `iteration`, `global_step` and the like",
    },
    About {
        name: DICT,
        title: "Python dicts of any program",
        example: "{'step': 10, 'loss': 2.5, 'accuracy': 0.25}",
        step: "the progress bar beside it, else counted",
    },
    About {
        name: PAIRS,
        title: "Lines of keys and numbers of any program",
        example: "step 10 | loss: 2.5 | lr 1e-4",
        step: "`step`, `iter` and the like",
    },
];

/// Every format, for people.
pub fn all() -> impl Iterator<Item = &'static About> {
    let files = FILES.iter().map(|entry| &entry.about);
    let text = TEXT.iter().map(|entry| &entry.about);
    let tables = csv::DIALECTS.iter().map(|dialect| &dialect.about);
    let tables = tables.chain([&boxes::PLAIN]);
    let objects = JSONS.iter().chain(&DICTS).map(|dialect| &dialect.about);
    let known = files.chain(text).chain(tables).chain(objects);
    known.chain(&GENERAL)
}

/// Where bars stand among the first bytes of lines.
const BARS: usize = 256;

/// The text formats at work on one input.
pub(super) struct Formats {
    all: Vec<(&'static str, Box<dyn Format>)>,
    /// Which of them to ask about lines that begin with a byte, and about bars.
    asked: Vec<Vec<usize>>,
    /// The one that took the last line that any took.
    active: Option<usize>,
}

impl Formats {
    /// The user's formats and all others, or only the one that is asked for.
    pub(super) fn new(options: &Options) -> Self {
        let own = options.patterns.iter().map(|pattern| {
            let format: Box<dyn Format> = Box::new(pattern.clone());
            (pattern.name(), &b""[..], format)
        });
        let known = TEXT
            .iter()
            .map(|entry| (entry.about.name, entry.begins, (entry.new)()));
        let asked = |name: &str| options.format.is_none_or(|only| only == name);
        let mut formats = Self {
            all: Vec::with_capacity(TEXT.len()),
            asked: vec![Vec::new(); BARS + 1],
            active: None,
        };
        for (name, bytes, format) in own.chain(known).filter(|(name, ..)| asked(name)) {
            let at = formats.all.len();
            for (first, asked) in formats.asked.iter_mut().enumerate() {
                let begins = bytes.iter().any(|byte| usize::from(*byte) == first);
                if begins || bytes.is_empty() || first == BARS {
                    asked.push(at);
                }
            }
            formats.all.push((name, format));
        }
        formats
    }

    /// Shows a line around, and says whether one took it.
    pub(super) fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        let Self { all, asked, active } = self;
        let active = *active;
        let mut takes = |at: usize| {
            let (name, format) = &mut all[at];
            format.line(line, out.of(name))
        };
        if active.is_some_and(&mut takes) {
            return true;
        }
        let first = match (line.bar, line.text.first()) {
            (None, Some(first)) => usize::from(*first),
            _ => BARS,
        };
        let mut others = asked[first].iter().filter(|at| active != Some(**at));
        match others.find(|at| takes(**at)) {
            Some(&taker) => {
                self.become_active(taker, out);
                true
            }
            None => false,
        }
    }

    /// Asks every format about every line, whatever it begins with.
    #[cfg(test)]
    fn ask_about_all(&mut self) {
        let all = self.asked[BARS].clone();
        self.asked.fill(all);
    }

    fn become_active(&mut self, at: usize, out: &mut Out<'_>) {
        if let Some(before) = self.active.replace(at) {
            let (name, format) = &mut self.all[before];
            format.finish(out.of(name));
        }
    }

    /// No more lines will come for now: blocks that are open are over.
    pub(super) fn finish(&mut self, out: &mut Out<'_>) {
        if let Some(active) = self.active {
            let (name, format) = &mut self.all[active];
            format.finish(out.of(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{decoder, formats, in_chunks, records, shown};
    use super::*;

    fn texts() -> impl Iterator<Item = &'static About> {
        all().skip(FILES.len())
    }

    #[test]
    fn every_example_is_read_by_its_format() {
        let wrong: Vec<_> = texts()
            .map(|about| (about.name, formats(about.example)))
            .filter(|(name, found)| found != &[*name])
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn chunks_change_nothing() {
        for about in texts() {
            let log = format!("{0}\nplain text\n{0}\n", about.example);
            let whole = records(&log);
            for size in [1, 2, 3, 5, 7, 64] {
                let chunks: Vec<&[u8]> = log.as_bytes().chunks(size).collect();
                assert_eq!(in_chunks(&chunks), whole, "{} by {size}", about.name);
            }
        }
    }

    /// Found by fuzzing: complete lines were read where they stood, though a
    /// traceback was open, and lines in pieces were not.
    #[test]
    fn chunks_change_nothing_beside_tracebacks() {
        let json = "{\"step\": 7, \"loss\": 2.5}\n".repeat(20);
        let open = "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n";
        let quoted =
            "{\"step\": 8, \"text\": \"Traceback (most recent call last):\", \"loss\": 3}\n";
        let log = format!("{json}{open}{json}{quoted}{json}");
        let whole = records(&log);
        assert!(
            whole
                .iter()
                .any(|record| record.starts_with("step 8: loss=3"))
        );
        for size in [1, 7, 30, 100] {
            let chunks: Vec<&[u8]> = log.as_bytes().chunks(size).collect();
            assert_eq!(in_chunks(&chunks), whole, "by {size}");
        }
    }

    /// A format that is not asked about some lines would not take them.
    #[test]
    fn formats_take_lines_that_begin_as_they_say() {
        for entry in TEXT {
            let example = entry.about.example;
            let lines = example.lines().flat_map(|line| {
                (b' '..=b'~').flat_map(move |first| {
                    let first = char::from(first);
                    let rest = line.get(1..).unwrap_or_default();
                    [format!("{first}{rest}\n"), format!("{first}{line}\n")]
                })
            });
            let lines: Vec<_> = std::iter::once(format!("{example}\n"))
                .chain(lines)
                .collect();
            let [as_they_say, about_all] = [false, true].map(|about_all| {
                let mut decoder = decoder();
                if about_all {
                    decoder.formats.ask_about_all();
                }
                for line in &lines {
                    // The one that took the last line is asked about any line.
                    decoder.formats.active = None;
                    decoder.push(line.as_bytes());
                }
                decoder.finish();
                (shown(&decoder.take()), decoder.tally())
            });
            assert_eq!(as_they_say, about_all, "{}", entry.about.name);
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> = all().map(|about| about.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
