//! `advantage-variance`: what the policy learns from spreads too far, or not at
//! all.
//!
//! The rules are in `spread.rs` and `flat.rs`, that of rlwatch in `rlwatch.rs`;
//! this file says what it is called and what can be set, and brings the values of
//! a row together. What people read is in `words.rs`.

use runwatch_detector::prelude::*;
use runwatch_detector::rlwatch as compat;
use runwatch_detector::show::number;
use runwatch_detector::state::{self, Episode};
use runwatch_detector::{Roles, Series};

mod flat;
mod rlwatch;
mod spread;
mod words;

pub use flat::{Flat, Kind, Line};
pub use spread::{Leap, Spread};

const SPREAD: &str = "advantage-variance";
const COLLAPSE: &str = "advantage-collapse";
const FLAT: &str = "reward-flatline";
/// What to do about advantages that spread too far.
const NORMALISE: &str = "Look at the rewards and the value loss of the same steps: one response or episode with an extreme \
     reward, or a value function that is far off, is the usual cause. Normalise advantages per batch, \
     clip or scale the rewards, and if it goes on lower the learning rate or take larger batches.";

/// The parameters.
#[derive(Debug, Clone)]
pub struct Settings {
    ratio: f64,
    single: f64,
    slow: f64,
    collapse: f64,
    zero_share: f64,
    rows: usize,
    hold: usize,
}

/// What a series tells.
#[derive(Debug, Clone, Copy)]
enum Role {
    Advantage,
    Flat(Kind),
    /// Single rewards, several in a row.
    Rewards,
}

/// Watches advantages and rewards of one run.
pub type AdvantageVariance = compat::Choice<Robust, compat::Rule<rlwatch::Watch>>;

/// The rule of ours.
pub struct Robust {
    settings: Settings,
    state: State,
    roles: Roles<Role>,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    spreads: Keyed<Spread>,
    lines: Keyed<Line>,
    /// One for all ranks, by key.
    spread: Episode,
    collapse: Episode,
    flat: Episode,
}

impl Detector for Robust {
    fn describe() -> Description {
        let description = Description::new(
            "advantage-variance",
            "0.1.0",
            "Advantages spread too far, or nothing is left to learn from",
        )
        .parameter(compat::rule())
        .parameter(
            Parameter::number("ratio", 3.0)
                .unit("x median")
                .min(1)
                .max(1e6)
                .doc("`advantage_std` above so many times its median, twice in 3 values."),
        )
        .parameter(
            Parameter::number("single-ratio", 8.0)
                .unit("x median")
                .min(1)
                .max(1e6)
                .doc("One value fires alone above so many times the median."),
        )
        .parameter(
            Parameter::number("slow-ratio", 5.0)
                .unit("x start")
                .min(1)
                .max(1e6)
                .doc("A median above so many times that of the first 50 has grown slowly."),
        )
        .parameter(
            Parameter::number("collapse", 1e-3)
                .unit("ratio")
                .min(0)
                .max(1)
                .doc("`advantage_std` below this part of its start is next to nothing."),
        )
        .parameter(
            Parameter::number("zero-share", 0.9)
                .unit("ratio")
                .min(0)
                .max(1)
                .doc("From this share of groups with equal rewards on, nothing is learned."),
        )
        .parameter(
            Parameter::integer("rows", 20)
                .unit("values")
                .min(2)
                .max(10_000)
                .doc("For how many values in a row there must be nothing to learn from."),
        )
        .parameter(
            Parameter::integer("hold", 10)
                .unit("values")
                .min(1)
                .max(10_000)
                .doc("How many values in a row must be back before a leap is over."),
        );
        rlwatch::parameters()
            .into_iter()
            .fold(description, Description::parameter)
            .doc(include_str!("doc.md"))
    }

    fn open(_run: &Facts, parameters: &Parameters) -> Result<Self, String> {
        let (ratio, single) = (
            parameters.number("ratio")?,
            parameters.number("single-ratio")?,
        );
        if ratio > single {
            return Err(format!(
                "`ratio` ({ratio}) must not be more than `single-ratio` ({single})",
                ratio = number(ratio),
                single = number(single)
            ));
        }
        Ok(Self {
            settings: Settings {
                ratio,
                single,
                slow: parameters.number("slow-ratio")?,
                collapse: parameters.number("collapse")?,
                zero_share: parameters.number("zero-share")?,
                rows: parameters.count("rows")?,
                hold: parameters.count("hold")?,
            },
            state: State::default(),
            roles: Roles::default(),
        })
    }

    fn interests(&self) -> Vec<Interest> {
        [
            "advantage_std",
            "reward_std",
            "frac_reward_zero_std",
            "reward_mean",
            "rewards",
        ]
        .map(Interest::metric)
        .into()
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        for places in batch.by_row() {
            let mut rewards = Rewards::default();
            for point in places.filter_map(|at| batch.point(at)) {
                match self.roles.of(batch, point.series, Role::of) {
                    Some(Role::Advantage) => self.state.advantage(&self.settings, &point, findings),
                    Some(Role::Flat(kind)) => {
                        self.state.line(&self.settings, &point, kind, findings);
                    }
                    Some(Role::Rewards) => rewards.take(point),
                    None => {}
                }
            }
            if let Some(point) = rewards.spread() {
                self.state.line(&self.settings, &point, Kind::Std, findings);
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

impl Role {
    fn of(series: &Series) -> Self {
        match series.name.as_str() {
            "advantage_std" => Self::Advantage,
            "frac_reward_zero_std" => Self::Flat(Kind::ZeroShare),
            "reward_std" => Self::Flat(Kind::Std),
            "rewards" => Self::Rewards,
            _ => Self::Flat(Kind::Mean),
        }
    }
}

/// The single rewards of a row.
#[derive(Default)]
struct Rewards {
    first: Option<Point>,
    /// Of those that are finite.
    count: usize,
    least: f64,
    most: f64,
}

impl Rewards {
    fn take(&mut self, point: Point) {
        self.first = self.first.or(Some(point));
        if !point.value.is_finite() {
            return;
        }
        if self.count == 0 {
            (self.least, self.most) = (point.value, point.value);
        }
        self.count += 1;
        self.least = self.least.min(point.value);
        self.most = self.most.max(point.value);
    }

    /// How far they are apart: 0 where their deviation is. Of one there is none,
    /// and it is NaN where none is finite.
    fn spread(&self) -> Option<Point> {
        let value = match self.count {
            0 => f64::NAN,
            1 => return None,
            _ => self.most - self.least,
        };
        self.first.map(|point| Point { value, ..point })
    }
}

impl State {
    fn advantage(&mut self, set: &Settings, point: &Point, findings: &mut Vec<Finding>) {
        let spread = self.spreads.of(point, Spread::default);
        for seen in spread
            .look(set, point.step, point.value)
            .into_iter()
            .flatten()
        {
            findings.extend(match seen {
                spread::Seen::Leapt(leap) => self
                    .spread
                    .join(Severity::Warning)
                    .then(|| words::leapt(point, &leap)),
                spread::Seen::Over(leap, how) => self
                    .spread
                    .leave()
                    .then(|| words::calm(point, &leap, how, set.hold)),
                spread::Seen::Vanished(share) => self
                    .collapse
                    .join(Severity::Warning)
                    .then(|| words::vanished(point, share, set.rows)),
                spread::Seen::Back => self.collapse.leave().then(|| words::back(point)),
            });
        }
    }

    fn line(&mut self, set: &Settings, point: &Point, kind: Kind, findings: &mut Vec<Finding>) {
        let line = self.lines.of(point, || Line::new(kind));
        findings.extend(match line.look(set, point.step, point.value) {
            flat::Seen::Nothing => None,
            flat::Seen::Flat(flat) => self
                .flat
                .join(flat.severity)
                .then(|| words::flat(point, &flat, set.rows)),
            flat::Seen::Over => self.flat.leave().then(|| words::differs(point)),
        });
    }
}

export!(AdvantageVariance);

#[cfg(test)]
mod tests;
