//! The rule, for one series of one rank.

use runwatch_detector::state::{Ended, Move, Progress, Recovery};
use runwatch_detector::{Parameters, Severity};
use serde::{Deserialize, Serialize};

use crate::score::{Record, Score};

/// An episode that has not come back ends after so many values without a hit.
const SETTLE: usize = 500;

/// The parameters.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Globs of the metrics to watch.
    pub(crate) metrics: Vec<String>,
    pub(crate) severity: Severity,
    score: f64,
    beyond: f64,
    change: f64,
    pub(crate) hold: usize,
    /// Whether to report every score, for benchmarks.
    pub(crate) scores: bool,
}

impl Settings {
    /// Reads the parameters.
    ///
    /// # Errors
    /// When one is missing or of another kind, which the runner has ruled out.
    pub fn new(parameters: &Parameters) -> Result<Self, String> {
        let metrics = parameters.list("metrics")?;
        Ok(Self {
            metrics: metrics.into_iter().map(str::to_owned).collect(),
            severity: match parameters.text("severity")? {
                "warning" => Severity::Warning,
                _ => Severity::Info,
            },
            score: parameters.number("score")?,
            beyond: parameters.number("beyond")?,
            change: parameters.number("change")?,
            hold: parameters.count("hold")?,
            scores: parameters.boolean("scores")?,
        })
    }

    /// Whether a record is worth a word, for values of this mean: of a long
    /// series the smallest record is strange.
    fn is_material(&self, record: &Record, mean: f64) -> bool {
        let Record { now, low, high, .. } = *record;
        let beyond = (now - high).max(low - now);
        let change = (now - record.mean).abs();
        beyond >= self.beyond * (high - low) && change >= self.change * mean.abs()
    }
}

/// Something strange, as it looked when it was reported.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Strange {
    /// The score, at least the parameter.
    pub score: f64,
    /// What left which range.
    pub record: Record,
    /// How many values that is the range of.
    pub seen: u32,
}

/// What one value shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen {
    /// Nothing to report.
    Nothing,
    /// An episode begins.
    Strange(Strange),
    /// The episode is over; `None` if that is because the run resumed.
    Over(Strange, Option<Ended>),
}

/// What is remembered of a series.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Watch {
    progress: Progress,
    score: Score,
    open: Option<(Strange, Recovery)>,
    latest: f64,
}

impl Watch {
    /// The score of the value looked at last.
    #[must_use]
    pub fn latest(&self) -> f64 {
        self.latest
    }

    /// Looks at the next value.
    pub fn look(&mut self, settings: &Settings, step: i64, time: f64, value: f64) -> Seen {
        self.latest = 0.0;
        if !value.is_finite() {
            self.progress.pass(step);
            return Seen::Nothing;
        }
        if !self.progress.goes_on(step) && self.progress.advance(step) == Move::Resumed {
            let open = self.open.take();
            self.score = Score::new();
            self.score.score(time, value);
            return open.map_or(Seen::Nothing, |(strange, _)| Seen::Over(strange, None));
        }
        let (seen, mean) = (self.score.len(), self.score.mean());
        let look = self.score.look(time, value);
        self.latest = look.score;
        let hit = look
            .record
            .filter(|record| look.score >= settings.score && settings.is_material(record, mean));
        let Some((first, recovery)) = &mut self.open else {
            let Some(record) = hit else {
                return Seen::Nothing;
            };
            let strange = Strange {
                score: look.score,
                record,
                seen,
            };
            self.open = Some((strange, Recovery::default()));
            return Seen::Strange(strange);
        };
        let reading = self.score.reading(first.record.reading, value);
        let back = (first.record.low..=first.record.high).contains(&reading);
        match recovery.watch(hit.is_some(), back, settings.hold, SETTLE) {
            Some(how) => {
                let first = *first;
                self.open = None;
                Seen::Over(first, Some(how))
            }
            None => Seen::Nothing,
        }
    }
}
