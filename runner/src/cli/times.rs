//! Times on the command line and on screen.

use jiff::Timestamp;

use crate::config::units::parse_duration;

/// Reads a time with its offset, or how long ago it was, as milliseconds since
/// 1970.
pub(crate) fn parse(text: &str, now: i64) -> Option<i64> {
    if let Some(ago) = parse_duration(text) {
        let millis = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
        return Some(now.saturating_sub(millis));
    }
    let time: Timestamp = text.trim().parse().ok()?;
    Some(time.as_millisecond())
}

/// `2026-11-22T14:24:18Z`
pub(super) fn show(millis: i64) -> String {
    let time = Timestamp::from_millisecond(millis).unwrap_or_default();
    format!("{time:.0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T14:24:18Z.
    const NOW: i64 = 1_795_357_458_000;
    const HOUR: i64 = 3_600_000;

    #[test]
    fn the_same_moment_in_any_offset() {
        for text in [
            "2026-11-22T14:24:18Z",
            "2026-11-22T15:24:18+01:00",
            "2026-11-22T19:54:18+05:30",
            "2026-11-21T22:24:18-16:00",
            "2026-11-22T14:24:18.000000+00:00",
            "2026-11-22 14:24:18Z",
            " 2026-11-22T14:24:18Z ",
        ] {
            assert_eq!(parse(text, 0), Some(NOW), "{text}");
        }
        assert_eq!(show(NOW), "2026-11-22T14:24:18Z");
    }

    #[test]
    fn how_long_ago() {
        assert_eq!(parse("2h", NOW), Some(NOW - 2 * HOUR));
        assert_eq!(parse("3d", NOW), Some(NOW - 72 * HOUR));
        assert_eq!(parse("1h 30m", NOW), Some(NOW - HOUR - HOUR / 2));
        assert_eq!(parse("0s", NOW), Some(NOW));
    }

    #[test]
    fn what_leaves_a_doubt_is_refused() {
        for text in [
            "",
            "yesterday",
            "2",
            "-2h",
            "2026-11-22",
            "2026-11-22T14:24:18",
            "2026-13-01T00:00:00Z",
        ] {
            assert_eq!(parse(text, NOW), None, "{text}");
        }
    }
}
