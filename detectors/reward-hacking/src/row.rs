//! What one row says about rewards and what they are compared with.

use runwatch_detector::{Batch, Point, Roles, Series};

/// What a series tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Single rewards, several in a row.
    Rewards,
    Mean,
    Std,
    /// Distance from the reference policy.
    Kl,
    /// Length of the responses.
    Length,
    /// A measure of success that is not the reward; more is better.
    Evaluation,
    /// Counts as a row, and no more.
    Other,
}

impl Role {
    pub(crate) fn of(series: &Series) -> Self {
        let source = series.source.to_ascii_lowercase();
        match series.name.as_str() {
            "rewards" => Self::Rewards,
            "reward_mean" => Self::Mean,
            "reward_std" => Self::Std,
            // The distance of one update says nothing about hacking.
            "kl" if source.contains("approx") || source.contains("ppo_kl") => Self::Other,
            "kl" => Self::Kl,
            // An episode that gets longer is often what is rewarded.
            "response_length" if source.contains("ep_len") => Self::Other,
            "response_length" => Self::Length,
            "entropy" | "advantage_std" | "loss" | "lr" | "clip_fraction" | "grad_norm" => {
                Self::Other
            }
            _ => Self::Evaluation,
        }
    }
}

/// One row. Of several series with one role the first counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub(crate) first: Option<Point>,
    pub(crate) rewards: Vec<f64>,
    pub(crate) mean: Option<Point>,
    pub(crate) std: Option<Point>,
    pub(crate) kl: Option<Point>,
    pub(crate) length: Option<Point>,
    pub(crate) evaluation: Option<Point>,
}

impl Row {
    /// Reads the values at these places of a batch, in place of the last row.
    pub(crate) fn read(
        &mut self,
        batch: &Batch<'_>,
        places: std::ops::Range<usize>,
        roles: &mut Roles<Role>,
    ) {
        self.rewards.clear();
        *self = Self {
            rewards: std::mem::take(&mut self.rewards),
            ..Self::default()
        };
        let mut of = None;
        for point in places.filter_map(|at| batch.point(at)) {
            self.first = self.first.or(Some(point));
            let slot = match roles.of(batch, point.series, Role::of) {
                Some(Role::Rewards) => {
                    if *of.get_or_insert(point.series) == point.series {
                        self.rewards.push(point.value);
                    }
                    continue;
                }
                Some(Role::Mean) => &mut self.mean,
                Some(Role::Std) => &mut self.std,
                Some(Role::Kl) => &mut self.kl,
                Some(Role::Length) => &mut self.length,
                Some(Role::Evaluation) => &mut self.evaluation,
                Some(Role::Other) | None => continue,
            };
            *slot = slot.or(Some(point));
        }
    }
}
