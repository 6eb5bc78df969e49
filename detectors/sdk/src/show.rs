//! Numbers as people write them, for titles and messages.

use crate::batch::{NO_RANK, Point};
use crate::decimal::{self, Decimal};

/// A number with up to four significant digits: `2.31`, `0.0123`, `1.2e-5`,
/// `12800`, `NaN`, `+Infinity`.
#[must_use]
pub fn number(value: f64) -> String {
    digits(value, 4)
}

/// A ratio: `41.7x`.
#[must_use]
pub fn times(ratio: f64) -> String {
    format!("{}x", digits(ratio, 3))
}

/// A share or a change: 0.26 is `26 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{} %", digits(share * 100.0, 3))
}

/// Where a point is: `step 1200`, `step 1200 on rank 3`.
#[must_use]
pub fn place(point: &Point) -> String {
    if point.rank == NO_RANK {
        format!("step {}", point.step)
    } else {
        format!("step {} on rank {}", point.step, point.rank)
    }
}

/// A count with its noun: `1 row`, `3 rows`.
#[must_use]
pub fn count(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A time: `0.2 s`, `95 s`, `12 min`, `3.5 h`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    match seconds {
        ..120.0 => format!("{} s", digits(seconds, 2 + usize::from(seconds >= 100.0))),
        ..7200.0 => format!(
            "{} min",
            digits(seconds / 60.0, 2 + usize::from(seconds >= 6000.0))
        ),
        _ => format!("{} h", digits(seconds / 3600.0, 3)),
    }
}

fn digits(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 {
            "+Infinity"
        } else {
            "-Infinity"
        }
        .to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let size = value.abs();
    let rounded = Decimal::rounded(size, digits);
    let text = match digits as i32 - 1 - rounded.decimals {
        -3..=6 if rounded.decimals >= 0 => rounded.trimmed().plain(),
        // Whole numbers are written in full.
        -3..=6 => decimal::scaled(size, 0).unwrap_or(0).to_string(),
        _ => rounded.trimmed().scientific(),
    };
    format!("{sign}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let cases = [
            (2.31, "2.31"),
            (10.976_32, "10.98"),
            (1.2e-5, "1.2e-5"),
            (0.012_345, "0.01235"),
            (9.999_99, "10"),
            (0.0, "0"),
            (-0.0, "0"),
            (-4.5, "-4.5"),
            (12_952.0, "12952"),
            (1_234_567.0, "1234567"),
            (3.2e12, "3.2e12"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
            (f64::MIN_POSITIVE / 4.0, "5.563e-309"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(times(41.66), "41.7x");
        assert_eq!(percent(0.2613), "26.1 %");
        assert_eq!(count(1, "row"), "1 row");
        assert_eq!(count(3, "row"), "3 rows");
        for (seconds, text) in [
            (0.25, "0.25 s"),
            (4.2, "4.2 s"),
            (119.0, "119 s"),
            (130.0, "2.2 min"),
            (600.0, "10 min"),
            (6600.0, "110 min"),
            (12_600.0, "3.5 h"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }
}
