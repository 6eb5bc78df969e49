//! Times as training jobs print them.

/// Seconds since 1970 from a number that may be in seconds, milliseconds,
/// microseconds or nanoseconds; `None` when it is no plausible date (2001 to
/// 2100): `time` is as often a duration.
pub(crate) fn from_number(value: f64) -> Option<f64> {
    const FIRST: f64 = 1e9; // September 2001
    const LAST: f64 = 4.1e9; // 2100
    [1.0, 1e3, 1e6, 1e9]
        .into_iter()
        .map(|unit| value / unit)
        .find(|seconds| (FIRST..LAST).contains(seconds))
}

/// Seconds since 1970 from a text: a number, or a date and a clock in any form
/// that [`from_stamp`] or ISO 8601 knows.
pub(crate) fn from_text(text: &[u8]) -> Option<f64> {
    if let Some(stamp) = from_stamp(text.trim_ascii()) {
        return Some(stamp.seconds);
    }
    let text = std::str::from_utf8(text).ok()?.trim();
    if let Ok(value) = text.parse::<f64>() {
        return from_number(value);
    }
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Some(timestamp.as_duration().as_secs_f64());
    }
    let local: jiff::civil::DateTime = text.replace(',', ".").parse().ok()?;
    let timestamp = local.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some(timestamp.as_duration().as_secs_f64())
}

/// A time that a logger's prefix names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stamp {
    /// Seconds since 1970; the clock is taken for UTC where it names no zone.
    pub(crate) seconds: f64,
    /// Whether it names its zone, so that it can be set beside the wall clock.
    pub(crate) zoned: bool,
}

/// Reads a stamp as loggers print them: `2025-02-16 15:49:19,815`,
/// `2023/06/05T20:09:42.5Z`, `05/25/2021 06:30:01`. `None` for one that does
/// not tell the year, or not which number is the month. Loggers stamp every
/// record, so this allocates nothing.
pub(crate) fn from_stamp(text: &[u8]) -> Option<Stamp> {
    let (days, rest) = date(text)?;
    let rest = match rest {
        [b' ' | b'T' | b'_', rest @ ..] | [b',', b' ', rest @ ..] => rest,
        _ => return None,
    };
    let (clock, rest) = clock(rest)?;
    let (offset, zoned) = match rest {
        [] => (0, false),
        [b'Z'] => (0, true),
        [sign @ (b'+' | b'-'), zone @ ..] => {
            let offset = zone_offset(zone)?;
            (if *sign == b'-' { -offset } else { offset }, true)
        }
        _ => return None,
    };
    let midnight = days * 86_400 - offset;
    Some(Stamp {
        seconds: midnight as f64 + clock,
        zoned,
    })
}

/// Days since 1970, and what follows the date.
fn date(text: &[u8]) -> Option<(i64, &[u8])> {
    let (first, width, rest) = digits(text)?;
    let (&mark, rest) = rest.split_first()?;
    let (second, two, rest) = digits(rest)?;
    let (&again, rest) = rest.split_first()?;
    let (third, last, rest) = digits(rest)?;
    if !matches!(mark, b'-' | b'/') || again != mark || two != 2 {
        return None;
    }
    let (year, month, day) = match (width, last) {
        (4, 2) => (first, second, third),
        // The day comes first where the other number is no month; with slashes
        // and in doubt it is Python's `%m/%d/%Y`.
        (2, 4) if first > 12 => (third, second, first),
        (2, 4) if second > 12 || mark == b'/' => (third, first, second),
        _ => return None,
    };
    Some((days(year, month, day)?, rest))
}

/// The seconds of `HH:MM:SS` with its fraction, and what follows.
fn clock(text: &[u8]) -> Option<(f64, &[u8])> {
    let (clock, rest) = text.split_at_checked(8)?;
    let &[a, b, b':', c, d, b':', e, f] = clock else {
        return None;
    };
    let two = |tens: u8, ones: u8| {
        (tens.is_ascii_digit() && ones.is_ascii_digit())
            .then(|| u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
    };
    let (hours, minutes, seconds) = (two(a, b)?, two(c, d)?, two(e, f)?);
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let whole = f64::from(hours * 3600 + minutes * 60 + seconds);
    let [b',' | b'.', fraction @ ..] = rest else {
        return Some((whole, rest));
    };
    let (value, width, rest) = digits(fraction)?;
    // At most nine digits: see `digits`.
    Some((whole + f64::from(value) / 10f64.powi(width as i32), rest))
}

/// The seconds of `02`, `0200` or `02:00`.
fn zone_offset(text: &[u8]) -> Option<i64> {
    let (first, width, rest) = digits(text)?;
    let (hours, minutes) = match (width, rest) {
        (2, []) => (first, 0),
        (4, []) => (first / 100, first % 100),
        (2, [b':', rest @ ..]) => match digits(rest)? {
            (minutes, 2, []) => (first, minutes),
            _ => return None,
        },
        _ => return None,
    };
    (hours < 24 && minutes < 60).then(|| i64::from(hours * 3600 + minutes * 60))
}

/// The number at the start, of at most nine digits, how many they are, and
/// what follows.
fn digits(text: &[u8]) -> Option<(u32, usize, &[u8])> {
    let width = text.iter().take_while(|b| b.is_ascii_digit()).count();
    if !(1..=9).contains(&width) {
        return None;
    }
    let (digits, rest) = text.split_at(width);
    let value = digits
        .iter()
        .fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    Some((value, width, rest))
}

/// Days from 1970 to a date of our calendar, if there is such a date.
fn days(year: u32, month: u32, day: u32) -> Option<i64> {
    const BEFORE: [u32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let longest = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1970..=9999).contains(&year) || !(1..=longest).contains(&day) {
        return None;
    }
    let before = BEFORE.get(month.checked_sub(1)? as usize)? + u32::from(leap && month > 2);
    let past = year - 1;
    // Leap days since the year 1; 719162 days lie between it and 1970.
    let leaps = past / 4 - past / 100 + past / 400;
    Some(i64::from(past * 365 + leaps + before + day - 1) - 719_162)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_and_durations() {
        assert_eq!(from_number(1_700_000_000.5), Some(1_700_000_000.5));
        assert_eq!(from_number(1_700_000_000_500.0), Some(1_700_000_000.5));
        assert_eq!(from_number(1.7e18), Some(1.7e9));
        for duration in [0.0, 12.5, 131.31, 3600.0, f64::NAN, -1.0, 1e300] {
            assert_eq!(from_number(duration), None, "{duration}");
        }
    }

    #[test]
    fn texts() {
        let expected = Some(1_739_720_959.0);
        for text in [
            "2025-02-16T15:49:19Z",
            "2025-02-16 15:49:19",
            "2025-02-16T15:49:19",
            "2025-02-16T17:49:19+02:00",
            "2025-02-16T17:49:19+0200",
            "2025-02-16 10:49:19-05",
            "2025/02/16 15:49:19",
            "2025-02-16_15:49:19",
            "2025-02-16, 15:49:19",
            "02/16/2025 15:49:19",
            "16/02/2025 15:49:19",
            "16-02-2025 15:49:19",
            "02-16-2025 15:49:19",
            "1739720959",
        ] {
            assert_eq!(from_text(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(from_text(b"2025-02-16 15:49:19,500"), Some(1_739_720_959.5));
        assert_eq!(from_text(b"2025-02-16 15:49:19.5"), Some(1_739_720_959.5));
        assert_eq!(from_text(b"yesterday"), None);
        assert_eq!(from_text(b"\xff"), None);
    }

    #[test]
    fn stamps_that_leave_something_open_are_no_times() {
        for text in [
            "11/01 18:06:04",
            "08-21 10:27:47",
            "0317 10:00:17.579063",
            "Sep 12, 10:22:33",
            "19:22:03",
            "03-04-2025 10:00:00",
            "03/04/25 10:00:00",
            "2025-02-30 10:00:00",
            "2025-13-01 10:00:00",
            "2025-02-16 24:00:00",
            "2025-02-16 10:00",
            "2025-02-16",
            "",
        ] {
            assert_eq!(from_stamp(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_zone_is_told() {
        assert!(from_stamp(b"2025-02-16T15:49:19Z").unwrap().zoned);
        assert!(!from_stamp(b"2025-02-16T15:49:19,1").unwrap().zoned);
    }

    proptest! {
        #[test]
        fn days_are_those_of_the_calendar(day in 0i64..2_932_896, clock in 0i64..86_400) {
            let seconds = day * 86_400 + clock;
            let text = jiff::Timestamp::from_second(seconds).unwrap().to_string();
            prop_assert_eq!(from_stamp(text.as_bytes()).unwrap().seconds, seconds as f64);
        }

        #[test]
        fn any_bytes_will_do(text in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = from_text(&text);
        }

        #[test]
        fn anything_like_a_stamp_will_do(text in r"[0-9]{1,12}[-/][0-9]{2}[-/]?[0-9]{0,4}[ T_,][0-9:]{8}[.,]?[0-9]{0,12}[Z+-]?[0-9:]{0,5}") {
            let _ = from_text(text.as_bytes());
        }
    }
}
