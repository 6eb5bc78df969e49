//! `reward-hacking`: signs that a policy exploits its reward.
//!
//! The rule is in `rule.rs`, which is made of the three signs `variance.rs`,
//! `groups.rs` (with the dip test) and `proxy.rs`; that of rlwatch is in
//! `rlwatch.rs`. This file says what it is called and what can be set; what
//! people read is in `words.rs`.

use runwatch_detector::Roles;
use runwatch_detector::prelude::*;
use runwatch_detector::rlwatch as compat;
use runwatch_detector::state::{self, Episode};

mod dip;
mod groups;
mod proxy;
mod rlwatch;
mod row;
mod rule;
mod variance;
mod words;

use row::{Role, Row};
use rule::{Settings, Watch};
use words::READ;

const KEY: &str = "reward-hacking";
const VARIANCE: &str = "variance";
const GROUPS: &str = "groups";
const PROXY: &str = "proxy";

/// Metrics of success that are not the reward; more is better.
const EVALUATIONS: [&str; 9] = [
    "eval*reward*",
    "eval*return*",
    "eval*acc*",
    "eval*score*",
    "eval*win*",
    "eval*success*",
    "val*acc*",
    "val*reward*",
    "test*acc*",
];

/// Watches the rewards of one run.
pub type RewardHacking = compat::Choice<Robust, rlwatch::Rule>;

/// The rule of ours.
pub struct Robust {
    settings: Settings,
    evaluations: Vec<String>,
    state: State,
    roles: Roles<Role>,
    row: Row,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct State {
    watches: Keyed<Watch>,
    /// One for all ranks, by sign.
    variance: Episode,
    groups: Episode,
    proxy: Episode,
}

impl Detector for Robust {
    fn describe() -> Description {
        let description = Description::new(
            "reward-hacking",
            "0.1.0",
            "Signs that a policy exploits its reward",
        )
        .parameter(compat::rule())
        .parameter(
            Parameter::number("variance-ratio", 3.0)
                .unit("x median")
                .min(1)
                .max(1e6)
                .doc("A variance of the rewards so many times its median, twice in 3 rows."),
        )
        .parameter(
            Parameter::integer("hold", 10)
                .unit("values")
                .min(1)
                .max(10_000)
                .doc(
                    "How many values in a row must be back before a leap of the variance is over.",
                ),
        )
        .parameter(
            Parameter::number("significance", 0.01)
                .unit("p")
                .min(0)
                .max(1)
                .doc("Single rewards form two groups below this p, twice in a row; 0 is never."),
        )
        .parameter(
            Parameter::integer("window", 200)
                .unit("values")
                .min(20)
                .max(100_000)
                .doc("Over how many rewards a rise is compared with KL and length."),
        )
        .parameter(
            Parameter::number("reward-sd", 2.0)
                .unit("sd")
                .min(0)
                .max(1000)
                .doc("How many deviations of its noise the reward must have risen."),
        )
        .parameter(
            Parameter::number("evaluation-fall", 0.05)
                .unit("ratio")
                .min(0)
                .max(1)
                .doc("By how much an evaluation must have fallen meanwhile; 0.05 is 5 %."),
        )
        .parameter(
            Parameter::number("kl-ratio", 3.0)
                .unit("ratio")
                .min(1)
                .max(1e6)
                .doc("How many times as far the policy must have gone from the reference."),
        )
        .parameter(
            Parameter::number("kl-limit", 0.5)
                .unit("nats")
                .min(0)
                .max(1e6)
                .doc("How far from the reference it must be as well."),
        )
        .parameter(
            Parameter::number("length-ratio", 2.0)
                .unit("ratio")
                .min(1)
                .max(1e6)
                .doc("How many times longer or shorter the responses must have become."),
        )
        .parameter(
            Parameter::list("evaluations", &EVALUATIONS)
                .unit("names")
                .doc(
                    "Metrics of success that are not the reward, more is better; `*` is any text.",
                ),
        );
        rlwatch::parameters()
            .into_iter()
            .fold(description, Description::parameter)
            .doc(include_str!("doc.md"))
    }

    fn open(_run: &Facts, parameters: &Parameters) -> Result<Self, String> {
        let evaluations = parameters.list("evaluations")?;
        Ok(Self {
            settings: Settings::new(parameters)?,
            evaluations: evaluations.into_iter().map(str::to_owned).collect(),
            state: State::default(),
            roles: Roles::default(),
            row: Row::default(),
        })
    }

    fn interests(&self) -> Vec<Interest> {
        let names = [
            "rewards",
            "reward_mean",
            "reward_std",
            "kl",
            "response_length",
        ];
        let evaluations = self.evaluations.iter().map(String::as_str);
        names
            .into_iter()
            .chain(evaluations)
            .map(Interest::metric)
            .collect()
    }

    fn observe(&mut self, batch: &Batch<'_>, findings: &mut Vec<Finding>) {
        for places in batch.by_row() {
            self.row.read(batch, places, &mut self.roles);
            self.look(findings);
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

impl Robust {
    fn look(&mut self, findings: &mut Vec<Finding>) {
        let Self {
            settings,
            state,
            row,
            ..
        } = self;
        let Some(point) = row.first else { return };
        let watch = state.watches.of_rank(point.rank, Watch::default);
        let seen = watch.look(settings, point.step, row);
        let resumed = [
            (VARIANCE, &mut state.variance),
            (GROUPS, &mut state.groups),
            (PROXY, &mut state.proxy),
        ];
        for ((key, episode), open) in resumed.into_iter().zip(seen.resumed) {
            if open && episode.leave() {
                findings.push(words::resumed(key, &point));
            }
        }
        findings.extend(state.variance(&point, &seen, settings));
        findings.extend(state.groups(&point, seen.groups));
        findings.extend(state.proxy(&point, seen.proxy));
    }
}

impl State {
    fn variance(&mut self, point: &Point, seen: &rule::Seen, set: &Settings) -> Option<Finding> {
        match seen.variance {
            variance::Seen::Nothing => None,
            variance::Seen::Leapt(leap) => self
                .variance
                .join(Severity::Warning)
                .then(|| words::leapt(point, &leap, seen.std)),
            variance::Seen::Over(leap, how) => self
                .variance
                .leave()
                .then(|| words::calm(point, &leap, how, seen.std, set.variance.hold)),
        }
    }

    fn groups(&mut self, point: &Point, seen: groups::Seen) -> Option<Finding> {
        match seen {
            groups::Seen::Nothing => None,
            groups::Seen::Split(split) => self
                .groups
                .join(Severity::Warning)
                .then(|| words::split(point, &split)),
            groups::Seen::Over => self.groups.leave().then(|| words::joined(point)),
        }
    }

    fn proxy(&mut self, point: &Point, seen: proxy::Seen) -> Option<Finding> {
        match seen {
            proxy::Seen::Nothing => None,
            proxy::Seen::Began(evidence) => self
                .proxy
                .join(evidence.severity())
                .then(|| words::hacked(point, &evidence)),
            proxy::Seen::Worse(evidence) => self
                .proxy
                .raise(evidence.severity())
                .then(|| words::hacked(point, &evidence)),
            proxy::Seen::Over => self.proxy.leave().then(|| words::honest(point)),
        }
    }
}

export!(RewardHacking);

#[cfg(test)]
mod tests;
