//! A line as cells.

use memchr::memchr;

use crate::decode::number::spelled;

/// What stands in a cell.
pub(super) enum Cell<'a> {
    /// Nothing was logged.
    Empty,
    Number(f64),
    /// A name, a time, a list.
    Text(&'a [u8]),
}

/// Reads what stands in a cell.
pub(super) fn cell_of(text: &[u8]) -> Cell<'_> {
    if let b"" | b"NA" | b"N/A" | b"None" | b"null" | b"<NA>" | b"-" = text {
        return Cell::Empty;
    }
    match spelled(text) {
        // `17e4051` is the beginning of a hash, not a number.
        Some((value, _)) if value.is_infinite() && text.iter().any(u8::is_ascii_digit) => {
            Cell::Text(text)
        }
        Some((value, _)) => Cell::Number(value),
        None => Cell::Text(text),
    }
}

/// The cells of a line, without the blanks and the quotes around them. Quotes
/// within quotes stay doubled.
pub(super) fn cells(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> + Clone {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        // A separator within quotes separates nothing.
        let from = match text.trim_ascii_start() {
            [b'"', inside @ ..] => closing_quote(text, text.len() - inside.len()),
            _ => 0,
        };
        let end = find(separator, &text[from..]).map(|end| from + end);
        rest = end.map(|end| &text[end + 1..]);
        let cell = text[..end.unwrap_or(text.len())].trim_ascii();
        let inside = cell
            .strip_prefix(b"\"")
            .and_then(|cell| cell.strip_suffix(b"\""));
        Some(inside.map_or(cell, <[u8]>::trim_ascii))
    })
}

/// Where a separator stands: most are near, where a search would cost more than
/// looking.
fn find(separator: u8, text: &[u8]) -> Option<usize> {
    let (near, far) = text.split_at(text.len().min(NEAR));
    let at = near.iter().position(|byte| *byte == separator);
    at.or_else(|| Some(NEAR + memchr(separator, far)?))
}

const NEAR: usize = 12;

/// Where the quote closes that opened before `at`: the first that is not
/// doubled. One that never closes is a character like others.
fn closing_quote(text: &[u8], at: usize) -> usize {
    let mut from = at;
    while let Some(quote) = memchr(b'"', &text[from..]) {
        from += quote + 1;
        if text.get(from) != Some(&b'"') {
            return from;
        }
        from += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_that_never_close() {
        let cells = |text: &'static str| cells(text.as_bytes(), b',').collect::<Vec<_>>();
        assert_eq!(cells("\"a,b\" ,c"), [b"a,b", &b"c"[..]]);
        assert_eq!(cells("\"a\"\",b\",c"), [b"a\"\",b", &b"c"[..]]);
        assert_eq!(cells("\"a,b"), [b"\"a", &b"b"[..]]);
        assert_eq!(cells(",\""), [b"", &b"\""[..]]);
        assert_eq!(cells("\""), [b"\""]);
    }
}
