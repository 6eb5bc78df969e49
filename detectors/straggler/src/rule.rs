//! The rules, for the ranks of a run.

use runwatch_detector::show::number;
use runwatch_detector::stats::{MAD_TO_SD, Ring, median, select};
use runwatch_detector::{NO_RANK, Parameters, Severity};
use serde::{Deserialize, Serialize};

/// Step times whose median is the level of a rank.
const BLOCK: usize = 16;
/// Levels in a row that must stand out, and be back.
const HOLD: u8 = 2;
/// Ranks that can be compared.
const LEAST: usize = 3;
/// Robust standard deviations of all levels that one must be above, …
const Z: f64 = 4.0;
/// … which are at least so large a part of their median.
const FLOOR: f64 = 0.005;
/// A rank whose last row is older than this, or than so many of its
/// intervals, has stopped for now: it is no measure for the others.
const STALE: f64 = 60.0;
const STALE_INTERVALS: f64 = 5.0;
/// Clocks may differ so much.
const SKEW: f64 = 5.0;
/// Rows in a row that must be behind, and be back.
const ROWS: u8 = 3;
/// How many times its usual distance a rank must be behind.
const USUAL: f64 = 3.0;
/// Reports from which the usual distance is learned.
const LEARN: u8 = 64;
/// More ranks are not told apart.
const MAX_RANKS: usize = 4096;

/// The parameters.
#[derive(Debug, Clone)]
pub struct Settings {
    notice: f64,
    rise: f64,
    critical_rise: f64,
    steps: f64,
}

impl Settings {
    /// Reads and checks the parameters.
    ///
    /// # Errors
    /// When they contradict each other.
    pub fn new(parameters: &Parameters) -> Result<Self, String> {
        let (notice, rise, critical_rise) = (
            parameters.number("notice")?,
            parameters.number("rise")?,
            parameters.number("critical-rise")?,
        );
        if notice > rise || rise > critical_rise {
            return Err(format!(
                "`notice` ({notice}) must not be more than `rise` ({rise}), and that not more than \
                 `critical-rise` ({critical_rise})",
                notice = number(notice),
                rise = number(rise),
                critical_rise = number(critical_rise)
            ));
        }
        let steps = parameters.number("steps")?;
        Ok(Self {
            notice,
            rise,
            critical_rise,
            steps,
        })
    }

    fn severity(&self, rise: f64) -> Severity {
        if rise >= self.critical_rise {
            Severity::Critical
        } else if rise >= self.rise {
            Severity::Warning
        } else {
            Severity::Info
        }
    }
}

/// A rank that is slower than the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slow {
    /// Its median step time.
    pub level: f64,
    /// The median of those of all ranks.
    pub peers: f64,
    /// How many ranks were compared.
    pub ranks: usize,
    /// How much slower it is: 0.1 is 10 %.
    pub rise: f64,
    /// How bad that is.
    pub severity: Severity,
}

/// What a step time shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Nothing to report.
    Nothing,
    /// The rank is slower than the others.
    Slow(Slow),
    /// It has become much slower still.
    Worse(Slow),
    /// It no longer is.
    Over,
}

/// What a row shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distance {
    /// Nothing to report.
    Nothing,
    /// The rank is behind the step where most are.
    Behind(i64),
    /// It no longer is.
    Over,
}

/// One process.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Rank {
    number: u32,
    step: i64,
    time: f64,
    /// The last interval between its rows, and their last stride.
    interval: f64,
    stride: i64,
    /// How far behind it usually is at most, and from how many reports that
    /// is known.
    usual: f64,
    learned: u8,
    /// Rows in a row that are too far behind, and that are not.
    behind: u8,
    near: u8,
    is_behind: bool,
    /// The step times of the block that is not full yet.
    block: Ring,
    first_step: i64,
    /// The median of the last block, and its last step.
    level: f64,
    level_step: i64,
    /// Whether it has not been judged yet.
    waiting: bool,
    /// Levels in a row that stand out, and that do not.
    slow: u8,
    fine: u8,
    open: Option<Severity>,
}

/// The levels of all ranks about a step.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Round {
    step: i64,
    /// Levels that are not farther away belong to it.
    reach: i64,
    levels: usize,
    /// The levels of the round before.
    before: usize,
    peers: Option<Peers>,
}

impl Round {
    fn has(&self, step: i64) -> bool {
        step.saturating_sub(self.step).saturating_abs() <= self.reach
    }

    /// Whether so many levels are there that they can be compared.
    fn is_full(&self) -> bool {
        self.levels >= LEAST && self.levels * 4 >= self.before * 3
    }
}

/// What the levels of a round come to.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Peers {
    median: f64,
    sd: f64,
    ranks: usize,
}

/// What is remembered of a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Watch {
    /// In the order of their numbers.
    ranks: Vec<Rank>,
    #[serde(skip)]
    last: usize,
    round: Round,
    /// Where most ranks are: a step and the time when that was.
    front: Option<(i64, f64)>,
    /// Rows since that was looked at.
    rows: usize,
}

impl Watch {
    /// A row of a rank: is it behind the others?
    pub fn row(&mut self, settings: &Settings, number: u32, step: i64, time: f64) -> Distance {
        let Some(rank) = self.rank(number) else {
            return Distance::Nothing;
        };
        let went_back = step < rank.step;
        if step > rank.step && rank.step != i64::MIN {
            rank.stride = step.saturating_sub(rank.step);
        }
        if time > rank.time {
            rank.interval = time - rank.time;
        }
        rank.step = step;
        rank.time = time;
        if went_back {
            return rank.went_back();
        }
        self.rows += 1;
        if self.rows >= self.ranks.len() && time.is_finite() {
            self.rows = 0;
            self.front = self.front(time);
        }
        let Some((front, when)) = self.front else {
            return Distance::Nothing;
        };
        let Some(rank) = self.rank(number) else {
            return Distance::Nothing;
        };
        // Files that are read one after the other are not compared: the others
        // are not where they were at the time of this row.
        if (time - when).abs() > rank.stale() {
            return Distance::Nothing;
        }
        rank.compare(settings, front)
    }

    /// Where most ranks are that are heard of at this time.
    fn front(&self, time: f64) -> Option<(i64, f64)> {
        let is_fresh = |rank: &&Rank| rank.time <= time + SKEW && rank.time >= time - rank.stale();
        let fresh = self.ranks.iter().filter(is_fresh);
        let mut steps: Vec<i64> = fresh.map(|rank| rank.step).collect();
        let middle = steps.len() / 2;
        if steps.len() < LEAST {
            return None;
        }
        Some((select(&mut steps, middle, i64::lt)?, time))
    }

    /// A step time of a rank. Says which ranks are slower than the others, or
    /// no longer.
    pub fn step_time(
        &mut self,
        settings: &Settings,
        number: u32,
        step: i64,
        value: f64,
    ) -> Vec<(u32, Pace)> {
        if !value.is_finite() || value <= 0.0 {
            return Vec::new();
        }
        match self.rank(number).and_then(|rank| rank.take(step, value)) {
            Some(span) => self.level(settings, step, span),
            None => Vec::new(),
        }
    }

    /// A rank has a new level. A round is judged when most ranks have one, since
    /// they may all have become slower.
    fn level(&mut self, settings: &Settings, step: i64, span: i64) -> Vec<(u32, Pace)> {
        if self.round.levels == 0 || !self.round.has(step) {
            self.round = Round {
                step,
                reach: span / 2,
                levels: 0,
                before: self.round.levels,
                peers: None,
            };
        }
        self.round.levels += 1;
        if !self.round.is_full() {
            return Vec::new();
        }
        let round = self.round;
        let of_round = self
            .ranks
            .iter_mut()
            .filter(|rank| round.has(rank.level_step));
        let of_round: Vec<&mut Rank> = of_round.filter(|rank| rank.level.is_finite()).collect();
        let peers = round.peers.or_else(|| {
            let mut levels: Vec<f64> = of_round.iter().map(|rank| rank.level).collect();
            Peers::new(&mut levels)
        });
        self.round.peers = peers;
        let Some(peers) = peers else {
            return Vec::new();
        };
        let waiting = of_round.into_iter().filter(|rank| rank.waiting);
        let judged = waiting.map(|rank| (rank.number, rank.judge(settings, &peers)));
        judged.filter(|(_, pace)| *pace != Pace::Nothing).collect()
    }

    /// What is known of a rank; none if there are too many, or it has no number.
    fn rank(&mut self, number: u32) -> Option<&mut Rank> {
        if number == NO_RANK {
            return None;
        }
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
                    self.ranks.insert(at, Rank::new(number));
                    at
                }
            };
        }
        self.ranks.get_mut(self.last)
    }
}

impl Peers {
    fn new(levels: &mut [f64]) -> Option<Self> {
        if levels.len() < LEAST {
            return None;
        }
        let median = middle(levels);
        for level in levels.iter_mut() {
            *level = (*level - median).abs();
        }
        Some(Self {
            median,
            sd: (MAD_TO_SD * middle(levels)).max(FLOOR * median),
            ranks: levels.len(),
        })
    }
}

/// The (upper) median of at least one value.
fn middle(values: &mut [f64]) -> f64 {
    let at = values.len() / 2;
    select(values, at, |a, b| a.total_cmp(b).is_lt()).unwrap_or(f64::NAN)
}

impl Rank {
    fn new(number: u32) -> Self {
        Self {
            number,
            step: i64::MIN,
            time: f64::NAN,
            interval: 0.0,
            stride: 1,
            usual: 0.0,
            learned: 0,
            behind: 0,
            near: 0,
            is_behind: false,
            block: Ring::new(BLOCK),
            first_step: 0,
            level: f64::NAN,
            level_step: 0,
            waiting: false,
            slow: 0,
            fine: 0,
            open: None,
        }
    }

    fn stale(&self) -> f64 {
        STALE.max(STALE_INTERVALS * self.interval)
    }

    fn went_back(&mut self) -> Distance {
        (self.behind, self.near) = (0, 0);
        (self.usual, self.learned) = (0.0, 0);
        if std::mem::take(&mut self.is_behind) {
            Distance::Over
        } else {
            Distance::Nothing
        }
    }

    fn compare(&mut self, settings: &Settings, front: i64) -> Distance {
        let lag = front.saturating_sub(self.step);
        if self.learned < LEARN {
            self.learned += 1;
            self.usual = self.usual.max(lag as f64);
            return Distance::Nothing;
        }
        let far = (settings.steps * self.stride as f64).max(USUAL * self.usual);
        if lag as f64 > far {
            self.near = 0;
            self.behind = self.behind.saturating_add(1);
            if self.behind >= ROWS && !self.is_behind {
                self.is_behind = true;
                return Distance::Behind(lag);
            }
            return Distance::Nothing;
        }
        self.behind = 0;
        self.near = self.near.saturating_add(1);
        if self.near >= ROWS && std::mem::take(&mut self.is_behind) {
            return Distance::Over;
        }
        Distance::Nothing
    }

    /// Takes a step time in. When a block is full, gives the steps that it took.
    fn take(&mut self, step: i64, value: f64) -> Option<i64> {
        if self.block.values().is_empty() || step < self.first_step {
            self.block.clear();
            self.first_step = step;
        }
        self.block.push(value);
        if self.block.values().len() < BLOCK {
            return None;
        }
        self.level = median(self.block.values());
        self.level_step = step;
        self.waiting = true;
        self.block.clear();
        Some(step.saturating_sub(self.first_step).max(1))
    }

    fn judge(&mut self, settings: &Settings, peers: &Peers) -> Pace {
        self.waiting = false;
        let level = self.level;
        let rise = level / peers.median - 1.0;
        if rise < settings.notice || level < peers.median + Z * peers.sd {
            self.slow = 0;
            self.fine = self.fine.saturating_add(1);
            if self.fine >= HOLD && self.open.take().is_some() {
                return Pace::Over;
            }
            return Pace::Nothing;
        }
        self.fine = 0;
        self.slow = self.slow.saturating_add(1);
        let slow = Slow {
            level,
            peers: peers.median,
            ranks: peers.ranks,
            rise,
            severity: settings.severity(rise),
        };
        if self.slow < HOLD || self.open >= Some(slow.severity) {
            return Pace::Nothing;
        }
        match self.open.replace(slow.severity) {
            None => Pace::Slow(slow),
            Some(_) => Pace::Worse(slow),
        }
    }
}
