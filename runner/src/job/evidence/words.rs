//! Numbers and pieces of text as evidence is written.

use std::fmt::Write as _;

use crate::alert::spans;

/// A section with its title.
pub(super) fn section(title: &str, body: &str) -> String {
    let end = if body.is_empty() || body.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!("== {title}\n{body}{end}")
}

/// Whole lines of a text, within so many bytes.
pub(super) fn cut_lines(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let (mut kept, total) = (String::new(), text.lines().count());
    let mut count = 0;
    for line in text.lines() {
        if kept.len() + line.len() + 40 > limit {
            break;
        }
        kept += line;
        kept.push('\n');
        count += 1;
    }
    _ = writeln!(kept, "… {} more lines", total - count);
    kept
}

/// `Rank 3`, `Ranks 0–2, 7`. They must be sorted.
pub(super) fn ranks_named(ranks: &[u32]) -> String {
    match ranks {
        [one] => format!("Rank {one}"),
        many => format!("Ranks {}", spans(many)),
    }
}

/// `98 %`.
pub(super) fn percent(part: f64) -> String {
    format!("{:.0} %", 100.0 * part)
}

/// The text with a capital at its beginning.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        format!("{}{}", first.to_uppercase(), letters.as_str())
    })
}

/// `1 file`, `2 files`.
pub(super) fn count(number: usize, what: &str) -> String {
    let plural = match what {
        "process" => "processes".to_owned(),
        _ => format!("{what}s"),
    };
    format!("{number} {}", if number == 1 { what } else { &plural })
}

/// `512 MiB`, `3.2 GiB`.
pub(in crate::job) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = UNITS.iter().find(|(_, unit)| bytes >= *unit);
    unit.map_or_else(
        || format!("{bytes} B"),
        |(name, unit)| {
            let number = bytes as f64 / *unit as f64;
            if number < 10.0 {
                format!("{number:.1} {name}")
            } else {
                format!("{number:.0} {name}")
            }
        },
    )
}

/// `45 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`.
pub(in crate::job) fn age(seconds: u64) -> String {
    match (
        seconds / 86_400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    ) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, ..) => format!("{d} d {h} h"),
    }
}
