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
    let mut at = 0;
    let negative = text.first() == Some(&b'-');
    if negative {
        at = 1;
    }
    let start = at;
    let mut mantissa: u64 = 0;
    while let Some(digit) = digit(text, at) {
        mantissa = mantissa.wrapping_mul(10).wrapping_add(digit);
        at += 1;
    }
    let whole = at - start;
    if whole == 0 || (whole > 1 && text[start] == b'0') {
        return None;
    }
    let mut digits = whole;
    let mut exponent: i32 = 0;
    let mut integer = true;
    if text.get(at) == Some(&b'.') {
        at += 1;
        let start = at;
        while let Some(digit) = digit(text, at) {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(digit);
            at += 1;
        }
        let fraction = at - start;
        if fraction == 0 {
            return None;
        }
        integer = false;
        digits += fraction;
        exponent = -i32::try_from(fraction).ok()?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1;
        let minus = text.get(at) == Some(&b'-');
        if minus || text.get(at) == Some(&b'+') {
            at += 1;
        }
        let start = at;
        let mut written: i32 = 0;
        while let Some(digit) = digit(text, at) {
            written = written.saturating_mul(10).saturating_add(digit as i32);
            at += 1;
        }
        if at == start {
            return None;
        }
        integer = false;
        exponent = exponent.saturating_add(if minus { -written } else { written });
    }
    // Clinger's fast path: an exact integer times or over an exact power of ten
    // is correctly rounded. Nineteen digits fit a u64.
    let value = if digits <= 19 && mantissa <= 1 << 53 && exponent.unsigned_abs() <= 22 {
        let mantissa = mantissa as f64;
        let power = POWERS[exponent.unsigned_abs() as usize];
        let value = if exponent < 0 {
            mantissa / power
        } else {
            mantissa * power
        };
        if negative { -value } else { value }
    } else {
        fast_float2::parse(&text[..at]).ok()?
    };
    Some((value, at, integer))
}

#[inline(always)]
fn digit(text: &[u8], at: usize) -> Option<u64> {
    let digit = text.get(at)?.wrapping_sub(b'0');
    (digit < 10).then_some(u64::from(digit))
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
