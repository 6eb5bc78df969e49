//! Carries messages from the ledger to one sink.
//!
//! What follows from an outcome:
//!
//! | outcome | then |
//! |---|---|
//! | delivered, accepted | done |
//! | throttled | nothing to this sink before the time it asks for, or for 1, 2, 4, … s, at most 5 min; costs no attempt |
//! | transient | again, after 1, 2, 4, … s, at most 5 min, half of it by chance |
//! | ambiguous | as transient, marked as a possible duplicate |
//! | rejected | once more as plain text, then dead |
//! | broken | the sink is switched off; what waits for it stays |
//!
//! After five failures in a row the whole sink waits, not just the message.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::message::{Form, Message};
use super::sink::{Outcome, Sink};
use crate::ledger::outbox::LAST_WAIT;
use crate::ledger::{Again, Leased, Ledger, LedgerError, Taken};
use crate::secret::scrub;

/// The longest wait between two attempts.
const LONGEST: Duration = Duration::from_secs(300);
/// The longest wait while the program wants to end.
const LONGEST_CLOSING: Duration = Duration::from_millis(LAST_WAIT as u64);
/// Failures in a row after which the whole sink waits.
const BREAKER: u32 = 5;
/// The least and the most that a throttling sink makes us wait.
const THROTTLE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));
/// A message that waited this long says so.
const LATE: Duration = Duration::from_secs(600);
/// What is kept of an error.
const ERROR_CHARS: usize = 500;

/// One sink with its way out of the ledger.
pub(super) struct Courier {
    name: String,
    sink: Box<dyn Sink>,
    ledger: Arc<Ledger>,
    owner: Arc<str>,
    /// Messages that may go out at once, and since when that is so.
    tokens: f64,
    filled: i64,
    /// How often in a row the sink asked us to wait without saying how long.
    throttled: u32,
}

/// What a step came to.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// A message was sent, or not.
    Tried {
        /// What became of it.
        outcome: Outcome,
        /// How many alerts are in it.
        alerts: usize,
        /// The project and run of the first.
        about: (String, String),
        /// It was given up for good.
        dead: bool,
    },
    /// There is nothing to do before this time; none: nothing at all.
    Wait(Option<i64>),
    /// The sink is switched off, and this is why.
    Broken(String),
    /// The ledger cannot be used.
    Failed(LedgerError),
}

impl Courier {
    pub(super) fn new(
        name: &str,
        sink: Box<dyn Sink>,
        ledger: Arc<Ledger>,
        owner: Arc<str>,
    ) -> Self {
        let tokens = f64::from(sink.pace().burst);
        Self {
            name: name.to_owned(),
            sink,
            ledger,
            owner,
            tokens,
            filled: i64::MIN,
            throttled: 0,
        }
    }

    /// Sends the next message, if there is one. `clock` tells the time in
    /// milliseconds since 1970.
    pub(super) fn step(&mut self, clock: &dyn Fn() -> i64, closing: bool) -> Step {
        self.try_step(clock, closing).unwrap_or_else(Step::Failed)
    }

    fn try_step(&mut self, clock: &dyn Fn() -> i64, closing: bool) -> Result<Step, LedgerError> {
        let now = clock();
        if let Some(free) = self.next_token(now) {
            // Only worth waiting for if there is something to send.
            return match self.ledger.has_waiting(&self.name)? {
                true => Ok(Step::Wait(Some(free))),
                false => Ok(Step::Wait(None)),
            };
        }
        let batch = self.sink.batch();
        let leased = match self
            .ledger
            .take(&self.name, &self.owner, batch, now, closing)?
        {
            Taken::Wait(until) => return Ok(Step::Wait(until)),
            Taken::Broken(why) => return Ok(Step::Broken(why)),
            Taken::Message(leased) => leased,
        };
        self.tokens -= 1.0;
        let message = message(&leased, now);
        let about = message
            .first()
            .map(|entry| (entry.alert.project.clone(), entry.alert.run.clone()))
            .unwrap_or_default();
        let outcome = clean(self.send(&message));
        let after = clock();
        // First what decides whether it is sent again.
        self.settle(&leased, &outcome, after, closing)?;
        self.ledger.attempted(
            &leased.message,
            &self.name,
            now,
            after - now,
            outcome.name(),
            outcome.why(),
        )?;
        Ok(Step::Tried {
            dead: matches!(outcome, Outcome::Rejected(_)) && leased.plain,
            outcome,
            alerts: message.entries.len(),
            about,
        })
    }

    /// A sink that panics has refused the message; it must not end the others.
    fn send(&mut self, message: &Message) -> Outcome {
        let sink = AssertUnwindSafe(&mut self.sink);
        catch_unwind(|| {
            let sink = sink;
            sink.0.send(message)
        })
        .unwrap_or_else(|_| Outcome::Rejected("the sink panicked".to_owned()))
    }

    /// When the sink's pace allows a message; none: now.
    fn next_token(&mut self, now: i64) -> Option<i64> {
        let pace = self.sink.pace();
        let every = (pace.every.as_millis() as f64).max(1.0);
        if self.filled == i64::MIN {
            self.filled = now;
        }
        let gained = (now - self.filled).max(0) as f64 / every;
        self.tokens = (self.tokens + gained).min(f64::from(pace.burst.max(1)));
        self.filled = now;
        // Rounded up, so that the token is there when we look again.
        (self.tokens < 1.0).then(|| now + ((1.0 - self.tokens) * every).ceil() as i64)
    }

    fn settle(
        &mut self,
        leased: &Leased,
        outcome: &Outcome,
        now: i64,
        closing: bool,
    ) -> Result<(), LedgerError> {
        let (ledger, owner) = (&self.ledger, &*self.owner);
        let message = &leased.message;
        if !matches!(outcome, Outcome::Throttled { .. }) {
            self.throttled = 0;
        }
        let before = ledger.sink_state(&self.name)?;
        let mut state = before.clone();
        let why = outcome.why().unwrap_or_default();
        let mut again = Again {
            retry: now,
            why,
            free: false,
            doubtful: false,
            plain: false,
        };
        match outcome {
            Outcome::Delivered { remote } | Outcome::Accepted { remote } => {
                state.failures = 0;
                ledger.arrived(message, outcome.name(), remote.as_deref(), now)?;
            }
            Outcome::Throttled { after, .. } => {
                let wait = after.unwrap_or_else(|| {
                    self.throttled += 1;
                    exponential(self.throttled - 1).min(LONGEST)
                });
                let wait = wait.clamp(THROTTLE.0, THROTTLE.1);
                state.blocked = now + millis(wait) + jitter(wait / 10);
                // It answers.
                state.failures = 0;
                again.free = true;
                ledger.again(message, owner, &again)?;
            }
            Outcome::Transient(_) | Outcome::Ambiguous(_) => {
                state.failures += 1;
                again.retry = now + backoff(leased.attempts, closing);
                again.doubtful = matches!(outcome, Outcome::Ambiguous(_));
                if state.failures >= BREAKER {
                    state.blocked = now + backoff(state.failures - BREAKER + 2, closing);
                }
                ledger.again(message, owner, &again)?;
            }
            Outcome::Rejected(_) if !leased.plain => {
                again.plain = true;
                ledger.again(message, owner, &again)?;
            }
            Outcome::Rejected(_) => ledger.died(message, &self.name, owner, why, now)?,
            Outcome::Broken(_) => {
                state.broken = Some(why.to_owned());
                again.free = true;
                ledger.again(message, owner, &again)?;
            }
        }
        if state != before {
            ledger.set_sink_state(&self.name, &state)?;
        }
        Ok(())
    }
}

fn message(leased: &Leased, now: i64) -> Message {
    let waited = Duration::from_millis(u64::try_from(now - leased.made).unwrap_or(0));
    Message {
        id: leased.message.clone(),
        group: leased.grouping.clone(),
        entries: leased.entries.clone(),
        form: if leased.plain {
            Form::Plain
        } else {
            Form::Rich
        },
        at: now,
        delayed: Some(waited).filter(|waited| *waited >= LATE),
        doubtful: leased.doubtful,
        test: false,
    }
}

/// Without secrets, and no longer than a person would read.
fn clean(mut outcome: Outcome) -> Outcome {
    if let Outcome::Throttled { why, .. }
    | Outcome::Transient(why)
    | Outcome::Ambiguous(why)
    | Outcome::Rejected(why)
    | Outcome::Broken(why) = &mut outcome
    {
        *why =
            super::text::cut_chars(&super::text::clean_line(&scrub(why)), ERROR_CHARS).into_owned();
    }
    outcome
}

/// 1, 2, 4, … s, half of it by chance.
fn backoff(attempts: u32, closing: bool) -> i64 {
    let longest = if closing { LONGEST_CLOSING } else { LONGEST };
    let wait = exponential(attempts).min(longest);
    millis(wait / 2) + jitter(wait / 2)
}

/// 1, 2, 4, … s.
fn exponential(attempts: u32) -> Duration {
    Duration::from_secs(1 << attempts.min(16))
}

fn jitter(most: Duration) -> i64 {
    fastrand::i64(0..=millis(most))
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 4)
}
