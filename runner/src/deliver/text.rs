//! Text within the limits of a service, in the unit in which it counts, and
//! without the means to drive it.
//!
//! Cut first, escape then: an escaped text must not be cut within `&lt;`.
//! [`fit`] does both where the limit is on the escaped text.

use std::borrow::Cow;

use super::print::escape::{Newlines, escape};

const DOTS: char = '…';

/// The text with control characters and characters that are invisible or turn
/// the direction of writing made visible. Line breaks stay.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    escape(text, Newlines::Keep)
}

/// [`clean`], on one line.
#[must_use]
pub fn clean_line(text: &str) -> Cow<'_, str> {
    escape(text, Newlines::Escape)
}

/// At most `limit` characters (Unicode scalar values); what is cut ends in `…`.
#[must_use]
pub fn cut_chars(text: &str, limit: usize) -> Cow<'_, str> {
    cut(text, limit, |_| 1)
}

/// At most `limit` UTF-16 code units.
#[must_use]
pub fn cut_utf16(text: &str, limit: usize) -> Cow<'_, str> {
    cut(text, limit, char::len_utf16)
}

/// At most `limit` bytes of UTF-8.
#[must_use]
pub fn cut_bytes(text: &str, limit: usize) -> Cow<'_, str> {
    cut(text, limit, char::len_utf8)
}

/// At most `limit` by the measure of a character. The dots count too.
fn cut(text: &str, limit: usize, measure: impl Fn(char) -> usize) -> Cow<'_, str> {
    let dots = measure(DOTS);
    // The last place at which the dots still fit.
    let mut end = 0;
    let mut used = 0;
    for (at, c) in text.char_indices() {
        if used + dots <= limit {
            end = at;
        }
        used += measure(c);
        if used > limit {
            let mut kept = text[..end].trim_end().to_owned();
            if dots <= limit {
                kept.push(DOTS);
            }
            return Cow::Owned(kept);
        }
    }
    Cow::Borrowed(text)
}

/// The text cut so that `written` of it measures at most `limit`.
pub fn fit(
    text: &str,
    limit: usize,
    written: impl Fn(&str) -> String,
    measure: impl Fn(&str) -> usize,
) -> String {
    let whole = written(text);
    if measure(&whole) <= limit {
        return whole;
    }
    // Escaping never makes a text shorter, so no more than this can stay.
    let (mut low, mut high) = (0, text.chars().count().min(limit));
    while low < high {
        let middle = (low + high).div_ceil(2);
        if measure(&written(&cut_chars(text, middle))) <= limit {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    written(&cut_chars(text, low))
}

/// The length in characters.
#[must_use]
pub fn chars(text: &str) -> usize {
    text.chars().count()
}

/// The length in UTF-16 code units.
#[must_use]
pub fn utf16(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_fits_is_not_copied() {
        assert!(matches!(cut_chars("loss", 4), Cow::Borrowed("loss")));
        assert!(matches!(cut_bytes("训练", 6), Cow::Borrowed("训练")));
        assert_eq!(cut_chars("", 0), "");
    }

    #[test]
    fn units() {
        assert_eq!(cut_chars("𝛁𝛁𝛁", 2), "𝛁…");
        assert_eq!(cut_utf16("𝛁𝛁𝛁", 4), "𝛁…");
        assert_eq!(cut_bytes("训练训练", 10), "训练…");
        assert_eq!(cut_bytes("训练", 2), "");
        assert_eq!((chars("𝛁é"), utf16("𝛁é")), (2, 3));
    }

    proptest! {
        #[test]
        fn limits_hold(text in ".{0,60}", limit in 0usize..80) {
            prop_assert!(chars(&cut_chars(&text, limit)) <= limit);
            prop_assert!(utf16(&cut_utf16(&text, limit)) <= limit);
            prop_assert!(cut_bytes(&text, limit).len() <= limit);
            let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
            let fitted = fit(&text, limit, escaped, chars);
            prop_assert!(chars(&fitted) <= limit);
            prop_assert!(!fitted.contains('<'));
        }
    }
}
