//! Which exceptions are the same: type, place and message, without what differs
//! from one time to the next.

use runwatch_detector::Text;
use runwatch_detector::text::{first_line, head, last_part};

/// Bytes of a message that tell it from others.
const TELLING: usize = 160;
/// Bytes of a message that are looked at.
const MASKED: usize = 2048;

/// The type. Two processes that write at once mix their letters:
/// `ValueErrorValueError` is `ValueError`.
pub(crate) fn kind(name: &str) -> &str {
    let parts = [4, 3, 2];
    let repeated = parts.iter().find_map(|&times| {
        let part = name.get(..name.len() / times)?;
        let whole = !part.is_empty() && part.repeat(times) == name;
        (whole && part.ends_with("Error")).then_some(part)
    });
    repeated.unwrap_or(name)
}

/// `ValueError train.py:main`.
pub(crate) fn place(text: &Text) -> String {
    let frame = text.field("frame").unwrap_or_default();
    let (file, function) = frame.split_once(" in ").unwrap_or((frame, ""));
    // The line moves when somebody edits the file.
    let file = match file.rsplit_once(':') {
        Some((file, line)) if line.bytes().all(|b| b.is_ascii_digit()) => file,
        _ => file,
    };
    let file = file.rsplit(['/', '\\']).next().unwrap_or(file);
    format!(
        "{} {}:{}",
        last_part(kind(&text.name)),
        masked(file),
        masked(function)
    )
}

/// The message's first line, masked.
pub(crate) fn message(text: &Text) -> String {
    let line = first_line(&text.content).trim_start_matches([':', ' ']);
    // Masked before it is cut: numbers and paths differ in their lengths.
    let whole = masked(head(line, MASKED));
    head(&whole, TELLING).to_owned()
}

/// The text with `#` for numbers and addresses and `/` for paths.
fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, word) in text.split(' ').enumerate() {
        if at > 0 {
            out.push(' ');
        }
        mask_word(word, &mut out);
    }
    out
}

fn mask_word(word: &str, out: &mut String) {
    let slashes = word.bytes().filter(|b| matches!(b, b'/' | b'\\')).count();
    if slashes >= 2 || (slashes == 1 && word.trim_start_matches(['\'', '"', '(']).starts_with('/'))
    {
        out.push('/');
        return;
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let width = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        if width == 0 {
            out.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            continue;
        }
        let (part, after) = rest.split_at(width);
        mask_part(part, out);
        rest = after;
    }
}

/// A run of letters and digits.
fn mask_part(part: &str, out: &mut String) {
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    let hex = part.strip_prefix("0x").unwrap_or(part);
    let is_hex = digits > 0 && hex.len() >= 6 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hex || part.starts_with("0x") {
        out.push('#');
        return;
    }
    let mut was_digit = false;
    for c in part.chars() {
        let is_digit = c.is_ascii_digit();
        if !is_digit {
            out.push(c);
        } else if !was_digit {
            out.push('#');
        }
        was_digit = is_digit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_each_time_is_masked() {
        for (text, expected) in [
            (
                "index 12 is out of bounds for axis 0 with size 7",
                "index # is out of bounds for axis # with size #",
            ),
            ("No such file: '/data/a/b.jpg'", "No such file: /"),
            ("<Tensor at 0x7f1d36ff98e0>", "<Tensor at #>"),
            (
                "The actor d5a12869ca846683c2e9884001000000 is gone",
                "The actor # is gone",
            ),
            ("127.0.0.1:44223", "#.#.#.#:#"),
            ("facade added", "facade added"),
            ("layer12.weight", "layer#.weight"),
            ("3 / 4", "# / #"),
            ("naïve é12", "naïve é#"),
        ] {
            assert_eq!(masked(text), expected, "{text}");
        }
    }

    #[test]
    fn mixed_letters_of_two_processes() {
        assert_eq!(kind("ValueErrorValueError"), "ValueError");
        assert_eq!(kind("KeyErrorKeyErrorKeyError"), "KeyError");
        assert_eq!(kind("ValueError"), "ValueError");
        assert_eq!(kind("aa"), "aa");
        assert_eq!(kind(""), "");
    }
}
