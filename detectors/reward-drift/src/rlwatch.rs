//! The rule of rlwatch 0.5.1 (`reward_mean_drift`).

use runwatch_detector::prelude::*;
use runwatch_detector::rlwatch::{self, Instead, Seen};
use runwatch_detector::show::{count, number, place};
use serde::{Deserialize, Serialize};

use super::row::Reader;

/// The parameters `rlwatch-…`.
pub(crate) fn parameters() -> [Parameter; 3] {
    [
        Parameter::integer("rlwatch-consecutive", 50)
            .unit("values")
            .min(1)
            .max(1_000_000)
            .doc("Under rule `rlwatch`: so many rises or falls in a row are a drift."),
        rlwatch::warmup(50),
        Parameter::number("rlwatch-magnitude", 0.1)
            .unit("reward")
            .min(0)
            .max(1e12)
            .doc("Under rule `rlwatch`: how far the reward must have gone as well."),
    ]
}

pub(crate) struct Settings {
    consecutive: u64,
    warmup: u64,
    magnitude: f64,
}

/// The rule over rows: the mean reward of each.
pub struct Rule {
    values: rlwatch::Rule<Watch>,
    rows: Reader,
}

impl Instead for Rule {
    fn open(parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            values: Instead::open(parameters)?,
            rows: Reader::default(),
        })
    }

    fn interests(&self) -> Vec<Interest> {
        self.values.interests()
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        for places in batch.by_row() {
            if let Some(point) = self.rows.read(batch, places) {
                self.values.look(&point, findings);
            }
        }
    }

    fn save(&self) -> Option<Vec<u8>> {
        self.values.save()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        self.values.restore(state)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Direction {
    Up,
    Down,
}

/// Steps in one direction, without a break.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Streak {
    direction: Direction,
    /// The value before the first of them.
    start: f64,
    length: u64,
    reported: bool,
}

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Watch {
    seen: u64,
    last: Option<f64>,
    streak: Option<Streak>,
}

impl rlwatch::Watch for Watch {
    type Settings = Settings;
    const KEY: &'static str = super::KEY;

    fn settings(parameters: &Parameters) -> Result<Settings, String> {
        Ok(Settings {
            consecutive: parameters.count("rlwatch-consecutive")? as u64,
            warmup: parameters.count("rlwatch-warmup")? as u64,
            magnitude: parameters.number("rlwatch-magnitude")?,
        })
    }

    fn interests(_settings: &Settings) -> Vec<Interest> {
        super::interests()
    }

    fn look(&mut self, settings: &Settings, point: &Point) -> Seen {
        let value = point.value;
        self.seen = self.seen.saturating_add(1);
        let last = self.last.replace(value);
        let Some(last) = last.filter(|_| self.seen >= settings.warmup) else {
            return Seen::Clear;
        };
        let direction = if value > last {
            Direction::Up
        } else if value < last {
            Direction::Down
        } else {
            // An equal value ends a streak, and so does NaN.
            self.streak = None;
            return Seen::Clear;
        };
        let mut broken = false;
        let streak = match &mut self.streak {
            Some(streak) if streak.direction == direction => streak,
            other => {
                broken = other.is_some_and(|streak| streak.reported);
                other.insert(Streak {
                    direction,
                    start: last,
                    length: 0,
                    reported: false,
                })
            }
        };
        streak.length = streak.length.saturating_add(1);
        let magnitude = (value - streak.start).abs();
        if streak.reported || streak.length < settings.consecutive || magnitude < settings.magnitude
        {
            return if broken { Seen::Clear } else { Seen::Nothing };
        }
        streak.reported = true;
        Seen::Fires(drifts(point, streak, magnitude))
    }
}

fn drifts(point: &Point, streak: &Streak, magnitude: f64) -> Finding {
    let (direction, verb, advice) = match streak.direction {
        Direction::Up => (
            "up",
            "risen",
            "A reward that only ever rises may be learning or slow exploitation: read some of the \
             responses with the highest reward.",
        ),
        Direction::Down => ("down", "fallen", super::ADVICE),
    };
    let mut finding = Finding::warning(super::KEY, point.row)
        .title(format!("Reward drifts {direction}"))
        .message(format!(
            "`reward_mean` is {} at {} and has {verb} {} in a row, from {}.",
            number(point.value),
            place(point),
            count(streak.length as usize, "time"),
            number(streak.start),
        ))
        .recommendation(advice)
        .value("reward_mean", point.value)
        .value("drift_start", streak.start)
        .value("drift_magnitude", magnitude)
        .value("consecutive_steps", streak.length as f64);
    finding
        .facts
        .push(("direction".to_owned(), direction.to_owned()));
    finding
}
