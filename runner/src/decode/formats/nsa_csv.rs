//! The `training.csv` of the NSA trainer, which has no header.
//!
//! ```text
//! 120,3.245100,1.000000e-04,1245
//! ```
//!
//! Step, loss (`%.6f`), learning rate (`%.6e`), tokens a second (`%.0f`).

use super::Entry;
use crate::decode::format::{About, Line, Lines, Out};
use crate::decode::number::spelled;

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "nsa-csv",
        title: "The NSA trainer's training.csv, without a header",
        example: "120,3.245100,1.000000e-04,1245",
        step: "the first column",
    },
    begins: b"0123456789",
    new: || Box::new(Lines(read)),
};

fn read(line: &Line<'_>, out: &mut Out<'_>) -> bool {
    if !line.text.first().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    let mut columns = line.text.split(|&byte| byte == b',');
    let mut next = || columns.next().unwrap_or_default();
    let [step, loss, lr, speed] = [next(), next(), next(), next()];
    let step = std::str::from_utf8(step)
        .ok()
        .and_then(|step| step.parse().ok());
    let (Some(step), None) = (step, columns.next()) else {
        return false;
    };
    if !is_fixed(loss) || !is_scientific(lr) || !is_whole(speed) {
        return false;
    }
    out.begin();
    out.step(step);
    for (name, text) in [("loss", loss), ("lr", lr), ("toks_per_s", speed)] {
        if let Some((value, _)) = spelled(text) {
            out.metric(name.as_bytes(), value);
        }
    }
    out.end(line)
}

/// Digits, or what C prints for a number that is none.
fn is_whole(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    matches!(digits, b"nan" | b"inf") || !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// `%.6f`.
fn is_fixed(text: &[u8]) -> bool {
    let mut parts = text.splitn(2, |&byte| byte == b'.');
    let whole = parts.next().unwrap_or_default();
    match parts.next() {
        Some(fraction) => is_whole(whole) && fraction.len() == 6 && is_whole(fraction),
        None => text.ends_with(b"nan") || text.ends_with(b"inf"),
    }
}

/// `%.6e`.
fn is_scientific(text: &[u8]) -> bool {
    let mut parts = text.splitn(2, |&byte| byte == b'e');
    let mantissa = parts.next().unwrap_or_default();
    let exponent = parts.next();
    match exponent {
        Some([b'-' | b'+', digits @ ..]) => is_fixed(mantissa) && is_whole(digits),
        Some(_) => false,
        None => mantissa.ends_with(b"nan") || mantissa.ends_with(b"inf"),
    }
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn rows() {
        let log = "1,9.125000,1.000000e-04,1245\n2,nan,2.500000e-04,312\n";
        let expected = [
            "step 1: loss=9.125 lr=0.0001 toks_per_s=1245",
            "step 2: loss=NaN lr=0.00025 toks_per_s=312",
        ];
        assert_eq!(records(log), expected);
        assert_eq!(formats(log), ["nsa-csv"]);
    }

    #[test]
    fn other_rows_are_not_taken() {
        for row in [
            "1,2,3,4",
            "1,9.125,1.000000e-04,1245",
            "1,9.125000,0.000100,1245",
            "1,9.125000,1.000000e-04,12.5",
            "1,9.125000,1.000000e-04,1245,1",
            "1,9.125000,1.000000e-04",
            "1.5,9.125000,1.000000e-04,1",
            "x,9.125000,1.000000e-04,1",
        ] {
            assert!(!formats(row).contains(&"nsa-csv"), "{row}");
        }
    }
}
