//! State that is kept per series and rank, latched, saved and restored.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::batch::Point;

/// Turns state into bytes for [`Detector::save`](crate::Detector::save).
#[must_use]
pub fn save<T: Serialize>(state: &T) -> Option<Vec<u8>> {
    postcard::to_allocvec(state).ok()
}

/// Reads back what [`save`] wrote.
///
/// # Errors
/// When the bytes are not a `T`.
pub fn restore<T: DeserializeOwned>(state: &[u8]) -> Result<T, String> {
    postcard::from_bytes(state).map_err(|error| format!("the saved state cannot be read: {error}"))
}

/// One `T` per series and rank, made when the first point arrives.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Keyed<T> {
    entries: Vec<(u32, u32, T)>,
    /// The entry used last: most streams have one.
    last: usize,
}

impl<T> Default for Keyed<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), last: 0 }
    }
}

impl<T> Keyed<T> {
    /// The state for a point's series and rank.
    #[inline]
    pub fn of(&mut self, point: &Point, new: impl FnOnce() -> T) -> &mut T {
        let matches = |entry: &(u32, u32, T)| entry.0 == point.series && entry.1 == point.rank;
        if !self.entries.get(self.last).is_some_and(matches) {
            self.last = match self.entries.iter().position(matches) {
                Some(at) => at,
                None => {
                    self.entries.push((point.series, point.rank, new()));
                    self.entries.len() - 1
                }
            };
        }
        &mut self.entries[self.last].2
    }

    /// Every entry: series, rank, state.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u32, u32, &mut T)> {
        self.entries.iter_mut().map(|(series, rank, state)| (*series, *rank, state))
    }
}

/// Remembers whether a finding is out, so that an episode is reported once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latch(bool);

impl Latch {
    /// Sets the latch; true if it was not set before: time to report.
    pub fn set(&mut self) -> bool {
        !std::mem::replace(&mut self.0, true)
    }

    /// Clears the latch; true if it was set: time to report the end.
    pub fn clear(&mut self) -> bool {
        std::mem::replace(&mut self.0, false)
    }

    /// Whether it is set.
    #[must_use]
    pub fn is_set(self) -> bool {
        self.0
    }
}
