//! Text that comes from a log must not drive the terminal that it is shown on.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What becomes of a line break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::deliver) enum Newlines {
    /// It stays, for text that is wrapped into lines anyway.
    Keep,
    /// It is shown as `\n`, for text that must stay on one line.
    Escape,
}

/// Makes control characters visible: `ESC` becomes `\x1b`. A tab becomes a
/// space. Characters that are invisible or turn the direction of writing are
/// shown as well, since they can make a text read as another one.
pub(in crate::deliver) fn escape(text: &str, newlines: Newlines) -> Cow<'_, str> {
    let harmless = |c: char| !c.is_control() && !is_hidden(c);
    let fine = |c: char| harmless(c) || (c == '\n' && newlines == Newlines::Keep);
    if text.chars().all(fine) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if fine(c) => shown.push(c),
            '\t' => shown.push(' '),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            c if c.is_ascii() => _ = write!(shown, "\\x{:02x}", u32::from(c)),
            c => _ = write!(shown, "{}", c.escape_unicode()),
        }
    }
    Cow::Owned(shown)
}

/// Whether a character is shown as nothing, or changes how others are shown.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harmless_text_is_not_copied() {
        for text in ["", "loss is NaN at step 3", "Verlust für Lauf 7 → ∞ 训练"] {
            assert!(matches!(escape(text, Newlines::Escape), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn control_characters_become_visible() {
        let text = "a\x1b[2Jb\rc\td\ne\0\x7f\u{9b}31m";
        let line = "a\\x1b[2Jb\\rc d\\ne\\x00\\x7f\\u{9b}31m";
        assert_eq!(escape(text, Newlines::Escape), line);
        assert_eq!(escape(text, Newlines::Keep), line.replace("\\n", "\n"));
    }

    #[test]
    fn direction_and_invisible_characters_become_visible() {
        assert_eq!(
            escape("a\u{202e}b\u{200b}c", Newlines::Keep),
            "a\\u{202e}b\\u{200b}c"
        );
    }
}
