//! Hugging Face's `trainer_state.json`.
//!
//! ```text
//! {"best_metric": null, …, "log_history": [{"epoch": 0.02, "loss": 3.5,
//! "step": 10}, …], "max_steps": 400, …}
//! ```
//!
//! The Trainer prints it with sorted keys over many lines; tools write it again
//! in one line, which may be longer than the longest line. The entries of
//! `log_history` are records; the rest is no record.

use super::FileEntry;
use super::documents::Documents;
use crate::decode::Inner;
use crate::decode::format::{About, FileFormat, Out};

use memchr::{memchr, memmem};

pub(super) const ENTRY: FileEntry = FileEntry {
    about: About {
        name: NAME,
        title: "Hugging Face Trainer's trainer_state.json",
        example: r#"{"best_metric": null, "epoch": 1.6, "log_history": [{"epoch": 0.04, "loss": 3.5, "step": 10}]}"#,
        step: "`step`",
    },
    sniff,
    new: || Box::<State>::default(),
};

const NAME: &str = "trainer-state";

/// Whether a file's first key is one of those that come first in sorted order
/// in some version of the Trainer. Other orders are for
/// [`json_document`](super::json_document) and [`in_a_line`].
fn sniff(head: &[u8]) -> Option<bool> {
    const KEYS: [&[u8]; 4] = [
        b"\"best_global_step\"",
        b"\"best_metric\"",
        b"\"best_model_checkpoint\"",
        b"\"log_history\"",
    ];
    let mark: &[u8] = b"\xef\xbb\xbf";
    let head = head.strip_prefix(mark).unwrap_or(head);
    if head.is_empty() || mark.starts_with(head) {
        return None;
    }
    let key = head.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    let Some(key) = key else {
        return Some(false);
    };
    if KEYS.iter().any(|name| key.starts_with(name)) {
        return Some(true);
    }
    let open = KEYS.iter().any(|name| name.starts_with(key));
    if open { None } else { Some(false) }
}

/// A file that begins as such a document does.
#[derive(Default)]
struct State {
    documents: Documents,
    /// The number of line feeds so far.
    ended: u64,
    broken: bool,
}

impl FileFormat for State {
    fn push(&mut self, mut bytes: &[u8], out: &mut Out<'_>) {
        while !bytes.is_empty() && !self.broken {
            let end = memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
            let (line, rest) = bytes.split_at(end);
            bytes = rest;
            let number = self.ended + 1;
            out.lines(number);
            if self.documents.push(line, number, out).is_err() {
                out.malformed(number, "the JSON document breaks off");
                self.broken = true;
            }
            self.ended += u64::from(line.ends_with(b"\n"));
        }
    }
}

/// Reads such a document in one line; `None` when it is something else.
pub(in crate::decode) fn in_a_line(number: u64, line: &[u8], inner: &mut Inner) -> Option<bool> {
    let key = memmem::find(line, b"\"log_history\"")? + b"\"log_history\"".len();
    let value = line[key..].trim_ascii_start().strip_prefix(b":")?;
    if !value.trim_ascii_start().starts_with(b"[") {
        return None;
    }
    let mut documents = Documents::default();
    let _ = documents.push(line, number, &mut Out::new(inner, NAME));
    Some(documents.records() > 0)
}

#[cfg(test)]
mod tests {
    use super::sniff;
    use crate::decode::formats::testing::{formats, malformed, records, records_in_chunks};

    const MINIFIED: &str = "{\"best_metric\": null, \"epoch\": 1.6, \"global_step\": 20, \
        \"log_history\": [{\"epoch\": 0.5, \"loss\": 3.5, \"step\": 10}, {\"epoch\": 1.0, \"eval_loss\": NaN, \
        \"step\": 10}, {\"epoch\": 1.5, \"loss\": 2.5, \"step\": 20}], \"max_steps\": 20, \
        \"stateful_callbacks\": {\"x\": {\"args\": {\"y\": true}}}, \"trial\": \"a {[\\\" b\"}";

    const RECORDS: [&str; 3] = [
        "step 10: epoch=0.5 loss=3.5",
        "step 10: epoch=1 eval_loss=NaN",
        "step 20: epoch=1.5 loss=2.5",
    ];

    /// Every value on a line of its own, as `indent=2` does.
    fn printed(document: &str, end: &str) -> String {
        let mut text = document.replace(", ", &format!(",{end}  "));
        for (bracket, alone) in [("{", format!("{{{end}")), ("[", format!("[{end}"))] {
            text = text.replace(bracket, &alone);
        }
        text = text.replace('}', &format!("{end}}}"));
        text.replace(&format!("a {{{end}[{end}"), "a {[") + end
    }

    #[test]
    fn in_one_line_and_in_many() {
        let printed_file = printed(MINIFIED, "\n  ");
        let windows = format!("\u{feff}{}", printed(MINIFIED, "\r\n"));
        for file in [MINIFIED, &printed_file, &windows] {
            assert_eq!(records(file), RECORDS, "{file}");
            assert_eq!(formats(file), ["trainer-state"]);
            assert_eq!(malformed(file).0, 0);
            for size in [1, 2, 31, 32, 33] {
                assert_eq!(records_in_chunks(file, size), RECORDS, "{size}");
            }
        }
    }

    #[test]
    fn other_orders_of_keys() {
        let minified = MINIFIED.replacen("\"best_metric\": null, ", "", 1);
        assert_eq!(records(&minified), RECORDS);
        assert_eq!(formats(&minified), ["trainer-state"]);
        let file = printed(&minified, "\n");
        assert_eq!(records(&file), RECORDS);
        assert_eq!(formats(&file), ["json-document"]);
        let windows = format!("\u{feff}{}", printed(&minified, "\r\n"));
        assert_eq!(records(windows), RECORDS);
    }

    #[test]
    fn longer_than_a_line_may_be() {
        let note = "x".repeat(50_000);
        let entry = format!("{{\"step\": 1, \"loss\": 0.5, \"note\": \"{note}\"}}, ");
        let mut file = String::from("{\"best_metric\": 1, \"log_history\": [");
        file.push_str(&entry.repeat(50));
        assert_eq!(records(&file).len(), 50);
        // An entry too long costs itself.
        let text = "x".repeat(2 << 20);
        let file = format!(
            "{{\"best_metric\": 1, \"log_history\": [{{\"a\": \"{text}\"}}, {{\"step\": 1, \"loss\": 2}}]}}"
        );
        assert_eq!(records(&file), ["step 1: loss=2"]);
        assert_eq!(malformed(&file).0, 1);
    }

    #[test]
    fn a_torn_file() {
        let end = MINIFIED.find("\"eval_loss\"").unwrap_or_default();
        assert_eq!(records(&MINIFIED[..end]), RECORDS[..1]);
    }

    #[test]
    fn lines_of_json_stay_text() {
        for text in [
            "{\"loss\": 1, \"best_metric\": 2}\n",
            "{'best_metric'",
            "step",
            "{\"bestow\"",
        ] {
            assert_eq!(sniff(text.as_bytes()), Some(false), "{text}");
        }
        for text in ["", "{", "{\n  \"best", "\u{feff}"] {
            assert_eq!(sniff(text.as_bytes()), None, "{text}");
        }
    }
}
