//! The parts of a message that several services show alike.

use super::values::number;
use crate::deliver::{Entry, Message};

/// The entries with what fires first, the worst of it at the top: what does
/// not fit is then the least. The first one is the one that
/// [`Message::title`] tells of.
pub(super) fn worst_first(message: &Message) -> Vec<&Entry> {
    let mut entries: Vec<_> = message.entries.iter().collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.fires().then_some(entry.alert.severity)));
    entries
}

/// What to do, where there is something to do.
pub(super) fn advice(entry: &Entry) -> Option<&str> {
    let advice = entry.alert.recommendation.trim();
    (entry.fires() && !advice.is_empty()).then_some(advice)
}

/// The facts on one line: `Run: train · Step: 2404`.
fn facts(entry: &Entry) -> String {
    joined(entry.facts().iter().map(|(name, value)| (*name, value)))
}

/// The values on one line: `loss: NaN · last: 2.31`.
pub(super) fn values(entry: &Entry) -> Option<String> {
    let values = &entry.alert.values;
    let written = values
        .iter()
        .map(|(name, value)| (name.as_str(), number(*value)));
    (!values.is_empty()).then(|| joined(written))
}

/// The facts and the values on one line each; should they be cut, the facts
/// stay.
pub(super) fn details(entry: &Entry) -> String {
    match values(entry) {
        Some(values) => format!("{}\n{values}", facts(entry)),
        None => facts(entry),
    }
}

/// What is not shown, by name: `and 2 more: WARNING: a (run x); INFO: b (run x)`.
pub(super) fn rest(entries: &[&Entry]) -> Option<String> {
    let headlines: Vec<_> = entries.iter().map(|entry| entry.headline()).collect();
    let counted = || format!("and {} more: {}", entries.len(), headlines.join("; "));
    (!entries.is_empty()).then(counted)
}

fn joined<'a>(pairs: impl Iterator<Item = (&'a str, impl std::fmt::Display)>) -> String {
    let pairs: Vec<_> = pairs
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    pairs.join(" · ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn what_fires_comes_first_and_the_worst_of_it_at_the_top() {
        let mut message = testing::many(3);
        message
            .entries
            .insert(0, testing::resolved().entries.remove(0));
        let order = worst_first(&message);
        let titles: Vec<_> = order.iter().map(|entry| &*entry.alert.title).collect();
        assert_eq!(
            titles,
            ["trouble 1", "trouble 0", "trouble 2", "loss is NaN"]
        );
        assert!(message.title().contains("trouble 1"));
    }

    #[test]
    fn numbers_are_short_and_never_bare_in_json() {
        let written = [0.0, 2.31, -3.0, 1e-9, 6.02e23, f64::NAN, f64::NEG_INFINITY].map(number);
        assert_eq!(
            written,
            ["0", "2.31", "-3", "1e-9", "6.02e23", "NaN", "-inf"]
        );
        let message = testing::message();
        assert_eq!(
            values(message.first().unwrap()).unwrap(),
            "loss: NaN · last: 2.31"
        );
    }

    #[test]
    fn what_is_over_needs_no_advice() {
        assert!(advice(testing::message().first().unwrap()).is_some());
        assert!(advice(testing::resolved().first().unwrap()).is_none());
    }
}
