//! JSON printed over several lines, and arrays of objects.
//!
//! ```text
//! {                            [{"step": 1, "loss": 2.5}, {"step": 2, …
//!   "step": 10,
//!   "loss": 2.5
//! }
//! ```
//!
//! A document begins on a line with a bracket and nothing else, or with an
//! array of objects; the lines up to its end belong to it if they look like
//! lines of JSON.

use super::Entry;
use super::documents::Documents;
use crate::decode::format::{About, Format, Line, Out};
use crate::decode::number::spelled;

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "json-document",
        title: "JSON objects printed over several lines, arrays of JSON objects",
        example: r#"[{"step": 10, "loss": 2.5}, {"step": 20, "loss": 2.25}]"#,
        step: "`step`, `iteration`, `global_step` and the like",
    },
    begins: b"",
    new: || Box::<Document>::default(),
};

#[derive(Default)]
struct Document(Documents);

impl Format for Document {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        let text = line.text;
        let belongs = if self.0.is_open() {
            continues(text)
        } else {
            begins(text)
        };
        if !belongs {
            self.0 = Documents::default();
            return false;
        }
        let whole = self.0.push(text, line.number, out).is_ok() && !self.0.is_in_text();
        if !whole {
            // What was read of a line that breaks off is read all the same.
            let read = self.0.records() > 0;
            self.0 = Documents::default();
            return read && text.len() > 1;
        }
        true
    }
}

fn begins(text: &[u8]) -> bool {
    let inner = match text {
        b"{" | b"[" => return true,
        [b'[', inner @ ..] => inner.trim_ascii_start(),
        _ => return false,
    };
    let [b'{', inner @ ..] = inner else {
        return false;
    };
    inner.is_empty() || inner.trim_ascii_start().starts_with(b"\"")
}

/// Whether a line may stand within a document.
fn continues(text: &[u8]) -> bool {
    match text {
        [b'"' | b'{' | b'}' | b']', ..] => true,
        [b'[', inner @ ..] => inner
            .trim_ascii_start()
            .first()
            .is_none_or(|byte| b"\"{[]-0123456789tfnNI".contains(byte)),
        _ => {
            let value = text.strip_suffix(b",").unwrap_or(text);
            matches!(value, b"true" | b"false" | b"null") || spelled(value).is_some()
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, malformed, records, records_in_chunks};

    #[test]
    fn objects_over_several_lines() {
        let log = "start\n{\n  \"step\": 1,\n  \"loss\": 2.5,\n  \"opt\": {\n    \"lr\": 0.1\n  },\n  \
                   \"betas\": [\n    0.9,\n    0.99\n  ]\n}\r\nstep 2 loss 2.25 lr 0.1\n\
                   {\n    \"step\": 3,\n    \"loss\": NaN\n}\n";
        let expected = [
            "step 1: loss=2.5 opt/lr=0.1",
            "step 2: loss=2.25 lr=0.1",
            "step 3: loss=NaN",
        ];
        assert_eq!(records(log), expected);
        assert_eq!(formats(log), ["json-document", "key-value"]);
        for size in [1, 5, 64] {
            assert_eq!(records_in_chunks(log, size), expected, "{size}");
        }
    }

    #[test]
    fn arrays_of_objects() {
        let line = r#"[{"step": 1, "loss": 2.5}, {"step": 2, "loss": 2.25, "x": [{"step": 7}]}]"#;
        let expected = ["step 1: loss=2.5", "step 2: loss=2.25"];
        assert_eq!(records(line), expected);
        assert_eq!(formats(line), ["json-document"]);
        let lines = "[\n{\"step\": 1, \"loss\": 2.5},\n{\"step\": 2, \"loss\": 2.25}\n]\n";
        assert_eq!(records(lines), expected);
        let printed = "[\n  {\n    \"step\": 1,\n    \"loss\": 2.5\n  },\n  {\n    \"step\": 2,\n    \
                       \"loss\": 2.25\n  }\n]\n";
        assert_eq!(records(printed), expected);
        // Broken off in the middle.
        assert_eq!(records(&line[..line.len() - 20]), expected[..1]);
    }

    #[test]
    fn configurations_are_no_records() {
        let config = "{\n  \"learning_rate\": 0.1,\n  \"epochs\": 3,\n  \"norm\": 1.0,\n  \
                      \"layers\": [\n    {\n      \"size\": 4\n    }\n  ]\n}\nstep 1 loss 2.5\n";
        assert_eq!(records(config), ["step 1: loss=2.5"]);
        assert_eq!(malformed(config).0, 0);
    }

    #[test]
    fn what_is_no_json_ends_a_document() {
        for start in ["{", "[", "[{", "{\n\"a\": 1,", "{\n\"a\": \"b", "{\n}\n}"] {
            let log = format!("{start}\nstep 1 loss 2.5\n");
            assert_eq!(records(&log), ["step 1: loss=2.5"], "{start}");
            assert_eq!(malformed(&log).0, 0, "{start}");
        }
        let deep = "[\n".repeat(1_000);
        assert_eq!(
            records(format!("{deep}step 1 loss 2.5\n")),
            ["step 1: loss=2.5"]
        );
    }
}
