//! Bytes that wait for the decoder, without ever making the producer wait.
//!
//! The producer is a training job. If the decoder falls behind, the bytes that
//! do not fit in memory go to an unnamed temporary file and are read back from
//! there; the file is emptied whenever the decoder has caught up. Nothing is
//! dropped unless the disk is full, and then it is counted.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes kept in memory before the file is used.
const IN_MEMORY: usize = 4 << 20;
/// Bytes read back from the file at once.
const READ_BACK: usize = 1 << 20;

/// What [`Queue::pop`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Popped {
    /// Some bytes.
    Bytes(Vec<u8>),
    /// Nothing came in time.
    Nothing,
    /// Nothing will come any more.
    Ended,
}

/// A queue of bytes between one producer and one consumer.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct State {
    memory: VecDeque<Vec<u8>>,
    bytes: usize,
    overflow: Option<Overflow>,
    ended: bool,
    dropped: u64,
}

#[derive(Debug)]
struct Overflow {
    file: File,
    read: u64,
    written: u64,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds bytes. Does not wait for the consumer.
    pub fn push(&self, bytes: &[u8]) {
        let mut state = self.state();
        let in_file = state
            .overflow
            .as_ref()
            .is_some_and(|file| file.read < file.written);
        if !in_file && state.bytes + bytes.len() <= IN_MEMORY {
            state.bytes += bytes.len();
            state.memory.push_back(bytes.to_vec());
        } else if state.spill(bytes).is_err() {
            state.dropped += bytes.len() as u64;
        }
        drop(state);
        self.more.notify_one();
    }

    /// Says that nothing will come any more.
    pub fn end(&self) {
        self.state().ended = true;
        self.more.notify_one();
    }

    /// Takes bytes, and waits for them at most so long.
    pub fn pop(&self, patience: Duration) -> Popped {
        let waiting = |state: &mut State| !state.ended && state.is_empty();
        let (mut state, _) = self
            .more
            .wait_timeout_while(self.state(), patience, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        match state.take() {
            Some(bytes) => Popped::Bytes(bytes),
            None if state.ended => Popped::Ended,
            None => Popped::Nothing,
        }
    }

    /// Whether nothing is waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state().is_empty()
    }

    /// Bytes that were dropped because memory and disk were full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.state().dropped
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.memory.is_empty()
            && self
                .overflow
                .as_ref()
                .is_none_or(|file| file.read == file.written)
    }

    fn spill(&mut self, bytes: &[u8]) -> io::Result<()> {
        let overflow = match &mut self.overflow {
            Some(overflow) => overflow,
            none => none.insert(Overflow {
                file: tempfile::tempfile()?,
                read: 0,
                written: 0,
            }),
        };
        overflow.file.seek(SeekFrom::Start(overflow.written))?;
        overflow.file.write_all(bytes)?;
        overflow.written += bytes.len() as u64;
        Ok(())
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        if let Some(bytes) = self.memory.pop_front() {
            self.bytes -= bytes.len();
            return Some(bytes);
        }
        let overflow = self
            .overflow
            .as_mut()
            .filter(|file| file.read < file.written)?;
        match overflow.take() {
            Ok(bytes) => Some(bytes),
            Err(_) => {
                // What cannot be read back is lost, and said to be.
                self.dropped += overflow.written - overflow.read;
                self.overflow = None;
                None
            }
        }
    }
}

impl Overflow {
    fn take(&mut self) -> io::Result<Vec<u8>> {
        let waiting = usize::try_from(self.written - self.read).unwrap_or(READ_BACK);
        let mut bytes = vec![0; waiting.min(READ_BACK)];
        self.file.seek(SeekFrom::Start(self.read))?;
        self.file.read_exact(&mut bytes)?;
        self.read += bytes.len() as u64;
        if self.read == self.written {
            // Caught up: give the disk back.
            self.file.set_len(0)?;
            self.read = 0;
            self.written = 0;
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drain(queue: &Queue) -> Vec<u8> {
        let mut all = Vec::new();
        while let Popped::Bytes(bytes) = queue.pop(Duration::ZERO) {
            all.extend(bytes);
        }
        all
    }

    #[test]
    fn what_does_not_fit_in_memory_comes_back_in_order() {
        let queue = Queue::new();
        let mut expected = Vec::new();
        for n in 0..40_u8 {
            let chunk = vec![n; IN_MEMORY / 10 + usize::from(n)];
            queue.push(&chunk);
            expected.extend(chunk);
        }
        assert!(queue.state().overflow.is_some());
        assert!(queue.state().bytes <= IN_MEMORY);
        assert!(drain(&queue) == expected);
        assert_eq!(queue.dropped(), 0);
        assert!(queue.is_empty());
    }

    #[test]
    fn the_end_comes_after_the_last_byte() {
        let queue = Queue::new();
        assert_eq!(queue.pop(Duration::ZERO), Popped::Nothing);
        queue.push(b"last");
        queue.end();
        assert_eq!(queue.pop(Duration::ZERO), Popped::Bytes(b"last".to_vec()));
        assert_eq!(queue.pop(Duration::ZERO), Popped::Ended);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn any_order_of_pushes_and_pops_keeps_every_byte(
            sizes in prop::collection::vec((0_usize..2 << 20, 0_usize..4), 1..24)
        ) {
            let queue = Queue::new();
            let (mut pushed, mut popped) = (Vec::new(), Vec::new());
            for (n, (size, pops)) in sizes.into_iter().enumerate() {
                let chunk = vec![n as u8; size];
                queue.push(&chunk);
                pushed.extend(chunk);
                for _ in 0..pops {
                    if let Popped::Bytes(bytes) = queue.pop(Duration::ZERO) {
                        popped.extend(bytes);
                    }
                }
            }
            popped.extend(drain(&queue));
            prop_assert!(pushed == popped);
        }
    }
}
