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

/// Seconds since 1970 from an ISO 8601 text, with or without offset (then UTC),
/// with `T` or a blank.
pub(crate) fn from_text(text: &[u8]) -> Option<f64> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
            "1739720959",
        ] {
            assert_eq!(from_text(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(from_text(b"2025-02-16 15:49:19,500"), Some(1_739_720_959.5));
        assert_eq!(from_text(b"yesterday"), None);
        assert_eq!(from_text(b"\xff"), None);
    }
}
