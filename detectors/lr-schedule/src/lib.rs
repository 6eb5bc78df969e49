//! `lr-schedule`: the learning rate is negative, stays at zero, or jumps.
//!
//! The rule is in `rule.rs`; this file says what it is called, what can be set,
//! and what people read.

use runwatch_detector::prelude::*;
use runwatch_detector::show::{count, number, place, times};
use runwatch_detector::state::{self, Episode};

mod rule;

pub use rule::{News, Settings, Watch};

const NEGATIVE: &str = "negative";
const ZERO: &str = "zero";
const JUMP: &str = "jump";
/// Learning rates by other names: of parameter groups.
const RATES: [&str; 6] = [
    "lr",
    "lr-*",
    "lr/*",
    "lr_group*",
    "optim/learning_rate_group*",
    "param_groups/*/lr",
];

/// Watches the learning rates of one run.
pub struct LrSchedule {
    settings: Settings,
    state: State,
    /// Kept to be used again.
    news: Vec<News>,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    watches: Keyed<Watch>,
    negative: Episode,
    zero: Episode,
    /// The ranks in it.
    zero_ranks: Vec<u32>,
    jump: Episode,
}

impl Detector for LrSchedule {
    fn describe() -> Description {
        Description::new(
            "lr-schedule",
            "0.1.0",
            "The learning rate is negative, stays at zero, or jumps",
        )
        .parameter(
            Parameter::number("jump", 10.0)
                .unit("ratio")
                .min(1.5)
                .max(1e9)
                .doc("More than so many times the value before, or as many times less, is a jump."),
        )
        .parameter(
            Parameter::integer("zero-rows", 20)
                .unit("values")
                .min(2)
                .max(1_000_000)
                .doc("How many zeros in a row are reported; the last row of a decay is zero too."),
        )
        .doc(include_str!("doc.md"))
    }

    fn open(_run: &Facts, parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            settings: Settings::new(parameters)?,
            state: State::default(),
            news: Vec::new(),
        })
    }

    fn interests(&self) -> Vec<Interest> {
        RATES.map(Interest::metric).to_vec()
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        let Self {
            settings,
            state,
            news,
        } = self;
        for point in batch.points() {
            let watch = state.watches.of(&point, Watch::default);
            watch.look(settings, point.step, point.value, news);
            for news in news.drain(..) {
                let name = batch.name(point.series);
                findings.extend(state.report(settings, &point, name, news));
            }
        }
    }

    fn save(&self) -> Option<Vec<u8>> {
        state::save(&self.state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        self.state = state::restore(state)?;
        Ok(())
    }
}

impl State {
    fn report(&mut self, set: &Settings, point: &Point, name: &str, news: News) -> Option<Finding> {
        match news {
            News::Negative => self
                .negative
                .join(Severity::Critical)
                .then(|| negative(point, name)),
            News::NotNegative => self
                .negative
                .leave()
                .then(|| over(NEGATIVE, point, name, "Learning rate is no longer negative")),
            News::Zero { last, since } => self
                .join_zero(point)
                .then(|| zero(point, name, set.zero_rows, last, since)),
            News::NotZero => self
                .leave_zero(point)
                .then(|| over(ZERO, point, name, "Learning rate is no longer zero")),
            News::Jump { from, largest } => self
                .jump
                .join(Severity::Warning)
                .then(|| jump(point, name, from, largest)),
            News::NoJump => self.jump.leave().then(|| {
                over(
                    JUMP,
                    point,
                    name,
                    "Learning rate goes on from its new value",
                )
            }),
        }
    }

    /// A group that is frozen on purpose is no trouble: all rates of the rank
    /// must be zero.
    fn join_zero(&mut self, point: &Point) -> bool {
        let mut of_rank = self.watches.iter_mut().filter(|it| it.1 == point.rank);
        if self.zero_ranks.contains(&point.rank) || !of_rank.all(|it| it.2.is_zero()) {
            return false;
        }
        self.zero_ranks.push(point.rank);
        self.zero.join(Severity::Warning)
    }

    fn leave_zero(&mut self, point: &Point) -> bool {
        let before = self.zero_ranks.len();
        self.zero_ranks.retain(|&rank| rank != point.rank);
        self.zero_ranks.len() < before && self.zero.leave()
    }
}

fn negative(point: &Point, name: &str) -> Finding {
    Finding::critical(NEGATIVE, point.row)
        .title(format!("Learning rate is negative: {}", number(point.value)))
        .message(format!(
            "`{name}` is {} at {}.",
            number(point.value),
            place(point)
        ))
        .recommendation(
            "Stop now: the optimizer climbs the loss instead of descending it. Most often the schedule \
             was made for fewer steps than are trained, so that a linear or polynomial decay runs past \
             zero: go back to the last checkpoint before this step and give the schedule the true number \
             of steps.",
        )
        .value("lr", point.value)
}

fn zero(point: &Point, name: &str, rows: usize, last: f64, since: i64) -> Finding {
    Finding::warning(ZERO, point.row)
        .title("Learning rate stays at zero")
        .message(format!(
            "`{name}` has been 0 for {}, from step {since} to {}; before that it was {}. No other rate of \
             this run is above zero.",
            count(rows, "value"),
            place(point),
            number(last),
        ))
        .recommendation(
            "Nothing is learned while it is zero. If the schedule has ended, stop here, or give it the true \
             number of steps; if not, look at who sets the rate (a callback that reduces it on a plateau, \
             a scheduler stepped once per micro-batch, a resume that lost its state).",
        )
        .value("lr", point.value)
        .value("before", last)
        .value("rows", rows as f64)
}

fn jump(point: &Point, name: &str, from: f64, largest: f64) -> Finding {
    let (to, step) = (point.value, point.step);
    let how = if to > from {
        format!(
            "{} as large, and above all before ({})",
            times(to / from),
            number(largest)
        )
    } else {
        format!("{} smaller", times(from / to))
    };
    Finding::warning(JUMP, point.row)
        .title(format!(
            "Learning rate jumps from {} to {}",
            number(from),
            number(to)
        ))
        .message(format!(
            "`{name}` is {} at {}; the value before was {}: {how}.",
            number(to),
            place(point),
            number(from),
        ))
        .recommendation(format!(
            "If the schedule is meant to do this, all is well. If not, compare it with the configuration \
             now: two schedulers on one optimizer, a schedule stepped in another unit (epochs, batches), or \
             a changed setting. After a jump upwards watch `loss` and `grad_norm`, and go back to the last \
             checkpoint before step {step} if they rise."
        ))
        .value("lr", to)
        .value("before", from)
}

fn over(key: &str, point: &Point, name: &str, title: &str) -> Finding {
    Finding::resolved(key, point.row)
        .title(title)
        .message(format!(
            "`{name}` is {} at {}.",
            number(point.value),
            place(point)
        ))
        .value("lr", point.value)
}

export!(LrSchedule);

#[cfg(test)]
mod tests;
