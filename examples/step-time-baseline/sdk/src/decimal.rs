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
