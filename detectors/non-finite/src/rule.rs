//! The rule, for one metric on all its ranks.

use runwatch_detector::{Point, glob};
use serde::{Deserialize, Serialize};

/// A metric that was finite for so many steps starts afresh: its next NaN is
/// news.
const CALM_STEPS: i64 = 100;

/// Which rule a metric is under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// The training loss: critical at once.
    Loss,
    /// The gradient norm: critical at once.
    GradNorm,
    /// A loss of another name (evaluation, a part): a warning even if it has
    /// never been finite.
    LossLike,
    /// Anything else: says nothing until it was finite once.
    Other,
    /// Never says anything.
    Ignored,
}

/// News of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Nothing to report.
    Nothing,
    /// It is not finite.
    Began,
    /// It stays so.
    Worse,
    /// It is finite again on every rank, and [`Seen::Began`] was reported.
    Over,
}

/// What is remembered of a metric.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Metric {
    /// Which rule it is under.
    pub kind: Kind,
    /// Whether it has been finite on any rank.
    pub was_finite: bool,
    /// How many episodes there were, with less than `CALM_STEPS` between.
    pub episodes: u32,
    /// Ranks on which it is not finite now, in order, and for how many values.
    ranks: Vec<(u32, usize)>,
    /// Whether this episode was reported, and whether as critical.
    reported: bool,
    worse: bool,
    /// The step of the last value that was not finite.
    last_bad: i64,
}

impl Metric {
    /// A metric of which nothing is known but its canonical name.
    #[must_use]
    pub fn new(name: &str, ignore: &[String]) -> Self {
        let kind = match name {
            "loss" => Kind::Loss,
            "grad_norm" => Kind::GradNorm,
            _ if ignore.iter().any(|pattern| glob::matches(pattern, name)) => Kind::Ignored,
            _ if glob::matches("*loss*", name) => Kind::LossLike,
            _ => Kind::Other,
        };
        Self {
            kind,
            was_finite: false,
            episodes: 0,
            ranks: Vec::new(),
            reported: false,
            worse: false,
            last_bad: i64::MIN,
        }
    }

    /// Looks at the next value; `rows` of them in a row make it worse.
    pub fn look(&mut self, point: &Point, rows: usize) -> Seen {
        match self.kind {
            Kind::Ignored => Seen::Nothing,
            _ if point.value.is_finite() => self.finite(point),
            _ => self.not_finite(point, rows),
        }
    }

    fn finite(&mut self, point: &Point) -> Seen {
        self.was_finite = true;
        let Ok(at) = self
            .ranks
            .binary_search_by_key(&point.rank, |&(rank, _)| rank)
        else {
            return Seen::Nothing;
        };
        self.ranks.remove(at);
        if !self.ranks.is_empty() {
            return Seen::Nothing;
        }
        self.worse = false;
        if std::mem::take(&mut self.reported) {
            Seen::Over
        } else {
            Seen::Nothing
        }
    }

    fn not_finite(&mut self, point: &Point, rows: usize) -> Seen {
        let starts = self.ranks.is_empty();
        let at = match self
            .ranks
            .binary_search_by_key(&point.rank, |&(rank, _)| rank)
        {
            Ok(at) => at,
            Err(at) => {
                self.ranks.insert(at, (point.rank, 0));
                at
            }
        };
        self.ranks[at].1 += 1;
        let stays = self.ranks[at].1 >= rows;
        if starts {
            let calm = point.step.abs_diff(self.last_bad) > CALM_STEPS.unsigned_abs();
            self.episodes = if calm {
                1
            } else {
                self.episodes.saturating_add(1)
            };
        }
        self.last_bad = point.step;

        let at_once = matches!(self.kind, Kind::Loss | Kind::GradNorm);
        if starts && self.speaks() {
            self.reported = true;
            self.worse = at_once;
            Seen::Began
        } else if self.reported && self.was_finite && stays && !self.worse {
            self.worse = true;
            Seen::Worse
        } else {
            Seen::Nothing
        }
    }

    /// Whether an episode is reported. A metric that flaps is reported at its
    /// first, second, fourth, eighth… episode, lest it flood the user.
    fn speaks(&self) -> bool {
        (self.was_finite || self.kind != Kind::Other) && self.episodes.is_power_of_two()
    }
}
