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
