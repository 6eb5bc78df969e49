//! Numbers as JSON writes them, read where they stand.

/// Exact powers of ten: 10^22 is the largest that an f64 holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Reads a number of JSON's grammar at the beginning of `text`: its value,
/// correctly rounded, its length, and whether it was written as an integer.
/// `None` where the grammar is broken.
#[inline]
pub(crate) fn number(text: &[u8]) -> Option<(f64, usize, bool)> {
    let negative = text.first() == Some(&b'-');
    let start = usize::from(negative);
    let mut mantissa = 0;
    let whole = match text.get(start..start + 2) {
        // Most numbers of a log lie between -10 and 10.
        Some([digit @ b'0'..=b'9', b'.']) => {
            mantissa = u64::from(digit - b'0');
            1
        }
        _ => digits(text, start, &mut mantissa),
    };
    if whole == 0 || (whole > 1 && text[start] == b'0') {
        return None;
    }
    let mut at = start + whole;
    let mut count = whole;
    let mut exponent: i32 = 0;
    let mut integer = true;
    if text.get(at) == Some(&b'.') {
        let fraction = digits(text, at + 1, &mut mantissa);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
        count += fraction;
        integer = false;
        exponent = -i32::try_from(fraction).ok()?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        let (written, len) = exponent_part(&text[at + 1..])?;
        at += 1 + len;
        integer = false;
        exponent = exponent.saturating_add(written);
    }
    // Clinger's fast path: an exact integer times or over an exact power of ten
    // is correctly rounded. Nineteen digits fit a u64.
    let power = exponent.unsigned_abs() as usize;
    let value = if count <= 19 && mantissa <= 1 << 53 && power < POWERS.len() {
        let mantissa = mantissa as f64;
        let value = if exponent < 0 {
            mantissa / POWERS[power]
        } else {
            mantissa * POWERS[power]
        };
        if negative { -value } else { value }
    } else {
        fast_float2::parse(&text[..at]).ok()?
    };
    Some((value, at, integer))
}

/// Reads `+12`, `-5`, `3`: the value, saturated, and the length.
fn exponent_part(text: &[u8]) -> Option<(i32, usize)> {
    let sign = matches!(text.first(), Some(b'+' | b'-'));
    let mut value: i32 = 0;
    let mut at = usize::from(sign);
    let start = at;
    while let Some(digit) = text
        .get(at)
        .map(|byte| byte.wrapping_sub(b'0'))
        .filter(|d| *d < 10)
    {
        value = value.saturating_mul(10).saturating_add(i32::from(digit));
        at += 1;
    }
    let negative = text.first() == Some(&b'-');
    (at > start).then_some((if negative { -value } else { value }, at))
}

const TENS: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// Appends the digits from `at` on to `mantissa`, which wraps, and counts them.
/// Eight bytes at a time: most of what a training log consists of is digits.
#[inline(always)]
fn digits(text: &[u8], at: usize, mantissa: &mut u64) -> usize {
    let mut count = 0;
    while let Some(bytes) = text
        .get(at + count..)
        .and_then(|rest| rest.first_chunk::<8>())
    {
        // A digit becomes 0 to 9; of anything else the high bit gets set. A
        // carry only runs into bytes behind the first such one.
        let word = u64::from_le_bytes(*bytes) ^ 0x3030_3030_3030_3030;
        let other = (word.wrapping_add(0x7676_7676_7676_7676) | word) & 0x8080_8080_8080_8080;
        if other == 0 {
            *mantissa = mantissa.wrapping_mul(100_000_000).wrapping_add(eight(word));
            count += 8;
            continue;
        }
        let some = (other.trailing_zeros() / 8) as usize;
        if some > 0 {
            let word = word << (64 - 8 * some);
            *mantissa = mantissa.wrapping_mul(TENS[some]).wrapping_add(eight(word));
        }
        return count + some;
    }
    while let Some(digit) = text
        .get(at + count)
        .map(|byte| byte.wrapping_sub(b'0'))
        .filter(|d| *d < 10)
    {
        *mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
        count += 1;
    }
    count
}

/// The number that eight bytes from 0 to 9 spell, first byte first: pairs, then
/// fours, then all (Lemire, "Quickly parsing eight digits", 2018).
#[inline(always)]
fn eight(word: u64) -> u64 {
    let pairs = word.wrapping_mul(10 * 256 + 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 * 65_536 + 1) >> 16 & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 * 4_294_967_296 + 1) >> 32
}

/// Reads a whole text as a number in any spelling that Python, C or JavaScript
/// prints: `1e-3`, `.5`, `nan`, `-inf`, `Infinity`, `1_000`. `None` when it is
/// something else.
pub(crate) fn spelled(text: &[u8]) -> Option<(f64, bool)> {
    let text = text.trim_ascii();
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
                let (read, len, _) = number(text.as_bytes()).unwrap();
                prop_assert_eq!(len, text.len());
                prop_assert_eq!(read.to_bits(), text.parse::<f64>().unwrap().to_bits());
            }
        }

        #[test]
        fn short_decimals(whole: u32, fraction in "[0-9]{1,12}", exponent in -30i32..30) {
            for text in [format!("{whole}.{fraction}"), format!("{whole}.{fraction}e{exponent}")] {
                let (read, _, _) = number(text.as_bytes()).unwrap();
                prop_assert_eq!(read.to_bits(), text.parse::<f64>().unwrap().to_bits());
            }
        }
    }
}
