//! Chunks of bytes in, lines out, in bounded memory.
//!
//! A line is what stands between two `\n`; its number counts those. Progress
//! bars rewrite one line with `\r` for hours, so a line is then cut into
//! [`pieces`], and one that outgrows the limit is handed out in parts, cut
//! where a `\r` stood.

use memchr::{memchr, memrchr};

/// The longest line that is kept whole, unless told otherwise.
pub(crate) const LIMIT: usize = 1 << 20;

/// Puts lines together from chunks that end anywhere.
///
/// A line that lies within one chunk is borrowed from it. What is handed out
/// does not depend on where the chunks end.
#[derive(Debug)]
pub(crate) struct Lines {
    /// The unfinished line, never longer than `limit`.
    buffer: Vec<u8>,
    limit: usize,
    /// The number of `\n` seen.
    ended: u64,
    /// Part of the current line has been handed out already.
    parted: bool,
    /// The current line is too long: what comes is dropped.
    dropping: bool,
    /// How many lines lost their tail because they were too long.
    pub(crate) too_long: u64,
}

impl Default for Lines {
    fn default() -> Self {
        Self::new(LIMIT)
    }
}

impl Lines {
    /// An assembler that keeps at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            limit: limit.max(1),
            ended: 0,
            parted: false,
            dropping: false,
            too_long: 0,
        }
    }

    /// Takes a chunk and hands out the lines that it completes: number, from
    /// 1, and bytes without `\n`.
    pub(crate) fn push(&mut self, mut chunk: &[u8], mut each: impl FnMut(u64, &[u8])) {
        while let Some(end) = memchr(b'\n', chunk) {
            self.complete(&chunk[..end], &mut each);
            chunk = &chunk[end + 1..];
        }
        self.extend(chunk, &mut each);
    }

    /// Takes what ends a line, without its `\n`.
    pub(crate) fn complete(&mut self, line: &[u8], mut each: impl FnMut(u64, &[u8])) {
        if self.buffer.is_empty() && !self.parted && line.len() <= self.limit {
            self.ended += 1;
            return each(self.ended, line);
        }
        self.extend(line, &mut each);
        self.end(&mut each);
    }

    /// Whether the next byte begins a line.
    pub(crate) fn is_at_start(&self) -> bool {
        self.buffer.is_empty() && !self.parted && !self.dropping
    }

    /// The number of lines so far.
    pub(crate) fn ended(&self) -> u64 {
        self.ended
    }

    /// Takes note that the caller has read whole lines itself, up to this number.
    pub(crate) fn skip_to(&mut self, number: u64) {
        self.ended = number;
    }

    /// Hands out the last line when no `\n` ends it.
    pub(crate) fn finish(&mut self, mut each: impl FnMut(u64, &[u8])) {
        if !self.buffer.is_empty() {
            each(self.ended + 1, &self.buffer);
        }
        self.forget();
    }

    /// Drops the unfinished line.
    pub(crate) fn forget(&mut self) {
        self.buffer.clear();
        self.parted = false;
        self.dropping = false;
    }

    /// Hands out the pieces of the unfinished line that a `\r` has completed.
    ///
    /// For a live stream that has gone quiet: a progress bar may not print a
    /// `\n` for an hour. The pieces are the same as without this call, only
    /// earlier.
    pub(crate) fn release(&mut self, mut each: impl FnMut(u64, &[u8])) {
        if let Some(cut) = memrchr(b'\r', &self.buffer) {
            self.part(cut, &mut each);
        }
    }

    /// Adds bytes without `\n` to the unfinished line.
    fn extend(&mut self, mut bytes: &[u8], each: &mut impl FnMut(u64, &[u8])) {
        while !bytes.is_empty() {
            if self.dropping {
                // The next `\r` begins something new, a fresh bar for example.
                let Some(end) = memchr(b'\r', bytes) else {
                    return;
                };
                self.dropping = false;
                bytes = &bytes[end + 1..];
                continue;
            }
            let room = self.limit - self.buffer.len();
            if bytes.len() <= room {
                self.grow(bytes);
                return;
            }
            self.grow(&bytes[..room]);
            bytes = &bytes[room..];
            // Full, and more is coming.
            if bytes[0] == b'\r' {
                bytes = &bytes[1..];
                self.part(self.buffer.len(), each);
            } else if let Some(cut) = memrchr(b'\r', &self.buffer) {
                self.part(cut, each);
            } else {
                self.part(self.buffer.len(), each);
                self.dropping = true;
                self.too_long += 1;
            }
        }
    }

    /// Appends, and never reserves more than the limit.
    fn grow(&mut self, bytes: &[u8]) {
        let need = self.buffer.len() + bytes.len();
        if need > self.buffer.capacity() {
            let target = need.max(2 * self.buffer.capacity()).min(self.limit);
            self.buffer.reserve_exact(target - self.buffer.len());
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Hands out the first `cut` bytes of the unfinished line and forgets
    /// them and the `\r` that follows.
    fn part(&mut self, cut: usize, each: &mut impl FnMut(u64, &[u8])) {
        each(self.ended + 1, &self.buffer[..cut]);
        self.parted = true;
        let next = (cut + 1).min(self.buffer.len());
        self.buffer.drain(..next);
    }

    /// Ends the unfinished line. What is left of a line in parts may be
    /// nothing, and is then not handed out.
    fn end(&mut self, each: &mut impl FnMut(u64, &[u8])) {
        self.ended += 1;
        if !self.buffer.is_empty() || !self.parted {
            each(self.ended, &self.buffer);
        }
        self.buffer.clear();
        self.parted = false;
        self.dropping = false;
    }
}

/// What a line shows one after the other: its parts between `\r`, without the
/// empty ones. A blank line has none.
pub(crate) fn pieces(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = line;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (piece, next) = match memchr(b'\r', rest) {
                Some(end) => (&rest[..end], &rest[end + 1..]),
                None => (rest, &rest[rest.len()..]),
            };
            rest = next;
            if !piece.is_empty() {
                return Some(piece);
            }
        }
        None
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(limit: usize, chunks: &[&[u8]]) -> (Vec<(u64, Vec<u8>)>, u64) {
        let mut lines = Lines::new(limit);
        let mut out = Vec::new();
        for chunk in chunks {
            lines.push(chunk, |number, line| out.push((number, line.to_vec())));
            assert!(lines.buffer.capacity() <= limit);
        }
        lines.finish(|number, line| out.push((number, line.to_vec())));
        (out, lines.too_long)
    }

    fn shown(out: &[(u64, Vec<u8>)]) -> Vec<String> {
        out.iter()
            .map(|(n, line)| format!("{n} {}", String::from_utf8_lossy(line)))
            .collect()
    }

    #[test]
    fn lines_end_anywhere() {
        let (out, _) = lines(100, &[b"a\nb", b"c\n\n", b"d"]);
        assert_eq!(shown(&out), ["1 a", "2 bc", "3 ", "4 d"]);
        let (out, _) = lines(100, &[b"a\n"]);
        assert_eq!(shown(&out), ["1 a"]);
    }

    #[test]
    fn a_whole_line_is_not_copied() {
        let chunk = b"one\ntwo\n";
        let mut lines = Lines::default();
        lines.push(chunk, |_, line| {
            assert!(chunk.as_ptr_range().contains(&line.as_ptr()))
        });
        assert_eq!(lines.buffer.capacity(), 0);
    }

    #[test]
    fn a_long_line_loses_its_tail() {
        let (out, too_long) = lines(4, &[b"abcdefgh", b"ijk\nlm\n"]);
        assert_eq!(shown(&out), ["1 abcd", "2 lm"]);
        assert_eq!(too_long, 1);
    }

    #[test]
    fn a_line_at_the_limit_is_whole() {
        let (out, too_long) = lines(4, &[b"abcd\r\nefgh\n"]);
        assert_eq!(shown(&out), ["1 abcd", "2 efgh"]);
        assert_eq!(too_long, 0);
    }

    #[test]
    fn a_long_line_of_bars_is_cut_between_bars() {
        let (out, too_long) = lines(7, &[b"\r10%\r20%\r30%\r40%\nend\n"]);
        assert_eq!(shown(&out), ["1 \r10%", "1 20%\r30%", "1 40%", "2 end"]);
        assert_eq!(too_long, 0);
    }

    #[test]
    fn a_bar_after_a_long_text_is_kept() {
        let (out, too_long) = lines(4, &[b"abcdefgh\r10%\n"]);
        assert_eq!(shown(&out), ["1 abcd", "1 10%"]);
        assert_eq!(too_long, 1);
    }

    #[test]
    fn released_bars_are_not_repeated() {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        lines.push(b"\r10%\r20%", |n, line| out.push((n, line.to_vec())));
        assert!(out.is_empty());
        lines.release(|n, line| out.push((n, line.to_vec())));
        lines.push(b"\r\nnext\n", |n, line| out.push((n, line.to_vec())));
        assert_eq!(shown(&out), ["1 \r10%", "1 20%\r", "2 next"]);
    }

    #[test]
    fn pieces_are_what_stands_between_carriage_returns() {
        let all = |line| pieces(line).map(<[u8]>::to_vec).collect::<Vec<_>>();
        assert_eq!(all(b"plain"), [b"plain"]);
        assert_eq!(all(b"crlf\r"), [b"crlf"]);
        assert_eq!(all(b"\ra\r\rb\r"), [b"a", b"b"]);
        assert_eq!(all(b""), Vec::<Vec<u8>>::new());
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte =
            prop_oneof![4 => Just(b'x'), 1 => Just(b'\n'), 1 => Just(b'\r'), 1 => any::<u8>()];
        prop::collection::vec(byte, 0..200)
    }

    proptest! {
        #[test]
        fn chunking_changes_nothing(
            input in bytes(),
            limit in 1usize..40,
            cuts in prop::collection::vec(0usize..200, 0..12),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(input.len())).collect();
            cuts.sort_unstable();
            cuts.push(input.len());
            let mut chunks = Vec::new();
            let mut start = 0;
            for cut in cuts {
                chunks.push(&input[start..cut]);
                start = cut;
            }
            prop_assert_eq!(lines(limit, &chunks), lines(limit, &[&input]));
        }

        #[test]
        fn nothing_is_lost_below_the_limit(input in bytes(), every in 1usize..50) {
            let mut assembler = Lines::new(1000);
            let mut got = Vec::new();
            let mut take = |number, line: &[u8]| {
                got.extend(pieces(line).map(|piece| (number, piece.to_vec())));
            };
            for chunk in input.chunks(every) {
                assembler.push(chunk, &mut take);
                assembler.release(&mut take);
            }
            assembler.finish(&mut take);
            let mut expected = Vec::new();
            for (number, line) in (1u64..).zip(input.split(|&b| b == b'\n')) {
                expected.extend(pieces(line).map(|piece| (number, piece.to_vec())));
            }
            prop_assert_eq!(got, expected);
        }
    }
}
