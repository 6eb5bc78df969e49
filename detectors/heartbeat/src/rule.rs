//! The rule: when a silence is too long.

use runwatch_detector::stats::{Ring, median};
use runwatch_detector::{NO_RANK, Parameters};
use serde::{Deserialize, Serialize};

/// Intervals whose median is the usual one.
const INTERVALS: usize = 16;
/// So many intervals must be known before the grace ends, and before a rank
/// is missed on its own: some ranks only say that they started.
const KNOWN: u32 = 8;
/// The usual interval counts `interval-factor` times, but not more than this
/// many seconds, …
const LONG: f64 = 600.0;
/// … unless it is so long itself that this many intervals are more.
const LEAST_INTERVALS: f64 = 5.0;
/// A silence that ended by itself is a pause, and teaches; one that lasted more
/// than this many limits teaches no more than that.
const LESSON: f64 = 3.0;
/// What one silence of the whole run counts for a single rank: a part of the
/// limit, since the ranks wake up one after the other.
const SHARE: f64 = 0.25;
/// The limit is looked at anew after so many intervals.
const EVERY: u32 = 16;
/// More ranks are not told apart.
const MAX_RANKS: usize = 4096;

/// The parameters.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) silence: f64,
    grace: f64,
    interval_factor: f64,
    longest_factor: f64,
    pub(crate) critical_after: f64,
    single_ranks: bool,
}

impl Settings {
    /// Reads the parameters.
    ///
    /// # Errors
    /// When one is missing.
    pub fn new(parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            silence: parameters.number("silence")?,
            grace: parameters.number("grace")?,
            interval_factor: parameters.number("interval-factor")?,
            longest_factor: parameters.number("longest-factor")?,
            critical_after: parameters.number("critical-after")?,
            single_ranks: parameters.boolean("single-ranks")?,
        })
    }
}

/// How often something is heard.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Beat {
    intervals: Ring,
    /// How many intervals there were.
    known: u32,
    longest: f64,
    /// Seconds of silence that are too long.
    limit: f64,
}

impl Beat {
    fn new(settings: &Settings) -> Self {
        Self {
            intervals: Ring::new(INTERVALS),
            known: 0,
            longest: 0.0,
            limit: settings.silence.max(settings.grace),
        }
    }

    /// Takes an interval in.
    fn learn(&mut self, settings: &Settings, interval: f64) {
        self.known = self.known.saturating_add(1);
        self.intervals.push(interval);
        let longer = interval > self.longest;
        if longer {
            self.longest = self.longest.max(interval.min(LESSON * self.limit));
        }
        if longer || self.known <= KNOWN || self.known.is_multiple_of(EVERY) {
            self.limit = self.limit(settings);
        }
    }

    /// What came so far was written before the watch began, perhaps by another
    /// process: what comes now has its grace, and the time between teaches
    /// nothing.
    fn start_again(&mut self, settings: &Settings) {
        self.known = 0;
        self.limit = self.limit(settings);
    }

    fn usual(&self) -> f64 {
        if self.intervals.values().is_empty() {
            0.0
        } else {
            median(self.intervals.values())
        }
    }

    fn limit(&self, settings: &Settings) -> f64 {
        let usual = self.usual();
        let many = (settings.interval_factor * usual).min(LONG.max(LEAST_INTERVALS * usual));
        let limit = settings
            .silence
            .max(if settings.interval_factor > 0.0 {
                many
            } else {
                0.0
            })
            .max(settings.longest_factor * self.longest);
        if self.known < KNOWN {
            limit.max(settings.grace)
        } else {
            limit
        }
    }
}

/// One process.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Rank {
    number: u32,
    beat: Beat,
    step: i64,
    /// By its own clock.
    time: f64,
    /// By the run's; see [`Watch::alive`].
    heard: f64,
    missed: bool,
}

/// A silence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Silence {
    /// For how many seconds.
    pub seconds: f64,
    /// How many are too many.
    pub limit: f64,
    /// The usual interval.
    pub usual: f64,
}

/// What a row shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// The run is heard again after a silence that was reported.
    pub back: bool,
    /// It is heard for the first time.
    pub first: bool,
    /// The last rank that was missed is heard again.
    pub all_back: bool,
    /// It is time to ask for [`Watch::missing`].
    pub look: bool,
}

/// Too long a time without a sign of life.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quiet {
    /// Nothing has ever come.
    Never {
        /// For how many seconds.
        seconds: f64,
        /// How many are too many.
        limit: f64,
    },
    /// Nothing has come since the last row.
    Since(Silence),
}

/// What is remembered of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Watch {
    /// When the watch began; none in a review.
    began: Option<f64>,
    /// All rows together.
    beat: Beat,
    /// The latest time of a row; NaN before the first.
    clock: f64,
    /// Seconds in which the run was heard: the clock without long silences.
    alive: f64,
    /// When the ranks are looked at next, in seconds alive.
    next_look: f64,
    /// In the order of their numbers.
    ranks: Vec<Rank>,
    /// The rank heard last: the others often follow in turn.
    #[serde(skip)]
    last: usize,
    missed: usize,
    /// When the silence began, on the clock of the ticks.
    silent_since: Option<f64>,
    reported: bool,
    worse: bool,
    ended: bool,
}

impl Watch {
    /// A run of which nothing is known, and which is watched live since `began`.
    #[must_use]
    pub fn new(settings: &Settings, began: Option<f64>) -> Self {
        Self {
            began,
            beat: Beat::new(settings),
            clock: f64::NAN,
            alive: 0.0,
            next_look: 0.0,
            ranks: Vec::new(),
            last: 0,
            missed: 0,
            silent_since: None,
            reported: false,
            worse: false,
            ended: false,
        }
    }

    /// A row came.
    pub fn row(&mut self, settings: &Settings, step: i64, time: f64, rank: u32) -> Seen {
        self.ended = false;
        self.silent_since = None;
        self.worse = false;
        let first = self.ranks.is_empty();
        let went_back = self
            .rank(rank, settings, step, time)
            .is_some_and(|rank| step < rank.step);
        self.pass(settings, time, went_back);
        let (alive, began) = (self.alive, self.began);
        let returned = self
            .rank(rank, settings, step, time)
            .is_some_and(|rank| rank.hear(settings, step, time, alive, began));
        self.missed = self.missed.saturating_sub(usize::from(returned));
        Seen {
            back: std::mem::take(&mut self.reported),
            first,
            all_back: returned && self.missed == 0,
            look: alive >= self.next_look && self.ranks.len() > 1 && settings.single_ranks,
        }
    }

    /// Lets the run's time go on to that of a row.
    fn pass(&mut self, settings: &Settings, time: f64, went_back: bool) {
        if !time.is_finite() {
            return;
        }
        let interval = time - self.clock;
        if interval > 0.0 {
            self.alive += interval.min(SHARE * self.beat.limit);
            if is_between(self.began, self.clock, time) {
                self.beat.start_again(settings);
            } else if !went_back {
                // What a restart takes is no interval.
                self.beat.learn(settings, interval);
            }
        }
        self.clock = self.clock.max(time);
    }

    /// What is known of a rank; none if there are too many.
    fn rank(&mut self, number: u32, new: &Settings, step: i64, time: f64) -> Option<&mut Rank> {
        let is = |at: usize| {
            let rank = self.ranks.get(at);
            rank.is_some_and(|rank| rank.number == number)
        };
        if is(self.last + 1) {
            self.last += 1;
        } else if !is(self.last) {
            let found = self.ranks.binary_search_by_key(&number, |rank| rank.number);
            self.last = match found {
                Ok(at) => at,
                Err(_) if self.ranks.len() >= MAX_RANKS => return None,
                Err(at) => {
                    let rank = Rank {
                        number,
                        beat: Beat::new(new),
                        step,
                        time,
                        heard: self.alive,
                        missed: false,
                    };
                    self.ranks.insert(at, rank);
                    at
                }
            };
        }
        self.ranks.get_mut(self.last)
    }

    /// The ranks that are silent while others go on, if there is a new one
    /// among them, and the longest silence. To be asked when a row says so.
    pub fn missing(&mut self) -> Option<(Vec<u32>, Silence)> {
        // Once a second is often enough.
        self.next_look = self.alive.floor() + 1.0;
        let alive = self.alive;
        let mut fresh = false;
        let mut longest: Option<Silence> = None;
        for rank in self.ranks.iter_mut().filter(|rank| rank.is_silent(alive)) {
            if !rank.missed {
                (fresh, rank.missed) = (true, true);
                self.missed += 1;
            }
            let seconds = alive - rank.heard;
            if longest.is_none_or(|longest| seconds > longest.seconds) {
                longest = Some(Silence {
                    seconds,
                    limit: rank.beat.limit,
                    usual: rank.beat.usual(),
                });
            }
        }
        let silence = longest.filter(|_| fresh)?;
        let missed = self.ranks.iter().filter(|rank| rank.missed);
        Some((missed.map(|rank| rank.number).collect(), silence))
    }

    /// How many ranks report regularly.
    #[must_use]
    pub fn regular(&self) -> usize {
        self.ranks.iter().filter(|rank| rank.is_regular()).count()
    }

    /// The last step that was heard of, and the ranks that have not got there.
    #[must_use]
    pub fn steps(&self) -> (i64, Vec<u32>) {
        let step = self.ranks.iter().map(|rank| rank.step).max();
        let step = step.unwrap_or_default();
        let behind = |rank: &&Rank| rank.is_regular() && rank.step < step;
        let behind = self.ranks.iter().filter(behind);
        (step, behind.map(|rank| rank.number).collect())
    }

    /// Time passed without a row: ticks begin `silence` seconds after the last,
    /// or after a row was to be expected. Says whether to report, and whether
    /// that is critical.
    pub fn tick(&mut self, settings: &Settings, now: f64) -> Option<(Quiet, bool)> {
        if self.ended || !now.is_finite() {
            return None;
        }
        if self.ranks.is_empty() {
            return self.wait(settings, now);
        }
        let since = *self.silent_since.get_or_insert(now - settings.silence);
        let silence = Silence {
            seconds: now - since,
            limit: self.beat.limit,
            usual: self.beat.usual(),
        };
        if silence.seconds < silence.limit {
            return None;
        }
        let critical = silence.seconds >= silence.limit + settings.critical_after;
        let report = !self.reported || (critical && !self.worse);
        self.reported = true;
        self.worse |= critical;
        report.then_some((Quiet::Since(silence), critical))
    }

    /// Time passed before the first row. Not critical later on: what comes may
    /// be of a form that cannot be read.
    fn wait(&mut self, settings: &Settings, now: f64) -> Option<(Quiet, bool)> {
        let seconds = now - self.began?;
        let limit = settings.grace.max(settings.silence);
        if seconds < limit || std::mem::replace(&mut self.reported, true) {
            return None;
        }
        let critical = settings.critical_after == 0.0;
        Some((Quiet::Never { seconds, limit }, critical))
    }

    /// The run ended; its silence means nothing.
    pub fn finish(&mut self) {
        self.ended = true;
    }
}

/// Whether the watch began between two rows.
fn is_between(began: Option<f64>, before: f64, after: f64) -> bool {
    began.is_some_and(|began| before < began && began <= after)
}

impl Rank {
    /// Notes that it was heard; true if it had been missed.
    fn hear(
        &mut self,
        settings: &Settings,
        step: i64,
        time: f64,
        alive: f64,
        began: Option<f64>,
    ) -> bool {
        let interval = time - self.time;
        if is_between(began, self.time, time) {
            self.beat.start_again(settings);
        } else if interval > 0.0 && step >= self.step {
            self.beat.learn(settings, interval);
        }
        self.step = step;
        if time.is_finite() {
            self.time = time;
        }
        self.heard = alive;
        std::mem::take(&mut self.missed)
    }

    fn is_regular(&self) -> bool {
        self.number != NO_RANK && self.beat.known >= KNOWN
    }

    fn is_silent(&self, alive: f64) -> bool {
        self.is_regular() && alive - self.heard > self.beat.limit
    }
}
