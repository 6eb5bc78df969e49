//! Moments and numbers as several services want them.

use serde_json::{Value, json};

use crate::alert::Alert;

/// Milliseconds since 1970 as RFC 3339 in UTC.
pub(super) fn rfc3339(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis)
        .unwrap_or_default()
        .to_string()
}

/// When an alert was made, as RFC 3339 in UTC; `at` if the log has no times.
pub(super) fn time(alert: &Alert, at: i64) -> String {
    alert.time.clone().unwrap_or_else(|| rfc3339(at))
}

/// A number as people write it: `2.31`, `1e-7`, `NaN`, `inf`.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if size.is_finite() && size != 0.0 && !(1e-4..1e15).contains(&size) {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

/// A number for strict JSON: as text if it is not finite.
pub(super) fn json_number(value: f64) -> Value {
    if value.is_finite() {
        json!(value)
    } else {
        json!(number(value))
    }
}

/// `loss = NaN, last = 2.31`; empty without values.
pub(super) fn values_line(alert: &Alert) -> String {
    let pairs = alert.values.iter();
    let pairs = pairs.map(|(name, value)| format!("{name} = {}", number(*value)));
    pairs.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::sample;

    #[test]
    fn numbers() {
        let written = [2.31, 0.0, 1e-7, -3e20, f64::NAN, f64::NEG_INFINITY].map(number);
        assert_eq!(written, ["2.31", "0", "1e-7", "-3e20", "NaN", "-inf"]);
        assert_eq!(json_number(f64::NAN), json!("NaN"));
        assert_eq!(json_number(2.5), json!(2.5));
        assert_eq!(values_line(&sample()), "loss = NaN, last = 2.31");
    }

    #[test]
    fn times() {
        assert_eq!(rfc3339(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        let timeless = Alert {
            time: None,
            ..sample()
        };
        assert_eq!(time(&timeless, 0), "1970-01-01T00:00:00Z");
        assert_eq!(time(&sample(), 0), "2023-11-14T22:13:20Z");
    }
}
