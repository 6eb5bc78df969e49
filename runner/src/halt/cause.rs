//! Why a run is halted.

use super::Reach;
use super::files::Halt as File;
use crate::alert::Alert;
use crate::ledger::halts::Halt as Row;

/// Why a run is halted, and how far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The type, such as `nan_loss`: small letters, digits and `_`.
    pub kind: String,
    /// In a few words: the alert's title.
    pub title: String,
    /// Why, as the detector says it, else the title.
    pub reason: String,
    /// The alert's id; empty if it is not known.
    pub alert: String,
    /// The alert's fingerprint; empty if it is not known.
    pub fingerprint: String,
    /// How far; [`Reach::Off`] if it is not known.
    pub reach: Reach,
}

impl Cause {
    pub(super) fn of_alert(alert: &Alert, reach: Reach) -> Self {
        Self {
            kind: kind(alert),
            title: alert.title.clone(),
            reason: alert.halt.as_ref().unwrap_or(&alert.title).clone(),
            alert: alert.id.clone(),
            fingerprint: alert.fingerprint.clone(),
            reach,
        }
    }

    pub(super) fn of_file(halt: File) -> Self {
        let reason = halt.reason.unwrap_or_else(|| halt.kind.clone());
        Self {
            kind: clean_kind(&halt.kind),
            title: reason.clone(),
            reason,
            alert: halt.alert.unwrap_or_default(),
            fingerprint: String::new(),
            reach: halt.reach.unwrap_or(Reach::Off),
        }
    }

    pub(super) fn of_row(row: &Row) -> Self {
        Self {
            kind: clean_kind(&row.kind),
            title: row.reason.clone(),
            reason: row.reason.clone(),
            alert: row.alert.clone(),
            fingerprint: String::new(),
            reach: Reach::from_name(&row.reach).unwrap_or(Reach::Off),
        }
    }
}

/// The type of an alert: the NSA watchdog's name where it has one, else the
/// detector's.
fn kind(alert: &Alert) -> String {
    let of_loss = alert.halt.is_some() || alert.key.ends_with("/loss");
    let known = match (alert.detector.as_str(), alert.key.as_str()) {
        ("non-finite", _) if of_loss => "nan_loss",
        ("heartbeat", _) => "heartbeat_stall",
        ("throughput", "flatline") => "throughput_flatline",
        ("grad-norm", "zero") => "zero_grad",
        (detector, _) => detector,
    };
    clean_kind(known)
}

/// A type is part of a file's name.
fn clean_kind(text: &str) -> String {
    let letter = |c: char| {
        let fits = c.is_ascii_lowercase() || c.is_ascii_digit();
        if fits { c } else { '_' }
    };
    let kind: String = text.chars().take(64).map(letter).collect();
    if kind.is_empty() {
        "alert".to_owned()
    } else {
        kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::sample;

    #[test]
    fn types_are_those_of_the_watchdog_or_the_detector() {
        for (detector, key, halt, expected) in [
            ("non-finite", "non-finite/loss", None, "nan_loss"),
            ("non-finite", "non-finite/val", Some("x"), "nan_loss"),
            ("non-finite", "non-finite/lr", None, "non_finite"),
            ("heartbeat", "silence", None, "heartbeat_stall"),
            ("throughput", "flatline", None, "throughput_flatline"),
            ("throughput", "slower", None, "throughput"),
            ("gate-collapse", "gate-collapse", None, "gate_collapse"),
            ("grad-norm", "zero", None, "zero_grad"),
            ("loss-spike", "loss-spike", None, "loss_spike"),
            ("../x", "y", None, "___x"),
            ("", "y", None, "alert"),
        ] {
            let mut alert = sample();
            (alert.detector, alert.key) = (detector.to_owned(), key.to_owned());
            alert.halt = halt.map(str::to_owned);
            assert_eq!(kind(&alert), expected);
        }
    }
}
