//! Changes that keep a log looking like a log: numbers become extreme, words
//! and lines come twice, change places or go.

/// Numbers that overflow, are none, or are where things begin.
const NUMBERS: [&[u8]; 20] = [
    b"0",
    b"-1",
    b"1",
    b"nan",
    b"NaN",
    b"inf",
    b"-Infinity",
    b"1e999",
    b"-0.0",
    b"0.5",
    b"4294967295",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"18446744073709551616",
    b"1e-400",
    b"2147483648",
    b"99999999999999999999999999",
    b"1,234",
    b"1:02:03",
    b"100%",
];

/// A source of numbers that a seed makes.
struct Dice(u64);

impl Dice {
    /// A number below `sides`, which is not zero.
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % sides
    }
}

/// Changes the first `size` bytes of `data`, which has room for more; gives the
/// new size. Every second change is left to libFuzzer's own.
pub fn log(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut dice = Dice(u64::from(seed) << 32 | u64::from(seed));
    let text = &data[..size];
    let changed = match dice.roll(10) {
        0..=2 => splice(
            text,
            token(text, &mut dice, is_number),
            NUMBERS[dice.roll(NUMBERS.len())],
        ),
        3 => {
            let other = token(text, &mut dice, |byte| !byte.is_ascii_whitespace());
            let word = text[other].to_vec();
            splice(
                text,
                token(text, &mut dice, |byte| !byte.is_ascii_whitespace()),
                &word,
            )
        }
        4..=5 => {
            // A line comes again, somewhere else or with its end changed.
            let line = text[token(text, &mut dice, |byte| byte != b'\n')].to_vec();
            let place = token(text, &mut dice, |byte| byte != b'\n').start;
            let end: &[u8] = [&b"\n"[..], b"\r", b"\r\n", b""][dice.roll(4)];
            splice(text, place..place, &[&line, end].concat())
        }
        6 => splice(text, token(text, &mut dice, |byte| byte != b'\n'), b""),
        _ => return libfuzzer_sys::fuzzer_mutate(data, size, max_size),
    };
    let size = changed.len().min(max_size);
    data[..size].copy_from_slice(&changed[..size]);
    size
}

fn is_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'.' | b'-')
}

/// The first run of such bytes behind some place.
fn token(text: &[u8], dice: &mut Dice, belongs: impl Fn(u8) -> bool) -> std::ops::Range<usize> {
    let from = dice.roll(text.len() + 1);
    let found = |from: usize, wanted: bool| {
        let rest = text[from..]
            .iter()
            .position(|byte| belongs(*byte) == wanted);
        rest.map_or(text.len(), |at| from + at)
    };
    // From the beginning of the token that the place lies in.
    let back = text[..from]
        .iter()
        .rev()
        .take_while(|byte| belongs(**byte))
        .count();
    let start = found(from - back, true);
    start..found(start, false)
}

fn splice(text: &[u8], place: std::ops::Range<usize>, new: &[u8]) -> Vec<u8> {
    [&text[..place.start], new, &text[place.end..]].concat()
}
