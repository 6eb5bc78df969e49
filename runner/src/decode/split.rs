//! Lines taken apart: columns, and keys with their values.

use super::keyvalue::{self, Value};

/// The longest key; what is longer is prose with a colon in it.
const LONGEST_KEY: usize = 120;

/// What stands between the bars of `a | b | c`, without blanks around it.
pub(crate) fn columns(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|b| *b == b'|').map(<[u8]>::trim_ascii)
}

/// A text that is a number with at most a unit and a remark in parentheses:
/// `131.31ms`, `1,024`, `156.33GiB(87.65%)`.
pub(crate) fn quantity(text: &[u8]) -> Option<f64> {
    let (value, len) = keyvalue::number(text)?;
    let rest = text[len..].trim_ascii();
    (rest.is_empty() || remark(rest) == rest.len()).then_some(value)
}

/// A key and a number with nothing but blanks between: `val loss 2.5`.
pub(crate) fn worded(text: &[u8]) -> Option<(&[u8], f64)> {
    let at = text.iter().rposition(|b| *b == b' ')?;
    let key = text[..at].trim_ascii();
    (!key.is_empty()).then_some((key, quantity(&text[at + 1..])?))
}

/// The length of `(87.65%)` at the start.
fn remark(text: &[u8]) -> usize {
    if text.first() != Some(&b'(') {
        return 0;
    }
    let close = text.iter().take(48).position(|b| *b == b')');
    close.map_or(0, |close| close + 1)
}

/// The pairs of `loss: 2.5 lr: 1e-4`, `loss=2.5, lr=1e-4`, `a: 1 | b: 2`. Keys
/// may have blanks; a value that is no number is one word.
#[derive(Debug, Clone)]
pub(crate) struct Pairs<'a> {
    rest: &'a [u8],
    mark: u8,
}

impl<'a> Pairs<'a> {
    /// Pairs with this mark between key and value.
    pub(crate) fn new(text: &'a [u8], mark: u8) -> Self {
        let mut pairs = Self { rest: text, mark };
        pairs.skip_between();
        pairs
    }

    /// Whether nothing is left. What is left when the pairs end is none.
    pub(crate) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// Skips what stands between pairs.
    fn skip_between(&mut self) {
        let between = |b: &u8| b.is_ascii_whitespace() || matches!(b, b',' | b'|');
        let start = self.rest.iter().position(|b| !between(b));
        self.rest = &self.rest[start.unwrap_or(self.rest.len())..];
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let near = &self.rest[..self.rest.len().min(LONGEST_KEY)];
        let end = memchr::memchr2(self.mark, b'|', near)?;
        let key = self.rest[..end].trim_ascii();
        if self.rest[end] != self.mark || key.is_empty() {
            return None;
        }
        let after = self.rest[end + 1..].trim_ascii_start();
        let (value, len) = value(after)?;
        self.rest = &after[len..];
        self.skip_between();
        Some((key, value))
    }
}

/// The value at the start, and its length.
fn value(text: &[u8]) -> Option<(Value<'_>, usize)> {
    if let Some((value, len)) = keyvalue::number(text) {
        return Some((Value::Number(value), len + remark(&text[len..])));
    }
    let end = text
        .iter()
        .position(|b| b.is_ascii_whitespace() || matches!(b, b',' | b'|'))
        .unwrap_or(text.len());
    (end > 0).then_some((Value::Text(&text[..end]), end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, mark: u8) -> (Vec<(String, String)>, bool) {
        let mut pairs = Pairs::new(text.as_bytes(), mark);
        let mut found = Vec::new();
        for (key, value) in &mut pairs {
            let value = match value {
                Value::Number(value) => value.to_string(),
                Value::Text(text) => format!("{:?}", String::from_utf8_lossy(text)),
            };
            found.push((String::from_utf8_lossy(key).into_owned(), value));
        }
        (found, pairs.is_done())
    }

    #[test]
    fn pairs() {
        let (found, done) = read("loss: 2.5 grad norm: NAN | tps: 11,047, mfu: N/A", b':');
        let found: Vec<_> = found.iter().map(|(k, v)| (&k[..], &v[..])).collect();
        assert_eq!(
            found,
            [
                ("loss", "2.5"),
                ("grad norm", "NaN"),
                ("tps", "11047"),
                ("mfu", "\"N/A\"")
            ]
        );
        assert!(done);
        let (found, done) = read("memory: 1.5GiB(8.65%)  x", b':');
        assert_eq!(found, [("memory".to_owned(), "1.5".to_owned())]);
        assert!(!done);
        assert_eq!(read("", b'='), (vec![], true));
        assert_eq!(read("=3", b'='), (vec![], false));
        assert_eq!(read("a=", b'='), (vec![], false));
    }

    #[test]
    fn quantities() {
        assert_eq!(quantity(b"156.33GiB(87.65%)"), Some(156.33));
        assert_eq!(quantity(b"1,024"), Some(1024.0));
        assert_eq!(quantity(b"12 apples and pears"), None);
        assert_eq!(worded(b"val loss 2.5"), Some((&b"val loss"[..], 2.5)));
        assert_eq!(worded(b" 2.5"), None);
    }
}
