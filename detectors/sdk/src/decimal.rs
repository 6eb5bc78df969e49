//! Decimal numbers, written and read in little code.
//!
//! The standard library's formatting and parsing of `f64` is exact for every
//! number and every number of digits, and 30 KB of WebAssembly in each
//! component. Detectors write a few digits and read what people type; no
//! detector formats or parses an `f64` in another way.

/// Powers of ten that an `f64` holds exactly, as integers.
const POWERS: [u128; 23] = {
    let mut powers = [1; 23];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};
/// The largest of them.
const LARGEST: i32 = POWERS.len() as i32 - 1;

/// A positive number of the form `digits` · 10<sup>-`decimals`</sup>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    pub(crate) digits: u64,
    pub(crate) decimals: i32,
}

impl Decimal {
    /// A positive, finite number rounded to so many significant digits, at
    /// most 9: exactly, and half to even, from 10⁻¹³ to 10¹⁹.
    pub(crate) fn rounded(mut value: f64, significant: usize) -> Self {
        let mut shift = 0;
        while value < 1e-13 {
            value *= 1e22;
            shift += LARGEST;
        }
        while value >= 1e19 {
            value /= 1e22;
            shift -= LARGEST;
        }
        let end = POWERS[significant] as u64;
        let fits = |decimals: &i32| scaled(value, *decimals).filter(|digits| *digits < end);
        // Rounded first, so that 9.9999 is seen as 10.
        let decimals = (1 - LARGEST..=LARGEST).rev().find(|it| fits(it).is_some());
        let decimals = decimals.unwrap_or(0);
        Self {
            digits: fits(&decimals).unwrap_or(0),
            decimals: decimals + shift,
        }
    }

    /// Without zeros at the end.
    pub(crate) fn trimmed(mut self) -> Self {
        while self.digits != 0 && self.digits.is_multiple_of(10) {
            self.digits /= 10;
            self.decimals -= 1;
        }
        self
    }

    /// `0.0123`, `12800`.
    pub(crate) fn plain(self) -> String {
        let mut text = self.digits.to_string();
        let decimals = usize::try_from(self.decimals).unwrap_or(0);
        while text.len() <= decimals {
            text.insert(0, '0');
        }
        if decimals > 0 {
            text.insert(text.len() - decimals, '.');
        }
        for _ in self.decimals..0 {
            text.push('0');
        }
        text
    }

    /// `1.23e-5`.
    pub(crate) fn scientific(self) -> String {
        let mut text = self.digits.to_string();
        let exponent = text.len() as i32 - 1 - self.decimals;
        if text.len() > 1 {
            text.insert(1, '.');
        }
        text.push('e');
        text += &exponent.to_string();
        text
    }
}

/// `value` · 10<sup>`decimals`</sup>, rounded exactly, half to even; none if it
/// does not fit. The value lies between 10⁻¹³ and 10¹⁹.
pub(crate) fn scaled(value: f64, decimals: i32) -> Option<u64> {
    let power = *POWERS.get(decimals.unsigned_abs() as usize)?;
    let bits = value.to_bits();
    // At least 10⁻¹³, it is a normal number: mantissa / 2^places.
    let mantissa = u128::from(bits & ((1 << 52) - 1) | 1 << 52);
    let places = 1075 - (bits >> 52) as i32;
    let (quotient, order) = if decimals < 0 || places <= 0 {
        let (whole, power) = (value as u64, u64::try_from(power).ok()?);
        if decimals > 0 {
            return whole.checked_mul(power);
        }
        let rest = whole % power;
        // The fraction only decides what would else be a tie.
        let tie = (value > whole as f64).cmp(&false);
        (whole / power, rest.cmp(&(power - rest)).then(tie))
    } else {
        let product = mantissa * power;
        let half = 1 << (places - 1);
        let rest = product & ((1 << places) - 1);
        (u64::try_from(product >> places).ok()?, rest.cmp(&half))
    };
    let up = order.is_gt() || order.is_eq() && !quotient.is_multiple_of(2);
    Some(quotient + u64::from(up))
}

/// A number as people would type it, which [`parse`] reads back: `0.001`, `12`.
/// Exact for numbers of at most 15 digits from 10⁻¹³ to 10¹⁵.
pub(crate) fn plain(value: f64) -> String {
    let size = value.abs();
    let text = if size == 0.0 {
        "0".to_owned()
    } else if (1e-13..1e19).contains(&size) {
        let texts = (0..=LARGEST).filter_map(|decimals| {
            let digits = scaled(size, decimals)?;
            Some(Decimal { digits, decimals }.plain())
        });
        let mut texts = texts.filter(|text| parse(text) == Some(size));
        texts.next().unwrap_or_else(|| approximate(size))
    } else {
        approximate(size)
    };
    if value < 0.0 {
        format!("-{text}")
    } else {
        text
    }
}

fn approximate(size: f64) -> String {
    Decimal::rounded(size, 9).trimmed().scientific()
}

/// Reads `-12`, `0.001`, `1e-3`. Exact for up to 15 digits and exponents up to
/// 22, within a few units in the last place otherwise. Infinities and NaN are
/// no numbers here.
pub(crate) fn parse(text: &str) -> Option<f64> {
    let (text, sign) = match text.strip_prefix('-') {
        Some(rest) => (rest, -1.0),
        None => (text.strip_prefix('+').unwrap_or(text), 1.0),
    };
    let (mut mantissa, mut exponent) = (0_u64, 0_i32);
    let (mut any, mut point) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => {
                any = true;
                let more = mantissa.checked_mul(10);
                match more.and_then(|it| it.checked_add(u64::from(byte - b'0'))) {
                    Some(more) => {
                        mantissa = more;
                        exponent -= i32::from(point);
                    }
                    // What does not fit does not matter.
                    None => exponent += i32::from(!point),
                }
            }
            b'.' if !point => point = true,
            b'e' | b'E' if any => {
                let written: i32 = text.get(at + 1..)?.parse().ok()?;
                exponent = exponent.saturating_add(written);
                break;
            }
            _ => return None,
        }
    }
    any.then(|| sign * shifted(mantissa as f64, exponent))
}

/// `value` · 10<sup>`exponent`</sup>, in as few steps as are exact.
fn shifted(mut value: f64, exponent: i32) -> f64 {
    // Beyond that it is infinite or zero.
    let mut left = exponent.unsigned_abs().min(400);
    while left > 0 {
        let step = left.min(LARGEST as u32);
        let power = (0..step).fold(1.0, |power, _| power * 10.0);
        if exponent < 0 {
            value /= power;
        } else {
            value *= power;
        }
        left -= step;
    }
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the standard library makes of it.
    fn exact(value: f64, significant: usize) -> (u64, i32) {
        let text = format!("{value:.*e}", significant - 1);
        let (mantissa, exponent) = text.split_once('e').unwrap();
        let exponent: i32 = exponent.parse().unwrap();
        let digits = mantissa.replace('.', "").parse().unwrap();
        (digits, significant as i32 - 1 - exponent)
    }

    fn assert_exact(value: f64, significant: usize) {
        let Decimal { digits, decimals } = Decimal::rounded(value, significant);
        let expected = exact(value, significant);
        assert_eq!((digits, decimals), expected, "{value:e} {significant}");
    }

    #[test]
    fn ties_and_carries_round_as_usual() {
        for value in [
            0.5, 1.5, 2.5, 0.125, 0.375, 1.0625, 12.5, 1234.5, 1235.5, 12_345.0, 12_355.0,
            123_450.5, 1e18, 1.2345e18, 9.9995, 9_999.5, 99_995.0, 999_950.0, 1e-13, 9.9999e-5,
        ] {
            for significant in 1..=9 {
                assert_exact(value, significant);
            }
        }
    }

    #[test]
    fn what_people_type_comes_back() {
        for (value, text) in [
            (0.0, "0"),
            (12.0, "12"),
            (-3.0, "-3"),
            (0.1, "0.1"),
            (1e-3, "0.001"),
            (1e-8, "0.00000001"),
            (10_000.0, "10000"),
            (86_400.0, "86400"),
            (1e15, "1000000000000000"),
            (0.004_25, "0.00425"),
            (1e300, "1e300"),
            (2.5e-20, "2.5e-20"),
        ] {
            assert_eq!(plain(value), text);
        }
    }

    #[test]
    fn only_numbers_are_read() {
        for text in [
            "", "-", ".", "e5", "1e", "1.2.3", "1,5", "nan", "inf", "0x1", "1 ", "--1",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        for text in [
            "5", "+5", "-0.5", ".5", "5.", "1e3", "1E-3", "2.5e+2", "1e-400", "0e9",
        ] {
            assert_eq!(parse(text), text.parse().ok(), "{text}");
        }
        assert_eq!(parse("1e999999999999"), None);
        assert_eq!(parse("1e999999999"), Some(f64::INFINITY));
    }

    proptest! {
        #[test]
        fn rounding_is_exact(value in 1e-13..1e-3, large in 1e-3..1e6, exponent in 0..13, significant in 1_usize..=9) {
            assert_exact(value, significant);
            assert_exact(large * 10_f64.powi(exponent), significant);
        }

        #[test]
        fn far_out_four_digits_are_right_but_for_ties(exponent in -300_i32..300, mantissa in 1000_u64..9999, off in 1_u64..9) {
            let off = if off == 5 { 6 } else { off };
            let value = (mantissa * 10 + off) as f64 * 10_f64.powi(exponent);
            assert_exact(value, 4);
        }

        #[test]
        fn a_number_of_few_digits_comes_back(digits in -1_000_000_000_i64..1_000_000_000, decimals in 0..12) {
            let value = digits as f64 / 10_f64.powi(decimals);
            prop_assert_eq!(parse(&plain(value)), Some(value));
            prop_assert_eq!(plain(value).parse(), Ok(value));
        }

        #[test]
        fn reading_is_exact_or_close(value in any::<f64>().prop_filter("finite", |it| it.is_normal())) {
            let read = parse(&format!("{value:e}")).unwrap();
            prop_assert!((read / value - 1.0).abs() < 1e-14, "{value:e} {read:e}");
            let short = format!("{:.9e}", value.clamp(-1e12, 1e12));
            if !short.contains("e-") {
                prop_assert_eq!(parse(&short), short.parse().ok());
            }
        }
    }
}
