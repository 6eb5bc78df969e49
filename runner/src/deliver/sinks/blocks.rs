//! A message as blocks, one per alert, for services with a limit on the whole:
//! the worst first, each within its share, and what has no room is counted.

use std::cmp::Reverse;

use crate::deliver::text::{clean, clean_line, cut_chars};
use crate::deliver::{Entry, Message};

/// Characters of the line that counts what has no room.
const MORE_CHARS: usize = 300;
/// Parts of the room of an alert that each of its texts may fill.
const SHARES: usize = 40;

/// The texts of an alert, each cut to its share of the room.
pub(super) struct Pieces {
    /// `CRITICAL: loss is NaN (run exp1, step 2404)`.
    pub(super) headline: String,
    /// What happened.
    pub(super) message: String,
    /// What to do, while it fires.
    pub(super) advice: Option<String>,
    /// `loss = NaN, last = 2.31`.
    pub(super) values: Option<String>,
    /// Where it was seen.
    pub(super) facts: Vec<(&'static str, String)>,
}

impl Pieces {
    /// The texts of an alert without control characters, written by `cut`: it
    /// is given a text and the limit, and escapes as the service needs. All of
    /// them together fill at most `room`.
    pub(super) fn of(entry: &Entry, room: usize, cut: impl Fn(&str, usize) -> String) -> Self {
        let share = |parts: usize| room * parts / SHARES;
        let advice = || cut(&clean(&entry.alert.recommendation), share(10));
        let fact = |(name, value): (_, String)| (name, cut(&clean_line(&value), share(1)));
        let values = values(entry);
        Self {
            headline: cut(&clean_line(&entry.headline()), share(5)),
            message: cut(&clean(&entry.message()), share(14)),
            advice: entry.fires().then(advice),
            values: (!values.is_empty()).then(|| cut(&clean_line(&values), share(4))),
            facts: entry.facts().into_iter().map(fact).collect(),
        }
    }

    /// `Run: exp1 · Step: 2404 · Detector: non-finite`.
    pub(super) fn facts_line(&self) -> String {
        let fact = |(name, value): &(&str, String)| format!("{name}: {value}");
        self.facts.iter().map(fact).collect::<Vec<_>>().join(" · ")
    }
}

/// The numbers of an alert as text, those too that JSON does not know.
fn values(entry: &Entry) -> String {
    let value = |(name, value): &(String, f64)| format!("{name} = {value:?}");
    let values: Vec<String> = entry.alert.values.iter().map(value).collect();
    values.join(", ")
}

/// The alerts, what is wrong now and worst first.
pub(super) fn worst_first(message: &Message) -> Vec<&Entry> {
    let mut entries: Vec<&Entry> = message.entries.iter().collect();
    entries.sort_by_key(|entry| Reverse((entry.fires(), entry.alert.severity)));
    entries
}

/// The blocks of as many alerts as measure at most `limit` together, one at
/// least, and a line that counts the others.
pub(super) fn pack<B>(
    message: &Message,
    limit: usize,
    write: impl Fn(&Entry) -> B,
    measure: impl Fn(&B) -> usize,
) -> (Vec<B>, Option<String>) {
    let entries = worst_first(message);
    let mut blocks = Vec::new();
    let mut used = 0;
    for entry in &entries {
        let block = write(entry);
        used += measure(&block);
        if used > limit && !blocks.is_empty() {
            break;
        }
        blocks.push(block);
    }
    let left = entries.get(blocks.len()..).unwrap_or_default();
    (blocks, more(left))
}

/// `and 2 more: loss is NaN; the learning rate is 0`.
fn more(left: &[&Entry]) -> Option<String> {
    if left.is_empty() {
        return None;
    }
    let title = |entry: &&Entry| clean_line(&entry.alert.title).into_owned();
    let titles: Vec<String> = left.iter().map(title).collect();
    let line = format!("and {} more: {}", left.len(), titles.join("; "));
    Some(cut_chars(&line, MORE_CHARS).into_owned())
}

/// [`Message::plain`], written by `cut` within the limit; the last line stays,
/// since a robot may be set to take only what has a certain word in it.
pub(super) fn plain(
    message: &Message,
    limit: usize,
    cut: impl Fn(&str, usize) -> String,
) -> String {
    let footer = message.footer();
    let whole = message.plain();
    let body = whole.strip_suffix(&footer).unwrap_or(&whole).trim_end();
    let footer = cut(&clean_line(&footer), limit / 4);
    let body = cut(&clean(body), limit - limit / 4 - 2);
    format!("{body}\n\n{footer}")
}

/// The length in bytes as a string in JSON, without the quotes: for limits on
/// the whole body of a request.
pub(super) fn json_len(text: &str) -> usize {
    serde_json::Value::from(text)
        .to_string()
        .len()
        .saturating_sub(2)
}

/// The text with an invisible character behind each of these, so that the
/// service sees no mention and no tag in it, and people see no difference.
pub(super) fn disarm(text: &str, signs: &[char]) -> String {
    let mut disarmed = String::with_capacity(text.len());
    for c in text.chars() {
        disarmed.push(c);
        if signs.contains(&c) {
            disarmed.push('\u{200b}');
        }
    }
    disarmed
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn the_worst_is_first_and_the_rest_is_counted() {
        let message = testing::many(5);
        let title = |entry: &Entry| entry.alert.title.clone();
        let (blocks, more) = pack(&message, 20, title, String::len);
        assert_eq!(blocks, ["trouble 1", "trouble 0"]);
        assert_eq!(more.unwrap(), "and 3 more: trouble 2; trouble 3; trouble 4");
        let (blocks, more) = pack(&message, 0, title, String::len);
        assert_eq!(blocks.len(), 1);
        assert!(more.unwrap().starts_with("and 4 more"));
        assert_eq!(pack(&message, 1000, title, String::len).1, None);
    }

    #[test]
    fn the_last_line_survives_a_cut() {
        let cut = |text: &str, limit| cut_chars(text, limit).into_owned();
        let text = plain(&testing::saying(&"x".repeat(5000)), 400, cut);
        assert!(text.len() <= 400);
        assert!(text.ends_with("…\n\nrunwatch · 001122334455"), "{text}");
    }
}
