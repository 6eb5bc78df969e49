//! What was posted and waits to be watched.
//!
//! Room is taken before a body is read, and given back when the body has been
//! watched: however many post, and however slow the detectors are, what is held
//! in memory is bounded, and whoever finds no room is told at once.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a body costs besides its bytes: many small ones are bounded, too.
const OVERHEAD: usize = 256;

/// How much may come.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest body, in bytes, as sent and as decompressed.
    pub body: usize,
    /// Bytes of all bodies that are being read or wait.
    pub queue: usize,
    /// Runs, from the start on.
    pub runs: usize,
}

/// Whose lines they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The project of records that name none.
    pub project: String,
    /// The run of records that name none.
    pub run: String,
}

/// One body.
#[derive(Debug)]
pub struct Batch {
    /// Whose lines they are.
    pub origin: Origin,
    /// Whole lines of UTF-8.
    pub text: Vec<u8>,
    _room: Room,
}

/// What [`Intake::next`] found.
#[derive(Debug)]
pub enum Next {
    /// A body, whose room is free again once it is dropped.
    Batch(Batch),
    /// Nothing came in time.
    Nothing,
    /// Nothing will come any more.
    Closed,
}

/// Why there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Others wait.
    Full,
    /// Nothing is taken any more.
    Closed,
}

/// A queue between those who post and the one who watches.
#[derive(Debug)]
pub struct Intake {
    limits: Limits,
    usual: Origin,
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<(Origin, Vec<u8>, usize)>,
    /// Bytes that are taken.
    used: usize,
    known: HashSet<Origin>,
    closed: bool,
}

/// Room in the queue, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Room {
    intake: Arc<Intake>,
    bytes: usize,
}

impl Intake {
    /// An empty queue. `usual` is whose lines they are that say nothing else.
    #[must_use]
    pub fn new(limits: Limits, usual: Origin) -> Arc<Self> {
        Arc::new(Self {
            limits,
            usual,
            state: Mutex::default(),
            more: Condvar::new(),
        })
    }

    /// The next body, waited for so long.
    #[must_use]
    pub fn next(self: &Arc<Self>, patience: Duration) -> Next {
        let state = self.state();
        let idle = |state: &mut State| state.waiting.is_empty() && !state.closed;
        let waited = self.more.wait_timeout_while(state, patience, idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.waiting.pop_front() {
            Some((origin, text, bytes)) => Next::Batch(Batch {
                origin,
                text,
                _room: Room {
                    intake: self.clone(),
                    bytes,
                },
            }),
            None if state.closed => Next::Closed,
            None => Next::Nothing,
        }
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state().waiting.is_empty()
    }

    /// From now on nothing is taken; what waits can still be had.
    pub fn close(&self) {
        self.state().closed = true;
        self.more.notify_all();
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Whose lines they are. None: these would be too many runs.
    pub(super) fn origin(&self, project: Option<&str>, run: Option<&str>) -> Option<Origin> {
        let origin = Origin {
            project: project.unwrap_or(&self.usual.project).to_owned(),
            run: run.unwrap_or(&self.usual.run).to_owned(),
        };
        let mut state = self.state();
        if !state.known.contains(&origin) {
            if state.known.len() >= self.limits.runs {
                return None;
            }
            state.known.insert(origin.clone());
        }
        Some(origin)
    }

    /// Takes room for a body of so many bytes.
    pub(super) fn reserve(self: &Arc<Self>, bytes: usize) -> Result<Room, Refused> {
        let bytes = bytes.saturating_add(OVERHEAD);
        let mut state = self.state();
        if state.closed {
            return Err(Refused::Closed);
        }
        // One body has room, however small the queue is.
        if state.used > 0 && state.used.saturating_add(bytes) > self.limits.queue {
            return Err(Refused::Full);
        }
        state.used = state.used.saturating_add(bytes);
        Ok(Room {
            intake: self.clone(),
            bytes,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    /// Puts a body into the room that was taken for it.
    pub(super) fn put(mut self, origin: Origin, text: Vec<u8>) -> Result<(), Refused> {
        let intake = self.intake.clone();
        let mut state = intake.state();
        if state.closed {
            drop(state);
            return Err(Refused::Closed);
        }
        let reserved = std::mem::take(&mut self.bytes);
        let bytes = text.len() + OVERHEAD;
        state.used = (state.used + bytes).saturating_sub(reserved);
        state.waiting.push_back((origin, text, bytes));
        drop(state);
        intake.more.notify_all();
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.bytes > 0 {
            let mut state = self.intake.state();
            state.used = state.used.saturating_sub(self.bytes);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn intake(queue: usize, runs: usize) -> Arc<Intake> {
        let limits = Limits {
            body: 100,
            queue,
            runs,
        };
        let usual = Origin {
            project: "p".to_owned(),
            run: "r".to_owned(),
        };
        Intake::new(limits, usual)
    }

    fn put(intake: &Arc<Intake>, text: &str) -> Result<(), Refused> {
        let origin = intake.origin(None, None).unwrap();
        intake.reserve(text.len())?.put(origin, text.into())
    }

    fn next(intake: &Arc<Intake>) -> Option<Batch> {
        match intake.next(Duration::ZERO) {
            Next::Batch(batch) => Some(batch),
            Next::Nothing | Next::Closed => None,
        }
    }

    #[test]
    fn room_is_given_back_when_a_body_has_been_watched_and_not_before() {
        let intake = intake(1000, 1);
        let text = "x".repeat(600 - OVERHEAD);
        assert_eq!(put(&intake, &text), Ok(()));
        assert_eq!(put(&intake, &text), Err(Refused::Full));
        let batch = next(&intake).unwrap();
        assert!(intake.is_empty());
        assert_eq!(put(&intake, &text), Err(Refused::Full));
        drop(batch);
        assert_eq!(put(&intake, &text), Ok(()));
    }

    #[test]
    fn room_that_is_not_used_is_given_back() {
        let intake = intake(1000, 1);
        let room = intake.reserve(700).unwrap();
        assert_eq!(intake.reserve(700).unwrap_err(), Refused::Full);
        drop(room);
        // A body that turned out shorter takes no more than it has.
        let origin = intake.origin(None, None).unwrap();
        let room = intake.reserve(700).unwrap();
        room.put(origin, b"x".to_vec()).unwrap();
        assert!(intake.reserve(400).is_ok());
    }

    #[test]
    fn one_body_has_room_however_small_the_queue_is() {
        let intake = intake(1, 1);
        assert_eq!(put(&intake, &"x".repeat(100)), Ok(()));
        assert_eq!(put(&intake, "x"), Err(Refused::Full));
    }

    #[test]
    fn what_was_taken_before_the_end_can_still_be_had() {
        let intake = intake(10_000, 1);
        let late = intake.reserve(1).unwrap();
        put(&intake, "x").unwrap();
        intake.close();
        let origin = intake.origin(None, None).unwrap();
        assert_eq!(late.put(origin, b"x".to_vec()), Err(Refused::Closed));
        assert_eq!(put(&intake, "x"), Err(Refused::Closed));
        assert_eq!(next(&intake).unwrap().text, b"x");
        assert!(matches!(intake.next(Duration::MAX), Next::Closed));
        // What was refused at the end was given back.
        assert_eq!(intake.state().used, 0);
    }

    #[test]
    fn there_are_never_too_many_runs() {
        let intake = intake(1, 2);
        assert!(intake.origin(None, None).is_some());
        assert!(intake.origin(Some("p"), Some("r")).is_some());
        assert!(intake.origin(Some("other"), None).is_some());
        assert!(intake.origin(None, Some("third")).is_none());
        assert!(intake.origin(Some("other"), Some("r")).is_some());
    }
}
