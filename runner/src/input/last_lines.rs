//! The last lines of a stream, for people who ask what it said before it fell
//! silent.

/// Bytes that are remembered.
const BYTES: usize = 16 << 10;

/// What a stream said last.
#[derive(Debug, Clone, Default)]
pub struct LastLines {
    bytes: Vec<u8>,
    /// Something before the first byte was forgotten.
    cut: bool,
}

impl LastLines {
    /// Takes what came.
    pub fn take(&mut self, bytes: &[u8]) {
        let from = bytes.len().saturating_sub(BYTES);
        let bytes = bytes.get(from..).unwrap_or_default();
        let too_many = (self.bytes.len() + bytes.len()).saturating_sub(BYTES);
        if from > 0 || too_many > 0 {
            self.cut = true;
        }
        self.bytes.drain(..too_many.min(self.bytes.len()));
        self.bytes.extend_from_slice(bytes);
    }

    /// Forgets everything: another stream begins.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.cut = false;
    }

    /// At most `count` lines, the newest last. Of a line that was written over
    /// again and again, as progress bars are, what it was in the end.
    #[must_use]
    pub fn lines(&self, count: usize) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.bytes);
        let mut lines: Vec<&str> = text.lines().skip(usize::from(self.cut)).collect();
        lines.retain(|line| !line.trim().is_empty());
        let from = lines.len().saturating_sub(count);
        let last = |line: &&str| {
            let line = line.trim_end_matches('\r');
            line.rsplit('\r').next().unwrap_or(line).to_owned()
        };
        lines.iter().skip(from).map(last).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(bytes: &[u8], count: usize) -> Vec<String> {
        let mut last = LastLines::default();
        last.take(bytes);
        last.lines(count)
    }

    #[test]
    fn the_newest_lines_are_kept() {
        assert_eq!(of(b"a\nb\n\nc", 2), ["b", "c"]);
        assert_eq!(of(b"a\r\n 1%\r 50%\r 99%\n", 9), ["a", " 99%"]);
        assert!(of(b"", 3).is_empty());
    }

    #[test]
    fn a_line_whose_beginning_is_forgotten_is_not_shown() {
        let mut last = LastLines::default();
        last.take(&vec![b'x'; BYTES]);
        last.take(b"y\nwhole\n");
        assert_eq!(last.lines(5), ["whole"]);
    }

    proptest! {
        #[test]
        fn however_it_comes_the_lines_are_the_same(
            text in "[a-c\r\n]{0,60}",
            cuts in prop::collection::vec(0_usize..60, 0..5),
        ) {
            let mut last = LastLines::default();
            let mut from = 0;
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            for cut in cuts {
                last.take(&text.as_bytes()[from..cut]);
                from = cut;
            }
            last.take(&text.as_bytes()[from..]);
            prop_assert_eq!(last.lines(4), of(text.as_bytes(), 4));
        }
    }
}
