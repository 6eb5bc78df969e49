//! What goes to the terminal besides alerts. A closed pipe is nobody's fault.

use std::io::{self, Write};

use crate::decode::Tally;

/// Writes a line to standard error.
pub(super) fn say(line: &str) {
    // With nobody to read it there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes text to standard output. A reader that went away has had enough.
pub(super) fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Says what became of one input.
pub(super) fn summarize(input: &str, tally: &Tally) {
    let mut line = format!(
        "runwatch: {input}: {} in {}",
        count(tally.records, "record", "records"),
        count(tally.lines, "line", "lines")
    );
    for (number, what) in [
        (tally.malformed, "malformed and skipped"),
        (tally.too_long, "too long and cut"),
        (tally.refused_fields, "fields beyond max-metrics left out"),
        (tally.refused_records, "records beyond max-runs left out"),
    ] {
        if number > 0 {
            line.push_str(&format!(", {} {what}", grouped(number)));
        }
    }
    say(&line);
    if let Some((number, problem)) = &tally.first_malformed {
        say(&format!("runwatch: {input}:{number}: {problem}"));
    }
    if tally.records + tally.evaluations == 0 && tally.lines > 0 {
        say("hint: `runwatch decode --list` shows the formats that runwatch reads");
    }
}

/// `1 alert`, `2 alerts`.
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    let word = if number == 1 { one } else { many };
    format!("{} {word}", grouped(number))
}

/// `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number in at most twelve characters.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    let plain = value.to_string();
    if plain.len() <= 10 {
        return plain;
    }
    let size = value.abs();
    if (1e-4..1e9).contains(&size) {
        let digits = 5 - size.log10().floor().clamp(-4.0, 5.0) as i32;
        format!("{value:.*}", digits.max(0) as usize)
    } else {
        format!("{value:.4e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        assert_eq!(count(1, "alert", "alerts"), "1 alert");
        assert_eq!(count(0, "alert", "alerts"), "0 alerts");
        assert_eq!(count(1_234_567, "line", "lines"), "1,234,567 lines");
        assert_eq!(count(123, "line", "lines"), "123 lines");
    }
}
