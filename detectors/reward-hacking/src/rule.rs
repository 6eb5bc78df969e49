//! The rule, for one rank: three signs, each with its own key.

use runwatch_detector::rlwatch::Level;
use runwatch_detector::state::{Move, Progress};
use runwatch_detector::{Parameters, Point};
use serde::{Deserialize, Serialize};

use super::groups::{self, Groups};
use super::proxy::{self, Proxy, Values};
use super::row::Row;
use super::variance::{self, Variance};

/// Fewer rewards in a row have no deviation to speak of.
const LEAST_REWARDS: usize = 4;

/// The parameters.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) variance: variance::Settings,
    groups: groups::Settings,
    proxy: proxy::Settings,
}

impl Settings {
    pub(crate) fn new(parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            variance: variance::Settings::new(parameters)?,
            groups: groups::Settings::new(parameters)?,
            proxy: proxy::Settings::new(parameters)?,
        })
    }
}

/// What a row shows of each sign.
pub(crate) struct Seen {
    pub(crate) variance: variance::Seen,
    pub(crate) groups: groups::Seen,
    pub(crate) proxy: proxy::Seen,
    /// What was open, if the run resumed: variance, groups, proxy.
    pub(crate) resumed: [bool; 3],
    /// The deviation that was looked at.
    pub(crate) std: f64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Watch {
    progress: Progress,
    chosen: Chosen,
    variance: Variance,
    groups: Groups,
    proxy: Proxy,
}

/// The series that counts for each role: of several with one meaning, which may
/// come in different rows, the first.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Chosen {
    mean: Option<u32>,
    std: Option<u32>,
    kl: Option<u32>,
    length: Option<u32>,
    evaluation: Option<u32>,
}

fn chosen(series: &mut Option<u32>, point: Option<Point>) -> Option<f64> {
    let point = point?;
    (*series.get_or_insert(point.series) == point.series).then_some(point.value)
}

impl Watch {
    /// Looks at the next row.
    pub(crate) fn look(&mut self, settings: &Settings, step: i64, row: &Row) -> Seen {
        let mut resumed = [false; 3];
        if self.progress.advance(step) == Move::Resumed {
            resumed = [
                self.variance.leap().is_some(),
                self.groups.open,
                self.proxy.open.is_some(),
            ];
            *self = Self {
                progress: self.progress,
                chosen: self.chosen,
                ..Self::default()
            };
        }
        let derived = derived(&row.rewards);
        let which = &mut self.chosen;
        let mean = chosen(&mut which.mean, row.mean).or(derived.map(|it| it.mean));
        let std = chosen(&mut which.std, row.std).or(derived.map(|it| it.sd));
        let values = Values {
            reward: mean,
            evaluation: chosen(&mut which.evaluation, row.evaluation),
            kl: chosen(&mut which.kl, row.kl),
            length: chosen(&mut which.length, row.length),
        };
        Seen {
            variance: std.map_or(variance::Seen::Nothing, |std| {
                self.variance.look(&settings.variance, std)
            }),
            groups: self.groups.look(&settings.groups, &row.rewards),
            proxy: self.proxy.look(&settings.proxy, values),
            resumed,
            std: std.unwrap_or(f64::NAN),
        }
    }
}

/// Mean and deviation of the rewards of a row that are finite.
fn derived(rewards: &[f64]) -> Option<Level> {
    if rewards.len() < LEAST_REWARDS {
        return None;
    }
    let finite: Vec<f64> = rewards
        .iter()
        .copied()
        .filter(|it| it.is_finite())
        .collect();
    (finite.len() >= LEAST_REWARDS).then(|| Level::of(finite.into_iter()))
}
