//! A place in a line, from which formats read word by word.

use super::keyvalue;

/// What is left of a line. Every method that reads takes what it returns away,
/// and leaves the place as it is when it returns nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor<'a> {
    pub(crate) rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { rest: text }
    }

    /// Skips blanks and tabs.
    pub(crate) fn blanks(&mut self) -> &mut Self {
        self.rest = self.rest.trim_ascii_start();
        self
    }

    /// Takes these bytes.
    pub(crate) fn word(&mut self, word: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(word)?;
        Some(())
    }

    /// Takes one or more digits, without a sign.
    pub(crate) fn digits(&mut self) -> Option<i64> {
        let mut value = 0i64;
        let mut end = 0;
        while let Some(digit @ b'0'..=b'9') = self.rest.get(end) {
            value = value
                .checked_mul(10)?
                .checked_add(i64::from(digit - b'0'))?;
            end += 1;
        }
        self.rest = &self.rest[end..];
        (end > 0).then_some(value)
    }

    /// Takes a number in any spelling: sign, exponent, thousands commas, `nan`,
    /// `Infinity`.
    pub(crate) fn number(&mut self) -> Option<f64> {
        let (value, len) = keyvalue::number(self.rest)?;
        self.rest = &self.rest[len..];
        Some(value)
    }

    /// Takes what stands before the next `mark`, and the mark.
    pub(crate) fn until(&mut self, mark: u8) -> Option<&'a [u8]> {
        let end = memchr::memchr(mark, self.rest)?;
        let (before, after) = self.rest.split_at(end);
        self.rest = &after[1..];
        Some(before)
    }

    /// Takes what is no blank.
    pub(crate) fn token(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(u8::is_ascii_whitespace);
        let (token, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        (!token.is_empty()).then_some(token)
    }

    /// Whether nothing is left but blanks.
    pub(crate) fn is_done(&self) -> bool {
        self.rest.trim_ascii().is_empty()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_word_by_word() {
        let mut line = Cursor::new(b"iter  12/300: loss -1.5e-3 nan");
        line.word(b"iter").unwrap();
        assert_eq!(line.blanks().digits(), Some(12));
        assert_eq!(line.until(b':'), Some(&b"/300"[..]));
        assert_eq!(line.blanks().token(), Some(&b"loss"[..]));
        assert_eq!(line.blanks().number(), Some(-1.5e-3));
        assert!(line.blanks().number().unwrap().is_nan());
        assert!(line.is_done());
        assert_eq!(line.number(), None);
    }

    #[test]
    fn what_is_not_there_moves_nothing() {
        let mut line = Cursor::new(b"loss");
        assert_eq!((line.digits(), line.until(b'|')), (None, None));
        assert_eq!(line.word(b"lr"), None);
        assert_eq!(line.rest, b"loss");
    }
}
