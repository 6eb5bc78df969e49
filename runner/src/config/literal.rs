//! Writing names and values: as TOML, and safely on one line.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text on one line: control characters are escaped.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// Whether a text looks as if it held a token, and must not be quoted: an
/// address with a user or a query, or a long piece with digits.
pub(crate) fn may_hold_a_token(text: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || "-_=+".contains(c);
    let token = |piece: &str| piece.len() >= 16 && piece.bytes().any(|byte| byte.is_ascii_digit());
    let address = text.contains("://") && text.contains(['@', '?', '#']);
    address || text.split(|c| !part(c)).any(token)
}

/// A key as TOML: bare where that is possible, else quoted.
pub(crate) fn key(name: &str) -> Cow<'_, str> {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(bare) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(text(name))
    }
}

/// A text as a TOML basic string on one line.
pub(crate) fn text(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('"');
    for character in value.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => {
                // Writing to a String does not fail.
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Texts as a TOML array.
pub(crate) fn list<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    let values: Vec<_> = values.into_iter().map(text).collect();
    format!("[{}]", values.join(", "))
}

/// A number in the shortest form that reads back as the same number, and is
/// both TOML and what a detector parses.
pub(crate) fn number(value: f64) -> String {
    let text = format!("{value:?}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn literals_read_back() {
        for value in ["", "a", "a\"b\\c", "zwölf\n\t\r\u{1}\u{7f}\u{85}", "C:\\x"] {
            let table: toml::Table = toml::from_str(&format!("a = {}", text(value))).unwrap();
            assert_eq!(table["a"].as_str(), Some(value));
            let table: toml::Table = toml::from_str(&format!("{} = 1", key(value))).unwrap();
            assert_eq!(table.keys().next().map(String::as_str), Some(value));
            assert!(!printable(value).chars().any(char::is_control));
        }
        assert_eq!(list(["a", "b\""]), r#"["a", "b\""]"#);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(number(128.0), "128");
        assert_eq!(number(0.1), "0.1");
        assert_eq!(number(1e-7), "1e-7");
        assert_eq!(number(1e300), "1e300");
    }
}
