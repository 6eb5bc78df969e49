//! Numbers as JSON writes them, read where they stand.

/// Powers of ten, which an f64 holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// A number as it was read: its value, correctly rounded, its length, and
/// whether it was written as an integer.
type Number = (f64, usize, bool);

/// Reads a number of JSON's grammar at the beginning of `text`. `None` where
/// the grammar is broken.
#[inline]
pub(crate) fn number(text: &[u8]) -> Option<Number> {
    plain(text).or_else(|| any(text))
}

/// Reads what most numbers of a log look like: fewer than eight digits before
/// the point, fewer than sixteen after it, a small exponent. `None` says
/// nothing.
#[inline(always)]
pub(crate) fn plain(text: &[u8]) -> Option<Number> {
    near::<true>(text)
}

/// The length of a number that looks like most, without its value, which is
/// finite. `None` says nothing.
#[inline(always)]
pub(crate) fn skip(text: &[u8]) -> Option<usize> {
    near::<false>(text).map(|(_, len, _)| len)
}

#[inline(always)]
fn near<const VALUE: bool>(text: &[u8]) -> Option<Number> {
    match text.first_chunk() {
        Some(bytes) => plain_of::<VALUE>(bytes),
        None => plain_of::<VALUE>(&padded(text)),
    }
}

/// A short text in a place of fixed size: what follows it is no digit.
#[inline(never)]
fn padded(text: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..text.len()].copy_from_slice(text);
    bytes
}

/// Reads a number, or only its grammar, and gives it the value zero.
#[inline(always)]
fn plain_of<const VALUE: bool>(bytes: &[u8; 32]) -> Option<Number> {
    let negative = bytes[0] == b'-';
    let start = usize::from(negative);
    let (word, whole) = run_of_digits(bytes, start);
    if whole == 0 || whole == 8 || (whole > 1 && bytes[start] == b'0') {
        return None;
    }
    let mut digits = Digits::<VALUE>(0);
    digits.push(word, whole);
    let mut at = start + whole;
    let mut fraction = 0;
    if bytes[at] == b'.' {
        let (word, first) = run_of_digits(bytes, at + 1);
        if first == 0 {
            return None;
        }
        digits.push(word, first);
        at += 1 + first;
        fraction = first;
        if first == 8 {
            let (word, second) = run_of_digits(bytes, at);
            if second == 8 || whole + first + second > 19 {
                return None;
            }
            if second > 0 {
                digits.push(word, second);
                at += second;
                fraction += second;
            }
        }
    }
    let Digits(mantissa) = digits;
    if mantissa > 1 << 53 {
        return None;
    }
    let mut power = -(fraction as i32);
    let mut end = at;
    if matches!(bytes[at], b'e' | b'E') {
        let (exponent, behind) = exponent(bytes, at + 1)?;
        power += exponent;
        end = behind;
    }
    let integer = end == at && fraction == 0;
    if !VALUE {
        return Some((0.0, end, integer));
    }
    // Clinger's fast path: an exact integer over an exact power of ten is
    // correctly rounded, and so is their product.
    let scale = *POWERS.get(power.unsigned_abs() as usize)?;
    let mantissa = mantissa as f64;
    let value = if power > 0 {
        mantissa * scale
    } else {
        mantissa / scale
    };
    Some((if negative { -value } else { value }, end, integer))
}

/// The number that the digits so far spell, if somebody wants to know.
struct Digits<const VALUE: bool>(u64);

impl<const VALUE: bool> Digits<VALUE> {
    #[inline(always)]
    fn push(&mut self, word: u64, count: usize) {
        if VALUE {
            self.0 = self.0 * TENS[count] + first_digits(word, count);
        }
    }
}

/// The exponent at `at`, of one or two digits, and where it ends.
#[inline(always)]
fn exponent(bytes: &[u8; 32], at: usize) -> Option<(i32, usize)> {
    // `at` is at most 26.
    let negative = bytes[at] == b'-';
    let start = at + usize::from(matches!(bytes[at], b'-' | b'+'));
    let (word, digits) = run_of_digits(bytes, start.min(24));
    if digits == 0 || digits > 2 || start > 24 {
        return None;
    }
    let value = first_digits(word, digits) as i32;
    Some((if negative { -value } else { value }, start + digits))
}

/// The eight bytes at `at`, digits turned into 0 to 9, and how many of the
/// first are digits.
#[inline(always)]
fn run_of_digits(bytes: &[u8; 32], at: usize) -> (u64, usize) {
    // `at` is at most 24 in any case.
    let bytes = bytes[at.min(24)..].first_chunk().copied();
    let bytes = bytes.unwrap_or_default();
    let word = u64::from_le_bytes(bytes) ^ 0x3030_3030_3030_3030;
    // Of anything but a digit the high bit gets set. A carry only runs into
    // bytes behind the first such one.
    let other = (word.wrapping_add(0x7676_7676_7676_7676) | word) & 0x8080_8080_8080_8080;
    (word, (other.trailing_zeros() / 8) as usize)
}

/// The number that the first `count` bytes spell, from 1 to 8.
#[inline(always)]
fn first_digits(word: u64, count: usize) -> u64 {
    // Pairs, then fours, then all (Lemire, "Quickly parsing eight digits", 2018).
    let word = word << (64 - 8 * count);
    let pairs = (word.wrapping_mul(10 * 256 + 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 * 65_536 + 1) >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 * 4_294_967_296 + 1) >> 32
}

const TENS: [u64; 9] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
];

/// A longer number is no measurement. The general parser refuses integers of
/// more than 4,300 digits.
const MAX_LENGTH: usize = 4_000;

/// Reads any number.
#[inline(never)]
fn any(text: &[u8]) -> Option<Number> {
    let start = usize::from(text.first() == Some(&b'-'));
    let whole = count_digits(text, start);
    if whole == 0 || (whole > 1 && text[start] == b'0') {
        return None;
    }
    let mut at = start + whole;
    let mut integer = true;
    if text.get(at) == Some(&b'.') {
        let fraction = count_digits(text, at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
        integer = false;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let written = count_digits(text, at + 1 + sign);
        if written == 0 {
            return None;
        }
        at += 1 + sign + written;
        integer = false;
    }
    if at > MAX_LENGTH {
        return None;
    }
    let value = fast_float2::parse(&text[..at]).ok()?;
    Some((value, at, integer))
}

fn count_digits(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
    digits.count()
}

/// Reads a whole text as a number in any spelling that Python, C or JavaScript
/// prints: `1e-3`, `.5`, `nan`, `-inf`, `Infinity`, `1_000`. `None` when it is
/// something else.
pub(crate) fn spelled(text: &[u8]) -> Option<(f64, bool)> {
    let text = text.trim_ascii();
    if !matches!(
        text.first()?,
        b'0'..=b'9' | b'+' | b'-' | b'.' | b'n' | b'N' | b'i' | b'I'
    ) {
        return None;
    }
    if let Some((value, len, integer)) = number(text)
        && len == text.len()
    {
        return Some((value, integer));
    }
    if text.len() > 40
        && !text
            .iter()
            .all(|b| b.is_ascii_digit() || b".+-eE_".contains(b))
    {
        return None;
    }
    fast_float2::parse::<f64, _>(text)
        .ok()
        .map(|value| (value, false))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn grammar() {
        for good in [
            "0",
            "-0",
            "1",
            "10.5",
            "1e5",
            "1E+5",
            "1.25e-3",
            "-12.0",
            "123456789012345678901234567890",
        ] {
            let (value, len, _) = number(good.as_bytes()).unwrap();
            assert_eq!(len, good.len(), "{good}");
            assert_eq!(
                value.to_bits(),
                good.parse::<f64>().unwrap().to_bits(),
                "{good}"
            );
        }
        for bad in ["", "-", "01", "1.", ".5", "1e", "1e+", "+1", "nan", "x"] {
            let read = number(bad.as_bytes());
            assert!(read.is_none(), "{bad} gave {read:?}");
        }
        assert_eq!(number(b"1e400").unwrap().0, f64::INFINITY);
    }

    #[test]
    fn what_follows_does_not_matter() {
        let numbers = [
            "0",
            "-0",
            "1",
            "10.5",
            "1234567",
            "12345678",
            "123456789",
            "0.1234567",
            "0.12345678",
            "0.123456789012345",
            "0.1234567890123456",
            "-1234567.123456789012345",
            "1e5",
            "1.5e-3",
            "9007199254740993.5",
            "9007199254740993",
        ];
        for text in numbers {
            for tail in [
                "",
                ",",
                "}",
                "\n",
                ", \"next\": 1234567890123456789012345678901234567890}",
            ] {
                let (value, len, _) = number(format!("{text}{tail}").as_bytes()).unwrap();
                assert_eq!(len, text.len(), "{text}{tail}");
                assert_eq!(
                    value.to_bits(),
                    text.parse::<f64>().unwrap().to_bits(),
                    "{text}"
                );
            }
        }
        for text in ["-", "01", "1.", ".5", "1e", "-.5", "00.1"] {
            let padded = format!("{text}, and so on, and so on, and so on");
            assert!(number(padded.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn spellings() {
        for (text, value) in [
            ("nan", f64::NAN),
            ("NaN", f64::NAN),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            (".5", 0.5),
            ("1.", 1.0),
        ] {
            let (read, _) = spelled(text.as_bytes()).unwrap();
            assert!(
                read == value || (read.is_nan() && value.is_nan()),
                "{text} gave {read}"
            );
        }
        for text in ["", "0:01:03", "1.2.3", "12ms", "none", "in", "nano"] {
            assert_eq!(spelled(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn equals_the_standard_library(value: f64) {
            prop_assume!(value.is_finite());
            for text in [format!("{value}"), format!("{value:e}"), format!("{value:.6}")] {
                let padded = format!("{text},                                        ");
                prop_assert_eq!(number(padded.as_bytes()), number(text.as_bytes()));
                let (read, len, _) = number(text.as_bytes()).unwrap();
                prop_assert_eq!(len, text.len());
                prop_assert_eq!(read.to_bits(), text.parse::<f64>().unwrap().to_bits());
            }
        }

        #[test]
        fn short_decimals(whole: u32, fraction in "[0-9]{1,12}", exponent in -30i32..30) {
            for text in [format!("{whole}.{fraction}"), format!("{whole}.{fraction}e{exponent}")] {
                let padded = format!("{text},                                        ");
                prop_assert_eq!(number(padded.as_bytes()), number(text.as_bytes()));
                let (read, _, _) = number(text.as_bytes()).unwrap();
                prop_assert_eq!(read.to_bits(), text.parse::<f64>().unwrap().to_bits());
            }
        }
    }
}
