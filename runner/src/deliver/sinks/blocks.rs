//! A message as blocks, one per alert, for services with a limit on the whole:
//! the worst first, each within its share, and what has no room is counted.

use super::parts;
use crate::deliver::text::{clean, clean_line, fit};
use crate::deliver::{Entry, Message};

/// Parts of the room of an alert that its texts share.
const SHARES: usize = 40;

/// How a service writes a text, and in what it counts its length.
pub(super) struct Style {
    /// Escapes a text; never makes it shorter.
    pub(super) write: fn(&str) -> String,
    /// The length of what is written.
    pub(super) measure: fn(&str) -> usize,
}

impl Style {
    /// The text of several lines, clean, written, and within the limit.
    pub(super) fn text(&self, text: &str, limit: usize) -> String {
        fit(&clean(text), limit, self.write, self.measure)
    }

    /// The same on one line.
    pub(super) fn line(&self, text: &str, limit: usize) -> String {
        fit(&clean_line(text), limit, self.write, self.measure)
    }
}

/// The texts of an alert, each cut to its share of the room.
pub(super) struct Pieces {
    /// `CRITICAL: loss is NaN (run exp1, step 2404)`.
    pub(super) headline: String,
    /// What happened.
    pub(super) message: String,
    /// What to do, while it fires.
    pub(super) advice: Option<String>,
    /// `loss: NaN · last: 2.31`.
    pub(super) values: Option<String>,
    /// Where it was seen.
    pub(super) facts: Vec<(&'static str, String)>,
}

impl Pieces {
    /// The texts of an alert; all of them together measure at most `room`.
    pub(super) fn of(entry: &Entry, room: usize, style: &Style) -> Self {
        let share = |parts: usize| room * parts / SHARES;
        Self {
            headline: style.line(&entry.headline(), share(5)),
            message: style.text(&entry.message(), share(14)),
            advice: parts::advice(entry).map(|advice| style.text(advice, share(10))),
            values: parts::values(entry).map(|values| style.line(&values, share(4))),
            facts: facts(entry, share(7), style),
        }
    }

    /// `Run: exp1 · Step: 2404 · Detector: non-finite`.
    pub(super) fn facts_line(&self) -> String {
        let fact = |(name, value): &(&str, String)| format!("{name}: {value}");
        self.facts.iter().map(fact).collect::<Vec<_>>().join(" · ")
    }
}

/// Where it was seen. What a short fact leaves of its share is for those behind
/// it; the last one is the place in the log, which is the longest.
fn facts(entry: &Entry, mut room: usize, style: &Style) -> Vec<(&'static str, String)> {
    let facts = entry.facts();
    let number = facts.len();
    let fact = |(at, (name, value)): (usize, (_, String))| {
        let value = style.line(&value, room / (number - at));
        room = room.saturating_sub((style.measure)(&value));
        (name, value)
    };
    facts.into_iter().enumerate().map(fact).collect()
}

/// The blocks of as many alerts as measure at most `limit` together, one at
/// least, and a line that counts the others.
pub(super) fn pack<B>(
    message: &Message,
    limit: usize,
    write: impl Fn(&Entry) -> B,
    measure: impl Fn(&B) -> usize,
) -> (Vec<B>, Option<String>) {
    let entries = parts::worst_first(message);
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
    (blocks, parts::rest(left))
}

/// [`Message::plain`] within the limit; the last line stays, since a robot may
/// be set to take only what has a certain word in it.
pub(super) fn plain(message: &Message, limit: usize, style: &Style) -> String {
    let footer = message.footer();
    let whole = message.plain();
    let body = whole.strip_suffix(&footer).unwrap_or(&whole).trim_end();
    // The line breaks between them may be escaped in what the service counts.
    let (most, last) = (limit.saturating_sub(limit / 4 + 4), limit / 4);
    format!(
        "{}\n\n{}",
        style.text(body, most),
        style.line(&footer, last)
    )
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

    const AS_IT_IS: Style = Style {
        write: str::to_owned,
        measure: str::len,
    };

    #[test]
    fn a_short_fact_leaves_room_for_a_long_one() {
        let mut entry = testing::message().entries[0].clone();
        let path = format!("/mnt/{}/train.log", "x".repeat(60));
        entry
            .alert
            .location
            .as_mut()
            .unwrap()
            .input
            .clone_from(&path);
        let pieces = Pieces::of(&entry, 800, &AS_IT_IS);
        assert_eq!(pieces.facts.last(), Some(&("Log", format!("{path}:17"))));
        entry.alert.run = "r".repeat(500);
        let facts = facts(&entry, 140, &AS_IT_IS);
        assert!(facts.iter().map(|(_, value)| value.len()).sum::<usize>() <= 140);
    }

    #[test]
    fn the_worst_is_first_and_the_rest_is_counted() {
        let message = testing::many(5);
        let title = |entry: &Entry| entry.alert.title.clone();
        let (blocks, more) = pack(&message, 20, title, String::len);
        assert_eq!(blocks, ["trouble 1", "trouble 0"]);
        assert!(more.unwrap().starts_with("and 3 more: WARNING: trouble 2"));
        let (blocks, more) = pack(&message, 0, title, String::len);
        assert_eq!(blocks.len(), 1);
        assert!(more.unwrap().starts_with("and 4 more"));
        assert_eq!(pack(&message, 1000, title, String::len).1, None);
    }

    #[test]
    fn the_last_line_survives_a_cut() {
        let text = plain(&testing::saying(&"x".repeat(5000)), 400, &AS_IT_IS);
        assert!(text.len() <= 400);
        assert!(text.ends_with("…\n\nrunwatch · 001122334455"), "{text}");
    }
}
