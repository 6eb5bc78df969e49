//! Remembers what was told of which rank, so that a repetition is counted and
//! not told again.

use serde::{Deserialize, Serialize};

use crate::batch::NO_RANK;

/// Pairs of a trouble and a rank that are remembered; 40 bytes each.
const MOST: usize = 4096;
/// Where times are unknown, a silence is so many texts about other things.
const SILENCE: u64 = 1000;

/// What was told. The default has told nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// In the order of trouble and rank.
    entries: Vec<Entry>,
    /// How many texts there were.
    texts: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    what: u64,
    rank: u32,
    /// When it was last seen: in stream time, and counted in texts.
    time: f64,
    text: u64,
    count: u32,
}

/// How often the same was seen before, of the same rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before(pub u32);

impl Told {
    /// Whether what was just seen is to be told: when it is new, new for this
    /// rank, or comes again after `silence` seconds without it. A repetition
    /// prolongs the silence. Something seen without a rank is not new if any
    /// rank had it.
    pub fn look(&mut self, what: u64, rank: u32, time: f64, silence: f64) -> Option<Before> {
        self.texts += 1;
        let now = self.texts;
        let is_recent = |entry: &Entry| {
            let seconds = time - entry.time;
            if seconds.is_nan() {
                now - entry.text <= SILENCE
            } else {
                seconds <= silence
            }
        };
        let of_any = rank == NO_RANK && self.of(what).any(is_recent);
        let before = match self.find(what, rank) {
            Ok(at) => {
                let entry = &mut self.entries[at];
                let recent = is_recent(entry);
                let before = Before(entry.count);
                entry.count = entry.count.saturating_add(1);
                entry.text = now;
                // An unknown time says nothing against a known one.
                if !time.is_nan() {
                    entry.time = time;
                }
                (!recent).then_some(before)
            }
            Err(at) => {
                let entry = Entry {
                    what,
                    rank,
                    time,
                    text: now,
                    count: 1,
                };
                self.insert(at, entry);
                Some(Before(0))
            }
        };
        before.filter(|_| !of_any)
    }

    /// How often it was seen, on all ranks.
    #[must_use]
    pub fn count(&self, what: u64) -> u64 {
        self.of(what).map(|entry| u64::from(entry.count)).sum()
    }

    fn of(&self, what: u64) -> impl Iterator<Item = &Entry> {
        let from = self.entries.partition_point(|entry| entry.what < what);
        let rest = self.entries.get(from..).unwrap_or_default();
        rest.iter().take_while(move |entry| entry.what == what)
    }

    fn find(&self, what: u64, rank: u32) -> Result<usize, usize> {
        self.entries
            .binary_search_by_key(&(what, rank), |entry| (entry.what, entry.rank))
    }

    fn insert(&mut self, at: usize, entry: Entry) {
        self.entries.insert(at, entry);
        if self.entries.len() > MOST {
            let oldest = (0..self.entries.len()).min_by_key(|&at| self.entries[at].text);
            self.entries.remove(oldest.unwrap_or_default());
        }
    }
}
