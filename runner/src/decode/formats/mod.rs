//! The formats, in the order in which they are asked, and who takes a line.

use super::format::{About, FileFormat, Format, Line, Out};

mod nanogpt;
#[cfg(test)]
pub(in crate::decode) mod testing;

/// An entry of the table of text formats.
pub(crate) struct Entry {
    pub(crate) about: About,
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
pub(crate) const TEXT: &[Entry] = &[nanogpt::ENTRY];

/// The file formats.
pub(crate) const FILES: &[FileEntry] = &[];

/// What JSON lines are called.
pub(crate) const JSON: &str = "jsonl";
/// What Python dicts are called.
pub(crate) const DICT: &str = "python-dict";
/// What lines of keys and numbers in no known format are called.
pub(crate) const PAIRS: &str = "key-value";

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
        title: "Python dicts, as Hugging Face's Trainer prints them",
        example: "{'loss': 2.5, 'grad_norm': 0.9, 'learning_rate': 0.001, 'epoch': 0.04}",
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
    files.chain(text).chain(&GENERAL)
}

/// The text formats at work on one input.
#[derive(Default)]
pub(super) struct Formats {
    all: Vec<Box<dyn Format>>,
    /// The one that took the last line that any took.
    active: Option<usize>,
}

impl Formats {
    pub(super) fn new() -> Self {
        Self {
            all: TEXT.iter().map(|entry| (entry.new)()).collect(),
            active: None,
        }
    }

    /// Shows a line around, and says whether one took it.
    pub(super) fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        if let Some(active) = self.active
            && self.all[active].line(line, out.of(TEXT[active].about.name))
        {
            return true;
        }
        for (at, format) in self.all.iter_mut().enumerate() {
            if self.active != Some(at) && format.line(line, out.of(TEXT[at].about.name)) {
                self.become_active(at, out);
                return true;
            }
        }
        false
    }

    fn become_active(&mut self, at: usize, out: &mut Out<'_>) {
        if let Some(before) = self.active.replace(at) {
            self.all[before].finish(out.of(TEXT[before].about.name));
        }
    }

    /// No more lines will come for now: blocks that are open are over.
    pub(super) fn finish(&mut self, out: &mut Out<'_>) {
        if let Some(active) = self.active {
            self.all[active].finish(out.of(TEXT[active].about.name));
        }
    }
}
