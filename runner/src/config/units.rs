//! Sizes and durations as people write them.

use std::time::Duration;

use jiff::SignedDuration;

/// Units of size; the largest that fits without a rest is written.
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Reads a size in bytes: `64 MiB`, `4KiB`, `1 GB`, `4096`.
///
/// A unit must say whether it counts in 1024 or 1000: `64M` is refused.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().ok()?;
    let unit = unit.trim_start();
    if unit.is_empty() {
        return Some(number);
    }
    let (_, factor) = UNITS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.checked_mul(*factor)
}

/// Writes a size so that [`parse_size`] reads it back.
#[must_use]
pub fn write_size(bytes: u64) -> String {
    let unit = UNITS.iter().find(|(name, factor)| {
        // A thousand is seldom meant by 1000 bytes: only 1024s are shortened.
        (name.ends_with("iB") || *name == "B") && bytes >= *factor && bytes.is_multiple_of(*factor)
    });
    match unit {
        Some((name, factor)) => format!("{} {name}", bytes / factor),
        None => format!("{bytes} B"),
    }
}

/// Reads a duration: `1s`, `250ms`, `10m`, `1h 30m`, `90d` (days of 24 hours). A
/// bare number is refused, because it does not say of what.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    // jiff also reads ISO 8601 (`PT1S`) and clock time (`00:00:01`): one way is enough.
    if !text.starts_with(|c: char| c.is_ascii_digit()) || text.contains(':') {
        return None;
    }
    if let Some(days) = text.strip_suffix('d') {
        let hours = days.trim_end().parse::<u64>().ok()?.checked_mul(24)?;
        return hours.checked_mul(3600).map(Duration::from_secs);
    }
    let duration: SignedDuration = text.parse().ok()?;
    Duration::try_from(duration).ok()
}

/// Writes a duration so that [`parse_duration`] reads it back.
#[must_use]
pub fn write_duration(duration: Duration) -> String {
    const DAY: u64 = 86_400;
    let (seconds, rest) = (duration.as_secs(), duration.subsec_nanos());
    if rest == 0 && seconds >= DAY && seconds.is_multiple_of(DAY) {
        return format!("{}d", seconds / DAY);
    }
    match SignedDuration::try_from(duration) {
        Ok(duration) => format!("{duration:#}"),
        Err(_) => format!("{}s", duration.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_size("64 MiB"), Some(64 << 20));
        assert_eq!(parse_size("4KiB"), Some(4096));
        assert_eq!(parse_size(" 1 gb "), Some(1_000_000_000));
        assert_eq!(parse_size("512"), Some(512));
        assert_eq!(parse_size("0"), Some(0));
        let wrong = [
            "",
            "MiB",
            "64M",
            "1.5 GiB",
            "-1",
            "64 MiB x",
            "99999999999999999999",
            "٣ B",
            "18014398509481984 KiB",
            "1 2",
        ];
        for text in wrong {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_read_back() {
        for (bytes, text) in [
            (64 << 20, "64 MiB"),
            (4096, "4 KiB"),
            (1000, "1000 B"),
            (0, "0 B"),
            (3 << 30, "3 GiB"),
        ] {
            assert_eq!(write_size(bytes), text);
            assert_eq!(parse_size(text), Some(bytes));
        }
        assert_eq!(parse_size(&write_size(u64::MAX)), Some(u64::MAX));
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("1s"), Some(Duration::from_secs(1)));
        assert_eq!(parse_duration("2d"), Some(Duration::from_secs(172_800)));
        assert_eq!(parse_duration("1.5d"), None);
        assert_eq!(parse_duration("99999999999999999999d"), None);
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("10m"), Some(Duration::from_secs(600)));
        assert_eq!(parse_duration("10 minutes"), Some(Duration::from_secs(600)));
        assert_eq!(parse_duration("1h 30m"), Some(Duration::from_secs(5400)));
        assert_eq!(parse_duration("0s"), Some(Duration::ZERO));
        for text in [
            "",
            "1",
            "s",
            "-1s",
            "1s ago",
            "PT1S",
            "00:00:01",
            "1 fortnight",
            "9e99h",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn durations_read_back() {
        for (millis, text) in [
            (1000, "1s"),
            (250, "250ms"),
            (600_000, "10m"),
            (1500, "1s 500ms"),
        ] {
            let duration = Duration::from_millis(millis);
            assert_eq!(write_duration(duration), text);
            assert_eq!(parse_duration(text), Some(duration));
        }
    }
}
