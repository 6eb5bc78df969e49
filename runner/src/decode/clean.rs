//! What a job meant to print, without what terminals and launchers add.
//!
//! Escape sequences and backspaces go first, then the stack of prefixes that
//! loggers and launchers put before a line, in any order and number:
//!
//! ```text
//!  0: [default0]:[rank0]:[titan] 2026-05-24 20:12:37,106 - root - INFO - step: 1
//! └┬┘ └────┬───┘└───┬──┘└──┬──┘ └──────────┬───────────┘ └────┬─────┘
//! srun  torchrun  torch  module           time              logger
//! ```
//!
//! Most lines have none of it, and cost two searches and a look at the first
//! byte.

use memchr::{memchr, memchr2};

const ESC: u8 = 0x1b;
const BACKSPACE: u8 = 0x08;

/// The longest prefix in brackets, and the longest logger name.
const LONGEST: usize = 200;

/// A piece of a line, cleaned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cleaned<'a> {
    /// The text, without prefixes and blanks around it.
    pub(crate) text: &'a [u8],
    /// The rank that the prefixes name.
    pub(crate) rank: Option<u32>,
    /// The time that the prefixes name, as printed.
    pub(crate) stamp: Option<&'a [u8]>,
    /// What Ray's prefix says of the process: `TaskRunner pid=77, ip=10.0.0.1`.
    pub(crate) process: Option<&'a [u8]>,
    /// Whether a logger's prefix was among them.
    pub(crate) logged: bool,
    /// How many blanks stood before the text, after the prefixes: tracebacks
    /// and indented blocks have their structure there.
    pub(crate) indent: usize,
}

/// Cleans a piece of a line: one without `\n` and `\r` in the middle.
///
/// The result borrows the piece, or `scratch` when the piece had escape
/// sequences or backspaces. Cleaning the text again changes nothing.
pub(crate) fn clean<'a>(piece: &'a [u8], scratch: &'a mut Vec<u8>) -> Cleaned<'a> {
    let plain: &'a [u8] = if memchr2(ESC, BACKSPACE, piece).is_some() {
        plain_text(piece, scratch);
        scratch
    } else {
        piece
    };
    clean_plain(plain)
}

/// The same for a text that has neither escape sequences nor backspaces.
pub(crate) fn clean_plain(plain: &[u8]) -> Cleaned<'_> {
    let mut prefixes = Prefixes::default();
    let mut rest = plain.trim_ascii_end();
    loop {
        let text = rest.trim_ascii_start();
        match prefixes.strip(text) {
            Some(after) => rest = after,
            None => {
                return Cleaned {
                    text,
                    rank: prefixes.rank,
                    stamp: prefixes.stamp,
                    process: prefixes.process,
                    logged: prefixes.logged,
                    indent: rest.len() - text.len(),
                };
            }
        }
    }
}

/// Writes `piece` to `out` as a terminal would show it: no escape sequences,
/// and backspaces erase if anything follows them. Keras rubs out a bar at the
/// end of the piece that prints it, and that bar is still data.
fn plain_text(piece: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut rest = piece;
    let mut pending = 0usize;
    while !rest.is_empty() {
        let end = memchr2(ESC, BACKSPACE, rest).unwrap_or(rest.len());
        if end > 0 {
            for _ in 0..std::mem::take(&mut pending) {
                erase(out);
            }
            out.extend_from_slice(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        if rest[0] == BACKSPACE {
            pending += 1;
            rest = &rest[1..];
        } else {
            rest = &rest[escape(rest)..];
        }
    }
}

/// Takes the last character away.
fn erase(out: &mut Vec<u8>) {
    while let Some(byte) = out.pop() {
        if byte & 0xc0 != 0x80 {
            return;
        }
    }
}

/// The length of the escape sequence at the start.
fn escape(text: &[u8]) -> usize {
    match text.get(1) {
        // CSI: parameters, intermediates, one final byte.
        Some(b'[') => {
            let body = text[2..]
                .iter()
                .take_while(|b| (0x20..0x40).contains(*b))
                .count();
            let last = text.get(2 + body).is_some_and(|b| (0x40..0x7f).contains(b));
            2 + body + usize::from(last)
        }
        // OSC, up to BEL or ESC \. One that never ends must not take the line with it.
        Some(b']') => match memchr2(0x07, ESC, &text[2..]) {
            Some(end) if text[2 + end] == 0x07 => 2 + end + 1,
            Some(end) if text.get(2 + end + 1) == Some(&b'\\') => 2 + end + 2,
            _ => 2,
        },
        // Character sets and the like.
        Some(b' '..=b'/') => {
            let body = text[1..]
                .iter()
                .take_while(|b| (0x20..0x30).contains(*b))
                .count();
            let last = text.get(1 + body).is_some_and(|b| (0x30..0x7f).contains(b));
            1 + body + usize::from(last)
        }
        Some(0x30..0x7f) => 2,
        _ => 1,
    }
}

/// What the prefixes said.
#[derive(Default)]
struct Prefixes<'a> {
    rank: Option<u32>,
    /// The rank is the global one, not a launcher's local one.
    global: bool,
    stamp: Option<&'a [u8]>,
    process: Option<&'a [u8]>,
    logged: bool,
}

impl<'a> Prefixes<'a> {
    /// What follows the prefix at the start of `text`, if there is one.
    fn strip(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        match text.first()? {
            b'[' => self.bracket(text),
            b'0'..=b'9' if is_time_or_rank(text) => self.stamped(text).or_else(|| self.srun(text)),
            b'(' => {
                let after = ray(text)?;
                let head = &text[1..text.len() - after.len() - 1];
                self.process.get_or_insert(head);
                Some(after)
            }
            b'A'..=b'Z' => {
                let after = glog(text).or_else(|| level_first(text))?;
                self.logged = true;
                Some(after)
            }
            _ => None,
        }
    }

    /// `[rank0]:`, `[titan] `, `[2025-02-16 15:49:19,815] [INFO] [file.py:203:func] `.
    fn bracket(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        let close = memchr(b']', &text[..text.len().min(LONGEST)])?;
        let inside = &text[1..close];
        let after = &text[close + 1..];
        if let Some((rank, global)) = bracketed_rank(inside) {
            if self.rank.is_none() || (global && !self.global) {
                self.rank = Some(rank);
                self.global = global;
            }
            return Some(after.strip_prefix(b":").unwrap_or(after));
        }
        let mut stamp = inside;
        if let [level, b' ', rest @ ..] = stamp
            && level.is_ascii_uppercase()
        {
            // Optuna and others: `[I 2024-05-01 10:00:00,123]`.
            stamp = rest;
        }
        if let Some(length) = stamp_length(stamp) {
            self.stamp.get_or_insert(&stamp[..length]);
            self.logged = true;
            let after = after.strip_prefix(b":").unwrap_or(after);
            return Some(logger(after));
        }
        let level = &inside[..memchr(b'|', inside).unwrap_or(inside.len())];
        if is_level(level) || is_source(inside) || is_glog_head(inside) {
            self.logged = true;
            let after = after.strip_prefix(b":").unwrap_or(after);
            return Some(separator(after));
        }
        if inside == b"titan" {
            return Some(after);
        }
        // Hydra: `[time][module][INFO] - `.
        if after.first() == Some(&b'[') && is_name(inside) {
            let close = memchr(b']', &after[..after.len().min(LONGEST)])?;
            return is_level(&after[1..close]).then_some(after);
        }
        None
    }

    /// A time, and the logger's name and level after it.
    fn stamped(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        let length = stamp_length(text)?;
        let after = &text[length..];
        if !after
            .first()
            .is_none_or(|b| matches!(b, b' ' | b'\t' | b':' | b'|'))
        {
            return None;
        }
        self.stamp.get_or_insert(&text[..length]);
        self.logged = true;
        Some(logger(after))
    }

    /// `srun -l`: the task's number, a colon, one blank. Darknet and CatBoost
    /// begin their records like this, and so does many a list, so that what
    /// follows must not be a number or a metric.
    fn srun(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        let digits = text
            .iter()
            .take(7)
            .take_while(|b| b.is_ascii_digit())
            .count();
        let after = text[digits..].strip_prefix(b": ")?;
        if digits > 6 || (digits > 1 && text[0] == b'0') {
            return None;
        }
        let rest = after.trim_ascii_start();
        let first = *rest.first()?;
        let follows = match first {
            b'0'..=b'9' => stamp_length(rest).is_some(),
            b'+' | b'-' | b'.' | b'|' | b',' => false,
            _ => !begins_with_metric(rest),
        };
        if !follows {
            return None;
        }
        let rank = number(&text[..digits])?;
        if self.rank.is_none() || !self.global {
            self.rank = Some(rank);
            self.global = true;
        }
        Some(after)
    }
}

/// Whether digits have behind them what they have in a clock, a date, or a rank.
fn is_time_or_rank(text: &[u8]) -> bool {
    let digits = text.iter().take(7).take_while(|b| b.is_ascii_digit());
    matches!(text.get(digits.count()), Some(b':' | b'-' | b'/'))
}

/// Whether the text begins like `loss: 0.3`, `loss=0.3`, `loss 0.3`, unless
/// the first word is a step: `12: iter 30: loss 0.3` is rank 12.
fn begins_with_metric(text: &[u8]) -> bool {
    let word = text
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || b"_/.-".contains(b))
        .count();
    let key = &text[..word];
    for step in ["step", "iter", "epoch", "batch", "update", "episode"] {
        if key
            .windows(step.len())
            .any(|part| part.eq_ignore_ascii_case(step.as_bytes()))
        {
            return false;
        }
    }
    let rest = &text[word..];
    let value = rest.trim_ascii_start();
    let value = match value.first() {
        Some(b':' | b'=') => value[1..].trim_ascii_start(),
        _ => value,
    };
    let digit = value
        .strip_prefix(b"-")
        .unwrap_or(value)
        .first()
        .is_some_and(u8::is_ascii_digit);
    let nonfinite = ["nan", "inf"].iter().any(|name| {
        value
            .get(..3)
            .is_some_and(|v| v.eq_ignore_ascii_case(name.as_bytes()))
            && !value.get(3).is_some_and(u8::is_ascii_alphabetic)
    });
    word > 0 && (digit || nonfinite)
}

/// `rank0`, `default0`, `Rank 0`, `RANK:0`, `rank: 0`: the rank, and whether
/// it is the global one.
fn bracketed_rank(inside: &[u8]) -> Option<(u32, bool)> {
    let global = inside
        .get(..4)
        .is_some_and(|name| name.eq_ignore_ascii_case(b"rank"));
    let rest = if global {
        &inside[4..]
    } else {
        inside.strip_prefix(b"default")?
    };
    let rest = rest.strip_prefix(b":").unwrap_or(rest);
    let rest = if global {
        rest.trim_ascii_start()
    } else {
        rest
    };
    Some((number(rest)?, global))
}

/// The length of a time at the start: a date and a clock, or a clock with
/// seconds. `2025-02-16 15:49:19,815`, `2023/06/05T20:09:42.5Z`,
/// `11/01 18:06:04`, `08-21 10:27:47`, `Sep 12, 10:22:33`, `19:22:03`.
fn stamp_length(text: &[u8]) -> Option<usize> {
    if let Some(clock) = clock_length(text) {
        return Some(clock);
    }
    let mut date = date_length(text)?;
    match text.get(date) {
        Some(b',') if text.get(date + 1) == Some(&b' ') => date += 2,
        Some(b' ' | b'T' | b'_') => date += 1,
        _ => return None,
    }
    Some(date + clock_length(&text[date..])?)
}

fn date_length(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        text.get(from..)
            .unwrap_or_default()
            .iter()
            .take(5)
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    if text.first()?.is_ascii_uppercase() {
        const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
        let month = text.get(..3)?;
        let day = digits(4);
        let known = MONTHS.chunks(3).any(|name| name == month);
        return (known && text.get(3) == Some(&b' ') && matches!(day, 1 | 2)).then_some(4 + day);
    }
    let first = digits(0);
    let mark = *text.get(first)?;
    if !matches!(first, 2 | 4) || !matches!(mark, b'-' | b'/') {
        return None;
    }
    let second = digits(first + 1);
    if second != 2 {
        return None;
    }
    let two = first + 1 + second;
    let third = digits(two + 1);
    match (text.get(two) == Some(&mark), third) {
        (true, 2 | 4) => Some(two + 1 + third),
        (false, _) if first == 2 => Some(two),
        _ => None,
    }
}

/// The length of `HH:MM:SS`, its fraction and its zone.
fn clock_length(text: &[u8]) -> Option<usize> {
    let shape = text.get(..8)?;
    let clock = shape.iter().enumerate().all(|(at, b)| match at {
        2 | 5 => *b == b':',
        _ => b.is_ascii_digit(),
    });
    if !clock {
        return None;
    }
    let mut at = 8;
    let digits = |from: usize| {
        text[from..]
            .iter()
            .take(10)
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    if matches!(text.get(at), Some(b',' | b'.')) {
        let fraction = digits(at + 1);
        if fraction > 0 {
            at += 1 + fraction;
        }
    }
    match text.get(at) {
        Some(b'Z') => at += 1,
        Some(b'+' | b'-') if digits(at + 1) >= 2 => {
            at += 1 + digits(at + 1);
            if text.get(at) == Some(&b':') && digits(at + 1) == 2 {
                at += 3;
            }
        }
        // A clock that goes on is none: `10:22:33:44`, `12:33:11ms`.
        Some(b) if b.is_ascii_alphanumeric() => return None,
        _ => {}
    }
    Some(at)
}

/// What follows the logger's name and level, in whichever order and style:
/// ` - root - INFO - `, ` | INFO | mod:fn:101 - `, ` d2.utils INFO: `, ` [I] `.
fn logger(text: &[u8]) -> &[u8] {
    let mut rest = separator(text);
    // A level must be among the fields, or they are text.
    let mut named = None;
    for _ in 0..4 {
        let end = rest
            .iter()
            .take(LONGEST)
            .take_while(|b| !b.is_ascii_whitespace() && !matches!(b, b'|' | b'='))
            .count();
        let (field, after) = rest.split_at(end);
        let bare = field.strip_suffix(b":").unwrap_or(field);
        if is_level(bare) {
            // What follows a level and `|` or `-` may be one more name.
            let next = separator(after);
            return if field.len() > bare.len() {
                next
            } else {
                trailing_name(next)
            };
        }
        let name = is_name(bare) || is_source(bare);
        if !name || named.is_some() {
            break;
        }
        let next = separator(after);
        named = Some(next);
        if next.len() == after.len() {
            break;
        }
        rest = next;
    }
    // No level. A lone name is one only between marks: ` - name - text`.
    separator(text)
}

/// What follows one more field of a logger, if a mark ends it: `mod:fn:101 - `.
fn trailing_name(text: &[u8]) -> &[u8] {
    let end = text
        .iter()
        .take(LONGEST)
        .take_while(|b| !b.is_ascii_whitespace())
        .count();
    let (field, after) = text.split_at(end);
    let marked = after.trim_ascii_start();
    let mark = matches!(marked, [b'-' | b'|', b' ', ..]);
    if mark && (is_name(field) || is_source(field)) && !is_step_word(field) {
        separator(after)
    } else {
        text
    }
}

/// ` INFO - step - …` is no logger's name.
fn is_step_word(field: &[u8]) -> bool {
    [&b"step"[..], b"iter", b"epoch"]
        .iter()
        .any(|word| field.eq_ignore_ascii_case(word))
}

/// What follows blanks and one mark: ` - `, ` | `, ` >> `.
fn separator(text: &[u8]) -> &[u8] {
    let rest = text.trim_ascii_start();
    for mark in [&b"- "[..], b"-- ", b"| ", b">> ", b": "] {
        if let Some(after) = rest.strip_prefix(mark) {
            return after;
        }
    }
    // The blanks before the text are its indentation, less the one that separates.
    text.strip_prefix(b" ").unwrap_or(text)
}

/// `(TaskRunner pid=625502) `, `(pid=, ip=10.0.0.1) `.
fn ray(text: &[u8]) -> Option<&[u8]> {
    let close = memchr(b')', &text[..text.len().min(LONGEST)])?;
    let inside = &text[1..close];
    let at = memchr::memmem::find(inside, b"pid=")?;
    (at == 0 || inside[at - 1] == b' ').then_some(&text[close + 1..])
}

/// `I0317 10:00:17.579063 1253 file.py:181] `.
fn glog(text: &[u8]) -> Option<&[u8]> {
    if !is_glog_head(text) {
        return None;
    }
    let close = memchr(b']', &text[..text.len().min(LONGEST)])?;
    (text.get(close + 1).is_none_or(|b| *b == b' ')).then(|| &text[close + 1..])
}

/// `I0317 10:`, `NeMo W 2024-`, `W init.cpp:833`.
fn is_glog_head(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"NeMo ").unwrap_or(text);
    let [level, rest @ ..] = text else {
        return false;
    };
    if !b"IWEFDVC".contains(level) {
        return false;
    }
    match rest {
        [b' ', rest @ ..] => date_length(rest).is_some() || is_source(rest),
        [a, b, c, d, b' ', ..] => [a, b, c, d].iter().all(|b| b.is_ascii_digit()),
        _ => false,
    }
}

/// `INFO:trainer:`, `INFO: `, `INFO 08-21 10:27:47 `, `WARNING:root:`.
fn level_first(text: &[u8]) -> Option<&[u8]> {
    let end = text
        .iter()
        .take(9)
        .take_while(|b| b.is_ascii_uppercase())
        .count();
    let (level, after) = text.split_at(end);
    if !is_level(level) {
        return None;
    }
    match after {
        [b' ', rest @ ..] => {
            // vLLM puts the level before the time.
            let stamp = rest.trim_ascii_start();
            if stamp_length(stamp).is_some() {
                return Some(stamp);
            }
            let marked = matches!(stamp, [b'-' | b'|', b' ', ..]);
            marked.then(|| separator(after))
        }
        [b':', rest @ ..] => {
            let name = rest
                .iter()
                .take(LONGEST)
                .take_while(|b| !matches!(b, b':' | b' '))
                .count();
            let (name, message) = rest.split_at(name);
            if let [b':', message @ ..] = message
                && is_name(name)
                && message
                    .first()
                    .is_some_and(|b| !b.is_ascii_digit() && !b" +-.".contains(b))
            {
                return Some(message);
            }
            // An error's level is part of its text.
            matches!(level, b"INFO" | b"DEBUG").then_some(rest)
        }
        _ => None,
    }
}

fn is_level(text: &[u8]) -> bool {
    matches!(
        text,
        b"INFO"
            | b"DEBUG"
            | b"WARNING"
            | b"WARN"
            | b"ERROR"
            | b"CRITICAL"
            | b"FATAL"
            | b"TRACE"
            | b"SUCCESS"
    ) || matches!(
        text,
        b"[I]" | b"[W]" | b"[E]" | b"[D]" | b"[C]" | b"I" | b"W" | b"E"
    )
}

/// A logger's name: `root`, `d2.utils.events`, `__main__`.
fn is_name(text: &[u8]) -> bool {
    text.first()
        .is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
        && text
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-/".contains(b))
}

/// A place in the source, `file.py:203:func`, `mod.fn:101`, or `PID:77`.
fn is_source(text: &[u8]) -> bool {
    let Some(colon) = memchr(b':', text) else {
        return false;
    };
    let (name, rest) = (&text[..colon], &text[colon + 1..]);
    if name == b"PID" {
        return number(rest).is_some();
    }
    let plain = |text: &[u8]| {
        text.iter()
            .all(|b| b.is_ascii_graphic() && !b"[](){}=,|'\"".contains(b))
    };
    let line = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    // loguru: `module:function:101`.
    let last = memchr::memrchr(b':', rest).is_some_and(|at| number(&rest[at + 1..]).is_some());
    let dotted = memchr(b'.', name).is_some() && line > 0;
    name.first()
        .is_some_and(|b| b.is_ascii_alphabetic() || b"_/<.".contains(b))
        && plain(name)
        && plain(rest)
        && (dotted || last)
}

fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    digits.iter().try_fold(0u32, |sum, b| {
        b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0'))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cleaned(piece: &str) -> (String, Option<u32>) {
        let mut scratch = Vec::new();
        let cleaned = clean(piece.as_bytes(), &mut scratch);
        (
            String::from_utf8_lossy(cleaned.text).into_owned(),
            cleaned.rank,
        )
    }

    fn text(piece: &str) -> String {
        cleaned(piece).0
    }

    #[test]
    fn a_plain_line_is_borrowed() {
        let piece = b"  step 1 | loss 2.0 ";
        let mut scratch = Vec::new();
        let cleaned = clean(piece, &mut scratch);
        assert_eq!(cleaned.text, b"step 1 | loss 2.0");
        assert_eq!(cleaned.indent, 2);
        assert!(piece.as_ptr_range().contains(&cleaned.text.as_ptr()));
        assert!(scratch.is_empty());
    }

    #[test]
    fn escapes_go() {
        assert_eq!(
            text("\x1b[31mstep:  1  \x1b[38;2;180;60;0mgrad_norm: 2\x1b[39m"),
            "step:  1  grad_norm: 2"
        );
        assert_eq!(text("\x1b[K\x1b[A 50%"), "50%");
        assert_eq!(
            text("\x1b]0;a title\x07step 1\x1b]8;;http://x\x1b\\y"),
            "step 1y"
        );
        assert_eq!(text("\x1b]never ends, loss 1"), "never ends, loss 1");
        assert_eq!(text("a\x1b(B b\x1b"), "a b");
        assert_eq!(text("cut\x1b[38;2"), "cut");
        assert_eq!(text("[Mar]"), "[Mar]");
    }

    #[test]
    fn backspaces_erase_what_is_overwritten() {
        assert_eq!(text("10%\x08\x08\x0820%"), "20%");
        assert_eq!(
            text("1/2 - loss: 0.5\x08\x08\x08\x08\x08\x08"),
            "1/2 - loss: 0.5"
        );
        assert_eq!(text("█▊\x08\x08ab\x08\x08\x08\x08\x08\x08c"), "c");
    }

    #[test]
    fn launchers() {
        assert_eq!(
            cleaned("[default0]:step: 1 | loss: 2"),
            ("step: 1 | loss: 2".into(), Some(0))
        );
        assert_eq!(
            cleaned("[rank3]:[rank3]: Traceback"),
            ("Traceback".into(), Some(3))
        );
        assert_eq!(cleaned("[default1]:[rank9]: x"), ("x".into(), Some(9)));
        assert_eq!(
            cleaned(" 12: [rank12]:   File \"a.py\", line 1"),
            ("File \"a.py\", line 1".into(), Some(12))
        );
        assert_eq!(
            cleaned("0: iter 10: loss 1.2"),
            ("iter 10: loss 1.2".into(), Some(0))
        );
        assert_eq!(
            cleaned("\x1b[36m(TaskRunner pid=625502)\x1b[0m step:1 - a/b:2"),
            ("step:1 - a/b:2".into(), None)
        );
        assert_eq!(
            text("(APIServer pid=1) INFO 08-21 10:27:47 [loggers.py:273] Engine 000: x"),
            "Engine 000: x"
        );
        assert_eq!(cleaned("[Rank 2] step=1"), ("step=1".into(), Some(2)));
        assert_eq!(
            cleaned("[x.py:1] [PID:77] [RANK:4] msg"),
            ("msg".into(), Some(4))
        );
    }

    #[test]
    fn the_indentation_is_told() {
        let mut scratch = Vec::new();
        assert_eq!(clean(b"[rank0]:   File", &mut scratch).indent, 3);
        assert_eq!(clean(b"    train/loss=1", &mut scratch).indent, 4);
    }

    #[test]
    fn loggers() {
        for piece in [
            "[2025-02-16 15:49:19,815] [INFO] [logging.py:96:log_dist] [Rank 0] the text: 1",
            "2026-05-24 20:12:37,106 - root - INFO - the text: 1",
            "2023/06/05 20:09:42 - mmengine - INFO - the text: 1",
            "[11/01 18:06:04 d2.utils.events]: the text: 1",
            "I0317 10:00:17.579063 1253 file.py:181] the text: 1",
            "V0704 22:39:25.550000 4004123 /opt/torch/utils.py:1137] the text: 1",
            "2024-10-10 22:34:03.484 | INFO     | mod:fn:101 - the text: 1",
            "[rank0]:[titan] 2026-05-24 20:12:37,106 - root - INFO - the text: 1",
            "INFO:trainer:the text: 1",
            "WARNING:__main__:the text: 1",
            "INFO: the text: 1",
            "2022-05-11 03:51:01,084 maskrcnn_benchmark.trainer INFO: the text: 1",
            "[12/25 14:43:09] ppgan.engine.trainer INFO: the text: 1",
            "2021-03-08 12:36:35 | INFO | train_inner | the text: 1",
            "[2021-03-08 12:36:35,123][train_inner][INFO] - the text: 1",
            "05/25/2021 06:30:01 - INFO - __main__ -   the text: 1",
            "[INFO|trainer.py:469] 2021-05-25 06:29:51,767 >> the text: 1",
            "02:21:00.273 [I] the text: 1",
            "[I 2024-05-01 10:00:00,123] the text: 1",
            "[19:22:03] the text: 1",
            "[Sep 12, 10:22:33] the text: 1",
            "[NeMo W 2024-10-09 02:42:51 nemo_logging:349] the text: 1",
            "[rank1]:[E1216 21:59:10.872 ProcessGroupNCCL.cpp:685] [Rank 1] the text: 1",
            "INFO 08-21 10:27:47 [backends.py:1089] the text: 1",
            "2024-01-01T10:00:00.5Z the text: 1",
        ] {
            assert_eq!(text(piece), "the text: 1", "{piece}");
        }
    }

    #[test]
    fn the_time_is_kept() {
        let mut scratch = Vec::new();
        let stamp = clean(b"[2025-02-16 15:49:19,815] [INFO] step 1", &mut scratch).stamp;
        assert_eq!(stamp, Some(&b"2025-02-16 15:49:19,815"[..]));
        assert_eq!(clean(b"step 1", &mut scratch).stamp, None);
    }

    #[test]
    fn what_is_no_prefix() {
        for piece in [
            "5: 1.2, 1.3 avg loss",
            "12:\tlearn: 0.5\ttest: 0.4",
            "12: learn: 0.5",
            "3: loss=0.5 acc=0.9",
            "3: loss nan",
            "10: -0.5",
            "[5]\ttrain-logloss:0.3",
            "[train] iter 10: loss 8.7",
            "[step=20/10000,epoch=0]",
            "[Epoch 1/200] [Batch 5/100] [D loss: 0.5]",
            "(epoch: 1, iters: 100) G_GAN: 0.5",
            "12/300 [00:01<00:02]",
            "Epoch(train) [2][40/50] lr: 1",
            "ERROR: out of memory",
            "INFO",
            "Iteration 5",
            "[",
            "[rank",
            "2024",
            "12:30 left",
        ] {
            assert_eq!(cleaned(piece), (piece.to_string(), None));
        }
    }

    fn again(piece: &[u8]) -> Result<(), TestCaseError> {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let once = clean(piece, &mut first).text;
        let twice = clean(once, &mut second).text;
        prop_assert_eq!(once, twice);
        Ok(())
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing(piece in prop::collection::vec(any::<u8>(), 0..100)) {
            again(&piece)?;
        }

        #[test]
        fn nor_with_prefixes(piece in prop::collection::vec(prop_oneof![
            Just("[rank0]:"), Just("[default1]:"), Just("7: "), Just(" "), Just("\x1b[31m"),
            Just("2026-05-24 20:12:37,106"), Just(" - root - INFO - "), Just("[INFO] "), Just("- "),
            Just("| "), Just("(A pid=1) "), Just("I0317 10:00:17.5 1253 f.py:181] "), Just("INFO:a:"),
            Just("[19:22:03]"), Just("step"), Just("1.5"), Just("\x08"), Just("[a.py:1:f]"), Just("["),
            Just("]"), Just(":"), Just("10:00:00"), Just("INFO"), Just("loss"), Just("\x1b"), Just("é"),
        ], 0..12)) {
            again(piece.concat().as_bytes())?;
        }
    }
}
