//! State that is kept per series and rank, latched, saved and restored.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::batch::Point;
use crate::finding::Severity;

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
    /// In the order of series and rank.
    entries: Vec<(u32, u32, T)>,
    /// The entry used last: most streams have one, the others go round.
    #[serde(skip)]
    last: usize,
}

impl<T> Default for Keyed<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            last: 0,
        }
    }
}

impl<T> Keyed<T> {
    /// The state for a point's series and rank.
    #[inline]
    pub fn of(&mut self, point: &Point, new: impl FnOnce() -> T) -> &mut T {
        self.at((point.series, point.rank), new)
    }

    /// The state for a rank, for detectors that look at all series together.
    #[inline]
    pub fn of_rank(&mut self, rank: u32, new: impl FnOnce() -> T) -> &mut T {
        self.at((0, rank), new)
    }

    #[inline]
    fn at(&mut self, key: (u32, u32), new: impl FnOnce() -> T) -> &mut T {
        if !self.is_at(self.last, key) {
            self.last = self.place(key, new);
        }
        &mut self.entries[self.last].2
    }

    #[inline]
    fn is_at(&self, at: usize, key: (u32, u32)) -> bool {
        self.entries
            .get(at)
            .is_some_and(|entry| (entry.0, entry.1) == key)
    }

    fn place(&mut self, key: (u32, u32), new: impl FnOnce() -> T) -> usize {
        for next in [self.last + 1, 0] {
            if self.is_at(next, key) {
                return next;
            }
        }
        let found = self
            .entries
            .binary_search_by_key(&key, |entry| (entry.0, entry.1));
        found.unwrap_or_else(|at| {
            self.entries.insert(at, (key.0, key.1, new()));
            at
        })
    }

    /// Every entry: series, rank, state.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u32, u32, &mut T)> {
        self.entries
            .iter_mut()
            .map(|(series, rank, state)| (*series, *rank, state))
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

/// One key's episode when several series or ranks can be in the same trouble:
/// reported when the first is in it and when it gets worse, ended when the
/// last is out of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    members: u32,
    worst: Option<Severity>,
}

impl Episode {
    /// One more is in trouble; true if that is to be reported.
    pub fn join(&mut self, severity: Severity) -> bool {
        self.members += 1;
        self.raise(severity)
    }

    /// One that is in trouble got worse; true if that is to be reported.
    pub fn raise(&mut self, severity: Severity) -> bool {
        let worse = self.worst.is_none_or(|worst| severity > worst);
        if worse {
            self.worst = Some(severity);
        }
        worse
    }

    /// One is out of trouble; true if it was the last one.
    pub fn leave(&mut self) -> bool {
        self.members = self.members.saturating_sub(1);
        let over = self.members == 0 && self.worst.is_some();
        if over {
            self.worst = None;
        }
        over
    }
}

/// Decides when trouble is over: after `hold` values in a row that are back
/// where they were, or, when they settled elsewhere, after `settle` values in a
/// row without a hit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    back: u32,
    quiet: u32,
}

/// How trouble ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The values are back where they were.
    Recovered,
    /// The values stay at another level.
    Settled,
}

impl Recovery {
    /// Looks at one more value: whether it is a `hit`, whether it is `back`.
    pub fn watch(&mut self, hit: bool, back: bool, hold: usize, settle: usize) -> Option<Ended> {
        self.back = if back && !hit {
            self.back.saturating_add(1)
        } else {
            0
        };
        self.quiet = if hit { 0 } else { self.quiet.saturating_add(1) };
        if self.back as usize >= hold {
            Some(Ended::Recovered)
        } else if self.quiet as usize >= settle {
            Some(Ended::Settled)
        } else {
            None
        }
    }
}

/// Follows the step of a series and notices when a run resumes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    last: Option<i64>,
    /// The usual stride: the largest one of late.
    stride: i64,
    /// Whether no row of the last step had a value to look at.
    blank: bool,
}

/// Knows whether a log begins in the middle of its run: at step 1000 or later,
/// and at 100 or more of its own strides. Early steps may do anything; that far
/// into a run even a few values say what is usual.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    first: Option<i64>,
    is_pickup: bool,
}

impl Begin {
    /// After a resume, whose first values are disturbed: no such log.
    pub const RESUMED: Self = Self {
        first: Some(0),
        is_pickup: false,
    };
    const LEAST_STEP: i64 = 1000;
    const LEAST_STRIDES: i64 = 100;

    /// Looks at a step, with `seen` values before it; says whether the log
    /// begins in the middle of its run, as far as can be said by now.
    pub fn advance(&mut self, step: i64, seen: usize) -> bool {
        let first = *self.first.get_or_insert(step);
        let span = step.saturating_sub(first);
        let seen = i64::try_from(seen).unwrap_or(i64::MAX);
        self.is_pickup = first >= Self::LEAST_STEP
            && span.saturating_mul(Self::LEAST_STRIDES) <= first.saturating_mul(seen);
        self.is_pickup
    }

    /// What [`advance`](Self::advance) said last.
    #[must_use]
    pub fn is_pickup(self) -> bool {
        self.is_pickup
    }
}

/// What a step says, given the steps before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Training went on.
    On,
    /// The same step again, such as an evaluation after a training row.
    Same,
    /// The step went back, or jumped by more than ten times the usual stride:
    /// the run resumed, and what was learned about it holds no longer.
    Resumed,
}

impl Progress {
    /// Looks at the next step if it goes on as usual: the common case, and then
    /// the same as [`advance`](Self::advance). False changes nothing.
    #[inline]
    pub fn goes_on(&mut self, step: i64) -> bool {
        let Some(stride) = self.last.and_then(|last| step.checked_sub(last)) else {
            return false;
        };
        let usual = stride > 0 && self.stride > 0 && !self.is_jump(stride);
        if usual {
            self.last = Some(step);
            self.blank = false;
            self.stride = stride.max(self.stride - self.stride / 8);
        }
        usual
    }

    /// Looks at the next step.
    #[inline]
    pub fn advance(&mut self, step: i64) -> Move {
        let blank = std::mem::take(&mut self.blank);
        let Some(last) = self.last.replace(step) else {
            return Move::On;
        };
        let stride = step.saturating_sub(last);
        if stride <= 0 {
            return match stride {
                0 if blank => Move::On,
                0 => Move::Same,
                _ => Move::Resumed,
            };
        }
        let jumped = self.stride > 0 && self.is_jump(stride);
        self.stride = stride.max(self.stride - self.stride / 8);
        if jumped { Move::Resumed } else { Move::On }
    }

    /// Looks at the step of a row whose value says nothing, such as NaN, lest
    /// many of them look like a jump. A resume is left to the next value, at
    /// which [`advance`](Self::advance) tells it.
    pub fn pass(&mut self, step: i64) {
        let mut next = *self;
        match next.advance(step) {
            Move::On => {
                *self = Self {
                    blank: true,
                    ..next
                }
            }
            Move::Same | Move::Resumed => {}
        }
    }

    // No `saturating_mul`: WebAssembly has no instruction for it, and this is
    // asked at every point.
    #[inline]
    fn is_jump(&self, stride: i64) -> bool {
        stride > self.stride.min(i64::MAX / 10) * 10
    }
}
