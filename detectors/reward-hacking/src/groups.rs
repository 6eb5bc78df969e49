//! Single rewards form two groups, for one rank.

use runwatch_detector::Parameters;
use runwatch_detector::stats::sort;
use serde::{Deserialize, Serialize};

use super::dip;

/// How many rewards are tested at a time. No reward is tested twice: tests that
/// overlap would be many chances to be wrong.
const TESTED: usize = 200;
/// Rows with fewer rewards are not looked at: over so many rows as they would
/// take, the policy changes.
const LEAST: usize = 8;
/// Of fewer different values the test says nothing.
const DISTINCT: usize = TESTED / 4;
/// Nor when one value is so frequent: a reward of 0 or 1 with something added.
const SAME: usize = TESTED / 10;
/// So many tests in a row must agree.
const TESTS: u8 = 2;

/// The parameters.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    significance: f64,
}

impl Settings {
    pub(crate) fn new(parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            significance: parameters.number("significance")?,
        })
    }
}

/// Two groups of rewards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Split {
    pub(crate) dip: f64,
    pub(crate) p: f64,
    pub(crate) tested: usize,
    /// Whether it was so from the first test on.
    pub(crate) always: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Seen {
    Nothing,
    Split(Split),
    Over,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Groups {
    rewards: Vec<f64>,
    /// Tests in a row that found two groups, or one.
    two: u8,
    one: u8,
    /// Whether any test has found one group.
    was_one: bool,
    pub(crate) open: bool,
}

impl Groups {
    /// Looks at the rewards of the next row.
    pub(crate) fn look(&mut self, settings: &Settings, rewards: &[f64]) -> Seen {
        let mut seen = Seen::Nothing;
        if rewards.len() < LEAST {
            return seen;
        }
        for &reward in rewards.iter().filter(|reward| reward.is_finite()) {
            self.rewards.push(reward);
            if self.rewards.len() >= TESTED {
                let now = self.test(settings);
                self.rewards.clear();
                if now != Seen::Nothing {
                    seen = now;
                }
            }
        }
        seen
    }

    fn test(&mut self, settings: &Settings) -> Seen {
        sort(&mut self.rewards);
        let Some((dip, p)) = test(&self.rewards) else {
            return Seen::Nothing;
        };
        if p < settings.significance {
            (self.two, self.one) = (self.two.saturating_add(1), 0);
        } else {
            (self.two, self.one) = (0, self.one.saturating_add(1));
        }
        if self.two >= TESTS && !self.open {
            self.open = true;
            return Seen::Split(Split {
                dip,
                p,
                tested: TESTED,
                always: !self.was_one,
            });
        }
        self.was_one |= self.one > 0;
        if self.one >= TESTS && self.open {
            self.open = false;
            return Seen::Over;
        }
        Seen::Nothing
    }
}

/// The dip of sorted rewards and its p, unless they take few values.
fn test(sorted: &[f64]) -> Option<(f64, f64)> {
    let runs = || sorted.chunk_by(|a, b| a == b);
    if runs().count() < DISTINCT || runs().any(|run| run.len() > SAME) {
        return None;
    }
    let dip = dip::statistic(sorted);
    Some((dip, dip::p_value(sorted.len(), dip)))
}
