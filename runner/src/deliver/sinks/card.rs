//! Alerts as cards of a title, a text and fields: what Discord calls an embed,
//! Mattermost and Rocket.Chat an attachment, Google Chat a section.

use super::parts;
use crate::deliver::text::{clean, clean_line, fit};
use crate::deliver::{Entry, Message};

/// What the footer and what is not shown may take of a message.
const FOOTER: usize = 200;
const REST: usize = 500;
/// A value that would be cut to less is left out.
const LEAST: usize = 16;

/// The limits of a service, each for the escaped text.
pub(super) struct Limits {
    /// The cards of a message.
    pub(super) cards: usize,
    /// All texts of a message together.
    pub(super) all: usize,
    /// A title.
    pub(super) title: usize,
    /// A text.
    pub(super) text: usize,
    /// The value of a field.
    pub(super) field: usize,
    /// Takes the means to ping or to mark up from a text.
    pub(super) escape: fn(&str) -> String,
    /// The length in the unit of the service.
    pub(super) measure: fn(&str) -> usize,
}

/// A message as cards.
pub(super) struct Cards<'a> {
    /// The alerts that are shown, the worst first.
    pub(super) cards: Vec<Card<'a>>,
    /// What is not shown, counted.
    pub(super) rest: Option<String>,
    /// The last line.
    pub(super) footer: String,
}

/// An alert as a card.
pub(super) struct Card<'a> {
    pub(super) entry: &'a Entry,
    pub(super) title: String,
    /// May be empty.
    pub(super) text: String,
    /// What to do, the values, then the facts.
    pub(super) fields: Vec<Field>,
}

/// A part of a card with a name; its value is never empty.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// Whether others may stand beside it.
    pub(super) short: bool,
}

impl Limits {
    /// The message as cards within the limits.
    pub(super) fn cards<'a>(&self, message: &'a Message) -> Cards<'a> {
        let entries = parts::worst_first(message);
        let (shown, rest) = entries.split_at(entries.len().min(self.cards));
        let share = self.all.saturating_sub(FOOTER + REST) / shown.len().max(1);
        let cards = shown.iter().map(|entry| {
            let headline = match entries.len() {
                1 => message.title(),
                _ => entry.headline(),
            };
            let title = format!("{} {headline}", entry.symbol());
            self.card(entry, &clean_line(&title), share)
        });
        Cards {
            cards: cards.collect(),
            rest: parts::rest(rest).map(|rest| self.cut(&clean(&rest), REST)),
            footer: self.cut(&clean(&message.footer()), FOOTER),
        }
    }

    /// The text escaped, within the limit.
    pub(super) fn cut(&self, text: &str, limit: usize) -> String {
        fit(text, limit, self.escape, self.measure)
    }

    fn card<'a>(&self, entry: &'a Entry, title: &str, share: usize) -> Card<'a> {
        let mut room = Room {
            limits: self,
            left: share,
        };
        let title = room.write(title, self.title.min(share / 3));
        let advice = parts::advice(entry)
            .and_then(|advice| room.field("What to do", advice, share / 3, false));
        let text = room.left - room.left / 4;
        let text = room.write(&clean(&entry.message()), self.text.min(text));
        // The facts have their share however many values there are.
        let values = room.left / 2;
        let values =
            parts::values(entry).and_then(|written| room.field("Values", &written, values, false));
        let facts = entry.facts();
        let facts = facts
            .iter()
            .filter_map(|(name, value)| room.field(name, value, self.field, true));
        Card {
            entry,
            title,
            text,
            fields: advice.into_iter().chain(values).chain(facts).collect(),
        }
    }
}

/// What a card may still take.
struct Room<'a> {
    limits: &'a Limits,
    left: usize,
}

impl Room<'_> {
    fn write(&mut self, text: &str, limit: usize) -> String {
        let written = self.limits.cut(text, limit.min(self.left));
        self.left -= (self.limits.measure)(&written).min(self.left);
        written
    }

    /// A field, if there is room for it.
    fn field(
        &mut self,
        name: &'static str,
        value: &str,
        limit: usize,
        short: bool,
    ) -> Option<Field> {
        let room = self.left.checked_sub(name.len())?;
        if room < LEAST || value.trim().is_empty() {
            return None;
        }
        self.left = room;
        let value = self.write(&clean(value), limit.min(self.limits.field));
        Some(Field { name, value, short })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::deliver::Notice;
    use crate::deliver::text::chars;

    const LIMITS: Limits = Limits {
        cards: 3,
        all: 1600,
        title: 40,
        text: 100,
        field: 50,
        escape: |text| text.replace('<', "&lt;"),
        measure: chars,
    };

    #[test]
    fn limits_hold_and_the_order_is_kept_whatever_the_text() {
        for text in testing::HOSTILE {
            let message = testing::saying(text);
            let cards = LIMITS.cards(&message);
            let card = &cards.cards[0];
            assert!(chars(&card.title) <= 40 && chars(&card.text) <= 100);
            assert_eq!(card.fields[0].name, "What to do");
            let value = |field: &Field| {
                assert!(!field.value.is_empty() && chars(&field.value) <= 50);
                chars(&field.value) + field.name.len()
            };
            let fields: usize = card.fields.iter().map(value).sum();
            assert!(chars(&card.title) + chars(&card.text) + fields <= 900);
            assert!(!format!("{}{}", card.title, card.text).contains('<'));
        }
    }

    #[test]
    fn values_leave_room_for_the_facts() {
        let mut message = testing::many(3);
        for entry in &mut message.entries {
            entry.alert.values = (0..100).map(|at| (format!("name {at}"), 1.5)).collect();
        }
        let names = |card: &Card| card.fields.iter().any(|field| field.name == "Run");
        assert!(LIMITS.cards(&message).cards.iter().all(names));
    }

    #[test]
    fn the_end_of_a_run_reads_well() {
        let mut message = testing::message();
        message.entries[0].notice = Notice::Ended;
        let cards = LIMITS.cards(&message);
        assert!(cards.cards[0].title.starts_with("⚪ ENDED: loss is NaN"));
        let before = "The run ended while this was firing. ";
        assert!(cards.cards[0].text.starts_with(before));
        assert_ne!(cards.cards[0].fields[0].name, "What to do");
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let message = testing::many(5);
        let cards = LIMITS.cards(&message);
        assert_eq!(cards.cards.len(), 3);
        assert!(cards.cards[0].title.starts_with("🔴 CRITICAL: trouble 1"));
        assert!(
            cards
                .rest
                .unwrap()
                .starts_with("and 2 more: WARNING: trouble 3")
        );
        // 300 for each: what to do comes before the facts.
        let names: Vec<_> = cards.cards[0]
            .fields
            .iter()
            .map(|field| field.name)
            .collect();
        assert_eq!(names[0], "What to do");
    }
}
