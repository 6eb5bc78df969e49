//! The thread that writes the history, so that nobody waits for it.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::super::{Ledger, LedgerError};
use super::write::{Caps, Writer};
use crate::record::Segment;

/// How long rows wait for more before they are written.
const LINGER: Duration = Duration::from_millis(500);
/// Rows that are written at once, and not kept waiting for more.
const MANY: usize = 8192;
/// Segments that may wait to be written: some megabytes each.
const WAITING: usize = 2;
/// How long the stream waits for the disk before it goes on without.
const PATIENCE: Duration = Duration::from_secs(5);

/// Writes the history of a live watch.
pub struct Recorder {
    jobs: Option<SyncSender<Segment>>,
    spent: Receiver<Segment>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    /// Rows that were not taken.
    lost: u64,
}

#[derive(Default)]
struct Shared {
    /// Whether the runs are over when the watch is.
    over: Mutex<bool>,
    error: Mutex<Option<LedgerError>>,
}

impl Recorder {
    /// Starts the thread. `owner` names this process; `now` is the wall clock in
    /// milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// If the operating system gives us no thread.
    pub fn start(
        ledger: Arc<Ledger>,
        caps: Caps,
        owner: String,
        now: fn() -> i64,
    ) -> io::Result<Self> {
        let (jobs, inbox) = sync_channel(WAITING);
        let (outbox, spent) = sync_channel(WAITING);
        let shared = Arc::new(Shared::default());
        let state = shared.clone();
        let thread = thread::Builder::new()
            .name("history".into())
            .spawn(move || {
                let mut writer = Writer::new(caps, owner);
                if let Err(error) = write(&ledger, &mut writer, &inbox, &outbox, &state, now) {
                    *lock(&state.error) = Some(error);
                    // Whoever sends must not wait for us.
                    drop(inbox);
                }
            })?;
        Ok(Self {
            jobs: Some(jobs),
            spent,
            thread: Some(thread),
            shared,
            lost: 0,
        })
    }

    /// Takes a segment, and gives one back whose memory can be used again. After
    /// a failure it takes no more and counts what it leaves out.
    pub fn record(&mut self, segment: Segment) -> Option<Segment> {
        let rows = u64::from(segment.rows);
        let taken = self.jobs.as_ref().is_some_and(|jobs| send(jobs, segment));
        if !taken {
            self.jobs = None;
            self.lost += rows;
        }
        self.spent.try_recv().ok()
    }

    /// Writes what waits. `over` says that the runs have ended, too. Returns how
    /// many rows were left out, and why.
    pub fn close(mut self, over: bool) -> Option<(u64, String)> {
        *lock(&self.shared.over) = over;
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic has printed itself by now.
            let _ = thread.join();
        }
        let error = lock(&self.shared.error).take();
        match error {
            Some(error) => Some((self.lost, error.0)),
            None if self.lost > 0 => Some((self.lost, "the disk stands still".to_owned())),
            None => None,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// False: it is not wanted any more, or the disk stands still.
fn send(jobs: &SyncSender<Segment>, mut segment: Segment) -> bool {
    use std::sync::mpsc::TrySendError;
    let begin = Instant::now();
    loop {
        match jobs.try_send(segment) {
            Ok(()) => return true,
            Err(TrySendError::Disconnected(_)) => return false,
            Err(TrySendError::Full(back)) => segment = back,
        }
        if begin.elapsed() > PATIENCE {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn write(
    ledger: &Ledger,
    writer: &mut Writer,
    inbox: &Receiver<Segment>,
    outbox: &SyncSender<Segment>,
    state: &Shared,
    now: fn() -> i64,
) -> Result<(), LedgerError> {
    let mut due: Option<Instant> = None;
    loop {
        let next = match due {
            // What is here already goes into the same transaction.
            Some(due) => match inbox.try_recv() {
                Ok(segment) => Ok(segment),
                Err(TryRecvError::Disconnected) => Err(RecvTimeoutError::Disconnected),
                Err(TryRecvError::Empty) => {
                    inbox.recv_timeout(due.saturating_duration_since(Instant::now()))
                }
            },
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match next {
            Ok(segment) => {
                writer.add(ledger, &segment)?;
                // Nobody may want it.
                let _ = outbox.try_send(segment);
                due.get_or_insert_with(|| Instant::now() + LINGER);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let over = *lock(&state.over);
                return writer.end(ledger, over, now());
            }
        }
        if writer.waiting >= MANY || due.is_some_and(|due| Instant::now() >= due) {
            writer.flush(ledger, now())?;
            due = None;
        }
    }
}
